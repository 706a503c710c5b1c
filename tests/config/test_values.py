"""Single values: their forms, their normal form, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_tui.config import values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("2d", 172_800),
        ("250ms", 0.25),
        ("1.5h", 5400),
        (" 10 S ", 10),
        ("45", 45),
        ("0.5", 0.5),
        ("00:05:00", 300),
        ("1:00:00", 3600),
        ("1.02:00:00", 93_600),
        ("00:00:00.5", 0.5),
    ],
)
def test_duration_forms(text: str, seconds: float):
    assert values.duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "5 minutes", "-5s", "00:61:00", "00:00:99", "5:00", "1e3", "٣s", "s"]
)
def test_duration_refused(text: str):
    with pytest.raises(ValueError, match="duration is expected"):
        values.duration_seconds(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_timespan_is_the_sum_of_its_parts(hours: int, minutes: int, seconds: int):
    whole = values.duration_seconds(f"{hours:02}:{minutes:02}:{seconds:02}")
    parts = [
        values.duration_seconds(f"{n}{unit}") for n, unit in ((hours, "h"), (minutes, "m"), (seconds, "s"))
    ]
    assert whole == sum(parts)


@given(
    st.integers(0, 10**6), st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)])
)
def test_unit_scales_the_number_in_either_case(number: int, unit: tuple[str, float]):
    name, factor = unit
    assert values.duration_seconds(f"{number}{name}") == values.duration_seconds(f"{number} {name.upper()}")
    assert values.duration_seconds(f"{number}{name}") == pytest.approx(number * factor)


@given(st.text(max_size=20))
def test_any_text_gives_a_duration_or_a_reason(text: str):
    try:
        seconds, reason = values.duration_seconds(text), ""
    except ValueError as error:
        seconds, reason = -1, str(error)
    assert (seconds >= 0) is not reason.startswith("a duration is expected")


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Information", "INFO"),
        ("info", "INFO"),
        ("Warning", "WARNING"),
        ("WARN", "WARNING"),
        ("Trace", "DEBUG"),
        ("Critical", "CRITICAL"),
        ("debug", "DEBUG"),
        ("Error", "ERROR"),
    ],
)
def test_levels_of_python_and_dotnet(text: str, level: str):
    assert values.log_level(text) == level


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        (["Schematize", "SchemaValidation", "Schema", "Schematization", "SCHEMA"], "Schematize"),
        (["Sanitize", "Sanitization", "sanitize"], "Sanitize"),
        (["Aggregate", "Aggregation"], "Aggregate"),
        (["Anomaly", "anomaly"], "Anomaly"),
    ],
)
def test_processor_names(texts: list[str], name: str):
    assert {values.processor(text) for text in texts} == {name}


def test_unknown_processor_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'Sanitize'"):
        values.processor("Sanitise")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://a.documents.azure.com:443/", "https://a.documents.azure.com:443"),
        ("HTTPS://Account.Example/", "https://account.example"),
        ("http://localhost:8081", "http://localhost:8081"),
        ("https://[::1]:8081/", "https://[::1]:8081"),
    ],
)
def test_endpoint_normal_form(text: str, normal: str):
    assert values.endpoint(text) == normal


@pytest.mark.parametrize(
    "text",
    [
        "account.documents.azure.com",
        "ftp://host",
        "https://",
        "https:///dbs",
        "https://host:port",
        "https://ho st",
        "https://user:secret@host",
        "https://host/dbs/x",
        "https://host?x=1",
        "https://host:99999",
        "https://[::1",
    ],
)
def test_endpoint_refused_without_repeating_it(text: str):
    with pytest.raises(ValueError, match="address") as caught:
        values.endpoint(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("http://localhost:1", True),
        ("http://x.localhost", True),
        ("http://127.8.9.1", True),
        ("http://[::1]", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_loopback(address: str, here: bool):
    assert values.is_loopback(address) is here


@pytest.mark.parametrize("text", ["/city", "/sensorId", "/serial-number", "/Größe", " /city "])
def test_partition_key_of_one_field(text: str):
    assert values.partition_key(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("city", "starts with '/'"),
        ("/a/b", "nested"),
        ("/", "name of one"),
        ("/a b", "name of one"),
        ("/[]", "name of one"),
        ("/1", "name of one"),
        ('/"x"', "name of one"),
    ],
)
def test_partition_key_refused_with_the_reason(text: str, reason: str):
    with pytest.raises(ValueError, match=reason):
        values.partition_key(text)


@pytest.mark.parametrize("text", ["your-key-here", "<key>", "abc", "====", "schlüssel", "a b c d"])
def test_account_key_refused_without_repeating_it(text: str):
    with pytest.raises(ValueError, match="not an account key") as caught:
        values.account_key(text)
    assert text not in str(caught.value)


def test_masked_account_key_is_called_that():
    with pytest.raises(ValueError, match="masked"):
        values.account_key("********")


def test_connection_string(key: str):
    text = f"AccountEndpoint=https://a.example:443/; accountkey={key};Database=x;"
    assert values.connection_string(text) == ("https://a.example:443/", key)


@pytest.mark.parametrize("text", ["", "AccountKey=abc", "AccountEndpoint=https://a", "just text", "a=b;c"])
def test_connection_string_refused(text: str):
    with pytest.raises(ValueError, match="AccountEndpoint"):
        values.connection_string(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:8765", ("127.0.0.1", 8765)), ("[::1]:0", ("::1", 0)), ("host.name:80", ("host.name", 80))],
)
def test_listen_address(text: str, address: tuple[str, int]):
    assert values.listen_address(text) == address


@pytest.mark.parametrize("text", ["8765", ":8765", "host:", "host:x", "host:70000", "::1:80", "[]:80"])
def test_listen_address_refused(text: str):
    with pytest.raises(ValueError, match="expected"):
        values.listen_address(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("parquet", "Parquet"),
        ("csv", "CSV"),
        ("JSON lines", "JSON lines"),
        ("jsonl", "JSON lines"),
        ("json-lines", "JSON lines"),
    ],
)
def test_archive_formats(text: str, name: str):
    assert values.archive_format(text) == name


def test_shown_hides_what_looks_like_a_key(key: str):
    for text in (key, f"AccountKey={key}", key[:-2], f"/run/{key}"):
        assert values.shown(text) == "(not shown)"


@given(st.text())
def test_shown_is_one_short_printable_line(text: str):
    line = values.shown(text)
    assert line.isprintable()
    assert len(line) <= 62

"""Who gets in: decisions by headers alone."""

import pytest
from multidict import CIMultiDict, MultiDict

from sensor_tui.errors import UsageError
from sensor_tui.web.gate import LOOPBACK_NAMES, Gate, Refused, Visit, host_name, new_token, token_in

TOKEN = "a-token-of-more-than-sixteen-characters"


def visit(*headers: tuple[str, str], hosts: tuple[str, ...] = (), from_page: bool = False) -> Visit:
    return Gate(TOKEN, hosts=hosts).visit(CIMultiDict(headers), from_page=from_page)


@pytest.mark.parametrize("name", [*sorted(LOOPBACK_NAMES), "LocalHost"])
@pytest.mark.parametrize("port", ["", ":8000", ":9001"])
def test_the_names_of_the_loopback_are_known_on_any_port(name: str, port: str) -> None:
    assert visit(("Host", name + port)) == Visit((name + port).lower(), None)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.",
        "localhost.evil.example:8000",
        "evil.example@127.0.0.1",
        "127.0.0.1:8000/..",
        "127.0.0.1:port",
        "127.1",
        "0.0.0.0:8000",
        "[::ffff:127.0.0.1]",
        "127.0.0.1; script-src *",
        "",
    ],
)
def test_other_names_are_refused_wherever_they_point(host: str) -> None:
    with pytest.raises(Refused, match="does not go by that name"):
        visit(("Host", host))


def test_no_name_and_two_names_are_refused() -> None:
    for headers in ([], [("Host", "localhost"), ("Host", "localhost")]):
        with pytest.raises(Refused):
            visit(*headers)


def test_a_name_is_allowed_with_any_port_or_with_one() -> None:
    assert visit(("Host", "sensors.example.org:444"), hosts=("sensors.example.org",)).host
    assert visit(("Host", "sensors.example.org:444"), hosts=("sensors.example.org:444",)).host
    with pytest.raises(Refused):
        visit(("Host", "sensors.example.org:445"), hosts=("sensors.example.org:444",))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost", "localhost:80"),
        ("https://localhost", "localhost"),
        ("https://localhost:443", "localhost"),
        ("HTTP://LOCALHOST:8000", "localhost:8000"),
    ],
)
def test_a_page_of_ours_is_known_by_its_origin(origin: str, host: str) -> None:
    assert visit(("Host", host), ("Origin", origin), from_page=True).host == host


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://127.0.0.1:3000",
        "http://127.0.0.1",
        "http://localhost:8000",
        "http://127.0.0.1:8000.evil.example",
        "http://evil.example@127.0.0.1:8000",
        "file://127.0.0.1:8000",
        "127.0.0.1:8000",
        "null",
        "",
    ],
)
def test_pages_of_others_are_refused(origin: str) -> None:
    for from_page in (True, False):
        with pytest.raises(Refused, match="another server"):
            visit(("Host", "127.0.0.1:8000"), ("Origin", origin), from_page=from_page)


def test_what_only_a_page_can_ask_needs_an_origin_and_one_only() -> None:
    host, origin = ("Host", "localhost"), ("Origin", "http://localhost")
    assert visit(host).host
    with pytest.raises(Refused, match="does not say where it is from"):
        visit(host, from_page=True)
    with pytest.raises(Refused):
        visit(host, origin, origin, from_page=True)


def test_behind_tls_the_page_has_to_come_by_tls() -> None:
    host, proxy = ("Host", "localhost"), ("X-Forwarded-Proto", "https")
    assert visit(host, proxy, ("Origin", "https://localhost")).secure is True
    with pytest.raises(Refused):
        visit(host, proxy, ("Origin", "http://localhost"))
    assert visit(host, ("X-Forwarded-Proto", "http"), ("Origin", "http://localhost")).secure is False


def test_the_token_and_only_the_token_is_the_token() -> None:
    gate = Gate(TOKEN)
    assert gate.is_token(TOKEN)
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "\udcff", gate.admit()):
        assert not gate.is_token(wrong)


def test_a_cookie_is_known_where_it_was_given_and_is_not_the_token() -> None:
    gate = Gate(TOKEN)
    cookie = gate.admit()
    assert gate.knows(cookie)
    assert cookie != gate.admit()
    for wrong in (None, "", TOKEN, cookie[:-1], cookie + "x"):
        assert not gate.knows(wrong)
    assert not Gate(TOKEN).knows(cookie)


def test_the_oldest_cookie_is_forgotten_for_one_too_many() -> None:
    gate = Gate(TOKEN)
    cookies = [gate.admit() for _ in range(65)]
    assert [gate.knows(cookie) for cookie in cookies] == [False] + [True] * 64


def test_a_token_stands_in_an_address_once() -> None:
    assert token_in(MultiDict()) is None
    assert token_in(MultiDict(token=TOKEN)) == TOKEN
    assert token_in(MultiDict([("token", TOKEN), ("token", TOKEN)])) == ""


def test_tokens_are_long_and_never_the_same() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 43


def test_names_to_allow_are_written_as_browsers_do() -> None:
    assert host_name(" Sensors.Example.ORG ") == "sensors.example.org"
    assert host_name("sensors.example.org:8443") == "sensors.example.org:8443"
    assert host_name("fe80:0::1") == "[fe80::1]"
    for wrong in ("", "*", "https://sensors.example.org", "sensors.example.org/x", "a b", "::g::"):
        with pytest.raises(UsageError, match="--allow-host"):
            host_name(wrong)

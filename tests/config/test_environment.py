"""Variables of the environment and of `.env`."""

import pytest

from sensor_tui.config.catalogue import ENVIRONMENT, environment_name, leaves


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [
        ("COSMOS_ENDPOINT", "https://a.example/", "cosmos.endpoint", "https://a.example"),
        ("COSMOS_DATABASE", "D", "cosmos.database", "D"),
        ("COSMOS_CONTAINER", "C", "cosmos.container", "C"),
        ("COSMOS_PARTITION_KEY", "/sensorId", "cosmos.partition_key", "/sensorId"),
        ("COSMOS_AUTH", "AAD", "cosmos.auth", "aad"),
        ("SENSORS_PER_CITY", "7", "fleet.sensors_per_city", 7),
        ("MAX_CITIES", "3", "fleet.max_cities", 3),
        ("READINGS_PER_SECOND", "2.5", "fleet.readings_per_second", 2.5),
        ("ANOMALY_PROBABILITY", "0.2", "fleet.anomaly_probability", 0.2),
        ("UPLOAD_INTERVAL", "15", "performance.upload_interval_seconds", 15),
        ("ARCHIVE_FORMAT", "csv", "archive.format", "CSV"),
        ("UPLOADER_TAG", "v1", "fleet.uploader_tag", "v1"),
        ("REGION", "Paris", "region", "Paris"),
        ("LOG_LEVEL", "Warning", "logging.level", "WARNING"),
        ("NO_COLOR", "1", "no_color", True),
        ("NO_COLORS", "0", "no_color", True),
        ("SENSOR_TUI__COSMOS__DATABASE", "D", "cosmos.database", "D"),
        ("SENSOR_TUI__COSMOS__DATABASE_NAME", "D", "cosmos.database", "D"),
        ("SENSOR_TUI__COSMOS__CONNECTION__ALLOW_INSECURE", "yes", "cosmos.connection.allow_insecure", True),
        ("SENSOR_TUI__PROCESSING__AGGREGATION__WINDOW", "5m", "processing.aggregation.window", 300),
        (
            "SENSOR_TUI__PROCESSING__PROCESSORS",
            "schema, Anomaly",
            "processing.processors",
            ("Schematize", "Anomaly"),
        ),
        ("SENSOR_TUI__PROCESSING__PROCESSORS", "[Anomaly]", "processing.processors", ("Anomaly",)),
        ("SENSOR_TUI__NO_COLOR", "false", "no_color", False),
    ],
)
def test_variable_reaches_its_key(read, name, text, key, value):
    loaded = read(env={name: text})
    found = loaded.settings
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value
    assert loaded.sources[key] == f"environment {name}"


def test_every_key_has_a_nested_variable(refusal):
    """Each is recognised: nonsense is refused for its value, and never as an unknown name."""
    for key in leaves():
        name = environment_name(key)
        lines = refusal(env={name: "[nonsense", "SENSOR_TUI__FLEET__MAX_CITIES": "x"})
        assert not [line for line in lines if "unknown key" in line], key


def test_short_names_point_at_keys_of_the_schema():
    known = set(leaves()) | {"cosmos.connection_string"}
    assert set(ENVIRONMENT.values()) <= known


def test_cities_from_a_variable(read):
    text = "[{name: Paris, latitude: 48.8, longitude: 2.3}]"
    assert read(env={"SENSOR_TUI__CITIES": text}).settings.cities[0].name == "Paris"


def test_a_typo_in_a_nested_name_is_refused(refusal):
    assert refusal(env={"SENSOR_TUI__COSMOS__ENDPONT": "x"}) == [
        "environment: unknown key 'SENSOR_TUI__COSMOS__ENDPONT'. Did you mean 'SENSOR_TUI__COSMOS__ENDPOINT'?"
    ]


def test_a_section_cannot_be_given_whole(refusal):
    assert refusal(env={"SENSOR_TUI__COSMOS": "{}"}) == [
        "environment: SENSOR_TUI__COSMOS names a section; name a key in it"
    ]


def test_other_variables_are_left_alone(read):
    env = {
        "SENSOR_TUI_CONFIG": "",
        "SENSOR_TUI_REQUIRE": "docker",
        "RESOURCE_GROUP": "x",
        "DATABASE_NAME": "y",
    }
    assert set(read(env=env).sources.values()) == {"default"}


def test_a_wrong_value_names_the_variable(refusal):
    assert refusal(env={"MAX_CITIES": "many"}) == [
        "environment: MAX_CITIES = 'many': a whole number is expected"
    ]


def test_two_names_of_one_target_that_differ_are_refused(refusal):
    env = {"COSMOS_DATABASE": "a", "SENSOR_TUI__COSMOS__DATABASE": "b"}
    assert refusal(env=env) == [
        "environment: COSMOS_DATABASE and SENSOR_TUI__COSMOS__DATABASE differ; keep one of them"
    ]


def test_two_names_that_agree_are_accepted(read):
    env = {"COSMOS_ENDPOINT": "https://a.example", "SENSOR_TUI__COSMOS__ENDPOINT": "https://a.example/"}
    assert read(env=env).settings.cosmos.endpoint == "https://a.example"


def test_the_short_name_wins_where_only_tuning_differs(read):
    env = {"SENSOR_TUI__PERFORMANCE__UPLOAD_INTERVAL_SECONDS": "40", "UPLOAD_INTERVAL": "20"}
    loaded = read(env=env)
    assert loaded.settings.interval_seconds == 20
    [notice] = loaded.notices
    assert "__UPLOAD_INTERVAL_SECONDS is ignored: UPLOAD_INTERVAL stands beside it" in notice


def test_dotenv_quotes_comments_and_export(read, write):
    write("# ours\nexport COSMOS_DATABASE='quoted name'\nMAX_CITIES=4 # four\nOTHER=\"x\"\nEMPTY\n", ".env")
    settings = read().settings
    assert (settings.cosmos.database, settings.fleet.max_cities) == ("quoted name", 4)


def test_dotenv_line_that_is_none_is_told(read, write):
    write("MAX_CITIES=4\n'broken\n", ".env")
    loaded = read()
    assert loaded.settings.fleet.max_cities == 4
    assert loaded.notices == (".env:2: not NAME=value, ignored",)


def test_dotenv_errors_name_the_line(refusal, write):
    write("A=1\nMAX_CITIES=many\nSENSOR_TUI__REGIO=x\n", ".env")
    assert refusal() == [
        ".env:2: MAX_CITIES = 'many': a whole number is expected",
        ".env:3: unknown key 'SENSOR_TUI__REGIO'. Did you mean 'SENSOR_TUI__REGION'?",
    ]


@pytest.mark.parametrize("text", ["[", "[a, {b: c]", "[!tag x]"])
def test_a_broken_list_is_refused(refusal, text):
    lines = refusal(env={"SENSOR_TUI__COSMOS__CONNECTION__PREFERRED_REGIONS": text})
    assert lines == [
        "environment: SENSOR_TUI__COSMOS__CONNECTION__PREFERRED_REGIONS: a list like [a, b] is expected"
    ]

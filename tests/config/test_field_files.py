"""Files as they are found in the field load unchanged, and say what has no use here."""

import pytest

from sensor_tui.config import Settings


@pytest.fixture
def field(read, data, key):
    return read(path=data / "cosmos-config.yaml", env={"COSMOS_KEY": key})


def test_the_field_file_sets_what_it_says(field, key):
    settings = field.settings
    cosmos = settings.cosmos
    assert cosmos.endpoint == "https://fleet-readings.documents.azure.com:443"
    assert cosmos.key.get_secret_value() == key
    assert (cosmos.database, cosmos.container, cosmos.partition_key) == (
        "SensorData",
        "SensorReadings",
        "/city",
    )
    assert cosmos.connection.preferred_regions == ("North Europe", "West Europe")
    assert (cosmos.connection.max_retry_attempts, cosmos.connection.max_retry_wait_time) == (9, 30)
    assert (settings.performance.throughput, settings.performance.autoscale_max_throughput) == (400, 4000)
    assert (settings.performance.batch_size, settings.interval_seconds) == (500, 60)
    assert (settings.logging.level, settings.logging.log_latency) == ("INFO", True)
    assert settings.processing.processors == ("Schematize", "Sanitize", "Aggregate")
    assert settings.processing.aggregation.window == 300


def test_the_field_file_gives_one_notice_for_each_key_without_use(field):
    said = [notice.split(": ", 1)[1] for notice in field.notices]
    assert [line.split(" ", 1)[0].rstrip(":") for line in said] == [
        "cosmos.resource_group",
        "cosmos.connection.mode",
        "cosmos.connection.protocol",
        "performance.autoscale",
        "performance.disable_indexing_during_bulk",
    ]
    assert "HTTPS on port 443; ports 10250 to 10255 are not needed" in said[1]
    assert "max_ru_per_second" in said[4]
    assert field.notices[1].endswith(said[1])
    assert "cosmos-config.yaml:10: " in field.notices[1]
    assert all(notice.isprintable() for notice in field.notices)


def test_the_older_file_loads_without_a_word(read, data):
    loaded = read(path=data / "older-config.yaml")
    assert loaded.notices == ()
    assert loaded.settings.processing.processors == ("Schematize", "Sanitize")
    assert loaded.settings.cosmos.connection.max_retry_attempts == 3
    assert loaded.settings.cosmos.connection.max_retry_wait_time == 20
    assert loaded.settings.interval_seconds == 15
    assert loaded.settings.cosmos.key is None
    assert loaded.settings.performance.throughput is None


def test_cities_alone(read, data):
    settings = read(path=data / "cities.yaml").settings
    assert [city.name for city in settings.cities] == ["Amsterdam", "Málaga", "NO"]
    assert settings.cities[1].time_zone == "Europe/Madrid"
    assert settings.cities[2].longitude == 10.7
    assert settings.cosmos == Settings().cosmos


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("cosmos: {connection: {mode: gateway, protocol: Https, bulk_execution: true}}", 0),
        ("cosmos: {connection: {mode: Direct}}", 1),
        ("cosmos: {connection: {bulk_execution: false}}", 1),
        ("cosmos: {performance: {mode: direct, protocol: tcp}}", 2),
        ("performance: {autoscale: false, disable_indexing_during_bulk: false}", 0),
    ],
)
def test_only_what_would_have_changed_something_is_told(read, text, lines):
    loaded = read(text)
    assert len(loaded.notices) == lines
    assert loaded.settings == Settings()


@pytest.mark.parametrize("kind", ["database", "container"])
def test_two_names_for_a_target_that_differ_are_refused(refusal, read, kind):
    other = f"{kind}_name"
    assert refusal(f"cosmos:\n  {kind}: a\n  {other}: b\n") == [
        f"sensor-tui.yaml:2: cosmos.{kind} and cosmos.{other} differ; keep one of them"
    ]
    assert getattr(read(f"cosmos: {{{kind}: a, {other}: a}}").settings.cosmos, kind) == "a"


def test_the_same_tuning_given_twice_is_settled_with_a_word(read):
    loaded = read("cosmos:\n  connection: {max_retry_attempts: 9}\n  performance: {max_retry_attempts: 5}\n")
    assert loaded.settings.cosmos.connection.max_retry_attempts == 9
    assert loaded.notices == (
        (
            "sensor-tui.yaml:3: cosmos.performance.max_retry_attempts is ignored:"
            " cosmos.connection.max_retry_attempts stands beside it"
        ),
    )


def test_performance_inside_cosmos_reaches_performance(read):
    loaded = read(
        "cosmos:\n  performance:\n    batch_size: 50\n    sleep_interval: 12\n    connection_timeout: 3\n"
    )
    assert loaded.settings.performance.batch_size == 50
    assert loaded.settings.interval_seconds == 12
    assert loaded.settings.cosmos.connection.connection_timeout == 3
    assert loaded.sources["performance.batch_size"] == "file sensor-tui.yaml:3"


def test_processors_as_a_list_or_a_text_once_each_in_order(read):
    expected = ("Anomaly", "Schematize")
    assert (
        read("processing: {processors: [anomaly, Schema, SCHEMATIZE]}").settings.processing.processors
        == expected
    )
    assert read("processing: {processors: 'anomaly, schema'}").settings.processing.processors == expected


def test_processors_beside_the_older_booleans_have_to_agree(read, refusal):
    text = "processing: {schematize: true, processors: [%s]}"
    assert refusal(text % "Sanitize")[0].endswith("differ; keep one of them")
    assert read(text % "Schematize").settings.processing.processors == ("Schematize",)

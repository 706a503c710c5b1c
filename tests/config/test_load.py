"""Which file is read, which origin wins, and where each value came from."""

import os
from pathlib import Path

import pytest

from sensor_tui.config import Settings, load


def test_nothing_given_is_the_defaults(read):
    loaded = read()
    assert loaded.settings == Settings()
    assert loaded.path is None
    assert loaded.notices == ()
    assert set(loaded.sources.values()) == {"default"}


def test_defaults_are_those_of_the_documents():
    settings = Settings()
    assert (settings.cosmos.database, settings.cosmos.container) == ("SensorData", "SensorReadings")
    assert (settings.cosmos.partition_key, settings.cosmos.auth) == ("/city", "key")
    assert (settings.performance.batch_size, settings.performance.max_parallel_operations) == (1000, 20)
    assert (settings.interval_seconds, settings.performance.upload_jitter_seconds) == (30, 10)
    assert (settings.fleet.sensors_per_city, settings.fleet.max_cities) == (5, 5)
    assert (settings.fleet.readings_per_second, settings.fleet.anomaly_probability) == (1, 0.05)
    assert (settings.fleet.project, str(settings.fleet.compose_output)) == (
        "sensor-tui",
        "docker-compose.yml",
    )
    assert settings.archive.format == "Parquet"
    assert (settings.config_watch.enabled, settings.config_watch.poll_interval_seconds) == (True, 5)
    assert settings.service.drain_timeout_seconds == 30


def test_the_process_environment_never_reaches_bare_settings(monkeypatch):
    monkeypatch.setenv("SENSOR_TUI__REGION", "Paris")
    monkeypatch.setenv("REGION", "Paris")
    assert Settings().region is None


def test_the_process_environment_is_read_by_default(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("SENSOR_TUI", "COSMOS"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COSMOS_DATABASE", "FromProcess")
    assert load().settings.cosmos.database == "FromProcess"


def test_precedence_from_option_to_default(read, write, tmp_path):
    """Each origin is taken away in turn, and the next one wins."""
    text = "cosmos:\n  database: file\n"
    write("COSMOS_DATABASE=dotenv\n", ".env")
    env = {"COSMOS_DATABASE": "environment"}
    steps = [
        ("option", "option", read(text, env=env, overrides={"cosmos.database": "option"})),
        (
            "environment",
            "environment COSMOS_DATABASE",
            read(text, env=env, overrides={"cosmos.database": None}),
        ),
        ("dotenv", ".env COSMOS_DATABASE", read(text)),
    ]
    (tmp_path / ".env").unlink()
    steps.append(("file", "file sensor-tui.yaml:2", read(text)))
    steps.append(("SensorData", "default", read("{}")))
    for value, source, loaded in steps:
        assert loaded.settings.cosmos.database == value
        assert loaded.sources["cosmos.database"] == source


def test_layers_are_merged_key_by_key(read):
    loaded = read(
        "cosmos: {database: D, connection: {connection_timeout: 7}}",
        env={"SENSOR_TUI__COSMOS__CONNECTION__MAX_RETRY_ATTEMPTS": "3"},
        overrides={"cosmos": {"container": "C"}},
    )
    cosmos = loaded.settings.cosmos
    assert (cosmos.database, cosmos.container) == ("D", "C")
    assert (cosmos.connection.connection_timeout, cosmos.connection.max_retry_attempts) == (7, 3)


def test_an_empty_variable_is_not_given(read):
    loaded = read("cosmos: {database: D}", env={"COSMOS_DATABASE": "", "COSMOS_KEY": " "})
    assert loaded.settings.cosmos.database == "D"
    assert loaded.settings.cosmos.key is None


def test_an_empty_value_in_the_file_is_not_given(read):
    loaded = read('cosmos:\nperformance: {throughput: , batch_size: ""}\narchive: {path: ~, format: null}')
    assert loaded.settings == Settings()


@pytest.mark.parametrize(
    ("layers", "seconds"),
    [
        (("interval", "upload_interval", "env", "newer", "older"), 1),
        (("upload_interval", "env", "newer", "older"), 2),
        (("env", "newer", "older"), 3),
        (("newer", "older"), 4),
        (("older",), 5),
        ((), 30),
    ],
)
def test_interval_precedence(read, layers, seconds):
    file = {"newer": "upload_interval_seconds: 4", "older": "sleep_interval: 5"}
    text = "performance: {" + ", ".join(file[name] for name in layers if name in file) + "}"
    options = {"interval": 1, "upload_interval": 2}
    loaded = read(
        text,
        env={"UPLOAD_INTERVAL": "3"} if "env" in layers else {},
        overrides={name: options[name] for name in layers if name in options},
    )
    assert loaded.settings.interval_seconds == seconds


def test_newer_interval_of_the_file_wins_over_the_older_one_of_the_environment(read):
    env = {"SENSOR_TUI__PERFORMANCE__SLEEP_INTERVAL": "5"}
    loaded = read("performance: {upload_interval_seconds: 4}", env=env)
    assert loaded.settings.interval_seconds == 4
    assert "SLEEP_INTERVAL is ignored" in loaded.notices[0]


def test_files_are_looked_for_in_order(read, write, tmp_path):
    """Every place is filled, then emptied from the strongest on."""
    names = [
        "given.yaml",
        "variable.yaml",
        "uploader.yaml",
        "sensor-tui.yaml",
        "config/sensor-tui.yaml",
        "config/config.yaml",
        "config/cosmos-config.yaml",
        ".config/sensor-tui/sensor-tui.yaml",
        ".config/sensor-tui/config.yaml",
    ]
    for name in names:
        write("{}", name)
    env = {"SENSOR_TUI_CONFIG": "variable.yaml", "CONFIG_FILE": "uploader.yaml"}
    assert read(path=Path("given.yaml"), env=env).path == tmp_path / "given.yaml"
    assert read(env=env).path == tmp_path / "variable.yaml"
    assert read(env={"CONFIG_FILE": env["CONFIG_FILE"]}).path == tmp_path / "uploader.yaml"
    for name in names[3:]:
        assert read().path == tmp_path / name
        (tmp_path / name).unlink()
    assert read().path is None


def test_xdg_folder_can_be_moved(read, write, tmp_path):
    path = write("{}", "elsewhere/sensor-tui/sensor-tui.yaml")
    assert read(env={"XDG_CONFIG_HOME": str(tmp_path / "elsewhere")}).path == path


def test_the_file_can_be_named_in_dotenv(read, write):
    path = write("{}", "other.yaml")
    write("CONFIG_FILE=other.yaml\n", ".env")
    assert read().path == path


@pytest.mark.parametrize(
    ("arguments", "by"),
    [({"path": Path("none.yaml")}, "--config"), ({"env": {"CONFIG_FILE": "none.yaml"}}, "CONFIG_FILE")],
)
def test_a_named_file_has_to_exist(refusal, tmp_path, arguments, by):
    assert refusal(**arguments) == [f"{tmp_path / 'none.yaml'}: no such file (named by {by})"]


def test_paths_are_taken_from_the_working_folder_and_home(read, tmp_path):
    settings = read("data_dir: data\narchive: {path: ~/archive}\nstate_dir: /var/lib/state").settings
    assert settings.data_dir == tmp_path / "data"
    assert settings.archive.path == tmp_path / "archive"
    assert settings.state_dir == Path("/var/lib/state")


def test_reload_reads_the_same_file_with_the_same_options(read, write):
    loaded = read("cosmos: {database: A}\n", env={"REGION": "Paris"}, overrides={"no_color": True})
    write("cosmos: {database: B}\n")
    again = loaded.reload()
    assert again.settings.cosmos.database == "B"
    assert (again.settings.region, again.settings.no_color) == ("Paris", True)


def test_settings_are_frozen(read):
    settings = read().settings
    with pytest.raises(ValueError, match="frozen"):
        settings.cosmos.database = "other"


def test_variables_are_expanded_in_values(read):
    loaded = read(
        'cosmos: {database: "${STAGE}-data", container: "${NONE:-Readings}", partition_key: "${PK:-/city}"}\n'
        "region: $${STAGE}\n",
        env={"STAGE": "prod"},
    )
    cosmos = loaded.settings.cosmos
    assert (cosmos.database, cosmos.container, cosmos.partition_key) == ("prod-data", "Readings", "/city")
    assert loaded.settings.region == "${STAGE}"


def test_an_expanded_variable_adds_no_structure(read):
    loaded = read("region: ${X}\n", env={"X": "a: [b, c] # d"})
    assert loaded.settings.region == "a: [b, c] # d"


def test_variables_of_dotenv_are_expanded_and_the_environment_is_stronger(read, write):
    write("A=dot\nB=dot\n", ".env")
    loaded = read("cosmos: {database: '${A}', container: '${B}'}", env={"B": "env"})
    assert (loaded.settings.cosmos.database, loaded.settings.cosmos.container) == ("dot", "env")


def test_scalars_mean_what_they_say(read):
    """YAML 1.1 would make False, 3600 and a text of these."""
    text = (
        "region: NO\ncosmos: {database: 0123}\n"
        "processing: {aggregation: {window: 1:00:00}}\nperformance: {max_ru_per_second: 1e3}"
    )
    settings = read(text).settings
    assert (settings.region, settings.cosmos.database) == ("NO", "0123")
    assert settings.processing.aggregation.window == 3600
    assert settings.performance.max_ru_per_second == 1000


def test_anchors_and_merge_keys(read):
    text = """\
cosmos:
  connection: &shared {max_retry_attempts: 4}
  performance:
    <<: *shared
performance: {batch_size: 7}
"""
    settings = read(text).settings
    assert settings.cosmos.connection.max_retry_attempts == 4
    assert settings.performance.batch_size == 7


def test_a_key_beside_a_merge_wins_over_it(read):
    text = """\
cosmos:
  connection:
    <<: [{connection_timeout: 4}, {connection_timeout: 5}]
    connection_timeout: 6
"""
    assert read(text).settings.cosmos.connection.connection_timeout == 6


def test_a_file_with_a_byte_order_mark(read, tmp_path):
    (tmp_path / "sensor-tui.yaml").write_bytes("\ufeffregion: Málaga\r\n".encode())
    assert read().settings.region == "Málaga"


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~", "{}"])
def test_an_empty_file_is_the_defaults(read, text):
    assert read(text).settings == Settings()

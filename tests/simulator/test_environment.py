import json
import logging
from pathlib import Path

import pytest

from sensor_tui.errors import ConfigError
from sensor_tui.simulator.config import SensorConfig, SensorSection
from sensor_tui.simulator.environment import from_environment


def test_every_variable_of_the_field_is_understood() -> None:
    config = from_environment(
        {
            "SENSOR_ID": "MNL_000007",
            "SENSOR_LOCATION": "Manila",
            "SENSOR_LATITUDE": "14.6",
            "SENSOR_LONGITUDE": "121",
            "READINGS_PER_SECOND": "2.5",
            "ANOMALY_PROBABILITY": "0",
            "LOG_LEVEL": "debug",
            "PRESERVE_EXISTING_DB": "false",
            "SENSOR_WAL": "true",
        }
    )
    identity = config.identity()
    assert (identity.sensor_id, identity.city) == ("MNL_000007", "Manila")
    assert (identity.latitude, identity.longitude, identity.time_zone) == (14.6, 121.0, "Asia/Manila")
    assert config.simulation.readings_per_second == 2.5
    assert config.anomalies.probability == 0
    assert config.logging.level == "DEBUG"
    assert (config.database.preserve_existing_db, config.database.wal) == (False, True)


def test_an_empty_environment_changes_nothing() -> None:
    base = SensorConfig(sensor=SensorSection(id="A"))
    assert from_environment({"SENSOR_ID": "", "PATH": "/bin"}, base=base) == base


@pytest.mark.parametrize(("interval", "rate"), [("0.5", 2.0), ("60", 1 / 60), ("0", 0.0)])
def test_an_interval_is_the_inverse_of_a_rate(interval: str, rate: float) -> None:
    assert from_environment({"SENSOR_INTERVAL": interval}).simulation.readings_per_second == rate


def test_a_rate_stands_over_an_interval() -> None:
    env = {"SENSOR_INTERVAL": "10", "READINGS_PER_SECOND": "4"}
    assert from_environment(env).simulation.readings_per_second == 4


def test_variables_stand_over_the_identity_file_and_that_over_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "sensor-config.yaml"
    config.write_text("sensor: {id: FROM_CONFIG, model: M1, manufacturer: Config Ltd}\n")
    identity = tmp_path / "identity.yaml"
    identity.write_text("id: FROM_IDENTITY\nmodel: M2\n")
    sensor = from_environment(
        {"CONFIG_FILE": str(config), "IDENTITY_FILE": str(identity), "SENSOR_ID": "FROM_ENV"}
    ).sensor
    assert (sensor.id, sensor.model, sensor.manufacturer) == ("FROM_ENV", "M2", "Config Ltd")


def test_an_identity_file_may_be_nested_json(tmp_path: Path) -> None:
    path = tmp_path / "identity.json"
    values = {
        "id": "DEN_000001",
        "location": {
            "city": "Denver",
            "coordinates": {"latitude": 39.7, "longitude": -105.0},
            "timezone": "America/Denver",
        },
        "device_info": {"manufacturer": "DataLogger", "model": "DL-3", "manufacture_date": "2025-03-15"},
        "deployment": {"deployment_type": "mobile_unit", "height_meters": 8.3},
    }
    path.write_text(json.dumps(values, indent="\t"))
    identity = from_environment({"IDENTITY_FILE": str(path)}).identity()
    assert (identity.sensor_id, identity.city, identity.latitude) == ("DEN_000001", "Denver", 39.7)
    assert (identity.manufacturer, str(identity.manufacture_date)) == ("DataLogger", "2025-03-15")
    assert (identity.deployment.type, identity.deployment.height_meters) == ("mobile_unit", 8.3)


def test_a_mistake_in_an_identity_file_names_key_and_line(tmp_path: Path) -> None:
    path = tmp_path / "identity.yaml"
    path.write_text("id: A\nlocation:\n  latitude: 95\n  longitude: 3\n")
    with pytest.raises(ConfigError, match=r"identity\.yaml, line 3: latitude: .*not 95"):
        from_environment({"IDENTITY_FILE": str(path)})


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"READINGS_PER_SECOND": "fast"}, r"environment READINGS_PER_SECOND: .*not 'fast'"),
        ({"SENSOR_INTERVAL": "-1"}, r"environment SENSOR_INTERVAL: '-1' is not a number of seconds"),
        ({"SENSOR_WAL": "perhaps"}, r"environment SENSOR_WAL: .*not 'perhaps'"),
        ({"LOG_LEVEL": "loud"}, r"environment LOG_LEVEL: .*not 'LOUD'"),
        ({"SENSOR_LATITUDE": "5"}, r"environment SENSOR_LATITUDE: .*go together"),
        ({"CONFIG_FILE": "/nowhere/sensor.yaml"}, r"/nowhere/sensor\.yaml: No such file"),
    ],
)
def test_a_bad_variable_is_named(env: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_environment(env)


def test_monitoring_is_accepted_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert from_environment({"MONITORING_ENABLED": "true", "MONITORING_PORT": "8080"}) == SensorConfig()
    assert [record.args for record in caplog.records] == [("MONITORING_ENABLED",), ("MONITORING_PORT",)]

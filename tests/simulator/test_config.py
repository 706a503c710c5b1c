import logging
from datetime import date
from pathlib import Path

import pytest

from sensor_tui.errors import ConfigError
from sensor_tui.resources import resource_dir
from sensor_tui.simulator.config import NormalParameter, SensorConfig, load_sensor_config

CONFIGS = resource_dir("fixtures") / "sensor-configs"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sensor-config.yaml"
    path.write_text(text)
    return path


def test_the_commented_default_file_is_the_default() -> None:
    assert load_sensor_config(CONFIGS / "default.yaml") == SensorConfig()


@pytest.mark.parametrize("name", ["quiet", "noisy", "faulty"])
def test_the_other_files_are_different_sensors(name: str) -> None:
    assert load_sensor_config(CONFIGS / f"{name}.yaml") != SensorConfig()


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert load_sensor_config(written(tmp_path, "")) == SensorConfig()


def test_a_file_from_the_field_is_read_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = written(
        tmp_path,
        """
        sensor:
          id: CHI_000042
          type: temperature_vibration
          location: Chicago
          manufacturer: SensorTech
          model: TV-1000
          firmware_version: 1.4
          manufacture_date: 2025-01-15
          deployment: {type: mobile, height_meters: 2, orientation_degrees: 180}
        simulation: {readings_per_second: 5, run_time_seconds: null}
        normal_parameters:
          temperature: {mean: 65, std_dev: 3, min: 50, max: 80}
        anomalies:
          enabled: true
          probability: 0.1
          types:
            spike: {enabled: true, weight: 0.4}
            missing_data: {enabled: true, weight: 0.1, duration_seconds: 30}
        database: {path: /app/data/sensor_data.db, backup_enabled: false, preserve_existing_db: false}
        logging: {level: info, file: /var/log/sensor.log}
        monitoring: {enabled: true, port: 8080}
        """,
    )
    config = load_sensor_config(path)
    assert config.sensor.firmware_version == "1.4"
    assert config.sensor.manufacture_date == date(2025, 1, 15)
    assert config.simulation.run_time_seconds == 0
    assert config.normal_parameters.temperature == NormalParameter(mean=65, std_dev=3, min=50, max=80)
    assert config.anomalies.types.missing_data.duration_seconds == 30
    assert config.database.path == Path("/app/data/sensor_data.db")
    assert config.database.preserve_existing_db is False
    assert config.logging.level == "INFO"
    noted = {record.getMessage().split(": ")[1].split(" ")[0] for record in caplog.records}
    assert noted == {"monitoring", "database.backup_enabled", "logging.file"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "simulation:\n  reading_per_second: 2\n",
            r"config\.yaml, line 2: simulation\.reading_per_second is not a known key\. Did you mean readin",
        ),
        (
            "anomalies:\n  types:\n    spikes: {}\n",
            r"line 3: anomalies\.types\.spikes is not a known key\. Did you mean spike\?",
        ),
        (
            "sensor:\n  deployment:\n    hieght_meters: 3\n",
            r"line 3: sensor\.deployment\.hieght_meters .* Did you mean height_meters\?",
        ),
        ("xyzzy: 1\n", r"line 1: xyzzy is not a known key\. Known here: anomalies, database, logging"),
        ("sensor:\n  id: ''\n", r"line 2: sensor\.id: .* at least 1 character"),
        ("sensor:\n  latitude: 1\n", r"line 1: sensor: latitude and longitude go together"),
        ("sensor:\n  time_zone: Europe/Londres\n", r"line 2: sensor\.time_zone: time zone 'Europe/Londres'"),
        (
            "normal_parameters:\n  voltage: {mean: 12}\n",
            r"line 2: normal_parameters\.voltage\.std_dev is missing",
        ),
        (
            "normal_parameters:\n  voltage: {mean: 12, std_dev: 1, max: 10}\n",
            r"line 2: normal_parameters\.voltage: mean 12 lies outside min and max",
        ),
        ("anomalies:\n  probability: 1.5\n", r"line 2: anomalies\.probability: .* or equal to 1, not 1\.5"),
        (
            "anomalies:\n  types:\n    noise: {parameters: [speed]}\n",
            r"line 3: .*parameters\[0\].*not 'speed'",
        ),
        ("simulation:\n  readings_per_second: .inf\n", r"line 2: simulation\.readings_per_second"),
        ("database:\n  generation: 2025-05\n", r"line 2: .*'2025-04' or '2025-08', not '2025-05'"),
        ("simulation: 3\n", r"line 1: simulation: .*not 3"),
        ("sensor:\n  id: A\n  id: B\n", r"line 3: id stands there twice"),
        ("sensor:\n  id: A\n id: B\n", r"line 3: not YAML"),
    ],
)
def test_a_mistake_names_file_key_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_sensor_config(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sensor-config.yaml"
    path.write_bytes(b"sensor: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8 text"):
        load_sensor_config(path)

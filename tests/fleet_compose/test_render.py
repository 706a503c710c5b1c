"""The text of a compose file: what it says, whatever cities are called, the same every time."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor_tui.fleet.compose import render, variables
from sensor_tui.fleet.compose_yaml import to_yaml
from sensor_tui.fleet.images import HEALTH_COMMAND
from sensor_tui.fleet.spec import FleetSpec
from sensor_tui.model.city import City
from tests.fleet_compose.fleets import HOSTILE, LONDON, SAO_PAULO, TEXT, UPSTREAM, fleet, meant, usable

GOLDEN = Path(__file__).parent / "golden.yml"


def services(spec: FleetSpec) -> dict[str, Any]:
    parsed = yaml.safe_load(render(spec))
    assert list(parsed) == ["version", "services"]
    assert parsed["version"] == "3.8"
    found: dict[str, Any] = parsed["services"]
    return found


def whole() -> FleetSpec:
    return fleet(
        cities=[LONDON, SAO_PAULO],
        uploaders=True,
        sensor_config=Path("/etc/fleet/sensor-config.yaml"),
        uploader_config=Path("/etc/fleet/cosmos-config.yaml"),
        ca_file=Path("/etc/fleet/ca.pem"),
        readings_per_second=2.5,
        upload_interval=45.0,
        seed=11,
        environment={"COSMOS_DATABASE": "Sensor$Data"},
        references=("COSMOS_KEY",),
    )


def test_the_text_is_the_golden_file() -> None:
    assert render(whole()) == GOLDEN.read_text(encoding="utf-8"), (
        "if that is meant: .venv/bin/python -m tests.fleet_compose.test_render"
    )


def test_it_is_the_same_in_every_process() -> None:
    script = (
        "import sys\nfrom tests.fleet_compose.test_render import whole, render\n"
        "sys.stdout.buffer.write(render(whole()).encode())"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": "C", "TZ": "Asia/Tokyo"},
            cwd=GOLDEN.parents[2],
            capture_output=True,
            check=True,
        )
        assert done.stdout == GOLDEN.read_bytes()


def test_a_sensor_has_all_it_needs() -> None:
    spec = fleet(seed=3)
    unit = spec.sensors[0]
    sensor = services(spec)["sensor-london-1"]
    assert sensor["image"] == "registry.example/team/sensor-tui:v1"
    assert sensor["command"] == ["sensor"]
    assert sensor["environment"] == {
        "SENSOR_ID": unit.sensor_id,
        "SENSOR_LOCATION": "London",
        "SENSOR_LATITUDE": "51.507351",
        "SENSOR_LONGITUDE": "-0.127758",
        "SENSOR_TIME_ZONE": "Europe/London",
        "SENSOR_SEED": "3",
        "READINGS_PER_SECOND": "1",
        "ANOMALY_PROBABILITY": "0.05",
        "PRESERVE_EXISTING_DB": "true",
    }
    assert sensor["volumes"] == [
        {"type": "bind", "source": f"/srv/fleet/data/{unit.data}", "target": "/app/data"},
        {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 16 * 1024 * 1024}},
    ]
    assert sensor["restart"] == "unless-stopped"
    assert sensor["healthcheck"]["test"] == list(HEALTH_COMMAND)
    assert sensor["deploy"] == {"resources": {"limits": {"cpus": "0.5", "memory": "256M"}}}
    assert sensor["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert sensor["labels"] == {
        "sensor-tui.project": "demo",
        "sensor-tui.role": "sensor",
        "sensor-tui.city": "London",
        "sensor-tui.sensor": unit.sensor_id,
        "sensor-tui.data": unit.data,
    }
    assert sensor["user"] == "1000:1000"
    assert sensor["read_only"] is True
    assert sensor["cap_drop"] == ["ALL"]
    assert sensor["security_opt"] == ["no-new-privileges:true"]


def test_an_uploader_sees_its_city_alone() -> None:
    found = services(whole())
    for name, city in (("uploader-london", "London"), ("uploader-sao-paulo", "São Paulo")):
        uploader = found[name]
        assert [(mount.get("source"), mount["target"], mount.get("read_only", False))
                for mount in uploader["volumes"]] == [
            (f"/srv/fleet/data/{city}", "/app/data", False),
            (f"/srv/fleet/archive/{city}", "/app/archive", False),
            ("/etc/fleet/cosmos-config.yaml", "/app/config/cosmos-config.yaml", True),
            ("/etc/fleet/ca.pem", "/app/config/ca.pem", True),
            (None, "/tmp", False),
        ]  # fmt: skip
        assert uploader["command"] == [
            "--config", "/app/config/cosmos-config.yaml", "--sqlite", "/app/data", "--continuous",
            "--interval", "45", "--archive-path", "/app/archive",
        ]  # fmt: skip
        assert uploader["environment"]["REGION"] == city
        assert uploader["environment"]["COSMOS_DATABASE"] == "Sensor$$Data"
        assert uploader["environment"]["COSMOS_KEY"] is None
        assert uploader["environment"]["UPLOAD_INTERVAL"] == "45"
        assert uploader["environment"]["ARCHIVE_FORMAT"] == "Parquet"
        assert uploader["labels"]["sensor-tui.role"] == "uploader"
        assert uploader["labels"]["sensor-tui.data"] == city


def test_a_reference_never_stands_over_what_an_uploader_is_told() -> None:
    names = ("REGION", "UPLOAD_INTERVAL", "ARCHIVE_FORMAT", "SENSOR_TUI__STATE_DIR", "COSMOS_KEY")
    spec = fleet(cities=[LONDON, SAO_PAULO], uploaders=True, references=names)
    assert variables(spec) == ("COSMOS_KEY",)
    found = services(spec)
    for name, city in (("uploader-london", "London"), ("uploader-sao-paulo", "São Paulo")):
        environment = found[name]["environment"]
        assert environment["REGION"] == city
        assert {key for key, value in environment.items() if value is None} == {"COSMOS_KEY"}


def test_the_sensors_file_is_mounted_and_named() -> None:
    sensor = services(whole())["sensor-london-1"]
    assert sensor["environment"]["CONFIG_FILE"] == "/app/config/sensor-config.yaml"
    mount = {"type": "bind", "source": "/etc/fleet/sensor-config.yaml",
             "target": "/app/config/sensor-config.yaml", "read_only": True}  # fmt: skip
    assert mount in sensor["volumes"]
    assert "CONFIG_FILE" not in services(fleet())["sensor-london-1"]["environment"]


def test_images_of_the_earlier_system_keep_their_own_command_and_health() -> None:
    found = services(fleet(images=UPSTREAM, uploaders=True))
    sensor, uploader = found["sensor-london-1"], found["uploader-london"]
    for service in (sensor, uploader):
        assert "healthcheck" not in service
        assert "read_only" not in service
        assert service["environment"]["HOME"] == "/tmp"
    assert "command" not in sensor
    assert uploader["command"][0] == "--sqlite"
    assert sensor["environment"]["PRESERVE_EXISTING_DB"] == "true"


def test_without_uploaders_there_are_none() -> None:
    assert list(services(fleet(cities=[LONDON, SAO_PAULO], sensors_per_city=2))) == [
        "sensor-london-1", "sensor-london-2", "sensor-sao-paulo-1", "sensor-sao-paulo-2",
    ]  # fmt: skip


def check(spec: FleetSpec) -> None:
    found = services(spec)
    assert list(found) == [unit.name for unit in spec.units]
    for unit in spec.sensors:
        sensor = found[unit.name]
        assert meant(sensor["environment"]["SENSOR_LOCATION"]) == unit.city.name
        assert meant(sensor["labels"]["sensor-tui.city"]) == unit.city.name
        assert meant(sensor["volumes"][0]["source"]) == str(spec.data_root / unit.data)
        assert sensor["environment"]["SENSOR_ID"] == unit.sensor_id
        assert float(sensor["environment"]["SENSOR_LATITUDE"]) == pytest.approx(unit.city.latitude, abs=1e-6)
        assert float(sensor["environment"]["READINGS_PER_SECOND"]) == pytest.approx(spec.readings_per_second)
        assert all(isinstance(value, str) for value in sensor["environment"].values())
    for up in spec.uploaders:
        uploader = found[up.name]
        assert meant(uploader["environment"]["REGION"]) == up.city.name
        assert meant(uploader["volumes"][1]["source"]) == str(spec.archive_root / up.data)
        for name, value in spec.environment.items():
            assert meant(uploader["environment"][name]) == value


def test_hostile_names_come_out_as_they_went_in() -> None:
    names = [name for name in HOSTILE if usable(name)]
    check(fleet(cities=[City(name, -89.9, 179.9) for name in names], uploaders=True,
                data_root=Path("/srv/$HOME/a: b #c"), archive_root=Path("/srv/ar'chi\"ve"),
                environment={f"V{at}": name for at, name in enumerate(HOSTILE)}))  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(
    st.lists(TEXT.filter(usable), min_size=1, max_size=5, unique=True),
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.floats(1e-6, 1e4),
    st.floats(0, 1),
    TEXT,
    TEXT.filter(lambda text: "/" not in text),
)
def test_any_value_is_read_back_as_it_was_meant(
    names: list[str], latitude: float, longitude: float, rate: float, share: float, value: str, root: str
) -> None:
    check(
        fleet(
            cities=[City(name, latitude, longitude) for name in names],
            readings_per_second=rate,
            anomaly_probability=share,
            uploaders=True,
            environment={"COSMOS_DATABASE": value},
            data_root=Path("/srv") / root,
        )
    )


@settings(max_examples=50, deadline=None)
@given(st.recursive(
    TEXT | st.booleans() | st.integers() | st.none(),
    lambda inner: st.lists(TEXT, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
    | st.lists(st.dictionaries(TEXT, inner, min_size=1, max_size=3), max_size=3),
    max_leaves=12,
).filter(lambda tree: isinstance(tree, dict)))  # fmt: skip
def test_every_tree_is_read_back(tree: dict[str, Any]) -> None:
    assert (yaml.safe_load(to_yaml(tree)) or {}) == tree


if __name__ == "__main__":
    GOLDEN.write_text(render(whole()), encoding="utf-8")

"""What real Compose makes of our files: as text, and as containers on a real engine."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from sensor_tui.fleet.compose import render
from sensor_tui.fleet.spec import FleetSpec, Images, bind_folders
from sensor_tui.model.city import City
from tests.fleet_compose.fleets import HOSTILE, OWN, UPSTREAM, fleet, meant, usable
from tests.support.components import plugin_environment, require_component
from tests.support.docker import busybox_image, engine_client

PROJECT = "h1-compose-test"
IMAGE = "h1-compose-test/sensor-tui:v1"
FILE = Path("docker-compose.yml")


def version_1() -> list[str]:
    require_component("docker-compose")
    return ["docker-compose"]


def version_2() -> list[str]:
    require_component("docker-compose-v2")
    return ["docker", "compose"]


def read_by(tool: list[str]) -> dict[str, Any]:
    """The services as Compose understands them."""
    as_json = ["--format", "json"] if tool == ["docker", "compose"] else []
    done = subprocess.run(
        [*tool, "-p", PROJECT, "-f", FILE, "config", *as_json],
        capture_output=True,
        check=False,
        env=os.environ | plugin_environment() | {"COSMOS_KEY": "c2VjcmV0"},
    )
    assert done.returncode == 0, done.stderr.decode()
    text = done.stdout.decode()
    services: dict[str, Any] = (json.loads(text) if as_json else yaml.safe_load(text))["services"]
    return services


@pytest.mark.parametrize("tool", [version_1, version_2])
@pytest.mark.parametrize(
    ("images", "uploaders", "every"), [(OWN, False, 1), (OWN, True, 4), (UPSTREAM, True, 16)]
)
def test_compose_reads_what_was_meant(tool: Any, images: Images, uploaders: bool, every: int) -> None:
    program = tool()
    names = [name for name in HOSTILE if usable(name)][::every]
    spec = fleet(
        cities=[City(name, -1.5, 2.25) for name in names],
        images=images,
        uploaders=uploaders,
        data_root=Path("/srv/a:b $HOME #c/'é\""),
        archive_root=Path("/srv/archive"),
        sensor_config=Path("/etc/$x/sensor.yaml"),
        uploader_config=Path("/etc/y: z/cosmos.yaml"),
        environment={f"V{at}": name for at, name in enumerate(HOSTILE)},
        references=("COSMOS_KEY", "UNSET_VARIABLE"),
    )
    FILE.write_text(render(spec), encoding="utf-8")
    found = read_by(program)
    assert set(found) == {unit.name for unit in spec.units}
    for unit in spec.sensors:
        _sensor(spec, found[unit.name], unit.city.name, str(spec.data_root / unit.data))
        assert found[unit.name]["environment"]["SENSOR_ID"] == unit.sensor_id
    for up in spec.uploaders:
        environment = found[up.name]["environment"]
        assert meant(environment["REGION"]) == up.city.name
        assert {name: meant(value) for name, value in environment.items() if name.startswith("V")} == dict(
            spec.environment
        )
        assert environment["COSMOS_KEY"] == "c2VjcmV0"
        assert environment.get("UNSET_VARIABLE") is None
        assert _sources(found[up.name]) == [
            str(spec.data_root / up.data), str(spec.archive_root / up.data), "/etc/y: z/cosmos.yaml",
        ]  # fmt: skip
        assert found[up.name]["command"][0] == "--config"


def _sensor(spec: FleetSpec, service: dict[str, Any], city: str, source: str) -> None:
    assert service["image"] == spec.images.sensor
    assert meant(service["environment"]["SENSOR_LOCATION"]) == city
    assert meant(service["labels"]["sensor-tui.city"]) == city
    assert _sources(service) == [source, "/etc/$x/sensor.yaml"]
    assert service["user"] == "1000:1000"
    assert float(service["deploy"]["resources"]["limits"]["cpus"]) == 0.5
    assert ("read_only" in service) is Images.own(spec.images.sensor)


def _sources(service: dict[str, Any]) -> list[str]:
    return [meant(mount["source"]) for mount in service["volumes"] if mount["type"] == "bind"]


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    """The engine, with an image under our image's name; what the test made is gone afterwards."""
    require_component("docker")
    found = engine_client()
    repository, _, tag = IMAGE.rpartition(":")
    found.images.get(busybox_image(found)).tag(repository, tag)
    yield found
    mine = f"com.docker.compose.project={PROJECT}"
    for container in found.containers.list(all=True, filters={"label": mine}):
        container.remove(force=True)
    for network in found.networks.list(filters={"label": mine}):
        network.remove()
    found.images.remove(IMAGE)
    found.close()


@pytest.mark.parametrize("tool", [version_1, version_2])
def test_the_engine_makes_what_was_meant(tool: Any, client: docker.DockerClient, tmp_path: Path) -> None:
    program = tool()
    names = ["London", "a:b $HOME ${X}", "line\nbreak \x1b[2J\u202e", '"no"', "東京 👩‍🔬"]
    spec = fleet(
        project=PROJECT,
        cities=[City(name, 1.0, 2.0) for name in names],
        images=Images(IMAGE),
        data_root=tmp_path / "da$ta",
        user="0:0",
        memory="32M",
        cpus=0.25,
    )
    for folder in bind_folders(spec):
        folder.mkdir(parents=True)
    FILE.write_text(render(spec), encoding="utf-8")
    done = subprocess.run(
        [*program, "-p", PROJECT, "-f", FILE, "up", "--no-start", "--no-build"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | plugin_environment(),
    )
    assert done.returncode == 0, done.stderr
    made = client.containers.list(all=True, filters={"label": f"sensor-tui.project={PROJECT}"})
    found = {container.labels["com.docker.compose.service"]: container for container in made}
    assert set(found) == {unit.name for unit in spec.sensors}
    for unit in spec.sensors:
        container = found[unit.name]
        facts = container.attrs
        environment = dict(entry.split("=", 1) for entry in facts["Config"]["Env"])
        assert environment["SENSOR_LOCATION"] == unit.city.name
        assert environment["SENSOR_ID"] == unit.sensor_id
        assert container.labels["sensor-tui.city"] == unit.city.name
        assert container.labels["sensor-tui.data"] == unit.data
        assert facts["Config"]["Cmd"] == ["sensor"]
        host = facts["HostConfig"]
        mounts = {mount["Target"]: mount.get("Source") for mount in host["Mounts"] or []}
        binds = {target: source for source, _, target in (bind.removesuffix(":rw").rpartition(":")
                 for bind in host["Binds"] or [])}  # fmt: skip
        assert (mounts | binds)["/app/data"] == str(spec.data_root / unit.data)
        assert host["NanoCpus"] == 250_000_000
        assert host["Memory"] == 32 * 1024 * 1024
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert host["ReadonlyRootfs"] is True
        assert host["Init"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
        assert facts["Config"]["Healthcheck"]["Test"][0] == "CMD"
        assert facts["Config"]["StopTimeout"] == 10

"""The real image on a real engine: built, run as a sensor and as an uploader, and built by command."""

import asyncio
import json
import os
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from docker.models.containers import Container

from sensor_tui.cli.build import build as command
from sensor_tui.cli.lazy import Session
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.errors import FleetError, UsageError
from sensor_tui.fleet import images_build
from sensor_tui.fleet.docker_host import docker_addresses
from sensor_tui.fleet.images import (
    HEALTH_COMMAND,
    SENSOR_COMMAND,
    ImageError,
    RegistryUnreachable,
    build,
    check_images,
    last_built,
    policy_problem,
)
from sensor_tui.fleet.images_base import Python
from tests.support.docker import base_image, busybox_image, engine_client
from tests.support.docker_product import SECONDS, health, product_image, running, wait_for

pytestmark = pytest.mark.component("docker", "docker-base")

USER = os.getuid() or 5123
SECOND = 1_000_000_000
AUTHORITIES = "import ssl; print(len(ssl.create_default_context().get_ca_certs()))"


@pytest.fixture(scope="module")
def client():
    client = engine_client()
    yield client
    client.close()


@pytest.fixture
def folder(tmp_path):
    """A data folder that is the container user's alone."""
    data = tmp_path / "London" / "LON_000007"
    data.mkdir(parents=True)
    for path in (data.parent, data):
        os.chown(path, USER, USER)
    return data


def confined(folder: Path, **further):
    """How compose runs the image: not root, nothing writable but /tmp and the data."""
    return {
        "user": f"{USER}:{USER}",
        "read_only": True,
        "tmpfs": {"/tmp": ""},
        "cap_drop": ["ALL"],
        "network_mode": "none",
        "volumes": {str(folder): {"bind": "/app/data", "mode": "rw"}},
        "healthcheck": {
            "test": list(HEALTH_COMMAND),
            "interval": SECOND // 4,
            "timeout": 5 * SECOND,
            "retries": 1,
        },
        "environment": {},
    } | further


def count(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM sensor_readings").fetchone()[0])
        except sqlite3.OperationalError:  # not made yet, or being written
            return 0


@pytest.mark.parametrize("init", [False, True])
def test_it_is_a_sensor_that_writes_is_healthy_and_stops_cleanly(client, folder, init):
    variables = {
        "SENSOR_ID": "LON_000007",
        "SENSOR_LOCATION": "London",
        "READINGS_PER_SECOND": "20",
        "ANOMALY_PROBABILITY": "0",
        "PRESERVE_EXISTING_DB": "true",
        "SENSOR_TUI_HEALTH_SECONDS": "1",
    }
    options = confined(folder, environment=variables, init=init)
    with running(client, product_image(client), list(SENSOR_COMMAND), **options) as container:
        database = folder / "sensor_data.db"
        wait_for(lambda: count(database) >= 3, container)
        wait_for(lambda: health(container) == "healthy", container)
        assert database.stat().st_uid == USER
        code, shown = container.exec_run(["python3", "-I", "-S", "-c", AUTHORITIES])
        assert code == 0, shown
        assert int(shown) > 50  # the base has none of its own
        if not init:
            container.kill("STOP")  # hangs, and still counts as running
            wait_for(lambda: health(container) == "unhealthy", container)
            container.kill("CONT")
            wait_for(lambda: health(container) == "healthy", container)
        container.kill("TERM")
        assert container.wait(timeout=10)["StatusCode"] == 0
        assert "readings written" in container.logs().decode()
    with closing(sqlite3.connect(database)) as connection:
        row = connection.execute("SELECT DISTINCT sensor_id, location, anomaly_flag FROM sensor_readings")
        assert row.fetchall() == [("LON_000007", "London", 0)]
    assert not [path.name for path in folder.iterdir() if path.name != "sensor_data.db"]


def test_it_stops_at_once_while_it_is_starting(client, folder):
    with running(client, product_image(client), **confined(folder, healthcheck=None)) as container:
        container.reload()
        process = Path(f"/proc/{container.attrs['State']['Pid']}")

        def listens() -> int:
            if b"sensor-tui" not in (process / "cmdline").read_bytes():  # runc, before it became Python
                return 0
            lines = (process / "status").read_text().splitlines()
            caught = next(line for line in lines if line.startswith("SigCgt:"))
            return int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1

        wait_for(listens, container)
        container.kill("TERM")
        assert container.wait(timeout=8)["StatusCode"] in {0, 128 + signal.SIGTERM}


OURS, OTHER = f"{USER}:{USER}", "5124:5124"


@pytest.mark.parametrize(
    ("arguments", "user", "code", "line"),
    [
        (
            ["sensor"],
            OTHER,
            1,
            f"Storage: /app/data cannot be written by user {OTHER}. Mount it writable, and",
        ),
        (["sh"], OURS, 2, "Usage: 'sh' is nothing this image can be. Start it as sensor, as"),
        (["sensor-tui"], OURS, 2, "Usage: the image has no dashboard"),
        (["uploader", "--config", "/app/none.yaml"], OURS, 2, "Usage: Invalid value for '--config'"),
        (["uploader"], OURS, 2, "Configuration: "),
    ],
)
def test_what_cannot_be_is_one_line(client, folder, arguments, user, code, line):
    with running(client, product_image(client), arguments, **confined(folder, user=user)) as container:
        assert container.wait(timeout=20)["StatusCode"] == code, container.logs()
        said = container.logs().decode()
        assert said.startswith(f"sensor-tui: {line}")
        assert said.count("\n") == 1


async def arrived(endpoint: Emulator, number: int, uploader: Container) -> list[dict[str, Any]]:
    """The documents, once there are so many."""
    async with asyncio.timeout(SECONDS):
        while True:
            with suppress(KeyError):  # the uploader makes the container
                found = endpoint.documents("Field", "Readings")
                if len(found) >= number:
                    return found
            await asyncio.sleep(0.05)
    raise AssertionError(uploader.logs().decode())


async def test_it_is_an_uploader_as_those_of_the_field_are_called(client, folder, tmp_path):
    config = tmp_path / "config"
    config.mkdir()
    config.chmod(0o755)
    (tmp_path / "archive").mkdir()
    os.chown(tmp_path / "archive", USER, USER)
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as endpoint:
        (config / "cosmos-config.yaml").write_text(
            f"cosmos:\n  endpoint: {endpoint.url}\n  database_name: Field\n  container_name: Readings\n"
            "performance:\n  upload_jitter_seconds: 0\n"
        )
        image = await asyncio.to_thread(product_image, client)
        mounts = {
            str(folder.parent): {"bind": "/app/data", "mode": "rw"},
            str(config): {"bind": "/app/config", "mode": "ro"},
            str(tmp_path / "archive"): {"bind": "/app/archive", "mode": "rw"},
        }
        variables = {"COSMOS_KEY": endpoint.key, "REGION": "London", "ARCHIVE_FORMAT": "Parquet"}
        options = confined(folder, volumes=mounts, network_mode="host", environment=variables)
        arguments = [
            "--config", "/app/config/cosmos-config.yaml", "--sqlite", "/app/data", "--continuous",
            "--interval", "1", "--archive-path", "/app/archive",
        ]  # fmt: skip

        def sensor() -> None:
            made = ["sensor", "--count", "7", "--rate", "0", "--sensor-id", "LON_000007"]
            with running(client, image, made, **confined(folder)) as container:
                assert container.wait(timeout=20)["StatusCode"] == 0

        await asyncio.to_thread(sensor)
        uploader = await asyncio.to_thread(client.containers.create, image, arguments, **options)
        try:
            await asyncio.to_thread(uploader.start)
            assert len(await arrived(endpoint, 7, uploader)) == 7
            await asyncio.to_thread(wait_for, lambda: health(uploader) == "healthy", uploader)
            # The host sees the service of the container by its socket.
            socket = folder.parent / ".sensor-tui" / "service.sock"
            async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(socket))) as http:
                answer = (await http.get("http://service/healthcheck")).json()
            assert answer["ok"], answer
            code, shown = await asyncio.to_thread(
                uploader.exec_run, ["sensor-tui", "status", "--data-dir", "/app/data"]
            )
            assert code == 0, shown
            assert b"LON_000007" in shown
            await asyncio.to_thread(uploader.kill, "TERM")
            ended = await asyncio.to_thread(uploader.wait, timeout=20)
            assert ended["StatusCode"] == 0, uploader.logs().decode()
            assert endpoint.key not in uploader.logs().decode()
            # the mount is the archive of the uploader's city: there is no further folder for it
            assert pq.read_table(tmp_path / "archive" / "LON_000007.parquet").num_rows == 7
        finally:
            await asyncio.to_thread(uploader.remove, force=True, v=True)


def test_it_is_not_root_and_has_no_screens(client):
    facts = client.images.get(product_image(client)).attrs
    assert facts["Config"]["User"] == "10001:10001"
    assert facts["Config"]["Healthcheck"]["Test"] == list(HEALTH_COMMAND)
    assert facts["Config"]["Cmd"] == list(SENSOR_COMMAND)
    own = facts["Size"] - client.images.get(base_image(client)).attrs["Size"]
    assert own < 165_000_000


def test_a_base_that_will_not_do_is_named(client):
    here, said = docker_addresses()[0], []
    with pytest.raises(ImageError, match="has no python3 that runs"):
        build(here, "h2-none:v1", base=busybox_image(client), say=said.append)
    left = client.containers.list(all=True, filters={"ancestor": busybox_image(client), "status": "created"})
    assert not [each for each in left if "-I" in each.attrs["Args"]]
    with pytest.raises(
        ImageError, match=r"is not on the engine and cannot be pulled: .*127\.0\.0\.1:1"
    ) as caught:
        build(here, "h2-none:v1", base="127.0.0.1:1/python:v1", say=said.append)
    assert "--base IMAGE" in caught.value.fix
    assert said == ["127.0.0.1:1/python:v1 is not on the engine; pulling it"]


def test_another_python_is_said_and_its_packages_are_fetched_or_named(client, monkeypatch):
    other = Python(3, 99, ".cpython-399-x86_64-linux-gnu.so", "x86_64", "2.36")
    monkeypatch.setattr(images_build, "own_python", lambda: other)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    said: list[str] = []
    with pytest.raises(ImageError, match="No matching distribution") as caught:
        build(docker_addresses()[0], "h2-none:v1", base=base_image(client), say=said.append)
    assert caught.value.fix.startswith("Give --base an image with Python 3")
    assert len(said) == 1
    assert "has Python 3.11 (cpython-311-" in said[0]
    assert "this program runs on Python 3.99" in said[0]


def test_the_command_builds_remembers_and_prints_the_name(client, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    product_image(client)  # so that its layers are there
    shared = ["--base", base_image(client), "--registry", "127.0.0.1:1/h2-test"]
    state = tmp_path / "data" / ".sensor-tui"
    command.main([*shared, "--tag", "latest", "--json"], standalone_mode=False, obj=Session())
    told = capsys.readouterr()
    facts = json.loads(told.out)
    try:
        tag = last_built(state)
        assert tag == facts["version"]
        assert len(tag) == len("v20250601120000")
        assert facts["image"] == f"127.0.0.1:1/h2-test/sensor-tui:{tag}"
        assert policy_problem(facts["image"]) is None
        assert (facts["pushed"], facts["digest"]) == (False, None)
        assert facts["size"] > facts["base_size"] > 0
        assert f"--tag asks for 'latest', and every image needs a version; using {tag} instead" in told.err
        assert "Step 1/" in told.err
        assert client.images.get(facts["image"]).id == facts["id"]
        with pytest.raises(RegistryUnreachable):
            check_images([facts["image"]], docker_addresses()[0], allow_local=False)
    finally:
        client.images.remove(facts["image"])
    with pytest.raises(ImageError, match="/sensor-tui:local cannot be built"):
        command.main(["--no-tag", "--base", busybox_image(client)], standalone_mode=False, obj=Session())
    assert last_built(state) == tag


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-tag", "--push"],
        ["--no-tag", "--tag", "v1"],
        ["--tag", "a b"],
        ["--name", "x:v1"],
        ["--registry", "A B"],
    ],
)
def test_options_that_make_no_sense_build_nothing(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        command.main(arguments, standalone_mode=False, obj=Session())


def test_no_engine_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(FleetError, match="no Docker engine answers"):
        command.main([], standalone_mode=False, obj=Session())

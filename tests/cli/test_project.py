"""A whole project by command, on a real engine: start, stop, reset, cleanup, and what may go wrong."""

import os
import signal
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
import docker.errors
import pytest

from sensor_tui.cli.lazy import Lazy
from sensor_tui.cli.main import COMMANDS
from sensor_tui.fleet import labels
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client
from tests.support.docker_product import product_image

Run = Callable[..., Any]
CONFIG = """
fleet:
  project: {project}
  registry: {registry}
  uploader_tag: v0test
  allow_local: true
  sensors_per_city: 1
  readings_per_second: 5
cities:
  - {{name: London, latitude: 51.5, longitude: -0.12}}
  - {{name: São Paulo, latitude: -23.5, longitude: -46.6}}
"""


class Fleet:
    """A project of this test's own, and its neighbours."""

    def __init__(self, client: docker.DockerClient) -> None:
        self.client = client
        self.project = f"h4c{uuid.uuid4().hex[:8]}"
        self.registry = f"{self.project}.invalid"
        self.images: list[str] = []

    def configure(self, *further: str) -> None:
        text = CONFIG.format(project=self.project, registry=self.registry)
        Path("sensor-tui.yaml").write_text(text + "".join(further))

    def tag(self, image: str, name: str = "sensor-tui") -> None:
        self.images.append(f"{self.registry}/{name}:v0test")
        self.client.images.get(image).tag(f"{self.registry}/{name}", "v0test")

    def states(self) -> dict[str, str]:
        found = self.client.containers.list(all=True, filters={"label": f"{labels.PROJECT}={self.project}"})
        return {each.labels[labels.COMPOSE_SERVICE]: each.status for each in found}

    def networks(self) -> list[str]:
        return [each.name for each in self.client.networks.list() if each.name.startswith(self.project)]

    def remove(self) -> None:
        mine = {"label": f"{labels.COMPOSE_PROJECT}={self.project}"}
        for each in self.client.containers.list(all=True, filters=mine):
            each.remove(force=True, v=True)
        for network in self.client.networks.list(filters=mine):
            network.remove()
        for image in self.images:
            self.client.images.remove(image, force=True)


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    require_component("docker")
    require_component("docker-compose")
    monkeypatch.setitem(COMMANDS, "cleanup", Lazy("sensor_tui.cli.cleanup:cleanup", ""))
    for name in list(os.environ):
        if name.startswith(("COMPOSE_", "UPLOADER_")):
            monkeypatch.delenv(name)
    client = engine_client()
    made = Fleet(client)
    try:
        yield made
    finally:
        made.remove()
        client.close()


def rows(what: str = "count(*)") -> dict[str, Any]:
    """Readings of each sensor: how many, or something else of them."""
    found = {}
    for path in Path("data").glob("*/*/sensor_data.db"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            found[path.parent.name] = database.execute(f"SELECT {what} FROM sensor_readings").fetchone()[0]
    return found


def test_a_project_from_its_start_to_nothing_left(run: Run, fleet: Fleet, endpoint: Any) -> None:
    fleet.tag(product_image(fleet.client))
    fleet.configure()
    neighbour = fleet.client.containers.run(
        busybox_image(fleet.client),
        ["sleep", "600"],
        detach=True,
        network=fleet.client.networks.create(f"neighbour-{fleet.project}").name,
        labels={labels.PROJECT: f"{fleet.project}-neighbour"},
    )
    try:
        _life_of(run, fleet, endpoint)
        neighbour.reload()
        assert neighbour.status == "running"
    finally:
        run("service", "stop")
        neighbour.remove(force=True)
        fleet.client.networks.get(f"neighbour-{fleet.project}").remove()


def _life_of(run: Run, fleet: Fleet, endpoint: Any) -> None:
    both = {"sensor-london-1", "sensor-sao-paulo-1"}

    shown = run("start", "--no-rebuild", "--dry-run")
    assert (shown.code, fleet.states(), Path("docker-compose.yml").exists()) == (0, {}, False)
    assert "+services:" in shown.out
    assert f"2 units of project {fleet.project}" in shown.out

    started = run("start", "--no-rebuild", "--json")
    assert started.code == 0, started.err
    assert {each["name"]: each["proof"] for each in started.json["outcomes"]} == dict.fromkeys(both, "proven")
    assert {each["verdict"] for each in started.json["diagnostics"]} <= {"ok", "skipped", "warning"}
    assert fleet.states() == dict.fromkeys(both, "running")
    for line in (
        "docker-compose.yml written",
        "folders made",
        "The service was started",
        "sensor-london-1: up",
    ):
        assert line in started.err
    endpoint.wait_for_documents(2)
    before = rows()
    assert len(before) == 2

    stopped = run("stop", "--yes")
    assert stopped.code == 0, stopped.err
    assert "stop: 2 units done" in stopped.out
    assert fleet.states() == dict.fromkeys(both, "exited")
    assert run("stop", "--yes").code == 0

    again = run("start", "--no-rebuild", "--no-diagnostics", "--max-cities", 1)
    assert again.code == 0, again.err
    assert "replaced: it was made from other settings" in again.err
    assert "Of 1 unit 1 there already, 0 of them up" in again.err
    assert "No longer in the fleet, and left as they are: sensor-sao-paulo-1" in again.err
    assert fleet.states() == {"sensor-london-1": "running", "sensor-sao-paulo-1": "exited"}

    ids = {
        each.id
        for each in fleet.client.containers.list(filters={"label": f"{labels.PROJECT}={fleet.project}"})
    }
    reset = run("reset", "--no-rebuild", "--no-diagnostics", "--yes")
    assert reset.code == 0, reset.err
    assert reset.out.count("done, proven") == 2
    assert fleet.states() == dict.fromkeys(both, "running")
    assert all(count >= before[sensor] for sensor, count in rows().items())
    assert ids.isdisjoint(each.id for each in fleet.client.containers.list())

    before, oldest = rows(), rows("min(timestamp)")
    wiped = run("reset", "--no-rebuild", "--no-diagnostics", "--wipe-data", "--yes", "--max-cities", 1)
    assert wiped.code == 0, wiped.err
    assert endpoint.count() >= sum(before.values())
    assert fleet.states() == {"sensor-london-1": "running"}
    (left,) = rows("min(timestamp)").items()
    assert left[1] > oldest[left[0]]

    Path("docker-compose.yml").unlink()
    dry = run("cleanup", "--dry-run", "--json")
    assert dry.json["hosts"][0]["networks"] == [f"{fleet.project}_default"]
    assert len(dry.json["hosts"][0]["containers"]) == 1
    cleaned = run("cleanup", "--yes")
    assert cleaned.code == 0, cleaned.err
    assert f"Project {fleet.project}: 2 things removed; data stays" in cleaned.out
    assert (fleet.states(), fleet.networks()) == ({}, [])
    assert rows().keys() == {left[0]}
    assert run("cleanup", "--yes").code == 0


def test_a_unit_that_exits_at_once_is_said_with_its_last_lines(run: Run, fleet: Fleet) -> None:
    """And without a service: stopped through the Compose tool."""
    box = fleet.client.containers.create(busybox_image(fleet.client), "true")
    command = ["sh", "-c", "case $SENSOR_ID in LON*) echo no such model >&2; exit 3;; esac; exec sleep 600"]
    fleet.images.append(f"{fleet.registry}/crash:v0test")
    box.commit(f"{fleet.registry}/crash", "v0test", conf={"Cmd": command})
    box.remove()
    fleet.configure()
    sensor = Path("sensor-tui.yaml")
    sensor.write_text(
        sensor.read_text().replace("  registry", "  images: {sensor: 'crash:v0test'}\n  registry")
    )

    started = run("start", "--no-service", "--no-diagnostics")

    assert started.code == 1
    assert "sensor-london-1: failed, it ends again and again" in started.err
    assert "it last said: no such model" in started.err
    assert "sensor-sao-paulo-1: up" in started.err
    assert "start: 1 unit done, 1 failed" in started.out

    refused = run("stop", "--yes")
    assert (refused.code, "Give --no-drain" in refused.err) == (2, True)
    assert "There is no terminal to ask on. Give --yes" in run("stop", "--no-drain").err
    stopped = run("stop", "--no-drain", "--yes", "--grace", 0, "--json")
    assert (stopped.code, stopped.json["failed"]) == (0, 0), stopped.err
    assert set(fleet.states().values()) == {"exited"}
    unasked = run("cleanup")
    assert (unasked.code, len(fleet.states())) == (2, 2)
    wipe = run("reset", "--wipe-data", "--yes", "--no-drain")
    assert (wipe.code, "--wipe-data needs the service" in wipe.err) == (2, True)


def test_a_name_that_is_taken_is_found_before_anything_is_started(run: Run, fleet: Fleet) -> None:
    fleet.tag(busybox_image(fleet.client))
    fleet.configure()
    name = f"{fleet.project}_sensor-london-1_1"
    taken = fleet.client.containers.create(busybox_image(fleet.client), "true", name=name)
    try:
        result = run("start", "--no-service", "--no-rebuild")
    finally:
        taken.remove(force=True)

    assert result.code == 1
    assert "nothing was started" in result.err
    assert name in result.err
    assert fleet.states() == {}
    assert not Path("docker-compose.yml").exists()


def test_a_compose_file_of_somebody_else_is_left_alone(run: Run, fleet: Fleet) -> None:
    fleet.tag(busybox_image(fleet.client))
    fleet.configure()
    Path("docker-compose.yml").write_text("services: {}\n")

    result = run("start", "--no-service", "--no-rebuild")

    assert (result.code, "--force" in result.err) == (2, True)
    assert Path("docker-compose.yml").read_text() == "services: {}\n"


def test_cleanup_asks_all_hosts_and_says_which_it_could_not(run: Run, fleet: Fleet) -> None:
    """Without a compose file, a service, or a container that Compose made."""
    fleet.configure("\n")
    config = Path("sensor-tui.yaml")
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    hosts = f"  hosts: ['{engine}', 'unix://{Path.cwd()}/none.sock']\n"
    config.write_text(config.read_text().replace("fleet:\n", f"fleet:\n{hosts}"))
    made = fleet.client.containers.create(
        busybox_image(fleet.client), "true", network_mode="none", labels={labels.PROJECT: fleet.project}
    )

    result = run("cleanup", "--yes", "--json")

    assert result.code == 1
    assert [len(each["containers"]) for each in result.json["hosts"]] == [1]
    assert "no Docker engine answers" in result.json["unreachable"][0]
    with pytest.raises(docker.errors.NotFound):
        made.reload()


def test_ctrl_c_ends_compose_and_says_what_was_started(fleet: Fleet, spawn: Callable[..., Any]) -> None:
    fleet.tag(busybox_image(fleet.client))
    fleet.configure()
    tool = Path("bin", "docker-compose")
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\ncase $* in *version*) echo 1.29.2; exit;; esac\n"
        "trap 'echo ended > ended; exit 1' INT\necho 'Creating p_one_1 ... '\n"
        "while :; do /bin/sleep 0.05; done\n"
    )
    tool.chmod(0o755)
    started = spawn("start", "--no-service", "--no-rebuild", env={"PATH": str(tool.parent.absolute())})
    for line in started.stderr:
        if "creating" in line:
            break

    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=30)

    assert started.returncode == 130
    assert Path("ended").read_text() == "ended\n"
    assert "Not made: sensor-london-1, sensor-sao-paulo-1" in err
    assert "Traceback" not in err


def test_what_is_missing_is_one_line(run: Run, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.configure()
    image = run("start", "--no-service", "--no-rebuild")
    assert image.code in {1, 3}
    assert f"{fleet.registry}/sensor-tui:v0test" in image.err

    fleet.tag(busybox_image(fleet.client))
    endpoint = run("start", "--no-rebuild")
    assert (endpoint.code, "give --no-service" in endpoint.err) == (2, True)
    assert not Path("docker-compose.yml").exists()

    ignored = run("start", "--no-allow-local", "--no-service", "--no-rebuild", "--tag", "v5", "--no-tag")
    assert "--no-rebuild, --tag, --no-tag without --allow-local: no effect" in ignored.err

    both = run("start", "--tag", "v5", "--no-tag")
    assert (both.code, "exclude each other" in both.err) == (2, True)

    for verb in (["start", "--no-service"], ["stop", "--yes"], ["cleanup", "--yes"]):
        with monkeypatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{Path.cwd()}/none.sock")
            away = run(*verb)
        assert (away.code, "no Docker engine answers" in away.err) == (1, True)

    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        tool = run("start", "--no-service")
    assert (tool.code, "no Compose tool was found" in tool.err) == (1, True)
    assert fleet.states() == {}

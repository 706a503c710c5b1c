"""A fleet in containers, seen and steered by an operator on a real terminal, from nothing to nothing."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.live.stage import CONTAINER, DATABASE, Endpoint, until
from tests.support.components import require_component
from tests.support.docker import engine_client
from tests.support.docker_product import product_image
from tests.support.tmux import Tmux

COMMAND = Path(sys.executable).parent / "sensor-tui"
PROJECT = f"story{os.getpid()}"
REGISTRY = "story.test"
TAG = f"v{os.getpid()}"
FLAGGED_SECONDS = 2.0
CONFIG = """\
cosmos: {{endpoint: "{endpoint}", key: "{key}", database: {database}, container: {container}}}
performance: {{upload_interval_seconds: 0.5, upload_jitter_seconds: 0}}
fleet:
  project: {project}
  registry: {registry}
  uploader_tag: {tag}
  max_cities: 3
  sensors_per_city: 2
  readings_per_second: 5
"""


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    require_component("tmux")
    with Tmux(tmp_path) as terminal:
        yield terminal


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    for name in ("docker", "docker-compose", "docker-base"):
        require_component(name)
    client = engine_client()
    image = f"{REGISTRY}/sensor-tui"
    client.images.get(product_image(client)).tag(image, TAG)
    yield client
    for container in containers(client):
        container.remove(force=True)
    for network in client.networks.list(filters={"label": f"com.docker.compose.project={PROJECT}"}):
        network.remove()
    client.images.remove(f"{image}:{TAG}")
    client.close()


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    one = Endpoint(tmp_path / "cosmos.db")
    yield one
    one.close()


def containers(client: docker.DockerClient) -> list[docker.models.containers.Container]:
    """Everything of the project, whatever it is doing."""
    return client.containers.list(all=True, filters={"label": f"com.docker.compose.project={PROJECT}"})


def databases(folder: Path) -> list[Path]:
    """Files that the sensors write, as this machine sees them."""
    return list(folder.glob("data/*/*/sensor_data.db"))


class Operator:
    """Commands in a folder, with the little of an environment that they need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        home = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "LANG": "C.UTF-8"}
        self.environment = {**kept, **home}

    def does(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.mark.component("docker")
@pytest.mark.timeout(300)
async def test_a_fleet_in_containers_from_nothing_to_nothing(
    tmux: Tmux, engine: docker.DockerClient, endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "sensor-tui.yaml").write_text(
        CONFIG.format(
            endpoint=endpoint.emulator.url,
            key=endpoint.emulator.key,
            database=DATABASE,
            container=CONTAINER,
            project=PROJECT,
            registry=REGISTRY,
            tag=TAG,
        ),
        encoding="utf-8",
    )
    operator = Operator(tmp_path)
    written = operator.does("compose")
    assert "6 sensors in 3 cities" in written.stdout + written.stderr
    told = operator.does("start", "--allow-local", "--no-rebuild", "--no-prompt")
    assert told.stdout.count("proven") == 6
    await until(
        lambda: (
            len(found := containers(engine)) == 6
            and all(each.attrs["State"].get("Health", {}).get("Status") == "healthy" for each in found)
        ),
        within=90,
        what=lambda: str([(each.name, each.attrs["State"]) for each in containers(engine)]),
    )
    assert len(databases(tmp_path)) == 6
    assert len({each["sensorId"] for each in endpoint.documents()}) == 6

    tmux.run([str(COMMAND)], operator.environment)
    tmux.see(r"6/6 up")
    tmux.see(r"(?s)(✓ healthy.*){6}")

    tmux.keys("x")
    tmux.see(r"(?s)Stop 1 unit.*\[x\] d drain first")
    tmux.lose("Looking at what this would mean")  # until then Enter is Cancel
    tmux.keys("Enter")
    tmux.see(r"5/6 up", within=60)
    tmux.keys("Escape", "s")
    tmux.see(r"6/6 up", within=60)
    tmux.see(r"proven", within=90)
    tmux.keys("Escape", "Down", "R")
    tmux.see(r"Reset 1 unit")
    tmux.lose("Looking at what this would mean")
    tmux.keys("Enter")
    tmux.see(r"reset by .*proven|✓ .*proven", within=90)
    tmux.keys("Escape")
    tmux.see(r"6/6 up")

    victim = next(each for each in containers(engine) if "manila-2" in each.name)
    before = time.monotonic()
    victim.kill()
    tmux.see(r"1 failed")
    assert time.monotonic() - before < FLAGGED_SECONDS
    tmux.see(r"manila-2\S* +✗ failed")

    tmux.keys("/")
    tmux.type("london-2")
    tmux.keys("Enter")
    tmux.lose("manila-2")
    tmux.keys("l")
    tmux.see(r"following")
    first = tmux.see(r"(\d\d:\d\d:\d\d) I .*readings in 1\d s")[1]
    await until(lambda: re.findall(r"(\d\d:\d\d:\d\d) I .*readings in 1\d s", tmux.screen())[-1:] > [first])

    tmux.keys("1", "q")
    tmux.see("ENDED 0")
    operator.does("cleanup", "--yes")
    assert containers(engine) == []
    assert engine.networks.list(filters={"label": f"com.docker.compose.project={PROJECT}"}) == []
    assert len(databases(tmp_path)) == 6
    operator.does("service", "stop")
    held = endpoint.documents()
    assert len({each["id"] for each in held}) == len(held)
    assert json.loads(operator.does("status", "--json").stdout)["backlog"] == 0

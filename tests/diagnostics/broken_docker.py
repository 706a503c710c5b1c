"""Broken set-ups of engines, images, units and their logs, on the machine's own engine."""

import socket

from sensor_tui.fleet.project import Project, remember
from sensor_tui.service.diagnostics import engines
from tests.diagnostics.broken import WARNING, broken


@broken("no Docker engine", "docker",
        evidence=("no Docker engine answers", "it is needed: fleet.hosts"),
        remedy=("systemctl start docker",))  # fmt: skip
async def _(ground):
    hosts = [f"unix://{ground.tmp_path}/none.sock"]
    return {"settings": ground.settings_for(sections={"fleet": {"hosts": hosts}})}


@broken("no Compose tool", "compose", evidence=("no Compose tool was found",),
        remedy=("docker-compose-plugin",))  # fmt: skip
async def _(ground):
    ground.monkeypatch.setenv("PATH", str(ground.tmp_path))
    hosts = [f"unix://{ground.tmp_path}/none.sock"]
    return {"settings": ground.settings_for(sections={"fleet": {"hosts": hosts}})}


@broken("a Compose tool that is too old", "compose", verdict=WARNING,
        evidence=("docker-compose 1.25.4 is too old",), remedy=("docker-compose-plugin",))  # fmt: skip
async def _(ground):
    tool = ground.tmp_path / "docker-compose"
    tool.write_text("#!/bin/sh\necho 1.25.4\n")
    tool.chmod(0o755)
    ground.monkeypatch.setenv("PATH", str(ground.tmp_path))
    return {}


@broken("an image that is nowhere", "images", components=("docker",),
        evidence=("127.0.0.1:9/nobody/sensor:v1", "does not have it"), remedy=("connection",))  # fmt: skip
async def _(ground):
    ground.project.expect("sensor-1", "127.0.0.1:9/nobody/sensor:v1")
    return {}


@broken("an image called latest", "images", verdict=WARNING, components=("docker",),
        evidence=("version 'latest'", "sensor-1 runs"), remedy=("--uploader-tag",))  # fmt: skip
async def _(ground):
    ground.project.make(image=ground.project.tag("latest"))
    return {}


@broken("a container that is missing", "units", components=("docker",),
        evidence=("1 of 2 units", "not there: ", "sensor-2"), remedy=("sensor-tui start",))  # fmt: skip
async def _(ground):
    ground.project.make("sensor-1")
    ground.project.expect("sensor-2")
    return {}


@broken("a container that ended", "units", components=("docker",),
        evidence=("sensor-1 is failed (ended with exit code 3)",), remedy=("logs",))  # fmt: skip
async def _(ground):
    container = ground.project.make(script="exit 3")
    ground.project.until(container, lambda facts: facts["State"]["Status"] == "exited")
    return {}


@broken("a container that is started over and over", "units", components=("docker",),
        evidence=("restarted", "(a loop)"), remedy=("why it ends each time", "sensor-1"))  # fmt: skip
async def _(ground):
    container = ground.project.make(script="exit 3", restart_policy={"Name": "always"})
    ground.project.until(container, lambda facts: facts["RestartCount"] >= 3)
    return {}


@broken("a container that is unhealthy", "units", components=("docker",),
        evidence=("unhealthy", "its health check fails"), remedy=("health check", "sensor-1"))  # fmt: skip
async def _(ground):
    check = {"test": ["CMD", "false"], "interval": 50_000_000, "retries": 1, "timeout": 10_000_000_000}
    container = ground.project.make(healthcheck=check)
    ground.project.until(container, lambda facts: facts["State"]["Health"]["Status"] == "unhealthy")
    return {}


@broken("errors in a log", "logs", verdict=WARNING, components=("docker",),
        evidence=("sensor-1: 2 errors, the last: ERROR cannot send, AccountKey=********",),
        remedy=("sensor-tui logs", "--since 10m"))  # fmt: skip
async def _(ground):
    words = "echo 'Error: no'; echo 'ERROR cannot send, AccountKey=c2VjcmV0;'; echo done"
    container = ground.project.make(script=words)
    ground.project.until(container, lambda facts: facts["State"]["Status"] == "exited")
    return {}


@broken("no Docker engine, where one was used last", "docker",
        evidence=("no Docker engine answers", "project fleet-1 was started last"),
        remedy=("systemctl start docker",))  # fmt: skip
async def _(ground):
    ground.monkeypatch.setenv("DOCKER_HOST", f"unix://{ground.tmp_path}/none.sock")
    remember(ground.root / ".sensor-tui", Project("fleet-1"))
    return {}


@broken("a compose file that is gone", "units", verdict=WARNING,
        evidence=("docker-compose.yml of project fleet-1 is gone",),
        remedy=("sensor-tui compose",))  # fmt: skip
async def _(ground):
    ground.monkeypatch.setenv("DOCKER_HOST", f"unix://{ground.tmp_path}/none.sock")
    remember(ground.root / ".sensor-tui", Project("fleet-1", ground.tmp_path / "docker-compose.yml"))
    return {}


@broken("an engine that says nothing", "docker", evidence=("no answer within",), remedy=("hangs",))
async def _(ground):
    ground.monkeypatch.setattr(engines, "LOOK_SECONDS", 0.2)
    deaf = ground.stack.enter_context(socket.socket(socket.AF_UNIX))
    deaf.bind(str(ground.open_folder / "docker.sock"))
    deaf.listen()
    hosts = [f"unix://{ground.open_folder}/docker.sock"]
    return {"settings": ground.settings_for(sections={"fleet": {"hosts": hosts}})}

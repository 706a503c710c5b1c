"""Containers in the service, beside processes: real ones, on this machine's engine."""

import asyncio
import socket
import time
import uuid
from contextlib import suppress

import pytest
from docker.errors import NotFound

from sensor_tui.config import load
from sensor_tui.errors import ConfigError
from sensor_tui.fleet import labels
from sensor_tui.fleet.project import Project, remember
from sensor_tui.model.action import ActionKind, ActionOptions, Step
from sensor_tui.model.unit import UnitState
from tests.support.components import require_component
from tests.support.docker import busybox_image, engine_client


@pytest.fixture
def container():
    """Makes containers of a project; nothing of them stays."""
    require_component("docker")
    client = engine_client()
    made = []

    def make(project, script="echo hello; trap 'exit 0' TERM; while :; do sleep 0.05; done"):
        name = f"{project}-{uuid.uuid4().hex[:6]}"
        made.append(name)
        client.containers.run(
            busybox_image(client),
            ["sh", "-c", script],
            name=name,
            network_mode="none",
            detach=True,
            labels={labels.PROJECT: project, labels.ROLE: "service"},
        )
        return name

    make.client = client
    yield make
    for name in made:
        with suppress(NotFound):
            client.containers.get(name).remove(force=True)
    client.close()


@pytest.fixture
def with_fleet(config, tmp_path):
    """The configuration with a fleet section."""

    def change(text):
        config.write_text(f"{config.read_text()}fleet:\n{text}")
        return load(config, env={}, cwd=tmp_path)

    return change


def named(report, name):
    return next((unit for unit in report.units if unit.name == name), None)


async def test_containers_are_units_like_any_other(fleet, serve, container, with_fleet):
    project = f"h3s{uuid.uuid4().hex[:8]}"
    name = container(project)
    fleet.sensor("a", rows=1)
    async with serve(loaded=with_fleet(f"  project: {project}\n")) as running:
        report = await running.until(lambda report: named(report, name) is not None)
        unit = named(report, name)
        assert (unit.state, unit.runtime, unit.project) == (UnitState.RUNNING, "docker", project)
        assert {(host.host, host.runtime) for host in report.hosts} == {
            (socket.gethostname(), "process"),
            (socket.gethostname(), "docker"),
        }
        await running.until(
            lambda report: any(each.unit == unit.id and each.cpu_percent is not None for each in report.stats)
        )
        async with asyncio.timeout(20):
            async for batch in running.client.logs([unit.id], follow=True):
                if [line.text for line in batch] == ["hello"]:
                    break
        run = await running.client.act(ActionKind.STOP, [unit.id], ActionOptions(grace=2))
        report = await running.until(
            lambda report: any(each.id == run.id and each.ended is not None for each in report.actions)
        )
        (outcome,) = next(each for each in report.actions if each.id == run.id).outcomes
        assert (outcome.step, outcome.message) == (Step.DONE, "")
        assert named(report, name).state is UnitState.STOPPED

        other = container(project)
        report = await running.until(lambda report: named(report, other) is not None)
        await asyncio.to_thread(container.client.containers.get(other).kill)
        began = time.monotonic()
        await running.until(lambda report: named(report, other).state is UnitState.FAILED)
        assert time.monotonic() - began < 2


async def test_the_project_started_last_is_the_one_that_is_shown(fleet, serve, container, with_fleet):
    first, second = (f"h3p{uuid.uuid4().hex[:8]}" for _ in range(2))
    names = [container(project) for project in (first, second)]
    fleet.sensor("a", rows=1)
    state = fleet.root / ".sensor-tui"
    remember(state, Project(first))
    async with serve(loaded=with_fleet("  project: nothing\n")) as running:
        await running.until(lambda report: named(report, names[0]) is not None)
        remember(state, Project(second))
        report = await running.until(lambda report: named(report, names[1]) is not None)
        assert named(report, names[0]) is None


async def test_an_engine_that_does_not_answer_delays_nothing(fleet, serve, with_fleet, short_path):
    path = short_path / "docker.sock"
    fleet.sensor("a", rows=1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        hosts = f"  hosts: [unix://{path}, unix://{short_path}/nothing.sock]\n"
        began = time.monotonic()
        async with serve(loaded=with_fleet(hosts)) as running:
            assert time.monotonic() - began < 3
            report = await running.until(lambda report: len(report.hosts) == 2)
            away = next(host for host in report.hosts if host.runtime == "docker")
            assert not away.reachable
            assert "no Docker engine answers" in away.reason
            began = time.monotonic()
        assert time.monotonic() - began < 5


async def test_a_host_that_is_none_is_refused_at_once(fleet, serve, with_fleet):
    fleet.sensor("a", rows=1)
    with pytest.raises(ConfigError, match=r"fleet\.hosts: there is no Docker context 'nowhere'"):
        async with serve(loaded=with_fleet("  hosts: [nowhere]\n")):
            pass

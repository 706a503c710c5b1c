import asyncio
import os
import signal
import time

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet import labels
from sensor_tui.model.unit import Health, Role, UnitState
from tests.fleet_docker.conftest import SECONDS


async def test_containers_of_the_project_are_units_with_all_there_is_to_know(box, watch, tmp_path):
    data = tmp_path / "data" / "London" / "LON_000001"
    data.mkdir(parents=True)
    name = box.make(
        labels={
            labels.ROLE: "sensor",
            labels.CITY: "London",
            labels.SENSOR: "LON_000001",
            labels.DATA: "London/LON_000001",
        },
        environment={"SENSOR_ID": "LON_000001", "COSMOS_KEY": "s3cret", "PLAIN": "yes"},
        volumes={str(data): {"bind": "/app/data", "mode": "rw"}},
        mem_limit="64m",
    )
    before = time.time()
    watched = await watch(box.project)

    unit = watched.unit(name)
    assert unit.id == f"{watched.runtime.host_name}/docker/{name}"
    assert (unit.state, unit.health, unit.role) == (UnitState.RUNNING, Health.NONE, Role.SENSOR)
    assert (unit.city, unit.sensor_id, unit.data) == ("London", "LON_000001", "London/LON_000001")
    assert (unit.project, unit.image, unit.restarts) == (box.project, box.image, 0)
    assert unit.environment == {"SENSOR_ID": "LON_000001", "COSMOS_KEY": "********", "PLAIN": "yes"}
    assert unit.mounts == (f"{data} -> /app/data",)
    assert unit.command[:2] == ("sh", "-c")
    assert before - 30 < unit.started_at <= time.time()
    os.kill(unit.pid, 0)
    host = watched.runtime.host()
    assert (host.reachable, host.reason, host.units) == (True, "", 1)
    assert host.version.startswith("Docker ")


async def test_other_projects_are_not_shown_and_composes_own_label_counts(box, watch):
    box.make("other", labels={labels.PROJECT: f"{box.project}x"}, start=False)
    ours = box.make("compose", start=False, labels={labels.PROJECT: "", labels.COMPOSE_PROJECT: box.project})
    watched = await watch(box.project)
    try:
        assert [unit.name for unit in watched.runtime.list()] == [ours]
        assert watched.unit(ours).state is UnitState.CREATED
        watched.runtime.show(f"{box.project}x")
        await watched.unit_is(f"{box.project}-other", lambda unit: unit.state is UnitState.CREATED)
        assert watched.unit(ours) is None
    finally:
        for name in (ours, f"{box.project}-other"):
            box.get(name).remove(force=True)


async def test_start_stop_restart_and_remove(box, watch):
    name = box.make(start=False)
    watched = await watch(box.project)
    runtime, unit = watched.runtime, watched.id(name)

    await runtime.start(unit)
    first = watched.unit(name)
    assert first.state is UnitState.RUNNING
    await runtime.start(unit)
    assert watched.unit(name) == first

    await runtime.restart(unit, grace=5)
    second = watched.unit(name)
    assert (second.state, second.restarts) == (UnitState.RUNNING, 0)
    assert second.started_at > first.started_at

    await runtime.stop(unit, grace=5)
    stopped = watched.unit(name)
    assert (stopped.state, stopped.exit_code, stopped.started_at) == (UnitState.STOPPED, 0, None)
    await runtime.stop(unit, grace=5)

    await runtime.remove(unit, grace=5)
    assert runtime.list() == []
    with pytest.raises(FleetError, match="there is no unit"):
        await runtime.start(unit)


async def test_what_does_not_listen_is_killed_after_its_grace_and_was_stopped_all_the_same(box, watch):
    name = box.make(script="trap '' TERM; while :; do sleep 0.05; done")
    watched = await watch(box.project)
    began = time.monotonic()
    stopping = asyncio.ensure_future(watched.runtime.stop(watched.id(name), grace=0.7))
    await watched.unit_is(name, lambda unit: unit.state is UnitState.STOPPING)
    await stopping
    assert 0.5 < time.monotonic() - began < 5
    unit = watched.unit(name)
    assert (unit.state, unit.exit_code) == (UnitState.STOPPED, 137)
    assert "SIGKILL" in unit.reason


async def test_a_container_killed_from_outside_is_flagged_well_within_two_seconds(box, watch):
    name = box.make()
    watched = await watch(box.project)
    box.get(name).kill()
    began = time.monotonic()
    unit = await watched.unit_is(name, lambda unit: not unit.state.up)
    assert time.monotonic() - began < 1
    assert (unit.state, unit.exit_code) == (UnitState.FAILED, 137)
    assert unit.reason == "ended with exit code 137 (SIGKILL)"


async def test_a_process_killed_on_the_machine_is_started_again_and_that_is_counted(box, watch):
    name = box.make(restart_policy={"Name": "unless-stopped"})
    watched = await watch(box.project)
    os.kill(watched.unit(name).pid, signal.SIGKILL)
    unit = await watched.unit_is(name, lambda unit: unit.restarts == 1 and unit.state is UnitState.RUNNING)
    assert unit.exit_code == 137


async def test_a_stop_by_somebody_else_is_no_failure(box, watch):
    name = box.make(script="trap 'exit 3' TERM; while :; do sleep 0.05; done")
    watched = await watch(box.project)
    await asyncio.to_thread(box.get(name).stop, timeout=5)
    unit = await watched.unit_is(name, lambda unit: unit.state is UnitState.STOPPED)
    assert (unit.exit_code, unit.reason) == (3, "ended with exit code 3")


async def test_a_unit_that_ends_at_once_is_started_again_and_again(box, watch):
    name = box.make(script="exit 4", restart_policy={"Name": "unless-stopped"})
    watched = await watch(box.project)
    unit = await watched.unit_is(name, lambda unit: unit.state is UnitState.BACKOFF and unit.restarts > 1)
    assert unit.exit_code == 4
    assert unit.reason == "ended with exit code 4; is started again by Docker"
    await watched.runtime.stop(watched.id(name), grace=1)
    assert watched.unit(name).state is UnitState.STOPPED


async def test_health_is_told_with_what_the_check_says(box, watch):
    check = {"test": ["CMD-SHELL", "cat /tmp/sick 2>&1 && exit 1 || exit 0"], "interval": 200_000_000}
    name = box.make(healthcheck={**check, "timeout": 2_000_000_000, "retries": 1})
    watched = await watch(box.project)
    await watched.unit_is(name, lambda unit: unit.health is Health.HEALTHY)
    box.get(name).exec_run(["sh", "-c", "echo 'no \033[31mreading' > /tmp/sick"])
    unit = await watched.unit_is(name, lambda unit: unit.health is Health.UNHEALTHY)
    assert (unit.state, unit.reason) == (UnitState.RUNNING, "its health check fails: no [31mreading")


async def test_a_paused_unit_is_paused_and_can_be_stopped(box, watch):
    name = box.make()
    watched = await watch(box.project)
    box.get(name).pause()
    await watched.unit_is(name, lambda unit: unit.state is UnitState.PAUSED)
    await watched.runtime.start(watched.id(name))
    assert watched.unit(name).state is UnitState.RUNNING
    box.get(name).pause()
    await watched.unit_is(name, lambda unit: unit.state is UnitState.PAUSED)
    await watched.runtime.stop(watched.id(name), grace=1)
    assert watched.unit(name).state is UnitState.STOPPED


async def test_regenerate_makes_the_same_container_anew_and_it_is_the_same_unit(box, watch):
    network = box.client.networks.create(f"{box.project}-net")
    volume = box.client.volumes.create(f"{box.project}-volume")
    try:
        name = box.make(
            network_mode=None,
            network=network.name,
            hostname="thermometer",
            environment={"A": "1"},
            labels={labels.CITY: "Oslo"},
            restart_policy={"Name": "unless-stopped"},
            mem_limit="32m",
            volumes={volume.name: {"bind": "/app/data", "mode": "rw"}},
        )
        watched = await watch(box.project)
        unit = watched.id(name)
        with pytest.raises(FleetError, match="runs"):
            await watched.runtime.regenerate(unit)
        before = box.get(name)
        await watched.runtime.stop(unit, grace=5)
        events = watched.runtime.events()
        await watched.runtime.regenerate(unit)
        after = box.get(name)
        assert after.id != before.id
        for part in ("Env", "Cmd", "Image", "Hostname", "Labels"):
            assert after.attrs["Config"][part] == before.attrs["Config"][part]
        assert after.attrs["HostConfig"] == before.attrs["HostConfig"]
        assert set(after.attrs["NetworkSettings"]["Networks"]) == {network.name}
        assert after.attrs["Mounts"] == before.attrs["Mounts"]
        assert [each.name for each in watched.runtime.list()] == [name]
        await watched.runtime.start(unit)
        assert watched.unit(name).state is UnitState.RUNNING
        async with asyncio.timeout(SECONDS):
            while (await anext(events)).kind != "running":
                pass
    finally:
        box.get(name).remove(force=True)
        network.remove()
        volume.remove()


async def test_a_container_recreated_under_its_name_stays_the_same_unit_without_a_gap(box, watch):
    name = box.make()
    watched = await watch(box.project)
    old = box.get(name)
    seen = set()

    def look():
        seen.add(len(watched.runtime.list()))
        return watched.unit(name) is not None and watched.unit(name).state is UnitState.RUNNING

    old.stop(timeout=1)
    old.rename(f"{old.id[:12]}_{name}")  # as Compose does
    await watched.until(lambda: seen.add(len(watched.runtime.list())) or watched.unit(name))
    box.make()
    await watched.until(look)
    old.remove(force=True)
    await watched.until(look)
    assert seen == {1}


async def test_errors_of_the_engine_are_one_line_each(box, watch):
    name = box.make(start=False)
    watched = await watch(box.project)
    container = box.get(name)
    await asyncio.to_thread(container.remove, force=True)
    await watched.until(lambda: watched.unit(name) is None)
    broken = box.make("broken", start=False, entrypoint=["/no/such/program"])
    await watched.unit_is(broken, lambda unit: unit.state is UnitState.CREATED)
    with pytest.raises(FleetError, match="no/such/program") as caught:
        await watched.runtime.start(watched.id(broken))
    assert "\n" not in str(caught.value)
    unit = watched.unit(broken)
    assert unit.state is UnitState.FAILED
    assert "/no/such/program" in unit.reason


async def test_hostile_labels_and_values_are_taken_as_text(box, watch):
    evil = "\x1b]0;x\x07[red]\u202e\n\r" + "x" * 200
    name = box.make(
        start=False,
        labels={
            labels.CITY: evil,
            labels.ROLE: "king",
            labels.DATA: "../../etc",
            labels.SENSOR: evil,
            evil: evil,
        },
        environment={"EVIL": evil},
    )
    watched = await watch(box.project)
    unit = watched.unit(name)
    assert (unit.city, unit.sensor_id, unit.data) == (evil, evil, None)
    assert unit.labels[evil] == evil
    assert unit.environment["EVIL"] == evil


async def test_a_storm_of_events_is_survived_and_the_end_is_right(box, watch):
    names = [box.make(f"n{number}", start=False) for number in range(2)]
    watched = await watch(box.project)
    looks = []
    look = watched.runtime._watch.look
    over = asyncio.Event()

    async def held(container):
        looks.append(container)
        await over.wait()
        return await look(container)

    watched.runtime._watch.look = held

    def storm():
        for number in range(200):
            for name in names:
                box.client.api.update_container(name, cpu_shares=100 + number)
        for name in names:
            box.client.api.rename(name, f"{name}-end")

    await asyncio.to_thread(storm)
    over.set()
    for name in names:
        await watched.unit_is(f"{name}-end", lambda unit: unit.state is UnitState.CREATED)
    assert len(watched.runtime.list()) == 2
    assert 0 < len(looks) < 50  # of 402 events while the first look waited
    box.clean()
    await watched.until(lambda: not watched.runtime.list())


async def test_statistics_are_rates_of_units_that_are_up(box, watch):
    busy = box.make("busy", script="while :; do :; done", mem_limit="64m")
    quiet = box.make("quiet")
    down = box.make("down", start=False)
    watched = await watch(box.project)
    ids = [watched.id(name) for name in (busy, quiet, down)]
    first = await watched.runtime.stats(ids)
    assert set(first) == set(ids[:2])
    assert first[ids[0]].cpu_percent is None
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        await asyncio.sleep(0.05)
    second = await watched.runtime.stats(ids)
    assert 5 < second[ids[0]].cpu_percent < 120
    assert second[ids[1]].cpu_percent < 50
    assert 0 < second[ids[0]].memory_bytes < 64 * 1024 * 1024
    assert second[ids[0]].memory_limit == 64 * 1024 * 1024
    assert second[ids[1]].memory_limit is None


async def test_statistics_by_the_engine_alone_say_the_same(box, watch):
    busy = box.make("busy", script="while :; do :; done")
    watched = await watch(box.project)
    watched.runtime._kernel = None
    unit = watched.id(busy)
    async with asyncio.timeout(20):
        while (found := (await watched.runtime.stats([unit])).get(unit)) is None or found.cpu_percent is None:
            await asyncio.sleep(0.05)
    assert 5 < found.cpu_percent < 120
    assert found.memory_bytes > 0

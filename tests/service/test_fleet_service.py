"""A fleet of real processes behind a real service: its whole story over the socket."""

import asyncio
import os
import signal
import sys
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from sensor_tui.errors import FleetError, OwnedElsewhere, ServiceError, UsageError
from sensor_tui.model.action import ActionKind, ActionOptions, Proof, Step
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.unit import Role, UnitSpec, UnitState
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.control import start_service, stop_service
from sensor_tui.service.sockets import holder
from sensor_tui.storage.store import SqliteStore

CITY, SENSOR = "London", "LON_000001"
DATA = f"{CITY}/{SENSOR}"


def spec_of(name="sensor-london-1", **changes):
    command = (sys.executable, "-m", "sensor_tui", "simulate", "--city", CITY, "--sensor-id", SENSOR)
    values = {
        "name": name,
        "command": (*command, "--db", f"{DATA}/sensor_data.db", "--rate", "10"),
        "city": CITY,
        "sensor_id": SENSOR,
        "data": DATA,
    }
    return UnitSpec(**values | changes)


def shell(name, script, **changes):
    """A unit that is no sensor."""
    return UnitSpec(name, ("/bin/sh", "-c", script), role=Role.OTHER, **changes)


@pytest.fixture(autouse=True)
def orphans(fleet):
    """Ends the processes that units left behind."""
    yield
    mark = f"SENSOR_TUI_UNIT={fleet.root}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes() and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)


async def act(running, kind, unit, **options):
    """Do it and wait for its end, as the events tell it."""
    run = await running.client.act(kind, [unit], ActionOptions(**options))
    report = await running.until(
        lambda report: any(each.id == run.id and each.ended is not None for each in report.actions)
    )
    (run,) = [each for each in report.actions if each.id == run.id]
    return run.outcomes[0]


async def unit_of(running):
    (unit,) = (await running.client.status()).units
    return unit


def is_alive(process):
    return Path(f"/proc/{process}").exists()


async def lines_of(stream, enough):
    """Batches until the texts are enough."""
    found = []
    async with asyncio.timeout(20):
        async for batch in stream:
            found += batch
            if enough([line.text for line in found]):
                return found
    return found


async def test_the_whole_story_of_a_unit(fleet, serve, documents):
    path = fleet.root / DATA / "sensor_data.db"
    async with serve() as running:
        unit = await running.client.add_unit(spec_of())
        assert (unit.state, unit.role) == (UnitState.CREATED, Role.SENSOR)

        started = await act(running, ActionKind.START, unit.id)
        assert (started.step, started.proof, started.missing) == (Step.DONE, Proof.PROVEN, "")
        assert documents()

        report = await running.until(lambda report: report.stats and report.stats[0].cpu_percent is not None)
        assert report.units[0].state is UnitState.RUNNING
        assert report.hosts[0].reachable

        first = await unit_of(running)
        restarted = await act(running, ActionKind.RESTART, unit.id)
        assert (restarted.proof, (await unit_of(running)).pid != first.pid) == (Proof.PROVEN, True)

        plan = await running.client.plan(ActionKind.RESET, [unit.id], ActionOptions(wipe_data=True))
        assert plan.items[0].applies
        before = fleet.query(path, "SELECT min(timestamp) FROM sensor_readings")
        reset = await act(running, ActionKind.RESET, unit.id, wipe_data=True)
        assert (reset.proof, reset.message) == (Proof.PROVEN, "")
        assert fleet.query(path, "SELECT min(timestamp) FROM sensor_readings") > before

        stopped = await act(running, ActionKind.STOP, unit.id)
        assert (stopped.step, stopped.proof) == (Step.DONE, Proof.NONE)
        assert (await unit_of(running)).state is UnitState.STOPPED
        await running.until(lambda report: report.backlog == 0)
        assert fleet.synced(path).keys() == {1}
        assert len(documents()) > fleet.synced(path)[1]

        removed = await act(running, ActionKind.REMOVE, unit.id)
        assert removed.step is Step.DONE
        report = await running.until(lambda report: not report.units)
        assert path.exists()

        log = await running.client.action_log(10)
    assert [(each.action, each.target) for each in log] == [
        (kind, unit.name) for kind in ("remove", "stop", "reset", "restart", "start", "add")
    ]
    assert [each.result for each in log][1:5] == [
        "1 done",
        "1 done, 1 proven",
        "1 done, 1 proven",
        "1 done, 1 proven",
    ]


async def test_logs_of_several_units_come_merged_and_go_on(fleet, serve):
    async with serve() as running:
        client = running.client
        script = "i=0; while :; do i=$((i+1)); echo $0 $i; sleep 0.05; done"
        for name in ("one", "two"):
            spec = shell(name, script)
            await client.add_unit(UnitSpec(name, (*spec.command, name), role=Role.OTHER))
        units = [unit.id for unit in (await client.status()).units]
        await client.act(ActionKind.START, units)

        stream = client.logs(units, follow=True)
        found = await lines_of(stream, lambda texts: "one 20" in texts and "two 20" in texts)
        await stream.aclose()

        for name in ("one", "two"):
            own = [line.text for line in found if line.text.startswith(name)]
            assert own == [f"{name} {number}" for number in range(1, len(own) + 1)]
        assert {line.unit for line in found} == set(units)

        for unit in units:
            await act(running, ActionKind.STOP, unit)
        whole = await lines_of(client.logs(units), lambda _: False)
        times = [line.at for line in whole if line.at is not None]
        assert times == sorted(times)
        assert len(times) >= len(found) - 2
        assert {line.text for line in found} <= {line.text for line in whole}

        tail = await lines_of(client.logs([], tail=2), lambda _: False)
        assert len(tail) == 4
        later = await lines_of(client.logs(units[:1], since=times[len(times) // 2]), lambda _: False)
        assert {line.unit for line in later} == {units[0]}
        assert len(later) < len(whole) / 2
        with pytest.raises(FleetError, match="There is no unit"):
            await lines_of(client.logs(["here/process/none"]), lambda _: False)
        for unit in units:
            await act(running, ActionKind.REMOVE, unit)


async def test_following_ends_with_the_service(fleet, serve):
    async with serve() as running:
        unit = await running.client.add_unit(shell("one", "echo hello; exec sleep 60"))
        await act(running, ActionKind.START, unit.id)
        stream = running.client.logs([unit.id], follow=True)
        await lines_of(stream, lambda texts: "hello" in texts)
        rest = asyncio.ensure_future(lines_of(stream, lambda _: False))
        await running.client.drain(stop=True)
        await running.task

        assert await rest == []


async def test_units_outlive_the_service_and_are_taken_over(fleet, serve):
    async with serve() as running:
        unit = await running.client.add_unit(shell("one", "exec sleep 60"))
        await act(running, ActionKind.START, unit.id)
        process = (await unit_of(running)).pid

    assert is_alive(process)
    async with serve() as running:
        again = await unit_of(running)
        assert (again.state, again.pid, again.id) == (UnitState.RUNNING, process, unit.id)
        assert (await act(running, ActionKind.STOP, unit.id)).step is Step.DONE
    assert not is_alive(process)


async def test_a_service_that_was_killed_is_followed_by_one_that_takes_over(fleet, config, request_for):
    options = (f"--sqlite={fleet.root}", f"--config={config}")
    clock = SystemClock()

    async def start():
        return await start_service(request_for(), options, clock, environment=dict(os.environ))

    first = await start()
    async with ServiceClient(Path(first.where)) as client:
        unit = await client.add_unit(spec_of())
        await client.act(ActionKind.START, [unit.id])
        process = None
        async with asyncio.timeout(20):
            async for update in client.events():
                if update.report.units and (process := update.report.units[0].pid) is not None:
                    break
    os.kill(first.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while holder(fleet.root / ".sensor-tui") is not None:
            await asyncio.sleep(0.05)

    second = await start()
    try:
        async with ServiceClient(Path(second.where)) as client:
            (again,) = (await client.status()).units
            assert (again.state, again.pid) == (UnitState.RUNNING, process)
            run = await client.act(ActionKind.RESTART, [unit.id])
            async with asyncio.timeout(40):
                async for update in client.events():
                    found = next((each for each in update.report.actions if each.id == run.id), None)
                    if found is not None and found.ended is not None:
                        break
            assert found.outcomes[0].proof is Proof.PROVEN
            assert process != update.report.units[0].pid
            await client.act(ActionKind.REMOVE, [unit.id])
    finally:
        await stop_service(request_for(), clock, drain=False, timeout=30)


async def test_a_second_action_on_a_unit_is_refused_over_the_socket(fleet, serve):
    async with serve() as running:
        unit = await running.client.add_unit(shell("one", "trap '' TERM; while :; do sleep 1; done"))
        await act(running, ActionKind.START, unit.id)
        run = await running.client.act(ActionKind.STOP, [unit.id], ActionOptions(grace=1))
        with pytest.raises(FleetError, match=r"a stop by .* is under way"):
            await running.client.act(ActionKind.REMOVE, [unit.id])
        with pytest.raises(FleetError, match="no action 'none'"):
            await running.client.cancel("none")
        assert (await running.client.cancel(run.id)).cancelled
        report = await running.until(lambda report: report.actions[-1].ended is not None)
        assert report.actions[-1].outcomes[0].step is Step.DONE


async def test_what_makes_no_sense_is_refused(fleet, serve):
    async with serve() as running:
        client = running.client
        with pytest.raises(FleetError, match="name"):
            await client.add_unit(shell("No Name", "true"))
        unit = await client.add_unit(shell("one", "true"))
        with pytest.raises(FleetError, match="another unit"):
            await client.add_unit(shell("one", "false"))
        with pytest.raises(UsageError, match="batch"):
            await client.plan(ActionKind.STOP, [unit.id], ActionOptions(batch=0))
        for path, body in [
            ("/v1/units", {"name": "x"}),
            ("/v1/units", {"name": "x", "command": "true"}),
            ("/v1/actions", {"kind": "explode", "units": ["x"]}),
            ("/v1/plan", {"kind": "stop", "units": []}),
        ]:
            assert (await client.http.post(path, json=body)).status_code == 400
        for query in ({"since": "x"}, {"since": "nan"}, {"tail": "-1"}, {"follow": "2"}):
            assert (await client.http.get("/v1/logs", params=query)).status_code == 400
        assert (await client.http.get("/v1/actions", params={"limit": "0"})).status_code == 400


async def test_over_tcp_no_unit_is_added(fleet, serve, caplog):
    caplog.set_level("INFO", "sensor_tui.service.process")
    async with serve(listen="127.0.0.1:0") as running:
        (message,) = [each.message for each in caplog.records if each.message.startswith("listening on")]
        async with ServiceClient(url=f"http://{message.rpartition(' ')[2]}") as near:
            with pytest.raises(ServiceError, match="over the service's socket only"):
                await near.add_unit(shell("one", "true"))
            unit = await running.client.add_unit(shell("one", "true"))
            plan = await near.plan(ActionKind.START, [unit.id])
            assert plan.items[0].applies
        assert [each.action for each in await running.client.action_log()] == ["add"]


async def test_a_service_with_units_stays_though_others_have_every_file(fleet, serve, loaded, request_for):
    async with serve() as running:
        await running.client.add_unit(shell("one", "true"))
    fleet.sensor("a", rows=1)
    store = SqliteStore(fleet.root / "London", clock=SystemClock())
    await store.open()
    await store.scan()

    async def without_units():
        async with serve() as running:
            await running.until(lambda report: report.sensors and report.sensors[0].owner)
            unit = await unit_of(running)
            assert (await act(running, ActionKind.REMOVE, unit.id)).step is Step.DONE
            await running.task

    try:
        with pytest.raises(OwnedElsewhere):
            await without_units()
    finally:
        await store.close()


async def test_units_that_are_looked_after_elsewhere_are_away_and_the_rest_goes_on(fleet, serve, loaded):
    state = fleet.root / ".sensor-tui"
    state.mkdir()
    (state / "units").write_text("no folder")
    fleet.sensor("a", rows=3)
    async with serve() as running:
        report = await running.until(lambda report: report.backlog == 0 and report.sensors)
        (host,) = [each for each in report.hosts if each.runtime == "process"]
        assert (host.reachable, host.runtime, report.units) == (False, "process", ())
        assert "cannot be used" in host.reason
        with pytest.raises(FleetError, match="not looked after"):
            await running.client.add_unit(shell("one", "true"))
        run = await running.client.act(ActionKind.STOP, ["h/process/one"])
        report = await running.until(lambda report: report.actions and report.actions[-1].ended)
        assert report.actions[-1].id == run.id
        assert report.actions[-1].outcomes[0].message == "there is no such unit"


async def test_an_action_under_way_ends_with_the_service_and_is_written_down(fleet, serve):
    async with serve() as running:
        unit = await running.client.add_unit(spec_of(command=("/bin/sleep", "60")))
        await running.client.act(ActionKind.START, [unit.id])
        await running.until(lambda report: report.actions[-1].outcomes[0].step is Step.PROVING)
    async with serve() as running:
        (last, *_) = await running.client.action_log(1)
        assert (last.action, last.target) == ("start", unit.name)
        assert last.result == f"1 done; 1 not proven: {unit.name} (the service stopped before)"
        assert (await act(running, ActionKind.REMOVE, unit.id, wipe_data=True)).step is Step.DONE


async def test_who_watches_while_the_service_stops_is_not_told_that_its_units_are_gone(serve):
    async with serve() as running:
        unit = await running.client.add_unit(shell("one", "exec sleep 1000"))
        await act(running, ActionKind.START, unit.id)
        last = None
        async with (
            asyncio.timeout(30),
            ServiceClient(Path(running.client.where)) as watching,
            aclosing(watching.events()) as updates,
        ):
            async for update in updates:
                if update.kind == "snapshot":
                    await running.client.drain(stop=True)
                if update.kind in {"goodbye", "lost"}:
                    break
                last = update.report or last
        assert last is not None
        assert [(each.id, each.state) for each in last.units] == [(unit.id, UnitState.RUNNING)]
        await running.task

import asyncio
import json
from dataclasses import replace

import pytest

from sensor_tui.model.action import ActionKind, ActionRun, Proof, Step, UnitOutcome
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Health, HostState, Role, Unit, UnitState, UnitStats
from sensor_tui.service.board import NUDGE_SECONDS, Board, View
from sensor_tui.service.fleet_board import FleetView
from sensor_tui.service.mirror import Mirror
from sensor_tui.service.wire import Delta, EngineReport, Snapshot, StatusReport
from tests.support.clock import JumpingClock

ENGINE = EngineReport(state=EngineState.IDLE, version="1", attached=True)


def unit_of(number, state=UnitState.RUNNING):
    return Unit(
        id=f"h/process/u{number}",
        host="h",
        runtime="process",
        name=f"u{number}",
        role=Role.SENSOR,
        state=state,
        health=Health.HEALTHY,
        started_at=5.5,
        sensor_id=f"LON_{number}",
        command=("python", "x"),
        environment={"A": "b"},
        mounts=("a -> b",),
        labels={"x": 'y"\n\x1b'},
    )


class Fleet:
    """Units that a board shows."""

    def __init__(self):
        self.clock = JumpingClock()
        self.hosts = [HostState("h", "process", reachable=True, units=2, seen=1.0)]
        self.units = {number: unit_of(number) for number in range(3)}
        self.stats = {}
        self.actions = []
        self.looks = 0
        self.board = Board(self._look, clock=self.clock)
        self.board.show_fleet(self.view)

    def _look(self):
        self.looks += 1
        return View(ENGINE, (), 0)

    def view(self):
        stats = {each.unit: each for each in self.stats.values()}
        return FleetView(list(self.hosts), list(self.units.values()), stats, list(self.actions))

    def measure(self, number, cpu):
        unit = self.units[number].id
        self.stats[number] = UnitStats(unit, self.clock.now(), cpu, 1000)

    def act(self, run_id="r", **changes):
        outcome = UnitOutcome("h/process/u0", "u0", Step.PROVING, proof=Proof.PENDING)
        return ActionRun(run_id, ActionKind.START, "me", 1.0, (outcome,), **changes)


@pytest.fixture
def fleet():
    return Fleet()


async def take(stream):
    return json.loads(await anext(stream))


async def following(fleet):
    """The stream, and a mirror of its first event."""
    stream, mirror = fleet.board.events(), Mirror()
    mirror.take(Snapshot.model_validate_json(await anext(stream)))
    return stream, mirror


async def test_a_snapshot_has_everything(fleet):
    fleet.measure(0, 3.5)
    fleet.actions = [fleet.act()]
    stream = fleet.board.events()

    status = StatusReport.model_validate((await take(stream))["status"])

    assert list(status.units) == list(fleet.units.values())
    assert (status.stats, status.hosts) == ((fleet.stats[0],), tuple(fleet.hosts))
    assert status.actions[0].outcomes[0].proof is Proof.PENDING
    assert json.loads(fleet.board.status_json()) == json.loads(fleet.board.status().model_dump_json())
    await stream.aclose()


async def test_only_what_changed_travels(fleet):
    stream, mirror = await following(fleet)
    fleet.units[1] = replace(fleet.units[1], restarts=4)
    fleet.measure(2, 8.0)
    fleet.board.refresh()

    delta = await take(stream)
    seen = mirror.take(Delta.model_validate(delta))

    assert [each["restarts"] for each in delta["units"]] == [4]
    assert [each["cpu_percent"] for each in delta["stats"]] == [8.0]
    assert not {"hosts", "actions", "units_gone"} & delta.keys()
    assert (delta["sensors"], delta["engine"]) == ([], None)
    assert seen == fleet.board.status()
    await stream.aclose()


async def test_a_unit_that_is_gone_is_gone_with_what_it_used(fleet):
    fleet.measure(1, 8.0)
    stream, mirror = await following(fleet)
    del fleet.units[1], fleet.stats[1]
    fleet.board.refresh()

    delta = await take(stream)
    seen = mirror.take(Delta.model_validate(delta))

    assert delta["units_gone"] == ["h/process/u1"]
    assert (len(seen.units), seen.stats) == (2, ())
    assert seen == fleet.board.status()
    await stream.aclose()


async def test_what_a_unit_used_ends_with_it(fleet):
    fleet.measure(1, 8.0)
    stream, mirror = await following(fleet)
    fleet.units[1] = replace(fleet.units[1], state=UnitState.STOPPED)
    fleet.board.refresh()

    seen = mirror.take(Delta.model_validate(await take(stream)))

    assert (seen.stats, seen) == ((), fleet.board.status())
    await stream.aclose()


async def test_hosts_and_actions_travel_whole(fleet):
    fleet.actions = [fleet.act("one", ended=2.0)]
    stream, mirror = await following(fleet)
    fleet.hosts.append(HostState("far", "docker", reachable=False, reason="no answer", seen=3.0))
    fleet.actions.append(fleet.act("two"))
    fleet.board.refresh()

    delta = await take(stream)
    seen = mirror.take(Delta.model_validate(delta))

    assert [each["host"] for each in delta["hosts"]] == ["h", "far"]
    assert [each["id"] for each in delta["actions"]] == ["one", "two"]
    assert seen == StatusReport.model_validate_json(fleet.board.status_json())
    await stream.aclose()


async def test_a_host_that_answers_again_is_no_news(fleet):
    stream, _ = await following(fleet)
    before = fleet.board.sequence
    fleet.hosts[0] = replace(fleet.hosts[0], seen=99.0)
    fleet.board.refresh()
    assert fleet.board.sequence == before

    fleet.hosts[0] = replace(fleet.hosts[0], reachable=False, seen=99.0)
    fleet.board.refresh()

    assert (await take(stream))["hosts"][0]["seen"] == 99.0
    await stream.aclose()


async def test_text_that_is_no_unicode_does_not_end_the_events(fleet):
    fleet.units[0] = replace(fleet.units[0], reason="\ud800 bad", labels={"\udcff": "\udcfe"})
    fleet.hosts[0] = replace(fleet.hosts[0], reason="\udcff")

    status = StatusReport.model_validate_json(fleet.board.status_json())

    assert status.units[0].reason == "\\ud800 bad"
    assert status.units[0].labels == {"\\udcff": "\\udcfe"}
    assert status.units[1] == fleet.units[1]


async def test_a_nudge_does_not_wait_for_the_second_and_looks_at_units_alone(fleet):
    stream, _ = await following(fleet)
    watching = asyncio.ensure_future(fleet.board.watch())
    await fleet.clock.sleep(1.1)
    looks, start = fleet.looks, fleet.clock.elapsed
    fleet.units[0] = replace(fleet.units[0], restarts=1)
    fleet.board.nudge()

    assert (await take(stream))["units"][0]["restarts"] == 1
    assert (fleet.clock.elapsed - start, fleet.looks) == (pytest.approx(0, abs=0.1), looks)

    times = []
    for restarts in range(2, 5):
        fleet.units[0] = replace(fleet.units[0], restarts=restarts)
        fleet.board.nudge()
        await take(stream)
        times.append(fleet.clock.elapsed)
    gaps = [later - sooner for sooner, later in zip([start, *times], times, strict=False)]
    assert all(gap >= NUDGE_SECONDS - 0.01 for gap in gaps)
    watching.cancel()
    await stream.aclose()


async def test_what_is_kept_for_late_readers_is_bounded_in_bytes(fleet):
    fleet.board.refresh()
    since = fleet.board.sequence
    for restarts in range(1, 100):
        for number in fleet.units:
            fleet.units[number] = replace(fleet.units[number], restarts=restarts, reason="x" * 50_000)
        fleet.board.refresh()

    stream = fleet.board.events(since=since + 60, instance=fleet.board.instance)

    assert (await take(stream))["kind"] == "snapshot"
    assert sum(len(line) for _, line in fleet.board._kept) < 5_000_000
    await stream.aclose()


def test_units_alone_are_looked_at_only_after_the_first_look_at_all():
    board = Board(lambda: View(ENGINE, (), 0), clock=SystemClock())
    board.refresh_fleet()
    assert board.sequence == 1
    board.refresh_fleet()
    assert board.sequence == 1
    assert not board.watched

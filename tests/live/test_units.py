"""Units by keyboard: real processes, through a real service, into a real endpoint."""

import os
import re
import signal
from datetime import UTC, datetime

from sensor_tui.model.action import Proof, Step
from sensor_tui.model.sensor import Verdict
from sensor_tui.model.unit import UnitState


async def test_units_appear_with_state_and_freshness(stage, look_at):
    running = await stage.started("appear-1", number=11)
    async with look_at(stage) as live:
        idle = await stage.add("appear-2", number=12)
        await live.see(r"appear-1 .*● running")
        await live.see(r"appear-2 .*· created")
        await live.see(r"appear-1 .*\b[0-3] s\b")
        await live.until(lambda: live.overview.sensor_of(live.overview.units[running.id]) is not None)
        sensor = live.overview.sensor_of(live.overview.units[running.id])
        assert sensor.sensor_id == "LON_000011"
        assert sensor.verdict(stage.clock.now()) is Verdict.FRESH
        assert live.overview.sensor_of(live.overview.units[idle.id]) is None
        up = sum(unit.state.up for unit in live.overview.units.values())
        assert re.search(rf"● {up}/{len(live.overview.units)} up", live.header)
        assert "LIVE" in live.header


async def test_stopping_drains_first(stage, look_at):
    unit = await stage.started("stop-1", number=21, rate=50.0)
    async with look_at(stage) as live:
        run = await live.act("x", unit.id)
        assert (run.outcomes[0].step, run.failed) == (Step.DONE, 0)
        await live.until(lambda: live.overview.units[unit.id].state is UnitState.STOPPED)
        sensor = await live.until(lambda: live.overview.sensor_of(live.overview.units[unit.id]))
        await live.until(lambda: live.overview.sensors[sensor.key].backlog == 0)
        await live.see(r"stop-1 .*○ stopped")
    path = stage.file(21)
    assert stage.synced(path).keys() == {1}
    assert len(stage.endpoint.documents("LON_000021")) == stage.count(path)


async def test_starting_is_proven(stage, look_at):
    async with look_at(stage) as live:
        unit = await stage.add("start-1", number=31)
        run = await live.act("s", unit.id)
        assert (run.outcomes[0].step, run.outcomes[0].proof) == (Step.DONE, Proof.PROVEN)
        assert "1 proven" in await live.told("Start of 1 unit")
        await live.see(r"start-1 .*● running")
    assert stage.endpoint.documents("LON_000031")


async def test_restarting_is_proven_with_another_process(stage, look_at):
    unit = await stage.started("restart-1", number=41)
    async with look_at(stage) as live:
        run = await live.act("r", unit.id)
        assert (run.outcomes[0].step, run.outcomes[0].proof) == (Step.DONE, Proof.PROVEN)
        assert live.overview.units[unit.id].pid not in {None, unit.pid}
        assert live.overview.units[unit.id].restarts == 0


async def test_resetting_with_the_data_begins_anew_and_loses_nothing(stage, look_at):
    unit = await stage.started("reset-1", number=51, rate=50.0)
    path, sensor = stage.file(51), "LON_000051"
    before = stage.count(path)
    async with look_at(stage) as live:
        run = await live.act("R", unit.id, wipe=True)
        assert (run.outcomes[0].step, run.outcomes[0].proof) == (Step.DONE, Proof.PROVEN)
        async with stage.client() as client:
            lines = [line.text async for batch in client.logs([unit.id]) for line in batch]
    (written,) = [found for line in lines if (found := re.search(r"([\d,]+) readings? written", line))]
    first = stage.query(path, "SELECT min(timestamp) FROM sensor_readings")[0][0]
    old = [each for each in stage.endpoint.documents(sensor) if each["timestamp"] < _utc(first)]
    assert len(old) - 1 == int(written[1].replace(",", ""))  # one was there before the unit
    assert len(old) >= before


async def test_a_killed_unit_is_flagged_and_comes_back(stage, look_at):
    unit = await stage.started("kill-1", number=61)
    async with look_at(stage) as live:
        await live.see(r"kill-1 .*● running")
        first = live.overview.units[unit.id]
        os.kill(first.pid, signal.SIGKILL)
        # a first pause lasts a second, so that what is drawn may be what comes after it
        await live.until(lambda: _flags(live, unit.id), within=2.0)
        second = await live.until(lambda: _again(live, unit.id, 1))
        assert second.pid != first.pid
        os.kill(second.pid, signal.SIGKILL)
        await live.until(lambda: "↻ 1 backoff" in live.header, within=2.0)
        await live.see(r"kill-1 .*↻ backoff", within=2.0)
        third = await live.until(lambda: _again(live, unit.id, 2))
        assert third.pid not in {first.pid, second.pid}
        await live.until(lambda: "backoff" not in live.header)


def _flags(live, unit):
    """Whether the table says that something happened to the unit."""
    cells = next(row.cells for row in live.screen.grid.rows_shown if row.key == unit)
    return "backoff" in cells["state"].text or cells["restarts"].text != "0"


def _again(live, unit, restarts):
    """The unit, once it has come back so many times."""
    now = live.overview.units[unit]
    return now if now.state is UnitState.RUNNING and now.restarts == restarts else None


async def test_logs_of_two_units_are_merged_followed_and_filtered(stage, look_at):
    script = "while :; do i=$((i+1)); echo $(date -u +%Y-%m-%dT%H:%M:%S.%NZ) {} line $i; sleep 0.1; done"
    units = [await stage.add_shell(f"logs-{name}", script.format(name)) for name in ("alpha", "beta")]
    async with look_at(stage) as live:
        for unit in units:
            await live.act("s", unit.id)
        live.app.show_logs([unit.id for unit in units])
        await live.see(r"alpha line \d+")
        await live.see(r"beta line \d+")
        newest = max(int(found) for found in re.findall(r"alpha line (\d+)", live.text()))
        await live.see(rf"alpha line {newest + 10}\b")
        found = re.findall(r"(alpha|beta) line (\d+)", live.text())
        for name in ("alpha", "beta"):
            numbers = [int(number) for who, number in found if who == name]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        times = re.findall(r"\S+(?=Z (?:alpha|beta) line)", live.text())
        assert times == sorted(times), live.text()
        await live.press("slash")
        await live.type("beta")
        await live.press("enter")
        await live.lose("alpha line")
        await live.see("beta line")
        newest = max(int(found) for found in re.findall(r"beta line (\d+)", live.text()))
        await live.see(rf"beta line {newest + 5}\b")
        assert "alpha line" not in live.text()


def _utc(stamp):
    """A stored time as documents have it."""
    return f"{datetime.fromisoformat(stamp).astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"

"""Screen and commands tell the same story, whatever is stopped."""

import asyncio
import re
import time

import pytest

from sensor_tui.model.action import ActionKind
from sensor_tui.model.overview import Link
from sensor_tui.model.progress import EngineState
from sensor_tui.model.sensor import LEAST_LATE, Verdict
from tests.live.stage import Stage, until

AGREE_SECONDS = 2.0
RATE = 10.0
MOVING = {EngineState.RUNNING.value, EngineState.IDLE.value}
OLD = {Verdict.LATE, Verdict.SILENT}


@pytest.fixture
def pair():
    with Stage(sensors=(1, 2)) as one:
        yield one


def differences(live, status, units, *, moving, since):
    """What the screen and the commands say differently; `moving` sensors write since `since`."""
    overview, now, found = live.overview, time.time(), []
    attached = status["engine"]["attached"]
    if attached is not (overview.link is Link.LIVE) or attached is not ("● LIVE" in live.header):
        found.append(f"link: {overview.link}, {live.header!r}, attached {attached}")
    state = status["engine"]["state"]
    if attached and {state, overview.engine.state.value} - MOVING and state != overview.engine.state.value:
        found.append(f"state: {overview.engine.state}, {state}")
    if attached and (state == "unreachable") is not ("sink unreachable" in live.header):
        found.append(f"header: {live.header!r}, {state}")
    last = since if attached or overview.at is None else min(since, overview.at)  # nothing is counted since
    slack = RATE * moving * (AGREE_SECONDS + now - last)
    shown = re.search(r"backlog ([\d,]+)", live.header)
    backlogs = (overview.backlog, int(shown[1].replace(",", "")) if shown else None)
    if any(each is None or abs(each - status["backlog"]) > slack for each in backlogs):
        found.append(f"backlog: {backlogs}, {status['backlog']} ± {slack:.0f}")
    known = {each["sensor_id"]: each for each in status["sensors"]}
    if known.keys() != {each.sensor_id for each in overview.sensors.values()}:
        found.append(f"sensors: {known.keys()}")
    if attached:
        for sensor in overview.sensors.values():
            verdict, told = sensor.verdict(now), known.get(sensor.sensor_id, {}).get("freshness_seconds", 0.0)
            crossed = told <= LEAST_LATE < told + now - since + AGREE_SECONDS  # while both were looking
            if (verdict in OLD) is not (told > LEAST_LATE) and not crossed:
                found.append(f"freshness of {sensor.sensor_id}: {verdict}, {told} s")
        told = {each["id"]: each["state"] for each in units.json["units"]}
        if told != {unit.id: unit.state.value for unit in overview.units.values()}:
            found.append(f"units: {told}")
        if f"{sum(state == 'running' for state in told.values())}/{len(told)} up" not in live.header:
            found.append(f"up: {live.header!r}, {told}")
    elif units.code == 0 or "no service" not in live.header:
        found.append(f"units: {units}, {live.header!r}")
    return found


async def agree(live, stage, *, moving):
    """Ask the commands, and let the screen say the same within two seconds of their answer."""
    status, units = await asyncio.gather(stage.command("status", "--json"), stage.command("units", "--json"))
    since, told = time.time(), status.json
    left = []

    def look():
        left[:] = differences(live, told, units, moving=moving, since=since)
        return not left

    await until(look, within=AGREE_SECONDS, what=lambda: "\n".join(left))
    return told


@pytest.mark.timeout(180)
async def test_endpoint_sensor_and_service_are_stopped_in_turn(pair, look_at):
    stage = pair
    first, second = await asyncio.gather(stage.started("one-1", number=1), stage.started("two-1", number=2))
    async with look_at(stage) as live:
        await live.until(lambda: live.overview.units.keys() == {first.id, second.id})
        assert (await agree(live, stage, moving=2))["engine"]["state"] in MOVING

        stage.endpoint.stop()
        await live.until(lambda: live.overview.engine.state is EngineState.UNREACHABLE)
        told = await agree(live, stage, moving=2)
        assert told["engine"]["state"] == "unreachable"
        stage.endpoint.start()
        await live.until(lambda: live.overview.engine.state.value in MOVING)

        await stage.done(ActionKind.STOP, [second.id])
        await agree(live, stage, moving=1)
        await live.until(
            lambda: any(each.verdict(time.time()) in OLD for each in live.overview.sensors.values())
        )
        told = await agree(live, stage, moving=1)
        assert sorted(each["freshness_seconds"] > LEAST_LATE for each in told["sensors"]) == [False, True]
        assert "late" not in live.header  # it was stopped, and is not missed

        await stage.stop()
        told = await agree(live, stage, moving=1)
        assert told["engine"]["attached"] is False
        await live.link(Link.STOPPED)

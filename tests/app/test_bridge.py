"""The bridge: wire models become values, and a service may come, go, and come back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sensor_tui.app.bridge import Bridge
from sensor_tui.errors import ConfigError, ServiceError
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Role, Unit, UnitState
from sensor_tui.service.client import Update
from sensor_tui.service.wire import EngineReport, SensorReport, StatusReport
from sensor_tui.service.wire_asks import Done
from tests.support.clock import JumpingClock

AT = "2026-03-14T15:09:26.000Z"
UNIT = Unit("box/process/a", "box", "process", "a", Role.SENSOR, UnitState.RUNNING)


def sensor(number: int = 1, **facts: Any) -> SensorReport:
    given = {"backlog": 3, "lag_seconds": 2.0, "freshness_seconds": 1.0, "newest": AT, "source": "a.db"}
    return SensorReport(sensor_id=f"AMS_{number:06}", city="Amsterdam", **{**given, **facts})


def report(*sensors: SensorReport, **facts: Any) -> StatusReport:
    engine = EngineReport(state=EngineState.RUNNING, version="1", attached=True, docs_per_second=5.0)
    given: dict[str, Any] = {"at": AT, "backlog": 3, "lag_seconds": 2.0, "dead_letters": 0, "engine": engine}
    return StatusReport(sensors=sensors, **{**given, **facts})


class StubClient:
    """A client whose events are put in by hand."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Update] = asyncio.Queue()
        self.closed = False

    async def events(self) -> AsyncIterator[Update]:
        while True:
            yield await self.queue.get()

    async def pause(self) -> Done:
        return Done(state=EngineState.PAUSED, message="reading is paused")

    async def close(self) -> None:
        self.closed = True


class StubServices:
    """Services that are there when told."""

    def __init__(self, client: StubClient | None = None, error: Exception | None = None) -> None:
        self.started = False
        self.client = client
        self.error = error
        self.starts = 0
        self.asked = asyncio.Event()

    def find(self) -> Any:
        self.asked.set()
        if self.error is not None:
            raise self.error
        return self.client

    async def start(self) -> Any:
        self.starts += 1
        self.started = True
        return self.find()

    async def stop(self) -> bool:
        return self.client is not None


class Reader:
    """Reads a bridge until something is so."""

    def __init__(self, bridge: Bridge) -> None:
        self.updates = bridge.updates()

    async def until(self, link: Link) -> Overview:
        async with asyncio.timeout(5):
            async for overview in self.updates:
                if overview.link is link:
                    return overview
        raise AssertionError

    async def next(self) -> Overview:
        async with asyncio.timeout(5):
            return await anext(self.updates)

    async def close(self) -> None:
        await self.updates.aclose()  # type: ignore[attr-defined]


async def test_a_snapshot_becomes_an_overview() -> None:
    client = StubClient()
    reader = Reader(Bridge(StubServices(client), JumpingClock(), start=False))
    client.queue.put_nowait(Update("snapshot", report(sensor(), units=(UNIT,)), changed=(sensor(),)))
    overview = await reader.until(Link.LIVE)
    assert overview.engine.docs_per_second == 5.0
    assert overview.units == {UNIT.id: UNIT}
    assert overview.at is not None
    assert overview.oldest_open == overview.at - 2.0
    assert [(each.sensor_id, each.backlog) for each in overview.sensors.values()] == [("AMS_000001", 3)]
    await reader.close()
    assert client.closed


async def test_what_did_not_change_stays_the_same_object() -> None:
    client = StubClient()
    reader = Reader(Bridge(StubServices(client), JumpingClock(), start=False))
    first, second = sensor(1), sensor(2)
    client.queue.put_nowait(Update("snapshot", report(first, second, units=(UNIT,)), changed=(first, second)))
    before = await reader.until(Link.LIVE)
    newer = sensor(2, backlog=9)
    copy = Unit("box/process/a", "box", "process", "a", Role.SENSOR, UnitState.RUNNING)
    client.queue.put_nowait(Update("delta", report(first, newer, units=(copy,)), changed=(newer,)))
    after = await reader.next()
    assert after.sensors[first.key] is before.sensors[first.key]
    assert after.sensors[newer.key].backlog == 9
    assert after.units[UNIT.id] is before.units[UNIT.id]
    client.queue.put_nowait(Update("delta", report(first), gone=(newer.key,)))
    assert list((await reader.next()).sensors) == [first.key]
    await reader.close()


async def test_a_lost_service_leaves_the_last_state_and_says_why() -> None:
    client = StubClient()
    reader = Reader(Bridge(StubServices(client), JumpingClock(), start=False))
    client.queue.put_nowait(Update("snapshot", report(sensor()), changed=(sensor(),)))
    await reader.until(Link.LIVE)
    client.queue.put_nowait(Update("lost", None, problem="no answer"))
    lost = await reader.until(Link.LOST)
    assert (lost.problem, lost.backlog, len(lost.sensors)) == ("no answer", 3, 1)
    client.queue.put_nowait(Update("snapshot", report(sensor()), changed=(sensor(),)))
    assert (await reader.until(Link.LIVE)).problem == ""
    await reader.close()


async def test_a_service_that_says_goodbye_and_comes_back_is_attached_again() -> None:
    client, second = StubClient(), StubClient()
    services = StubServices(client)
    reader = Reader(Bridge(services, JumpingClock(), start=True))
    client.queue.put_nowait(Update("snapshot", report(), changed=()))
    assert (await reader.until(Link.LIVE)).embedded
    services.client, services.started = None, False
    client.queue.put_nowait(Update("goodbye", None))
    client.queue.put_nowait(Update("lost", None, problem="gone"))
    assert "nobody uploads" in (await reader.until(Link.STOPPED)).problem
    services.client = second
    second.queue.put_nowait(Update("snapshot", report(), changed=()))
    live = await reader.until(Link.LIVE)
    assert not live.embedded
    assert client.closed
    assert services.starts == 1, "it is never started again without being asked"
    await reader.close()


async def test_a_service_that_cannot_start_is_refused_with_the_reason_and_looked_for_again() -> None:
    services = StubServices(error=ConfigError("No endpoint is configured", fix="Set COSMOS_ENDPOINT"))
    reader = Reader(Bridge(services, JumpingClock(), start=True))
    refused = await reader.until(Link.REFUSED)
    assert refused.problem == "No endpoint is configured. Set COSMOS_ENDPOINT"
    services.error, services.client = None, StubClient()
    services.client.queue.put_nowait(Update("snapshot", report(), changed=()))
    await reader.until(Link.LIVE)
    assert services.starts == 1
    await reader.close()


async def test_commands_need_a_service() -> None:
    bridge = Bridge(StubServices(), JumpingClock(), start=False)
    with pytest.raises(ServiceError, match="No service runs"):
        await bridge.pause()


async def test_a_command_answers_in_words() -> None:
    client = StubClient()
    bridge = Bridge(StubServices(client), JumpingClock(), start=False)
    reader = Reader(bridge)
    client.queue.put_nowait(Update("snapshot", report(), changed=()))
    await reader.until(Link.LIVE)
    assert await bridge.pause() == "reading is paused"
    await reader.close()


async def test_one_that_is_on_its_way_is_waited_for() -> None:
    services, clock = StubServices(), JumpingClock()
    reader = Reader(Bridge(services, clock, start=False, patience=10.0))
    began = clock.monotonic()
    await reader.until(Link.STOPPED)
    assert clock.monotonic() - began >= 10.0
    await reader.close()

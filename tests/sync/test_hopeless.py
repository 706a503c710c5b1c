"""What a sink holds up: it is said while it lasts, logged once, and ends a single run that waits in vain."""

import asyncio
import logging

import pytest

from sensor_tui.errors import SinkRefused, SinkUnreachable
from sensor_tui.model.progress import EngineState
from sensor_tui.sync.contract import Judgement, RequestFailed, Verdict
from sensor_tui.sync.engine import Engine, EngineOptions
from tests.support.clock import JumpingClock
from tests.support.fakes import MemoryFeed, MemorySink, MemorySource

DAMAGED = "archive/London/S.parquet/part-1 is damaged"


def sink_of(name, script=None):
    sink = MemorySink(key_field="sensorId", script=script)
    sink.name = name
    return sink


def engine_of(*sinks, feeds, **options):
    clock = JumpingClock()
    return Engine(MemorySource(*feeds), sinks, clock=clock, options=EngineOptions(**options)), clock


def not_now(sensor, delay=30.0, reason=DAMAGED, until=lambda: False):
    """Takes all but the documents of one sensor."""

    def script(sink, lane, documents):
        if until():
            return None
        held = {
            position: Judgement(Verdict.TRANSIENT, delay=delay, reason=reason)
            for position, document in enumerate(documents)
            if document["sensorId"] == sensor
        }
        return sink.store(documents, held or None)

    return script


@pytest.mark.parametrize("delay", [1.0, 30.0])
async def test_a_single_run_ends_when_a_sink_gives_nothing_but_retries(delay):
    feeds = [MemoryFeed("S", 100), MemoryFeed("T", 100)]
    archive = sink_of("archive", not_now("S", delay))
    engine, clock = engine_of(sink_of("cosmos"), archive, feeds=feeds)
    with pytest.raises(SinkUnreachable, match="archive sink has not taken anything for 30 s") as error:
        await engine.run(continuous=False)
    assert DAMAGED in str(error.value)
    assert 30 <= clock.elapsed < 70
    assert (feeds[0].settled, sorted(feeds[1].settled)) == ([], list(range(1, 101)))


async def test_a_request_that_fails_as_a_whole_again_and_again_ends_a_single_run_too():
    def fail(sink, lane, documents):
        raise RequestFailed(Judgement(Verdict.TRANSIENT, code=503, reason="service unavailable"))

    engine, clock = engine_of(sink_of("cosmos", fail), feeds=[MemoryFeed("S", 100)])
    with pytest.raises(SinkUnreachable, match="service unavailable"):
        await engine.run(continuous=False)
    assert 30 <= clock.elapsed < 70


@pytest.mark.parametrize("pause", [1.0, 90.0])
async def test_a_run_that_is_only_throttled_goes_on(pause):
    def throttle(sink, lane, documents):
        if clock.elapsed < 200:
            raise RequestFailed(Judgement(Verdict.THROTTLED, delay=pause, code=429))

    feed = MemoryFeed("S", 100)
    engine, clock = engine_of(sink_of("cosmos", throttle), feeds=[feed])
    await engine.run(continuous=False)
    assert clock.elapsed >= 200
    assert sorted(feed.settled) == list(range(1, 101))


async def test_a_sink_is_waited_for_while_another_takes_readings():
    async def slow():
        await clock.sleep(20.0)

    cosmos = sink_of("cosmos")
    cosmos.latency = slow
    archive = sink_of("archive", not_now("S", 5.0, until=lambda: len(cosmos.documents) == 500))
    feed = MemoryFeed("S", 500)
    cosmos.limits = archive.limits.__class__(documents=100, size=220_201, concurrency=1, overhead=20)
    engine, clock = engine_of(cosmos, archive, feeds=[feed])
    await engine.run(continuous=False)
    assert clock.elapsed >= 40
    assert sorted(feed.settled) == list(range(1, 501))


async def test_what_is_held_up_is_said_while_it_lasts_and_logged_once(caplog):
    caplog.set_level(logging.INFO, "sensor_tui.sync.runner")
    mended = False
    feeds = [MemoryFeed("S", 2000), MemoryFeed("T", 2000)]
    archive = sink_of("archive", not_now("S", 1.0, until=lambda: mended))
    engine, clock = engine_of(sink_of("cosmos"), archive, feeds=feeds, interval=1.0)
    running = asyncio.ensure_future(engine.run(continuous=True))
    while clock.elapsed < 100:
        await asyncio.sleep(0)
    told = engine.progress()
    assert told.state is EngineState.RUNNING
    assert told.reason == f"archive: {DAMAGED}"
    assert engine.lacking() == [
        f"the archive sink has not taken 2,000 of the documents it was given: {DAMAGED}"
    ]
    assert len([line for line in caplog.messages if DAMAGED in line]) == 1
    mended = True
    while len(feeds[0].settled) < 2000:
        await asyncio.sleep(0)
    assert engine.progress().reason == ""
    assert engine.lacking() == []
    engine.drain()
    await running


async def test_each_reason_is_logged_once_and_all_of_them_are_counted(caplog):
    caplog.set_level(logging.INFO, "sensor_tui.sync.runner")

    def script(sink, lane, documents):
        name = documents[0]["sensorId"]
        held = Judgement(Verdict.TRANSIENT, delay=1.0, reason=f"{name} is locked")
        return sink.store(documents, dict.fromkeys(range(len(documents)), held))

    feeds = [MemoryFeed(name, 300) for name in ("S", "T", "U")]
    engine, clock = engine_of(sink_of("archive", script), feeds=feeds, interval=1.0)
    running = asyncio.ensure_future(engine.run(continuous=True))
    while clock.elapsed < 60:
        await asyncio.sleep(0)
    assert engine.progress().reason.endswith("is locked (and 2 more)")
    for name in ("S", "T", "U"):
        assert len([line for line in caplog.messages if f"{name} is locked" in line]) == 1
    engine.drain()
    await running


async def test_a_reason_that_comes_back_after_a_while_is_news_again(caplog):
    caplog.set_level(logging.INFO, "sensor_tui.sync.runner")

    def fail(sink, lane, documents):
        if not 10 < clock.elapsed % 100 < 90:
            raise RequestFailed(Judgement(Verdict.TRANSIENT, code=503, reason="service unavailable"))

    class Endless(MemoryFeed):
        """One reading every second or so, for ever."""

        async def read(self, limit):
            return await super().read(1) if clock.elapsed > self._next else None

    engine, clock = engine_of(sink_of("cosmos", fail), feeds=[Endless("S", 1000)], interval=1.0)
    running = asyncio.ensure_future(engine.run(continuous=True))
    while clock.elapsed < 180:
        await asyncio.sleep(0)
    told = [line for line in caplog.messages if "service unavailable" in line]
    engine.drain()
    await running
    assert len(told) == 2


async def test_all_sinks_are_opened_before_a_single_run_fails(caplog):
    def refuse(number):
        raise SinkRefused("the archive cannot be written")

    def away(number):
        raise SinkUnreachable("no answer")

    first, second, third = sink_of("archive"), sink_of("cosmos"), sink_of("anomalies")
    first.on_open, third.on_open = refuse, away
    engine, _ = engine_of(first, second, third, feeds=[MemoryFeed("S", 10)])
    with pytest.raises(SinkRefused, match="the archive cannot be written"):
        await engine.run(continuous=False)
    assert (first.opened, second.opened, third.opened) == (1, 1, 1)
    assert "no answer" in caplog.messages

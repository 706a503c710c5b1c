"""What stops the whole pipeline: refusals, outages and drains; afterwards it goes on where it was."""

import asyncio

import pytest
from azure.cosmos.aio import CosmosClient

from sensor_tui.errors import ExitCode, SinkRefused, SinkUnreachable
from sensor_tui.model.progress import EngineState

RANGES = ("0", "1", "2", "3")

REFUSALS = [(401, "cosmos.key"), (403, "Check that the key may write"), (404, "create_if_missing")]


@pytest.mark.parametrize(("status", "fix"), REFUSALS)
async def test_a_refusal_stops_the_pipeline_says_what_to_fix_and_is_tried_again_every_minute(
    wire, status, fix
):
    feeds = [wire.feed(f"S{range_id}", 1000, range_id=range_id) for range_id in RANGES]
    pipeline = wire.start(*feeds, create_if_missing=False)
    # every request but the first few, whatever it asks for: the account refuses us
    fault = wire.emulator.faults.answer(status, nth=20, times=None)
    await pipeline.until(lambda: pipeline.state is EngineState.REFUSED)
    await pipeline.until(lambda: not any(lane.in_flight for lane in pipeline.engine.progress().lanes))
    assert fix in pipeline.engine.progress().reason
    stored = pipeline.stored
    assert 0 < stored < 4000
    refused = fault.hits
    wire.clock.hop(55.0)
    await pipeline.turns()
    assert fault.hits == refused, "not asked before the minute is over"
    wire.clock.hop(5.0)
    await pipeline.until(lambda: fault.hits > refused)
    await pipeline.turns()
    assert pipeline.state is EngineState.REFUSED
    assert pipeline.stored == stored
    wire.emulator.faults.clear()
    await pipeline.turns()
    assert pipeline.state is EngineState.REFUSED
    wire.clock.hop(60.0)
    await pipeline.until(lambda: pipeline.state is not EngineState.REFUSED)
    await pipeline.finish()
    pipeline.every_reading_once()


async def test_a_container_deleted_mid_run_keeps_the_backlog_until_it_is_back(wire):
    feed = wire.feed("S", 3000)
    fault = wire.emulator.faults.hold("before", kind="bulk", nth=5)
    pipeline = wire.start(feed, create_if_missing=False)
    await fault.reached.wait()
    async with CosmosClient(wire.emulator.url, wire.emulator.key) as client:
        database = client.get_database_client("SensorData")
        await database.delete_container("SensorReadings")
        fault.release.set()
        await pipeline.until(lambda: pipeline.state is EngineState.REFUSED)
        reason = pipeline.engine.progress().reason
        assert "SensorData/SensorReadings does not exist" in reason
        assert "partition key /city" in reason
        await pipeline.until(lambda: not any(lane.in_flight for lane in pipeline.engine.progress().lanes))
        accepted = pipeline.totals.accepted
        await database.create_container("SensorReadings", {"paths": ["/city"], "kind": "Hash", "version": 2})
    wire.clock.hop(60.0)
    await pipeline.finish()
    assert sorted(feed.settled) == list(range(1, 3001))
    assert accepted < 3000
    assert pipeline.stored == 3000 - accepted, "what was not accepted then is in the new container"
    assert feed.dead == {}


async def test_a_single_run_ends_with_the_refusal_and_what_was_accepted_is_settled(wire):
    feeds = [wire.feed(f"S{range_id}", 1000, range_id=range_id) for range_id in RANGES]
    pipeline = wire.start(*feeds, once=True)
    wire.emulator.faults.answer(401, nth=20, times=None)
    with pytest.raises(SinkRefused, match=r"does not accept the key.*cosmos\.key") as caught:
        await pipeline.running
    assert caught.value.exit_code is ExitCode.SINK
    stored = {
        (d["sensorId"], d["sqlite_id"]) for d in wire.emulator.documents("SensorData", "SensorReadings")
    }
    settled = {(feed.key, row_id) for feed in feeds for row_id in feed.settled}
    assert 0 < len(settled) < 4000
    assert settled <= stored
    assert sum(len(feed.settled) for feed in feeds) == len(settled)
    wire.emulator.faults.clear()
    again = [wire.feed(feed.key, 1000, city=feed.city) for feed in feeds]
    second = wire.start(*again, once=True)
    await second.running
    second.every_reading_once()
    assert second.totals.already_there == len(stored)


async def test_an_outage_costs_next_to_nothing_and_everything_arrives_after_it(wire):
    feeds = [wire.feed(f"S{range_id}", 3000, range_id=range_id) for range_id in RANGES]
    pipeline = wire.start(*feeds)
    await pipeline.until(lambda: pipeline.totals.accepted >= 1000)
    wire.emulator.faults.reset("before", times=None)
    await pipeline.until(lambda: pipeline.state is EngineState.UNREACHABLE)
    await pipeline.turns()
    before, start = pipeline.totals.requests, wire.clock.monotonic()
    await pipeline.until(lambda: wire.clock.monotonic() - start > 120.0, hop=0.5)
    assert pipeline.state is EngineState.UNREACHABLE
    assert "closed the connection" in pipeline.engine.progress().reason
    tried = pipeline.totals.requests - before
    assert 4 <= tried <= 100, "a few attempts on each range in two minutes, each a full request"
    assert all(lane.batch_size >= 50 for lane in pipeline.engine.progress().lanes)
    wire.emulator.faults.clear()
    back = wire.clock.monotonic()
    await pipeline.until(lambda: pipeline.state is EngineState.RUNNING, hop=0.5)
    assert wire.clock.monotonic() - back < 35.0, "back within the longest back-off"
    await pipeline.turns()
    assert not any(lane.blocked_for for lane in pipeline.engine.progress().lanes), "one answer wakes them all"
    resumed = wire.clock.monotonic()
    await pipeline.settled()
    assert wire.clock.monotonic() - resumed < 10.0
    await pipeline.finish()
    pipeline.every_reading_once()


async def test_a_single_run_gives_up_on_a_silent_endpoint_after_its_patience(wire):
    feed = wire.feed("S", 500)
    wire.emulator.faults.reset("before", kind="bulk", nth=3, times=None)
    pipeline = wire.start(feed, once=True)
    with pytest.raises(SinkUnreachable, match="has not answered for 30 s"):
        await pipeline.until(lambda: pipeline.running.done() and pipeline.running.result(), hop=0.2)
    assert len(feed.settled) == 200
    assert pipeline.stored == 200


async def test_an_engine_drained_amid_faults_settles_what_was_accepted_and_nothing_else(wire):
    feeds = [wire.feed(f"S{range_id}", 4000, range_id=range_id) for range_id in RANGES]
    wire.emulator.faults.throttle(kind="bulk", range_id="0", retry_after_ms=600_000, nth=3, times=None)
    wire.emulator.faults.answer(503, kind="bulk", range_id="1", nth=3, times=None)
    pipeline = wire.start(*feeds)
    await pipeline.until(lambda: pipeline.totals.accepted >= 2000)
    pipeline.engine.drain()
    await pipeline.until(pipeline.running.done, hop=0.25)
    await asyncio.wait_for(pipeline.running, 5.0)
    stored = {
        (d["sensorId"], d["sqlite_id"]) for d in wire.emulator.documents("SensorData", "SensorReadings")
    }
    settled = {(feed.key, row_id) for feed in feeds for row_id in feed.settled}
    assert settled == stored
    assert sum(len(feed.settled) for feed in feeds) == len(settled)

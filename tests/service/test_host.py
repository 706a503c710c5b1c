"""The host of the engine, and what the service writes down, on a clock that jumps."""

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor_tui.config import load
from sensor_tui.errors import ConfigError, SinkUnreachable, StorageError
from sensor_tui.model.progress import EngineState, Progress, Totals
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.host import AGAIN_SECONDS, EngineHost
from sensor_tui.service.operations import HISTORY_SECONDS, Operations
from sensor_tui.service.peers import Peers
from sensor_tui.service.pipeline import Pipeline, WatchedSource, engine_options
from sensor_tui.service.process import set_level
from sensor_tui.service.request import SyncRequest
from sensor_tui.storage.ledger import Ledger
from sensor_tui.sync.engine import Engine
from tests.support.clock import JumpingClock
from tests.support.fakes import MemoryFeed, MemorySink, MemorySource


class Store:
    """A store that only notes whether it is open."""

    def __init__(self):
        self.opened = self.closed = 0

    async def open(self):
        self.opened += 1

    async def close(self):
        self.closed += 1


class World:
    """A host whose pipelines are in memory, one after another."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.clock = JumpingClock()
        self.built = []
        self.sinks = []
        self.trouble = None
        self.probes = 0
        self.host = EngineHost(
            self.settings(), SyncRequest(tmp_path), self.clock, build=self.build, make_sink=self.make_sink
        )

    def settings(self, **env):
        given = {"COSMOS_ENDPOINT": "https://a.example.com", "COSMOS_KEY": "a2V5"} | env
        return load(env=given, cwd=self.tmp_path).settings

    def build(self, settings, *, freshen):
        sink = MemorySink()
        source = WatchedSource(MemorySource(MemoryFeed(f"feed {len(self.built)}", 10)))
        engine = Engine(source, [sink], clock=self.clock, options=engine_options(settings), freshen=freshen)
        pipeline = Pipeline(SyncRequest(self.tmp_path), Store(), source, engine)
        self.built.append((settings, pipeline))
        self.sinks.append(sink)
        return pipeline

    def make_sink(self, settings):
        world = self

        class Probe(MemorySink):
            async def open(self):
                world.probes += 1
                if world.trouble is not None:
                    raise world.trouble
                return ()

        return Probe()

    async def until(self, look):
        async with asyncio.timeout(10):
            while not look():
                await asyncio.sleep(0)


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    await world.host.open()
    running = asyncio.ensure_future(world.host.run())
    await world.until(lambda: world.host.progress().totals.accepted == 10)
    yield world
    world.host.stop()
    await running
    assert all(pipeline.store.opened == pipeline.store.closed for _, pipeline in world.built)


async def test_a_new_endpoint_means_a_new_pipeline_and_counts_go_on(world):
    await world.host.apply(world.settings(COSMOS_ENDPOINT="https://b.example.com"))

    await world.until(lambda: world.host.progress().totals.accepted == 20)
    assert world.probes == 1
    assert [settings.cosmos.endpoint for settings, _ in world.built] == [
        "https://a.example.com",
        "https://b.example.com",
    ]
    assert (len(world.sinks[0].documents), len(world.sinks[1].documents)) == (10, 10)
    assert world.host.config_problem is None


async def test_a_live_change_keeps_the_pipeline(world):
    await world.host.apply(world.settings(UPLOAD_INTERVAL="77"))

    assert len(world.built) == 1
    assert world.host.pipeline.engine.options.interval == 77
    assert world.probes == 0


async def test_nothing_changed_clears_what_was_refused(world):
    world.host.refuse("a typo")
    assert "a typo" in world.host.config_problem

    await world.host.apply(world.settings())

    assert world.host.config_problem is None
    assert len(world.built) == 1


async def test_a_connection_that_does_not_work_is_tried_again_each_minute(world):
    world.trouble = SinkUnreachable("b.example.com does not answer")
    started = world.clock.elapsed
    await world.host.apply(world.settings(COSMOS_ENDPOINT="https://b.example.com"))
    assert "does not answer" in world.host.config_problem
    assert (world.probes, len(world.built)) == (1, 1)

    await world.until(lambda: world.probes == 3)
    world.trouble = None

    await world.until(lambda: len(world.built) == 2)
    assert world.clock.elapsed - started >= 3 * AGAIN_SECONDS
    assert world.host.config_problem is None


async def test_a_configuration_that_cannot_be_used_is_not_tried_again(world):
    world.trouble = ConfigError("no key")
    await world.host.apply(world.settings(COSMOS_ENDPOINT="https://b.example.com"))

    await world.clock.sleep(5 * AGAIN_SECONDS)

    assert (world.probes, len(world.built)) == (1, 1)
    assert "no key" in world.host.config_problem


async def test_a_newer_change_replaces_the_one_that_does_not_work(world):
    world.trouble = SinkUnreachable("does not answer")
    await world.host.apply(world.settings(COSMOS_ENDPOINT="https://b.example.com"))
    await world.host.apply(world.settings())
    world.trouble = None

    await world.clock.sleep(5 * AGAIN_SECONDS)

    assert len(world.built) == 1
    assert world.host.config_problem is None


async def test_a_change_during_the_drain_is_not_lost(world):
    endpoint = {"COSMOS_ENDPOINT": "https://b.example.com"}
    await world.host.apply(world.settings(**endpoint))
    await world.host.apply(world.settings(**endpoint, UPLOAD_INTERVAL="77"))

    await world.until(lambda: len(world.built) == 2)

    assert world.built[1][1].engine.options.interval == 77
    assert world.host.settings.interval_seconds == 77


async def test_pausing_outlasts_a_change_of_the_pipeline(world):
    world.host.pause()
    await world.host.apply(world.settings(COSMOS_ENDPOINT="https://b.example.com"))

    await world.until(lambda: world.host.progress().state is EngineState.PAUSED and len(world.built) == 2)
    await world.clock.sleep(120)
    assert world.sinks[1].documents == {}

    world.host.resume()
    await world.until(lambda: len(world.sinks[1].documents) == 10)


async def test_a_restart_stays_needed_until_it_is_done_or_taken_back(world):
    await world.host.apply(world.settings(SENSOR_TUI__ARCHIVE__PATH="/archive"))
    assert "archive.path" in world.host.config_problem
    await world.host.apply(world.settings(SENSOR_TUI__ARCHIVE__PATH="/archive", UPLOAD_INTERVAL="77"))
    assert "archive.path" in world.host.config_problem

    await world.host.apply(world.settings(UPLOAD_INTERVAL="77"))

    assert world.host.config_problem is None


async def test_stopping_before_it_runs_ends_it_without_a_reading(tmp_path):
    world = World(tmp_path)
    await world.host.open()
    world.host.stop()

    await world.host.run()

    assert world.sinks[0].documents == {}


async def test_an_abort_ends_it_while_a_request_is_held(tmp_path):
    world = World(tmp_path)
    world.sinks[0].hold = asyncio.Event()
    await world.host.open()
    running = asyncio.ensure_future(world.host.run())
    await world.until(lambda: world.sinks[0].under_way)

    world.host.abort()
    await running

    assert world.sinks[0].documents == {}
    assert world.built[0][1].store.closed == 1


async def test_cancelling_the_host_closes_what_it_holds(tmp_path):
    world = World(tmp_path)
    world.sinks[0].hold = asyncio.Event()
    await world.host.open()
    running = asyncio.ensure_future(world.host.run())
    await world.until(lambda: world.sinks[0].under_way)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.built[0][1].store.closed == 1


class Minutes:
    """A host as far as `Operations` needs it: counts that grow, and a real ledger."""

    def __init__(self, ledger, clock):
        self.pipeline = SimpleNamespace(store=SimpleNamespace(ledger=ledger))
        self.peers = Peers(Path("none"), Path("none/state"), clock)
        self.totals = Totals()
        self.clock = clock

    def progress(self):
        return Progress(EngineState.IDLE, "", self.totals, 0, 0.0, 0.0, 0.0, 0.0)

    def feeds(self):
        return [FeedStatus("a.db", "LON_1", "London", 5, self.clock.now() - 30, self.clock.now())]


async def test_each_minute_goes_into_the_history(tmp_path):
    clock = JumpingClock()
    async with Ledger(tmp_path, clock=clock) as ledger:
        host = Minutes(ledger, clock)
        operations = Operations(host, clock)
        recording = asyncio.ensure_future(operations.record_history())
        await asyncio.sleep(0)
        host.totals = Totals(accepted=100, rejected=2, throttled=3, request_units=500.0)
        while not (points := (await operations.throughput(0.0)).points):
            await asyncio.sleep(0)
        recording.cancel()

    first = points[0]
    assert (first.accepted, first.rejected, first.throttled, first.request_units) == (100, 2, 3, 500.0)
    assert (first.backlog, first.lag_seconds) == (5, 30.0)
    assert first.at == "2025-07-31T22:14:20.000Z"
    assert HISTORY_SECONDS == 60


async def test_a_ledger_that_cannot_be_written_costs_a_warning(tmp_path, caplog):
    clock = JumpingClock()

    class Full:
        tries = 0

        async def record_throughput(self, point):
            self.tries += 1
            raise StorageError("the disk is full")

    ledger = Full()
    recording = asyncio.ensure_future(Operations(Minutes(ledger, clock), clock).record_history())
    await clock.sleep(3 * HISTORY_SECONDS + 1)

    assert ledger.tries == 3
    assert not recording.done()
    assert "the disk is full" in caplog.text
    recording.cancel()


@pytest.mark.parametrize(
    ("now", "level"),
    [(logging.INFO, logging.WARNING), (logging.DEBUG, logging.DEBUG)],
    ids=["as configured", "asked for on the command line"],
)
def test_a_changed_level_is_followed_unless_another_was_asked_for(tmp_path, now, level):
    logger = logging.getLogger("sensor_tui")
    before = logger.level
    logger.setLevel(now)
    try:
        set_level(
            load(env={"LOG_LEVEL": "INFO"}, cwd=tmp_path).settings,
            load(env={"LOG_LEVEL": "WARNING"}, cwd=tmp_path).settings,
        )
        assert logger.level == level
    finally:
        logger.setLevel(before)

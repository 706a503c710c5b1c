"""Engine, Cosmos sink and local endpoint, joined over loopback HTTP."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.progress import EngineState, LaneProgress, Totals
from sensor_tui.sync.engine import Engine, EngineOptions
from sensor_tui.sync.sinks.cosmos.hashing import effective_key_v2
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from tests.support.fakes import MemoryFeed, MemorySource
from tests.wire.clock import HoppingClock
from tests.wire.tap import Tap

DATABASE, CONTAINER = "SensorData", "SensorReadings"
PATIENCE = 25.0


@dataclass
class Pipeline:
    """An engine at work, and all it is joined to."""

    clock: HoppingClock
    emulator: Emulator
    tap: Tap
    engine: Engine
    feeds: list[MemoryFeed]
    running: asyncio.Task[None]

    @property
    def totals(self) -> Totals:
        return self.engine.progress().totals

    @property
    def state(self) -> EngineState:
        return self.engine.progress().state

    @property
    def stored(self) -> int:
        return self.emulator.count(DATABASE, CONTAINER)

    def lane(self, name: str) -> LaneProgress:
        (found,) = [lane for lane in self.engine.progress().lanes if lane.lane == name]
        return found

    async def until(self, condition: Callable[[], Any], *, hop: float = 0.0) -> None:
        """Let everybody work until the condition holds, moving time by `hop` seconds at every turn."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"it never came to that: {self.engine.progress()}"
            if self.running.done():
                self.running.result()
            await asyncio.sleep(0.001)
            if hop:
                self.clock.hop(hop)

    async def turns(self, count: int = 50) -> None:
        """Let everybody work for a while, so that what must not happen had its chance."""
        for _ in range(count):
            await asyncio.sleep(0.001)

    async def settled(self, *, hop: float = 0.0) -> None:
        """Wait until every reading of every feed is settled."""
        await self.until(lambda: all(len(f.settled) + len(f.dead) >= f.size for f in self.feeds), hop=hop)

    async def finish(self, *, hop: float = 0.0) -> None:
        """Wait until everything is settled, then stop the engine."""
        await self.settled(hop=hop)
        self.engine.drain()
        await self.until(self.running.done, hop=0.25)
        await self.running

    def every_reading_once(self, *, dead: int = 0) -> None:
        """Every reading is in the container once and was settled once, or is one of so many dead letters."""
        for feed in self.feeds:
            assert Counter(feed.settled + list(feed.dead)) == Counter(range(1, feed.size + 1)), feed.key
        found = Counter((d["sensorId"], d["sqlite_id"]) for d in self.emulator.documents(DATABASE, CONTAINER))
        expected = {(feed.key, row_id) for feed in self.feeds for row_id in feed.settled}
        assert set(found) == expected
        assert set(found.values()) <= {1}
        assert sum(len(feed.dead) for feed in self.feeds) == dead
        totals = self.totals
        assert (totals.accepted, totals.rejected) == (len(expected), dead)


class Feed(MemoryFeed):
    """A feed that knows how many readings it has and keeps its dead letters whole."""

    def __init__(self, key: str, rows: int, **more: Any) -> None:
        super().__init__(key, rows, **more)
        self.size = rows
        self.letters: list[Any] = []

    async def settle(self, settlements: Any) -> None:
        await super().settle(settlements)
        self.letters += [letter for settlement in settlements for letter in settlement.dead]


@dataclass
class Wire:
    """Starts endpoints and pipelines; `feed` makes readings for a city or for a range."""

    stack: AsyncExitStack
    clock: HoppingClock
    emulator: Emulator
    tap: Tap
    _cities: dict[str, Iterator[str]] = field(default_factory=dict)

    def options(self, **changes: Any) -> CosmosOptions:
        given = {"endpoint": self.tap.url, "key": SecretStr(self.emulator.key)}
        return CosmosOptions(**(given | changes))

    def city(self, range_id: str) -> str:
        """A city whose readings go to that range, another one each time."""
        return next(self._cities.setdefault(range_id, self._cities_in(range_id)))

    def _cities_in(self, range_id: str) -> Iterator[str]:
        container = self.emulator.container(DATABASE, CONTAINER)
        wanted = container.range_by_id(range_id)
        assert wanted is not None
        for number in range(100_000):
            name = f"City {number}"
            if wanted.holds(effective_key_v2(name)):
                yield name

    def feed(
        self, key: str, rows: int, *, range_id: str | None = None, city: str = "London", **more: Any
    ) -> Feed:
        return Feed(key, rows, city=city if range_id is None else self.city(range_id), **more)

    def start(
        self, *feeds: Feed, engine: EngineOptions | None = None, once: bool = False, **cosmos: Any
    ) -> Pipeline:
        """Start an engine on these feeds; continuous, with a cycle every second, unless told otherwise."""
        sink = CosmosSink(self.options(**cosmos), self.clock)
        made = Engine(
            MemorySource(*feeds), [sink], clock=self.clock, options=engine or EngineOptions(interval=1.0)
        )
        running = asyncio.ensure_future(made.run(continuous=not once))
        pipeline = Pipeline(self.clock, self.emulator, self.tap, made, list(feeds), running)
        self.stack.push_async_callback(_end, running)
        return pipeline


async def _end(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def clock():
    return HoppingClock()


@pytest.fixture
async def wire_with(clock):
    """The endpoint with its container made, and a tap before it; settings of one's own."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Wire:
            emulator = Emulator(EmulatorSettings(**({"port": 0} | settings)), clock=clock)
            await stack.enter_async_context(emulator)
            tap = Tap(emulator.url, clock)
            await tap.start()
            stack.push_async_callback(tap.stop)
            wire = Wire(stack, clock, emulator, tap)
            sink = CosmosSink(wire.options(), clock)
            await sink.open()
            await sink.close()
            return wire

        yield start


@pytest.fixture
async def wire(wire_with):
    """The endpoint with four ranges."""
    return await wire_with()


@pytest.fixture(autouse=True)
def _same_dice():
    """Back-off is random; let it be the same randomness every time."""
    random.seed(20250801)

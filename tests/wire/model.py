"""Ranges in simulated time: each with the endpoint's own per-second budget, and some latency."""

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sensor_tui.emulator.budget import Meter, Second
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import LaneProgress
from sensor_tui.model.reading import Batch, schema_of
from sensor_tui.model.source import FeedStatus
from sensor_tui.sync.contract import (
    Answer,
    Feed,
    Health,
    Judgement,
    Limits,
    Parcel,
    RequestFailed,
    Route,
    Settlement,
    Verdict,
)
from sensor_tui.sync.engine import Engine, EngineOptions
from tests.support.clock import JumpingClock

START = 1_754_000_000
NEW, KNOWN = 5.33, 1.24
"""Request units of a document that is written, and of one that was already there."""


class EndlessFeed:
    """Readings of one city, for ever."""

    alive = True

    def __init__(self, number: int) -> None:
        self.key = f"S{number}"
        self._city = str(number)
        self._schema = schema_of(("id", "timestamp", "sensor_id", "temperature", "location", "synced"))
        self._next = 1

    async def read(self, limit: int) -> Batch:
        await asyncio.sleep(0)
        first, self._next = self._next, self._next + limit
        rows = [(number, START + number, self.key, 20.5, self._city) for number in range(first, self._next)]
        return Batch(self.key, self._city, self._schema, rows, rows[-1][0], True)

    async def settle(self, settlements: Sequence[Settlement]) -> None: ...


class EndlessSource:
    """As many endless feeds as wanted."""

    name = "endless"

    def __init__(self, feeds: Iterable[EndlessFeed]) -> None:
        self._feeds = list(feeds)

    async def open(self) -> None: ...

    async def poll(self) -> Sequence[Feed]:
        return self._feeds

    async def close(self) -> None: ...

    def status(self) -> Sequence[FeedStatus]:
        return ()


class RefillingMeter:
    """A budget that refills all the time, not once a second; unused, it saves up for `burst` seconds."""

    def __init__(self, clock: Clock, per_second: float, seconds: dict[int, Second], *, burst: float) -> None:
        self.per_second = per_second
        self._clock = clock
        self._seconds = seconds
        self._burst = burst
        self._left = per_second * burst
        self._at = clock.now()

    def request(self) -> None:
        now = self._clock.now()
        self._left = min(self.per_second * self._burst, self._left + (now - self._at) * self.per_second)
        self._at = now
        self._second = self._seconds.setdefault(int(now), Second())
        self._second.requests += 1

    def admit(self, charge: float) -> bool:
        if self._left <= 0:
            self.refuse()
            return False
        self._left -= charge
        self._second.add(Second(ops=1, accepted=1, request_units=charge))
        return True

    def refuse(self) -> None:
        self._second.add(Second(ops=1, throttled=1))

    def retry_after_ms(self) -> int:
        return max(1, math.ceil(-self._left / self.per_second * 1000) + 1)


class RangesSink:
    """A sink of so many ranges; city N goes to range N modulo their number. Costs may change as it goes."""

    name = "ranges"
    key_field = "city"

    def __init__(
        self,
        clock: Clock,
        ranges: int,
        *,
        limit: float | None,
        latency: float,
        make_meter: Callable[[Clock, Any, dict[int, Second]], Any] = Meter,
        known: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self.limits = Limits(documents=100, size=220_201, concurrency=50, overhead=20)
        self.seconds: dict[str, dict[int, Second]] = defaultdict(dict)
        self.down = False
        self.refused = 0
        """Requests that got no answer while it was down."""
        self.meters = {str(n): make_meter(clock, limit, self.seconds[str(n)]) for n in range(ranges)}
        self._clock = clock
        self._latency = latency
        self._dice = random.Random(7)
        self._known = known
        self._arrived = 0

    async def open(self) -> Sequence[str]:
        return ()

    async def close(self) -> None: ...

    async def health(self) -> Health:
        return Health(ok=True, message="")

    def route(self, key: object) -> Route:
        return Route(str(int(str(key)) % len(self.meters)), b"", key)

    async def reroute(self) -> None: ...

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        """As the endpoint does it: in order, until the second's budget is used up."""
        count = sum(len(parcel.bodies) for parcel in parcels)
        one_way = self._latency * self._dice.uniform(0.8, 1.2) / 2
        await self._clock.sleep(one_way)
        if self.down:
            self.refused += 1
            raise RequestFailed(
                Judgement(Verdict.TRANSIENT, reason="it closed the connection"), unreachable=True
            )
        meter = self.meters[lane]
        meter.request()
        cost, there, done = 0.0, 0, 0
        for _ in range(count):
            known = self._known(self._arrived)
            charge = KNOWN if known else NEW
            if not meter.admit(charge):
                break
            self._arrived += 1
            cost, there, done = cost + charge, there + known, done + 1
        for _ in range(done + 1, count):
            meter.refuse()
        throttled = Judgement(Verdict.THROTTLED, delay=meter.retry_after_ms() / 1000, code=429)
        await self._clock.sleep(one_way)
        if not done:
            raise RequestFailed(throttled)
        return Answer(cost, there, dict.fromkeys(range(done, count), throttled) or None)


@dataclass
class Run:
    """What happened, second by second from the start."""

    sink: RangesSink
    lanes: list[dict[str, LaneProgress]]
    """Every lane as it stood at the end of each second."""

    def _seconds(self, lane: str, first: int, after: int) -> list[Second]:
        known = self.sink.seconds[lane]
        return [known.get(START + second, Second()) for second in range(first, after)]

    def units(self, lane: str, first: int, after: int) -> float:
        """Request units a second on average, as the range counted them."""
        return sum(second.request_units for second in self._seconds(lane, first, after)) / (after - first)

    def all_units(self, second: int) -> float:
        """Request units of all ranges in one second."""
        return sum(self.units(lane, second, second + 1) for lane in self.sink.meters)

    def throttled_share(self, lane: str, first: int, after: int) -> float:
        """Share of operations that were turned away."""
        seconds = self._seconds(lane, first, after)
        return sum(s.throttled for s in seconds) / max(1, sum(s.ops for s in seconds))

    def window(self, lane: str, first: int, after: int) -> float:
        """Documents the lane let be under way, on average."""
        lanes = [each[lane] for each in self.lanes[first:after]]
        return sum(each.concurrency * each.batch_size for each in lanes) / len(lanes)


async def simulate(
    seconds: int,
    *,
    ranges: int = 1,
    limit: float | None = None,
    latency: float = 0.02,
    budget: float | None = None,
    changes: dict[int, Callable[[RangesSink], None]] | None = None,
    **sink: Any,
) -> Run:
    """Run an engine with more to send than it can; `changes` are made at the beginning of those seconds."""
    clock = JumpingClock(float(START))
    made = RangesSink(clock, ranges, limit=limit, latency=latency, **sink)
    engine = Engine(
        EndlessSource(EndlessFeed(number) for number in range(2 * ranges)),
        [made],
        clock=clock,
        options=EngineOptions(max_ru_per_second=budget, drain_timeout=0.0),
    )
    running = asyncio.ensure_future(engine.run(continuous=True))
    lanes = []
    for second in range(seconds):
        if changes and second in changes:
            changes[second](made)
        await clock.sleep(START + second + 1 - clock.now())
        lanes.append({lane.lane: lane for lane in engine.progress().lanes})
    engine.drain()
    await running
    return Run(made, lanes)

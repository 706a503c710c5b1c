"""A container in simulated time: ranges with the endpoint's own budgets, which count every second."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sensor_tui.emulator.budget import Meter, Second, query_charge
from sensor_tui.service.clean_run import Asker, CleanRun
from sensor_tui.sync import pacing
from sensor_tui.sync.contract import Answer, Judgement, Limits, Parcel, RequestFailed, Route, Verdict
from sensor_tui.sync.progress import Meter as Counter
from sensor_tui.sync.sinks.cosmos.delete import Page
from tests.support.clock import JumpingClock

START = 1_754_000_000
DELETE, ROW_BYTES = 5.33, 70


class ModelSink:
    """So many documents in each range; the key of document N of range R is `R`."""

    name = "model"
    key_field = "city"
    refusal = None

    def __init__(
        self, clock: JumpingClock, ranges: int, documents: int, limit: float | None, latency: float
    ) -> None:
        self.limits = Limits(documents=100, size=220_201, concurrency=50, overhead=2)
        self.lanes = [str(number) for number in range(ranges)]
        self.there = {lane: {f"{lane}-{number}": None for number in range(documents)} for lane in self.lanes}
        self.seconds: dict[str, dict[int, Second]] = defaultdict(dict)
        self.queries = 0
        self._meters = {lane: Meter(clock, limit, self.seconds[lane]) for lane in self.lanes}
        self._clock = clock
        self._latency = latency
        self._dice = random.Random(7)

    def route(self, key: object) -> Route:
        return Route(str(key), b"", key)

    async def reroute(self) -> None: ...

    async def check(self) -> None: ...

    async def page(self, range_id: str, _query: Any, *, most: int, continuation: str) -> Page:
        await self._half_way()
        meter = self._meters[range_id]
        meter.request()
        if meter.exhausted():
            raise RequestFailed(self._throttled(meter))
        self.queries += 1
        names = sorted(name for name in self.there[range_id] if name > continuation)[:most]
        size = ROW_BYTES * len(names)
        cost = query_charge(len(names), size)
        meter.spend(cost)
        await self._half_way()
        rows = [{"id": name, "k": range_id} for name in names]
        return Page(rows, names[-1] if len(names) == most else "", cost, size)

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        await self._half_way()
        meter = self._meters[lane]
        meter.request()
        names = [body.decode().strip('"') for parcel in parcels for body in parcel.bodies]
        done = 0
        for name in names:
            if not meter.admit(DELETE):
                break
            del self.there[lane][name]
            done += 1
        for _ in range(done + 1, len(names)):
            meter.refuse()
        await self._half_way()
        if not done:
            raise RequestFailed(self._throttled(meter))
        late = dict.fromkeys(range(done, len(names)), self._throttled(meter))
        return Answer(DELETE * done, 0, late or None)

    async def _half_way(self) -> None:
        await self._clock.sleep(self._latency * self._dice.uniform(0.4, 0.6))

    def _throttled(self, meter: Meter) -> Judgement:
        return Judgement(Verdict.THROTTLED, delay=meter.retry_after_ms() / 1000, code=429)


class Simulation:
    """A cleaning of all of it; `units[second]` is what all ranges spent."""

    def __init__(
        self,
        *,
        ranges: int = 4,
        documents: int = 1000,
        limit: float | None = None,
        budget: float | None = None,
        latency: float = 0.02,
    ) -> None:
        self.clock = JumpingClock(float(START))
        self.sink = ModelSink(self.clock, ranges, documents, limit, latency)
        counter, bucket = Counter(self.clock), pacing.Budget(budget)
        sink: Any = self.sink
        asker = Asker(sink, clock=self.clock, budget=bucket, meter=counter, patience=30.0)
        self.run = CleanRun(sink, asker, clock=self.clock, budget=bucket, meter=counter, patience=30.0)

    async def finish(
        self, *, stop: asyncio.Event | None = None, tell: Callable[..., None] | None = None
    ) -> None:
        await self.run.run(
            {}, lambda: list(self.sink.lanes), total=0, drain_timeout=30.0, on_progress=tell, stop=stop
        )

    @property
    def units(self) -> list[float]:
        last = max(second for known in self.sink.seconds.values() for second in known)
        return [
            sum(known.get(second, Second()).request_units for known in self.sink.seconds.values())
            for second in range(START, last + 1)
        ]

    @property
    def left(self) -> int:
        return sum(map(len, self.sink.there.values()))

"""Decides when a request leaves: lanes, their pacing, the linger for company, and turns under the budget."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

from sensor_tui.model.clock import Clock
from sensor_tui.sync.contract import Limits, Parcel, Route
from sensor_tui.sync.lane import Lane
from sensor_tui.sync.pacing import Budget

log = logging.getLogger(__name__)

LINGER_SECONDS: Final = 0.1
"""How long a partial request waits for company while its lane has another under way."""

_LEAST_WAIT: Final = 0.001
"""A shorter wait is lost in the rounding of clocks, and would be asked for again and again."""

Send = Callable[[Lane, list[Parcel], float, bool], Awaitable[None]]
"""Carries out one request: lane, documents, expected cost, and whether the lane had more to send."""


class Dispatcher:
    """The lanes of one sink. It sends while it is `open`; `send` is called in a task of its own."""

    def __init__(self, name: str, limits: Limits, *, clock: Clock, budget: Budget, send: Send) -> None:
        self.lanes: dict[str, Lane] = {}
        self.open = False
        self.budget = budget
        self._name = name
        self._limits = limits
        self._clock = clock
        self._send = send
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._turns: deque[Lane] = deque()
        self._turn_timer: asyncio.Task[None] | None = None

    def put(self, parcel: Parcel) -> None:
        """Queue new documents on the lane of their route."""
        lane = self._lane(parcel.route.lane)
        lane.put(parcel)
        self.pump(lane)

    def put_back(self, lane: Lane, parcels: Iterable[Parcel]) -> None:
        """Queue documents that have to go again, before the new ones of the same lane."""
        lane.put_back(parcels)
        self.pump(lane)

    def route_anew(self, parcels: list[Parcel], route: Callable[[object], Route]) -> None:
        """Queue documents where their keys go now, and forget lanes that are no more."""
        touched: set[str] = set()
        for parcel in reversed(parcels):
            parcel.route = route(parcel.route.key)
            self._lane(parcel.route.lane).put_back([parcel])
            touched.add(parcel.route.lane)
        for name, lane in list(self.lanes.items()):
            if not lane.queued and not lane.requests and name not in touched and name not in self._timers:
                del self.lanes[name]
        for name in touched:
            self.pump(self.lanes[name])

    def pump_all(self) -> None:
        """Send what may be sent, on every lane."""
        for lane in list(self.lanes.values()):
            self.pump(lane)

    def pump(self, lane: Lane, *, partial: bool = False) -> None:
        """Send what this lane may send; `partial` says that its linger is over."""
        while self.open and lane.queued and lane.has_room:
            now = self._clock.monotonic()
            if lane.blocked_until > now:
                self._wake(lane, lane.blocked_until - now)
            elif lane.queued < self._most(lane) and lane.requests and not partial:
                self._wake(lane, LINGER_SECONDS)
            elif self._turns or self.budget.wait(now) > 0.0:
                self._take_turns(lane)
            else:
                self._launch(lane, now)
                continue
            return

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run in the background; `cancel` ends it, an error of its own is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    async def cancel(self) -> None:
        """Stop sending and end everything under way."""
        self.open = False
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _lane(self, name: str) -> Lane:
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane(name, self._limits)
        return lane

    def _most(self, lane: Lane) -> int:
        return min(lane.congestion.batch_size, self.budget.documents_per_request(self._limits.documents))

    def _launch(self, lane: Lane, now: float) -> None:
        parcels = lane.take(self._most(lane))
        count = sum(len(parcel.bodies) for parcel in parcels)
        lane.in_flight += count
        lane.requests += 1
        limited = bool(lane.queued) and not lane.has_room
        expected = self.budget.charge(count, now)
        self.spawn(self._carry_out(lane, parcels, count, expected, limited=limited))

    async def _carry_out(
        self, lane: Lane, parcels: list[Parcel], count: int, expected: float, *, limited: bool
    ) -> None:
        try:
            await self._send(lane, parcels, expected, limited)
        finally:
            lane.in_flight -= count
            lane.requests -= 1
            self.pump(lane)

    def _take_turns(self, lane: Lane) -> None:
        """Under a budget every lane gets its turn, a request each, or the first would take it all."""
        if lane not in self._turns:
            self._turns.append(lane)
        if self._turn_timer is None or self._turn_timer.done():
            self._turn_timer = self.spawn(self._serve_turns())

    async def _serve_turns(self) -> None:
        while self._turns:
            wait = self.budget.wait(self._clock.monotonic())
            await self._clock.sleep(max(_LEAST_WAIT, wait) if wait else 0.0)
            lane = self._turns.popleft()
            now = self._clock.monotonic()
            if not (self.open and lane.queued and lane.has_room):
                continue
            if lane.blocked_until > now:
                self._wake(lane, lane.blocked_until - now)
                continue
            self._launch(lane, now)
            if lane.queued and lane.has_room:
                self._turns.append(lane)

    def _wake(self, lane: Lane, delay: float) -> None:
        delay = max(_LEAST_WAIT, delay)
        due = self._clock.monotonic() + delay
        known = self._timers.get(lane.name)
        if known is not None:
            if known[0] <= due:
                return
            known[1].cancel()
        self._timers[lane.name] = due, self.spawn(self._wake_later(lane, delay))

    async def _wake_later(self, lane: Lane, delay: float) -> None:
        await self._clock.sleep(delay)
        del self._timers[lane.name]
        self.pump(lane, partial=True)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the %s sink failed: %s", self._name, error, exc_info=error)

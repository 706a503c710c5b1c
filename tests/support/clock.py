"""A clock for tests: time passes only when nobody has anything else to do."""

import asyncio
import heapq
import itertools
from typing import Final

_QUIET_TURNS: Final = 30


class JumpingClock:
    """Implements `Clock`; sleeping tasks are woken in order as soon as the event loop has gone quiet."""

    def __init__(self, start: float = 1_754_000_000.0) -> None:
        self._start = start
        self.elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._driver: asyncio.Task[None] | None = None

    def now(self) -> float:
        return self._start + self.elapsed

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.elapsed + max(0.0, seconds), next(self._order), future))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.ensure_future(self._drive())
        await future

    async def _drive(self) -> None:
        while self._sleepers:
            for _ in range(_QUIET_TURNS):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if self._sleepers:
                at, _, future = heapq.heappop(self._sleepers)
                self.elapsed = max(self.elapsed, at)
                future.set_result(None)

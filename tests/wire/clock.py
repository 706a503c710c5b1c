"""Clocks for tests on the wire: real time, which a test can move forward, or which runs fast."""

import asyncio
import time


class HoppingClock:
    """Implements `Clock`. Sleepers wake once real time and the hops together have come to it."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._sleepers: dict[asyncio.Future[None], float] = {}

    def now(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0.0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._sleepers[future] = self.monotonic() + seconds
        timer = loop.call_later(seconds, _wake, future)
        try:
            await future
        finally:
            timer.cancel()
            self._sleepers.pop(future, None)

    def hop(self, seconds: float) -> None:
        """Move time forward."""
        self._ahead += seconds
        now = self.monotonic()
        for future, due in list(self._sleepers.items()):
            if due <= now:
                _wake(future)


class FastClock:
    """Implements `Clock`; time runs so many times as fast, from the beginning of a second."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._start = time.monotonic()
        self._epoch = float(int(time.time()))

    def now(self) -> float:
        return self._epoch + (time.monotonic() - self._start) * self._factor

    def monotonic(self) -> float:
        return (time.monotonic() - self._start) * self._factor

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self._factor)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

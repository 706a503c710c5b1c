"""What drawing costs: bytes to the terminal, counted where they are written."""

import threading
from collections import deque
from typing import Final

from sensor_tui.model.clock import Clock, SystemClock

RATE_SECONDS: Final = 1.0


class Meter:
    """Counters since the start, and a rate over the last second. Any thread may count and read."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.bytes_offered = 0
        """What Textual wanted to write."""
        self.bytes_written = 0
        """What was written."""
        self.writes = 0
        """How many times something was written."""
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()

    def offered(self, data: str) -> None:
        """Textual wants to write this."""
        self.bytes_offered += len(data) if data.isascii() else len(data.encode("utf-8", "replace"))

    def wrote(self, count: int) -> None:
        """So many bytes were written at once."""
        now = self._clock.monotonic()
        with self._lock:
            self.bytes_written += count
            self.writes += 1
            self._recent.append((now, count))
            self._forget(now)

    @property
    def rate(self) -> float:
        """Bytes written within the last second."""
        now = self._clock.monotonic()
        with self._lock:
            self._forget(now)
            return sum(count for _, count in self._recent) / RATE_SECONDS

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] <= now - RATE_SECONDS:
            self._recent.popleft()


METER: Final = Meter()
"""Of this process."""

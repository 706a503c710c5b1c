"""Counting what an engine does, and the rates of the last seconds."""

from collections import deque
from typing import Final

from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import Totals

_RATE_SECONDS: Final = 5.0


class Meter:
    """Counts since the engine started; every part adds to the same one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.started = clock.monotonic()
        self.read = 0
        self.accepted = 0
        self.already_there = 0
        self.rejected = 0
        self.retried = 0
        self.throttled = 0
        self.requests = 0
        self.request_units = 0.0
        self.bytes_sent = 0
        self._samples: deque[tuple[float, int, float, int]] = deque()
        self.sample()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self._clock.monotonic() - self.started

    def totals(self) -> Totals:
        """The counts as a value."""
        return Totals(
            read=self.read,
            accepted=self.accepted,
            already_there=self.already_there,
            rejected=self.rejected,
            retried=self.retried,
            throttled=self.throttled,
            requests=self.requests,
            request_units=self.request_units,
            bytes_sent=self.bytes_sent,
        )

    def sample(self) -> None:
        """Note the counts now; called about once a second."""
        now = self._clock.monotonic()
        self._samples.append((now, self.accepted, self.request_units, self.throttled))
        while len(self._samples) > 1 and self._samples[0][0] < now - _RATE_SECONDS:
            self._samples.popleft()

    def rates(self) -> tuple[float, float, float]:
        """Readings accepted, request units spent and readings throttled a second, over the last five."""
        at, accepted, units, throttled = self._samples[0]
        elapsed = self._clock.monotonic() - at
        if elapsed <= 0.0:
            return 0.0, 0.0, 0.0
        return (
            (self.accepted - accepted) / elapsed,
            (self.request_units - units) / elapsed,
            (self.throttled - throttled) / elapsed,
        )

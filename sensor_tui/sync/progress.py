"""Counting what an engine does, the rates of the last seconds, and what holds a sink up."""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Final

from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import Totals

_RATE_SECONDS: Final = 5.0
_MOST_TOLD: Final = 100
_CALM_SECONDS: Final = 60.0
"""After so long without retries, a reason that comes again is news again."""


class Meter:
    """Counts since the engine started; every part adds to the same one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.started = clock.monotonic()
        self.read = 0
        self.accepted = 0
        self.covered = 0
        """Readings that the accepted documents are made of: more than `accepted` where aggregated."""
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


class Hindrance:
    """What comes back from one sink instead of being taken, why, and since when nothing moves."""

    def __init__(self, clock: Clock) -> None:
        self.reason = ""
        """Why something had to be sent again, the last time."""
        self.since: float | None = None
        """Monotonic time since which there were nothing but retries; None while documents are taken."""
        self.moved_at = clock.monotonic()
        """Monotonic time when the sink last took, rejected or throttled something; while the delay that it
        asked for is not over, the end of that."""
        self._clock = clock
        self._waiting: dict[Hashable, str] = {}
        self._told: set[str] = set()
        self._calm_since: float | None = None

    @property
    def trouble(self) -> str:
        """Why some documents are not taken, for as long as that lasts; empty while all are."""
        reasons = list(dict.fromkeys(self._waiting.values()))
        if not reasons:
            return ""
        return reasons[0] if len(reasons) == 1 else f"{reasons[0]} (and {len(reasons) - 1} more)"

    def again(self, owners: Iterable[Hashable], reason: str) -> bool:
        """What these own has to be sent again; whether that reason is news."""
        now = self._clock.monotonic()
        if self.since is None:
            self.since = now
        if self._calm_since is not None and now - self._calm_since >= _CALM_SECONDS:
            self._told.clear()
        self._calm_since = None
        self.reason = reason
        self._waiting.update(dict.fromkeys(owners, reason))
        if reason in self._told:
            return False
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told.add(reason)
        return True

    def throttled(self, delay: float) -> None:
        """It is alive, and asked for a pause in seconds."""
        self.since = None
        self.moved_at = max(self.moved_at, self._clock.monotonic() + delay)

    def moved(self, owner: Hashable) -> None:
        """Something of this owner was taken, or rejected for good."""
        now = self._clock.monotonic()
        self.since = None
        self.moved_at = max(self.moved_at, now)
        self._waiting.pop(owner, None)
        if not self._waiting and self._calm_since is None:
            self._calm_since = now

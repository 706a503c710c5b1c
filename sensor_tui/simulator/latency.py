"""How long inserts took, in bounded memory, and what a run amounted to."""

import math
from dataclasses import dataclass

_SMALLEST = 1e-6
_PER_OCTAVE = 8
_BUCKETS = 30 * _PER_OCTAVE  # up to eighteen minutes


class Latencies:
    """A histogram with eight buckets to the octave: a percentile is at most 9 % above the true value."""

    def __init__(self) -> None:
        self.count = 0
        self.max_seconds = 0.0
        self._buckets = [0] * _BUCKETS

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.count += 1
        self.max_seconds = max(self.max_seconds, seconds)
        at = math.ceil(math.log2(max(seconds, _SMALLEST) / _SMALLEST) * _PER_OCTAVE)
        self._buckets[min(at, _BUCKETS - 1)] += 1

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent of the durations did not exceed; 0 where there are none."""
        wanted = math.ceil(self.count * percent / 100)
        seen = 0
        for at, count in enumerate(self._buckets):
            seen += count
            if count and seen >= wanted:
                return min(_SMALLEST * 2 ** (at / _PER_OCTAVE), self.max_seconds)
        return 0.0


@dataclass(frozen=True, slots=True)
class WriterStats:
    """What a run wrote, and how long its commits took: one reading each, or a whole batch at rate 0.

    `missing` are readings an anomaly swallowed, `lost` those a stop left unwritten because the file was
    locked, `locked` how often the file was still locked after a whole busy time-out.
    """

    count: int = 0
    missing: int = 0
    lost: int = 0
    locked: int = 0
    commits: int = 0
    max_seconds: float = 0.0
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0

"""The sums of one window: everything its document says, and which rows are in it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from math import isnan
from typing import Any, Final

from sensor_tui.model.reading import Batch
from sensor_tui.model.source import Run, SensorKey
from sensor_tui.sync.aggregate_plan import INFINITY


class _Nothing(Enum):
    NOTHING = "nothing"


NOTHING: Final = _Nothing.NOTHING
"""A fact on which readings do not agree."""


@dataclass(slots=True)
class Measure:
    """Values of one measure."""

    low: float
    high: float
    total: float
    count: int
    anomalies: int = 0

    def document(self) -> dict[str, float]:
        """As the window's document has it."""
        return {
            "min": self.low,
            "max": self.high,
            "avg": self.total / self.count,
            "count": self.count,
            "anomalyCount": self.anomalies,
        }

    def add(self, other: "Measure") -> None:
        """Take in further values."""
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        self.total += other.total
        self.count += other.count
        self.anomalies += other.anomalies


@dataclass(slots=True)
class WindowSums:
    """Sums of a sensor's readings in one window, or of its late ones; times in seconds since the epoch."""

    sensor: SensorKey
    start: float
    oldest: float
    first: int
    """Lowest row id in it."""
    count: int = 0
    anomalies: int = 0
    measures: dict[str, Measure] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)
    """Positions in the batch being digested; empty afterwards."""
    newest: float = -INFINITY
    """Latest event time."""
    complete: bool = True
    """Nothing more was to be expected when it was closed."""
    final: bool = True
    """Whatever comes for the window after it was closed is late."""
    late: bool = False
    """The window was closed before these readings came."""
    touched: float = 0.0
    """When readings were last added, in monotonic seconds."""

    def add(self, name: str, values: Sequence[Any], *, pure: bool) -> None:
        """Take in finite values of a measure; what is no number is passed by where not all of them are."""
        if not pure:
            values = [each for each in values if type(each) in {int, float}]
            if not values:
                return
        total = sum(values)
        if isnan(total):
            self.add(name, [each for each in values if not isnan(each)], pure=False)
            return
        found = Measure(min(values), max(values), total, len(values))
        known = self.measures.get(name)
        if known is None:
            self.measures[name] = found
        else:
            known.add(found)

    def note(self, name: str, values: Sequence[Any]) -> None:
        """Take in values of something that may be the same in all readings."""
        first = values[0]
        if values.count(first) != len(values) or self.facts.setdefault(name, first) != first:
            self.facts[name] = NOTHING

    def merge(self, other: "WindowSums") -> None:
        """Take in more readings of the same window, which were read later."""
        self.count += other.count
        self.anomalies += other.anomalies
        self.oldest = min(self.oldest, other.oldest)
        self.newest = max(self.newest, other.newest)
        self.first = min(self.first, other.first)
        for name, measure in other.measures.items():
            known = self.measures.get(name)
            if known is None:
                self.measures[name] = measure
            else:
                known.add(measure)
        for name in {*self.facts, *other.facts}:
            if self.facts.get(name) != other.facts.get(name):
                self.facts[name] = NOTHING
        self.runs += other.runs


def without_runs(batch: Batch, runs: Iterable[Run]) -> Batch:
    """The batch without the rows of these runs."""
    known = sorted((run.first, run.last) for run in runs)
    firsts = [first for first, _ in known]

    def is_known(row_id: int) -> bool:
        at = bisect_right(firsts, row_id) - 1
        return at >= 0 and row_id <= known[at][1]

    return replace(batch, rows=[row for row in batch.rows if not is_known(row[0])])

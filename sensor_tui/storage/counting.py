"""Open rows of one file, counted in short steps and remembered, so that a count is never done twice."""

from dataclasses import dataclass
from typing import NamedTuple


class Step(NamedTuple):
    """A stretch of row ids still to be counted: above `low`, up to `high`."""

    low: int
    high: int


@dataclass(slots=True)
class _Segment:
    low: int
    high: int
    rows: int
    first: int | None
    known: bool = True


class OpenCounts:
    """Counts per stretch of row ids, ascending, from the first id asked about to the last counted."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []

    def next_step(self, after: int, last: int, span: int) -> Step | None:
        """What to count next to know the open rows in (after, last]; None when they are known.

        Args:
            after: the id above which rows are asked about.
            last: the largest id in the file.
            span: how many ids one statement may look at.
        """
        at = after
        for segment in self._segments:
            if segment.high <= at:
                continue
            if segment.low > at:
                return Step(at, min(segment.low, at + span, last)) if at < last else None
            if segment.low < at or not segment.known:
                return Step(at, min(segment.high, at + span))
            at = segment.high
        return Step(at, min(at + span, last)) if at < last else None

    def record(self, step: Step, rows: int, first: int | None) -> None:
        """Take in a count: `rows` open ones in the step, the first of them at `first`."""
        self._cut(step.low, step.high)
        index = sum(segment.high <= step.low for segment in self._segments)
        self._segments.insert(index, _Segment(step.low, step.high, rows, first))

    def merge(self, span: int) -> None:
        """Join neighbours at the end, so that a file that grows row by row does not gather segments."""
        while len(self._segments) > 1:
            left, right = self._segments[-2:]
            joined = right.high - left.low <= span and left.high == right.low and left.known and right.known
            if not joined:
                return
            left.high, left.rows = right.high, left.rows + right.rows
            left.first = left.first if left.first is not None else right.first
            self._segments.pop()

    def total(self, after: int) -> tuple[int, int | None]:
        """Open rows above `after`, and the first of them; everything must be known."""
        rows, first = 0, None
        for segment in self._segments:
            if segment.low >= after:
                rows += segment.rows
                first = first if first is not None else segment.first
        return rows, first

    def forget(self, low: int, high: int) -> None:
        """Rows in (low, high] have changed: count them anew when they are asked about."""
        for segment in self._segments:
            if segment.high > low and segment.low < high:
                segment.known = False

    def drop_below(self, low: int) -> None:
        """Rows below `low` are gone from the file."""
        self._segments = [segment for segment in self._segments if segment.high >= low]
        for segment in self._segments[:1]:
            if segment.low < low - 1:
                segment.known = False

    def _cut(self, low: int, high: int) -> None:
        kept: list[_Segment] = []
        for segment in self._segments:
            if segment.high <= low or segment.low >= high:
                kept.append(segment)
                continue
            if segment.low < low:
                kept.append(_Segment(segment.low, low, 0, None, known=False))
            if segment.high > high:
                kept.append(_Segment(high, segment.high, 0, None, known=False))
        self._segments = kept

"""What rounds of pruning found in a file, so that the next one looks only where something is due."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final

from sensor_tui.storage.pruning import Ground
from sensor_tui.storage.tracked import MARK_TARGET, READ_TARGET, Pace

_MOST_ROWS: Final = 200
"""Rows in one transaction: 2 to 3 ms with its fsyncs on a rollback file, as with marks."""
_JOINED: Final = 20_000
"""Row ids up to which neighbouring stretches are remembered as one."""


@dataclass(slots=True)
class _Known:
    low: int
    high: int
    staying: float | None
    """Event time of the oldest row that stayed; None where none has a usable one."""


@dataclass(slots=True)
class Memory:
    """What is known of one file.

    Times of rows need not rise with their ids (clocks are set, old readings are put in): so this is kept
    for every stretch of ids, and none is passed over because of the one before it.
    """

    inode: tuple[int, int] = (0, 0)
    last: int = 0
    looks: Pace = field(default_factory=lambda: Pace(1000, least=100, most=20_000, target=READ_TARGET))
    removals: Pace = field(
        default_factory=lambda: Pace(_MOST_ROWS, least=20, most=_MOST_ROWS, target=MARK_TARGET)
    )
    _stretches: list[_Known] = field(default_factory=list)

    def meet(self, ground: Ground) -> None:
        """Forget everything where this is another file."""
        if ground.anew or ground.inode != self.inode or ground.last < self.last:
            self._stretches.clear()
        self.inode, self.last = ground.inode, ground.last

    def due(self, ground: Ground, before: float, above: int) -> Iterator[tuple[int, int]]:
        """Stretches above `above` that were never looked at, or have a row of before that time by now."""
        at = max(ground.first - 1, above)
        for known in list(self._stretches):
            if known.high <= at:
                continue
            if at < known.low:
                yield at, known.low
            if known.staying is not None and known.staying < before:
                yield max(at, known.low), known.high
            at = known.high
        if at < ground.last:
            yield at, ground.last

    def note(self, low: int, high: int, staying: float | None) -> None:
        """Keep what stays in (low, high]; neighbours become one as long as they are short together."""
        parts = [_Known(low, high, staying)]
        for known in self._stretches:
            if known.low < low:
                parts.append(replace(known, high=min(known.high, low)))
            if known.high > high:
                parts.append(replace(known, low=max(known.low, high)))
        joined: list[_Known] = []
        for known in sorted(parts, key=attrgetter("low")):
            left = joined[-1] if joined else None
            if left is not None and left.high == known.low and known.high - left.low <= _JOINED:
                left.high = known.high
                left.staying = least(left.staying, known.staying)
            else:
                joined.append(known)
        self._stretches = joined


def least(one: float | None, other: float | None) -> float | None:
    """The smaller of two, of those that there are."""
    return min((each for each in (one, other) if each is not None), default=None)


def most(one: float | None, other: float | None) -> float | None:
    """The larger of two, of those that there are."""
    return max((each for each in (one, other) if each is not None), default=None)

"""When the lines of a log were written: what a line says itself, and what was seen from outside."""

import json
import math
import re
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from sensor_tui.fleet.process_spec import write_whole

EVERY_SECONDS: Final = 1.0
MOST: Final = 2000
"""Entries kept of one log; where there would be more, old ones get sparse."""

_UNSAVED: Final = 10
_LONGEST_STAMP: Final = 48
_STAMP: Final = re.compile(
    r"\[?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d))?(?=$|[\s\]|,;:])",
    re.ASCII,
)


def time_in(line: str) -> float | None:
    """Time a line begins with, in seconds since the epoch; without an offset it is local time."""
    found = _STAMP.match(line, 0, _LONGEST_STAMP) if line[:1] in _BEGINS else None
    if found is None:
        return None
    day, clock, fraction, offset = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{offset or ''}").timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return at + float(f"0.{fraction}") if fraction else at


_BEGINS: Final = frozenset("0123456789[")


class TimeIndex:
    """Until when a log had grown how far: offsets and times, both ascending, in a file beside the log.

    A time that is not a number says that nobody looked while the log grew to that offset.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets: array[int] = array("q")
        self._times = array("d")
        self._saved = 0
        self._whole = False
        """Whether the file holds what is before `_saved`, so that the rest can be appended."""

    @property
    def end(self) -> int:
        """The last offset known."""
        return self._offsets[-1] if self._offsets else 0

    @property
    def last(self) -> float:
        """The last time known."""
        return self._times[-1] if self._times else -math.inf

    def add(self, offset: int, at: float, head: Sequence[int]) -> None:
        """It has this length at this time."""
        self._offsets.append(offset)
        self._times.append(at)
        if len(self._offsets) > MOST:
            middle = MOST // 2
            self._offsets = self._offsets[1:middle:2] + self._offsets[middle:]
            self._times = self._times[1:middle:2] + self._times[middle:]
            self._whole = False
        if len(self._offsets) - self._saved >= _UNSAVED or not self._whole:
            self.save(head)

    def at(self, end: int) -> float | None:
        """When the line that ends there was complete, as well as that is known."""
        place = bisect_left(self._offsets, end)
        if place == len(self._offsets) or math.isnan(self._times[place]):
            return None
        return self._times[place]

    def before(self, since: float) -> int:
        """An offset with nothing after that time before it; 0 where that is not known."""
        found = 0
        for offset, at in zip(self._offsets, self._times, strict=True):
            if at >= since:
                break
            if at < since:
                found = offset
        return found

    def save(self, head: Sequence[int], *, anew: bool = False) -> None:
        """Write what is new, or all of it; `head` are numbers that have to be the same when it is read."""
        if anew or not self._whole:
            write_whole(self._path, json.dumps(list(head)).encode() + b"\n" + self._lines(0))
        elif self._saved < len(self._offsets):
            with self._path.open("ab") as file:
                file.write(self._lines(self._saved))
        self._saved, self._whole = len(self._offsets), True

    def load(self) -> list[int]:
        """Read the file; its `head`, empty where there is none or it makes no sense."""
        try:
            with self._path.open("rb") as file:
                head = [int(number) for number in json.loads(file.readline())]
                for line in file:
                    offset, at = line.split()
                    self._offsets.append(int(offset))
                    self._times.append(float(at))
        except (OSError, ValueError, TypeError, OverflowError):
            self.forget()
            return []
        if list(self._offsets) != sorted(self._offsets) or len(self._offsets) > 2 * MOST:
            self.forget()
            return []
        self._saved, self._whole = len(self._offsets), True
        return head

    def forget(self) -> None:
        """Begin anew."""
        self._offsets, self._times = array("q"), array("d")
        self._saved, self._whole = 0, False

    def _lines(self, start: int) -> bytes:
        pairs = zip(self._offsets[start:], self._times[start:], strict=True)
        return b"".join(b"%d %r\n" % (offset, at) for offset, at in pairs)

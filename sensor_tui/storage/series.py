"""Values of one measure over time, from one sensor's file, in steps that never keep the sensor waiting."""

import math
import sqlite3
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from sensor_tui.errors import SourceFileError
from sensor_tui.model.reading import UnusableReading, epoch_of
from sensor_tui.storage.files import explain
from sensor_tui.storage.latest import LeanConnection, is_flagged, number_in
from sensor_tui.storage.tracked import READ_TARGET, Pace

T = TypeVar("T")

_PROBE_ROWS: Final = 20
"""Rows looked at to find one with a usable time."""
_FIRST_WINDOW: Final = 500
_LARGEST_WINDOW: Final = 4000


@dataclass(slots=True)
class Points:
    """Readings of one measure, in the order of their rows; times in seconds since the epoch."""

    times: "array[float]" = field(default_factory=lambda: array("d"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    flagged: "array[float]" = field(default_factory=lambda: array("d"))
    """Times of readings flagged as anomalies."""
    complete: bool = True
    """False where more rows were asked for than may be read: every so many were left out."""


class SeriesReader:
    """Reads a stretch of one file. Its methods are for a thread; a statement takes a few milliseconds."""

    def __init__(self, key: str, path: str) -> None:
        """Open the file.

        Raises:
            SourceFileError, FileBusy: it cannot be used now.
        """
        self._key = key
        self._path = path
        self._connection = self._guarded(lambda: SeriesConnection(path))
        self._pace = Pace(_FIRST_WINDOW, least=50, most=_LARGEST_WINDOW, target=READ_TARGET)
        self.points = Points()
        self._since = self._until = 0.0
        self._at = self._end = 0
        self._budget = 0
        self._per_gap = 0

    @property
    def rollback(self) -> bool:
        """Whether readers and the sensor exclude each other, so that it is due a rest after each step."""
        return self._connection.rollback

    def measures(self) -> tuple[str, ...]:
        """Measures there are: those with a number among the newest rows, else all that may hold one."""
        rows = self._guarded(lambda: self._connection.newest(None)).rows
        used = {name for row in rows for name in row.values}
        every = self._connection.layout.measures
        return tuple(name for name in every if name in used) or every

    def seek(self, since: float, until: float, budget: int) -> None:
        """Find the rows from `since` to `until`, of which at most `budget` are read."""
        self._guarded(lambda: self._seek(since, until, budget))

    def step(self, measure: str) -> float | None:
        """Read on; the seconds that the file was held, None when there is no more."""
        if self._at >= self._end or self._budget <= 0:
            return None
        return self._guarded(lambda: self._step(measure))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _seek(self, since: float, until: float, budget: int) -> None:
        first, last = self._connection.ends()
        self._since, self._until, self._budget = since, until, budget
        self._at = self._connection.first_from(since, first, last) - 1
        self._end = self._connection.first_from(math.nextafter(until, math.inf), self._at + 1, last) - 1
        skipped = max(0, self._end - self._at - budget)
        windows = max(1, budget // _FIRST_WINDOW)
        self._per_gap = -(-skipped // windows)
        self.points.complete = not skipped

    def _step(self, measure: str) -> float:
        limit = min(self._budget, _FIRST_WINDOW if self._per_gap else self._pace.limit)
        rows = self._connection.window(measure, self._at, self._end, limit)
        held = self._connection.seconds
        self._pace.observe(len(rows), held)
        self._budget -= max(1, len(rows))
        self._at = self._end if len(rows) < limit else rows[-1][0] + self._per_gap
        points = self.points
        for _, raw, flag, value in rows:
            time = time_of(raw)
            if time is None or value is None or not math.isfinite(value):
                continue
            if not self._since <= time <= self._until:
                continue  # out of order
            points.times.append(time)
            points.values.append(value)
            if is_flagged(flag):
                points.flagged.append(time)
        return held

    def _guarded(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except (SourceFileError, sqlite3.Error, OSError) as error:
            raise explain(self._key, self._path, error) from error


class SeriesConnection(LeanConnection):
    """A connection for stretches of readings, found by their times."""

    def ends(self) -> tuple[int, int]:
        """First and last row id; zeros where there is no row."""
        name, table = self.schema.row_id, self.schema.table
        select = f"SELECT (SELECT min({name}) FROM {table}), (SELECT max({name}) FROM {table})"
        first, last = self.ask("ends", select, (), width=2)
        return (0, -1) if first is None else (int(first), int(last))

    def first_from(self, moment: float, first: int, last: int) -> int:
        """The first row that is not before that time; the one after the last, where all are.

        Found by halving, which takes for granted that times go up with row ids.
        """
        low, high = first, last + 1
        while low < high:
            middle = (low + high) // 2
            row_id, time = self._probe(middle, high)
            if time is None or time >= moment:
                high = middle
            else:
                low = row_id + 1
        return low

    def _probe(self, row_id: int, end: int) -> tuple[int, float | None]:
        """The first row from `row_id` on and before `end` with a usable time; None without one nearby."""
        name = self.schema.row_id
        select = (
            f"SELECT {name}, {self.layout.time} FROM {self.schema.table} WHERE {name} >= ? AND {name} < ?"
        )
        for _ in range(_PROBE_ROWS):
            found, raw = self.ask("probe", f"{select} ORDER BY {name} LIMIT 1", (row_id, end), width=2)
            if found is None:
                break
            time = time_of(raw)
            if time is not None:
                return int(found), time
            row_id = int(found) + 1
        return row_id, None

    def window(self, measure: str, low: int, high: int, limit: int) -> list[tuple[Any, ...]]:
        """Rows in (low, high] as id, stored time, stored flag and number, ascending, at most `limit`."""
        name = self.schema.row_id
        self.run(
            "series",
            f"INSERT INTO temp.latest (id, time, flag, m0)"
            f" SELECT {name}, {self.layout.time}, {self.layout.flag}, {number_in(measure)}"
            f" FROM {self.schema.table} NOT INDEXED"
            f" WHERE {name} > ? AND {name} <= ? ORDER BY {name} LIMIT ?",
            (low, high, limit),
        )
        rows = self._db.execute("SELECT id, time, flag, m0 FROM temp.latest ORDER BY rowid").fetchall()
        self._db.execute("DELETE FROM temp.latest").close()
        return rows


def time_of(raw: Any) -> float | None:
    """A stored time in seconds since the epoch, None where it is none."""
    try:
        return epoch_of(raw)
    except UnusableReading:
        return None

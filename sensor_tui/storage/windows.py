"""Reading: windows of open rows, and the cheap facts of a file. Everything here runs in a pool thread."""

import logging
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from sensor_tui.model.reading import UnusableReading, epoch_of
from sensor_tui.model.source import Peek
from sensor_tui.storage.counting import Step
from sensor_tui.storage.files import SensorConnection, explain, is_damage
from sensor_tui.storage.schema import span_end
from sensor_tui.storage.tracked import TrackedFile, Trouble

_log = logging.getLogger(__name__)

STEPS: Final = 24
"""Statements in one call, after which others get their turn."""
_WINDOW_BYTES: Final = 1 << 20
"""What one window may hold, by the file's average row."""
INDEX_ROWS: Final = 1000
"""Largest range of row ids for which the index is made: 2 ms measured, the commit's fsync included."""


@dataclass(frozen=True, slots=True)
class Ends:
    """First and last row id (0 when there is no row), and whether row ids began again."""

    first: int
    last: int
    restarted: bool


@dataclass(frozen=True, slots=True)
class Copied:
    """Rows waiting in `batch`: all open ones in (after, through]; without `through`, up to the last one."""

    rows: int
    through: int | None
    more: bool


def look_at_ends(connection: SensorConnection, file: TrackedFile, after: int) -> Ends:
    """Ends of the row ids; they began again when below what was seen, or when a row's time differs."""
    row, time = file.anchor if file.anchor is not None else (0, None)
    first, last, same = connection.ask("ends", connection.schema.ends, {"row": row, "time": time}, width=3)
    last = last or 0
    other = file.anchor is not None and same == 0
    return Ends(first or 0, last, other or last < max(after, file.newest_seen))


def copy_rows(connection: SensorConnection, file: TrackedFile, after: int, limit: int) -> Copied:
    """Copy open rows above `after` into `batch`, at most `limit`, in statements short enough for the sensor.

    Nothing while row ids have begun again and the reader does not know yet.

    Raises:
        sqlite3.Error: as it comes.
    """
    connection.clear_batch()
    if after == 0:
        file.restarted = False
    if file.restarted:
        return _start_again(file, after)
    copied = _copy_windows(connection, file, after, limit)
    if copied.rows and not connection.repeats_hold():
        connection.clear_batch()
        copied = _copy_windows(connection, file, after, limit)
    return copied


def _copy_windows(connection: SensorConnection, file: TrackedFile, after: int, limit: int) -> Copied:
    """Copy window after window.

    The window itself checks the anchor, so that a long backlog costs one statement a window. What precedes
    a damaged page is delivered; the next call, at the damage, raises.
    """
    last, at, copied, fresh = file.newest_seen, after, 0, False
    for _ in range(STEPS):
        if at >= last and not fresh:
            ends = look_at_ends(connection, file, after)
            if ends.restarted:
                return _start_again(file, after)
            file.newest_seen = last = ends.last
            file.oldest_seen = ends.first
            at, fresh = max(at, ends.first - 1), True
        if at >= last:
            break
        want = min(limit - copied, file.rows.limit, _most_rows(file))
        high = min(span_end(at, file.span.limit), last)
        try:
            rows, want = _copy_window(connection, file, Step(at, high), want)
        except sqlite3.DatabaseError as error:
            if not (copied and is_damage(error)):
                raise
            file.fail(Trouble.DAMAGED, str(explain(file.key, file.path, error, known_size=file.good_size)))
            break
        copied += rows
        if copied >= limit:
            return Copied(copied, None, more=True)
        if rows == want:
            at = connection.last_copied()
        elif not rows and look_at_ends(connection, file, after).restarted:
            return _start_again(file, after)
        else:
            at = _next_start(connection, high, last) if not rows or connection.schema.indexed else high
    return Copied(copied, at, more=at < last)


def _copy_window(connection: SensorConnection, file: TrackedFile, ids: Step, limit: int) -> tuple[int, int]:
    """Copy at most `limit` open rows of `ids`; fewer and fewer where that meets a damaged page.

    Returns how many were copied, and how many were wanted in the end.

    Raises:
        sqlite3.Error: as it comes; damage, when the very next row is damaged.
    """
    row, time = file.anchor if file.anchor is not None else (0, None)
    while True:
        values = {"low": ids.low, "high": ids.high, "limit": limit, "row": row, "time": time}
        try:
            rows = connection.copy_window(values)
        except sqlite3.DatabaseError as error:
            if limit == 1 or not is_damage(error):
                raise
            limit //= 2
            continue
        if rows == limit:
            file.rows.observe(rows, connection.seconds)
        else:
            file.span.observe(ids.high - ids.low, connection.seconds)
        return rows, limit


def _most_rows(file: TrackedFile) -> int:
    """How many rows of average size make a window, since one of large rows would fill the memory."""
    rows = max(1, file.newest_seen - file.oldest_seen + 1)
    return max(1, _WINDOW_BYTES * rows // max(1, file.size))


def _start_again(file: TrackedFile, after: int) -> Copied:
    """Nothing to read: the next peek says that row ids began again, and the next scan asks for one."""
    if not file.restarted:
        file.start_again()
    file.unsettled = True
    return Copied(0, after, more=False)


def count_open(connection: SensorConnection, file: TrackedFile, after: int, last: int) -> bool:
    """Count open rows in (after, last] in short steps; False when that takes another turn.

    Counting ends at a damaged page: what precedes it can be read, and is what counts.
    """
    counts, span = file.counts, file.span.limit
    for _ in range(STEPS):
        step = counts.next_step(after, last, span)
        if step is None:
            return True
        try:
            rows, first, *_ = connection.ask("count", connection.schema.count, step, width=2)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            if step.high - step.low > 1:
                span = (step.high - step.low) // 2
                continue
            file.fail(Trouble.DAMAGED, str(explain(file.key, file.path, error, known_size=file.good_size)))
            counts.record(Step(step.low, last), 0, None)
            return True
        file.span.observe(step.high - step.low, connection.seconds)
        counts.record(step, rows, first)
        counts.merge(file.span.limit)
        if not rows:
            start = _next_start(connection, step.high, last)
            if start > step.high:
                counts.record(Step(step.high, start), 0, None)
        span = min(file.span.limit, span * 2)
    return counts.next_step(after, last, span) is None


def _next_start(connection: SensorConnection, at: int, last: int) -> int:
    """Where to go on after `at`: before the next row there is, or at the end."""
    (row_id,) = connection.ask("seek", connection.schema.next_row, (at,), width=1)
    return last if row_id is None else min(int(row_id) - 1, last)


def peek_at(connection: SensorConnection, file: TrackedFile, after: int) -> Peek | None:
    """The cheap facts of a file; None when counting needs another turn.

    That row ids began again is said until somebody asks from the start, since who reads the file may have
    to finish what is under way first.

    Raises:
        sqlite3.Error: as it comes.
    """
    connection.check_place()
    connection.refresh()
    ends = look_at_ends(connection, file, after)
    if ends.restarted and not file.restarted:
        file.start_again()
    asked_from_start = after == 0
    if file.restarted:
        after = 0
    file.newest_seen, file.oldest_seen = ends.last, ends.first
    make_index(connection, file, ends)
    file.counts.drop_below(max(after + 1, ends.first))
    if not count_open(connection, file, after, ends.last):
        return None
    rows, first_open = file.counts.total(after)
    newest, sensor = facts_of(connection, ends.last)
    oldest = facts_of(connection, first_open)[0] if rows else None
    restarted = file.restarted
    if asked_from_start:
        file.restarted = False
    file.good_size = file.size
    return Peek(
        max_id=ends.last,
        restarted=restarted,
        open_rows=rows,
        sensor_id=sensor,
        newest=event_time(newest),
        oldest_open=event_time(oldest),
    )


def facts_of(connection: SensorConnection, row_id: int | None) -> tuple[Any, str | None]:
    """Raw time and sensor id of a row; Nones where there is no such row, or no such thing in it."""
    if not row_id:
        return None, None
    time, sensor = connection.ask("facts", connection.schema.facts, (row_id,), width=2)
    return time, str(sensor) if isinstance(sensor, (str, int)) else None


def event_time(raw: Any) -> float | None:
    """A raw time as seconds since the epoch, None where it is none."""
    try:
        return epoch_of(raw)
    except UnusableReading:
        return None


def make_index(connection: SensorConnection, file: TrackedFile, ends: Ends) -> None:
    """Make the index over open rows while that takes no longer than a mark; once, or not at all."""
    schema = connection.schema
    if not (connection.writable and schema.indexable) or schema.indexed or file.index_tried:
        return
    if ends.last - ends.first >= INDEX_ROWS:
        return
    file.index_tried = True
    try:
        connection.run("index", schema.make_index)
        connection.refresh()
    except sqlite3.Error as error:
        # It only makes some looks shorter; a file that will not have it is read without.
        _log.debug("%s: no index over open rows: %s", file.key, error)

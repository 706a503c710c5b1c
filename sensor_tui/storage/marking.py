"""Marking: closing rows, and opening them again, in transactions of one statement. Runs in a pool thread."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sensor_tui.model.reading import BadText
from sensor_tui.model.source import Mark, Tracking
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.schema import span_end
from sensor_tui.storage.tracked import TrackedFile

MOST_ROLLBACK: Final = 200
"""Rows in one transaction on a rollback file: 2 to 3 ms with its fsyncs, measured.

A sensor that meets the lock tries again after 1, 2, then 5 ms, as SQLite's busy handler does: what is over
within 3 ms is met at most twice.
"""
_SLOW_DISK: Final = 0.003
"""Seconds of waiting in a transaction from which on its size hardly matters: rather few, then."""


class Chunk(NamedTuple):
    """Rows of one value that one transaction closes, ascending, with the times they were read with."""

    value: Tracking
    ids: Sequence[int]
    times: Sequence[Any]


def chunks(file: TrackedFile, marks: Sequence[Mark]) -> Iterator[Chunk]:
    """The marks in transactions of a size that suits the file now; dead letters first.

    Dead letters first so that an interruption leaves rows that were accepted open (sent again and found
    there), never a dead one.
    """
    rollback = file.source is None or file.source.rollback
    short = rollback and min(file.disk_waits, default=0.0) < _SLOW_DISK
    for value in sorted({mark.value for mark in marks}, key=lambda value: value is not Tracking.DEAD):
        ids, times = _together([mark for mark in marks if mark.value is value])
        start = 0
        while start < len(ids):
            left = len(ids) - start
            most = min(file.marks.limit, MOST_ROLLBACK) if short else file.marks.limit
            parts = math.ceil(left / most)
            end = start + math.ceil(left / parts)  # all of a size, not full ones and a rest
            yield Chunk(value, ids[start:end], times[start:end])
            start = end


def _together(marks: Sequence[Mark]) -> tuple[Sequence[int], Sequence[Any]]:
    """Ids, ascending, and times of several marks: one long run costs less than several short ones."""
    if len(marks) == 1:
        return marks[0].ids, marks[0].times
    pairs = sorted((pair for mark in marks for pair in zip(mark.ids, mark.times, strict=True)), key=_id)
    return [row_id for row_id, _ in pairs], [time for _, time in pairs]


def _id(pair: tuple[int, Any]) -> int:
    return pair[0]


def close_chunk(connection: SensorConnection, file: TrackedFile, chunk: Chunk) -> None:
    """Close the rows of a chunk that are open and carry the time they were read with.

    A run is tried first: all open rows between its ends, if they are as many as they should be and both
    ends are the rows that were read. Otherwise row by row, still in one statement.
    """
    ids, times, value = chunk.ids, chunk.times, int(chunk.value)
    schema = connection.schema
    if len(ids) > 1 and not isinstance(times[0], BadText) and not isinstance(times[-1], BadText):
        run = {
            "first": ids[0], "last": ids[-1], "first_time": times[0], "last_time": times[-1],
            "value": value, "count": len(ids),
        }  # fmt: skip
        if _is_dense(ids) and connection.run("mark", schema.mark_run, run) == len(ids):
            observe(connection, file, len(ids))
            return
    connection.list_marks([(row, value, time) for row, time in zip(ids, times, strict=True)])
    connection.run("mark", schema.mark_each)
    observe(connection, file, len(ids))


def observe(connection: SensorConnection, file: TrackedFile, rows: int) -> None:
    """Take in how long a transaction over so many rows took."""
    file.marks.observe(rows, connection.cpu)
    file.disk_waits.append(connection.wall - connection.cpu)


def _is_dense(ids: Sequence[int]) -> bool:
    """Whether a run may be worth trying: a sparse one would make SQLite look at many rows for few."""
    return ids[-1] - ids[0] < 4 * len(ids)


def reopen_row(connection: SensorConnection, row_id: int) -> bool:
    """Open a dead letter's row again; whether there was one."""
    return connection.run("reopen", connection.schema.reopen, (row_id,)) == 1


def reset_span(connection: SensorConnection, file: TrackedFile, after: int) -> int | None:
    """Open all rows of a short stretch above `after`; where to go on, None at the end."""
    schema = connection.schema
    (start,) = connection.ask("seek", schema.first_above, (after,), width=1)
    if start is None:
        return None
    end = span_end(int(start) - 1, file.marks.limit)
    changed = connection.run("reset", schema.reopen_span, (int(start) - 1, end))
    observe(connection, file, changed)
    return end

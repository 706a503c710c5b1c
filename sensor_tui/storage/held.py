"""Closing rows of which only runs of ids are known. Runs in a pool thread."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sensor_tui.model.reading import BadText, ReadingSchema, UnusableReading, epoch_of
from sensor_tui.model.source import HeldRows, Run, Tracking
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.marking import MOST_ROLLBACK, observe
from sensor_tui.storage.tracked import TrackedFile


class Stretch(NamedTuple):
    """Runs without a gap between them that one transaction closes, with the windows that they are of."""

    run: Run
    parts: list[tuple[Run, HeldRows]]


def joined(file: TrackedFile, runs: Sequence[tuple[Run, HeldRows]]) -> Iterator[Stretch]:
    """The runs, those that follow one another as one, as long as a transaction takes them."""
    rollback = file.source is None or file.source.rollback
    most = MOST_ROLLBACK if rollback else file.marks.limit
    parts: list[tuple[Run, HeldRows]] = []
    for part in sorted(runs, key=lambda each: each[0].first):
        run = part[0]
        if parts and (run.first != parts[-1][0].last + 1 or run.last - parts[0][0].first >= most):
            yield _stretch(parts)
            parts = []
        parts.append(part)
    if parts:
        yield _stretch(parts)


def _stretch(parts: list[tuple[Run, HeldRows]]) -> Stretch:
    first, last = parts[0][0], parts[-1][0]
    return Stretch(Run(first.first, last.last, first.first_time, last.last_time), parts)


def close_stretch(connection: SensorConnection, file: TrackedFile, stretch: Stretch, value: Tracking) -> None:
    """Close all rows of a stretch in one statement, or, where some have changed, those that have not.

    A run whose ends are other rows now is another one altogether, and stays as it is.
    """
    if _close_whole(connection, file, stretch.run, value):
        return
    marks: list[tuple[int, int, Any]] = []
    for run, held in stretch.parts:
        if _is_same(connection, run):
            rows, schema = _open_rows(connection, run)
            marks += [(row[0], int(value), _time(schema, row)) for row in rows if _is_in(schema, row, held)]
    if marks:
        connection.list_marks(marks)
        connection.run("mark", connection.schema.mark_each)
        observe(connection, file, len(marks))


def _close_whole(connection: SensorConnection, file: TrackedFile, run: Run, value: Tracking) -> bool:
    count = run.last - run.first + 1
    given = {
        "first": run.first, "last": run.last, "first_time": run.first_time, "last_time": run.last_time,
        "value": int(value), "count": count,
    }  # fmt: skip
    if connection.run("mark", connection.schema.mark_run, given) != count:
        return False
    observe(connection, file, count)
    return True


def _is_same(connection: SensorConnection, run: Run) -> bool:
    """Whether an end of the run is there as it was, and no end is another row."""
    same = False
    for row_id, time in ((run.first, run.first_time), (run.last, run.last_time)):
        found, _ = connection.ask("facts", connection.schema.facts, (row_id,), width=2)
        if found is not None:
            if found != time:
                return False
            same = True
    return same


def _open_rows(connection: SensorConnection, run: Run) -> tuple[list[tuple[Any, ...]], ReadingSchema]:
    values = {
        "low": run.first - 1, "high": run.last, "limit": run.last - run.first + 1, "row": 0, "time": None,
    }  # fmt: skip
    connection.clear_batch()
    if connection.copy_window(values) and not connection.repeats_hold():
        connection.clear_batch()
        connection.copy_window(values)
    schema, rows, _ = connection.take_batch()
    return rows, schema


def _time(schema: ReadingSchema, row: tuple[Any, ...]) -> Any:
    return None if schema.timestamp is None else row[schema.timestamp]


def _is_in(schema: ReadingSchema, row: tuple[Any, ...], held: HeldRows) -> bool:
    """Whether a row may be one of those that the document was made of."""
    sensor = None if schema.sensor_id is None else row[schema.sensor_id]
    if isinstance(sensor, (bytes, BadText)) or str(sensor) != held.sensor_id:
        return False
    try:
        return held.start <= epoch_of(_time(schema, row)) < held.end
    except UnusableReading:
        return False

"""Pruning: which acknowledged rows may go, and removing them in transactions of one statement.

A row may go when its sinks have it (`synced` is 1). Never an open one, never a dead letter, never the
newest row (row ids must not begin again), and never the rows by which the file is known again. Every
statement asks for all of that itself, so it holds whatever happens between two of them. Jobs run in a
pool thread.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sensor_tui.errors import SourceFileError
from sensor_tui.model.reading import UnusableReading, epoch_of
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.ledger import RowFact
from sensor_tui.storage.schema import FileSchema
from sensor_tui.storage.tracked import TrackedFile

_FIRST_EPOCH: Final = -62135596800.0
"""0001-01-01; a number below is no time."""
_JULIAN_1970: Final = 2440587.5
_DAY: Final = 86400.0
_FIRST_DAY: Final = "0001-01-01"
_LAST_DAY: Final = "9999-12-31"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is kept: readings of an event time from `before` on (epoch seconds), files up to `most_bytes`.

    A bound that is None does not hold. With `archived`, only rows go that are known to be in the archive.
    """

    before: float | None = None
    most_bytes: int | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """A file as a round finds it: ends of its row ids (0 without a row), bytes in use, what it is."""

    first: int
    last: int
    used: int
    inode: tuple[int, int]
    anew: bool
    """Row ids began again, or the row it is known by carries another time."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is in a stretch of row ids: all rows, and those that may go with their oldest and newest raw time.

    Raw times are compared as they are stored, which is exact within a file of one time zone; what goes is
    decided for each row by its instant.
    """

    there: int
    rows: int
    oldest: Any
    newest: Any
    staying: Any
    """The oldest raw time of those that stay."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What one transaction removed, and the last row id it looked at; None at the stretch's end."""

    rows: int
    through: int | None
    oldest: Any = None
    newest: Any = None


def require_tracking(connection: SensorConnection) -> FileSchema:
    """The schema of a file whose rows say whether they were acknowledged.

    Raises:
        SourceFileError: they do not.
    """
    if not connection.schema.reading.has_synced:
        raise SourceFileError(
            "has no column `synced`, so nothing says which rows were acknowledged",
            fix="Nothing is removed from it",
        )
    return connection.schema


def survey_ground(connection: SensorConnection, file: TrackedFile) -> Ground:
    """The facts a round begins with."""
    connection.check_place()
    connection.refresh()
    schema = require_tracking(connection)
    row, time = file.anchor if file.anchor is not None else (0, None)
    first, last, same = connection.ask("ends", schema.ends, {"row": row, "time": time}, width=3)
    anew = file.restarted or (file.anchor is not None and same == 0)
    return Ground(first or 0, last or 0, used_bytes(connection, file), connection.inode, anew)


def used_bytes(connection: SensorConnection, file: TrackedFile) -> int:  # noqa: ARG001
    """Bytes of the file's pages that hold something: removing rows lowers it, though the file stays."""
    pages, free, size = connection.ask("size", _PAGES, (), width=3)
    return (int(pages) - int(free)) * int(size)


def look_at_stretch(
    connection: SensorConnection, file: TrackedFile, low: int, high: int, bounds: Bounds, start: RowFact
) -> Stretch:
    """What may go of the rows with an id in (low, high].

    `start` is the row up to which the archive has nothing for certain; (0, None) where that is no matter.
    """
    schema = require_tracking(connection)
    values = {"low": low, "high": high, **_values(file, bounds, start)}
    (there,) = connection.ask("prune count", _there(schema), values, width=1)
    rows, oldest, newest, staying = connection.ask("prune look", _look(schema, bounds), values, width=4)
    return Stretch(int(there or 0), int(rows or 0), oldest, newest, staying)


def next_row(connection: SensorConnection, file: TrackedFile, after: int) -> int:  # noqa: ARG001
    """The first row id above one, 0 where there is none."""
    (found,) = connection.ask("seek", connection.schema.first_above, (after,), width=1)
    return int(found or 0)


def remove_some(
    connection: SensorConnection,
    file: TrackedFile,
    low: int,
    high: int,
    limit: int,
    bounds: Bounds,
    start: RowFact,
) -> Removed:
    """Remove what may go among the first `limit` acknowledged rows with an id in (low, high].

    The removal comes last: a job that meets a lock is done again from its beginning, and would count anew.
    """
    schema = require_tracking(connection)
    span = {"low": low, "high": high, "limit": limit}
    first, last = connection.ask("seek", _closed(schema), span, width=2)
    if last is None:
        return Removed(0, None)
    oldest = newest = None
    if bounds.before is None:  # otherwise a look has said the times of what goes
        oldest, newest = (connection.ask("facts", schema.facts, (row,), width=2)[0] for row in (first, last))
    values = {"low": low, "high": int(last), **_values(file, bounds, start)}
    rows = connection.run("prune", _delete(schema, bounds), values)
    return Removed(rows, int(last), oldest, newest)


def instant(raw: Any) -> float | None:
    """A raw time in seconds since the epoch, None where it is none."""
    try:
        return epoch_of(raw)
    except UnusableReading:
        return None


def _values(file: TrackedFile, bounds: Bounds, start: RowFact) -> dict[str, Any]:
    """Parameters of `_may_go`."""
    anchor, anchor_time = file.anchor if file.anchor is not None else (None, None)
    values = {
        "above": start[0], "start": start[0] or None, "start_time": start[1],
        "anchor": anchor, "anchor_time": anchor_time,
    }  # fmt: skip
    if bounds.before is None:
        return values
    return {
        **values,
        "before": bounds.before,
        "surely": _day(bounds.before, -1),
        "hardly": _day(bounds.before, 2),
    }


def _day(moment: float, days: int) -> str:
    """The date so many days from a moment, in UTC, within the years that there are."""
    try:
        return (datetime.fromtimestamp(moment, UTC) + timedelta(days=days)).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return _FIRST_DAY if moment < 0 else _LAST_DAY


def _may_go(schema: FileSchema, bounds: Bounds) -> str:
    """Whether a row may go, as SQL that is never NULL.

    The anchor and the archive's start are asked for with their times: where another row stands there, the
    file was written anew, and nothing goes.
    """
    row = schema.row_id
    terms = [
        "synced = 1",
        f"{row} > :above AND {row} IS NOT :anchor AND {row} < (SELECT max({row}) FROM {schema.table})",
        _unchanged(schema, "anchor", "anchor_time"),
        _unchanged(schema, "start", "start_time"),
    ]
    if bounds.before is not None:
        terms.append(is_before(schema.time))
    return f"coalesce({' AND '.join(f'({term})' for term in terms)}, 0)"


def _unchanged(schema: FileSchema, row: str, time: str) -> str:
    if schema.time == "NULL":
        return "1"
    return (
        f"coalesce((SELECT {schema.time} IS :{time}"
        f" OR (typeof({schema.time}) = 'text' AND CAST({schema.time} AS BLOB) = :{time})"
        f" FROM {schema.table} WHERE {schema.row_id} = :{row}), 1)"
    )


def is_before(time: str) -> str:
    """Whether a stored time lies before :before, as SQL; what is no time does not.

    Text is ISO 8601, in local time with an offset of less than a day. So its date alone decides nearly
    always (:surely, :hardly), and only near the bound it is worked out, which costs ten times as much.
    SQLite does not know offsets without a colon.
    """
    spelled = (
        f"CASE WHEN {time} GLOB '*[+-][0-9][0-9][0-9][0-9]'"
        f" THEN substr({time}, 1, length({time}) - 2) || ':' || substr({time}, -2) ELSE {time} END"
    )
    return (
        f"CASE typeof({time})"
        f" WHEN 'text' THEN {time} GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]*' AND {time} < :hardly"
        f" AND ({time} < :surely OR (julianday({spelled}) - {_JULIAN_1970}) * {_DAY} < :before)"
        f" WHEN 'null' THEN 0 WHEN 'blob' THEN 0 ELSE {time} >= {_FIRST_EPOCH} AND {time} < :before END"
    )


def _look(schema: FileSchema, bounds: Bounds) -> str:
    return (
        f"WITH there(time, old) AS MATERIALIZED (SELECT {schema.time}, {_may_go(schema, bounds)}"
        f" FROM {schema.table} NOT INDEXED WHERE {_span(schema)})"
        " SELECT count(*) FILTER (WHERE old), min(time) FILTER (WHERE old), max(time) FILTER (WHERE old),"
        " min(time) FILTER (WHERE NOT old) FROM there"
    )


def _there(schema: FileSchema) -> str:
    return f"SELECT count(*) FROM {schema.table} NOT INDEXED WHERE {_span(schema)}"


def _closed(schema: FileSchema) -> str:
    """First and last of at most :limit acknowledged rows."""
    return (
        f"SELECT min(row), max(row) FROM (SELECT {schema.row_id} AS row FROM {schema.table} NOT INDEXED"
        f" WHERE {_span(schema)} AND synced = 1 ORDER BY {schema.row_id} LIMIT :limit)"
    )


def _delete(schema: FileSchema, bounds: Bounds) -> str:
    return f"DELETE FROM {schema.table} NOT INDEXED WHERE {_span(schema)} AND {_may_go(schema, bounds)}"


def _span(schema: FileSchema) -> str:
    return f"{schema.row_id} > :low AND {schema.row_id} <= :high"


_PAGES: Final = (
    "SELECT (SELECT page_count FROM pragma_page_count),"
    " (SELECT freelist_count FROM pragma_freelist_count),"
    " (SELECT page_size FROM pragma_page_size)"
)


def closed_in(connection: SensorConnection, file: TrackedFile, low: int, high: int) -> RowFact:  # noqa: ARG001
    """The last acknowledged row with an id in (low, high], with its raw time; row 0 where there is none."""
    schema = require_tracking(connection)
    found, time = connection.ask("seek", _last_closed(schema), {"low": low, "high": high}, width=2)
    return (0, None) if found is None else (int(found), time)


def _last_closed(schema: FileSchema) -> str:
    return (
        f"SELECT {schema.row_id}, {schema.time} FROM {schema.table} NOT INDEXED"
        f" WHERE {_span(schema)} AND synced = 1 ORDER BY {schema.row_id} DESC LIMIT 1"
    )

"""The newest rows of many files, looked at again and again, without ever being in anybody's way.

A thousand files that change each second are looked at through connections that stay open: opening one
costs five times as much as the look itself. Kept lean, a connection takes 70 KB instead of 190.
"""

import math
import resource
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sensor_tui.errors import SourceFileError
from sensor_tui.storage.files import SensorConnection, decode
from sensor_tui.storage.locks import allow_open_files
from sensor_tui.storage.schema import DEFINITION, FileSchema, quote, read_schema
from sensor_tui.storage.signatures import is_young, signature_of
from sensor_tui.storage.tracked import Signature

NEWEST_ROWS: Final = 60
"""Most rows that one look takes from a file."""

_USUAL_MEASURES: Final = ("temperature", "humidity", "pressure", "vibration", "voltage")
_NO_MEASURES: Final = frozenset(
    {
        "id", "timestamp", "sensor_id", "synced", "status_code", "anomaly_flag", "anomaly_type",
        "firmware_version", "model", "manufacturer", "location", "latitude", "longitude",
        "original_timezone", "serial_number", "manufacture_date", "deployment_type", "installation_date",
        "height_meters", "orientation_degrees", "instance_id", "sensor_type",
    }
)  # fmt: skip
_MOST_MEASURES: Final = 24
_MOST_KEPT: Final = 1024
_SPARE_DESCRIPTORS: Final = 512
_PER_CONNECTION: Final = 3
"""Descriptors of a connection in WAL mode: the file, its WAL, and what both sides share."""
_BUSY_MILLISECONDS: Final = 5
_SCHEMA_LOOKS: Final = 60
"""Looks after which the columns of a file are read again."""
_UNFLAGGED: Final = frozenset({"", "0", "0.0", "false", "no", "none"})
_MOST_LAYOUTS: Final = 256
_LEAST_ID: Final = -(2**63)
_NO_SUCH_THING: Final = sqlite3.SQLITE_ERROR


class Place(NamedTuple):
    """Where a sensor's file is."""

    key: str
    path: str
    rollback: bool


class Row(NamedTuple):
    """A reading as far as a screen shows it."""

    row_id: int
    time: Any
    """As it is stored."""
    flagged: bool
    """It is marked as an anomaly."""
    kind: str
    """Of the anomaly, empty where it is not said."""
    values: dict[str, float]
    """Measures that hold a number, by column name."""


@dataclass(frozen=True, slots=True)
class Look:
    """New rows of one file, ascending. `again` says that what was known of it is of other rows."""

    rows: Sequence[Row]
    again: bool


class LeanConnection(SensorConnection):
    """A connection to a sensor's file for short looks; used by one thread at a time.

    Every statement on the file is done in one step, as everywhere: what it finds is copied into a
    temporary table first.
    """

    def __init__(self, path: str) -> None:
        """Open it; no lock is taken yet.

        Raises:
            OSError, sqlite3.Error, SourceFileError: as they come; see `explain`.
        """
        super().__init__(path, write=False)

    def _prepare(self) -> None:
        self._db.text_factory = decode
        # The first page is read before the cache can be made small: what that has taken is given back.
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "cache_size=2",
            "shrink_memory",
            "temp_store=MEMORY",
            "temp.cache_size=2",
            "trusted_schema=OFF",
        ):
            self._db.execute(f"PRAGMA {pragma}").close()
        self._db.execute("CREATE TEMP TABLE answer (a0, a1, a2, a3)").close()
        (definition,) = self.ask("schema", DEFINITION, (), width=1)
        self.load_schema(definition)
        self._look_at_mode()

    def load_schema(self, definition: str | None) -> None:
        layout = _LAYOUTS.get(definition or "")
        if layout is None:
            layout = _layout_of(read_schema(self._db, definition))
            if len(_LAYOUTS) >= _MOST_LAYOUTS:
                _LAYOUTS.clear()
            _LAYOUTS[layout.schema.definition] = layout
        self.layout = layout
        self.schema = layout.schema
        self._db.execute("DROP TABLE IF EXISTS temp.latest").close()
        self._db.execute(layout.make_table).close()

    def newest(self, known: tuple[int, Any] | None) -> Look:
        """Rows above a known one, given with its time: the newest ones, where there are many.

        All of the newest where the known one is no more what it was.

        Raises:
            sqlite3.Error: as it comes.
        """
        rows = self._above(_LEAST_ID if known is None else known[0])
        if known is not None and len(rows) < NEWEST_ROWS:
            if rows and rows[0][:2] == known:
                return Look(self._rows(rows[1:]), again=False)
            return Look(self._rows(self._above(_LEAST_ID)), again=True)
        return Look(self._rows(rows), again=known is None)

    def _above(self, row_id: int) -> list[tuple[Any, ...]]:
        self._db.execute(self.layout.newest, (row_id,)).close()
        rows = self._db.execute("SELECT * FROM temp.latest").fetchall()
        self._db.execute("DELETE FROM temp.latest").close()
        rows.reverse()
        return rows

    def _rows(self, rows: Iterable[tuple[Any, ...]]) -> list[Row]:
        names = self.layout.measures
        return [
            Row(row_id, time, is_flagged(flag), _kind_of(kind), _finite(zip(names, values, strict=True)))
            for row_id, time, flag, kind, *values in rows
        ]


@dataclass(frozen=True, slots=True)
class Layout:
    """A file's table as far as looks need it. Files of the same definition share one."""

    schema: FileSchema
    measures: tuple[str, ...]
    time: str
    """The time of a row as SQL."""
    flag: str
    """Its anomaly flag as SQL."""
    make_table: str
    """The temporary table `latest`."""
    newest: str
    """Copy rows from the id ? on into it, the newest first."""


def _layout_of(schema: FileSchema) -> Layout:
    measures = measures_of(schema.reading.columns)
    found = {name.lower(): name for name in schema.reading.columns}
    time, flag = _short(schema.time), _short(_column(found.get("anomaly_flag")))
    kind = _short(_column(found.get("anomaly_type")))
    wanted = [schema.row_id, time, flag, kind, *map(number_in, measures)]
    columns = ["id", "time", "flag", "kind", *(f"m{index}" for index in range(len(measures)))]
    return Layout(
        schema=schema,
        measures=measures,
        time=time,
        flag=flag,
        make_table=f"CREATE TEMP TABLE latest ({', '.join(columns)})",
        newest=f"INSERT INTO temp.latest SELECT {', '.join(wanted)} FROM {schema.table} NOT INDEXED"
        f" WHERE {schema.row_id} >= ? ORDER BY {schema.row_id} DESC LIMIT {NEWEST_ROWS}",
    )


_LAYOUTS: Final[dict[str, Layout]] = {}


def measures_of(columns: Iterable[str]) -> tuple[str, ...]:
    """Columns that may hold a measured value: the usual ones first, then others in their order."""
    found = {name.lower(): name for name in columns}
    usual = [found[name] for name in _USUAL_MEASURES if name in found]
    others = [name for lower, name in found.items() if name not in usual and lower not in _NO_MEASURES]
    return (*usual, *others)[:_MOST_MEASURES]


def number_in(column: str) -> str:
    """The column as SQL, NULL where it holds no number."""
    name = quote(column)
    return f"CASE WHEN typeof({name}) IN ('real', 'integer') THEN {name} END"


def is_flagged(flag: Any) -> bool:
    """Whether a stored anomaly flag says yes, as number or as text."""
    if isinstance(flag, str):
        return flag.strip().lower() not in _UNFLAGGED
    return isinstance(flag, int | float) and bool(flag)


def _finite(values: Iterable[tuple[str, Any]]) -> dict[str, float]:
    return {name: float(value) for name, value in values if value is not None and math.isfinite(value)}


def _kind_of(kind: Any) -> str:
    return str(kind) if isinstance(kind, str | int | float) else ""


def _short(column: str) -> str:
    """A column as SQL with what is too long, or no value at all, kept out."""
    return (
        f"CASE typeof({column}) WHEN 'text' THEN substr({column}, 1, 64)"
        f" WHEN 'blob' THEN NULL ELSE {column} END"
    )


def _column(name: str | None) -> str:
    return "NULL" if name is None else quote(name)


@dataclass(slots=True)
class _Watched:
    """What is kept of one file."""

    path: str
    signature: Signature = ()
    due: bool = True
    looked: float = 0.0
    """Monotonic time of the last look, in seconds."""
    known: tuple[int, Any] | None = None
    connection: LeanConnection | None = None
    looks: int = 0

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


class LatestRows:
    """Looks at the files that changed since the last look. Used by one thread at a time.

    At most `most_kept` connections stay open between two looks, fewer where the process may not have so
    many files open.
    """

    def __init__(self, *, most_kept: int = _MOST_KEPT) -> None:
        self._files: dict[str, _Watched] = {}
        self._most_kept = most_kept
        self._kept = 0
        self._room = most_kept

    @property
    def open_connections(self) -> int:
        """How many files are open now."""
        return self._kept

    def sweep(self, places: Iterable[Place]) -> list[str]:
        """Take note of the files there are and of changes; those to look at, the longest due first."""
        seen = {place.key: place for place in places}
        for key in self._files.keys() - seen.keys():
            self._close(self._files.pop(key))
        if len(seen) != len(self._files):
            self._make_room(len(seen))
        for key, place in seen.items():
            file = self._files.get(key)
            if file is None or file.path != place.path:
                if file is not None:
                    self._close(file)
                file = self._files[key] = _Watched(place.path)
            self._compare(file, wal=not place.rollback)
        due = [(file.looked, key) for key, file in self._files.items() if file.due]
        return [key for _, key in sorted(due)]

    def look(self, key: str, now: float) -> Look | None:
        """New rows of a file; None where it cannot be read now. `now` is monotonic."""
        file = self._files[key]
        file.looked = now
        try:
            found = self._look(file)
        except (sqlite3.Error, OSError, SourceFileError) as error:
            # Whoever reads the file for good says what is wrong with it.
            if not _is_busy(error):
                self._close(file)
                file.due = False
            return None
        file.due = is_young(file.signature)
        if found.rows:
            file.known = (found.rows[-1].row_id, found.rows[-1].time)
        elif found.again:
            file.known = None
        return found

    def release(self, keep: int = 0) -> None:
        """Close connections until so many are open; what is known of the files stays."""
        for file in self._files.values():
            if self._kept <= keep:
                return
            self._close(file)

    def _compare(self, file: _Watched, *, wal: bool) -> None:
        try:
            signature = signature_of(file.path, wal=wal)
        except OSError:
            self._close(file)
            file.signature = ()
            return
        if signature == file.signature:
            return
        if signature[:2] != file.signature[:2]:
            self._close(file)
            file.known = None
        file.signature, file.due = signature, True

    def _look(self, file: _Watched) -> Look:
        connection = file.connection
        if connection is None:
            connection = LeanConnection(file.path)
            if connection.immutable or self._kept >= self._room:
                try:
                    return connection.newest(file.known)
                finally:
                    connection.close()
            file.connection = connection
            file.looks = 0
            self._kept += 1
        file.looks += 1
        if file.looks % _SCHEMA_LOOKS == 0:
            connection.refresh()
        try:
            return connection.newest(file.known)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != _NO_SUCH_THING or not connection.refresh():
                raise
            return connection.newest(file.known)

    def _close(self, file: _Watched) -> None:
        if file.connection is not None:
            self._kept -= 1
            file.close()

    def _make_room(self, files: int) -> None:
        """How many connections may stay open beside the locks and connections of who reads the files."""
        allow_open_files(_PER_CONNECTION * min(files, self._most_kept))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = self._most_kept * _PER_CONNECTION
        if soft != resource.RLIM_INFINITY:
            spare = soft - files - _SPARE_DESCRIPTORS
        self._room = max(0, min(self._most_kept, spare // _PER_CONNECTION))


def _is_busy(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

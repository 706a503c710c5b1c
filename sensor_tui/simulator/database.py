"""Opening the SQLite file a sensor appends to: made where missing, refused where it is something else."""

import logging
import sqlite3
from pathlib import Path

from sensor_tui.errors import SourceFileError, StorageError, UsageError
from sensor_tui.simulator.schema import SCHEMAS, TABLE, TableSchema

log = logging.getLogger(__name__)

BUSY_SECONDS = 5.0  # what Python's sqlite3 gives a sensor that asks for nothing else
_SIDE_FILES = ("-wal", "-shm", "-journal")


class DatabaseLocked(StorageError):
    """Another process holds the file; trying again is right."""


_LOCKED = (DatabaseLocked, "locked by another process", "Find it with fuser, or try again")
_PERMISSIONS = (StorageError, "cannot be written", "Check the permissions of file and folder")
_OTHERWISE = (StorageError, "", "Check the file, its folder and the free space")  # SQLite's own words
_REFUSALS: dict[int, tuple[type[StorageError], str, str]] = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_NOTADB: (SourceFileError, "not an SQLite database", "Name another file"),
    sqlite3.SQLITE_CORRUPT: (SourceFileError, "damaged", "Move it away; a new one is made"),
    sqlite3.SQLITE_FULL: (StorageError, "no free disk space", "Free some, then start the sensor again"),
    sqlite3.SQLITE_READONLY_DBMOVED: (
        StorageError,
        "moved or deleted while it was written",
        "Start the sensor again",
    ),
    sqlite3.SQLITE_READONLY: _PERMISSIONS,
    sqlite3.SQLITE_PERM: _PERMISSIONS,
    sqlite3.SQLITE_CANTOPEN: _PERMISSIONS,
}


def open_database(
    path: Path, schema: TableSchema, *, wal: bool = False, busy_seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """A connection in autocommit mode to a file of that generation, with its folder and table.

    Raises UsageError for a file of the other generation, SourceFileError for one that is not a sensor
    database, DatabaseLocked where it stays locked, StorageError where the place cannot be written.
    """
    connection = _connect(path, busy_seconds)
    try:
        _check(connection, path, schema)
        _set_journal(connection, path, "wal" if wal else "delete")
        connection.execute(schema.create)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise refusal(path, error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def remove_database(path: Path) -> bool:
    """Delete a sensor database, of either generation, with its side files; False where there is none.

    Raises SourceFileError, and deletes nothing, where the file is anything else.
    """
    if not path.exists():
        return False
    connection = _connect(path, BUSY_SECONDS)
    try:
        tables = _tables(connection)
    except sqlite3.DatabaseError as error:
        raise refusal(path, error) from None
    finally:
        connection.close()
    if tables and TABLE not in tables:
        raise SourceFileError(
            f"{path}: a database of something else, without {TABLE}", fix="Name another file"
        )
    try:
        path.unlink()
        for suffix in _SIDE_FILES:
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be deleted: {error.strerror}", fix="Check its folder") from None
    return True


def refusal(path: Path, error: sqlite3.Error) -> StorageError:
    """What SQLite said about that file, as one line and what to do."""
    code = getattr(error, "sqlite_errorcode", 0)
    kind, what, fix = _REFUSALS.get(code) or _REFUSALS.get(code & 0xFF) or _OTHERWISE
    return kind(f"{path}: {what or error}", fix=fix)


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageError(
            f"{path}: cannot be opened: {error}", fix="Check the path and its permissions"
        ) from None


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {
        str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }


def _check(connection: sqlite3.Connection, path: Path, schema: TableSchema) -> None:
    tables = _tables(connection)
    if not tables:
        return
    if TABLE not in tables:
        raise SourceFileError(
            f"{path}: a database of something else, without {TABLE}", fix="Name another file"
        )
    rows = connection.execute(f"PRAGMA table_info({TABLE})")
    declared = {str(name): str(kind).upper() for _, name, kind, *_ in rows}
    if _fits(declared, schema):
        return
    for other in SCHEMAS.values():
        if other is not schema and _fits(declared, other):
            raise UsageError(
                f"{path}: holds readings of generation {other.generation}, not {schema.generation}",
                fix=f"Use --generation {other.generation} or name another file",
            )
    missing = [name for name in schema.columns if name not in declared]
    what = f"lacks {', '.join(missing)}" if missing else f"has a timestamp of type {declared['timestamp']}"
    raise SourceFileError(f"{path}: its {TABLE} {what}", fix="Name another file")


def _fits(declared: dict[str, str], schema: TableSchema) -> bool:
    return set(schema.columns) <= declared.keys() and declared["timestamp"] == schema.time_type


def _set_journal(connection: sqlite3.Connection, path: Path, wanted: str) -> None:
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode == wanted:
        return
    try:
        mode = connection.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0]
    except sqlite3.OperationalError as error:
        # Changing the journal needs the file alone; a reader that has it open is no reason not to write.
        if not isinstance(refusal(path, error), DatabaseLocked):
            raise
    if mode != wanted:
        log.warning("%s: keeps its %s journal while another process has it open", path, mode)

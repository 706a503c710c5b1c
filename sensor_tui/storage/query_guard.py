"""A statement of an operator's own: it may read and do nothing else, and not for ever."""

import math
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from sensor_tui.errors import SensorTuiError, StorageError, UsageError
from sensor_tui.model.reading import BadText
from sensor_tui.model.table import Cell, Table

T = TypeVar("T")

_OPERATIONS: Final = 20_000
"""Instructions of SQLite between two looks at the time."""
_MOST_BYTES: Final = 32 * 1024 * 1024
"""Of text in one result."""
_LONGEST_VALUE: Final = 16 * 1024 * 1024
_READING: Final = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
_PRAGMAS: Final = frozenset(
    {
        "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo",
        "foreign_key_list", "compile_options", "function_list", "collation_list",
    }
)  # fmt: skip
_NO_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_COLUMNS_FIX: Final = "Give one SELECT; PRAGMA table_info(sensor_readings) names the columns"
_READ_ONLY_FIX: Final = "Ask with SELECT; nothing can be changed, attached or loaded here"


class GuardedRows:
    """Rows of one statement, taken some at a time; used by one thread at a time. Close it.

    Every method raises:
        UsageError: SQLite does not understand it, or it would do more than read.
        StorageError: it took too long, or too much memory.
        sqlite3.Error: the file is at fault.
    """

    def __init__(self, db: sqlite3.Connection, sql: str, expired: Callable[[], bool]) -> None:
        """Begin the statement, which is stopped once `expired` says so."""
        self._db = db
        self._refused: list[str] = []
        self._cursor: sqlite3.Cursor | None = None
        db.execute("PRAGMA query_only=ON").close()
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
        for name in _PRAGMAS:
            with suppress(sqlite3.OperationalError):
                # SQLite declares such a table at its first use, which the authorizer would take for a change.
                db.execute(f"SELECT * FROM pragma_{name} LIMIT 0").close()
        db.set_progress_handler(expired, _OPERATIONS)
        db.set_authorizer(partial(_authorize, self._refused))
        try:
            self._cursor = self._checked(partial(db.execute, sql))
            self.columns = _columns_of(self._cursor)
        except BaseException:
            self.close()
            raise

    def take(self, rows: int, size: int) -> list[list[Cell]]:
        """The next rows: at most so many, and about so many bytes of text; none at the end."""
        return self._checked(partial(self._take, rows, size))

    def close(self) -> None:
        """End the statement; the connection may be used for others again."""
        if self._cursor is not None:
            self._cursor.close()
        self._db.set_authorizer(None)
        self._db.set_progress_handler(None, 0)
        self._db.execute("PRAGMA query_only=OFF").close()

    def _take(self, rows: int, size: int) -> list[list[Cell]]:
        assert self._cursor is not None
        found: list[list[Cell]] = []
        while len(found) < rows and size > 0:
            row = self._cursor.fetchone()
            if row is None:
                break
            found.append(list(map(cell_of, row)))
            size -= sum(len(cell) for cell in found[-1] if isinstance(cell, str))
        return found

    def _checked(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except sqlite3.Error as error:
            explained = _explained(error, self._refused)
            if explained is None:
                raise
            raise explained from error
        except (sqlite3.Warning, ValueError) as error:  # several statements, characters that SQL cannot hold
            raise UsageError(f"The query is not understood: {error}", fix=_COLUMNS_FIX) from error
        except MemoryError:
            raise StorageError(
                "The query takes more memory than there is", fix="Ask for less at a time"
            ) from None


def _columns_of(cursor: sqlite3.Cursor) -> list[str]:
    if cursor.description is None:
        raise UsageError("The query gives no rows", fix=_READ_ONLY_FIX)
    return [str(name) for name, *_ in cursor.description]


def fetch(db: sqlite3.Connection, sql: str, limit: int, expired: Callable[[], bool]) -> Table:
    """The first `limit` rows of a query; raises as `GuardedRows`."""
    rows = GuardedRows(db, sql, expired)
    try:
        found = rows.take(limit + 1, _MOST_BYTES)
        complete = len(found) <= limit and not rows.take(1, _MOST_BYTES)
    finally:
        rows.close()
    return Table(rows.columns, found[:limit], complete)


def cell_of(value: Any) -> Cell:
    """A stored value as a table holds it: what is neither text nor a finite number becomes text."""
    if isinstance(value, BadText):
        return value.decode("utf-8", "replace")
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int | float | str) or value is None:
        return value
    return str(value)


def _authorize(
    refused: list[str],
    action: int,
    first: str | None,
    second: str | None,
    _base: str | None,
    _view: str | None,
) -> int:
    if action == sqlite3.SQLITE_PRAGMA:
        allowed = (first or "").lower() in _PRAGMAS
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() not in _NO_FUNCTIONS
    else:
        allowed = action in _READING
    if not allowed:
        refused.append(_named(action, first, second))
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _named(action: int, first: str | None, second: str | None) -> str:
    """What a statement wanted to do, in a word or two."""
    if action == sqlite3.SQLITE_PRAGMA:
        return f"PRAGMA {first}"
    if action == sqlite3.SQLITE_FUNCTION:
        return f"{second}()"
    return _ACTIONS.get(action, "a change")


_ACTIONS: Final = {
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
    sqlite3.SQLITE_TRANSACTION: "a transaction",
}


def _explained(error: sqlite3.Error, refused: Iterable[str]) -> SensorTuiError | None:
    """The error in our words; None where the file is at fault."""
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    named = next(iter(refused), None)
    if named is not None:
        return UsageError(f"A query may not use {named}", fix=_READ_ONLY_FIX)
    if primary == sqlite3.SQLITE_INTERRUPT:
        return StorageError("The query took too long and was stopped", fix="Narrow it with WHERE or LIMIT")
    if primary == sqlite3.SQLITE_TOOBIG:
        return StorageError("The query makes a value that is too large", fix="Ask for less at a time")
    if primary in _OF_THE_FILE:
        return None
    return UsageError(f"The query is not understood: {str(error).rstrip('.')}", fix=_COLUMNS_FIX)


_OF_THE_FILE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_FULL,
    }
)

"""SQL of an operator's own over one SQLite file: reading only, within limits, and never in a sensor's way.

Where readers and writers exclude each other, an arbitrary statement could hold the sensor up for as long as
it takes. There it runs on a copy, which is made in steps of a few milliseconds.
"""

import math
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from sensor_tui.errors import SensorTuiError, SourceFileError, StorageError, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import BadText
from sensor_tui.model.table import Cell, Table
from sensor_tui.storage.copying import Copier
from sensor_tui.storage.files import SensorConnection, decode, explain, header_problem
from sensor_tui.storage.query_threads import FileThreads
from sensor_tui.storage.schema import DEFINITION

T = TypeVar("T")

QUERY_SECONDS: Final = 30.0
"""How long a statement may run."""
COPY_SECONDS: Final = 120.0
"""How long the copy may take that it runs on."""

_OPERATIONS: Final = 20_000
"""Instructions of SQLite between two looks at the time."""
_MOST_BYTES: Final = 32 * 1024 * 1024
"""Of text in one result."""
_LONGEST_VALUE: Final = 16 * 1024 * 1024
_SPARE_BYTES: Final = 64 * 1024 * 1024
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


class QueryConnection(SensorConnection):
    """A connection for whatever an operator asks; used by one thread at a time."""

    def __init__(self, path: str) -> None:
        """Open the file, which may be any SQLite database.

        Raises:
            OSError, sqlite3.Error: as they come; see `explain`.
        """
        super().__init__(path, write=False)

    def _prepare(self) -> None:
        self._db.text_factory = decode
        self._db.execute("PRAGMA trusted_schema=OFF").close()
        self._db.execute("CREATE TEMP TABLE answer (a0, a1, a2, a3)").close()
        self.ask("schema", DEFINITION, (), width=1)
        self._look_at_mode()
        self._db.execute("DROP TABLE temp.answer").close()

    def select(self, sql: str, limit: int, expired: Callable[[], bool]) -> Table:
        """The first `limit` rows; as `fetch`."""
        return fetch(self._db, sql, limit, expired)


async def query_path(
    key: str, path: str, sql: str, clock: Clock, *, limit: int, seconds: float = QUERY_SECONDS
) -> Table:
    """Rows that `sql` finds in a file, at most `limit`.

    Raises:
        UsageError: SQLite does not understand it, or it would do more than read.
        SourceFileError: the file cannot be used.
        StorageError: it takes too long, or there is no room for a copy.
    """
    return await _Query(key, path, sql, clock, limit=limit, seconds=seconds).run()


class _Query:
    def __init__(self, key: str, path: str, sql: str, clock: Clock, *, limit: int, seconds: float) -> None:
        self._key = key
        self._path = path
        self._sql = sql
        self._clock = clock
        self._limit = limit
        self._seconds = seconds
        self._cancelled = threading.Event()
        self._threads = FileThreads(clock, threads=1, name="sensor-query")

    async def run(self) -> Table:
        began = self._clock.monotonic()
        opened: QueryConnection | None = None
        try:
            opened = await self._threads.patiently(self._open)
            if opened.rollback:
                table = await self._on_copy()
            else:
                deadline = self._clock.monotonic() + self._seconds
                job = partial(opened.select, self._sql, self._limit, partial(self._expired, deadline))
                table = await self._threads.patiently(partial(self._guarded, job), self._cancelled.set)
        finally:
            if opened is not None:
                await self._threads.run(opened.close)
            self._threads.close()
        took = self._clock.monotonic() - began
        return Table(table.columns, table.rows, table.complete, seconds=round(took, 3))

    def _open(self) -> QueryConnection:
        try:
            problem = header_problem(self._path)
        except OSError as error:
            raise explain(self._key, self._path, error) from error
        if problem is not None:
            raise SourceFileError(f"{self._key}: {problem}", fix="Choose the database of a sensor")
        return self._guarded(partial(QueryConnection, self._path))

    async def _on_copy(self) -> Table:
        folder = await self._threads.run(self._make_folder)
        try:
            target = str(Path(folder, "copy.db"))
            copier = await self._threads.patiently(
                partial(self._guarded, partial(Copier, self._path, target))
            )
            try:
                await self._threads.run(partial(self._check, copier), self._cancelled.set)
                await self._copy(copier)
            finally:
                await self._threads.run(copier.close)
            deadline = self._clock.monotonic() + self._seconds
            return await self._threads.run(partial(self._select_copy, target, deadline), self._cancelled.set)
        finally:
            await self._threads.run(partial(shutil.rmtree, folder, ignore_errors=True))

    async def _copy(self, copier: Copier) -> None:
        deadline = self._clock.monotonic() + COPY_SECONDS
        while (rest := await self._threads.patiently(partial(self._guarded, copier.step))) is not None:
            if self._clock.monotonic() > deadline:
                raise StorageError(
                    f"{self._key}: copying it took more than {COPY_SECONDS:.0f} s",
                    fix="A query runs on a copy where the sensor writes in rollback mode: ask for the newest"
                    " readings (--since, --limit) instead of SQL",
                )
            await self._clock.sleep(rest)

    def _check(self, copier: Copier) -> None:
        """Refuse what is not understood before everything is copied."""
        expired = partial(self._expired, self._clock.monotonic() + 1.0)
        try:
            fetch(copier.copy, f"EXPLAIN {self._sql}", 1, expired)
        except (UsageError, StorageError):
            fetch(copier.copy, self._sql, 1, expired)  # it may be an EXPLAIN itself

    def _make_folder(self) -> str:
        folder = tempfile.mkdtemp(prefix="sensor-tui-query-")
        needed = Path(self._path).stat().st_size + _SPARE_BYTES
        free = shutil.disk_usage(folder).free
        if free < needed:
            os.rmdir(folder)  # noqa: PTH106 - as it was made
            raise StorageError(
                f"{self._key}: no room for the copy that the query runs on: {needed >> 20} MB are needed in"
                f" {tempfile.gettempdir()}, {free >> 20} MB are free",
                fix="Free some space there, or set TMPDIR to another folder",
            )
        return folder

    def _select_copy(self, target: str, deadline: float) -> Table:
        copy = sqlite3.connect(target, isolation_level=None)
        try:
            copy.text_factory = decode
            copy.execute("PRAGMA trusted_schema=OFF").close()
            return fetch(copy, self._sql, self._limit, partial(self._expired, deadline))
        finally:
            copy.close()

    def _expired(self, deadline: float) -> bool:
        return self._cancelled.is_set() or self._clock.monotonic() > deadline

    def _guarded(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except (SourceFileError, sqlite3.Error, OSError) as error:
            raise explain(self._key, self._path, error) from error


def fetch(db: sqlite3.Connection, sql: str, limit: int, expired: Callable[[], bool]) -> Table:
    """The first `limit` rows of a query, which may read and do nothing else.

    Raises:
        UsageError: SQLite does not understand it, or it would do more than read.
        StorageError: it took too long, or too much memory.
        sqlite3.Error: the file is at fault.
    """
    refused: list[str] = []
    db.execute("PRAGMA query_only=ON").close()
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    for name in _PRAGMAS:
        with suppress(sqlite3.OperationalError):
            # SQLite declares such a table at its first use, which the authorizer would take for a change.
            db.execute(f"SELECT * FROM pragma_{name} LIMIT 0").close()
    db.set_progress_handler(expired, _OPERATIONS)
    db.set_authorizer(partial(_authorize, refused))
    try:
        cursor = db.execute(sql)
        if cursor.description is None:
            raise UsageError("The query gives no rows", fix=_READ_ONLY_FIX)
        return _read(cursor, limit)
    except sqlite3.Error as error:
        explained = _explained(error, refused)
        if explained is None:
            raise
        raise explained from error
    except (sqlite3.Warning, ValueError) as error:  # several statements, characters that SQL cannot hold
        raise UsageError(f"The query is not understood: {error}", fix=_COLUMNS_FIX) from error
    except MemoryError:
        raise StorageError(
            "The query takes more memory than there is", fix="Ask for less at a time"
        ) from None
    finally:
        db.set_authorizer(None)
        db.set_progress_handler(None, 0)
        db.execute("PRAGMA query_only=OFF").close()


def _read(cursor: sqlite3.Cursor, limit: int) -> Table:
    columns = [str(name) for name, *_ in cursor.description]
    rows: list[list[Cell]] = []
    size = 0
    while len(rows) <= limit and size < _MOST_BYTES:
        row = cursor.fetchone()
        if row is None:
            break
        rows.append(list(map(cell_of, row)))
        size += sum(len(cell) for cell in rows[-1] if isinstance(cell, str))
    complete = len(rows) <= limit and size < _MOST_BYTES
    cursor.close()
    return Table(columns, rows[:limit], complete)


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

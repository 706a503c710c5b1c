"""SQL of an operator's own over one SQLite file: reading only, within limits, and never in a sensor's way.

Where readers and writers exclude each other, an arbitrary statement could hold the sensor up for as long as
it takes. There it runs on a copy, which is made in steps of a few milliseconds.
"""

import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sensor_tui.errors import SourceFileError, StorageError, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.table import Cell, Table
from sensor_tui.storage.copying import Copier
from sensor_tui.storage.files import SensorConnection, decode, explain, header_problem
from sensor_tui.storage.query_guard import GuardedRows, fetch
from sensor_tui.storage.query_threads import FileThreads
from sensor_tui.storage.schema import DEFINITION

T = TypeVar("T")

QUERY_SECONDS: Final = 30.0
"""How long a statement may run."""
COPY_SECONDS: Final = 120.0
"""How long the copy may take that it runs on."""

STREAM_SECONDS: Final = 900.0
"""How long a statement may run whose rows are taken as they come."""

_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 4 * 1024 * 1024
_SPARE_BYTES: Final = 64 * 1024 * 1024


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

    @property
    def database(self) -> sqlite3.Connection:
        """The connection itself, for what is guarded otherwise."""
        return self._db


async def query_path(
    key: str, path: str, sql: str, clock: Clock, *, limit: int, seconds: float = QUERY_SECONDS
) -> Table:
    """Rows that `sql` finds in a file, at most `limit`.

    Raises:
        UsageError: SQLite does not understand it, or it would do more than read.
        SourceFileError: the file cannot be used.
        StorageError: it takes too long, or there is no room for a copy.
    """
    return await _Query(key, path, sql, clock).run(limit, seconds)


def stream_path(
    key: str, path: str, sql: str, clock: Clock, *, seconds: float = STREAM_SECONDS
) -> AsyncGenerator[tuple[list[str], list[list[Cell]]], None]:
    """Columns and rows that `sql` finds in a file, batch by batch, the last of them without rows.

    Raises as `query_path`.
    """
    return _Query(key, path, sql, clock).stream(seconds)


class _Query:
    def __init__(self, key: str, path: str, sql: str, clock: Clock) -> None:
        self._key = key
        self._path = path
        self._sql = sql
        self._clock = clock
        self._cancelled = threading.Event()
        self._threads = FileThreads(clock, threads=1, name="sensor-query")

    async def run(self, limit: int, seconds: float) -> Table:
        began = self._clock.monotonic()
        async with self._database() as db:
            job = partial(fetch, db, self._sql, limit, self._deadline(seconds))
            table = await self._threads.patiently(partial(self._guarded, job), self._cancelled.set)
        took = self._clock.monotonic() - began
        return Table(table.columns, table.rows, table.complete, seconds=round(took, 3))

    async def stream(self, seconds: float) -> AsyncGenerator[tuple[list[str], list[list[Cell]]], None]:
        async with self._database() as db:
            begin = partial(GuardedRows, db, self._sql, self._deadline(seconds))
            rows = await self._threads.patiently(partial(self._guarded, begin), self._cancelled.set)
            try:
                take = partial(self._guarded, partial(rows.take, _BATCH_ROWS, _BATCH_BYTES))
                more = True
                while more:
                    batch = await self._threads.run(take, self._cancelled.set)
                    yield rows.columns, batch
                    more = bool(batch)
            finally:
                await self._threads.run(rows.close)

    def _deadline(self, seconds: float) -> Callable[[], bool]:
        """Whether it is time to stop."""
        return partial(self._expired, self._clock.monotonic() + seconds)

    @asynccontextmanager
    async def _database(self) -> AsyncIterator[sqlite3.Connection]:
        """The file, or a copy of it where reading would hold the sensor up."""
        opened: QueryConnection | None = None
        try:
            opened = await self._threads.patiently(self._open)
            if opened.rollback:
                async with self._copied() as copy:
                    yield copy
            else:
                yield opened.database
        finally:
            if opened is not None:
                await self._threads.run(opened.close)
            self._threads.close()

    @asynccontextmanager
    async def _copied(self) -> AsyncIterator[sqlite3.Connection]:
        folder = await self._threads.run(self._make_folder)
        try:
            target = str(Path(folder, "copy.db"))
            begin = partial(self._guarded, partial(Copier, self._path, target))
            copier = await self._threads.patiently(begin)
            try:
                await self._threads.run(partial(self._check, copier), self._cancelled.set)
                await self._copy(copier)
            finally:
                await self._threads.run(copier.close)
            copy = await self._threads.run(partial(_open_copy, target))
            try:
                yield copy
            finally:
                await self._threads.run(copy.close)
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
        expired = self._deadline(1.0)
        try:
            fetch(copier.copy, f"EXPLAIN {self._sql}", 1, expired)
        except (UsageError, StorageError):
            fetch(copier.copy, self._sql, 1, expired)  # it may be an EXPLAIN itself

    def _open(self) -> QueryConnection:
        try:
            problem = header_problem(self._path)
        except OSError as error:
            raise explain(self._key, self._path, error) from error
        if problem is not None:
            raise SourceFileError(f"{self._key}: {problem}", fix="Choose the database of a sensor")
        return self._guarded(partial(QueryConnection, self._path))

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

    def _expired(self, deadline: float) -> bool:
        return self._cancelled.is_set() or self._clock.monotonic() > deadline

    def _guarded(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except (SourceFileError, sqlite3.Error, OSError) as error:
            raise explain(self._key, self._path, error) from error


def _open_copy(path: str) -> sqlite3.Connection:
    copy = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    copy.text_factory = decode
    copy.execute("PRAGMA trusted_schema=OFF").close()
    return copy

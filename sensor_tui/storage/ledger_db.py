"""The ledger's connection: where it lies, its transactions, and its errors in one line each."""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote as percent

import aiosqlite

from sensor_tui.errors import StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.storage.migrations import check, migrate

STATE_FOLDER: Final = ".sensor-tui"
LEDGER_NAME: Final = "ledger.db"
_BUSY_SECONDS: Final = 5.0
_PRIVATE: Final = 0o077


def state_folder(root: Path, state_dir: Path | None = None) -> Path:
    """Where state for this data root is kept: in `state_dir` where one is given, else in the root.

    Where the root cannot be written: in the user's state folder (`$XDG_STATE_HOME`), under the root's hash.
    """
    if state_dir is not None:
        return state_dir
    data = root if root.is_dir() else root.parent
    inside = data / STATE_FOLDER
    if os.access(inside if inside.is_dir() else data, os.W_OK | os.X_OK):
        return inside
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "sensor-tui" / hashlib.blake2b(os.fsencode(data), digest_size=8).hexdigest()


class LedgerDatabase:
    """One connection, one thread, one transaction at a time.

    Reading alone, nothing is made or written: a ledger that does not exist yet is an empty one.
    """

    def __init__(self, folder: Path, *, clock: Clock, read_only: bool = False) -> None:
        self.path = folder / LEDGER_NAME
        self._clock = clock
        self._read_only = read_only
        self._opened: aiosqlite.Connection | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Open the ledger, making or migrating it as need be.

        Raises:
            StorageError: it cannot be opened or written, or a newer version wrote it.
        """
        try:
            self._opened = await self._connect()
            try:
                await self._prepare(self._opened)
            except BaseException:
                await self.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._refusal(error) from error

    async def close(self) -> None:
        """Close it; nothing when it is not open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(sqlite3.Error):
                await opened.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _connect(self) -> aiosqlite.Connection:
        if not self._read_only:
            _make_private(self.path)
            return await self._connect_to(f"{_uri(self.path)}?mode=rw")
        if not self.path.exists():
            return await self._connect_to(":memory:")
        # Without a WAL nobody has it open: looking must not leave one behind.
        resting = not self.path.with_name(f"{LEDGER_NAME}-wal").exists()
        return await self._connect_to(f"{_uri(self.path)}?{'immutable=1' if resting else 'mode=ro'}")

    async def _connect_to(self, uri: str) -> aiosqlite.Connection:
        return await aiosqlite.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)

    async def _prepare(self, db: aiosqlite.Connection) -> None:
        if self._read_only and self.path.exists():
            await check(db, str(self.path))
            return
        # FULL: a dead letter must be on the disk before its row is closed in another file.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-1024"):
            await db.execute_fetchall(f"PRAGMA {pragma}")
        await migrate(db, str(self.path), now=self._clock.now())

    async def fetch(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query.

        Raises:
            StorageError: the ledger cannot be read.
        """
        try:
            async with self._turn:
                return [tuple(row) for row in await self._db.execute_fetchall(sql, values)]
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """A write transaction: all of what is done in it, or nothing.

        Raises:
            StorageError: the ledger cannot be written.
        """
        try:
            async with self._turn:
                db = self._db
                await db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                    await db.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):  # SQLite has undone it already where the disk is full
                        await db.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    async def write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement for many rows, in a transaction of its own.

        Raises:
            StorageError: the ledger cannot be written.
        """
        async with self.transaction() as db:
            await db.executemany(sql, rows)

    @property
    def _db(self) -> aiosqlite.Connection:
        if self._opened is None:
            raise StorageError(f"{self.path}: the ledger is not open")
        return self._opened

    def _refusal(self, error: sqlite3.Error | OSError) -> StorageError:
        if isinstance(error, OSError):
            return StorageError(
                f"{self.path.parent}: cannot keep the ledger here: {error.strerror}",
                fix="Check the folder's permissions and free space",
            )
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        what, fix = _MEANINGS.get(code, (f"the ledger cannot be used: {error}", "Check the disk it lies on"))
        return StorageError(f"{self.path}: {what}", fix=fix)


_MEANINGS: Final = {
    sqlite3.SQLITE_FULL: ("no space left for the ledger", "Free some space; nothing is closed until then"),
    sqlite3.SQLITE_BUSY: (
        f"the ledger has been locked by another process for {_BUSY_SECONDS:g} s", "Stop the one that holds it"
    ),
    sqlite3.SQLITE_READONLY: ("the ledger may not be written", "Check the permissions of the state folder"),
    sqlite3.SQLITE_CANTOPEN: ("the ledger cannot be opened", "Check the permissions of the state folder"),
    sqlite3.SQLITE_NOTADB: (
        "the ledger is not an SQLite database", "Move it away; positions and dead letters start anew"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the ledger is corrupt", "Recover it with sqlite3's .recover, or move it away to start anew"
    ),
    sqlite3.SQLITE_IOERR: (
        "the ledger cannot be read or written: input/output error", "Check the disk and its free space"
    ),
}  # fmt: skip


def _uri(path: Path) -> str:
    return f"file:{percent(os.fsencode(path))}"


def _make_private(path: Path) -> None:
    """Folder and file for their owner alone; SQLite gives -wal and -shm the file's permissions."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o777 & ~_PRIVATE)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666 & ~_PRIVATE))

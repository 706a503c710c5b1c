"""The few threads that touch sensor files, with a bounded number of open connections."""

import asyncio
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from sensor_tui.errors import SourceFileError
from sensor_tui.storage.files import FileBusy, Observer, SensorConnection, explain, replaced
from sensor_tui.storage.tracked import TrackedFile

T = TypeVar("T")


class Lease:
    """The right to use one file's connection until the `async with` ends; others wait for it."""

    def __init__(self, pool: "FilePool", file: TrackedFile) -> None:
        self._pool = pool
        self._file = file
        self._used: SensorConnection | None = None

    @property
    def seconds(self) -> float:
        """How long the last statement took; 0 when there was none."""
        return self._used.wall if self._used is not None else 0.0

    async def run(self, job: Callable[[SensorConnection], T]) -> T:
        """Do `job` in a thread with the file's connection, opened if need be.

        Raises:
            FileBusy: locked by another process.
            SourceFileError: it cannot be used.
        """
        return await self._pool.run(lambda: self._guarded(job))

    def here(self, job: Callable[[SensorConnection], T]) -> T:
        """Do `job` on the calling thread with the connection just used: for work in memory, not on the file.

        Python takes the interpreter anew for every row it fetches, which in a thread, beside a busy loop,
        costs milliseconds per row; on the loop's own thread it costs nothing.
        """
        assert self._used is not None
        return job(self._used)

    def _guarded(self, job: Callable[[SensorConnection], T]) -> T:
        file = self._file
        try:
            return self._do(job)
        except (SourceFileError, sqlite3.Error, OSError) as error:
            refusal = explain(file.key, file.path, error, known_size=file.good_size)
            if not isinstance(refusal, FileBusy):
                self._pool.discard(file)  # what it keeps in memory may be of a file that is no more
            raise refusal from error

    def _do(self, job: Callable[[SensorConnection], T]) -> T:
        connection = self._used = self._pool.connection(self._file)
        try:
            return job(connection)
        except sqlite3.OperationalError as error:
            # The sensor may have changed its table since the columns were read.
            if error.sqlite_errorcode != sqlite3.SQLITE_ERROR or not connection.refresh():
                raise
            return job(connection)


class FilePool:
    """Threads and connections. Calls for one file follow one another; different files go side by side.

    The threads are its own: the default executor of asyncio also resolves host names, which must not wait.
    """

    def __init__(self, *, threads: int, max_open: int, write: bool, observer: Observer | None = None) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="sensor-files")
        self._max_open = max_open
        self._write = write
        self._observer = observer
        self._open: OrderedDict[str, SensorConnection] = OrderedDict()
        self._leased: set[str] = set()
        self._guard = threading.Lock()
        self._closed = False

    @property
    def open_connections(self) -> int:
        """How many files are open now."""
        return len(self._open)

    async def run(self, job: Callable[[], T]) -> T:
        """Do `job` in one of the threads; when cancelled, leave only after it has ended."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    @asynccontextmanager
    async def lease(self, file: TrackedFile) -> AsyncIterator[Lease]:
        """Have the file alone."""
        async with file.lock:
            self._leased.add(file.key)
            try:
                yield Lease(self, file)
            finally:
                self._leased.discard(file.key)

    def connection(self, file: TrackedFile) -> SensorConnection:
        """The open connection of a leased file; for `Lease`, and called in its thread.

        An immutable one is opened anew each time, since it would not see what changes.

        Raises:
            SourceFileError: the path leads to another file than the one last looked at.
        """
        with self._guard:
            known = self._open.get(file.key)
            if known is not None:
                self._open.move_to_end(file.key)
        if known is not None:
            if not known.immutable:
                return known
            self.discard(file)
        self._make_room()
        opened = SensorConnection(file.path, write=self._write, observer=self._observer)
        with self._guard:
            self._open[file.key] = opened
        if file.signature and opened.inode != file.inode:
            self.discard(file)
            raise replaced()
        return opened

    def discard(self, file: TrackedFile) -> None:
        """Close the file's connection, if it has one."""
        with self._guard:
            known = self._open.pop(file.key, None)
        if known is not None:
            known.close()

    async def close(self) -> None:
        """Close every connection and end the threads; nothing the second time."""
        if self._closed:
            return
        self._closed = True

        def close_all() -> None:
            with self._guard:
                every = list(self._open.values())
                self._open.clear()
            for connection in every:
                connection.close()

        await self.run(close_all)
        self._executor.shutdown(wait=True)

    def _make_room(self) -> None:
        while True:
            with self._guard:
                idle = [key for key in self._open if key not in self._leased]
                excess = len(self._open) - self._max_open + 1
                victim = self._open.pop(idle[0]) if excess > 0 and idle else None
            if victim is None:
                return
            victim.close()

"""The store of readings: sensor files and the ledger, as the engine uses them."""

import logging
import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sensor_tui.errors import SourceFileError, StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import Batch
from sensor_tui.model.source import (
    DeadLetter,
    HeldRows,
    Intent,
    Mark,
    Peek,
    Scan,
    SensorKey,
    SourceFile,
    Tracking,
)
from sensor_tui.storage.counting import OpenCounts
from sensor_tui.storage.discovery import Tree
from sensor_tui.storage.files import FileDamaged, Observer, SensorConnection, is_read_only
from sensor_tui.storage.held import close_stretch, joined
from sensor_tui.storage.ledger import Ledger, StoredLetter
from sensor_tui.storage.ledger_db import state_folder
from sensor_tui.storage.locks import Owner, Ownership
from sensor_tui.storage.marking import chunks, close_chunk, reopen_row, reset_span
from sensor_tui.storage.pool import FilePool, Lease
from sensor_tui.storage.scanner import Scanner, attempt
from sensor_tui.storage.tracked import TrackedFile, Trouble
from sensor_tui.storage.windows import copy_rows, peek_at

T = TypeVar("T")

LOCK_PATIENCE: Final = 5.0
"""Seconds a file may be locked by another process before that is a problem."""
_LEAST_REST: Final = 0.004
_MOST_REST: Final = 0.05
_OLDEST_SQLITE: Final = (3, 35, 0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reopened:
    """What a retry of dead letters did: how many will be read again, and the files that could not be used."""

    letters: int
    problems: dict[str, str] = field(default_factory=dict)


class SqliteStore:
    """Sensor files under a root, and the ledger beside them. Everything runs on one event loop.

    Args:
        root: a data folder, or one database.
        clock: what tells the time.
        state_dir: where the ledger goes when the root cannot be written.
        lock: own the files, so that no other engine reads them; without it nothing is locked.
        read_only: look only; neither files nor ledger are written.
        threads: threads that touch files.
        max_open: connections held open.
        rescan_seconds: time between two searches for new files.
        socket_hint: address of our service, for the one who finds a file owned by us.
        place: the city of files that no folder below the root names one for.
        left_to: who is to have a file of this key, so that it is not taken; None where nobody else is.
        observer: told of every statement on a sensor's file.
    """

    def __init__(
        self,
        root: Path,
        *,
        clock: Clock,
        state_dir: Path | None = None,
        lock: bool = True,
        read_only: bool = False,
        threads: int = 2,
        max_open: int = 64,
        rescan_seconds: float = 5.0,
        socket_hint: str = "",
        place: str | None = None,
        left_to: Callable[[str], str | None] = lambda _: None,
        observer: Observer | None = None,
    ) -> None:
        self.root = Path(os.path.abspath(root))  # noqa: PTH100 - without following links: the root names a city
        self.state_folder = state_folder(self.root, state_dir)
        self.ledger = Ledger(self.state_folder, clock=clock, read_only=read_only)
        self._clock = clock
        self._read_only = read_only
        self._ownership = None
        if lock and not read_only:
            owner = Owner.here(str(self.root), since=clock.now(), socket_hint=socket_hint)
            self._ownership = Ownership(owner)
        self._pool = FilePool(threads=threads, max_open=max_open, write=not read_only, observer=observer)
        self._scanner = Scanner(
            Tree(self.root, place=place),
            self._pool,
            self.ledger,
            clock=clock,
            ownership=self._ownership,
            rescan_seconds=rescan_seconds,
            read_only=read_only,
            left_to=left_to,
        )

    async def open(self) -> None:
        """Open the ledger; files are opened by `scan`.

        Raises:
            StorageError: the root is missing, or the ledger cannot be used.
        """
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StorageError(
                f"SQLite {sqlite3.sqlite_version} is too old",
                fix="Use a Python built with SQLite 3.35 or newer",
            )
        if not self.root.exists():
            raise StorageError(
                f"{self.root}: no such file or folder", fix="Name the data folder or a database"
            )
        await self.ledger.open()

    async def close(self) -> None:
        """Let go of everything; nothing the second time."""
        await self._pool.close()
        if self._ownership is not None:
            self._ownership.close()
        await self.ledger.close()

    def files(self) -> list[SourceFile]:
        """The files that are read, in the order of their keys."""
        return [file.source for _, file in sorted(self._scanner.files.items()) if file.source is not None]

    def path(self, key: str) -> Path:
        """Where a file is.

        Raises:
            SourceFileError: there is none of that key.
        """
        return Path(self._file(key).path)

    def search_soon(self) -> None:
        """Look for new files at the next scan."""
        self._scanner.search_soon()

    async def scan(self) -> Scan:
        return await self._scanner.scan()

    async def leave(self, key: str) -> None:
        """Let go of a file, for the one who is to have it.

        Raises:
            SourceFileError: there is nobody any more, and it is still ours.
        """
        await self._scanner.leave(key)

    async def peek(self, key: str, *, after: int) -> Peek:
        file = self._file(key)
        async with self._pool.lease(file) as lease:
            if file.trouble is Trouble.DAMAGED:
                # Counting all of it anew tells whether it has been mended.
                file.recover()
                file.counts = OpenCounts()
            found: Peek | None = None
            while found is None:
                found = await self._attempt(file, lease, partial(peek_at, file=file, after=after))
            self._note(file, lease)
        if found.restarted and not file.restart_saved:
            _log.warning("%s: its row ids began again; it is read from the start", key)
            if not self._read_only:
                await self.ledger.start_again([key])
            file.restart_saved = True
        return found

    async def read(self, key: str, *, after: int, limit: int) -> Batch:
        file = self._file(key)
        async with self._pool.lease(file) as lease:
            copied = await self._attempt(file, lease, partial(copy_rows, file=file, after=after, limit=limit))
            schema, rows, repeated = lease.here(SensorConnection.take_batch)
        if rows and schema.timestamp is not None and rows[-1][schema.timestamp] is not None:
            file.anchor = (rows[-1][0], rows[-1][schema.timestamp])
        through = copied.through if copied.through is not None else rows[-1][0]
        return Batch(key, file.city, schema, rows, through, copied.more, repeated)

    async def close_rows(self, key: str, marks: Sequence[Mark]) -> None:
        file = self._file(key)
        if file.source is None or not file.source.marks:
            return
        for chunk in chunks(file, marks):
            file.counts.forget(chunk.ids[0] - 1, chunk.ids[-1])
            await self._write(file, partial(close_chunk, file=file, chunk=chunk))
            if file.read_only:
                return

    async def close_held(self, key: str, held: Sequence[HeldRows], value: Tracking) -> bool:
        stretches = [(run, rows) for rows in held for run in rows.runs]
        if not stretches:
            return True
        file = self._file(key)
        if file.source is None or not file.source.marks:
            return False
        for stretch in joined(file, stretches):
            file.counts.forget(stretch.run.first - 1, stretch.run.last)
            await self._write(file, partial(close_stretch, file=file, stretch=stretch, value=value))
            if file.read_only:
                return False
        return True

    async def intents(self, key: str) -> Sequence[Intent]:
        return await self.ledger.intents(key)

    async def closings(self, key: str, seconds: float) -> Mapping[SensorKey, float]:
        return await self.ledger.closings(key, seconds)

    async def parts(self, key: str, sensor: SensorKey, seconds: float, start: float) -> int:
        return await self.ledger.parts(key, sensor, seconds, start)

    async def intend(self, key: str, intents: Sequence[Intent], closings: Mapping[SensorKey, float]) -> None:
        await self.ledger.intend(key, intents, closings)

    async def fulfil(self, intents: Sequence[Intent], *, keep: bool) -> None:
        await self.ledger.fulfil(intents, keep=keep)

    async def start_windows_again(self, key: str) -> None:
        await self.ledger.start_windows_again(key)

    async def positions(self, key: str) -> Mapping[str, int]:
        return await self.ledger.positions(key)

    async def save_positions(self, positions: Mapping[tuple[str, str], int]) -> None:
        anchors = {}
        holding = dict(positions)
        for key, sink in positions:
            file = self._scanner.files.get(key)
            if file is None:
                continue
            if file.restarted:
                del holding[key, sink]  # of rows that are no more
            elif file.anchor is not None:
                anchors[key] = file.anchor
        await self.ledger.save_positions(holding, anchors)

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        await self.ledger.bury(letters)

    async def dead_letters(self) -> Mapping[str, int]:
        return await self.ledger.dead_letters()

    async def rewinds(self) -> Mapping[str, int]:
        return await self.ledger.rewinds()

    async def reopen(self, ids: Sequence[int] | None = None) -> Reopened:
        """Have dead letters read and sent again, all of them without `ids`.

        Their rows are opened first, then the ledger drops them and asks for a rewind in one transaction: an
        interruption in between leaves letters that can be retried again, and loses none.

        Raises:
            StorageError: the ledger cannot be written.
        """
        by_source: dict[str, list[StoredLetter]] = {}
        for letter in await self.ledger.letters(ids=ids):
            by_source.setdefault(letter.letter.source, []).append(letter)
        done, problems = 0, {}
        for source, letters in by_source.items():
            try:
                file = self._file(source)
                marked = file.source is not None and file.source.marks
                if marked:
                    for letter in letters:
                        await self._write(file, partial(reopen_row, row_id=letter.letter.row_id))
                    file.counts = OpenCounts()
            except SourceFileError as error:
                problems[source] = str(error)
                continue
            await self.ledger.reopened(letters, marked=marked)
            done += len(letters)
        return Reopened(done, problems)

    async def reset_tracking(self) -> None:
        """Open every row of every file again and forget all positions, in steps short enough for the sensors.

        Raises:
            StorageError: a file or the ledger cannot be written.
        """
        for file in list(self._scanner.files.values()):
            if file.source is None:
                continue
            start: int | None = 0
            while start is not None and file.source.marks:
                step = partial(reset_span, file=file, after=start)
                start = await self._write(file, step)
            file.forget_rows()
        await self.ledger.start_again([source.key for source in self.files()])

    async def change(self, key: str, job: Callable[[SensorConnection, TrackedFile], T]) -> T | None:
        """Do one short transaction on a file, as marks are written; None where the file takes none.

        Raises:
            SourceFileError: as `peek`.
        """
        file = self._file(key)
        return await self._write(file, partial(_with_file, file=file, job=job))

    async def _write(self, file: TrackedFile, job: Callable[[SensorConnection], T]) -> T | None:
        """Do a transaction on a file, after the rest its sensor is due; None where the file takes none.

        Back to back, our transactions could keep a sensor waiting that tries only now and then.
        """
        async with self._pool.lease(file) as lease:
            pause = file.rest_until - self._clock.monotonic()
            if pause > 0:
                await self._clock.sleep(pause)
            try:
                result = await self._attempt(file, lease, partial(_unless_read_only, file=file, job=job))
            finally:
                seconds = lease.seconds
                if file.source is not None and file.source.rollback:
                    rest = min(_MOST_REST, max(_LEAST_REST, 2 * seconds))
                    file.rest_until = self._clock.monotonic() + rest
        if file.read_only and file.source is not None and file.source.marks:
            file.source = replace(file.source, marks=False)
            file.unsettled = True
            _log.warning("%s: may not be written any more; its position alone is kept", file.key)
        return result

    async def _attempt(self, file: TrackedFile, lease: Lease, job: Callable[[SensorConnection], T]) -> T:
        try:
            return await attempt(file, lease, job, clock=self._clock, patience=LOCK_PATIENCE)
        except FileDamaged as error:
            file.fail(Trouble.DAMAGED, str(error))
            raise
        except SourceFileError as error:
            if file.trouble is not Trouble.LOCKED:
                file.fail(Trouble.UNUSABLE, str(error))
            raise

    def _note(self, file: TrackedFile, lease: Lease) -> None:
        """Take note of a journal mode or a `synced` column that came or went; the next scan says so."""
        if file.source is None:
            return
        rollback, marks = lease.here(lambda each: (each.rollback, each.marks))
        now = replace(file.source, rollback=rollback, marks=marks and not file.read_only)
        if now != file.source:
            file.source = now
            file.unsettled = True

    def _file(self, key: str) -> TrackedFile:
        file = self._scanner.files.get(key)
        if file is None or file.source is None:
            raise SourceFileError(f"{key}: is gone", fix="It is taken up again when it comes back")
        return file


def _with_file(
    connection: SensorConnection, file: TrackedFile, job: Callable[[SensorConnection, TrackedFile], T]
) -> T:
    return job(connection, file)


def _unless_read_only(
    connection: SensorConnection, file: TrackedFile, job: Callable[[SensorConnection], T]
) -> T | None:
    """Do a write; None where the file turns out to take none."""
    connection.check_place()
    try:
        return job(connection)
    except sqlite3.OperationalError as error:
        if not is_read_only(error):
            raise
        connection.check_place()
        file.read_only = True
        return None

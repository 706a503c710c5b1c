"""Connections to sensor files: opened without ever creating or blocking one, and errors put into words."""

# Paths are strings here: a thousand files are looked at each second, and names need not be UTF-8.
# ruff: noqa: PTH116, PTH120

import os
import resource
import sqlite3
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote as percent

from sensor_tui.errors import SourceFileError
from sensor_tui.model.reading import BadText, ReadingSchema
from sensor_tui.storage.repeats import Repeats, changed, find_repeats
from sensor_tui.storage.schema import DEFINITION, FileSchema, read_schema

Observer = Callable[[str, str, float, float], None]
"""Told of every statement on a sensor's file: path, purpose, seconds by the wall, processor seconds."""

Inode = tuple[int, int]
"""Device and number: what a file is, whatever it is called."""

Values = Sequence[Any] | Mapping[str, Any]

BUSY_SECONDS: Final = 0.05
_MAGIC: Final = b"SQLite format 3\x00"
_READ_VERSION_AT: Final = 19
_READ_VERSION_WAL: Final = b"\x02"
"""The header's file format read version, at its offset (sqlite.org/fileformat2.html)."""
_ANSWERS: Final = ("a0", "a1", "a2", "a3")

_guard = threading.Lock()
_open_inodes: Counter[Inode] = Counter()


class FileBusy(Exception):
    """Another process has the file locked; worth trying again."""


class FileDamaged(SourceFileError):
    """Part of the file cannot be read; what precedes it can."""


def decode(raw: bytes) -> str | BadText:
    """Text as SQLite has it, kept as bytes where it is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return BadText(raw)


def header_problem(path: str) -> str | None:
    """Why this is not an SQLite database; None when it is.

    Never looks while this process has the file open: closing a descriptor would drop every POSIX lock
    that the process holds on that file, SQLite's own included.

    Raises:
        OSError: it cannot be read.
    """
    with _guard:
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            return "is not a file"
        if (facts.st_dev, facts.st_ino) in _open_inodes:
            return None
        if facts.st_size == 0:
            return "is empty: its sensor has not made the table yet"
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return None if os.pread(descriptor, len(_MAGIC), 0) == _MAGIC else "is not an SQLite database"
        finally:
            os.close(descriptor)


class SensorConnection:
    """One connection to one sensor's file; used by one thread at a time."""

    def __init__(self, path: str, *, write: bool, observer: Observer | None = None) -> None:
        """Open it; no lock is taken yet.

        Raises:
            OSError, sqlite3.Error: as they come; see `explain`.
        """
        self.path = path
        self._observer = observer
        self.wall = 0.0
        """Seconds the last statement took, the wait for the interpreter included."""
        self.cpu = 0.0
        """Processor seconds of the last statement."""
        self.seconds = 0.0
        """How long the last statement can have held its lock, as near as can be told.

        Measured around it, time includes the wait for the interpreter, for which no lock is held: so it is
        processor time, unless the disk was read.
        """
        self.immutable = False
        self.rollback = True
        self.writable = write and os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK)
        mode = "mode=rw" if self.writable else "mode=ro"
        with _guard:
            facts = os.stat(path)
            self.inode: Inode = (facts.st_dev, facts.st_ino)
            if not self.writable and self.inode not in _open_inodes and _is_resting_wal(path):
                # Nobody has it open. Looking must not leave a WAL behind, and in a folder that cannot be
                # written SQLite could not even make one.
                mode, self.immutable = "immutable=1", True
            _open_inodes[self.inode] += 1
        try:
            self._db = self._connect(mode)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            self._forget()
            raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{percent(os.fsencode(self.path))}?{mode}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _prepare(self) -> None:
        self._db.text_factory = decode
        # A small cache: many files share the memory. No spill: it would lock readers out early.
        for pragma in ("temp_store=MEMORY", "cache_size=-512", "cache_spill=OFF", "trusted_schema=OFF"):
            self._db.execute(f"PRAGMA {pragma}").close()
        self._db.execute(f"CREATE TEMP TABLE answer ({', '.join(_ANSWERS)})").close()
        self._db.execute("CREATE TEMP TABLE marks (id INTEGER PRIMARY KEY, value, time)").close()
        (definition,) = self.ask("schema", DEFINITION, (), width=1)
        self.load_schema(definition)
        self._look_at_mode()

    def load_schema(self, definition: str | None) -> None:
        """Read the table's columns; `definition` is what `DEFINITION` just gave.

        Raises:
            SourceFileError: no usable table.
        """
        self.schema: FileSchema = read_schema(self._db, definition)
        self._repeats: Repeats | None = None
        self._broken: Repeats | None = None
        self._changing: set[int] = set()
        self._db.execute("DROP TABLE IF EXISTS temp.batch").close()
        self._db.execute(self.schema.make_batch).close()

    def refresh(self) -> bool:
        """Read the columns again where the table's definition has changed; whether it had.

        Raises:
            SourceFileError: no usable table any more.
        """
        (definition,) = self.ask("schema", DEFINITION, (), width=1)
        self._look_at_mode()
        if definition == self.schema.definition:
            return False
        self.load_schema(definition)
        return True

    @property
    def marks(self) -> bool:
        """Whether rows can be marked: there is a column for it, and the file may be written."""
        return self.schema.reading.has_synced and self.writable

    def _look_at_mode(self) -> None:
        """Take note of the journal mode that the last transaction found; takes no lock."""
        mode = self._db.execute("PRAGMA main.journal_mode").fetchone()[0]
        rollback = mode != "wal" and not self.immutable
        if rollback == self.rollback:
            return
        self.rollback = rollback
        # With a WAL, NORMAL cannot corrupt; a mark lost with the power is sent again and found there.
        self._db.execute(f"PRAGMA main.synchronous={'FULL' if rollback else 'NORMAL'}").close()

    def check_place(self) -> None:
        """Make sure that the path still leads to the file that is open here; before looks and writes.

        Raises:
            SourceFileError: it leads to another one.
            OSError: it leads to none.
        """
        facts = os.stat(self.path)
        if (facts.st_dev, facts.st_ino) != self.inode:
            raise replaced()

    def run(self, purpose: str, sql: str, values: Values = ()) -> int:
        """Run one statement that is done in one step, measured; the number of rows it changed."""
        before, wall = resource.getrusage(resource.RUSAGE_THREAD).ru_inblock, time.perf_counter()
        cpu = time.thread_time()
        try:
            cursor = self._db.execute(sql, values)
        finally:
            self.cpu = time.thread_time() - cpu
            self.wall = time.perf_counter() - wall
            waited = resource.getrusage(resource.RUSAGE_THREAD).ru_inblock > before
            self.seconds = self.wall if waited else self.cpu
            if self._observer is not None:
                self._observer(self.path, purpose, self.wall, self.cpu)
        changed = cursor.rowcount
        cursor.close()
        return changed

    def ask(self, purpose: str, select: str, values: Values, *, width: int) -> tuple[Any, ...]:
        """The one row of `width` columns that `select` gives, read in one step; Nones when there is none."""
        self.run(purpose, f"INSERT INTO temp.answer ({', '.join(_ANSWERS[:width])}) {select}", values)
        try:
            row: tuple[Any, ...] | None = self._db.execute("SELECT * FROM temp.answer").fetchone()
        finally:
            self._db.execute("DELETE FROM temp.answer").close()
        return row[:width] if row is not None else (None,) * width

    def last_copied(self) -> int:
        """Row id of the last row in `batch`; touches memory only."""
        (row_id,) = self._db.execute("SELECT c0 FROM temp.batch ORDER BY rowid DESC LIMIT 1").fetchone()
        return int(row_id)

    def clear_batch(self) -> None:
        """Empty `batch` of what a cancelled read may have left."""
        self._db.execute("DELETE FROM temp.batch").close()

    def copy_window(self, values: Mapping[str, Any]) -> int:
        """Copy a window into `batch`; how many rows."""
        if self._repeats is None:
            return self.run("window", self.schema.window(), values)
        window = self.schema.window(self._repeats.columns)
        return self.run("window", window, {**values, **self._repeats.parameters})

    def repeats_hold(self) -> bool:
        """Whether what was not copied into `batch` is as it was thought; if not, all is copied next."""
        if self._repeats is None:
            return True
        (same,) = self._db.execute("SELECT min(same) FROM temp.batch").fetchone()
        if not same:
            self._broken, self._repeats = self._repeats, None
        return bool(same)

    def take_batch(self) -> tuple[ReadingSchema, list[tuple[Any, ...]], int]:
        """The order of columns, the rows copied into `batch`, and how many columns at the end repeat.

        Empties `batch`; touches memory only, never the file.
        """
        repeats = self._repeats
        columns = range(len(self.schema.reading.columns)) if repeats is None else repeats.varying
        select = f"SELECT {', '.join(f'c{index}' for index in columns)} FROM temp.batch ORDER BY rowid"
        try:
            self._db.text_factory = str
            rows = self._db.execute(select).fetchall()
        except sqlite3.OperationalError as error:
            if "UTF-8" not in str(error):
                raise
            self._db.text_factory = decode
            rows = self._db.execute(select).fetchall()
        finally:
            self._db.text_factory = decode
            self.clear_batch()
        if repeats is not None:
            return repeats.schema, [row + repeats.values for row in rows], len(repeats.columns)
        if self._broken is not None:
            self._changing |= changed(self._broken, rows)
            self._broken = None
        self._repeats = find_repeats(self.schema.reading, rows, self._changing)
        return self.schema.reading, rows, 0

    def list_marks(self, marks: Sequence[tuple[int, int, Any]]) -> None:
        """Put (id, value, time) into the temporary table `marks`, replacing what it held."""
        self._db.execute("DELETE FROM temp.marks").close()
        self._db.execute("BEGIN").close()
        try:
            self._db.executemany("INSERT OR IGNORE INTO temp.marks VALUES (?, ?, ?)", marks).close()
        finally:
            self._db.execute("COMMIT").close()

    def close(self) -> None:
        """Let go of the file; SQLite may write back a WAL that nobody else has open."""
        try:
            with suppress(sqlite3.Error):
                self._db.close()
        finally:
            self._forget()

    def _forget(self) -> None:
        with _guard:
            _open_inodes[self.inode] -= 1
            if not _open_inodes[self.inode]:
                del _open_inodes[self.inode]


def explain(
    name: str, path: str, error: SourceFileError | sqlite3.Error | OSError, *, known_size: int = 0
) -> SourceFileError | FileBusy:
    """What an error on a sensor's file means, in one line that begins with the file's name.

    `known_size` (bytes) is what it had when it could be read, and tells a truncated one.
    """
    if isinstance(error, sqlite3.Error) and _is_code(error, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return FileBusy(name)
    shrunk = _truncation(name, path, known_size)
    if shrunk is not None and not _is_code(error, *_NOT_THE_CONTENT):
        return shrunk
    kind, what, fix = _meaning(path, error)
    return kind(f"{name}: {what}", fix=fix)


def _meaning(
    path: str, error: SourceFileError | sqlite3.Error | OSError
) -> tuple[type[SourceFileError], str, str]:
    if isinstance(error, SourceFileError):
        return SourceFileError, error.message, error.fix
    if not os.path.lexists(path):
        return SourceFileError, "is gone", "It is taken up again when it comes back"
    if isinstance(error, OSError):
        return SourceFileError, str(error.strerror), "Check the permissions of the file and its folder"
    for codes, what, fix in _MEANINGS:
        if _is_code(error, *codes):
            return FileDamaged if sqlite3.SQLITE_CORRUPT in codes else SourceFileError, what, fix
    return SourceFileError, str(error), "Check the file with sqlite3's integrity_check, on a copy"


def replaced() -> SourceFileError:
    """The error of a path that leads to another file now."""
    return SourceFileError("was replaced by another file", fix="It is read from its start at the next look")


def _truncation(name: str, path: str, known_size: int) -> FileDamaged | None:
    """The error of a file that is shorter than it was when it could be read; None when it is not."""
    with suppress(OSError):
        size = os.stat(path).st_size
        if size < known_size:
            return FileDamaged(
                f"{name}: was truncated from {known_size} to {size} bytes",
                fix="Restore it; readings that were not sent are lost",
            )
    return None


_NOT_THE_CONTENT: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_MEANINGS: Final = (
    ((sqlite3.SQLITE_NOTADB,), "is not an SQLite database", "Keep it out of the data folder, or restore it"),
    ((sqlite3.SQLITE_CORRUPT,), "is corrupt", "Recover it on a copy with sqlite3's .recover"),
    ((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH), "cannot be opened",
     "Check the permissions of the file, of its folder and of the -wal and -shm files beside it"),
    ((sqlite3.SQLITE_READONLY,), "has an unfinished transaction and may only be read",
     "Start its sensor, or allow writing, so that SQLite can finish it"),
    ((sqlite3.SQLITE_FULL,), "cannot be marked: no space left on its disk", "Free some space there"),
    ((sqlite3.SQLITE_IOERR,), "cannot be read or written: input/output error", "Check its disk"),
)  # fmt: skip


def is_read_only(error: sqlite3.Error) -> bool:
    """Whether a write failed because the file, or its folder, takes none."""
    return _is_code(error, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether a read met pages that hold no sense."""
    return _is_code(error, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _is_code(error: Exception, *codes: int) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # absent on errors that Python itself raises
    return code is not None and code & 0xFF in codes


def _is_resting_wal(path: str) -> bool:
    """Whether this is a WAL database without a WAL, which means that nobody has it open.

    Only for a file that this process does not have open, as in `header_problem`.
    """
    if os.path.lexists(path + "-wal"):
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, 1, _READ_VERSION_AT) == _READ_VERSION_WAL
    finally:
        os.close(descriptor)

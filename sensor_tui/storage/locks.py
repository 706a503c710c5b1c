"""Ownership of sensor files: which engine reads and marks one, across processes, containers and roots.

A file `.{name}.sensor-tui.lock` beside the database is held with flock(2), which ends with its process
and holds across bind mounts of the same tree. Where no such file can be made or opened, the folder itself
is held instead; holders of a lock file share the folder, so that the two ways exclude each other.
"""

# Paths are strings here: a thousand files are looked at each second, and names need not be UTF-8.
# ruff: noqa: PTH116, PTH118, PTH120

import errno
import fcntl
import json
import os
import resource
import socket
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sensor_tui.errors import StorageError

_MAX_CONTENT: Final = 4096
_ATTEMPTS: Final = 3
_SPARE_DESCRIPTORS: Final = 256


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a file, as the lock file says; `since` in seconds since the epoch."""

    host: str
    pid: int
    root: str
    since: float
    socket: str = ""

    @classmethod
    def here(cls, root: str, *, since: float, socket_hint: str) -> "Owner":
        """This process."""
        return cls(socket.gethostname(), os.getpid(), root, since, socket_hint)


def owner_text(owner: Owner | None) -> str:
    """Who holds a file, in one line."""
    if owner is None:
        return "another engine, which could not leave its name"
    try:
        since = datetime.fromtimestamp(owner.since, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        since = "an unknown time"
    reach = f", reachable at {owner.socket}" if owner.socket else ""
    return f"process {owner.pid} on {owner.host}, which reads {owner.root} since {since}{reach}"


def lock_path(database: str) -> str:
    """The lock file of a database."""
    folder, name = os.path.split(database)
    return os.path.join(folder, f".{name}.sensor-tui.lock")


@dataclass(slots=True)
class _Folder:
    descriptor: int
    users: int
    exclusive: bool


class Ownership:
    """The locks one store holds. Methods may be called from any thread."""

    def __init__(self, owner: Owner) -> None:
        self._content = json.dumps(asdict(owner)).encode()
        self._held: dict[str, int | None] = {}
        self._folders: dict[str, _Folder] = {}
        self._guard = threading.Lock()

    def take(self, database: str) -> str | None:
        """Own the file, if nobody else does; otherwise who does, in words.

        Raises:
            StorageError: no more files can be held open.
            OSError: the folder cannot be opened.
        """
        with self._guard:
            if database in self._held:
                return None
            try:
                return self._take(database)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE):
                    raise
                soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
                raise StorageError(
                    f"cannot own more than {len(self._held)} sensor files: the limit of open files is {soft}",
                    fix="Raise it with `ulimit -n` or the service's LimitNOFILE, or split the data folder",
                ) from None

    def release(self, database: str) -> None:
        """Let go of the file; nothing when it was not held."""
        with self._guard:
            if database not in self._held:
                return
            descriptor = self._held.pop(database)
            if descriptor is not None:
                with suppress(OSError):
                    os.ftruncate(descriptor, 0)  # a name left behind would be taken for the next holder's
                os.close(descriptor)
            self._leave_folder(os.path.dirname(database))

    def close(self) -> None:
        """Let go of everything."""
        for database in list(self._held):
            self.release(database)

    def _take(self, database: str) -> str | None:
        folder = os.path.dirname(database)
        path = lock_path(database)
        descriptor = _open_lock(path)
        if descriptor is None:
            if not self._enter_folder(folder, exclusive=True):
                return owner_text(None)
            self._held[database] = None
            return None
        try:
            if not _lock(descriptor, path):
                owner = _read_owner(descriptor)
                os.close(descriptor)
                return owner_text(owner)
            if not self._enter_folder(folder, exclusive=False):
                os.close(descriptor)
                return owner_text(None)
        except BaseException:
            with suppress(OSError):
                os.close(descriptor)
            raise
        with suppress(OSError):  # opened read-only: held all the same
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self._content, 0)
        self._held[database] = descriptor
        return None

    def _enter_folder(self, path: str, *, exclusive: bool) -> bool:
        folder = self._folders.get(path)
        if folder is None:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if not _flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH):
                os.close(descriptor)
                return False
            folder = self._folders[path] = _Folder(descriptor, 0, exclusive)
        elif exclusive and not folder.exclusive:
            if not _flock(folder.descriptor, fcntl.LOCK_EX):
                # A failed conversion has let go of the shared lock; nobody excludes us, so it comes back.
                _flock(folder.descriptor, fcntl.LOCK_SH)
                return False
            folder.exclusive = True
        folder.users += 1
        return True

    def _leave_folder(self, path: str) -> None:
        folder = self._folders[path]
        folder.users -= 1
        if not folder.users:
            os.close(folder.descriptor)
            del self._folders[path]


def find_owner(database: str) -> str | None:
    """Who holds the file, in words; None when nobody does. Takes nothing and leaves nothing."""
    for path, flags in (
        (lock_path(database), os.O_RDONLY),
        (os.path.dirname(database), os.O_RDONLY | os.O_DIRECTORY),
    ):
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            # Shared, and for an instant: an engine that meets it tries again.
            if not _flock(descriptor, fcntl.LOCK_SH):
                return owner_text(None if flags & os.O_DIRECTORY else _read_owner(descriptor))
        finally:
            os.close(descriptor)
    return None


def allow_open_files(files: int) -> None:
    """Raise this process's soft limit of open files, as far as it may, for that many sensor files."""
    wanted = 2 * files + _SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, soft), hard))


def _open_lock(path: str) -> int | None:
    """A descriptor of the lock file, made where missing; None where there is none and none can be made."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return None


def _lock(descriptor: int, path: str) -> bool:
    """Hold the lock file alone, and be sure that it still is the one at its path."""
    for _ in range(_ATTEMPTS):
        if _flock(descriptor, fcntl.LOCK_EX):
            return _is_same(descriptor, path)
        if not _flock(descriptor, fcntl.LOCK_SH):
            return False
        # Only a look by `find_owner` can leave room for a shared lock: try once more.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _is_same(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_owner(descriptor: int) -> Owner | None:
    try:
        facts: Any = json.loads(os.pread(descriptor, _MAX_CONTENT, 0))
        return Owner(
            str(facts["host"]),
            int(facts["pid"]),
            str(facts["root"]),
            float(facts["since"]),
            str(facts["socket"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Where the service of a data folder listens, and how others find it.

The socket is `service.sock` in the state folder. Where that path is longer than a socket's name may be,
it lies in the runtime folder of the user, and `service.socket-path` in the state folder says where.
`service.lock`, held for the life of the service, is what makes it the only one.
"""

import fcntl
import grp
import hashlib
import json
import os
import socket
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import ConfigError, OwnedElsewhere, ServiceError

SOCKET: Final = "service.sock"
POINTER: Final = "service.socket-path"
LOCK: Final = "service.lock"
LONGEST_PATH: Final = 100
"""Bytes; the kernel takes 107, and macOS 103."""

_CONNECT_SECONDS: Final = 2.0
_CONTENT: Final = 4096
_SHARED: Final = Path("/tmp")  # noqa: S108 - a folder of ours in it is checked to be ours alone


def find_socket(state: Path) -> Path | None:
    """The socket of the service that uses this state folder; None where there is no sign of one."""
    direct = state / SOCKET
    if _is_socket(direct):
        return direct
    try:
        with (state / POINTER).open(encoding="utf-8", errors="strict") as file:
            text = file.read(_CONTENT).strip()
    except (OSError, UnicodeDecodeError):
        return None
    path = Path(text)
    usable = text and "\x00" not in text and path.is_absolute() and len(os.fsencode(path)) <= LONGEST_PATH
    return path if usable and _is_socket(path) else None


def is_live(path: Path) -> bool:
    """Whether somebody accepts connections there.

    Raises:
        PermissionError: it is not for this user.
    """
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(_CONNECT_SECONDS)
    try:
        probe.connect(os.fspath(path))
    except (ConnectionRefusedError, FileNotFoundError):
        return False
    except TimeoutError:
        return True  # there is somebody, who is busy
    finally:
        probe.close()
    return True


@dataclass(slots=True)
class Claim:
    """The right to be the only service of a state folder, and the socket that goes with it."""

    state: Path
    path: Path
    listener: socket.socket
    _lock: int

    def release(self) -> None:
        """Remove socket, pointer and lock; may be called twice."""
        if self._lock < 0:
            return
        self.listener.close()
        for path in (self.path, self.state / POINTER):
            path.unlink(missing_ok=True)
        os.truncate(self._lock, 0)
        os.close(self._lock)
        self._lock = -1


def claim(state: Path, *, group: str | None = None) -> Claim:
    """Become the service of this state folder: take the lock, clear away what a dead one left, and bind.

    The socket is for its owner alone, and for the members of `group` where one is named.

    Raises:
        OwnedElsewhere: another service has it; says who.
        ServiceError: the folder cannot be written, or the runtime folder is not ours alone.
        ConfigError: there is no such group, or we may not use it.
    """
    group_id = None if group is None else _group_id(group)
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(state / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(state, error) from error
    try:
        _take(lock, state)
        path = _place(state, group_id)
        _clear(path)
        listener = _bind(path, group_id)
    except OSError as error:
        os.close(lock)
        raise _unusable(state, error) from error
    except BaseException:
        os.close(lock)
        raise
    if path.parent == state:
        (state / POINTER).unlink(missing_ok=True)
    else:
        (state / POINTER).write_text(f"{path}\n", encoding="utf-8")
    return Claim(state, path, listener, lock)


def holder(state: Path) -> dict[str, Any] | None:
    """Who holds the lock of a state folder: `pid`, `host`, `started`; None where nobody does."""
    try:
        descriptor = os.open(state / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _content(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def _take(lock: int, state: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = _content(lock)
        raise OwnedElsewhere(
            f"A service for {state.parent} runs already: process {who.get('pid', 'unknown')}"
            f" on {who.get('host', 'unknown')}",
            fix="Attach to it (sensor-tui status), or stop it first (sensor-tui service stop)",
        ) from None
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    about = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
    os.truncate(lock, 0)
    os.pwrite(lock, json.dumps(about).encode() + b"\n", 0)


def _clear(path: Path) -> None:
    """Remove the socket of a service that is dead."""
    if _is_socket(path) and is_live(path):
        raise OwnedElsewhere(f"A service answers at {path}", fix="Stop it first, or attach to it")
    path.unlink(missing_ok=True)


def _content(descriptor: int) -> dict[str, Any]:
    try:
        about = json.loads(os.pread(descriptor, _CONTENT, 0))
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def _place(state: Path, group_id: int | None) -> Path:
    """Where the socket goes; makes its folder, and lets the group through to it."""
    path = state / SOCKET
    if len(os.fsencode(path)) <= LONGEST_PATH:
        if group_id is not None:
            _admit(state, group_id)
        return path
    name = hashlib.blake2b(os.fsencode(state.resolve()), digest_size=8).hexdigest()
    # members of a group cannot get into XDG_RUNTIME_DIR, which is the user's alone
    runtime = os.environ.get("XDG_RUNTIME_DIR") if group_id is None else None
    shared = _SHARED / f"sensor-tui-{os.getuid()}"
    folder = Path(runtime) / "sensor-tui" if runtime else shared
    if len(os.fsencode(folder / f"{name}.sock")) > LONGEST_PATH:
        folder = shared
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()
    if not ours or facts.st_mode & (stat.S_IWGRP | stat.S_IRWXO):
        raise ServiceError(
            f"{folder} is not this user's alone, so no socket is put there",
            fix="Remove it, or give the state folder a shorter path (state_dir)",
        )
    if group_id is not None:
        _admit(folder, group_id)
    return folder / f"{name}.sock"


def _admit(folder: Path, group_id: int) -> None:
    """Let members of the group pass through a folder, and no more."""
    os.chown(folder, -1, group_id)
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) & ~stat.S_IRWXO | stat.S_IXGRP)


def _bind(path: Path, group_id: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o077)
        try:
            listener.bind(os.fspath(path))
        finally:
            os.umask(before)
        if group_id is not None:
            os.chown(path, -1, group_id)
            path.chmod(0o660)
        listener.listen(128)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigError(
            f"service.socket_group: there is no group {name!r} on this machine",
            fix="Name an existing group, or leave it out",
        ) from None


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _unusable(state: Path, error: OSError) -> ServiceError:
    return ServiceError(
        f"The state folder {state} cannot be used: {error.strerror}",
        fix="Make it writable for this user, or name another one (state_dir)",
    )

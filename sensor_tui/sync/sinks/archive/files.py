"""Files that are there whole or not at all, and folders that change places in one step."""

import ctypes
import errno
import os
import platform
import shutil
from contextlib import suppress
from typing import Any, Final

# Paths are strings here, as they go to system calls by the thousand.
# ruff: noqa: PTH104, PTH108

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2
_CALLS: Final = {"x86_64": 316, "aarch64": 276}
"""Numbers of renameat2(2), for C libraries that do not wrap it."""
_NOT_HERE: Final = frozenset({errno.ENOSYS, errno.EINVAL, errno.EXDEV, errno.ENOTSUP, errno.EPERM})


class CannotExchange(OSError):
    """Two folders cannot change places in one step on this file system."""


def write_whole(folder: str, temporary: str, name: str, content: bytes | memoryview) -> None:
    """A new file in the folder that is there with all its content or not at all, also after a power cut."""
    hidden = f"{folder}/{temporary}"
    try:
        descriptor = os.open(hidden, _CREATE, 0o644)
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        publish(hidden, f"{folder}/{name}")
    except OSError:
        with suppress(OSError):
            os.unlink(hidden)
        raise
    sync_folder(folder)


def publish(hidden: str, path: str) -> None:
    """Give a finished file the name that readers see."""
    os.rename(hidden, path)


def sync_folder(path: str) -> None:
    """Make names in a folder, or a file's content, last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(one: str, other: str) -> None:
    """Let two folders change places in one step: whoever looks sees the one or the other.

    Raises:
        CannotExchange: the system or the file system knows no such step.
        OSError: anything else.
    """
    code = _renameat2(os.fsencode(one), os.fsencode(other))
    if code in _NOT_HERE:
        raise CannotExchange(code, os.strerror(code), one)
    if code:
        raise OSError(code, os.strerror(code), one)


def _renameat2(one: bytes, other: bytes) -> int:
    """0, or the error number."""
    library: Any = ctypes.CDLL(None, use_errno=True)
    arguments = (_AT_FDCWD, ctypes.c_char_p(one), _AT_FDCWD, ctypes.c_char_p(other), ctypes.c_uint(_EXCHANGE))
    if hasattr(library, "renameat2"):
        failed = library.renameat2(*arguments)
    elif (number := _CALLS.get(platform.machine())) is not None and hasattr(library, "syscall"):
        failed = library.syscall(ctypes.c_long(number), *arguments)
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


def move(source: str, target: str) -> None:
    """Rename a folder."""
    os.rename(source, target)


def remove_folder(path: str) -> None:
    """Remove a folder of ours with what is in it; nothing where there is none."""
    with suppress(FileNotFoundError):
        shutil.rmtree(path)

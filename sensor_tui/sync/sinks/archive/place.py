"""The archive's folder: whether it can be written, what a crash left in it, and how to say that it cannot."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sensor_tui.errors import SinkRefused
from sensor_tui.sync.sinks.archive.names import GONE, TEMPORARY

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_MEANWHILE: Final = "nothing is lost: readings stay open in their files until then"


def refusal(error: OSError, path: str) -> SinkRefused:
    """What the file system said, in words that help."""
    if error.errno in _FULL:
        return SinkRefused(
            f"the archive {path} cannot be written: its disk is full",
            fix=f"Free some space there, or name another folder with archive.path; {_MEANWHILE}",
        )
    if error.errno in _FORBIDDEN:
        return SinkRefused(
            f"the archive {path} cannot be written by user {os.getuid()}:{os.getgid()}: {error.strerror}",
            fix=f"Make the folder writable, or name another one with archive.path; {_MEANWHILE}",
        )
    return SinkRefused(
        f"the archive {path} cannot be used: {error.strerror or error}",
        fix=f"Look at that folder, or name another one with archive.path; {_MEANWHILE}",
    )


def check_folder(path: str) -> int:
    """Free bytes on the folder's disk.

    Raises:
        OSError: it is missing, no folder, not writable, or full.
    """
    if not Path(path).is_dir():
        code = errno.ENOTDIR if Path(path).exists() else errno.ENOENT
        raise OSError(code, os.strerror(code), path)
    disk = os.statvfs(path)
    if disk.f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
    if not disk.f_bavail or (disk.f_files and not disk.f_favail):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    return disk.f_bavail * disk.f_frsize


def leftovers(root: str, suffix: str) -> Iterator[str]:
    """Datasets in which a crash left something: a part half written, a folder half changed."""
    found = {name for folder in (root, *_folders(root)) for name in _left_in(folder, suffix)}
    yield from sorted(found)


def _folders(root: str) -> list[str]:
    with os.scandir(root) as entries:
        return [each.path for each in entries if each.is_dir() and not each.name.startswith(".")]


def _left_in(folder: str, suffix: str) -> Iterator[str]:
    ends = (f"{suffix}.new", f"{suffix}.old")
    try:
        entries = os.scandir(folder)
    except PermissionError:  # lost+found and the like: nothing of ours is in there
        return
    with entries:
        for each in entries:
            hidden, _, gone = each.name.partition(GONE)
            if hidden.startswith(".") and gone and hidden.endswith(suffix):
                yield f"{folder}/{hidden[1:]}"
            elif each.name.startswith(".") and each.name.endswith(ends):
                yield f"{folder}/{each.name[1:-4]}"
            elif each.name.endswith(suffix) and os.path.lexists(f"{each.path}/{TEMPORARY}"):
                yield each.path

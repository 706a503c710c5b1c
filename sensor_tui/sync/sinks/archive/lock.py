"""Who writes a dataset: one process at a time, for as long as it takes to write or to compact."""

import fcntl
import json
import os
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

_MOST: Final = 4096


class Busy(Exception):
    """Somebody else is writing the dataset just now; the message says who."""


def name_here(since: float) -> bytes:
    """What this process leaves in the locks it takes; `since` in seconds since 1970."""
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since}).encode()


@contextmanager
def hold(path: str, name: bytes) -> Iterator[bool]:
    """Hold the lock file; gives whether nobody else held it since this name did.

    Raises:
        Busy: somebody holds it.
        OSError: the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(_holder(os.pread(descriptor, _MOST, 0), path)) from None
        same = os.pread(descriptor, _MOST, 0) == name
        if not same:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, name, 0)
        yield same
    finally:
        os.close(descriptor)


def _holder(content: bytes, path: str) -> str:
    try:
        facts: Any = json.loads(content)
        since = datetime.fromtimestamp(facts["since"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return f"process {int(facts['pid'])} on {str(facts['host'])[:253]}, which runs since {since}"
    except (ValueError, KeyError, TypeError, OverflowError, OSError):
        return f"another process (fuser {shlex.quote(path)} names it)"

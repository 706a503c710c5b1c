"""The log of a service that runs in the background: a file in the state folder that never grows large."""

import os
import sys
from pathlib import Path
from typing import Final

from sensor_tui.model.clock import Clock

LOG: Final = "service.log"
LARGEST: Final = 10 * 1024 * 1024
"""Bytes; one file of this size is kept beside the current one."""

_LOOK_SECONDS: Final = 60.0


def rotate(path: Path, *, largest: int = LARGEST) -> bool:
    """Put a log that has grown large aside, replacing the one put aside before."""
    try:
        if path.stat().st_size < largest:
            return False
    except FileNotFoundError:
        return False
    path.replace(path.with_name(f"{path.name}.1"))
    return True


def open_log(path: Path) -> int:
    """A descriptor that appends to the log, readable by its owner alone."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


async def keep_small(state: Path, clock: Clock) -> None:
    """Rotate the log that this process writes as its output, now and then; until cancelled."""
    path = state / LOG
    while True:
        await clock.sleep(_LOOK_SECONDS)
        if writes_to(path) and rotate(path):
            follow(path)


def writes_to(path: Path) -> bool:
    """Whether standard error is this file."""
    try:
        return os.path.samestat(os.fstat(sys.__stderr__.fileno()), path.stat()) if sys.__stderr__ else False
    except (OSError, ValueError):
        return False


def follow(path: Path) -> None:
    """Point standard output and error at a new file of this name."""
    descriptor = open_log(path)
    try:
        for number in (1, 2):
            os.dup2(descriptor, number)
    finally:
        os.close(descriptor)

"""Whether a file changed, by one `stat` of it and one of its WAL."""

# Paths are strings here: a thousand files are looked at each second, and names need not be UTF-8.
# ruff: noqa: PTH116

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from sensor_tui.storage.discovery import Tree, Walk
from sensor_tui.storage.tracked import Signature, TrackedFile

_GRAIN_NS: Final = 100_000_000
"""File times tick in steps of up to 10 ms; a file written this lately may be written again within one."""


@dataclass(slots=True)
class Sweep:
    """What a look at the files gave: those that differ from last time, those that are not there."""

    changed: list[tuple[TrackedFile, Signature, bool]] = field(default_factory=list)
    """With the new signature, and whether it is too young to tell the next write from this one."""
    gone: list[TrackedFile] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    walk: Walk | None = None


def sweep(files: Iterable[TrackedFile], tree: Tree | None) -> Sweep:
    """Look at every file, and for new ones where a tree is given. Touches no content; meant for a thread."""
    result = Sweep()
    for file in files:
        try:
            signature = signature_of(file.path, wal=file.source is None or not file.source.rollback)
        except (FileNotFoundError, NotADirectoryError):
            result.gone.append(file)
            continue
        except OSError as error:
            result.problems[file.key] = f"{file.key}: {error.strerror}"
            continue
        if signature != file.signature or file.unsettled:
            result.changed.append((file, signature, is_young(signature)))
    if tree is not None:
        result.walk = tree.walk()
    return result


def signature_of(path: str, *, wal: bool) -> Signature:
    """Device, inode, size, time of a file; size and time of its WAL.

    An empty WAL counts as none: opening a file makes one, which is no change.

    Raises:
        OSError: it cannot be looked at.
    """
    facts = os.stat(path)
    if wal:
        try:
            log = os.stat(path + "-wal")
        except FileNotFoundError:
            pass
        else:
            if log.st_size:
                return (
                    facts.st_dev,
                    facts.st_ino,
                    facts.st_size,
                    facts.st_mtime_ns,
                    log.st_size,
                    log.st_mtime_ns,
                )
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, 0, 0)


def is_young(signature: Signature) -> bool:
    """Whether the file was written just now, by the clock that stamps files."""
    return abs(time.time_ns() - max(signature[3], signature[5])) < _GRAIN_NS

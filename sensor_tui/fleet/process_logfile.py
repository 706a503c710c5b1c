"""The log file of a unit: an endless text of which the last part is kept, in a few files of bounded size.

The unit appends to `{name}.log` and never lets go of it, so that file is not renamed: when it is large, its
beginning is copied to `{name}.log.1` and taken out of it. Where the file system can take out the beginning of
a file (ext4, xfs) nothing is lost whenever the unit writes; elsewhere the file is truncated at once after the
last byte was copied.

Places in the text are counted from the first byte ever written, so that they stay what they are.
"""

import ctypes
import math
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensor_tui.fleet.process_times import EVERY_SECONDS, TimeIndex

LARGEST: Final = 10 * 1024 * 1024
KEPT: Final = 3

_BLOCK: Final = 64 * 1024
_HEAD: Final = 4096
_COLLAPSE_RANGE: Final = 8


@dataclass(frozen=True, slots=True)
class _Part:
    start: int
    size: int
    path: Path


class UnitLog:
    """One unit's log. Methods block, and may be called from any thread."""

    def __init__(self, path: Path, *, largest: int = LARGEST, kept: int = KEPT) -> None:
        self.turns = 0
        """How often it was rotated."""
        self._path = path
        self._largest = largest
        self._kept = kept
        self._guard = threading.Lock()
        self._times = TimeIndex(path.with_name(f"{path.name}.times"))
        self._older: list[tuple[int, int]] | None = None
        """Place and size of the files put aside, the oldest first; None until looked at."""
        self._base = 0
        self._size = 0
        self._looked = 0
        self._grew_at: float | None = None
        self._found: tuple[int, float] | None = None

    def read(self, place: int, most: int) -> tuple[int, bytes]:
        """Text from there on: where it really begins, later where some is gone, and the text itself."""
        with self._guard:
            for part in self._parts():
                if place < part.start + part.size:
                    start = max(place, part.start)
                    data = _read(part.path, start - part.start, min(most, part.start + part.size - start))
                    if data:
                        return start, data
            return place, b""

    def end(self) -> int:
        """Place after the last byte."""
        with self._guard:
            last = self._parts()[-1]
            return last.start + last.size

    def place_of_last(self, lines: int) -> int:
        """Where the last so many lines begin, read from the end."""
        with self._guard:
            parts = self._parts()
            if lines <= 0:
                return parts[-1].start + parts[-1].size
            wanted, first = lines, True
            for part in reversed(parts):
                position = part.size
                while position > 0:
                    size = min(_BLOCK, position)
                    position -= size
                    data = _read(part.path, position, size)
                    wanted, first = wanted + (first and data.endswith(b"\n")), False
                    count = data.count(b"\n")
                    if count < wanted:
                        wanted -= count
                        continue
                    at = len(data)
                    for _ in range(wanted):
                        at = data.rfind(b"\n", 0, at)
                    return part.start + position + at + 1
            return parts[0].start

    def place_since(self, since: float) -> int:
        """A place with nothing of that time or later before it."""
        with self._guard:
            self._parts()
            return self._times.before(since)

    def time_of(self, end: int) -> float | None:
        """When the line that ends there was written, in seconds since the epoch."""
        with self._guard:
            if self._found is not None and self._found[0] == end:
                return self._found[1]
            at = self._times.at(end)
            return self._grew_at if at is None and end > self._times.end else at

    def look(self, now: float) -> bool:
        """Keep times and size in order, as often as possible; whether it has grown since the last look."""
        with self._guard:
            last = self._parts()[-1]
            end = last.start + last.size
            grew = end != self._looked
            self._looked = end
            if grew:
                self._grew_at = now
            if end > self._times.end and not abs(now - self._times.last) < EVERY_SECONDS:
                self._times.add(end, now, self._head())
            if self._size > self._largest:
                self._rotate()
            return grew

    def save(self) -> None:
        """Write what is known about times."""
        with self._guard:
            if self._older is not None and self._times.end:
                self._times.save(self._head())

    def remove(self) -> None:
        """Delete all of it."""
        with self._guard:
            names = [self._path, *map(self._aside, range(1, self._kept + 1)), self._new, self._times_path]
            for path in names:
                path.unlink(missing_ok=True)
            self._times.forget()
            self._older, self._base, self._size = [], 0, 0

    @property
    def _new(self) -> Path:
        return self._path.with_name(f"{self._path.name}.new")

    @property
    def _times_path(self) -> Path:
        return self._path.with_name(f"{self._path.name}.times")

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _head(self) -> list[int]:
        return [self._base, *(number for pair in self._older or () for number in pair)]

    def _parts(self) -> list[_Part]:
        """All files as they are now, the oldest first."""
        if self._older is None:
            self._load()
        assert self._older is not None
        size = _size(self._path)
        if size < self._size:  # somebody emptied it
            self._base += self._size
            self._times.save(self._head(), anew=True)
        self._size = size
        count = len(self._older)
        older = [
            _Part(start, length, self._aside(count - number))
            for number, (start, length) in enumerate(self._older)
        ]
        return [*older, _Part(self._base, size, self._path)]

    def _load(self) -> None:
        """Find what an earlier service left."""
        self._recover()
        sizes = [_size(self._aside(number)) for number in range(self._kept, 0, -1)]
        sizes = sizes[next((at for at, size in enumerate(sizes) if size), len(sizes)) :]
        head = self._times.load()
        starts, known = head[1::2], head[2::2]
        self._size = size = _size(self._path)
        if head and known == sizes and len(starts) == len(sizes) and head[0] + size >= self._times.end:
            self._base = head[0]
        else:
            self._times.forget()
            self._base = sum(sizes)
            starts = [sum(sizes[:number]) for number in range(len(sizes))]
        self._older = list(zip(starts, sizes, strict=True))
        if self._base + size > self._times.end:
            with suppress(OSError):
                self._found = (self._base + size, self._path.stat().st_mtime)
            self._times.add(self._base + size, math.nan, self._head())

    def _recover(self) -> None:
        """Finish a rotation that was broken off, or undo it: what was copied may still be in the log."""
        if not self._new.exists():
            return
        copied = _read(self._new, 0, _HEAD)
        if not copied or _read(self._path, 0, len(copied)) == copied:
            self._new.unlink()
            return
        if self._aside(1).exists():
            self._shift()
        self._new.replace(self._aside(1))

    def _rotate(self) -> None:
        assert self._older is not None
        with self._path.open("r+b") as file:
            log = file.fileno()
            block = os.fstatvfs(log).f_bsize
            # Where more came between two looks than is to be kept, the beginning is not.
            start = max(0, (self._size - 2 * self._largest) // block * block)
            if start and _take_out(log, start):
                self._base, self._size, start = self._base + start, self._size - start, 0
            moved = (self._size - 1) // block * block
            with open(self._new, "wb", opener=_private) as new:
                _copy(log, new.fileno(), start, moved)
                self._shift()
                if not moved or not _take_out(log, moved):
                    while (size := os.fstat(log).st_size) > moved:
                        _copy(log, new.fileno(), moved, size)
                        moved = size
                    file.truncate(0)
            self._new.replace(self._aside(1))
        self._older.append((self._base + start, moved - start))
        del self._older[: -self._kept]
        self._base += moved
        self._size = _size(self._path)
        self.turns += 1
        self._times.save(self._head(), anew=True)

    def _shift(self) -> None:
        for number in range(self._kept - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._aside(number).replace(self._aside(number + 1))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read(path: Path, start: int, size: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(size)
    except FileNotFoundError:
        return b""


def _copy(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        data = os.pread(source, min(_BLOCK, end - start), start)
        if not data:
            return
        start += os.write(target, data)


def _take_out(descriptor: int, size: int) -> bool:
    """Take the first bytes out of a file, between two writes of others; False where that cannot be done."""
    return _fallocate is not None and _fallocate(descriptor, _COLLAPSE_RANGE, 0, size) == 0


def _find_fallocate() -> Callable[[int, int, int, int], int] | None:
    library = ctypes.CDLL(None)
    found = getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
    if found is not None:
        found.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    return found


_fallocate: Final = _find_fallocate()

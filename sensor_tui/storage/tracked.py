"""What is kept in memory about one sensor's file, and how large its statements may be."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from sensor_tui.model.source import SourceFile
from sensor_tui.storage.counting import OpenCounts

READ_TARGET: Final = 0.0025
"""Seconds a reading statement aims at; none may take 5 ms."""
MARK_TARGET: Final = 0.003
"""Processor seconds a mark aims at. Its fsyncs come on top, and hardly depend on how much it marks."""

Signature = tuple[int, ...]
"""Device, inode, size and time of a file, then size and time of its WAL (zeros where it has none)."""


class Pace:
    """How much one statement may do, from how long the ones before took."""

    def __init__(self, start: int, *, least: int, most: int, target: float) -> None:
        self.limit = start
        self._least = least
        self._most = most
        self._target = target
        self._short = 0

    def observe(self, done: int, seconds: float) -> None:
        """Take in a statement that did `done` of what it might have; small ones say little."""
        if seconds > self._target:
            share = max(0.25, 0.9 * self._target / seconds)
            self.limit = max(self._least, int(min(done, self.limit) * share))
            self._short = 0
        elif done * 2 > self.limit and seconds < self._target / 2:
            # Twice, since one may have been lucky.
            self._short += 1
            if self._short > 1:
                self.limit = min(self._most, self.limit * 2)
                self._short = 0


class Trouble(Enum):
    """Why a file cannot be used, as far as it decides when to look again."""

    LOCKED = "locked"
    """Look again at every scan."""
    UNUSABLE = "unusable"
    """Look again when it has changed."""
    DAMAGED = "damaged"
    """Usable up to a point; over when a read gets past it."""


@dataclass(slots=True)
class TrackedFile:
    """One sensor's file: where it is, what it looked like, and what was learned from it."""

    key: str
    path: str
    folder_city: str
    city: str = ""
    """City as first seen, from the ledger."""
    source: SourceFile | None = None
    """None until it was opened and registered."""
    signature: Signature = ()
    unsettled: bool = False
    """Report it once more: it was written too recently for its time to tell the next write from that one."""
    trouble: Trouble | None = None
    problem: str = ""
    locked_since: float | None = None
    owner: str | None = None
    owner_asked: float = 0.0
    anchor: tuple[int, Any] | None = None
    """Row id and raw time of a row read lately: the same row must carry the same time."""
    newest_seen: int = 0
    """Largest row id ever met."""
    oldest_seen: int = 1
    """Smallest row id when the file was last looked at; rows before it may have been pruned."""
    restarted: bool = False
    """Row ids began again, and nobody has asked from the start yet."""
    restart_saved: bool = False
    """The ledger knows of it."""
    good_size: int = 0
    """Bytes when it was last read without an error."""
    read_only: bool = False
    """A write was refused: its rows are not marked any more."""
    index_tried: bool = False
    rest_until: float = 0.0
    disk_waits: deque[float] = field(default_factory=lambda: deque(maxlen=4))
    """Seconds the last transactions spent waiting, for the disk mostly."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    counts: OpenCounts = field(default_factory=OpenCounts)
    rows: Pace = field(default_factory=lambda: Pace(500, least=50, most=2000, target=READ_TARGET))
    span: Pace = field(default_factory=lambda: Pace(4000, least=250, most=50_000, target=READ_TARGET))
    marks: Pace = field(default_factory=lambda: Pace(500, least=200, most=1000, target=MARK_TARGET))

    @property
    def inode(self) -> tuple[int, int]:
        """What the file is, as last seen."""
        return (self.signature[0], self.signature[1])

    @property
    def size(self) -> int:
        """Bytes, as last seen."""
        return self.signature[2] if self.signature else 0

    def fail(self, trouble: Trouble, problem: str) -> None:
        """Keep why it cannot be used."""
        self.trouble = trouble
        self.problem = problem

    def recover(self) -> None:
        """It can be used again."""
        self.trouble = None
        self.problem = ""
        self.locked_since = None

    def start_again(self) -> None:
        """Row ids began again: whoever reads it has to start over."""
        self.restarted = True
        self.restart_saved = False
        self.forget_rows()

    def forget_rows(self) -> None:
        """What was learned of the rows is void."""
        self.anchor = None
        self.newest_seen = 0
        self.counts = OpenCounts()

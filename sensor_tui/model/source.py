"""What is known of the files that sensors write, and the marks that close their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple


class Tracking(IntEnum):
    """Values of a row's `synced` column; 0 or NULL is open."""

    DEAD = -1
    OPEN = 0
    DONE = 1


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One sensor file as found: where it is, its city as first seen, and whether its rows can be marked."""

    key: str
    """Path relative to the data root; what people read, and what the ledger's rows refer to."""
    city: str
    marks: bool
    """True when it has a `synced` column and may be written."""
    rollback: bool
    """True when readers and writers exclude each other (any journal mode but WAL)."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Outcome of one look at the data tree; keys refer to `SourceFile.key`."""

    changed: Sequence[SourceFile] = ()
    """Files to look into: new ones, and those whose size, time or WAL changed."""
    gone: Sequence[str] = ()
    problems: dict[str, str] = field(default_factory=dict)
    """Files that cannot be used now, with the reason; they are looked at again on the next scan."""
    owned_elsewhere: dict[str, str] = field(default_factory=dict)
    """Files another engine holds, with who it is."""
    leaving: dict[str, str] = field(default_factory=dict)
    """Files of ours that another engine is to have, with who it is."""


@dataclass(frozen=True, slots=True)
class Peek:
    """The cheap facts of one file: ends of its row ids, its newest reading, its open rows."""

    max_id: int
    restarted: bool
    """Row ids began again since the positions were saved: the positions no longer hold."""
    open_rows: int
    """Open rows with an id above the one asked about."""
    sensor_id: str | None
    newest: float | None
    """Event time of the newest row, in seconds since the epoch."""
    oldest_open: float | None
    """Event time of the first open row above the one asked about."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Rows of one file to close, ascending, with the raw time each had when it was read."""

    value: Tracking
    ids: Sequence[int]
    times: Sequence[Any]


class SensorKey(NamedTuple):
    """Whose windows: a sensor in a city."""

    sensor_id: str
    city: str


class Run(NamedTuple):
    """Rows with ids from `first` to `last`, all of them, and the raw times of both ends."""

    first: int
    last: int
    first_time: Any
    last_time: Any


@dataclass(frozen=True, slots=True)
class HeldRows:
    """Rows of one window, known by their runs; times in seconds since the epoch, the end exclusive."""

    runs: Sequence[Run]
    sensor_id: str
    start: float
    end: float


@dataclass(slots=True)
class Intent:
    """A document made of many rows, committed before it is sent; times in seconds since the epoch."""

    sensor: SensorKey
    seconds: float
    start: float
    part: int
    runs: Sequence[Run]
    readings: int
    oldest: float
    document: bytes
    """Empty once every sink has it."""
    anomalous: bool = False
    id: int = 0
    """Number in the ledger; 0 before it is committed."""

    @property
    def rows(self) -> HeldRows:
        """The rows it is made of."""
        return HeldRows(self.runs, self.sensor.sensor_id, self.start, self.start + self.seconds)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A reading that a sink can never accept.

    `document` is the JSON as sent, or the row as text where it could not become one; at most 64 KiB.
    """

    source: str
    row_id: int
    sink: str
    sensor_id: str | None
    event_time: str | None
    code: int
    reason: str
    document: str
    at: float


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How one sensor's file stands: times in seconds since the epoch, counts in readings."""

    source: str
    sensor_id: str | None
    city: str
    backlog: int
    oldest_open: float | None
    newest: float | None
    dead_letters: int = 0
    problem: str | None = None
    owner: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    """Measures of its newest reading, by column name."""
    anomaly: str | None = None
    """Type of the anomaly where that reading is flagged; empty where the type is not said."""
    anomalies: float | None = None
    """Share of flagged ones among its recent readings, 0 to 1."""
    rate: float | None = None
    """Readings a second of late."""
    cadence: float | None = None
    """Seconds usually between two readings."""
    flat: bool = False
    """Its recent readings are all the same."""
    held: int = 0
    """Of the backlog: readings that wait for their window to be complete."""
    engine: str = ""
    """The other service that uploads it and says so, by its folder; empty where that is none or not known."""

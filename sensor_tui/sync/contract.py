"""The contract between the engine and its connectors, and what the SQLite source asks of storage.

The engine owns everything alike: windows, batching, concurrency, back-pressure, retries, pacing,
dead letters, progress, shutdown. A connector only reads, or only sends, and says what came of it.

Call order, source: `open`, then `poll` again and again; for every ready feed `read` until it gives
None, `settle` once per batch, in any order; `close` at the end.
Call order, sink: `open` (may be called again after a failure), `route` for every key, `send` with
many requests under way at once, `reroute` when a verdict says a lane moved; `close` at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from sensor_tui.model.reading import Batch
from sensor_tui.model.source import (
    DeadLetter,
    FeedStatus,
    HeldRows,
    Intent,
    Mark,
    Peek,
    Scan,
    SensorKey,
    Tracking,
)


class Verdict(Enum):
    """The sink's word on one reading."""

    ACCEPTED = "accepted"
    ALREADY_THERE = "already there"
    THROTTLED = "throttled"
    """Not now: the lane rests for the delay, then sends it again."""
    TRANSIENT = "transient"
    """Try again after a random back-off."""
    MOVED = "moved"
    """This lane no longer takes this key: re-route, then send again."""
    REJECTED = "rejected"
    """Never: a dead letter."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict that is not plain acceptance, with the delay asked for (seconds) or the reason."""

    verdict: Verdict
    delay: float = 0.0
    code: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The sink's word for one request.

    `exceptions` maps the position of a reading within the request to its judgement; every other
    reading is accepted. `already_there` counts accepted readings the sink had before.
    """

    cost: float = 0.0
    already_there: int = 0
    exceptions: Mapping[int, Judgement] | None = None
    bytes_sent: int = 0


class RequestFailed(Exception):
    """A whole request failed; the judgement holds for every reading in it."""

    def __init__(self, judgement: Judgement, *, unreachable: bool = False, cost: float = 0.0) -> None:
        super().__init__(judgement.reason)
        self.judgement = judgement
        self.unreachable = unreachable
        """True when there was no answer at all, so that it may have been carried out or not."""
        self.cost = cost


class RequestRefused(Exception):
    """Something in a request of several is bad, without saying what (400, 413): the engine halves it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Route:
    """Where documents with one key go: the lane, and what the sink puts around each of them."""

    lane: str
    prefix: bytes = b""
    key: object = None
    """The key this is the route of, so that the engine can ask again when a lane moved."""


@dataclass(slots=True)
class Parcel:
    """Documents of one window and one route, with their positions in the window."""

    route: Route
    indexes: Sequence[int]
    bodies: list[bytes]
    size: int
    """Bytes of all bodies with what the sink puts around them."""
    owner: Any = None
    """The engine's own: the window these documents belong to."""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold, and how many may be under way on one lane."""

    documents: int
    size: int
    concurrency: int
    overhead: int = 0
    """Bytes that the sink adds to each document, beside the route's prefix."""


@dataclass(frozen=True, slots=True)
class Health:
    """Outcome of a sink's own check."""

    ok: bool
    message: str


class Sink(Protocol):
    """Where readings go. One instance serves one pipeline, on one event loop."""

    name: str
    limits: Limits
    key_field: str | None
    """Document field whose value routes a reading; None when every reading goes one way."""

    async def open(self) -> Sequence[str]:
        """Connect, check and create what is missing; lines worth telling a person.

        Raises:
            SinkUnreachable: no answer.
            SinkRefused: key, permission, or a target that is missing or different.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; nothing is under way any more."""
        ...

    async def health(self) -> Health:
        """Ask the sink whether it would take readings now; changes nothing."""
        ...

    def route(self, key: object) -> Route:
        """Route of a key: a string, number, bool, None, or `MISSING`; cheap, from memory."""
        ...

    async def reroute(self) -> None:
        """Ask anew where keys go; concurrent calls are one."""
        ...

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        """Send one request.

        Raises:
            RequestFailed: one judgement for all of it.
            RequestRefused: something in it is bad.
            SinkRefused: the sink refuses us altogether; the pipeline stops and tries again each minute.
        """
        ...


class Wish(Enum):
    """Which readings an outlet is meant to have."""

    EVERYTHING = "everything"
    ORDINARY = "ordinary"
    """All but those that a rule found anomalous."""
    ANOMALOUS = "anomalous"
    """Those that a rule found anomalous."""
    RAW = "raw"
    """Everything, as it was before the stages."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """A sink, what it is meant to have, and whether its costs count against the budget and in the totals."""

    sink: Sink
    wish: Wish = Wish.EVERYTHING
    metered: bool = True


class Missing(Enum):
    """The value of a key field that a document does not have."""

    MISSING = "missing"


MISSING = Missing.MISSING


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a batch: which positions are accepted, which are dead letters."""

    batch: Batch
    accepted: Sequence[int]
    dead: Sequence[DeadLetter]
    """Dead letters, ascending by row id; committed before any row is closed."""
    held: Any = None
    """What the aggregation made of the positions that are neither: they wait for their window."""
    complete: bool = True
    """Nothing of the batch is under way any more."""


class Feed(Protocol):
    """One ordered stream of readings: a sensor's file, a topic's partition."""

    key: str
    alive: bool
    """False once the stream is gone for good: there is nothing left to settle."""

    async def read(self, limit: int) -> Batch | None:
        """The next readings, at most `limit`; None when there is none now."""
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Record outcomes: dead letters first, then marks, then the position.

        Raises:
            StorageError: nothing was closed; the engine tries again.
        """
        ...

    def abandon(self, batches: Sequence[Batch]) -> None:
        """The engine stops trying to settle these; what was not recorded is read again some other time."""
        ...


class Source(Protocol):
    """Where readings come from."""

    name: str

    async def open(self) -> None:
        """Take what is needed to read."""
        ...

    async def poll(self) -> Sequence[Feed]:
        """Feeds that may have something to read now."""
        ...

    async def close(self) -> None:
        """Save positions and let go of files."""
        ...

    def status(self) -> Sequence[FeedStatus]:
        """How every feed stands, from memory."""
        ...


class ReadingStore(Protocol):
    """What the SQLite source asks of storage; every call is short for the sensor that writes the file."""

    async def scan(self) -> Scan:
        """Look at the data tree: new, changed, vanished and unusable files. Takes the locks of new ones."""
        ...

    async def leave(self, key: str) -> None:
        """Let go of a file of which nothing is under way, for the one who is to have it.

        Raises:
            SourceFileError: there is nobody any more, and it is still ours.
        """
        ...

    async def peek(self, key: str, *, after: int) -> Peek:
        """The cheap facts of a file, open rows counted above `after`.

        Raises:
            SourceFileError: gone, replaced, truncated, corrupt, or locked for long.
        """
        ...

    async def read(self, key: str, *, after: int, limit: int) -> Batch:
        """Open rows with an id above `after`, ascending, at most `limit`.

        Raises:
            SourceFileError: as `peek`.
        """
        ...

    async def close_rows(self, key: str, marks: Sequence[Mark]) -> None:
        """Write marks into the file in one short transaction; nothing where the file takes none.

        Raises:
            SourceFileError: as `peek`.
        """
        ...

    async def positions(self, key: str) -> Mapping[str, int]:
        """Saved position per sink: every row up to it is settled there."""
        ...

    async def save_positions(self, positions: Mapping[tuple[str, str], int]) -> None:
        """Save positions by (key, sink).

        Raises:
            StorageError: the ledger cannot be written.
        """
        ...

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Commit dead letters to the ledger.

        Raises:
            StorageError: the ledger cannot be written; nothing may be closed.
        """
        ...

    async def dead_letters(self) -> Mapping[str, int]:
        """Number of dead letters per file key."""
        ...

    async def rewinds(self) -> Mapping[str, int]:
        """Take the requests to read again from a row id on, per file key (made by a retry)."""
        ...

    async def intents(self, key: str) -> Sequence[Intent]:
        """Aggregated documents of a file whose rows are not all closed yet, oldest first.

        Raises:
            StorageError: the ledger cannot be read.
        """
        ...

    async def closings(self, key: str, seconds: float) -> Mapping[SensorKey, float]:
        """End of the last window that was closed, per sensor, for windows of that many seconds.

        Raises:
            StorageError: the ledger cannot be read.
        """
        ...

    async def parts(self, key: str, sensor: SensorKey, seconds: float, start: float) -> int:
        """Number of parts that a window has by now; 0 where it has none.

        Raises:
            StorageError: the ledger cannot be read.
        """
        ...

    async def intend(self, key: str, intents: Sequence[Intent], closings: Mapping[SensorKey, float]) -> None:
        """Commit what is about to be sent, and the ends of the windows closed by it; numbers the intents.

        Raises:
            StorageError: the ledger cannot be written; nothing may be sent.
        """
        ...

    async def fulfil(self, intents: Sequence[Intent], *, keep: bool) -> None:
        """Every sink has these and their rows are closed: forget them.

        With `keep`, where rows cannot be closed, their ranges are kept until the position is past them.

        Raises:
            StorageError: the ledger cannot be written.
        """
        ...

    async def start_windows_again(self, key: str) -> None:
        """The file's row ids began again: no row range holds, no window of it is closed.

        Raises:
            StorageError: the ledger cannot be written.
        """
        ...

    async def close_held(self, key: str, held: Sequence[HeldRows], value: Tracking) -> bool:
        """Mark rows known by their ends only; those that are not what was read stay as they are.

        False where the file takes no marks.

        Raises:
            SourceFileError: as `peek`.
        """
        ...

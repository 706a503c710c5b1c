"""What an engine has done and is doing, as immutable snapshots for screens and JSON."""

from dataclasses import dataclass, field
from enum import StrEnum


class EngineState(StrEnum):
    """What an engine is doing now."""

    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    DRAINING = "draining"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """One lane (partition key range): documents and requests under way, and its pacing."""

    sink: str
    lane: str
    queued: int
    in_flight: int
    concurrency: int
    """Requests it may have under way at once."""
    batch_size: int
    """Documents it puts into one request now."""
    throttled: int
    accepted: int
    request_units: float
    latency_ms: float
    blocked_for: float
    """Seconds until the server's retry-after is over; 0 when it may send."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the engine started. Readings, except where a unit is named."""

    read: int = 0
    accepted: int = 0
    already_there: int = 0
    """Of `accepted`: those the sink had from an earlier attempt (409)."""
    rejected: int = 0
    retried: int = 0
    """Readings sent again, for whatever reason."""
    throttled: int = 0
    """Of `retried`: those answered with 429."""
    requests: int = 0
    request_units: float = 0.0
    bytes_sent: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """A snapshot of an engine."""

    state: EngineState
    reason: str
    """Why it is refused, unreachable or paused, and what to do, or what holds some readings up while it runs;
    empty otherwise."""
    totals: Totals
    in_flight: int
    docs_per_second: float
    request_units_per_second: float
    throttled_per_second: float
    seconds: float
    covered: int = 0
    """Readings that the accepted documents are made of: more than `totals.accepted` where those are
    aggregated."""
    lanes: tuple[LaneProgress, ...] = field(default=())

"""Dead letters and history as a screen shows them; times in seconds since the epoch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One dead letter; `document` only where it was asked for."""

    id: int
    source: str
    row_id: int
    sink: str
    sensor_id: str | None
    event_time: str | None
    code: int
    reason: str
    at: float
    document: str | None = None
    engine: str = ""
    """The other service that has it, by its folder; empty for the one that is asked."""


@dataclass(frozen=True, slots=True)
class LetterRows:
    """A page of dead letters in the order they were buried; `next_offset` is None on the last."""

    letters: Sequence[LetterRow]
    total: int
    next_offset: int | None = None


@dataclass(frozen=True, slots=True)
class Minute:
    """What the minute up to `at` brought, and how things stood then."""

    at: float
    accepted: int
    rejected: int
    throttled: int
    request_units: float
    backlog: int
    lag: float | None

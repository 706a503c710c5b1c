"""What is asked of a service, and what it answers: choices, actions, dead letters, history."""

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from sensor_tui.model.action import ActionKind, ActionOptions
from sensor_tui.model.progress import EngineState
from sensor_tui.service.wire import Wire


class SyncChoice(Wire):
    """How a round is asked for; `quiet` by another service that asks often: it is not written down."""

    quiet: bool = False


class LetterChoice(Wire):
    """Which dead letters a command is for: those of these ids, or all of them."""

    model_config = ConfigDict(extra="forbid")

    ids: tuple[Annotated[int, Field(ge=1, le=2**63 - 1)], ...] | None = Field(None, max_length=10_000)
    all: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "LetterChoice":
        if self.all == (self.ids is not None):
            raise ValueError("give ids, or all: true")
        return self


class DrainChoice(Wire):
    """How to drain: pause afterwards, or stop."""

    model_config = ConfigDict(extra="forbid")

    stop: bool = False
    now: bool = False
    """Stop at once, without draining; nothing is lost."""


class Done(Wire):
    """What became of a command."""

    state: EngineState
    message: str
    in_flight: int = 0
    drained: bool | None = None


class Letter(Wire):
    """A dead letter; `document` only where one is asked for."""

    id: int
    source: str
    row_id: int
    sink: str
    sensor_id: str | None
    event_time: str | None
    code: int
    reason: str
    at: str
    document: str | None = None
    engine: str = ""
    """The peer whose ledger it is in; empty for this service's own."""


class LetterPage(Wire):
    """Dead letters in the order they were buried; `next_offset` is null on the last page."""

    letters: tuple[Letter, ...]
    total: int
    """All there are, whatever was asked for."""
    next_offset: int | None = None


class LetterFilter(Wire):
    """Which dead letters are meant; what is null does not matter."""

    source: str | None = None
    sensor_id: str | None = None
    sink: str | None = None


class LettersChanged(Wire):
    """What became of the dead letters that were to be retried or dropped."""

    changed: int
    missing: tuple[int, ...] = ()
    """Ids that there are none of."""
    failed: dict[int, str] = Field({})
    """Ids that could not be done, with the reason."""
    notices: tuple[str, ...] = ()
    """What else could not be done, as a line each: peers that do not answer."""


class ActionRequest(Wire):
    """What to do to which units, by id; also asks for the plan of it."""

    model_config = ConfigDict(extra="forbid")

    kind: ActionKind
    units: tuple[str, ...] = Field(min_length=1, max_length=10_000)
    options: ActionOptions = ActionOptions()


class QueryRequest(Wire):
    """A query over one SQLite file, by its path relative to the data root, or over Cosmos where None."""

    model_config = ConfigDict(extra="forbid")

    source: str | None = None
    sql: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(1000, ge=1, le=100_000)


class ThroughputPoint(Wire):
    """What the minute up to `at` brought, and how things stood then."""

    at: str
    accepted: int
    rejected: int
    throttled: int
    request_units: float
    backlog: int
    lag_seconds: float | None


class Throughput(Wire):
    """History, the oldest point first."""

    points: tuple[ThroughputPoint, ...]

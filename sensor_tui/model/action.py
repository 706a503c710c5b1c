"""What an operator does to units: a plan, how it goes, and whether it is proven."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class ActionKind(StrEnum):
    """What can be done to a unit."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RESET = "reset"
    """Drain, stop, regenerate from the fixed configuration, start."""
    REMOVE = "remove"

    @property
    def ends(self) -> bool:
        """Whether it ends what runs, so that unsent readings matter."""
        return self is not ActionKind.START

    @property
    def proves(self) -> bool:
        """Whether readings have to flow afterwards."""
        return self in {ActionKind.START, ActionKind.RESTART, ActionKind.RESET}


class Step(StrEnum):
    """Where a unit is in an action."""

    WAITING = "waiting"
    DRAINING = "draining"
    STOPPING = "stopping"
    WIPING = "wiping"
    STARTING = "starting"
    REMOVING = "removing"
    PROVING = "proving"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Nothing to do, or the action was cancelled before its turn."""


class Proof(StrEnum):
    """Whether a reading with an event time after the action was acknowledged by the sink."""

    NONE = "none"
    """Nothing to prove: a stop, a removal, or a unit that is no sensor."""
    PENDING = "pending"
    PROVEN = "proven"
    NOT_PROVEN = "not proven"


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """How an action is done. `batch` units at a time; `drain_timeout` in seconds."""

    drain: bool = True
    drain_timeout: float = 30.0
    wipe_data: bool = False
    """With reset or remove: delete the unit's data folder, readings and all."""
    batch: int = 4
    pause: float = 0.0
    """Seconds between two batches."""
    stop_on_failure: bool = False
    grace: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""
    prove: bool = True
    prove_timeout: float = 60.0
    stop_when_late: float | None = None
    """Begin with no further batch once the newest reading of a sensor that writes is older, in seconds."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """What an action would mean for one unit."""

    unit: str
    """Its id."""
    name: str
    applies: bool = True
    note: str = ""
    """Why it does not apply, or what else there is to know."""
    unsent: int | None = None
    """Readings not yet acknowledged that it would delay or destroy; None where not known."""
    destroys: bool = False
    """Whether they would be lost for good if they were not drained."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would do, before it is done."""

    kind: ActionKind
    items: Sequence[PlanItem]
    options: ActionOptions = field(default_factory=ActionOptions)

    @property
    def unsent(self) -> int | None:
        """Unsent readings of all units it applies to; None where nothing is known of one."""
        counts = [item.unsent for item in self.items if item.applies]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def destroys(self) -> bool:
        """Whether it could destroy readings."""
        return any(item.destroys for item in self.items if item.applies)


@dataclass(frozen=True, slots=True)
class UnitOutcome:
    """How far an action is with one unit."""

    unit: str
    name: str
    step: Step = Step.WAITING
    message: str = ""
    proof: Proof = Proof.NONE
    missing: str = ""
    """Where it is not proven: the step that is missing."""
    unsent: int | None = None
    """Readings still unsent while draining."""


@dataclass(frozen=True, slots=True)
class ActionRun:
    """An action that runs or has run. Times in seconds since the epoch."""

    id: str
    kind: ActionKind
    who: str
    began: float
    outcomes: Sequence[UnitOutcome]
    ended: float | None = None
    cancelled: bool = False
    halted: str = ""
    """Why it began with no further batch by itself: who is late."""

    @property
    def failed(self) -> int:
        """Units it failed for, or whose proof is missing."""
        return sum(each.step is Step.FAILED or each.proof is Proof.NOT_PROVEN for each in self.outcomes)


@dataclass(frozen=True, slots=True)
class LoggedAction:
    """A line of the action log."""

    at: float
    who: str
    action: str
    target: str
    result: str

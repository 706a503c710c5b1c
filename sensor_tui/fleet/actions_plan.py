"""What an action would mean for a unit, and what may be asked for at all."""

import math
from typing import Final

from sensor_tui.errors import UsageError
from sensor_tui.fleet.actions_readings import Standing
from sensor_tui.model.action import ActionKind, ActionOptions, PlanItem
from sensor_tui.model.unit import Unit, UnitState

_DOWN: Final = frozenset({UnitState.CREATED, UnitState.STOPPED, UnitState.FAILED})
_LARGEST_BATCH: Final = 1000
_LONGEST: Final = 86_400.0


def check_options(options: ActionOptions) -> None:
    """Refuse numbers that make no sense.

    Raises:
        UsageError: a batch of none, or a time that is none.
    """
    if not 1 <= options.batch <= _LARGEST_BATCH:
        raise UsageError(f"batch: a number from 1 to {_LARGEST_BATCH} is expected, not {options.batch}")
    for name in ("drain_timeout", "pause", "grace", "prove_timeout"):
        seconds = getattr(options, name)
        if not (math.isfinite(seconds) and 0 <= seconds <= _LONGEST):
            raise UsageError(f"{name}: seconds from 0 to {_LONGEST:.0f} are expected, not {seconds}")
    late = options.stop_when_late
    if late is not None and not 0 < late <= _LONGEST:
        raise UsageError(f"stop_when_late: seconds over 0, up to {_LONGEST:.0f}, are expected, not {late}")


def wipes(kind: ActionKind, options: ActionOptions) -> bool:
    """Whether it deletes data."""
    return options.wipe_data and kind in {ActionKind.RESET, ActionKind.REMOVE}


def is_down(unit: Unit) -> bool:
    """Whether there is nothing to stop."""
    return unit.state in _DOWN


def why_not(kind: ActionKind, unit: Unit) -> str:
    """Why there is nothing to do; empty where there is."""
    if kind is ActionKind.START and unit.state.up:
        return f"it is {unit.state} already"
    if kind is ActionKind.STOP and is_down(unit):
        return "it is not running"
    return ""


def plan_item(
    kind: ActionKind, unit: Unit, standing: Standing | None, options: ActionOptions, *, keep: str
) -> PlanItem:
    """What the action would mean for this unit; `keep` is why its data may not be wiped."""
    wiping = wipes(kind, options)
    if reason := why_not(kind, unit) or (keep if wiping else ""):
        return PlanItem(unit.id, unit.name, applies=False, note=reason, unsent=0)
    unsent = standing.backlog if kind.ends and standing is not None else 0
    return PlanItem(
        unit.id,
        unit.name,
        note="; ".join(_notes(kind, unit, standing, wiping=wiping)),
        unsent=unsent,
        destroys=wiping and unsent != 0,
    )


def _notes(kind: ActionKind, unit: Unit, standing: Standing | None, *, wiping: bool) -> list[str]:
    notes = []
    if unit.state is UnitState.UNKNOWN:
        notes.append(f"its runtime cannot be asked{f': {unit.reason}' if unit.reason else ''}")
    if standing is not None and kind.ends:
        if standing.problem:
            notes.append(standing.problem)
        if standing.backlog != 0 and standing.uploads:
            notes.append(standing.uploads)
        if wiping and standing.dead_letters:
            notes.append(f"{standing.dead_letters} dead letters could not be retried any more")
    return notes

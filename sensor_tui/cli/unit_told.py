"""What is said about an action on units: what it would mean, how it goes, and what came of it."""

from dataclasses import dataclass
from typing import Any, Final

from sensor_tui.cli.output import count, say, table
from sensor_tui.model.action import ActionRun, Plan, Proof, Step, UnitOutcome

PLAN_HEAD: Final = ("UNIT", "UNSENT", "NOTE")
RESULT_HEAD: Final = ("UNIT", "RESULT", "NOTE")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be done to which units, and what that would mean."""

    plan: Plan
    names: dict[str, str]
    instance: str
    """The life of the service that made the plan."""

    @property
    def units(self) -> list[str]:
        """Ids of all that were chosen."""
        return [item.unit for item in self.plan.items]


class Narrator:
    """Says every step of every unit once."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._told: dict[str, object] = {}

    def tell(self, run: ActionRun) -> None:
        """Take what is known now."""
        for outcome in run.outcomes:
            if outcome.step is not Step.WAITING and self._told.get(outcome.unit) != outcome.step:
                self._told[outcome.unit] = outcome.step
                say(f"{self._names.get(outcome.unit, outcome.name)}: {_step(outcome)}")


def _step(outcome: UnitOutcome) -> str:
    unsent = f"{outcome.unsent:,} unsent" if outcome.unsent else ""
    proof = f"not proven: {outcome.missing}" if outcome.proof is Proof.NOT_PROVEN else ""
    proven = "proven" if outcome.proof is Proof.PROVEN else ""
    return ", ".join(filter(None, [str(outcome.step), unsent, proven, proof, outcome.message]))


def plan_told(asked: Asked, *, plain: bool) -> list[str]:
    """The plan as lines."""
    plan, names = asked.plan, asked.names

    rows = []
    for item in plan.items:
        unsent = "unknown" if item.unsent is None else f"{item.unsent:,}"
        loss = "they would be lost" if item.destroys and not plan.options.drain else ""
        left = "" if item.applies else "nothing to do"
        rows.append(
            (
                names.get(item.unit, item.name),
                unsent if item.applies else "-",
                "; ".join(filter(None, [left, item.note, loss])),
            )
        )
    applies = sum(item.applies for item in plan.items)
    head = f"{plan.kind} {count(applies, 'unit')}: {_effect(plan)}"
    return [head, *table(PLAN_HEAD, rows, plain=plain, numeric=("UNSENT",)).splitlines()]


def _effect(plan: Plan) -> str:
    """What it means for readings that are not sent yet."""
    if plan.unsent == 0:
        return "no reading is unsent" if plan.kind.ends else "no reading is touched"
    many = "an unknown number of readings" if plan.unsent is None else count(plan.unsent, "unsent reading")
    seconds = f"{plan.options.drain_timeout:g} s"
    if plan.destroys:
        if plan.options.drain:
            return f"{many} would be sent first, for at most {seconds} each, and kept where that fails"
        return f"{many} would be LOST"
    if plan.options.drain:
        return f"{many} would be sent first, for at most {seconds} each, or later"
    return f"{many} would be sent later"


def question(plan: Plan) -> str:
    """What a person is asked before it is done."""
    applies = sum(item.applies for item in plan.items)
    what = plan.items[0].name if len(plan.items) == 1 else f"{applies} of {len(plan.items)} units"
    data = " with all data" if plan.options.wipe_data else ""
    return f"{str(plan.kind).capitalize()} {what}{data} ({_effect(plan)})?"


def run_told(run: ActionRun, names: dict[str, str], *, plain: bool) -> list[str]:
    """What came of it as lines."""

    def result(outcome: UnitOutcome) -> str:
        shown = outcome.proof not in {Proof.NONE, Proof.PENDING}
        return f"{outcome.step}, {outcome.proof}" if shown else str(outcome.step)

    rows = [
        (names.get(each.unit, each.name), result(each), "; ".join(filter(None, [each.missing, each.message])))
        for each in run.outcomes
    ]
    done = sum(each.step is Step.DONE for each in run.outcomes)
    parts = [f"{run.kind}: {count(done, 'unit')} done"]
    parts += [f"{run.failed} failed or not proven"] if run.failed else []
    parts += [f"halted: {run.halted}"] if run.halted else []
    parts += ["cancelled"] if run.cancelled else []
    return [", ".join(parts), table(RESULT_HEAD, rows, plain=plain)]


def plan_facts(plan: Plan) -> dict[str, Any]:
    """The plan for `--json`."""
    from sensor_tui.service.caller import adapter

    facts: dict[str, Any] = adapter(type(plan)).dump_python(plan, mode="json")
    return facts | {"unsent": plan.unsent, "destroys": plan.destroys}


def run_facts(run: ActionRun) -> dict[str, Any]:
    """What came of it for `--json`."""
    from sensor_tui.service.caller import adapter

    facts: dict[str, Any] = adapter(type(run)).dump_python(run, mode="json")
    return facts | {"failed": run.failed}

"""Actions on units: the plan, the run with a result per unit, and the cancel; alike for keys and commands."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from sensor_tui.errors import FleetError, SensorTuiError, UsageError
from sensor_tui.fleet.actions_fresh import Freshness
from sensor_tui.fleet.actions_plan import check_options, plan_item, why_not, wipes
from sensor_tui.fleet.actions_proof import Watch
from sensor_tui.fleet.actions_readings import Readings, Standing
from sensor_tui.fleet.actions_unit import Job, Worker
from sensor_tui.fleet.contract import Runtime
from sensor_tui.model.action import (
    ActionKind,
    ActionOptions,
    ActionRun,
    Plan,
    PlanItem,
    Proof,
    Step,
    UnitOutcome,
)
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import Unit

__all__ = ["Actions", "Readings", "Standing"]

log = logging.getLogger(__name__)

Record = Callable[[str, str, str, str], Awaitable[None]]
"""Writes a line of the action log: who, action, target, result."""

KEPT: Final = 20
"""Actions remembered after they ended."""
CLOSE_SECONDS: Final = 20.0
"""How long what is under way gets to end when the service closes."""
_NAMED: Final = 20
_FINAL: Final = frozenset({Step.DONE, Step.FAILED, Step.SKIPPED})
_GONE: Final = "there is no such unit"


class Actions:
    """Plans and runs actions on the units of some runtimes.

    Args:
        runtimes: where units run.
        readings: how the readings of a unit stand.
        clock: what tells the time.
        record: writes the action log, once for each action, when it has ended.
        changed: called whenever something in `runs` is different.
    """

    def __init__(
        self,
        runtimes: Sequence[Runtime],
        readings: Readings,
        clock: Clock,
        record: Record,
        *,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._runtimes = runtimes
        self._readings = readings
        self._clock = clock
        self._record = record
        self._changed = changed
        self._closing = asyncio.Event()
        self._worker = Worker(readings, clock, self._closing)
        self._runs: dict[str, _Run] = {}

    @property
    def runs(self) -> tuple[ActionRun, ...]:
        """Those that run and the last that ended, in the order they began."""
        return tuple(run.value for run in self._runs.values())

    async def plan(self, kind: ActionKind, unit_ids: Sequence[str], options: ActionOptions) -> Plan:
        """What the action would do.

        Raises:
            UsageError: the options make no sense, or no unit is named.
        """
        check_options(options)
        return Plan(kind, [await self._plan_item(kind, each, options) for each in _named(unit_ids)], options)

    async def run(
        self, kind: ActionKind, unit_ids: Sequence[str], options: ActionOptions, who: str
    ) -> ActionRun:
        """Begin the action; it goes on in the background.

        Raises:
            UsageError: the options make no sense, or no unit is named.
            FleetError: another action is at one of the units, or the service is stopping.
        """
        check_options(options)
        names = _named(unit_ids)
        if self._closing.is_set():
            raise FleetError("The service is stopping")
        if busy := self._busy(set(names)):
            raise FleetError(f"{busy[0]}: {busy[1]}", fix="Wait for its end, or cancel it")
        outcomes = [UnitOutcome(each, self._name(each)) for each in names]
        run = _Run(ActionRun(uuid4().hex[:12], kind, who, self._clock.now(), tuple(outcomes)), options)
        self._forget_old()
        self._runs[run.value.id] = run
        self._changed()
        run.task = asyncio.ensure_future(self._execute(run))
        return run.value

    def cancel(self, run_id: str) -> ActionRun:
        """Begin with no further unit; what has begun is finished.

        Raises:
            FleetError: there is no such action.
        """
        run = self._runs.get(run_id)
        if run is None:
            raise FleetError(f"There is no action {run_id!r}", fix="It has ended long ago, or never was")
        if run.value.ended is None and not run.value.cancelled:
            self._update(run, cancelled=True)
        return run.value

    async def close(self) -> None:
        """End all actions: nothing new begins, nothing is waited for, what is half done is finished."""
        self._closing.set()
        tasks = [run.task for run in self._runs.values() if run.task is not None and not run.task.done()]
        if not tasks:
            return
        closing = asyncio.ensure_future(self._clock.sleep(CLOSE_SECONDS))
        ending = asyncio.ensure_future(asyncio.wait(tasks))
        await asyncio.wait({closing, ending}, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, ending, return_exceptions=True)

    async def _execute(self, run: "_Run") -> None:
        proofs: list[asyncio.Future[None]] = []
        try:
            await self._batches(run, proofs)
            await asyncio.gather(*proofs)
        except BaseException as error:
            for proof in proofs:
                proof.cancel()
            await asyncio.gather(*proofs, return_exceptions=True)
            if not isinstance(error, asyncio.CancelledError):
                raise
        finally:
            await self._end(run)

    async def _batches(self, run: "_Run", proofs: list[asyncio.Future[None]]) -> None:
        options, count = run.options, len(run.value.outcomes)
        fresh = await self._freshness(options)
        for start in range(0, count, options.batch):
            if run.value.cancelled or self._closing.is_set():
                return
            batch = range(start, min(start + options.batch, count))
            await asyncio.gather(*(self._perform(run, index, proofs) for index in batch))
            if options.stop_on_failure:
                await asyncio.gather(*proofs)
                if run.value.failed:
                    return
            if options.pause and batch.stop < count:
                await self._worker.pause(options.pause)
            if fresh is not None and batch.stop < count:
                started, ended = _changed(run.value)
                if late := await fresh.late(started, ended):
                    self._update(run, halted=late)
                    return

    async def _freshness(self, options: ActionOptions) -> Freshness | None:
        """The watch over sensors that write, where one is asked for."""
        if options.stop_when_late is None:
            return None
        fresh = Freshness(self._units, self._readings, self._clock, options.stop_when_late)
        await fresh.begin()
        return fresh

    async def _perform(self, run: "_Run", index: int, proofs: list[asyncio.Future[None]]) -> None:
        """Do it for one unit; a proof goes on by itself, so that the next batch need not wait for it."""
        found = self._find(run.value.outcomes[index].unit)
        if found is None:
            self._tell(run, index, step=Step.FAILED, message=_GONE)
            return
        unit, runtime = found
        if reason := why_not(run.value.kind, unit):
            self._tell(run, index, step=Step.SKIPPED, message=reason)
            return

        def tell(**changes: Any) -> None:
            self._tell(run, index, **changes)

        job = Job(run.value.kind, run.options, unit, runtime, tell)
        try:
            watch = await self._worker.perform(job)
        except Exception as error:  # noqa: BLE001 - one unit's trouble is not the others'
            self._fail(run, index, error)
            return
        if watch is not None:
            proofs.append(asyncio.ensure_future(self._prove(run, index, job, watch)))

    async def _prove(self, run: "_Run", index: int, job: Job, watch: Watch) -> None:
        try:
            await self._worker.prove(job, watch)
        except Exception as error:  # noqa: BLE001 - one unit's trouble is not the others'
            self._fail(run, index, error)

    def _fail(self, run: "_Run", index: int, error: Exception) -> None:
        if not isinstance(error, SensorTuiError):
            log.error("%s of %s failed", run.value.kind, run.value.outcomes[index].name, exc_info=error)
        self._tell(run, index, step=Step.FAILED, message=str(error) or type(error).__name__, unsent=None)

    async def _end(self, run: "_Run") -> None:
        """Settle what was not begun or not finished, and write it down."""
        why = "cancelled" if run.value.cancelled else "not begun"
        if self._closing.is_set():
            why = "the service stopped before"
        elif run.value.halted:
            why = f"not begun: {run.value.halted}"
        elif run.value.failed and not run.value.cancelled:
            why = "not begun: a unit before it failed"
        for index, outcome in enumerate(run.value.outcomes):
            if outcome.step is Step.WAITING:
                self._tell(run, index, step=Step.SKIPPED, message=why)
            elif outcome.step is Step.PROVING:
                self._tell(run, index, step=Step.DONE, proof=Proof.NOT_PROVEN, missing=why)
            elif outcome.step not in _FINAL:
                self._tell(run, index, step=Step.FAILED, message=f"interrupted while {outcome.step}")
        self._update(run, ended=self._clock.now())
        value = run.value
        await self._record(value.who, str(value.kind), target(value), result(value))

    async def _plan_item(self, kind: ActionKind, unit_id: str, options: ActionOptions) -> PlanItem:
        found = self._find(unit_id)
        if found is None:
            return PlanItem(unit_id, self._name(unit_id), applies=False, note=_GONE, unsent=0)
        unit = found[0]
        if busy := self._busy({unit.id}):
            return PlanItem(unit.id, unit.name, applies=False, note=busy[1], unsent=0)
        keep = await self._readings.why_keep(unit) if wipes(kind, options) else ""
        return plan_item(kind, unit, await self._readings.standing(unit), options, keep=keep)

    def _units(self) -> list[Unit]:
        return [unit for runtime in self._runtimes for unit in runtime.list()]

    def _find(self, unit_id: str) -> tuple[Unit, Runtime] | None:
        for runtime in self._runtimes:
            if unit_id.startswith(f"{runtime.host_name}/{runtime.name}/"):
                for unit in runtime.list():
                    if unit.id == unit_id:
                        return unit, runtime
        return None

    def _name(self, unit_id: str) -> str:
        found = self._find(unit_id)
        return unit_id.rpartition("/")[2] if found is None else found[0].name

    def _busy(self, unit_ids: set[str]) -> tuple[str, str] | None:
        """The first of these units that an action is at, and which one that is."""
        for run in self._runs.values():
            if run.value.ended is not None:
                continue
            for outcome in run.value.outcomes:
                if outcome.unit in unit_ids and outcome.step not in _FINAL:
                    return outcome.name, f"a {run.value.kind} by {run.value.who} is under way"
        return None

    def _forget_old(self) -> None:
        ended = [run_id for run_id, run in self._runs.items() if run.value.ended is not None]
        for run_id in ended[: max(0, len(ended) - KEPT + 1)]:
            del self._runs[run_id]

    def _tell(self, run: "_Run", index: int, **changes: Any) -> None:
        outcomes = list(run.value.outcomes)
        outcomes[index] = replace(outcomes[index], **changes)
        self._update(run, outcomes=tuple(outcomes))

    def _update(self, run: "_Run", **changes: Any) -> None:
        run.value = replace(run.value, **changes)
        self._changed()


class _Run:
    """An action under way: what is known of it, and the task that does it."""

    def __init__(self, value: ActionRun, options: ActionOptions) -> None:
        self.value = value
        self.options = options
        self.task: asyncio.Future[None] | None = None


def _changed(run: ActionRun) -> tuple[list[str], list[str]]:
    """Units that an action has started so far, and those it has ended for good."""
    done = [each.unit for each in run.outcomes if each.step in {Step.DONE, Step.PROVING, Step.FAILED}]
    return (done, []) if run.kind.proves else ([], done)


def target(run: ActionRun) -> str:
    """Whom an action was for, in one line."""
    names = [outcome.name for outcome in run.outcomes]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def result(run: ActionRun) -> str:
    """What came of an action, in one line: counts, and the reason for every unit that needs a look."""
    done = [each for each in run.outcomes if each.step is Step.DONE]
    failed = [each for each in run.outcomes if each.step is Step.FAILED]
    skipped = [each for each in run.outcomes if each.step is Step.SKIPPED]
    proven = sum(each.proof is Proof.PROVEN for each in done)
    unproven = [each for each in done if each.proof is Proof.NOT_PROVEN]
    parts = ["cancelled"] if run.cancelled else []
    if done:
        parts.append(f"{len(done)} done" + (f", {proven} proven" if proven else ""))
    parts += _listed("not proven", [(each.name, each.missing) for each in unproven])
    parts += _listed("failed", [(each.name, each.message) for each in failed])
    parts += _listed("skipped", [(each.name, each.message) for each in skipped])
    parts += _listed("noted", [(each.name, each.message) for each in done if each.message])
    return "; ".join(parts)


def _listed(word: str, units: Sequence[tuple[str, str]]) -> list[str]:
    if not units:
        return []
    told = ", ".join(f"{name} ({why})" for name, why in units[:_NAMED])
    return [f"{len(units)} {word}: {told}{' and more' if len(units) > _NAMED else ''}"]


def _named(unit_ids: Sequence[str]) -> list[str]:
    """Each unit once, in the order given."""
    names = list(dict.fromkeys(unit_ids))
    if not names:
        raise UsageError("No unit is named", fix="Name at least one")
    return names

"""An action on one unit, step by step: drain, stop, wipe, start, and the proof afterwards."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sensor_tui.errors import FleetError, SensorTuiError
from sensor_tui.fleet.actions_plan import is_down, wipes
from sensor_tui.fleet.actions_proof import Watch
from sensor_tui.fleet.actions_readings import Readings
from sensor_tui.fleet.contract import Runtime
from sensor_tui.model.action import ActionKind, ActionOptions, Proof, Step
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import Role, Unit

LOOK_SECONDS: Final = 0.25
ENDED_SECONDS: Final = 8.0
"""How long a unit that has ended is watched: longer than a search for new files takes."""

Tell = Callable[..., None]
"""Changes fields of the unit's outcome."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done to which unit; `look` gives the unit as it is now."""

    kind: ActionKind
    options: ActionOptions
    unit: Unit
    runtime: Runtime
    tell: Tell
    notes: list[str] = field(default_factory=list)
    """What is to be said of it when it is done."""

    @property
    def wipes(self) -> bool:
        """Whether data is deleted."""
        return wipes(self.kind, self.options)

    def look(self) -> Unit | None:
        """The unit as it is now."""
        return next((each for each in self.runtime.list() if each.id == self.unit.id), None)


class Worker:
    """Does jobs, several at a time. Once `closing` is set, nothing is waited for any more."""

    def __init__(self, readings: Readings, clock: Clock, closing: asyncio.Event) -> None:
        self._readings = readings
        self._clock = clock
        self._closing = closing

    async def perform(self, job: Job) -> Watch | None:
        """Everything up to the proof; what to watch for that, where something is to be proven.

        Raises:
            SensorTuiError: it was not done, or not to its end.
        """
        if job.wipes and (reason := await self._readings.why_keep(job.unit)):
            raise FleetError(f"nothing was done, since its data cannot be wiped: {reason}")
        if job.kind.ends and job.options.drain:
            job.notes.append(await self._drain_first(job))
        watch = await self._change(job)
        note = "; ".join(filter(None, job.notes))
        if watch is None:
            job.tell(step=Step.DONE, message=note, unsent=None)
        else:
            job.tell(step=Step.PROVING, proof=Proof.PENDING, message=note, unsent=None)
        return watch

    async def prove(self, job: Job, watch: Watch) -> None:
        """Watch until it is proven or time is up."""
        deadline = self._clock.monotonic() + job.options.prove_timeout
        ended = self._clock.monotonic() + ENDED_SECONDS
        told = ""
        while True:
            standing = await self._readings.standing(job.unit)
            if watch.look(job.look(), standing):
                job.tell(step=Step.DONE, proof=Proof.PROVEN, missing="")
                return
            now = self._clock.monotonic()
            over = now >= deadline or self._closing.is_set() or (watch.ended and now >= ended)
            if over:
                missing = "the service stopped before" if self._closing.is_set() else watch.missing
                job.tell(step=Step.DONE, proof=Proof.NOT_PROVEN, missing=missing)
                return
            if not watch.ended:
                ended = now + ENDED_SECONDS
            if told != watch.waiting_for:
                told = watch.waiting_for
                job.tell(missing=told)
            if standing is None or standing.backlog:
                self._readings.sync_now()
            await self.pause(LOOK_SECONDS)

    async def pause(self, seconds: float) -> None:
        """Wait that long, or until the service closes."""
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({sleeping, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            closing.cancel()

    async def _change(self, job: Job) -> Watch | None:
        kind, unit, runtime, grace = job.kind, job.unit, job.runtime, job.options.grace
        if kind is ActionKind.START:
            return await self._start(job)
        if kind is ActionKind.RESTART:
            return await self._restart(job)
        if not is_down(job.look() or unit):
            job.tell(step=Step.STOPPING)
            await runtime.stop(unit.id, grace=grace)
        if kind is ActionKind.STOP:
            self._readings.sync_now()
            return None
        if job.wipes:
            await self._wipe(job)
        if kind is ActionKind.REMOVE:
            job.tell(step=Step.REMOVING)
            await runtime.remove(unit.id, grace=grace)
            return None
        await runtime.regenerate(unit.id)
        return await self._start(job)

    async def _start(self, job: Job) -> Watch | None:
        job.tell(step=Step.STARTING)
        make = await self._before(job)
        since = self._clock.now()
        await job.runtime.start(job.unit.id)
        return make(since)

    async def _restart(self, job: Job) -> Watch | None:
        """Readings written while it stops are those of the run before: its new beginning counts."""
        job.tell(step=Step.STOPPING)
        make = await self._before(job)
        asked = self._clock.now()
        await job.runtime.restart(job.unit.id, grace=job.options.grace)
        unit = job.look()
        began = None if unit is None else unit.started_at
        return make(began if began is not None and began >= asked else self._clock.now())

    async def _before(self, job: Job) -> Callable[[float], Watch | None]:
        """What makes a watch, given the time of the action, from how readings stand before it."""
        proves = job.options.prove and job.unit.role is Role.SENSOR and job.unit.sensor_id is not None
        standing = await self._readings.standing(job.unit) if proves else None

        def make(since: float) -> Watch | None:
            if not proves:
                return None
            newest = standing.newest if standing is not None else None
            return Watch(max(since, newest or since), standing.dead_letters if standing is not None else 0)

        return make

    async def _drain_first(self, job: Job) -> str:
        """Wait until what is open now is settled; what is to be said of what is left.

        Raises:
            FleetError: something is left, and would be destroyed.
        """
        left = await self._drain(job)
        if left == 0:
            return ""
        if self._closing.is_set():
            raise FleetError("nothing was done: the service stopped while its readings were sent")
        if job.wipes:
            raise FleetError(f"nothing was done: {_unsent(left)}, and its data was to be wiped")
        return f"{_unsent(left)}, they stay in its file"

    async def _drain(self, job: Job) -> int | None:
        """Readings left of those that were open when it began; None where not known."""
        standing = await self._readings.standing(job.unit)
        if standing is None:
            return 0
        job.tell(step=Step.DRAINING)
        newest = standing.newest
        deadline = self._clock.monotonic() + job.options.drain_timeout
        told: Any = ...
        while standing is not None:
            left, oldest = standing.backlog, standing.oldest_open
            if left == 0 or (newest is not None and oldest is not None and oldest > newest):
                return 0
            if told != left:
                told = left
                job.tell(unsent=left, message=standing.problem or standing.uploads)
            hopeless = standing.held or (left is not None and left == standing.waiting)
            if hopeless or self._closing.is_set() or self._clock.monotonic() >= deadline:
                return left
            self._readings.sync_now()
            await self.pause(LOOK_SECONDS)
            standing = await self._readings.standing(job.unit)
        return 0

    async def _wipe(self, job: Job) -> None:
        """Delete the data of a stopped unit once all of it is sent; where that fails, it runs on as it was.

        Where draining was declined, what is unsent is destroyed, as the plan has stated.

        Raises:
            SensorTuiError: it was not deleted.
        """
        try:
            if job.options.drain:
                job.tell(step=Step.DRAINING)
                left = await self._drain_to_the_end(job)
                if left != 0:
                    raise FleetError(f"its data is not wiped: {_unsent(left)}")
            else:
                job.notes.append(_destroyed(await self._readings.unsent(job.unit)))
            job.tell(step=Step.WIPING, unsent=None)
            await self._readings.wipe(
                job.unit, keep_folder=job.kind is ActionKind.RESET, destroy=not job.options.drain
            )
        except SensorTuiError as error:
            if is_down(job.unit):
                raise
            again = await self._start_again(job)
            raise FleetError(f"{error.message}; {again}", fix=error.fix) from error

    async def _start_again(self, job: Job) -> str:
        try:
            await job.runtime.start(job.unit.id)
        except SensorTuiError as error:
            return f"it could not be started again: {error.message}"
        return "it was started again as it was"

    async def _drain_to_the_end(self, job: Job) -> int | None:
        """Readings left in the files of a unit that is stopped; None where not known."""
        deadline = self._clock.monotonic() + job.options.drain_timeout
        while True:
            left = await self._readings.unsent(job.unit)
            standing = await self._readings.standing(job.unit)
            job.tell(unsent=left)
            held = standing is not None and standing.held
            if left == 0 or held or self._closing.is_set() or self._clock.monotonic() >= deadline:
                return left
            self._readings.sync_now()
            await self.pause(LOOK_SECONDS)


def _unsent(left: int | None) -> str:
    if left is None:
        return "it is not known which readings are unsent"
    return "1 reading still unsent" if left == 1 else f"{left} readings still unsent"


def _destroyed(count: int | None) -> str:
    """What is said of readings that were wiped without having been sent."""
    if count is None:
        return "an unknown number of unsent readings was destroyed"
    if count == 0:
        return ""
    return "1 unsent reading was destroyed" if count == 1 else f"{count} unsent readings were destroyed"

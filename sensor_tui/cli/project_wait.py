"""Waiting for a project that was brought up: until its containers are well, and readings have arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import SensorTuiError
from sensor_tui.fleet import labels
from sensor_tui.fleet.actions_proof import Watch
from sensor_tui.fleet.actions_readings import Standing
from sensor_tui.fleet.project_engine import Container, Engine, Fate
from sensor_tui.model.action import Proof, Step, UnitOutcome
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import Role, Unit, UnitState, unit_id

if TYPE_CHECKING:
    from sensor_tui.cli.project import Place, Story
    from sensor_tui.service.client import ServiceClient
    from sensor_tui.service.wire import SensorReport, StatusReport

LOOK_SECONDS: Final = 0.3
STEADY_SECONDS: Final = 2.0
"""How long a container without a health check has to be up, before it counts as one that stays."""
SYNC_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is waited, in seconds, for containers and for the proof; None for no proof."""

    wait: float
    prove: float | None


@dataclass(slots=True)
class _Seen:
    """One unit while it is waited for."""

    name: str
    watch: Watch | None = None
    ready_since: float | None = None
    settled: bool = False
    outcome: UnitOutcome = field(default_factory=lambda: UnitOutcome("", ""))


class Waiting:
    """Looks again and again until every unit is up, well and proven, or has ended, or time is up.

    Args:
        place: the project.
        engine: what runs it.
        client: its service, which proves readings; None where none runs.
        clock: what tells the time.
        story: is told what becomes of each unit.
    """

    def __init__(
        self, place: "Place", engine: Engine, client: "ServiceClient | None", clock: Clock, story: "Story"
    ) -> None:
        self._place = place
        self._engine = engine
        self._client = client
        self._clock = clock
        self._story = story
        self._before: dict[str, SensorReport] = {}
        self._began: Mapping[str, int] = {}
        self._since = clock.now()
        self._synced = float("-inf")
        self._why_unseen = ""

    async def begin(self, there: Sequence[Container]) -> None:
        """Take in how things are before anything is started; `there` are containers that exist already."""
        self._began = await self._place.ask(self._engine.restarts, there)
        report = await self._report()
        if report is not None:
            self._before = {each.sensor_id: each for each in report.sensors if each.sensor_id is not None}
        self._since = self._clock.now()

    async def until_well(self, units: Mapping[str, str | None], limits: Limits) -> list[UnitOutcome]:
        """What became of each unit; `units` has the sensor id of each name, None where it is no sensor."""
        seen = {
            name: _Seen(name, self._watch_of(sensor, limits), outcome=UnitOutcome(self._id(name), name))
            for name, sensor in units.items()
        }
        began = self._clock.monotonic()
        while True:
            open_ = [each for each in seen.values() if not each.settled]
            await self._look(open_)
            passed = self._clock.monotonic() - began
            for each in open_:
                self._judge(each, passed, limits)
            if all(each.settled for each in seen.values()):
                return [each.outcome for each in seen.values()]
            await self._clock.sleep(LOOK_SECONDS)

    def _watch_of(self, sensor: str | None, limits: Limits) -> Watch | None:
        if sensor is None or limits.prove is None or self._client is None:
            return None
        before = self._before.get(sensor)
        standing = None if before is None else _standing(before, "")
        newest = standing.newest if standing is not None else None
        dead = standing.dead_letters if standing is not None else 0
        return Watch(max(self._since, newest or self._since), dead)

    async def _look(self, open_: "Sequence[_Seen]") -> None:
        """Take in how the containers and readings of these units are now."""
        names = {each.name for each in open_}
        fates = await self._place.ask(self._engine.fates, self._place.name, began=self._began, services=names)
        found = {fate.container.service: fate for fate in fates}
        report = await self._report() if any(each.watch for each in open_) else None
        sensors = {} if report is None else {each.sensor_id: each for each in report.sensors}
        uploads = "" if report is None else report.engine.reason
        unsent = False
        for each in open_:
            fate = found.get(each.name)
            if fate is not None:
                each.outcome = replace(each.outcome, unit=self._id(fate.container.name))
            each.outcome = self._told(each, fate)
            if each.watch is None or fate is None:
                continue
            sensor = sensors.get(fate.container.labels.get(labels.SENSOR))
            standing = None if sensor is None else _standing(sensor, uploads)
            if each.watch.look(self._unit(fate), standing):
                each.outcome = replace(each.outcome, step=Step.DONE, proof=Proof.PROVEN, message="")
            unsent = unsent or standing is None or standing.backlog != 0
        if unsent:
            await self._sync()

    def _told(self, each: "_Seen", fate: Fate | None) -> UnitOutcome:
        """How far it is, without the proof."""
        if fate is None:
            each.ready_since = None
            return replace(each.outcome, step=Step.STARTING, message="there is no container")
        if fate.ended:
            lines = " | ".join(fate.lines)
            message = f"{fate.ended}; it last said: {lines}" if lines else f"{fate.ended}; it said nothing"
            return replace(each.outcome, step=Step.FAILED, message=message)
        if not fate.ready:
            each.ready_since = None
            return replace(each.outcome, step=Step.STARTING, message=fate.container.status)
        now = self._clock.monotonic()
        each.ready_since = now if each.ready_since is None else each.ready_since
        steady = bool(fate.container.health) or now - each.ready_since >= STEADY_SECONDS
        return replace(each.outcome, step=Step.DONE if steady else Step.STARTING, message="")

    def _judge(self, each: "_Seen", passed: float, limits: Limits) -> None:
        """Settle it where there is nothing more to wait for."""
        outcome = each.outcome
        if outcome.step is Step.FAILED or outcome.proof is Proof.PROVEN:
            each.settled = True
        elif outcome.step is Step.DONE:
            if each.watch is None:
                each.settled = True
            elif passed >= (limits.prove or 0.0):
                missing = self._why_unseen or each.watch.missing
                each.outcome = replace(outcome, proof=Proof.NOT_PROVEN, missing=missing)
                each.settled = True
        elif passed >= limits.wait:
            message = f"not up and well after {limits.wait:g} s: {outcome.message}"
            each.outcome = replace(outcome, step=Step.FAILED, message=message)
            each.settled = True
        self._tell(each)

    def _tell(self, each: "_Seen") -> None:
        if each.settled:
            outcome = each.outcome
            step = "up" if outcome.step is Step.DONE else str(outcome.step)
            proof = "" if outcome.proof is Proof.NONE else str(outcome.proof)
            self._story.say(
                each.name, ", ".join(filter(None, [step, proof, outcome.missing, outcome.message]))
            )

    async def _report(self) -> "StatusReport | None":
        if self._client is None:
            return None
        try:
            report = await self._client.status()
        except SensorTuiError as error:
            self._why_unseen = error.message
            return None
        self._why_unseen = ""
        return report

    async def _sync(self) -> None:
        """Have what is open uploaded soon."""
        now = self._clock.monotonic()
        if self._client is None or now - self._synced < SYNC_SECONDS:
            return
        self._synced = now
        try:
            await self._client.sync(quiet=True)
        except SensorTuiError as error:
            self._why_unseen = error.message

    def _id(self, name: str) -> str:
        return unit_id(self._place.address.name, "docker", name)

    def _unit(self, fate: Fate) -> Unit:
        """The container as the proof sees it."""
        name, host = fate.container.service, self._place.address.name
        state = UnitState.FAILED if fate.ended else UnitState.RUNNING
        return Unit(self._id(name), host, "docker", name, Role.SENSOR, state, reason=fate.ended)


def _standing(sensor: "SensorReport", uploads: str) -> Standing:
    from sensor_tui.service.merge import epoch

    return Standing(
        backlog=sensor.backlog,
        waiting=sensor.held,
        oldest_open=epoch(sensor.oldest_open),
        newest=epoch(sensor.newest),
        dead_letters=sensor.dead_letters,
        problem=sensor.problem or (f"another engine has it: {sensor.owner}" if sensor.owner else ""),
        uploads=uploads,
    )

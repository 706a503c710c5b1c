"""Ending the containers of a project: drained by its service, or, where that is declined, as they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.output import count, say
from sensor_tui.cli.project import Place, Story
from sensor_tui.errors import FleetError, UsageError
from sensor_tui.fleet import labels
from sensor_tui.fleet.project_engine import UPLOADER_GRACE
from sensor_tui.model.action import ActionKind, ActionRun, Step, UnitOutcome
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.unit import Role, Unit, unit_id

if TYPE_CHECKING:
    from sensor_tui.fleet.project_engine import Container, Engine, Survey
    from sensor_tui.service.client import ServiceClient

_KNOWN_SECONDS: Final = 10.0
"""How long the service gets to see what the engine has."""
_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Ending:
    """What is to be ended, and how."""

    place: Place
    engine: "Engine"
    found: "Survey"
    options: dict[str, Any]

    @property
    def living(self) -> "list[Container]":
        """Containers there is something to stop of, sensors first: uploaders send what those have left."""
        living = [each for each in self.found.containers if each.lives]
        return sorted(living, key=lambda each: each.uploads)

    @property
    def uploads(self) -> bool:
        """Whether containers upload, so that no service of ours has to be started for that."""
        return any(each.uploads for each in self.living)


def check_drain(ending: Ending, *, live: bool) -> None:
    """See that readings can be drained where that is wanted; `live` says whether a service runs.

    Raises:
        UsageError: none runs, and there is nothing to start one for.
    """
    options = ending.options
    if live or not options["drain"] or options["dry_run"] or not ending.living or ending.uploads:
        return
    if ending.place.settings.cosmos.endpoint is None:
        raise UsageError(
            "readings cannot be sent first: no service runs, and no endpoint is configured",
            fix="Give --no-drain: what is unsent stays in its files",
        )


async def end(session: Session, ending: Ending, *, wipe: bool = False) -> ActionRun:
    """Stop everything that lives, through the service where one runs or draining is wanted.

    A service that is started for it is stopped afterwards. With `wipe` the readings of sensors go too, and
    their containers.

    Raises:
        SensorTuiError: it could not be begun.
    """
    place = ending.place
    if place.root.is_dir():
        place.remember()
    embedding = place.embedding(session)
    client = embedding.find() if place.root.is_dir() else None
    wanted = ending.options["drain"] and ending.living and not ending.uploads
    if client is None and place.root.is_dir() and wanted:
        say("No service runs: one is started, to send what is unsent")
        client = await embedding.start()
    if client is None:
        return await _end_without_service(ending)
    try:
        async with client:
            return await _end_with(client, ending, wipe=wipe)
    finally:
        if embedding.started:
            await embedding.stop()


async def _end_with(client: "ServiceClient", ending: Ending, *, wipe: bool) -> ActionRun:
    """The same actions as on units: sensors, with their data where that is asked, then uploaders.

    A sensor whose data cannot be wiped runs on: it is not stopped before that is known.
    """
    units = await _known(client, ending, wipe=wipe)
    if units is None and wipe:
        raise FleetError(
            "nothing was done: the service does not look after these containers, so no data can be deleted",
            fix="Stop the service and start it again, or leave --wipe-data out",
        )
    if units is None:
        say("The service does not look after these containers, so they are stopped without it")
        return await _end_without_service(ending)
    living = {each.id for each in units if each.state.up or each.state == "backoff"}
    sensors = [each for each in units if each.role is not Role.UPLOADER]
    uploaders = [each for each in units if each.role is Role.UPLOADER]
    wiped = [each for each in sensors if wipe and each.role is Role.SENSOR]
    stopped = [each for each in sensors if each.id in living and each not in wiped]
    grace = max(ending.options["grace"], UPLOADER_GRACE)
    return await _acts(
        client,
        ending,
        [
            (ActionKind.REMOVE, wiped, {"wipe_data": True}),
            (ActionKind.STOP, stopped, {}),
            (ActionKind.STOP, [each for each in uploaders if each.id in living], {"grace": grace}),
        ],
    )


async def _acts(
    client: "ServiceClient",
    ending: Ending,
    steps: Sequence[tuple[ActionKind, Sequence[Unit], dict[str, Any]]],
) -> ActionRun:
    """One action after the other, until one does not end well; all of them told as one."""
    from sensor_tui.cli.unit_actions import carry_out, options_of
    from sensor_tui.cli.unit_told import Asked

    began = SystemClock().now()
    whole = ActionRun("", ActionKind.STOP, "", began, (), ended=began)
    for kind, units, changes in steps:
        if not units:
            continue
        options = replace(options_of({**ending.options, "wipe_data": False}), **changes)
        plan = await client.plan(kind, [each.id for each in units], options)
        names = {each.id: service_of(each) for each in units}
        if options.wipe_data and (kept := [each for each in plan.items if not each.applies]):
            told = "; ".join(f"{names.get(each.unit, each.name)}: {each.note}" for each in kept[:3])
            raise FleetError(
                f"nothing was done: data that cannot be wiped: {told}", fix="Leave --wipe-data out"
            )
        run = await carry_out(client, Asked(plan, names, (await client.status()).instance))
        whole = replace(
            whole,
            ended=run.ended,
            outcomes=(
                *whole.outcomes,
                *(replace(each, name=names.get(each.unit, each.name)) for each in run.outcomes),
            ),
            halted=run.halted,
            cancelled=run.cancelled,
        )
        if run.failed or run.cancelled or run.halted:
            break
    return whole


async def _known(client: "ServiceClient", ending: Ending, *, wipe: bool) -> list[Unit] | None:
    """The project's units as the service knows them; None where it does not know them all in time."""
    clock = SystemClock()
    wanted = ending.found.containers if wipe else ending.living
    deadline = clock.monotonic() + _KNOWN_SECONDS
    while True:
        report = await client.status()
        host = ending.place.address.name
        units = [each for each in report.units if each.runtime == "docker" and each.host == host]
        pairs = [(unit, each) for each in wanted for unit in units if _is(unit, each)]
        if len(pairs) == len(wanted) and all(_alike(*pair) for pair in pairs):
            return [unit for unit, _ in pairs]
        if clock.monotonic() >= deadline or not any(each.runtime == "docker" for each in report.hosts):
            return None
        await clock.sleep(_LOOK_SECONDS)


def _is(unit: Unit, container: "Container") -> bool:
    """Whether that is the same container: by its own name, or by its place in the Compose project."""
    place = (labels.COMPOSE_PROJECT, labels.COMPOSE_SERVICE)
    same = [unit.labels.get(each) == container.labels.get(each) is not None for each in place]
    return unit.name == container.name or all(same)


def _alike(unit: Unit, container: "Container") -> bool:
    """Whether the service has seen that it lives."""
    return unit.state.up or unit.state == "backoff" or not container.lives


async def _end_without_service(ending: Ending) -> ActionRun:
    """Through the Compose tool where its file is there, then through the engine, for what is not in it.

    Compose knows neither whose containers they are nor that sensors end before uploaders: where that
    matters, all is left to the engine.
    """
    place, options, clock = ending.place, ending.options, SystemClock()
    began, story = clock.now(), Story(place.name)
    grace = options["grace"]
    stack = place.stack
    if stack is not None and ending.living and not ending.uploads and not ending.found.foreign:
        try:
            await (await place.tool()).stop(stack, story.tell, grace=grace)
        except FleetError as error:
            say(f"The Compose tool could not stop them, so the engine is asked: {error.message}")
    left = await place.survey(ending.engine)
    for last in (False, True):
        turn = [each for each in left.containers if each.lives and each.uploads is last]
        for line in await place.ask(ending.engine.stop, turn, grace=grace, tell=story.say):
            say(line)
    left = await place.survey(ending.engine)
    alive = {each.id for each in left.containers if each.lives}
    outcomes = [
        UnitOutcome(
            unit_id(place.address.name, "docker", each.name),
            each.service,
            Step.FAILED if each.id in alive else Step.DONE,
            "it still runs" if each.id in alive else "",
        )
        for each in ending.living
    ]
    run = ActionRun("", ActionKind.STOP, "", began, outcomes, ended=clock.now())
    await _record(place, run)
    return run


async def unsent_told(ending: Ending) -> str:
    """What it means for readings that are unsent, for the question."""
    unsent = await ending.place.unsent(ending.found)
    if unsent == 0:
        return "no reading is unsent"
    many = "an unknown number of unsent readings" if unsent is None else count(unsent, "unsent reading")
    if ending.options.get("wipe_data") and not ending.options["drain"]:
        return f"{many} would be LOST"
    if ending.options["drain"]:
        return f"{many} would be sent first, for at most {ending.options['drain_timeout']:g} s, or later"
    return f"{many} would be sent later"


def service_of(unit: Unit) -> str:
    """The name that its compose file gives it."""
    return unit.labels.get(labels.COMPOSE_SERVICE) or unit.name


async def _record(place: Place, run: ActionRun) -> None:
    """Write down what no service has written down."""
    from sensor_tui.fleet.actions import result

    if place.root.is_dir():
        await place.record(str(run.kind), f"project {place.name}", result(run))


def nothing_there(place: Place) -> str:
    """What is said where there is nothing to end."""
    return f"Nothing of project {place.name} is on {place.address.name}"


def say_what_is_left_alone(place: Place, found: "Survey") -> None:
    """Say what has the same name and another data folder."""
    roots = sorted({str(root) for each in found.elsewhere for root in each.roots})
    if roots:
        say(
            f"{count(len(found.elsewhere), 'container')} of project {place.name} left alone: of another data"
            f" folder, {', '.join(roots)}; give that --data-dir to mean them"
        )


def raise_for(run: ActionRun) -> None:
    """Raise FleetError where not everything was ended."""
    failed = [each for each in run.outcomes if each.step is Step.FAILED]
    if failed:
        told = "; ".join(f"{each.name}: {each.message}" for each in failed[:3])
        raise FleetError(f"{count(len(failed), 'unit')} could not be ended: {told}", fix=_how_to_go_on(run))
    if run.cancelled or run.halted:
        raise FleetError(f"not all was ended: {run.halted or 'cancelled'}", fix=_how_to_go_on(run))


def _how_to_go_on(run: ActionRun) -> str:
    down = [each.name for each in run.outcomes if each.step is Step.DONE]
    told = f"; down now, and brought up by 'sensor-tui start': {', '.join(down)}" if down else ""
    return f"Nothing was made anew{told}"

"""Bringing a project up: its file, images, folders, whose names are taken, and the Compose tool."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.output import count, say
from sensor_tui.cli.project import Place, Story, place_for
from sensor_tui.cli.project_images import build_images, named, obtain
from sensor_tui.errors import FleetError, SensorTuiError, UsageError

if TYPE_CHECKING:
    from sensor_tui.fleet.compose_tool import ComposeTool
    from sensor_tui.fleet.project_engine import Container, Engine, Survey
    from sensor_tui.fleet.spec import FleetSpec

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be brought up, and where."""

    place: Place
    spec: "FleetSpec"
    text: str
    """The whole compose file."""
    tool: "ComposeTool"
    local: bool
    """Whether its images may be those of the engine, which no registry has."""
    before: str = ""
    """What the compose file held when this was planned."""

    @property
    def file(self) -> Path:
        """The compose file."""
        file = self.place.project.file
        assert file is not None
        return file

    @property
    def units(self) -> list[str]:
        """Names of all units."""
        return [*(unit.name for unit in self.spec.sensors), *(unit.name for unit in self.spec.uploaders)]


async def plan_of(session: Session, options: dict[str, Any]) -> Plan:
    """The fleet that options and configuration ask for, as a project on an engine.

    Raises:
        ConfigError, UsageError: it cannot be asked for like that.
        FleetError: there is no Compose tool.
    """
    from sensor_tui.cli.fleet_setup import setup_of
    from sensor_tui.fleet.compose import render
    from sensor_tui.fleet.compose_file import present

    if options["sqlite"] is not None:
        raise UsageError("--sqlite is about units, and none is named", fix="Give --data-dir for a project")
    setup = setup_of(session, options)
    output = None if options["output"] is None else options["output"].absolute()
    place = place_for(setup.settings, setup.spec.data_root, options, output=output)
    spec = replace(setup.spec, project=place.name)
    local = options["allow_local"]
    local = setup.settings.fleet.allow_local if local is None else local
    if local:
        spec = named(spec, options)
    else:
        _say_what_has_no_effect(options)
    file = place.project.file
    before = (present(file) if file is not None and file.is_file() else None) or ""
    return Plan(place, spec, render(spec), await place.tool(setup.environment), local, before)


def _say_what_has_no_effect(options: dict[str, Any]) -> None:
    given = [("--no-rebuild", not options["rebuild"]), ("--tag", options["tag"] is not None)]
    given.append(("--no-tag", not options["tagged"]))
    if named := [name for name, asked in given if asked]:
        say(f"{', '.join(named)} without --allow-local: no effect, since nothing is built then")


async def check(plan: Plan, engine: "Engine", found: "Survey", options: dict[str, Any]) -> None:
    """See that it can be brought up before anything is changed; images are built or pulled first.

    Raises:
        ImageError: an image is missing.
        FleetError: a name is taken by somebody else's container.
        StorageError, UsageError: the compose file cannot be written.
    """
    from sensor_tui.fleet.compose_file import check_place

    check_place(plan.file)
    if found.elsewhere:
        told = listed([each.name for each in found.elsewhere])
        roots = sorted({str(root) for each in found.elsewhere for root in each.roots})
        raise FleetError(
            f"nothing was started: project {plan.place.name} is that of another data folder"
            f" ({listed(roots)}): {told}",
            fix="Give that --data-dir, or another --project-name, or end it from there",
        )
    spec = plan.spec
    images = list(dict.fromkeys(filter(None, (spec.images.sensor, spec.images.uploader))))
    if plan.local and options["dry_run"]:
        images = [each for each in images if not (options["rebuild"] and spec.images.own(each))]
    elif plan.local:
        await build_images(plan.place, spec, options)
    await obtain(plan.place, images, local=plan.local, dry_run=options["dry_run"])
    taken = await plan.place.ask(
        engine.clashes,
        plan.place.name,
        names=_container_names(plan),
        services=set(plan.units),
        folders={str(plan.spec.data_root / unit.data) for unit in spec.sensors},
    )
    if taken:
        told = listed([f"{each.name} ({each.image})" for each in taken])
        raise FleetError(
            f"nothing was started: what project {plan.place.name} needs, a name or a data folder, is taken"
            f" by containers that are not its own: {told}",
            fix="Stop and remove them, or give another --project-name and --data-dir",
        )
    if found.foreign:
        say(
            f"Another Compose project is called {plan.place.name} too: its"
            f" {count(len(found.foreign), 'container')} are left alone"
        )


def _container_names(plan: Plan) -> set[str]:
    """What Compose would call the containers: 1.29 joins with `_`, v2 with `-`."""
    return {f"{plan.place.name}{joint}{unit}{joint}1" for unit in plan.units for joint in "_-"}


def write(plan: Plan, *, force: bool) -> None:
    """Write the compose file and say so.

    Raises:
        UsageError: a file is there that was not made here, and `force` was not given.
        StorageError: it cannot be written.
    """
    from sensor_tui.fleet.compose_file import Written, write_compose

    written = write_compose(plan.file, plan.text, force=force, replace_own=True)
    told = {
        Written.NEW: f"{plan.file} written",
        Written.SAME: f"{plan.file} is as it was",
        Written.REPLACED: f"{plan.file} replaced: it was made from other settings",
    }
    say(told[written])


def make_room(plan: Plan) -> None:
    """Make the folders that containers write to, and say so; raises FleetError where that cannot be done."""
    from sensor_tui.fleet.project import make_folders
    from sensor_tui.fleet.spec import bind_folders

    if plan.place.address.scheme == "unix":
        made = make_folders((plan.spec.data_root, *bind_folders(plan.spec)), plan.spec.user)
        if made:
            say(f"{count(len(made), 'folder')} made, for user {plan.spec.user}")
    else:
        folders = bind_folders(plan.spec)
        say(
            f"{plan.place.address.name} is another machine: {count(len(folders), 'folder')} such as"
            f" {folders[0]} have to be there, writable for user {plan.spec.user}"
        )


async def up(plan: Plan, engine: "Engine", found: "Survey", *, recreate: bool) -> None:
    """Start what is not up yet, or all of it anew; what is there already is said.

    What is up is never made anew but by `recreate`: nothing has drained it.

    Raises:
        FleetError: it could not be done; what had been started is said, and runs on.
    """
    from sensor_tui.fleet.compose_tool import Stack

    _say_what_is_there(plan, found, recreate=recreate)
    story = Story(plan.place.name)
    kept = not recreate and bool(living(plan, found))
    try:
        await plan.tool.up(
            Stack(plan.file, plan.place.name),
            story.tell,
            recreate=True if recreate else False if kept else None,
        )
    except (SensorTuiError, asyncio.CancelledError):
        await _say_what_was_started(plan, engine)
        raise


def _say_what_is_there(plan: Plan, found: "Survey", *, recreate: bool) -> None:
    units = set(plan.units)
    there = [each for each in found.ours if each.service in units]
    if there and not recreate:
        lives = len(living(plan, found))
        missing = len(units) - len(there)
        rest = f"; {missing} missing" if missing else ""
        say(f"Of {count(len(units), 'unit')} {len(there)} there already, {lives} of them up{rest}")
        older = outdated(plan, found)
        if lives and older:
            say(
                f"With older settings or an older image, and left as they are: {listed(older)}."
                " 'sensor-tui reset' makes them anew"
            )
    left = [each.service for each in left_over(plan, found)]
    if left and not recreate:
        say(
            f"No longer in the fleet, and left as they are: {listed(left)}."
            " 'sensor-tui cleanup' or 'sensor-tui reset' removes them"
        )


def living(plan: Plan, found: "Survey") -> set[str]:
    """Units of the fleet that are up."""
    return {each.service for each in found.ours if each.lives} & set(plan.units)


def left_over(plan: Plan, found: "Survey") -> "list[Container]":
    """Containers of the project that are no longer in the fleet."""
    units = set(plan.units)
    return [each for each in found.containers if each.service not in units]


async def remove_left_over(plan: Plan, engine: "Engine", found: "Survey", *, grace: float) -> None:
    """Remove what is no longer in the fleet, and nothing that is not its own.

    Raises:
        FleetError: something of it could not be removed.
    """
    left = tuple(left_over(plan, found))
    what = replace(found, ours=left, orphans=(), foreign=(), networks=())
    story = Story(plan.place.name)
    if problems := await plan.place.ask(engine.remove, what, grace=grace, tell=story.say):
        raise FleetError(
            f"what is no longer in the fleet could not all be removed: {'; '.join(problems)}",
            fix="'sensor-tui start' brings up what is in it",
        )


def outdated(plan: Plan, found: "Survey") -> list[str]:
    """Units there are whose part of the compose file changes, or whose image is another one by now."""
    was, will = _services(plan.before), _services(plan.text)
    images = {unit.name: plan.spec.images.sensor for unit in plan.spec.sensors}
    images |= {unit.name: plan.spec.images.uploader or "" for unit in plan.spec.uploaders}
    return [
        each.service
        for each in found.ours
        if each.service in images
        and (
            each.image != images[each.service]
            or was.get(each.service, will[each.service]) != will[each.service]
        )
    ]


def _services(text: str) -> dict[str, str]:
    """The part of each service in a compose file as it is made here."""
    return dict(re.findall(r"^  ([a-z0-9-]+):\n((?: {4}.*\n)*)", text, re.MULTILINE))


async def _say_what_was_started(plan: Plan, engine: "Engine") -> None:
    try:
        found = await plan.place.survey(engine)
    except SensorTuiError as error:
        say(f"What was started is not known: {error}")
        return
    up_now = [each.service for each in found.ours if each.lives]
    made = [each.service for each in found.ours if not each.lives]
    known = {each.service for each in found.ours}
    missing = [name for name in plan.units if name not in known]
    parts = [("Up", up_now), ("Made, not up", made), ("Not made", missing)]
    told = "; ".join(f"{head}: {listed(names)}" for head, names in parts if names)
    say(f"{told}. Start again to complete it; 'sensor-tui cleanup' removes it")


def listed(names: Sequence[str]) -> str:
    """The first of these names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(sorted(names)[:_NAMED]) + more

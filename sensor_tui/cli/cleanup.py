"""`sensor-tui cleanup`: every container and network of a project goes, and nothing else."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from sensor_tui.cli.fleet_setup import place_options
from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import json_option, yes_option
from sensor_tui.cli.project_options import project_option
from sensor_tui.errors import ExitCode, FleetError

if TYPE_CHECKING:
    from sensor_tui.cli.project import Place
    from sensor_tui.fleet.docker_host import DockerAddress
    from sensor_tui.fleet.project_engine import Survey


@click.command(
    cls=Command,
    examples=(
        "sensor-tui cleanup --dry-run",
        "sensor-tui cleanup --project-name my-sensors --yes",
    ),
)
@place_options
@project_option
@click.option(
    "--grace",
    type=click.FloatRange(0, 86_400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Between SIGTERM and SIGKILL; uploaders, which drain, get 40 s at least.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@yes_option
@json_option
@click.pass_obj
def cleanup(session: Session, /, **options: Any) -> int:
    """Remove every container and network of the Docker project, on all hosts, and nothing else.

    They are found by label, so neither the compose file nor a service is needed. Readings and archives stay:
    what is unsent is sent when a service next runs. What is in Cosmos DB stays too; 'clean' deletes that.
    """
    return asyncio.run(_cleanup(session, options))


async def _cleanup(session: Session, options: dict[str, Any]) -> int:
    from sensor_tui.cli.output import confirm, count, emit, emit_json, say
    from sensor_tui.cli.project import place_of
    from sensor_tui.fleet.docker_host import docker_addresses

    place = place_of(session, options)
    addresses = docker_addresses(place.settings.fleet.hosts)
    found, away = await _look(place, addresses)
    things = sum(len(each.containers) + len(each.networks) for _, each in found)
    for line in away:
        say(line)
    if len(away) == len(addresses):
        raise FleetError("no engine could be asked, so nothing was removed", fix="See the lines above")
    if options["dry_run"] or not things:
        if options["as_json"]:
            emit_json(_facts(place, found, [], away, removed=False))
        else:
            emit("\n".join(_told(place, found)))
        return int(ExitCode.REJECTED if away else ExitCode.OK)
    with suppress(OSError):
        click.echo("\n".join(_told(place, found)), err=True)
    if not confirm(f"Remove {count(things, 'thing')} of project {place.name}?", yes=options["yes"]):
        return int(ExitCode.REJECTED)
    problems = await _remove(place, found, options["grace"])
    for line in problems:
        say(line)
    if options["as_json"]:
        emit_json(_facts(place, found, problems, away, removed=True))
    else:
        left = f", {count(len(problems), 'thing')} left" if problems else ""
        emit(f"Project {place.name}: {count(things - len(problems), 'thing')} removed{left}; data stays")
    return int(ExitCode.REJECTED if problems or away else ExitCode.OK)


async def _look(
    place: "Place", addresses: "list[DockerAddress]"
) -> "tuple[list[tuple[DockerAddress, Survey]], list[str]]":
    """What each engine has of the project, and which of them could not be asked."""
    found: list[tuple[DockerAddress, Survey]] = []
    away: list[str] = []

    def look(address: "DockerAddress") -> "Survey":
        from sensor_tui.fleet.project_engine import Engine

        with Engine(address) as engine:
            return engine.survey(place.name, file=file, root=place.root)

    file = place.file
    answers = await asyncio.gather(*(place.ask(look, each) for each in addresses), return_exceptions=True)
    for address, answer in zip(addresses, answers, strict=True):
        if isinstance(answer, FleetError):
            away.append(f"{address.name}: {answer}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found.append((address, answer))
    return found, away


async def _remove(place: "Place", found: "list[tuple[DockerAddress, Survey]]", grace: float) -> list[str]:
    """Remove all of it; what could not be removed, as lines."""
    from sensor_tui.cli.project import ENGINE_SECONDS, Story
    from sensor_tui.fleet.project_engine import UPLOADER_GRACE, Engine

    story = Story(place.name)

    def remove(address: "DockerAddress", what: "Survey") -> list[str]:
        with Engine(address, timeout=ENGINE_SECONDS + max(grace, UPLOADER_GRACE)) as engine:
            return engine.remove(what, grace=grace, tell=story.say)

    lists = await asyncio.gather(*(place.ask(remove, *each) for each in found))
    problems = [line for lines in lists for line in lines]
    if place.root.is_dir():
        done = sum(len(each.containers) + len(each.networks) for _, each in found) - len(problems)
        await place.record("cleanup", f"project {place.name}", "; ".join([f"{done} removed", *problems]))
    return problems


def _told(place: "Place", found: "list[tuple[DockerAddress, Survey]]") -> list[str]:
    from sensor_tui.cli.output import clean

    lines = []
    for address, what in found:
        if what.empty:
            lines.append(f"Nothing of project {place.name} is on {address.name}")
        lines += [f"{address.name}: container {each.name} ({each.image}), {each.state}" for each in what.ours]
        lines += [
            f"{address.name}: container {each.name} ({each.image}), {each.state}, an orphan"
            for each in what.orphans
        ]
        lines += [f"{address.name}: network {each.name}" for each in what.networks]
        lines += [
            f"{address.name}: {each.name} is left alone: it belongs to another project of that name"
            + "".join(f", with --data-dir {root}" for root in sorted(each.roots))
            for each in what.foreign
        ]
    return [clean(line) for line in lines]


def _facts(
    place: "Place",
    found: "list[tuple[DockerAddress, Survey]]",
    problems: list[str],
    away: list[str],
    *,
    removed: bool,
) -> dict[str, Any]:
    hosts = [
        {
            "host": address.name,
            "containers": [each.name for each in what.containers],
            "networks": [each.name for each in what.networks],
            "left_alone": [each.name for each in what.foreign],
        }
        for address, what in found
    ]
    return {
        "project": place.name,
        "removed": removed,
        "hosts": hosts,
        "problems": problems,
        "unreachable": away,
    }

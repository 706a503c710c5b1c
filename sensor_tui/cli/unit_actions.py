"""`sensor-tui start`, `stop`, `restart`, `reset` and `remove`: what is done to units, or to a project."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from sensor_tui.cli.fleet_setup import fleet_options, place_options
from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import where_options
from sensor_tui.cli.project_options import (
    ROLLING,
    host_option,
    project_option,
    up_options,
    whole_project,
)
from sensor_tui.cli.unit_options import common, ending, proving, units_argument, wiping
from sensor_tui.cli.units import closing, find_units, short_names, with_service
from sensor_tui.errors import ExitCode, SensorTuiError, ServiceError, UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.unit_told import Asked
    from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun
    from sensor_tui.service.client import ServiceClient


@click.command(
    cls=Command,
    examples=(
        "sensor-tui start --sensors-per-city 10 --uploader-tag v20250601",
        "sensor-tui start --allow-local --no-rebuild",
        "sensor-tui start sensor-london-1",
        "sensor-tui start --all --batch 10",
    ),
)
@place_options
@fleet_options
@up_options
@common
@proving
@units_argument
@click.pass_context
def start(context: click.Context, /, **options: Any) -> int:
    """Bring the Docker project up, or start units, and prove that readings flow.

    Without names it is the whole project: the compose file is written from configuration and cities, images
    are looked for, and Compose starts what is not up. With names, ids or sensor ids, or --all, it is units
    that a running service knows.
    """
    if whole_project(context, options, further=ROLLING):
        from sensor_tui.cli.project_start import start_project

        return start_project(context.obj, options)
    return _act(context.obj, "start", options)


@click.command(
    cls=Command,
    examples=(
        "sensor-tui stop",
        "sensor-tui stop sensor-london-1",
        "sensor-tui stop --all --city London --yes",
    ),
)
@where_options
@project_option
@host_option
@common
@ending
@units_argument
@click.pass_context
def stop(context: click.Context, /, **options: Any) -> int:
    """Stop the Docker project, or units, having sent what they have not sent yet.

    Without names it is every container of the project; they stay, and start brings them up again. Draining
    is the service's work: where none runs, one is started for it, and stopped afterwards.
    """
    if whole_project(context, options):
        from sensor_tui.cli.project_stop import stop_project

        return stop_project(context.obj, options)
    return _act(context.obj, "stop", options)


@click.command(
    cls=Command, examples=("sensor-tui restart --all --batch 1 --pause 5 --stop-on-failure --yes",)
)
@where_options
@common
@ending
@proving
@units_argument
@click.pass_obj
def restart(session: Session, /, **options: Any) -> int:
    """Stop units and start them again, and prove that readings flow."""
    return _act(session, "restart", options)


@click.command(
    cls=Command,
    examples=(
        "sensor-tui reset --no-diagnostics",
        "sensor-tui reset --sensor-config custom.yaml --yes",
        "sensor-tui reset LON_000001 --yes",
    ),
)
@place_options
@fleet_options
@up_options
@common
@ending
@proving
@wiping
@units_argument
@click.pass_context
def reset(context: click.Context, /, **options: Any) -> int:
    """Drain, stop, make anew and start the Docker project, or units, and prove that readings flow.

    Without names it is the whole project: its compose file is made again from the configuration, with the
    same cities and seed, and every container anew. Readings are kept unless --wipe-data is given.
    """
    if whole_project(context, options):
        from sensor_tui.cli.project_reset import reset_project

        return reset_project(context.obj, options)
    return _act(context.obj, "reset", options)


@click.command(cls=Command, examples=("sensor-tui remove sensor-london-1",))
@where_options
@common
@ending
@wiping
@units_argument
@click.pass_obj
def remove(session: Session, /, **options: Any) -> int:
    """Stop units and forget them and their logs. Readings are kept unless --wipe-data is given."""
    return _act(session, "remove", options)


def _act(session: Session, verb: str, options: dict[str, Any]) -> int:
    from sensor_tui.cli.output import confirm, emit, emit_json, say
    from sensor_tui.cli.unit_told import plan_facts, plan_told, question, run_facts, run_told
    from sensor_tui.model.action import ActionKind

    kind = ActionKind(verb)
    if bool(options["names"]) == options["every"]:
        raise UsageError(
            f"which units to {verb} is not clear", fix="Name them, or give --all, which --city narrows down"
        )
    if options["city"] is not None and not options["every"]:
        raise UsageError("--city goes with --all", fix="Give --all instead of names, or leave it out")
    asked = with_service(session, options, lambda client, _: _ask(client, kind, options))
    if asked is None:
        say("There are no units; 'sensor-tui units add' adds one.")
        if options["as_json"]:
            emit_json({"kind": verb, "items" if options["dry_run"] else "outcomes": []})
        return int(ExitCode.OK)
    plain = session.no_color
    if options["dry_run"]:
        if options["as_json"]:
            emit_json(plan_facts(asked.plan))
        else:
            emit("\n".join(plan_told(asked, plain=plain)))
        return int(ExitCode.OK)
    if kind.ends and any(item.applies for item in asked.plan.items):
        with suppress(OSError):
            click.echo("\n".join(plan_told(asked, plain=plain)), err=True)
        if not confirm(question(asked.plan), yes=options["yes"]):
            return int(ExitCode.REJECTED)
    run = with_service(session, options, lambda client, _: carry_out(client, asked))
    if options["as_json"]:
        emit_json(run_facts(run))
    else:
        emit("\n".join(run_told(run, asked.names, plain=plain)))
    return int(ExitCode.REJECTED if run.failed or run.cancelled or run.halted else ExitCode.OK)


async def _ask(client: "ServiceClient", kind: "ActionKind", options: dict[str, Any]) -> "Asked | None":
    from sensor_tui.cli.unit_told import Asked

    report = await client.status()
    known = report.units
    chosen = _of_city(known, options["city"]) if options["every"] else find_units(known, options["names"])
    if not chosen:
        return None
    plan = await client.plan(kind, [unit.id for unit in chosen], options_of(options))
    return Asked(plan, short_names(known), report.instance)


def _of_city(known: Sequence[Any], city: str | None) -> list[Any]:
    chosen = [unit for unit in known if city is None or (unit.city or "").casefold() == city.casefold()]
    if known and not chosen:
        cities = ", ".join(sorted({unit.city for unit in known if unit.city})) or "none"
        raise UsageError(f"no unit is of the city '{city}'", fix=f"Cities of units: {cities}")
    return chosen


def options_of(options: dict[str, Any]) -> "ActionOptions":
    """How it is done, from the options of a command."""
    from dataclasses import fields

    from sensor_tui.model.action import ActionOptions

    known = {field.name for field in fields(ActionOptions)}
    return ActionOptions(**{name: value for name, value in options.items() if name in known})


async def carry_out(client: "ServiceClient", asked: "Asked") -> "ActionRun":
    """Do it and tell how it goes until it has ended; the first Ctrl-C cancels it, the second leaves."""
    run = await client.act(asked.plan.kind, asked.units, asked.plan.options)
    task = asyncio.current_task()
    assert task is not None
    cancelling: set[asyncio.Task[None]] = set()

    def first() -> None:
        cancelling.add(asyncio.ensure_future(_cancel(client, run)))

    from sensor_tui.service.signals import two_signals

    def second() -> None:
        task.cancel()

    with two_signals(first, second):
        try:
            return await _ended(client, run, asked)
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            for each in cancelling:
                each.cancel()
            await asyncio.gather(*cancelling, return_exceptions=True)


async def _cancel(client: "ServiceClient", run: "ActionRun") -> None:
    from sensor_tui.cli.output import say

    say("Cancelling: what has begun is finished. Once more leaves it to the service.")
    try:
        await client.cancel(run.id)
    except SensorTuiError as error:
        say(error)


async def _ended(client: "ServiceClient", run: "ActionRun", asked: "Asked") -> "ActionRun":
    """Follow it to its end; raises ServiceError where the service forgot it."""
    from sensor_tui.cli.output import say
    from sensor_tui.cli.unit_told import Narrator

    narrator = Narrator(asked.names)
    narrator.tell(run)
    seen, lost = False, False
    async with closing(client.events()) as updates:
        async for update in updates:
            if update.kind == "lost" and not lost:
                say(update.problem)
            lost = update.kind == "lost"
            report = update.report
            if report is None or lost:
                continue
            found = next((each for each in report.actions if each.id == run.id), None)
            if found is None and (seen or report.instance != asked.instance):
                break
            if found is not None:
                seen = True
                narrator.tell(found)
                if found.ended is not None:
                    return found
    raise ServiceError(
        f"the service no longer knows how '{run.kind}' went: it was started anew meanwhile",
        fix="See 'sensor-tui units' for how things stand",
    )

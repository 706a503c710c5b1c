"""`sensor-tui start` of a whole project: from the configuration to readings that arrive."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.project import Story
from sensor_tui.cli.project_up import (
    Plan,
    check,
    left_over,
    listed,
    living,
    make_room,
    outdated,
    plan_of,
    up,
    write,
)
from sensor_tui.errors import ConfigError, ExitCode, SensorTuiError
from sensor_tui.model.action import ActionKind, ActionRun

if TYPE_CHECKING:
    from sensor_tui.fleet.project_engine import Engine, Survey
    from sensor_tui.model.check import Check
    from sensor_tui.service.client import ServiceClient

_VERDICTS: Final = ("ok", "skipped", "warning", "failed")


def start_project(session: Session, options: dict[str, Any]) -> int:
    """Bring the project up; the exit code."""
    return asyncio.run(_start(session, options))


async def _start(session: Session, options: dict[str, Any]) -> int:
    plan = await plan_of(session, options)
    engine = await plan.place.engine()
    try:
        found = await plan.place.survey(engine)
        await check(plan, engine, found, options)
        if options["dry_run"]:
            tell_plan(plan, found, "start", as_json=options["as_json"])
            return int(ExitCode.OK)
        check_endpoint(session, plan, options)
        write(plan, force=options["force"])
        return await bring_up(session, plan, engine, found, options, ActionKind.START)
    finally:
        engine.close()


async def bring_up(
    session: Session,
    plan: Plan,
    engine: "Engine",
    found: "Survey",
    options: dict[str, Any],
    kind: ActionKind,
) -> int:
    """Start what was written, wait, prove and check; says what came of it, and returns the exit code.

    `found` is what there is of the project before; a reset makes all of it anew.

    Raises:
        SensorTuiError: it could not be brought up; what had been started is said.
    """
    from sensor_tui.cli.output import emit, emit_json
    from sensor_tui.cli.project_wait import Limits, Waiting
    from sensor_tui.cli.unit_told import run_facts, run_told
    from sensor_tui.model.clock import SystemClock

    place, clock = plan.place, SystemClock()
    make_room(plan)
    place.remember()
    client = await _service(session, plan, options)
    try:
        story = Story(place.name)
        waiting = Waiting(place, engine, client, clock, story)
        recreate = kind is ActionKind.RESET
        await waiting.begin([] if recreate else found.ours)
        began = clock.now()
        try:
            await up(plan, engine, found, recreate=recreate)
        except SensorTuiError as error:
            await place.record(str(kind), f"project {place.name}", f"failed: {error.message}")
            raise
        limits = Limits(options["wait_timeout"], options["prove_timeout"] if options["prove"] else None)
        outcomes = await waiting.until_well(_units(plan), limits)
    finally:
        if client is not None:
            await client.close()
    run = ActionRun("", kind, "", began, outcomes, ended=clock.now())
    await place.record(str(kind), f"project {place.name}", _result(run))
    checks = await _diagnose(plan) if options["diagnose"] else []
    failed = [each for each in checks if each.verdict == "failed"]
    if options["as_json"]:
        facts = {"project": place.name, "host": place.address.name, "file": str(plan.file)}
        told = [
            {"name": each.name, "verdict": str(each.verdict), "evidence": each.evidence} for each in checks
        ]
        emit_json(facts | run_facts(run) | {"diagnostics": told})
    else:
        emit("\n".join(run_told(run, {}, plain=session.no_color)))
    return int(ExitCode.REJECTED if run.failed or failed else ExitCode.OK)


def check_endpoint(session: Session, plan: Plan, options: dict[str, Any]) -> None:
    """Raise ConfigError where a service would have to be started, and nothing says where readings go."""
    if plan.spec.uploaders or not options["service"] or plan.place.settings.cosmos.endpoint is not None:
        return
    if plan.place.embedding(session).find() is None:
        raise ConfigError(
            "no endpoint is configured, so readings would go nowhere; nothing was started",
            fix="Set COSMOS_ENDPOINT and COSMOS_KEY, or give --no-service to start without uploads",
        )


async def _service(session: Session, plan: Plan, options: dict[str, Any]) -> "ServiceClient | None":
    """The service, started where this machine uploads and none runs; None where there is none.

    Raises:
        SensorTuiError: it could not be started.
    """
    from sensor_tui.cli.output import say
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.attach import attach

    place = plan.place
    interval = None if options["upload_interval"] is None else plan.spec.upload_interval
    embedding = place.embedding(session, interval=interval)
    if plan.spec.uploaders or not options["service"]:
        client = await asyncio.to_thread(attach, place.request, SystemClock())
        if client is None and options["prove"]:
            say("No service runs here, so it is not proven that readings arrive")
        return client
    client = await embedding.start()
    if embedding.started:
        say("The service was started: it uploads what the sensors write, and goes on until it is stopped")
    elif interval is not None:
        say("The service runs already, with its own --upload-interval; stop it first to change that")
    return client


def _units(plan: Plan) -> dict[str, str | None]:
    sensors: dict[str, str | None] = {unit.name: unit.sensor_id for unit in plan.spec.sensors}
    return sensors | dict.fromkeys(unit.name for unit in plan.spec.uploaders)


def checks_of(plan: Plan) -> tuple[str, ...]:
    """The checks that make sense: not those of the endpoint, where only the uploaders know it."""
    from sensor_tui.service.diagnostics.runner import CHECKS

    distant: set[str] = set()
    if plan.spec.uploaders and plan.place.settings.cosmos.endpoint is None:
        distant.add("endpoint")
        for spec in CHECKS:
            if not distant.isdisjoint(spec.needs):
                distant.add(spec.name)
    return tuple(spec.name for spec in CHECKS if spec.name not in distant)


async def _diagnose(plan: Plan) -> "list[Check]":
    """Make every check that makes sense; what is not as it should be is said."""
    from sensor_tui.cli.output import say
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.diagnostics import Diagnostics, of_request

    place, names = plan.place, checks_of(plan)
    context = of_request(place.settings, place.request, SystemClock(), problem=None, write=False)
    checks = [check async for check in Diagnostics(context).run(names)]
    if "endpoint" not in names:
        say("diagnostics: the endpoint is not checked: it is in the configuration of the uploaders alone")
    for each in checks:
        if each.verdict in {"failed", "warning"}:
            remedy = f" -> {each.remedy}" if each.remedy else ""
            say(f"diagnostics: {each.verdict}: {each.name}: {each.evidence}{remedy}")
    counts = [(verdict, sum(each.verdict == verdict for each in checks)) for verdict in _VERDICTS]
    say("diagnostics: " + ", ".join(f"{number} {verdict}" for verdict, number in counts if number))
    return checks


def tell_plan(plan: Plan, found: "Survey", verb: str, *, as_json: bool) -> None:
    """What would be done, without doing it."""
    from sensor_tui.cli.output import clean_lines, count, emit, emit_json
    from sensor_tui.fleet.compose_file import difference

    changes = difference(plan.file, plan.text)
    lives = living(plan, found)
    anew = verb == "reset"
    missing = [name for name in plan.units if anew or name not in lives]
    older = outdated(plan, found) if lives and not anew else []
    gone = [each.name for each in left_over(plan, found)] if anew else []
    if as_json:
        facts = {"project": plan.place.name, "host": plan.place.address.name, "file": str(plan.file)}
        units = {"units": plan.units, "to_start": missing, "left_as_they_are": older, "to_remove": gone}
        emit_json({"kind": verb, **facts, "difference": changes, **units})
        return
    if changes:
        emit(clean_lines(changes.rstrip("\n")))
    emit(
        f"{verb} would bring up {count(len(plan.units), 'unit')} of project {plan.place.name} on"
        f" {plan.place.address.name}: {count(len(missing), 'unit')} to start,"
        f" {plan.file} {'changes' if changes else 'stays as it is'}"
    )
    if older:
        emit(clean_lines(f"With older settings or an older image, and left as they are: {listed(older)}"))
    if gone:
        emit(clean_lines(f"No longer in the fleet, and removed: {', '.join(gone)}"))


def _result(run: ActionRun) -> str:
    from sensor_tui.fleet.actions import result

    return result(run)

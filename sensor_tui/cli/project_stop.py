"""`sensor-tui stop` of a whole project."""

import asyncio
from typing import Any

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.output import clean, confirm, count, emit, emit_json, say
from sensor_tui.cli.project import place_of
from sensor_tui.cli.project_down import (
    Ending,
    check_drain,
    end,
    nothing_there,
    say_what_is_left_alone,
    unsent_told,
)
from sensor_tui.errors import ExitCode, UsageError
from sensor_tui.model.action import ActionRun


def stop_project(session: Session, options: dict[str, Any]) -> int:
    """Stop every container of the project; the exit code."""
    return asyncio.run(_stop(session, options))


async def _stop(session: Session, options: dict[str, Any]) -> int:
    if options["sqlite"] is not None:
        raise UsageError("--sqlite is about units, and none is named", fix="Give --data-dir for a project")
    place = place_of(session, options)
    engine = await place.engine()
    try:
        found = await place.survey(engine)
        ending = Ending(place, engine, found, options)
        say_what_is_left_alone(place, found)
        if not ending.living:
            say(nothing_there(place) if found.empty else f"Nothing of project {place.name} runs")
            if options["as_json"]:
                emit_json({"kind": "stop", "project": place.name, "outcomes": []})
            return int(ExitCode.OK)
        check_drain(ending, live=_live(session, ending))
        told = await unsent_told(ending)
        if options["dry_run"]:
            _tell_plan(ending, told)
            return int(ExitCode.OK)
        many = count(len(ending.living), "container")
        question = f"Stop {many} of project {place.name} on {place.address.name} ({told})?"
        if not confirm(question, yes=options["yes"]):
            return int(ExitCode.REJECTED)
        return _tell(session, ending, await end(session, ending))
    finally:
        engine.close()


def _live(session: Session, ending: Ending) -> bool:
    place = ending.place
    return place.root.is_dir() and place.embedding(session).find() is not None


def _tell_plan(ending: Ending, told: str) -> None:
    place, names = ending.place, [each.service for each in ending.living]
    if ending.options["as_json"]:
        emit_json({"kind": "stop", "project": place.name, "host": place.address.name, "units": names})
    else:
        many = count(len(names), "unit")
        emit(clean(f"stop would end {many} of project {place.name}: {', '.join(names)}; {told}"))


def _tell(session: Session, ending: Ending, run: ActionRun) -> int:
    from sensor_tui.cli.unit_told import run_facts, run_told

    if ending.options["as_json"]:
        emit_json({"project": ending.place.name, "host": ending.place.address.name} | run_facts(run))
    else:
        emit("\n".join(run_told(run, {}, plain=session.no_color)))
    return int(ExitCode.REJECTED if run.failed or run.cancelled or run.halted else ExitCode.OK)

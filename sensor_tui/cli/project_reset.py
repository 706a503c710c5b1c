"""`sensor-tui reset` of a whole project: drained, ended, and all of it made anew."""

import asyncio
from typing import Any

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.output import confirm, count, say
from sensor_tui.cli.project_down import Ending, check_drain, end, raise_for, unsent_told
from sensor_tui.cli.project_start import bring_up, check_endpoint, tell_plan
from sensor_tui.cli.project_up import check, left_over, plan_of, remove_left_over, write
from sensor_tui.errors import ExitCode, UsageError
from sensor_tui.fleet.compose_tool import Stack
from sensor_tui.model.action import ActionKind


def reset_project(session: Session, options: dict[str, Any]) -> int:
    """Reset the project; the exit code."""
    return asyncio.run(_reset(session, options))


async def _reset(session: Session, options: dict[str, Any]) -> int:
    plan = await plan_of(session, options)
    place = plan.place
    engine = await place.engine()
    try:
        found = await place.survey(engine)
        ending = Ending(place, engine, found, options)
        live = place.root.is_dir() and place.embedding(session).find() is not None
        if options["wipe_data"] and not live:
            raise UsageError(
                "--wipe-data needs the service, which knows what is unsent, and none runs",
                fix="Start it with 'sensor-tui service start', or leave --wipe-data out",
            )
        check_drain(ending, live=live)
        await check(plan, engine, found, options)
        told = await unsent_told(ending)
        if options["dry_run"]:
            tell_plan(plan, found, "reset", as_json=options["as_json"])
            say(told)
            return int(ExitCode.OK)
        many = count(len(found.containers) - len(left_over(plan, found)), "container")
        data = ", and delete the readings of its sensors" if options["wipe_data"] else ""
        left = [each.name for each in left_over(plan, found)]
        gone = f", remove {', '.join(left)}" if left else ""
        what = f"Make {many} of project {place.name} on {place.address.name} anew{gone}{data}"
        question = f"{what} ({told})?"
        if not found.empty and not confirm(question, yes=options["yes"]):
            return int(ExitCode.REJECTED)
        check_endpoint(session, plan, options)
        write(plan, force=options["force"])
        if found.containers:
            # a file that Compose does not take is found while everything still runs
            await plan.tool.config(Stack(plan.file, place.name))
            raise_for(await end(session, ending, wipe=options["wipe_data"]))
            await remove_left_over(plan, engine, found, grace=options["grace"])
        return await bring_up(session, plan, engine, found, options, ActionKind.RESET)
    finally:
        engine.close()

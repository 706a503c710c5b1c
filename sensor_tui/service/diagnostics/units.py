"""Checks of what runs: units there should be, and how they fare."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sensor_tui.errors import FleetError, SensorTuiError
from sensor_tui.model.unit import Health, Unit, UnitState
from sensor_tui.service.diagnostics.context import Context, Finding, failed, fine, skipped, warning
from sensor_tui.service.diagnostics.engines import Engines
from sensor_tui.service.diagnostics.words import some

DOCKER: Final = "docker"
OFTEN: Final = 3
"""Restarts by itself from which on a unit is looked at."""
LOOP_SECONDS: Final = 300.0
"""A unit that was restarted often and is up for less than this is in a loop."""

_SHOULD_BE_UP: Final = frozenset({UnitState.BACKOFF, UnitState.FAILED, UnitState.UNKNOWN})
_BEFORE: Final = "See the checks before this one"
_WRITE: Final = "Write it again (sensor-tui compose), or start the project again (sensor-tui start)"
_START: Final = "Start it: sensor-tui start"


@dataclass(frozen=True, slots=True)
class Expected:
    """Units that a compose file says there should be; `problem` is why that is not known."""

    project: str = ""
    names: tuple[str, ...] = ()
    problem: str = ""


async def units(context: Context, engines: Engines) -> Finding:
    """Units that should be up, and whether they are and stay so."""
    found, problem = await _units(context, engines)
    expected = await _expected(engines)
    now = context.clock.now()
    known = {unit.name for unit in found if unit.runtime == DOCKER}
    missing = [name for name in expected.names if name not in known]
    stopped = [unit.name for unit in found if unit.name in expected.names and _is_stopped(unit)]
    unseen = "; ".join(filter(None, (problem, expected.problem)))
    look_there = _WRITE if expected.problem else _BEFORE
    if not found and not missing:
        return warning(unseen, look_there) if unseen else skipped("no units are known here")
    wanted = [unit for unit in found if unit.state.up or unit.state in _SHOULD_BE_UP]
    up = [unit for unit in wanted if unit.state.up]
    total = len(wanted) + len(missing)
    seen = f"{len(up)} of {total} units that should be up are, {len(found)} are known"
    seen = "; ".join(filter(None, (seen, unseen)))
    if missing or stopped:
        absent = [f"not there: {', '.join(some(missing))}"] if missing else []
        absent += [f"stopped: {', '.join(some(stopped))}"] if stopped else []
        seen += f"; of project {expected.project}, {'; '.join(absent)}"
    dead = [unit for unit in found if unit.state is UnitState.FAILED or unit.health is Health.UNHEALTHY]
    loops = [unit for unit in found if _in_loop(unit, now) and unit not in dead]
    if dead or loops:
        return failed(f"{_told([*loops, *dead], now)}; {seen}", _remedy(dead, loops))
    if missing and up:
        return failed(seen, _START)
    weak = [
        unit
        for unit in found
        if unit.state in {UnitState.BACKOFF, UnitState.UNKNOWN} or unit.restarts >= OFTEN
    ]
    if weak:
        return warning(f"{_told(weak, now)}; {seen}", "See their logs (sensor-tui logs) for why they end")
    if missing or stopped:
        return warning(seen, _START)
    return warning(seen, look_there) if unseen else fine(seen)


async def _units(context: Context, engines: Engines) -> tuple[list[Unit], str]:
    """Every unit as it is now, and what could not be seen."""
    looks = await engines.looks()
    here = [each.unit for look in looks for each in look.containers]
    seen = {look.address.name for look in looks if look.probe is not None}
    problems: list[str] = []
    known = await others(context, problems)
    rest = [unit for unit in known if unit.runtime != DOCKER or unit.host not in seen]
    away = [look.address.name for look in looks if look.probe is None] if engines.why_wanted else []
    problems += [f"containers on {', '.join(away)} cannot be seen"] if away else []
    return [*here, *rest], "; ".join(problems)


async def others(context: Context, problems: list[str]) -> Sequence[Unit]:
    """Units that the service knows; why it cannot be asked is added to the problems."""
    try:
        return await context.units()
    except SensorTuiError as error:
        problems.append(f"the service cannot be asked for its processes: {error.message}")
        return ()


async def _expected(engines: Engines) -> Expected:
    from sensor_tui.fleet.docker_probe_compose import composed

    last = engines.last if engines.installed else None
    if last is None or last.file is None:
        return Expected()
    file = last.file
    if not file.is_file():
        return Expected(last.name, problem=f"the compose file {file} of project {last.name} is gone")
    try:
        return Expected(last.name, tuple(await engines.ask(lambda: composed(file))))
    except FleetError as error:
        return Expected(last.name, problem=error.message)


def _is_stopped(unit: Unit) -> bool:
    return unit.state in {UnitState.STOPPED, UnitState.CREATED}


def _in_loop(unit: Unit, now: float) -> bool:
    """Whether it ends and is started again, over and over, up to now."""
    if unit.restarts < OFTEN:
        return False
    young = unit.started_at is not None and now - unit.started_at < LOOP_SECONDS
    return unit.state is UnitState.BACKOFF or (unit.state.up and young)


def _remedy(dead: Iterable[Unit], loops: Iterable[Unit]) -> str:
    sick = [unit.name for unit in dead if unit.health is Health.UNHEALTHY]
    ended = [unit.name for unit in dead if unit.health is not Health.UNHEALTHY]
    again = [unit.name for unit in loops]
    parts = []
    if again:
        parts.append(f"see why it ends each time: sensor-tui logs {again[0]}")
    if sick:
        parts.append(f"see what its health check needs: sensor-tui logs {sick[0]}, then restart it")
    if ended:
        parts.append("see their logs (sensor-tui logs), then start them again")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}"


def _told(found: Sequence[Unit], now: float) -> str:
    return "; ".join(some([_one(unit, now) for unit in found], 5))


def _one(unit: Unit, now: float) -> str:
    text = f"{unit.name} is {unit.state}"
    text += f" ({unit.reason})" if unit.reason else ""
    text += " and unhealthy" if unit.health is Health.UNHEALTHY else ""
    if unit.restarts >= OFTEN:
        text += f", restarted {unit.restarts} times" + (" (a loop)" if _in_loop(unit, now) else "")
    return text

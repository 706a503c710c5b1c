"""Checks of what units write: lines of the last minutes that say that something went wrong."""

import asyncio
import re
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import FleetError, SensorTuiError
from sensor_tui.service.diagnostics.context import Context, Finding, fine, skipped, warning
from sensor_tui.service.diagnostics.engines import Engines
from sensor_tui.service.diagnostics.units import DOCKER, others
from sensor_tui.service.diagnostics.words import count, some

if TYPE_CHECKING:
    from sensor_tui.fleet.docker_probe import Probe
    from sensor_tui.fleet.docker_unit import Container

LOG_SECONDS: Final = 600.0
"""How far back logs are read."""

_LOG_TAIL: Final = 2000
_MOST_LOGS: Final = 200
_LOOKED_AT: Final = 400
"""Characters of a line in which its level is looked for."""
_LONGEST: Final = 160
_ERROR: Final = re.compile(
    r"\b(?:FATAL|CRITICAL|ERROR|PANIC)\b"
    r"|\b(?:level|lvl|severity)\W{1,4}(?i:fatal|critical|error|err|panic)\b"
    r"|[\[<(](?i:fatal|critical|error|err|panic)[\])>]"
    r"|^(?i:fatal|error|panic):|^Traceback \(most|^[\w.]*(?:Error|Exception)\b"
)
_MASK: Final = "********"
_KEY: Final = re.compile(
    r"[A-Za-z0-9+/]{40,}={0,2}|(?<=AccountKey=)[^;&\s]+|(?<=SharedAccessKey=)[^;&\s]+|(?<=[?&]sig=)[^;&\s]+"
)


async def logs(context: Context, engines: Engines) -> Finding:
    """Errors in the logs of units, and the last of each."""
    problems: list[str] = []
    told = await _of_containers(context, engines, problems)
    told |= await _of_processes(context, problems)
    if not told:
        return skipped("; ".join(problems) or "no units are known whose logs could be read")
    errors = {name: found for name, lines in told.items() if (found := [*filter(_is_error, lines)])}
    seen = f"{count(len(told), 'log')} of the last {LOG_SECONDS / 60:.0f} minutes read"
    seen = "; ".join([seen, *some(problems)])
    if not errors:
        return warning(seen, "Read them: sensor-tui logs") if problems else fine(f"{seen}, no errors")
    secrets = _secrets(context)
    worst = sorted(errors, key=lambda name: len(errors[name]), reverse=True)
    shown = [
        f"{name}: {count(len(errors[name]), 'error')}, the last: {_safe(errors[name][-1], secrets)}"
        for name in worst
    ]
    remedy = f"Read them: sensor-tui logs {worst[0]} --since 10m"
    return warning("; ".join([*some(shown), seen]), remedy)


async def _of_containers(context: Context, engines: Engines, problems: list[str]) -> dict[str, list[str]]:
    """Lines of containers by their units, as their engines have them."""
    since = context.clock.now() - LOG_SECONDS
    told: dict[str, list[str]] = {}
    for look in await engines.looks():
        if look.probe is None:
            continue
        chosen = look.containers[:_MOST_LOGS]
        if len(chosen) < len(look.containers):
            problems.append(f"{len(look.containers) - len(chosen)} logs of containers not read")
        read = partial(_lines, engines, look.probe, since=since, problems=problems)
        every = await asyncio.gather(*map(read, chosen))
        told |= {
            each.unit.name: lines for each, lines in zip(chosen, every, strict=True) if lines is not None
        }
    return told


async def _lines(
    engines: Engines, probe: "Probe", container: "Container", *, since: float, problems: list[str]
) -> list[str] | None:
    try:
        return await engines.ask(partial(probe.lines, container, since=since, tail=_LOG_TAIL))
    except FleetError as error:
        problems.append(f"{container.unit.name}: {error.message}")
        return None


async def _of_processes(context: Context, problems: list[str]) -> dict[str, list[str]]:
    """Lines of processes by their units, as the service that looks after them has them."""
    found = [unit for unit in await others(context, problems) if unit.runtime != DOCKER][:_MOST_LOGS]
    if not found:
        return {}
    since = context.clock.now() - LOG_SECONDS
    try:
        lines = await context.logs([unit.id for unit in found], since, _LOG_TAIL)
    except (SensorTuiError, OSError) as error:
        problems.append(f"logs of {count(len(found), 'process', 'processes')} not read: {error}")
        return {}
    names = {unit.id: unit.name for unit in found}
    told: dict[str, list[str]] = {name: [] for name in names.values()}
    for line in lines:
        if line.unit in names:
            told[names[line.unit]].append(line.text)
    return told


def _is_error(line: str) -> bool:
    return _ERROR.search(line, 0, _LOOKED_AT) is not None


def _secrets(context: Context) -> list[str]:
    settings = context.settings()
    every = (settings.cosmos.key, settings.service.token, settings.processing.sanitization.hash_key)
    return [secret.get_secret_value() for secret in every if secret is not None]


def _safe(line: str, secrets: Iterable[str]) -> str:
    """A line as it may be shown: no control characters, no secrets, not too long."""
    from sensor_tui.fleet.docker_errors import one_line

    for secret in filter(None, secrets):
        line = line.replace(secret, _MASK)
    return one_line(_KEY.sub(_MASK, line), longest=_LONGEST)

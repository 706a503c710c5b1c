"""Checks of this machine: what is installed, the service, its units, the disk."""

import importlib.metadata
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sensor_tui import __version__
from sensor_tui.errors import ServiceError
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Health, Unit, UnitState
from sensor_tui.service.attach import state_of
from sensor_tui.service.diagnostics.context import Context, Finding, failed, failed_by, fine, skipped, warning
from sensor_tui.service.wire import EngineReport

_DISTRIBUTION: Final = "sensor-tui"
_OFTEN: Final = 3
"""Restarts by itself from which on a unit is looked at."""
_LITTLE: Final = (0.05, 1 << 30)
"""Share of the disk, and bytes, below which there is little space."""
_TOO_LITTLE: Final = (0.01, 100 << 20)
_FEW_INODES: Final = 0.05
_TOO_FEW_INODES: Final = 0.01
_SHOWN: Final = 5


async def python(_: Context) -> Finding:
    """What this runs on."""
    from sensor_tui.storage.query_integrity import sqlite_version

    here = f"sensor-tui {__version__}, Python {platform.python_version()}, SQLite {sqlite_version()}"
    try:
        wanted = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return warning(
            f"{here}; it runs from a folder of source, its packages are not known",
            "Install it: pip install .",
        )
    names = [re.split(r"[^A-Za-z0-9._-]", each)[0] for each in wanted if "extra ==" not in each]
    missing = [name for name in names if not _is_installed(name)]
    if missing:
        return failed(f"{here}; missing: {', '.join(missing)}", "Install it again: pip install sensor-tui")
    return fine(f"{here}, {len(names)} packages")


async def service(context: Context) -> Finding:
    """The service and its engine."""
    try:
        report = await context.status()
    except ServiceError as error:
        return failed_by(error)
    engine = report.engine
    if engine.attached:
        return _running(engine)
    if engine.reason:
        return failed(engine.reason, "It may be starting or stopping: try again, or end that process")
    return warning(
        "no service runs for these files: nothing is uploaded", "Start it: sensor-tui service start"
    )


def _running(engine: EngineReport) -> Finding:
    seen = f"process {engine.pid}, version {engine.version}, engine {engine.state}"
    if engine.state in {EngineState.REFUSED, EngineState.UNREACHABLE}:
        return failed(f"{seen}: {engine.reason}", "See the checks of the endpoint")
    if engine.config_problem:
        return warning(f"{seen}; {engine.config_problem}", "Mend the configuration, or restart the service")
    if engine.state is EngineState.PAUSED:
        return warning(
            f"{seen}: {engine.reason or 'reading is paused'}", "Resume it in the dashboard (Uploads)"
        )
    if engine.version != __version__:
        return warning(f"{seen}; this is {__version__}", "Restart the service, so that both are the same")
    return fine(seen)


async def units(context: Context) -> Finding:
    """Units that should be up, and whether they are."""
    found = await context.units()
    if not found:
        return skipped("no units are known here")
    expected = [unit for unit in found if unit.state.up or unit.state in _SHOULD_BE_UP]
    running = [unit for unit in expected if unit.state.up]
    seen = f"{len(running)} of {len(expected)} units that should be up are, {len(found)} are known"
    dead = [unit for unit in found if unit.state is UnitState.FAILED or unit.health is Health.UNHEALTHY]
    if dead:
        return failed(f"{seen}; {_told(dead)}", "See their logs (sensor-tui logs), then start them again")
    weak = [
        unit
        for unit in found
        if unit.state in {UnitState.BACKOFF, UnitState.UNKNOWN} or unit.restarts >= _OFTEN
    ]
    if weak:
        return warning(f"{seen}; {_told(weak)}", "See their logs (sensor-tui logs) for why they end")
    return fine(seen)


async def disk(context: Context) -> Finding:
    """Room for data and state."""
    assert context.request is not None
    root = context.request.root.absolute()
    places = {"data": root if root.is_dir() else root.parent, "state": _existing(state_of(context.request))}
    seen: list[str] = []
    worst = 0
    for name, path in places.items():
        grade, text = _room(context, name, path)
        worst = max(worst, grade)
        seen.append(text)
    evidence = "; ".join(seen)
    remedy = "Free some space or inodes there: archive and delete what was uploaded, or add disk"
    if worst > 1:
        return failed(evidence, remedy)
    return warning(evidence, remedy) if worst else fine(evidence)


def _room(context: Context, name: str, path: Path) -> tuple[int, str]:
    """How bad it is, 0 to 2, and what there is."""
    facts = context.space(str(path))
    free, total = facts.f_bavail * facts.f_frsize, max(1, facts.f_blocks * facts.f_frsize)
    grade = _grade(free / total < _LITTLE[0] and free < 20 * _LITTLE[1], free / total < _TOO_LITTLE[0])
    grade = max(grade, _grade(free < _LITTLE[1], free < _TOO_LITTLE[1]))
    text = f"{name} {path}: {_size(free)} of {_size(total)} free"
    if facts.f_files:
        left = facts.f_favail / facts.f_files
        grade = max(grade, _grade(left < _FEW_INODES, left < _TOO_FEW_INODES))
        text += f", {left:.0%} of inodes"
    return grade, text


def _grade(little: bool, too_little: bool) -> int:
    return 2 if too_little else int(little)


def _size(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:  # noqa: PLR2004
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def _existing(path: Path) -> Path:
    """The nearest folder that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def _told(found: Sequence[Unit]) -> str:
    told = [
        f"{unit.name} is {unit.state}"
        + (f" ({unit.reason})" if unit.reason else "")
        + (" and unhealthy" if unit.health is Health.UNHEALTHY else "")
        + (f", restarted {unit.restarts} times" if unit.restarts >= _OFTEN else "")
        for unit in found[:_SHOWN]
    ]
    more = len(found) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


_SHOULD_BE_UP: Final = frozenset({UnitState.BACKOFF, UnitState.FAILED, UnitState.UNKNOWN})

"""Checks of this machine: what is installed, the service, the disk."""

import importlib.metadata
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sensor_tui import __version__
from sensor_tui.errors import ServiceError
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Role
from sensor_tui.service.attach import state_of
from sensor_tui.service.diagnostics.context import Context, Finding, failed, failed_by, fine, warning
from sensor_tui.service.diagnostics.engines import Engines
from sensor_tui.service.wire import EngineReport

_DISTRIBUTION: Final = "sensor-tui"
_LITTLE: Final = (0.05, 1 << 30)
"""Share of the disk, and bytes, below which there is little space."""
_TOO_LITTLE: Final = (0.01, 100 << 20)
_FEW_INODES: Final = 0.05
_TOO_FEW_INODES: Final = 0.01
_EXTRA: Final = re.compile(r"extra\s*==\s*['\"]([A-Za-z0-9_.-]+)['\"]")


async def python(context: Context) -> Finding:
    """What this runs on, with the extras that the configuration needs."""
    from sensor_tui.storage.query_integrity import sqlite_version

    here = f"sensor-tui {__version__}, Python {platform.python_version()}, SQLite {sqlite_version()}"
    try:
        wanted = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return warning(
            f"{here}; it runs from a folder of source, its packages are not known",
            "Install it: pip install .",
        )
    packages = [_package(each) for each in wanted if _EXTRA.search(each) is None]
    missing = [name for name in packages if not _is_installed(name)]
    if missing:
        return failed(f"{here}; missing: {', '.join(missing)}", "Install it again: pip install sensor-tui")
    extras: dict[str, list[str]] = {}
    for each in wanted:
        if (found := _EXTRA.search(each)) is not None:
            extras.setdefault(found[1], []).append(_package(each))
    seen = f"{here}, {len(packages)} packages{_extras_told(extras)}"
    lacking = {
        extra: why
        for extra, why in _needed(context).items()
        if not all(map(_is_installed, extras.get(extra, ())))
    }
    if lacking:
        told = "; ".join(f"{why} needs {', '.join(extras[extra])}" for extra, why in lacking.items())
        return failed(f"{told}, not installed; {seen}", f"pip install 'sensor-tui[{','.join(lacking)}]'")
    return fine(seen)


def _needed(context: Context) -> dict[str, str]:
    """Extras that the configuration cannot do without, and which key asks for each."""
    settings = context.settings()
    needed: dict[str, str] = {}
    if settings.archive.path is not None and settings.archive.format == "Parquet":
        needed["parquet"] = "archive.format: Parquet"
    if settings.cosmos.auth == "aad":
        needed["aad"] = "cosmos.auth: aad"
    return needed


def _extras_told(extras: Mapping[str, Sequence[str]]) -> str:
    """Which extras are there and which are not, as the end of a sentence."""
    there = [extra for extra, names in extras.items() if all(map(_is_installed, names))]
    absent = [extra for extra in extras if extra not in there]
    told = f"; extras: {', '.join(there) or 'none'}"
    return f"{told}; not installed: {', '.join(absent)}" if absent else told


def _package(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0]


async def service(context: Context, engines: Engines) -> Finding:
    """The service and its engine, or the uploaders in containers that stand in for it."""
    try:
        report = await context.status()
    except ServiceError as error:
        return failed_by(error)
    engine = report.engine
    if engine.attached:
        return _running(engine)
    if engine.reason:
        return failed(engine.reason, "It may be starting or stopping: try again, or end that process")
    looks = await engines.looks()
    units = [each.unit for look in looks for each in look.containers]
    uploaders = sum(unit.role is Role.UPLOADER and unit.state.up for unit in units)
    if uploaders:
        return fine(f"no service runs on this machine; containers upload ({uploaders})")
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
    if engine.reason:
        return warning(f"{seen}: {engine.reason}", "Mend what it names")
    if engine.version != __version__:
        return warning(f"{seen}; this is {__version__}", "Restart the service, so that both are the same")
    return fine(seen)


async def disk(context: Context) -> Finding:
    """Room for data, state and archive."""
    assert context.request is not None
    root = context.request.root.absolute()
    places = {
        "data": root if root.is_dir() else root.parent,
        "state and ledger": existing(state_of(context.request)),
    }
    if (archive := context.settings().archive.path) is not None:
        places["archive"] = existing(archive.absolute())
    seen: list[str] = []
    worst = 0
    for name, path in places.items():
        grade, text = room(context, name, path)
        worst = max(worst, grade)
        seen.append(text)
    evidence = "; ".join(seen)
    remedy = "Free some space or inodes there: archive and delete what was uploaded, or add disk"
    if worst > 1:
        return failed(evidence, remedy)
    return warning(evidence, remedy) if worst else fine(evidence)


def room(context: Context, name: str, path: Path) -> tuple[int, str]:
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


def existing(path: Path) -> Path:
    """The nearest folder that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True

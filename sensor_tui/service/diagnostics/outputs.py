"""Checks of what is done to readings, and of the files kept beside the upload."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sensor_tui.service.diagnostics.context import Context, Finding, failed, fine, skipped, warning
from sensor_tui.service.diagnostics.machine import existing, room

_ROOM: Final = "Free some space or inodes there, or name another folder (archive.path)"


async def processors(context: Context) -> Finding:
    """Whether the configured processors can be made."""
    from sensor_tui.service.stages import stages_of

    settings = context.settings()
    names = [str(name) for name in settings.processing.processors]
    if not names:
        return skipped("none are configured: readings are sent as they are")
    stages_of(settings)
    seen = ", then ".join(names)
    if "Aggregate" in names:
        aggregation = settings.processing.aggregation
        seen += (
            f"; windows of {aggregation.window:g} s that wait {aggregation.lateness:g} s for late readings"
        )
    hashed = settings.processing.sanitization.hash
    if "Sanitize" in names and hashed:
        seen += f"; hashed with a key: {', '.join(hashed)}"
    return fine(seen)


async def archive(context: Context) -> Finding:
    """Whether the archive can be written."""
    settings = context.settings()
    given = settings.archive.path
    if given is None:
        if settings.retention.archived_only:
            return warning(
                "retention.archived_only is set and there is no archive: nothing is ever removed",
                "Set archive.path, or leave out retention.archived_only",
            )
        return skipped("none is configured (archive.path)")
    what = f"{settings.archive.format}, {settings.archive.what} readings"
    return _folder(context, given.absolute(), what)


def _folder(context: Context, path: Path, what: str) -> Finding:
    place = existing(path)
    if not place.is_dir():
        return failed(f"{place} is no folder", "Move it away, or name another folder (archive.path)")
    folders = [place, *(sorted(filter(Path.is_dir, path.iterdir())) if path == place else ())]
    barred = [(folder, problem) for folder in folders if (problem := _unwritable(folder))]
    barred += [
        (each, "a lock that this user may not take") for each in _locks(folders[1:]) if not _takes(each)
    ]
    if barred:
        folder, problem = barred[0]
        more = f", and {len(barred) - 1} more" if len(barred) > 1 else ""
        whole = path if path.exists() else place
        return failed(
            f"the archive {folder} cannot be written: {problem}{more}",
            f"Let this user write there (chown -R {os.geteuid()} {whole}), or name another (archive.path)",
        )
    grade, text = room(context, "archive", place)
    made = "" if path == place else f"; {path} is made with the first reading"
    if grade:
        return (failed if grade > 1 else warning)(f"{text}{made}; {what}", _ROOM)
    return fine(f"{text}{made}; {what}")


def _locks(cities: Sequence[Path]) -> Iterator[Path]:
    """Locks of datasets, beside which nothing is appended without them."""
    for city in cities:
        yield from city.glob(".*.lock")


def _takes(lock: Path) -> bool:
    return os.access(lock, os.R_OK | os.W_OK)


def _unwritable(folder: Path) -> str:
    """Why a folder cannot be written; empty where it can."""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "its file system is read-only"
    return "" if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else "this user may not"

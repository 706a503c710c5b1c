"""Checks of what is done to readings, and of the files kept beside the upload."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Final

from sensor_tui.model.check import CheckVerdict
from sensor_tui.service.diagnostics.context import Context, Finding, failed, fine, skipped, warning
from sensor_tui.service.diagnostics.machine import existing, room
from sensor_tui.service.diagnostics.words import count, some

if TYPE_CHECKING:
    from sensor_tui.sync.sinks.archive.options import FormatName

_MOST_DATASETS: Final = 500
_READABLE: Final = "Let this user read the folders of the cities, or name another folder (archive.path)"
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
    path = given.absolute()
    finding = _folder(context, path, f"{settings.archive.format}, {settings.archive.what} readings")
    if finding.verdict is CheckVerdict.FAILED or not path.exists():
        return finding
    return await _parts(context, path, settings.archive.format, finding)


async def _parts(context: Context, path: Path, name: "FormatName", finding: Finding) -> Finding:
    """The same with whether the newest part of every dataset can be read: its sensor waits otherwise."""
    from sensor_tui.storage.query_threads import FileThreads
    from sensor_tui.sync.sinks.archive.survey import look

    given_up = Event()
    threads = FileThreads(context.clock, threads=1, name="archive-checks")
    try:
        looked = await threads.run(partial(look, path, name, _MOST_DATASETS, given_up.is_set), given_up.set)
    except ImportError:
        return replace(finding, evidence=f"{finding.evidence}; its parts cannot be read without pyarrow")
    except OSError as error:
        return failed(f"the archive {path} cannot be listed: {error.strerror}", _READABLE)
    finally:
        threads.close()
    if looked.problems:
        waiting = count(len(looked.problems), "dataset takes", "datasets take")
        told = "; ".join(some(looked.problems))
        return failed(
            f"{waiting} nothing: {told}", "Move what is named out of the archive; its sensor goes on then"
        )
    if not looked.there:
        return finding
    last = "" if looked.datasets == looked.there else f", of {looked.there:,} those written last"
    seen = f"the newest part of {count(looked.datasets, 'dataset')} can be read{last}"
    return replace(finding, evidence=f"{finding.evidence}; {seen}")


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

"""Checks of the sensors' files, and of what is to become of their readings."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sensor_tui.errors import SourceFileError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.attach import state_of
from sensor_tui.service.diagnostics.context import Context, Finding, failed, failed_by, fine, skipped, warning
from sensor_tui.service.diagnostics.words import age, count, some

if TYPE_CHECKING:
    from sensor_tui.storage.query_integrity import TableFacts
    from sensor_tui.storage.query_threads import FileThreads

T = TypeVar("T")

GROWTH_SECONDS: Final = 60.0
LAG_WARNING: Final = 900.0
LAG_FAILED: Final = 6 * 3600.0
AHEAD_WARNING: Final = 300.0
_SMALL: Final = 16 << 20
"""Bytes of a file that is copied into memory to be checked."""
_MOST_BYTES: Final = 128 << 20
_COPY_SECONDS: Final = 5.0
_MOST_FILES: Final = 500


async def data(context: Context) -> Finding:
    """Whether the data folder is there, and what may be done in it."""
    if context.request is None:
        assert context.request_problem is not None
        return failed_by(context.request_problem)
    root = context.request.root
    if not root.exists():
        return failed(f"{root}: no such file or folder", "Name the folder of the sensors' databases")
    if not os.access(root, os.R_OK | (os.X_OK if root.is_dir() else 0)):
        return failed(f"{root} cannot be read by this user", "Change its permissions, or run as another user")
    state = state_of(context.request)
    place = next(each for each in (state, *state.parents) if each.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        return failed(
            f"the state folder {state} cannot be written", "Change its permissions, or set state_dir"
        )
    folder = root if root.is_dir() else root.parent
    if not os.access(folder, os.W_OK):
        return warning(
            f"{root} can be read and not written: rows are not marked, positions alone are kept in {state}",
            "Let this user write there, so that the files themselves say what was sent",
        )
    return fine(f"{root} can be read and written, state is kept in {state}")


async def readable(context: Context) -> Finding:
    """Files found, what they are, and those that cannot be used."""
    assert context.request is not None
    feeds = await context.feeds()
    if not feeds:
        return warning(
            f"no sensor database was found under {context.request.root}",
            "Start a sensor (sensor-tui simulate), or name another folder (--data-dir)",
        )
    problems = [feed.problem or "" for feed in feeds if feed.problem]
    others = sum(feed.owner is not None and not feed.engine for feed in feeds)
    usable = _usable(feeds)
    cities = {feed.city for feed in usable if feed.city}
    seen = [f"{count(len(feeds), 'file')} in {count(len(cities), 'city', 'cities')}"]
    if others:
        seen.append(f"{others} left to another engine")
    facts = await _facts(context, usable[:_MOST_FILES])
    seen += _kinds(facts.values())
    if problems:
        return failed("; ".join([*seen, f"{len(problems)} cannot be used", *some(problems)]), _MEND)
    untracked = [key for key, each in facts.items() if not each.tracked]
    if untracked:
        return warning(
            f"without the column `synced`, so that their positions alone say what was sent:"
            f" {', '.join(some(untracked))}; {'; '.join(seen)}",
            "Stop the sensor and add it: ALTER TABLE sensor_readings ADD COLUMN synced INTEGER DEFAULT 0; or"
            " leave it so, and keep the state folder",
        )
    return fine("; ".join(seen))


_MEND: Final = "Mend or move what is named; the other files are read meanwhile"


async def growth(context: Context) -> Finding:
    """Whether sensors have written in the last minute."""
    now = context.clock.now()
    paths = _paths(context)
    times = {feed.source: _changed(paths.get(feed.source)) for feed in _usable(await context.feeds())}
    ages = {source: now - changed for source, changed in times.items() if changed is not None}
    if not ages:
        return skipped("there are no files that could grow")
    quiet = {source: age for source, age in ages.items() if age > GROWTH_SECONDS}
    seen = f"{len(ages) - len(quiet)} of {count(len(ages), 'file')} written in the last minute"
    if not quiet:
        return fine(seen)
    longest = sorted(quiet, key=lambda source: quiet[source], reverse=True)
    told = [f"{source} for {age(quiet[source])}" for source in longest]
    return warning(
        f"{seen}; silent: {', '.join(some(told))}", "See whether these sensors run, and what their logs say"
    )


async def integrity(context: Context) -> Finding:
    """A quick check of small files, each on a copy."""
    from sensor_tui.storage.query_integrity import Unfinished, damage

    checked = large = busy = 0
    damaged: list[str] = []
    left = _MOST_BYTES
    paths = _paths(context)
    with _Threads(context) as threads:
        for feed in await context.feeds():
            path = paths.get(feed.source)
            size = _size(path)
            if path is None or size is None:
                continue
            if size > _SMALL or size > left:
                large += 1
                continue
            left -= size
            deadline = context.clock.monotonic() + _COPY_SECONDS
            expired = partial(_is_over, context.clock.monotonic, deadline)
            try:
                found = await threads.patiently(partial(damage, feed.source, path, expired))
            except Unfinished:
                busy += 1
                continue
            except SourceFileError as error:
                damaged.append(str(error))
                continue
            checked += 1
            if found:
                damaged.append(f"{feed.source}: {found}")
    seen = [f"{count(checked, 'file')} sound"] if checked or not damaged else []
    seen += [f"{large} too large to be checked beside their sensors"] if large else []
    seen += [f"{busy} written too often to be copied whole"] if busy else []
    if damaged:
        return failed("; ".join([*some(damaged), *seen]), "Recover them on a copy with sqlite3's .recover")
    if not checked:
        return skipped("; ".join(seen) if large or busy else "there are no files to check")
    return fine("; ".join(seen))


async def backlog(context: Context) -> Finding:
    """How much is not sent, and for how long; and clocks that are ahead, whose readings are never old."""
    finding = await _waiting(context)
    now = context.clock.now()
    times = {feed.source: feed.newest for feed in _usable(await context.feeds())}
    ahead = {
        source: newest - now
        for source, newest in times.items()
        if newest is not None and newest - now > AHEAD_WARNING
    }
    if not ahead or finding.verdict is CheckVerdict.FAILED:
        return finding
    furthest = sorted(ahead, key=lambda source: ahead[source], reverse=True)
    told = [f"{source}: its clock is {age(ahead[source])} ahead" for source in furthest]
    set_it = "Set the clock of these sensors, or of this machine"
    remedy = f"{set_it}. {finding.remedy}" if finding.remedy else set_it
    return warning("; ".join([finding.evidence, *some(told)]), remedy)


async def _waiting(context: Context) -> Finding:
    report = await context.status()
    if report.backlog is None:
        return skipped("not known: another engine has the files, or none of them can be read")
    seen = f"{count(report.backlog, 'reading')} not sent"
    if not report.backlog or report.lag_seconds is None:
        return fine(seen)
    seen += f", the oldest is {age(report.lag_seconds)} old"
    remedy = (
        "See the engine's state and the checks of the endpoint; where requests are throttled, raise the"
        " container's throughput or performance.max_ru_per_second"
        if report.engine.attached
        else "Start the service (sensor-tui service start), or upload once (sensor-tui sync)"
    )
    if report.lag_seconds > LAG_FAILED:
        return failed(seen, remedy)
    return warning(seen, remedy) if report.lag_seconds > LAG_WARNING else fine(seen)


async def dead_letters(context: Context) -> Finding:
    """Readings that were rejected."""
    number = (await context.status()).dead_letters
    if number is None:
        return skipped("not known yet")
    if number:
        return warning(
            f"{count(number, 'reading')} rejected",
            "See why: sensor-tui deadletters list; then retry or drop them",
        )
    return fine("none")


async def _facts(context: Context, feeds: Iterable[FeedStatus]) -> "dict[str, TableFacts]":
    from sensor_tui.storage.query_integrity import table_facts

    facts: dict[str, TableFacts] = {}
    paths = _paths(context)
    with _Threads(context) as threads:
        for feed in feeds:
            path = paths.get(feed.source)
            if path is None:
                continue
            with suppress(SourceFileError):  # it is said by whoever reads it for good
                facts[feed.source] = await threads.patiently(partial(table_facts, feed.source, path))
    return facts


def _kinds(facts: "Collection[TableFacts]") -> list[str]:
    """Layouts, and what is missing from them, in words."""
    layouts = Counter(each.generation for each in facts)
    seen = [f"{number} of layout {layout}" for layout, number in sorted(layouts.items())]
    locked = sum(each.tracked and not each.writable for each in facts)
    indexed = sum(each.tracked and each.indexed for each in facts)
    unindexed = sum(each.tracked and not each.indexed for each in facts)
    seen += [f"{indexed} with `synced` and an index over open rows"] if indexed else []
    seen += [f"{locked} that cannot be written"] if locked else []
    seen += [f"{unindexed} without an index over open rows"] if unindexed else []
    return seen


class _Threads:
    """A thread for looks at files, for as long as a check takes."""

    def __init__(self, context: Context) -> None:
        from sensor_tui.storage.query_threads import FileThreads

        self._threads = FileThreads(context.clock, threads=1, name="sensor-checks")

    def __enter__(self) -> "FileThreads":
        return self._threads

    def __exit__(self, *_: object) -> None:
        self._threads.close()


def _usable(feeds: Iterable[FeedStatus]) -> list[FeedStatus]:
    """Those that can be read, whoever uploads them."""
    return [feed for feed in feeds if not feed.problem]


def _paths(context: Context) -> dict[str, str]:
    """Where the files are, by key."""
    from sensor_tui.storage.discovery import Tree

    assert context.request is not None
    return {found.key: found.path for found in Tree(context.request.root.absolute()).walk().files}


def _changed(path: str | None) -> float | None:
    """When a file or its WAL was written last, in seconds since the epoch."""
    times: list[float] = []
    for each in () if path is None else (path, f"{path}-wal"):
        with suppress(OSError):
            times.append(Path(each).stat().st_mtime)
    return max(times, default=None)


def _size(path: str | None) -> int | None:
    """Bytes; None where there is no such file."""
    if path is not None:
        with suppress(OSError):
            return Path(path).stat().st_size
    return None


def _is_over(monotonic: Callable[[], float], deadline: float) -> bool:
    return monotonic() > deadline

"""Removing acknowledged rows by command, beside a running service or without one."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sensor_tui.errors import OwnedElsewhere, SourceFileError, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.service.attach import state_of
from sensor_tui.service.pipeline import check_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.server import user_name
from sensor_tui.service.sockets import find_socket

if TYPE_CHECKING:
    from sensor_tui.storage.ledger import RowFact
    from sensor_tui.storage.pruning import Bounds
    from sensor_tui.storage.pruning_files import LooseFiles, Prunable
    from sensor_tui.storage.pruning_round import Pruned

NOT_ARCHIVED = "nothing says which of its rows the archive has: no engine with an archive has met it yet"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files are meant: all that fit, whatever their case; None where it does not matter."""

    sensor: str | None = None
    city: str | None = None

    def fits(self, file: "Prunable") -> bool:
        """Whether a file is meant."""
        return all(
            wanted is None or wanted.casefold() == (has or "").casefold()
            for wanted, has in ((self.sensor, file.sensor_id), (self.city, file.city))
        )


@dataclass(frozen=True, slots=True)
class FileReport:
    """What was removed from one file, or would be."""

    source: str
    city: str
    sensor_id: str | None
    pruned: "Pruned"


@dataclass(slots=True)
class PruneReport:
    """What was removed, or would be."""

    files: list[FileReport] = field(default_factory=list)
    """Those with something to remove."""
    left: dict[str, str] = field(default_factory=dict)
    """Files of which nothing is removed, with the reason."""
    problems: dict[str, str] = field(default_factory=dict)
    """Files that could not be used, with the reason."""
    looked: int = 0
    """Files that were looked at."""

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(file.pruned.rows for file in self.files)

    @property
    def freed(self) -> int:
        """Bytes of pages that became free."""
        return sum(max(0, file.pruned.before - file.pruned.after) for file in self.files)

    @property
    def oldest(self) -> float | None:
        """Event time of the oldest row, in seconds since the epoch."""
        return min(
            (file.pruned.oldest for file in self.files if file.pruned.oldest is not None), default=None
        )

    @property
    def newest(self) -> float | None:
        """Event time of the newest row, in seconds since the epoch."""
        return max(
            (file.pruned.newest for file in self.files if file.pruned.newest is not None), default=None
        )


async def prune(
    request: SyncRequest,
    clock: Clock,
    bounds: "Bounds",
    choice: Choice,
    *,
    dry: bool,
) -> PruneReport:
    """Remove what the bounds no longer keep, or see what that would be.

    Needs no service and may run beside one: rows that are closed are nobody's any more. Files of other
    engines are left alone.

    Raises:
        UsageError: there is no such file or folder, or no file that is meant.
        OwnedElsewhere: other engines have all of them.
        StorageError: the ledger cannot be used.
    """
    check_request(request)
    report = PruneReport()
    async with _files(request, clock, dry=dry) as (files, found, starts):
        for file in _chosen(found, choice, report):
            start = starts.get(file.key)
            if bounds.archived and start is None:
                report.left[file.key] = NOT_ARCHIVED
                continue
            report.looked += 1
            try:
                pruned = await _prune(files, file.key, bounds, start, dry=dry)
            except SourceFileError as error:
                report.problems[file.key] = str(error)
                continue
            if pruned.rows:
                report.files.append(FileReport(file.key, file.city, file.sensor_id, pruned))
    return report


async def note_action(request: SyncRequest, clock: Clock, target: str, result: str) -> None:
    """Write to the action log what was removed.

    Raises:
        StorageError: the ledger cannot be written.
    """
    from sensor_tui.storage.history import OperatorAction
    from sensor_tui.storage.ledger import Ledger

    async with Ledger(state_of(request), clock=clock) as ledger:
        await ledger.record_action(OperatorAction(clock.now(), user_name(), "prune", target, result))


def _chosen(found: "Iterable[Prunable]", choice: Choice, report: PruneReport) -> "list[Prunable]":
    """The files that are meant and can be used; why not, of the others, goes into the report."""
    every = list(found)
    meant = [file for file in every if file.problem or choice.fits(file)]
    if every and all(file.problem for file in meant) and any(not file.problem for file in every):
        what = " in ".join(filter(None, (choice.sensor, choice.city)))
        raise UsageError(
            f"no sensor file is of {what}", fix="See 'sensor-tui query --list' for the files there are"
        )
    report.problems.update({file.key: file.problem for file in meant if file.problem})
    usable = [file for file in meant if not file.problem]
    owned = [file for file in usable if file.owner]
    if owned and len(owned) == len(usable):
        raise OwnedElsewhere(
            f"Every sensor file that is meant belongs to another engine: {owned[0].owner}",
            fix="Prune where that engine runs, with its data folder",
        )
    for file in usable:
        if file.owner:
            report.left[file.key] = f"it belongs to another engine: {file.owner}"
        elif file.left:
            report.left[file.key] = file.left
    return [file for file in usable if file.key not in report.left]


async def _prune(
    files: "LooseFiles", key: str, bounds: "Bounds", start: "RowFact | None", *, dry: bool
) -> "Pruned":
    from sensor_tui.storage.pruning_archive import check_start
    from sensor_tui.storage.pruning_memory import Memory
    from sensor_tui.storage.pruning_round import ANY_ROW, Pruned, Round

    if bounds.archived and start is not None:
        start = await check_start(files, key, start)
        if start is None:
            return Pruned()
    return await Round(files, key, Memory(), bounds, start=start or ANY_ROW, dry=dry).run()


@asynccontextmanager
async def _files(
    request: SyncRequest, clock: Clock, *, dry: bool
) -> "AsyncIterator[tuple[LooseFiles, list[Prunable], dict[str, RowFact]]]":
    """The files there are, and from which row on the archive has them; the ledger is only read."""
    from sensor_tui.storage.ledger import Ledger
    from sensor_tui.storage.pruning_archive import archive_starts
    from sensor_tui.storage.pruning_files import LooseFiles

    async with Ledger(state_of(request), clock=clock, read_only=True) as ledger:
        files = LooseFiles(request.root.absolute(), ledger, clock, write=not dry, place=request.place)
        try:
            found = await files.find(socket=find_socket(state_of(request)))
            yield files, found, await archive_starts(ledger)
        finally:
            await files.close()

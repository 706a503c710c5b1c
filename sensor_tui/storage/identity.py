"""Knowing files again: by path, by inode, and by rows they had. City and positions are those of before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import Clock
from sensor_tui.storage.files import FileBusy, SensorConnection
from sensor_tui.storage.ledger import FileRecord, Ledger, RowFact
from sensor_tui.storage.pool import FilePool
from sensor_tui.storage.tracked import TrackedFile
from sensor_tui.storage.windows import facts_of, look_at_ends


@dataclass(frozen=True, slots=True)
class Probe:
    """What opening a file gave: what it allows, its first row, its last row id."""

    file: TrackedFile
    rollback: bool
    marks: bool
    first: RowFact | None
    last: int


def probe_file(connection: SensorConnection, file: TrackedFile) -> Probe:
    """Look into a file for the first time; runs in a pool thread."""
    ends = look_at_ends(connection, file, 0)
    time, _ = facts_of(connection, ends.first)
    return Probe(
        file,
        rollback=connection.rollback,
        marks=connection.marks and not file.read_only,
        first=None if time is None else (ends.first, time),
        last=ends.last,
    )


class Registrar:
    """Puts files on record in the ledger.

    A file is the one of before when a row known from then still has its time: a moved folder, or a copy
    put back in its place. Without such a row, path and inode must both be the same; inodes alone are used
    again by the next file made.
    """

    def __init__(self, pool: FilePool, ledger: Ledger, *, clock: Clock, read_only: bool) -> None:
        self._pool = pool
        self._ledger = ledger
        self._clock = clock
        self._read_only = read_only

    async def register(self, probes: Sequence[Probe], tracked: Mapping[str, TrackedFile]) -> None:
        """Give every probed file its city; those whose positions no longer hold start again.

        Raises:
            StorageError: the ledger cannot be used.
        """
        if not probes:
            return
        records = await self._ledger.files()
        positions = await self._ledger.all_positions()
        by_path = {record.path: record for record in records}
        by_inode = {(record.dev, record.ino): record for record in records}
        moved: dict[str, str] = {}
        again: list[str] = []
        new: list[FileRecord] = []
        for probe in probes:
            file = probe.file
            candidates = [by_path.get(file.key), by_inode.get(file.inode)]
            known = await self._recognise(probe, candidates, tracked)
            if known is not None and known.path != file.key:
                moved[known.path] = file.key
            saved = positions.get(known.path if known is not None else file.key, {})
            if known is None or max(saved.values(), default=0) > probe.last:
                again.append(file.key)
                if saved and not file.restarted:
                    file.start_again()
            else:
                file.anchor = known.anchor
                file.restarted = False
            record = self._record(probe, known)
            file.city = record.city
            if record != known:
                new.append(record)
        if not self._read_only and (moved or again or new):
            await self._ledger.register(new, moved=moved, started_again=again)

    def _record(self, probe: Probe, known: FileRecord | None) -> FileRecord:
        file = probe.file
        return FileRecord(
            file.key,
            *file.inode,
            first=(known.first if known is not None else None) or probe.first,
            anchor=file.anchor,
            city=known.city if known is not None else file.folder_city,
            first_seen=known.first_seen if known is not None else self._clock.now(),
        )

    async def _recognise(
        self, probe: Probe, candidates: Sequence[FileRecord | None], tracked: Mapping[str, TrackedFile]
    ) -> FileRecord | None:
        """The record of this very file, if there is one among the candidates."""
        for record in candidates:
            if record is None:
                continue
            other = tracked.get(record.path)
            if other is not None and other is not probe.file and other.inode == probe.file.inode:
                continue
            if await self._is_same(probe, record):
                return record
        return None

    async def _is_same(self, probe: Probe, known: FileRecord) -> bool:
        facts = [fact for fact in (known.anchor, known.first) if fact is not None]
        try:
            async with self._pool.lease(probe.file) as lease:
                match = await lease.run(partial(_match_rows, facts=facts))
        except (FileBusy, SourceFileError):
            match = None
        if match is None:
            return known.path == probe.file.key and (known.dev, known.ino) == probe.file.inode
        return match


def _match_rows(connection: SensorConnection, facts: Sequence[RowFact]) -> bool | None:
    """Whether rows known from before are there with the same times; None when none of them is there."""
    verdict = None
    for row_id, time in facts:
        found, _ = facts_of(connection, row_id)
        if found is not None:
            if found != time:
                return False
            verdict = True
    return verdict

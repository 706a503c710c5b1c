"""Looking at the data tree: what is new, changed, gone or unusable, and which files are ours to read."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, TypeVar

from sensor_tui.errors import SourceFileError, StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import Scan, SourceFile
from sensor_tui.storage.discovery import Found, Tree, Walk
from sensor_tui.storage.files import FileBusy, FileDamaged, SensorConnection, explain, header_problem
from sensor_tui.storage.identity import Probe, Registrar, probe_file
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.locks import Ownership, allow_open_files
from sensor_tui.storage.pool import FilePool, Lease
from sensor_tui.storage.signatures import is_young, signature_of, sweep
from sensor_tui.storage.tracked import TrackedFile, Trouble

T = TypeVar("T")

FIRST_PATIENCE: Final = 1.0
"""Seconds a new file may be locked before the scan goes on without it."""


class Scanner:
    """The files under one root, and one look at them after another."""

    def __init__(
        self,
        tree: Tree,
        pool: FilePool,
        ledger: Ledger,
        *,
        clock: Clock,
        ownership: Ownership | None,
        rescan_seconds: float,
        read_only: bool,
        left_to: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.files: dict[str, TrackedFile] = {}
        self._tree = tree
        self._pool = pool
        self._registrar = Registrar(pool, ledger, clock=clock, read_only=read_only)
        self._clock = clock
        self._ownership = ownership
        self._rescan_seconds = rescan_seconds
        self._left_to = left_to
        self._walked: float | None = None
        self._folder_problems: dict[str, str] = {}
        self._turn = asyncio.Lock()

    def search_soon(self) -> None:
        """Look for new files at the next scan, whenever the last search was."""
        self._walked = None

    async def scan(self) -> Scan:
        """One look; every problem there is now is in it, not only the new ones.

        Raises:
            StorageError: the ledger cannot be used.
        """
        async with self._turn:
            now = self._clock.monotonic()
            walking = self._walked is None or now - self._walked >= self._rescan_seconds
            look = partial(sweep, list(self.files.values()), self._tree if walking else None)
            seen = await self._pool.run(look)
            gone = [file.key for file in seen.gone if file.source is not None]
            for file in seen.gone:
                await self._drop(file)
            changed: dict[str, TrackedFile] = {}
            visit = {file.key: file for file in self.files.values() if _is_due(file, walking=walking)}
            for file, signature, young in seen.changed:
                if file.signature and signature[:2] != file.signature[:2]:
                    await self._replaced(file)
                file.signature, file.unsettled = signature, young
                if file.owner is None:
                    settled = file.source is not None and file.trouble in (None, Trouble.DAMAGED)
                    (changed if settled else visit)[file.key] = file
            if seen.walk is not None:
                self._walked = now
                self._folder_problems = seen.walk.problems
                visit.update(self._meet(seen.walk))
            for file in await self._admit(list(visit.values())):
                changed[file.key] = file
            problems = {file.key: file.problem for file in self.files.values() if file.trouble is not None}
            return Scan(
                changed=tuple(file.source for _, file in sorted(changed.items()) if file.source is not None),
                gone=tuple(gone),
                problems={**self._folder_problems, **seen.problems, **problems},
                owned_elsewhere={
                    file.key: file.owner for file in self.files.values() if file.owner is not None
                },
                leaving={
                    key: who
                    for key, file in self.files.items()
                    if file.source is not None and (who := self._left_to(key)) is not None
                },
            )

    async def leave(self, key: str) -> None:
        """Let go of a file, for the one who is to have it.

        Raises:
            SourceFileError: there is nobody any more, and it is still ours.
        """
        async with self._turn:
            file, who = self.files.get(key), self._left_to(key)
            if file is None or file.source is None or who is None or self._ownership is None:
                raise SourceFileError(f"{key}: nobody is there to have it", fix="It is read here, as before")
            async with self._pool.lease(file):
                await self._pool.run(partial(self._pool.discard, file))
            file.source, file.owner = None, who
            file.forget_rows()
            self._ownership.release(file.path)

    def _meet(self, walk: Walk) -> dict[str, TrackedFile]:
        """Candidates that are not tracked yet; one file reached by several names counts once."""
        paths = {file.path for file in self.files.values()}
        new: dict[str, TrackedFile] = {}
        for found in sorted(walk.files, key=_by_link):
            if found.key not in self.files and found.path not in paths:
                paths.add(found.path)
                new[found.key] = self.files[found.key] = TrackedFile(found.key, found.path, found.city)
        if self._ownership is not None and new:
            allow_open_files(len(self.files))
        return new

    async def _drop(self, file: TrackedFile) -> None:
        async with self._pool.lease(file):
            await self._pool.run(partial(self._pool.discard, file))
        if self._ownership is not None:
            self._ownership.release(file.path)
        self.files.pop(file.key, None)

    async def _replaced(self, file: TrackedFile) -> None:
        """Another file stands at the path: nothing known of the old one holds."""
        async with self._pool.lease(file):
            await self._pool.run(partial(self._pool.discard, file))
        if self._ownership is not None:
            self._ownership.release(file.path)  # a wiped folder takes the lock file with it: make it anew
        if file.source is not None:
            file.start_again()
        file.source = None
        file.good_size = 0
        file.index_tried = file.read_only = False
        file.recover()

    async def _admit(self, files: Sequence[TrackedFile]) -> list[TrackedFile]:
        """Those of the files that can be used now; the others keep why not."""
        if not files:
            return []
        ours = await self._pool.run(partial(self._claim, files))
        probes = [probe for probe in await asyncio.gather(*map(self._probe, ours)) if probe is not None]
        await self._registrar.register([probe for probe in probes if probe.file.source is None], self.files)
        for probe in probes:
            file = probe.file
            file.source = SourceFile(file.key, file.city, marks=probe.marks, rollback=probe.rollback)
            file.good_size = file.size
            file.recover()
        return [probe.file for probe in probes]

    def _claim(self, files: Iterable[TrackedFile]) -> list[TrackedFile]:
        """Check that each is a database and own it; runs in a thread."""
        inodes = {file.inode: file for file in self.files.values() if file.source is not None}
        ours: list[TrackedFile] = []
        for file in files:
            try:
                if not file.signature:
                    file.signature = signature_of(file.path, wal=True)
                    file.unsettled = is_young(file.signature)
                twin = inodes.get(file.inode)
                if twin is not None and twin is not file:
                    file.fail(Trouble.UNUSABLE, f"{file.key}: is the same file as {twin.key}, which is read")
                    continue
                problem = header_problem(file.path)
                if problem is not None:
                    error = SourceFileError(
                        f"{file.key}: {problem}",
                        fix="Keep it out of the data folder unless a sensor writes it",
                    )
                    file.fail(Trouble.UNUSABLE, str(error))
                    continue
                file.owner = None
                if self._ownership is not None:
                    file.owner = self._left_to(file.key) or self._ownership.take(file.path)
            except OSError as error:
                file.fail(Trouble.UNUSABLE, str(explain(file.key, file.path, error)))
                continue
            except StorageError as error:
                file.fail(Trouble.UNUSABLE, f"{file.key}: {error}")
                continue
            inodes[file.inode] = file
            if file.owner is None:
                ours.append(file)
            else:
                file.recover()
        return ours

    async def _probe(self, file: TrackedFile) -> Probe | None:
        """Open the file; None when that failed, the reason being kept in it."""
        patience = FIRST_PATIENCE if file.locked_since is None else 0.0
        try:
            async with self._pool.lease(file) as lease:
                return await attempt(
                    file, lease, partial(probe_file, file=file), clock=self._clock, patience=patience
                )
        except FileDamaged as error:
            file.fail(Trouble.DAMAGED if file.source is not None else Trouble.UNUSABLE, str(error))
        except SourceFileError as error:
            if file.trouble is not Trouble.LOCKED:
                file.fail(Trouble.UNUSABLE, str(error))
        return None


async def attempt(
    file: TrackedFile, lease: Lease, job: Callable[[SensorConnection], T], *, clock: Clock, patience: float
) -> T:
    """Do a job, again and again while another process has the file locked, for `patience` seconds.

    Raises:
        SourceFileError: still locked, or anything else.
    """
    started = clock.monotonic()
    while True:
        try:
            result = await lease.run(job)
        except FileBusy:
            now = clock.monotonic()
            if file.locked_since is None:
                file.locked_since = started
            if now - started < patience:
                await clock.sleep(random.uniform(0.02, 0.12))
                continue
            seconds = max(1, round(now - file.locked_since))
            error = SourceFileError(
                f"{file.key}: has been locked by another process for {seconds} s",
                fix="It is tried again at every look; find who holds it with `fuser`",
            )
            file.fail(Trouble.LOCKED, str(error))
            raise error from None
        file.locked_since = None
        return result


def _is_due(file: TrackedFile, *, walking: bool) -> bool:
    """Whether to look into a file that has not changed: a locked one always, other troubles now and then."""
    if file.trouble is Trouble.LOCKED:
        return True
    return walking and (file.trouble is Trouble.UNUSABLE or file.owner is not None)


def _by_link(found: Found) -> tuple[bool, str]:
    return (not found.path.endswith(found.key), found.key)

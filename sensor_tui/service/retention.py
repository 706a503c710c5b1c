"""How long acknowledged rows stay: bounds of the configuration, and their keeping while the service runs."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from sensor_tui.errors import ConfigError, SourceFileError, StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.service.request import SyncRequest

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.service.host import EngineHost
    from sensor_tui.storage.files import SensorConnection
    from sensor_tui.storage.ledger import Ledger, RowFact
    from sensor_tui.storage.pruning import Bounds
    from sensor_tui.storage.pruning_memory import Memory
    from sensor_tui.storage.pruning_round import Pruned
    from sensor_tui.storage.store import SqliteStore
    from sensor_tui.storage.tracked import TrackedFile

T = TypeVar("T")

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""Between two looks at the configuration and, with an archive, for files that are new or were another's."""
MEGABYTE: Final = 1_000_000
WHO: Final = "retention"
"""Who removed rows by the configuration, in the action log."""


def bounds_of(
    max_age: float | None, max_size_mb: float | None, *, archived: bool, now: float
) -> "Bounds | None":
    """Bounds in force at a moment (epoch seconds); None where nothing is bounded.

    Ages are seconds, sizes megabytes of a million bytes.
    """
    from sensor_tui.storage.pruning import Bounds

    if max_age is None and max_size_mb is None:
        return None
    return Bounds(
        before=None if max_age is None else now - max_age,
        most_bytes=None if max_size_mb is None else int(max_size_mb * MEGABYTE),
        archived=archived,
    )


def require_archive(*, archived: bool) -> None:
    """See that there is an archive (`archived`), for whoever wants only archived rows removed.

    Raises:
        ConfigError: there is none.
    """
    if not archived:
        raise ConfigError(
            "only archived rows are to be removed, and there is no archive",
            fix="Set archive.path, or leave out --archived-only and retention.archived_only",
        )


async def note_archive(ledger: "Ledger", request: SyncRequest, clock: Clock, *, archived: bool) -> None:
    """Take note of what is closed in every file before an engine closes more; ahead of each engine's start.

    With an archive among the sinks (`archived`), files met for the first time get the row after which
    everything is archived. Without one, what is known of all files is forgotten: their rows will be
    closed without being archived.

    Raises:
        StorageError: the ledger cannot be used.
    """
    from sensor_tui.storage import pruning_archive as archive
    from sensor_tui.storage.pruning_files import LooseFiles

    if not archived:
        await archive.forget_starts(ledger)
        return
    known = await archive.archive_starts(ledger)
    files = LooseFiles(request.root.absolute(), ledger, clock, write=False, place=request.place)
    starts: dict[str, RowFact] = {}
    try:
        for found in await files.find():
            if found.key in known or found.problem or found.left or found.owner:
                continue
            try:
                start = await archive.find_start(files, found.key)
            except SourceFileError as error:
                log.debug("where its archive begins is not known: %s", error)
                continue
            if start is not None:
                starts[found.key] = start
    finally:
        await files.close()
    await archive.note_starts(ledger, starts)


class _Ended(Exception):
    """The store was closed, or is about to be."""


class Retention:
    """Removes what the configuration no longer keeps from the files that the engine of this service has."""

    def __init__(self, host: "EngineHost", request: SyncRequest, clock: Clock) -> None:
        self._host = host
        self._request = request
        self._clock = clock
        self._archived = host.settings.archive.path is not None
        """Whether the engine has an archive, which it has or has not for as long as the service runs."""
        self._memories: dict[str, Memory] = {}
        self._problem = ""

    async def prepare(self) -> None:
        """Take note of what is closed, before the engine runs; the ledger must be open.

        Raises:
            StorageError: the ledger cannot be used.
        """
        ledger = self._host.pipeline.store.ledger
        await note_archive(ledger, self._request, self._clock, archived=self._archived)

    async def run(self) -> None:
        """Keep the bounds, as the configuration says at the time; until cancelled."""
        await self._host.pipeline.source.polled.wait()
        seen: object = None
        last = 0.0
        while True:
            settings = self._host.settings
            now = self._clock.monotonic()
            wanted = settings.retention
            try:
                if self._archived:
                    await self._follow_owners()
                if wanted != seen or now - last >= wanted.interval_seconds:
                    seen, last = wanted, now
                    await self.round(settings)
            except _Ended:
                seen = None  # begin again with the next pipeline
            except StorageError as error:
                log.warning("old rows are not removed now: %s", error)
            await self._clock.sleep(min(LOOK_SECONDS, wanted.interval_seconds))

    async def round(self, settings: "Settings") -> int:
        """One round over every file; how many rows were removed.

        Raises:
            StorageError: the ledger cannot be used.
        """
        wanted = settings.retention
        bounds = bounds_of(
            wanted.max_age, wanted.max_size_mb, archived=wanted.archived_only, now=self._clock.now()
        )
        if bounds is None or not self._allows(settings):
            return 0
        began = self._clock.monotonic()
        store = self._host.pipeline.store
        starts = await self._starts(store) if bounds.archived else {}
        rows = files = freed = 0
        keys = [file.key for file in store.files() if file.marks]
        self._memories = {key: memory for key, memory in self._memories.items() if key in set(keys)}
        try:
            for key in keys:
                pruned = await self._prune(store, key, bounds, starts.get(key))
                if pruned is not None and pruned.rows:
                    rows += pruned.rows
                    files += 1
                    freed += max(0, pruned.before - pruned.after)
        finally:
            if rows:
                seconds = self._clock.monotonic() - began
                await self._tell(store, rows, files, freed, seconds, told(bounds, wanted.max_age))
        return rows

    def _allows(self, settings: "Settings") -> bool:
        """Whether there is an archive, where only archived rows may go; says once that there is none."""
        problem = ""
        if settings.retention.archived_only:
            try:
                require_archive(archived=self._archived)
            except ConfigError as error:
                problem = str(error)
        if problem and problem != self._problem:
            log.error("old rows are not removed: %s", problem)
        self._problem = problem
        return not problem

    async def _prune(
        self, store: "SqliteStore", key: str, bounds: "Bounds", start: "RowFact | None"
    ) -> "Pruned | None":
        from sensor_tui.storage.pruning_archive import check_start, note_starts
        from sensor_tui.storage.pruning_memory import Memory
        from sensor_tui.storage.pruning_round import ANY_ROW, Round

        files = _WhileOpen(self._host, store)
        try:
            if bounds.archived:
                if start is None:
                    return None
                holds = await check_start(files, key, start)
                if holds is None:
                    return None
                if holds != start:
                    await note_starts(store.ledger, {key: holds})
                start = holds
            memory = self._memories.setdefault(key, Memory())
            return await Round(files, key, memory, bounds, start=start or ANY_ROW).run()
        except SourceFileError as error:
            log.info("old rows are not removed from %s", error)
            return None

    async def _starts(self, store: "SqliteStore") -> "dict[str, RowFact]":
        from sensor_tui.storage.pruning_archive import archive_starts

        return await archive_starts(store.ledger)

    async def _follow_owners(self) -> None:
        """For the archive: new files begin with what they hold now, and another engine's are forgotten."""
        from sensor_tui.storage.pruning_archive import find_newest, forget_starts, note_starts

        store = self._host.pipeline.store
        known = await self._starts(store)
        lost = {feed.source for feed in self._host.feeds() if feed.owner}
        await forget_starts(store.ledger, lost & known.keys())
        files = _WhileOpen(self._host, store)
        found: dict[str, RowFact] = {}
        for file in store.files():
            if file.key in known or file.key in lost or not file.marks:
                continue
            try:
                newest = await find_newest(files, file.key)
            except SourceFileError:
                continue
            if newest is not None:
                found[file.key] = newest
        await note_starts(store.ledger, found)

    async def _tell(
        self, store: "SqliteStore", rows: int, files: int, freed: int, seconds: float, why: str
    ) -> None:
        from sensor_tui.storage.history import OperatorAction

        what = f"{rows} acknowledged rows removed from {files} files ({why}), {freed / MEGABYTE:.1f} MB freed"
        log.info("retention: %s, in %.1f s", what, seconds)
        try:
            await store.ledger.record_action(
                OperatorAction(self._clock.now(), WHO, "prune", "all files", what)
            )
        except StorageError as error:
            log.warning("not written to the action log: %s", error)


def told(bounds: "Bounds", max_age: float | None) -> str:
    """Bounds in words."""
    parts = []
    if max_age is not None:
        parts.append(f"older than {_duration(max_age)}")
    if bounds.most_bytes is not None:
        parts.append(f"files above {bounds.most_bytes / MEGABYTE:g} MB")
    return ", ".join(parts) + (", only archived ones" if bounds.archived else "")


def _duration(seconds: float) -> str:
    """A duration as it is written in the configuration."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and not seconds % length:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


class _WhileOpen:
    """The files of the engine's store, for as long as it is the engine's."""

    def __init__(self, host: "EngineHost", store: "SqliteStore") -> None:
        self._host = host
        self._store = store

    async def change(self, key: str, job: "Callable[[SensorConnection, TrackedFile], T]") -> T | None:
        if self._host.stopping or self._host.pipeline.store is not self._store:
            raise _Ended
        try:
            return await self._store.change(key, job)
        except RuntimeError as error:
            if "shutdown" not in str(error):  # of the threads, which a pipeline that ends takes along
                raise
            raise _Ended from error

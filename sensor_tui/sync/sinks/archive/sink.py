"""The archive as a sink: what it takes is on the disk, once, when it answers."""

import asyncio
import errno
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar
from zlib import crc32

from sensor_tui.errors import ConfigError, SinkRefused
from sensor_tui.model.clock import Clock
from sensor_tui.sync.contract import (
    Answer,
    Health,
    Judgement,
    Limits,
    Parcel,
    RequestFailed,
    Route,
    Verdict,
)
from sensor_tui.sync.sinks.archive import lock
from sensor_tui.sync.sinks.archive.compaction import chosen, compact
from sensor_tui.sync.sinks.archive.dataset import Appended, Dataset, OtherKind
from sensor_tui.sync.sinks.archive.documents import Entry, read
from sensor_tui.sync.sinks.archive.files import remove_folder
from sensor_tui.sync.sinks.archive.formats import Abandoned, Format, Unreadable, make_format
from sensor_tui.sync.sinks.archive.known import KnownIds
from sensor_tui.sync.sinks.archive.names import apart_name, safe_name
from sensor_tui.sync.sinks.archive.options import SUFFIXES, ArchiveOptions
from sensor_tui.sync.sinks.archive.place import check_folder, leftovers, refusal

logger = logging.getLogger(__name__)

T = TypeVar("T")

_DOCUMENTS: Final = 5000
_BYTES: Final = 8 * 1024 * 1024
_LANES: Final = 8
_WRITERS: Final = 4
_MOST_DATASETS: Final = 2000
_BUSY_SECONDS: Final = 1.0
_UNREADABLE_SECONDS: Final = 30.0
_CLOSE_SECONDS: Final = 5.0
_LISTING_SECONDS: Final = 1.0
_ROUTES: Final = tuple(Route(f"{number + 1}", key=number) for number in range(_LANES))
_PASSING: Final = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR, errno.ENOMEM})


@dataclass(slots=True)
class _Kept:
    """A dataset, whose turn it is, and how it stands."""

    dataset: Dataset
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    compacting: bool = False
    least_parts: int = 0
    """Parts from which compaction is tried again, after it failed."""
    problem: str = ""


class ArchiveSink:
    """Writes documents into one dataset for each sensor, in threads of its own.

    Raises:
        ConfigError: Parquet is asked for and pyarrow is not installed.
    """

    name = "archive"
    key_field: str | None = "sensorId"
    limits = Limits(documents=_DOCUMENTS, size=_BYTES, concurrency=1)

    def __init__(self, options: ArchiveOptions, clock: Clock) -> None:
        if options.format == "Parquet" and find_spec("pyarrow") is None:
            raise ConfigError(
                "The archive cannot be written as Parquet: pyarrow is not installed",
                fix="Run pip install 'sensor-tui[parquet]', or set archive.format to CSV or JSON lines",
            )
        self.ids = KnownIds()
        self._options = options
        self._clock = clock
        self._root = os.path.abspath(options.path)  # noqa: PTH100 - paths are strings here
        self._suffix = SUFFIXES[options.format]
        self._own = None if options.own_city is None else safe_name(options.own_city)
        self._holder = lock.name_here(clock.now())
        self._format: Format | None = None
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._refused: set[str] = set()
        """Datasets that the file system refused, until they are usable again."""
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="archive")
        self._compactor = ThreadPoolExecutor(1, thread_name_prefix="archive-compaction")
        self._jobs: set[asyncio.Task[Any]] = set()
        self._chores: set[asyncio.Task[None]] = set()
        """Compactions, and what they leave to be done."""
        self._stopping = False

    async def open(self) -> Sequence[str]:
        try:
            await self._do(self._prepare)
        except OSError as error:
            raise refusal(error, self._root) from error
        return ()

    async def close(self) -> None:
        """Finish what is being written; compaction has a few seconds, and is otherwise left for later."""
        deadline = asyncio.get_running_loop().time() + _CLOSE_SECONDS
        while self._chores and (left := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._chores, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        self._stopping = True
        await asyncio.gather(*self._jobs, *self._chores, return_exceptions=True)
        self._writers.shutdown(wait=False)
        self._compactor.shutdown(wait=False)

    async def health(self) -> Health:
        try:
            free = await self._do(lambda: check_folder(self._root))
        except OSError as error:
            return Health(ok=False, message=str(refusal(error, self._root)))
        if problem := next((kept.problem for kept in self._kept.values() if kept.problem), ""):
            return Health(ok=False, message=problem)
        return Health(ok=True, message=f"{self._root} can be written, {free / 1e9:,.1f} GB are free")

    def route(self, key: object) -> Route:
        # a lane for each sensor would be as many as there are sensors, in every status and for ever
        return _ROUTES[crc32(repr(key).encode("utf-8", "surrogatepass")) % _LANES]

    async def reroute(self) -> None:
        """A sensor's lane never moves."""

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:  # noqa: ARG002 - all go one way
        bodies = [body for parcel in parcels for body in parcel.bodies]
        groups, unfit = await self._do(lambda: self._sorted(bodies))
        judgements = {
            position: Judgement(Verdict.REJECTED, reason=reason) for position, reason in unfit.items()
        }
        already = written = 0
        for path, apart, entries in groups:
            try:
                outcome = await self._append(path, entries, alike=path != apart)
            except OtherKind:
                outcome = await self._append(apart, entries, alike=False)
            if isinstance(outcome, Judgement):
                judgements |= dict.fromkeys((entry.position for entry in entries), outcome)
                continue
            already += outcome.already_there
            written += outcome.written
        return Answer(already_there=already, exceptions=judgements or None, bytes_sent=written)

    def _sorted(self, bodies: Sequence[bytes]) -> tuple[list[tuple[str, str, list[Entry]]], dict[int, str]]:
        """Documents with the dataset they go to, and the one they go to where that is of the other kind.

        Readers go by the columns of one part, so a measure and its summaries cannot be one column. What was
        put apart once always is, so that it is found there when it is sent again.
        """
        groups, unfit = read(bodies)
        found: list[tuple[str, str, list[Entry]]] = []
        for (city, sensor, aggregated), entries in groups.items():
            folder = self._root if safe_name(city) == self._own else f"{self._root}/{safe_name(city)}"
            stem = f"{folder}/{safe_name(sensor)}"
            apart = f"{apart_name(stem, aggregated=aggregated)}{self._suffix}"
            first = apart if Path(apart).is_dir() else f"{stem}{self._suffix}"
            found.append((first, apart, entries))
        return found, unfit

    async def _append(self, path: str, entries: Sequence[Entry], *, alike: bool) -> Appended | Judgement:
        kept = self._dataset(path)
        try:
            appended = await self._in_turn(kept, partial(kept.dataset.append, entries, alike=alike))
        except (lock.Busy, Unreadable) as error:
            return self._not_now(kept, error)
        except OSError as error:
            raise self._failure(error, path) from error
        kept.problem = ""
        self._compact_soon(kept)
        return appended

    def _prepare(self) -> None:
        """Make and check the folder, load what the format needs, and clear up after a crash."""
        Path(self._root).mkdir(parents=True, exist_ok=True)
        check_folder(self._root)
        try:
            self._format = make_format(self._options.format)
        except ImportError as error:
            raise SinkRefused(
                f"pyarrow cannot be loaded, so the archive cannot be written as Parquet: {error}",
                fix="Install it again: pip install 'sensor-tui[parquet]'",
            ) from error
        for path in leftovers(self._root, self._suffix):
            with suppress(lock.Busy, Unreadable, OSError):  # its owner clears up; who appends hears of it
                self._make(path).recover()

        for path in sorted(self._refused):
            self._check_again(path)
            self._refused.discard(path)

    def _check_again(self, path: str) -> None:
        """Raise SinkRefused where a dataset that was refused cannot be used yet."""
        try:
            with suppress(lock.Busy, Unreadable):
                self._make(path).recover()
            check_folder(os.path.dirname(path))  # noqa: PTH120 - paths are strings here
            check_folder(path)
        except OSError as error:
            raise refusal(error, path) from error

    def _dataset(self, path: str) -> _Kept:
        kept = self._kept.get(path)
        if kept is None:
            kept = self._kept[path] = _Kept(self._make(path))
            self._forget_some()
        self._kept.move_to_end(path)
        return kept

    def _make(self, path: str) -> Dataset:
        assert self._format is not None
        return Dataset(path, self._format, self.ids, holder=self._holder)

    def _forget_some(self) -> None:
        while len(self._kept) > _MOST_DATASETS:
            path, kept = next(iter(self._kept.items()))
            if kept.turn.locked() or kept.compacting:
                return
            del self._kept[path]

    def _not_now(self, kept: _Kept, error: Exception) -> Judgement:
        """What cannot be archived now, for a reason of this dataset alone."""
        if isinstance(error, lock.Busy):
            reason = f"{kept.dataset.path} is being written by {error}"
            return Judgement(Verdict.TRANSIENT, delay=_BUSY_SECONDS, reason=reason)
        reason = f"{error}. Move that file out of the archive; what it may hold is not archived twice"
        if kept.problem != reason:
            logger.warning("%s", reason)
        kept.problem = reason
        return Judgement(Verdict.TRANSIENT, delay=_UNREADABLE_SECONDS, reason=reason)

    def _failure(self, error: OSError, path: str) -> Exception:
        if error.errno in _PASSING:
            judgement = Judgement(Verdict.TRANSIENT, reason=f"{path}: {error.strerror}")
            return RequestFailed(judgement)
        self._refused.add(path)
        return refusal(error, path)

    def _compact_soon(self, kept: _Kept) -> None:
        parts = kept.dataset.parts
        if kept.compacting or self._stopping or len(parts) < kept.least_parts:
            return
        if not chosen(parts, self._options.compact_files, kept.dataset.format.most_rows):
            return
        kept.compacting = True
        self._start(self._compact(kept))

    async def _compact(self, kept: _Kept) -> None:
        count = self._options.compact_files
        loop = asyncio.get_running_loop()
        try:
            more = True
            while more and not self._stopping:
                async with kept.turn:
                    work = partial(compact, kept.dataset, count, self._must_stop)
                    old = await loop.run_in_executor(self._compactor, work)
                if old is not None:
                    self._remove_later(old)
                more = old is not None
            kept.least_parts = 0
        except Abandoned:
            pass
        except (lock.Busy, Unreadable, OSError) as error:
            logger.warning("%s stays in small parts for now: %s", kept.dataset.path, error)
            kept.least_parts = len(kept.dataset.parts) + count
        finally:
            kept.compacting = False

    def _remove_later(self, path: str) -> None:
        """Remove a folder that was replaced, once nobody can be in the middle of listing it."""

        async def remove() -> None:
            await self._clock.sleep(_LISTING_SECONDS)
            with suppress(OSError):  # what is left is removed when the archive is opened
                await self._do(partial(remove_folder, path))

        self._start(remove())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _must_stop(self) -> bool:
        return self._stopping

    async def _in_turn(self, kept: _Kept, job: Callable[[], T]) -> T:
        async def turn() -> T:
            async with kept.turn:
                return await self._do(job)

        # a request that is given up must not leave a thread at work on what others take for free
        task = asyncio.get_running_loop().create_task(turn())
        self._jobs.add(task)
        task.add_done_callback(self._reap)
        return await asyncio.shield(task)

    def _reap(self, task: "asyncio.Task[Any]") -> None:
        self._jobs.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited for it has been told; nobody may have

    async def _do(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writers, job)

"""A sensor file whose readings wait for their window, and become one document when it is closed."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import Batch
from sensor_tui.model.source import FeedStatus, Run, SensorKey, SourceFile
from sensor_tui.sync.aggregate import Aggregation, Digest, WindowKey
from sensor_tui.sync.aggregate_intents import IntentFeed
from sensor_tui.sync.aggregate_window import WindowSums
from sensor_tui.sync.contract import ReadingStore, Settlement

log = logging.getLogger(__name__)

_MOST_WINDOWS: Final = 10_000
_MOST_RUNS: Final = 100_000
_SPARED: Final = 0.75
"""Of those bounds, what is left open once windows had to be closed before their time."""
_AHEAD_SECONDS: Final = 3600.0
"""A reading further ahead of the clock makes no other one late: one bad time would be enough for all."""


@dataclass(slots=True)
class _Read:
    """A batch that was read and is not yet in the windows, since sinks have to take its rows first."""

    batch: Batch
    settled: Digest | None = None


class HoldingFeed(IntentFeed):
    """Windows are filled in the order of reading. A document is an intent in the ledger before it is sent.

    What waits is kept as sums and runs of row ids; its rows stay open until every sink has the document.
    """

    def __init__(
        self,
        file: SourceFile,
        store: ReadingStore,
        sinks: Sequence[str],
        *,
        dry: bool,
        aggregation: Aggregation,
        clock: Clock,
    ) -> None:
        super().__init__(file, store, sinks, dry=dry)
        self._aggregation = aggregation
        self._clock = clock
        self._windows: dict[WindowKey, WindowSums] = {}
        self._closings: dict[SensorKey, float] = {}
        """End of the last window closed, per sensor; what comes for it or for those before is late."""
        self._newest: dict[SensorKey, float] = {}
        self._ahead: dict[SensorKey, float] = {}
        """Of those far ahead of the clock, the time read last: such windows close one another alone."""
        self._waiting: deque[_Read] = deque()
        self._filled = asyncio.Event()
        self._filled.set()
        self._committing: Sequence[WindowSums] = ()
        self._life = 0
        """How often row ids began again."""
        self._crowded = False

    @property
    def ready(self) -> bool:
        return super().ready or (not self.leaving and bool(self._due(drained=True)))

    def end(self) -> None:
        super().end()
        self._filled.set()

    async def _load(self) -> None:
        if not self._loaded:
            self._closings = dict(await self._store.closings(self.key, self._aggregation.seconds))
            await super()._load()

    async def _begin_again(self) -> None:
        """The rows are no more: their windows go with them, documents that were made of them are sent."""
        lost = sum(sums.count for sums in self._windows.values())
        if lost:
            log.warning(
                "%s: %d readings waited for their window when its row ids began again", self.key, lost
            )
        self._windows.clear()
        self._closings.clear()
        self._newest.clear()
        self._ahead.clear()
        self._life += 1
        await super()._begin_again()

    def _sift(self, batch: Batch) -> Batch:
        through = batch.through if batch.rows else 0
        batch = super()._sift(batch)
        self._high = max(self._high, through)
        return batch

    async def _read_on(self, limit: int) -> Batch | None:
        if not self.leaving:
            if await self._close_windows(self._due(drained=False) or self._crowding()):
                return self._next_documents(limit)
            batch = await super()._read_on(limit)
            if batch is not None:
                self._waiting.append(_Read(batch))
                self._filled.clear()
                return batch
        await self._filled.wait()
        if not self.leaving and self.alive and await self._close_windows(self._due(drained=True)):
            return self._next_documents(limit)
        return None

    def _crowding(self) -> list[WindowSums]:
        """Where there are too many windows or runs: windows touched longest ago, before their time."""
        runs = sum(len(sums.runs) for sums in self._windows.values())
        crowded = len(self._windows) >= _MOST_WINDOWS or runs >= _MOST_RUNS
        if crowded and not self._crowded:
            log.warning(
                "%s: %d windows with %d row ranges are open; those untouched longest are sent as they are",
                self.key, len(self._windows), runs,
            )  # fmt: skip
        self._crowded = crowded
        if not crowded:
            return []
        going: list[WindowSums] = []
        for sums in sorted(self._windows.values(), key=lambda sums: (sums.touched, sums.start)):
            if len(self._windows) - len(going) <= _MOST_WINDOWS * _SPARED and runs <= _MOST_RUNS * _SPARED:
                break
            sums.complete = sums.final = False
            runs -= len(sums.runs)
            going.append(sums)
        return going

    def _due(self, *, drained: bool) -> list[WindowSums]:
        """Windows to close now; `drained` says that there is nothing more to read."""
        if not self._windows:
            return []
        aggregation = self._aggregation
        wait = aggregation.seconds + aggregation.lateness
        now, silence = self._clock.now(), self._clock.monotonic()
        quiet = aggregation.quiet if aggregation.continuous else 0.0
        due = []
        for sums in self._windows.values():
            end = sums.start + wait
            ahead = sums.start > now + _AHEAD_SECONDS
            newest = (self._ahead if ahead else self._newest).get(sums.sensor, end - 1.0)
            by_reading = not sums.late and end <= newest
            silent = not quiet or silence - sums.touched >= quiet
            if by_reading or (drained and (sums.late or (silent and (ahead or end + quiet <= now)))):
                # the clock says nothing of a window ahead of it: that it is silent does not make it whole
                sums.complete = by_reading or sums.late or not ahead
                sums.final = not (sums.late or ahead)
                due.append(sums)
        return sorted(due, key=lambda sums: sums.start)

    async def _close_windows(self, due: Sequence[WindowSums]) -> bool:
        """Make documents of windows and commit them; whether there were any.

        Raises:
            StorageError: the ledger cannot be used; the windows are as they were.
        """
        if not due:
            return False
        seconds = self._aggregation.seconds
        for sums in due:
            del self._windows[sums.sensor, sums.start]
            if sums.final:
                # readings that come while this is being committed are late already
                end = sums.start + seconds
                self._closings[sums.sensor] = max(end, self._closings.get(sums.sensor, end))
        life, self._committing = self._life, due
        try:
            intents = [self._aggregation.intent(sums, await self._part(sums)) for sums in due]
            if not self._dry:
                closings = {sums.sensor: self._closings[sums.sensor] for sums in due if sums.final}
                await self._store.intend(self.key, intents, closings)
        except BaseException:
            for sums in due if life == self._life else ():
                self._put_back(sums)
            raise
        finally:
            self._committing = ()
        self._outgoing += intents
        if life != self._life:
            for intent in intents:
                intent.runs = ()
            await self._store.start_windows_again(self.key)
        return True

    async def _part(self, sums: WindowSums) -> int:
        return 1 + await self._store.parts(self.key, sums.sensor, self._aggregation.seconds, sums.start)

    def _put_back(self, sums: WindowSums) -> None:
        since = self._windows.pop((sums.sensor, sums.start), None)
        if since is not None:
            sums.merge(since)
        self._windows[sums.sensor, sums.start] = sums

    def abandon(self, batches: Sequence[Batch]) -> None:
        super().abandon(batches)
        for batch in batches:
            self._waiting = deque(each for each in self._waiting if each.batch is not batch)
        self._merge_in_order()

    def _fill(self, settlements: Sequence[Settlement]) -> None:
        """Put readings into their windows, in the order in which they were read."""
        for settlement in settlements:
            digest: Digest = settlement.held
            if not settlement.complete:
                continue
            if settlement.dead:
                digest = self._without_dead(digest, settlement)
            digest.forget_rows()
            for each in self._waiting:
                if each.batch is settlement.batch:
                    each.settled = digest
        self._merge_in_order()

    def _merge_in_order(self) -> None:
        while self._waiting and (digest := self._waiting[0].settled) is not None:
            self._waiting.popleft()
            self._merge(digest)
        if not self._waiting:
            self._filled.set()

    def _without_dead(self, digest: Digest, settlement: Settlement) -> Digest:
        """A sink refused some of its rows after they had been counted: count again, without them."""
        dead = {letter.row_id for letter in settlement.dead}
        positions = {index for index, row in enumerate(settlement.batch.rows) if row[0] in dead}
        if positions <= {*digest.staged.rejected, *digest.unusable, *digest.apart}:
            return digest
        return self._aggregation.digest(digest.staged, apart={*digest.apart, *positions})

    def _merge(self, digest: Digest) -> None:
        now, seconds = self._clock.monotonic(), self._aggregation.seconds
        for key, sums in digest.windows.items():
            known = self._windows.get(key)
            if known is None:
                closed = self._closings.get(sums.sensor)
                sums.late = closed is not None and sums.start + seconds <= closed
                known = self._windows[key] = sums
            else:
                known.merge(sums)
            known.touched = now
        self._note_times(digest.windows.values())

    def _note_times(self, windows: Iterable[WindowSums]) -> None:
        ceiling = self._clock.now() + _AHEAD_SECONDS
        ahead: dict[SensorKey, float] = {}
        for sums in windows:
            known = self._newest if sums.newest <= ceiling else ahead
            known[sums.sensor] = max(sums.newest, known.get(sums.sensor, sums.newest))
        # not the latest ever seen: after one time out of all reason each window would be past at once
        self._ahead |= ahead

    def _runs(self) -> Iterator[Run]:
        yield from super()._runs()
        for sums in (*self._windows.values(), *self._committing):
            yield from sums.runs

    def _lowest(self) -> Iterator[int]:
        yield from super()._lowest()
        yield from (sums.first for sums in (*self._windows.values(), *self._committing))

    def status(self) -> FeedStatus:
        """How the file stands; what waits for its window is in the backlog."""
        known = super().status()
        windows = (*self._windows.values(), *self._committing)
        held = sum(sums.count for sums in windows)
        held += sum(each.settled.readings for each in self._waiting if each.settled is not None)
        times = [sums.oldest for sums in windows]
        if known.oldest_open is not None:
            times.append(known.oldest_open)
        return replace(known, backlog=known.backlog + held, oldest_open=min(times, default=None), held=held)

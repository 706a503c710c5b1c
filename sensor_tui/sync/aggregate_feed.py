"""A sensor file whose readings wait for their window, and become one document when it is closed."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import Batch
from sensor_tui.model.source import DeadLetter, FeedStatus, Intent, Run, SensorKey, SourceFile, Tracking
from sensor_tui.sync.aggregate import Aggregation, Digest, Prepared, WindowKey, prepare
from sensor_tui.sync.aggregate_window import WindowSums, without_runs
from sensor_tui.sync.contract import ReadingStore, Settlement
from sensor_tui.sync.letters import letters_for
from sensor_tui.sync.sources.sqlite import SqliteFeed

log = logging.getLogger(__name__)

_MOST_WINDOWS: Final = 10_000
_MOST_RUNS: Final = 100_000
_MOST_DOCUMENTS: Final = 200
"""Documents of one batch."""
_LETTERS_AT_ONCE: Final = 500
_AHEAD_SECONDS: Final = 3600.0
"""A reading further ahead of the clock closes no window: one bad time would make all others late."""


@dataclass(slots=True)
class _Read:
    """A batch that was read and is not yet in the windows, since sinks have to take its rows first."""

    batch: Batch
    settled: Digest | None = None


class HoldingFeed(SqliteFeed):
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
        self._loaded = False
        self._windows: dict[WindowKey, WindowSums] = {}
        self._closings: dict[SensorKey, float] = {}
        """End of the last window closed, per sensor."""
        self._newest: dict[SensorKey, float] = {}
        self._waiting: deque[_Read] = deque()
        self._filled = asyncio.Event()
        self._filled.set()
        self._outgoing: deque[Intent] = deque()
        """Committed, and not given to the engine yet."""
        self._sent: dict[int, dict[int, Intent]] = {}
        """Given to the engine: by the identity of their batch and their position in it."""
        self._committing: Sequence[WindowSums] = ()
        self._set_aside: list[Intent] = []
        """Their outcome could not be recorded; the next run sends them again."""
        self._life = 0
        """How often row ids began again."""
        self._kept: list[Run] = []
        """Rows above the position that are settled, in a file whose rows cannot be closed."""
        self._high = 0
        """Last row id that may be under way."""
        self._crowded = False

    @property
    def ready(self) -> bool:
        return bool(self._outgoing) or (not self.leaving and (super().ready or bool(self._due(drained=True))))

    @property
    def still(self) -> bool:
        return super().still and not self._outgoing and not self._sent

    def end(self) -> None:
        super().end()
        self._filled.set()

    async def look(self) -> None:
        await self._load()
        await super().look()
        cursor = self._cursor or 0
        if self.unread and cursor < self._high:
            known = sum(run.last - run.first + 1 for run in self._runs() if run.first > cursor)
            self.unread = max(0, self.unread - known)

    async def _load(self) -> None:
        """Take up what an earlier run left: documents to send again, and how far windows were closed."""
        if self._loaded:
            return
        intents = await self._store.intents(self.key)
        self._closings = dict(await self._store.closings(self.key, self._aggregation.seconds))
        for intent in intents:
            if intent.document:
                self._outgoing.append(intent)
            else:
                self._kept += intent.runs
            self._high = max([self._high, *(run.last for run in intent.runs)])
        self._loaded = True

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
        self._kept.clear()
        self._high = 0
        self._life += 1
        for intent in self._intents():
            intent.runs = ()
        if not self._dry:
            await self._store.start_windows_again(self.key)

    def _sift(self, batch: Batch) -> Batch:
        if batch.rows:
            if batch.rows[0][0] <= self._high:
                # read again after a restart or a retry: some may be in a window, or a document, already
                batch = without_runs(batch, self._runs())
            self._high = max(self._high, batch.through)
        return batch

    async def rewind(self, row_id: int) -> bool:
        if not await super().rewind(row_id):
            return False
        if not self.file.marks:
            intents = await self._store.intents(self.key)
            self._kept = [run for intent in intents if not intent.document for run in intent.runs]
        return True

    async def read(self, limit: int) -> Batch | None:
        """The next readings, or documents of windows that were closed; None when there is neither now.

        Raises:
            SourceFileError: the file cannot be used now.
            StorageError: the ledger cannot be written, and nothing may be sent.
        """
        self._reading += 1
        try:
            return await self._read_on(limit)
        finally:
            self._reading -= 1

    async def _read_on(self, limit: int) -> Batch | None:
        await self._load()
        if self._outgoing:
            return self._next_documents(limit)
        if not self.leaving:
            if await self._close_windows(self._due(drained=False)):
                return self._next_documents(limit)
            if self._has_room():
                batch = await super().read(limit)
                if batch is not None:
                    self._waiting.append(_Read(batch))
                    self._filled.clear()
                    return batch
        await self._filled.wait()
        if not self.leaving and self.alive and await self._close_windows(self._due(drained=True)):
            return self._next_documents(limit)
        return None

    def _has_room(self) -> bool:
        runs = sum(len(sums.runs) for sums in self._windows.values())
        crowded = len(self._windows) >= _MOST_WINDOWS or runs >= _MOST_RUNS
        if crowded and not self._crowded:
            log.warning("%s: %d windows are open; reading waits for them", self.key, len(self._windows))
        self._crowded = crowded
        return not crowded

    def _next_documents(self, limit: int) -> Prepared:
        count = min(len(self._outgoing), limit, _MOST_DOCUMENTS)
        intents = [self._outgoing.popleft() for _ in range(count)]
        batch = prepare(self.key, intents)
        self._sent[id(batch)] = dict(enumerate(intents))
        return batch

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
            by_reading = not sums.late and end <= self._newest.get(sums.sensor, end - 1.0)
            by_clock = drained and (
                sums.late or (end + quiet <= now and (not quiet or silence - sums.touched >= quiet))
            )
            if by_reading or by_clock:
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
            if not sums.late:
                # readings that come while this is being committed are late already
                end = sums.start + seconds
                self._closings[sums.sensor] = max(end, self._closings.get(sums.sensor, end))
        life, self._committing = self._life, due
        try:
            intents = [
                self._aggregation.intent(sums, await self._part(sums) if sums.late else 1) for sums in due
            ]
            if not self._dry:
                closings = {sums.sensor: self._closings[sums.sensor] for sums in due if not sums.late}
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

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        readings = [each for each in settlements if not isinstance(each.batch, Prepared)]
        if readings:
            await super().settle(readings)
            self._fill(readings)
        documents = [each for each in settlements if isinstance(each.batch, Prepared)]
        if documents:
            await self._settle_documents(documents)

    def abandon(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._waiting = deque(each for each in self._waiting if each.batch is not batch)
            self._set_aside += self._sent.pop(id(batch), {}).values()
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
        ceiling = self._clock.now() + _AHEAD_SECONDS
        for sensor, time in digest.newest.items():
            if time <= ceiling:
                self._newest[sensor] = max(time, self._newest.get(sensor, time))

    async def _settle_documents(self, settlements: Sequence[Settlement]) -> None:
        """Close the rows of documents that every sink has, or bury them all, then forget the intents.

        Raises:
            StorageError: not all of it was recorded; the same call may be made again.
        """
        sent = [(self._sent.get(id(each.batch), {}), each) for each in settlements]
        await self._close(
            [waiting[index] for waiting, each in sent for index in each.accepted if index in waiting],
            Tracking.DONE,
        )
        for waiting, each in sent:
            for index in each.accepted:
                waiting.pop(index, None)
            for letter in each.dead:
                intent = waiting.get(letter.row_id)
                if intent is not None:
                    letters = letters_for(intent.runs, letter)
                    await self._bury(letters)
                    await self._close([intent], Tracking.DEAD)
                    self.dead_letters += len(letters)
                    del waiting[letter.row_id]
            if not waiting:
                self._sent.pop(id(each.batch), None)

    async def _close(self, intents: Sequence[Intent], value: Tracking) -> None:
        """Close the rows of documents, in as few transactions as may be, and forget the intents."""
        if self._dry or not intents:
            return
        try:
            closed = await self._store.close_held(self.key, [intent.rows for intent in intents], value)
        except SourceFileError as error:
            self.fail(error)
            raise
        await self._store.fulfil(intents, keep=not closed)
        if not closed:
            self._kept += [run for intent in intents for run in intent.runs]

    async def _bury(self, letters: Sequence[DeadLetter]) -> None:
        if not self._dry:
            for start in range(0, len(letters), _LETTERS_AT_ONCE):
                await self._store.bury(letters[start : start + _LETTERS_AT_ONCE])

    def _intents(self) -> Iterator[Intent]:
        """Documents whose rows are not closed yet."""
        yield from self._outgoing
        yield from self._set_aside
        for sent in self._sent.values():
            yield from sent.values()

    def _runs(self) -> Iterator[Run]:
        """All rows that must not be counted again."""
        yield from self._kept
        for intent in self._intents():
            yield from intent.runs
        for sums in (*self._windows.values(), *self._committing):
            yield from sums.runs

    def position(self) -> Mapping[tuple[str, str], int]:
        lowest = [sums.first for sums in (*self._windows.values(), *self._committing)]
        lowest += [min(run.first for run in intent.runs) for intent in self._intents() if intent.runs]
        through = min([self._position, *(first - 1 for first in lowest)])
        self._kept = [run for run in self._kept if run.last > through]
        return {(self.key, sink): through for sink in self._sinks}

    def status(self) -> FeedStatus:
        """How the file stands; what waits for its window is in the backlog."""
        known = super().status()
        windows = (*self._windows.values(), *self._committing)
        intents = [intent for intent in self._intents() if intent.runs]
        held = sum(sums.count for sums in windows)
        held += sum(each.settled.readings for each in self._waiting if each.settled is not None)
        times = [sums.oldest for sums in windows] + [intent.oldest for intent in intents]
        if known.oldest_open is not None:
            times.append(known.oldest_open)
        return replace(
            known,
            backlog=known.backlog + held + sum(intent.readings for intent in intents),
            oldest_open=min(times, default=None),
            held=held,
        )

"""Sensor files as a source: one feed a file, read by ascending row id, settled in the file and the ledger."""

import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sensor_tui.errors import SourceFileError, StorageError
from sensor_tui.model.reading import Batch, UnusableReading, epoch_of
from sensor_tui.model.source import FeedStatus, Mark, SourceFile, Tracking
from sensor_tui.sync.contract import Feed, ReadingStore, Settlement

log = logging.getLogger(__name__)

_EMPTY_READS: Final = 10_000


@dataclass(slots=True)
class _Under:
    """A batch between reading and settlement."""

    batch: Batch
    oldest: float | None
    open: int
    """Readings of it that are not settled."""


class SqliteFeed:
    """One sensor file. It reads ahead of what is settled; its position is what all before is settled."""

    def __init__(self, file: SourceFile, store: ReadingStore, sinks: Sequence[str], *, dry: bool) -> None:
        self.key = file.key
        self.file = file
        self.changed = True
        self.alive = True
        self.leaving = False
        """Another engine is to have it: nothing more is read."""
        self.sensor_id: str | None = None
        self.newest: float | None = None
        self.unread = 0
        self.problem: str | None = None
        self.dead_letters = 0
        self._store = store
        self._sinks = sinks
        self._dry = dry
        self._cursor: int | None = None
        self._oldest_unread: float | None = None
        self._under: deque[_Under] = deque()
        self._position = 0
        self._reading = 0

    @property
    def ready(self) -> bool:
        """Whether there is something to read now."""
        return bool(self.unread) and not self.leaving

    @property
    def idle(self) -> bool:
        """Nothing of it is under way."""
        return not self._under

    @property
    def still(self) -> bool:
        """Nothing of it is under way, nor being read."""
        return self.idle and not self._reading

    async def look(self) -> None:
        """Refresh what is known of the file.

        Raises:
            SourceFileError: it cannot be used now.
        """
        if self._cursor is None:
            saved = await self._store.positions(self.key)
            self._cursor = self._position = min((saved.get(sink, 0) for sink in self._sinks), default=0)
        cursor = self._cursor
        peek = await self._store.peek(self.key, after=cursor)
        if self._cursor != cursor:
            self.changed = True  # read on meanwhile: these counts are of another moment
            return
        if peek.restarted or peek.max_id < self._cursor:
            if not self.idle:
                return
            await self._begin_again()
            self._cursor = self._position = 0
            peek = await self._store.peek(self.key, after=0)
        self.sensor_id = peek.sensor_id or self.sensor_id
        self.newest = peek.newest
        self.unread = peek.open_rows
        self._oldest_unread = peek.oldest_open
        self.problem = None

    def end(self) -> None:
        """It is gone for good, or somebody else's."""
        self.alive = False

    async def _begin_again(self) -> None:
        """Row ids began again: what is remembered of rows is void."""

    def _sift(self, batch: Batch) -> Batch:
        """The batch without rows that are under way already."""
        return batch

    async def rewind(self, row_id: int) -> bool:
        """Read again from this row id on; False while something of it is under way."""
        if not self.idle:
            return False
        if self._cursor is not None and row_id <= self._cursor:
            self._cursor = self._position = max(0, row_id - 1)
        self.changed = True
        return True

    async def read(self, limit: int) -> Batch | None:
        """The next open readings; None when there is none now.

        Raises:
            SourceFileError: the file cannot be used now.
        """
        if self.leaving:
            return None
        self._reading += 1
        try:
            return await self._read(limit)
        except SourceFileError as error:
            self.fail(error)
            raise
        finally:
            self._reading -= 1

    def fail(self, error: SourceFileError) -> None:
        """Keep why the file cannot be used, say it once, and look at it again."""
        if self.problem != error.message:
            log.warning("%s", error)
        self.problem = error.message
        self.changed = True

    async def _read(self, limit: int) -> Batch | None:
        if self._cursor is None:
            await self.look()
        for _ in range(_EMPTY_READS):
            batch = await self._store.read(self.key, after=self._cursor or 0, limit=limit)
            self._cursor = max(self._cursor or 0, batch.through)
            batch = self._sift(batch)
            if batch.rows:
                self.unread = max(0, self.unread - len(batch.rows)) if batch.more else 0
                self._under.append(_Under(batch, _event_time(batch), len(batch.rows)))
                self._oldest_unread = _event_time(batch, last=True) if batch.more else None
                return batch
            if not batch.more:
                break
        self.unread = 0
        self._oldest_unread = None
        return None

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Dead letters into the ledger, then marks into the file, then the position.

        Raises:
            StorageError: nothing, or not all of it, was recorded; the same call may be made again.
        """
        letters = [letter for settlement in settlements for letter in settlement.dead]
        if not self._dry:
            if letters:
                await self._store.bury(letters)
            if self.file.marks:
                marks = [mark for settlement in settlements for mark in _marks(settlement)]
                try:
                    await self._store.close_rows(self.key, marks)
                except SourceFileError as error:
                    self.fail(error)
                    raise
        self.dead_letters += len(letters)
        settled = {id(each.batch): _rows_settled(each) for each in settlements}
        for under in self._under:
            under.open -= settled.get(id(under.batch), 0)
        while self._under and not self._under[0].open:
            self._position = self._under.popleft().batch.through

    def abandon(self, batches: Sequence[Batch]) -> None:
        """They stay under way, and keep the position, until the file is read anew."""

    def position(self) -> Mapping[tuple[str, str], int]:
        """Position to save, by (file, sink)."""
        return {(self.key, sink): self._position for sink in self._sinks}

    def status(self) -> FeedStatus:
        """How the file stands."""
        waiting = sum(under.open for under in self._under)
        times = [under.oldest for under in self._under if under.open and under.oldest is not None]
        if self._oldest_unread is not None:
            times.append(self._oldest_unread)
        return FeedStatus(
            source=self.key,
            sensor_id=self.sensor_id,
            city=self.file.city,
            backlog=self.unread + waiting,
            oldest_open=min(times, default=None),
            newest=self.newest,
            dead_letters=self.dead_letters,
            problem=self.problem,
        )


class MakeFeed(Protocol):
    """Makes the feed of a file."""

    def __call__(
        self, file: SourceFile, store: ReadingStore, sinks: Sequence[str], *, dry: bool
    ) -> SqliteFeed: ...


class SqliteSource:
    """All sensor files under a root. `dry` reads without recording anything."""

    name = "sqlite"

    def __init__(
        self,
        store: ReadingStore,
        sinks: Sequence[str],
        *,
        dry: bool = False,
        make_feed: MakeFeed | None = None,
    ) -> None:
        """`make_feed` is for other feeds than those that send every reading."""
        if make_feed is None:
            from sensor_tui.sync.aggregate_intents import IntentFeed

            make_feed = IntentFeed
        self._store = store
        self._make_feed = make_feed
        self._sinks = tuple(sinks)
        self._dry = dry
        self._feeds: dict[str, SqliteFeed] = {}
        self._problems: dict[str, str] = {}
        self._elsewhere: dict[str, str] = {}
        self._saved: dict[tuple[str, str], int] = {}
        self._rewinds: dict[str, int] = {}
        self._unsaved = ""

    async def open(self) -> None:
        """Nothing to take: the store is opened by who made it."""

    async def poll(self) -> Sequence[Feed]:
        """Feeds with something to read, after one look at every file that changed."""
        scan = await self._store.scan()
        self._problems = dict(scan.problems)
        self._elsewhere = dict(scan.owned_elsewhere)
        for key in scan.gone:
            if (gone := self._feeds.pop(key, None)) is not None:
                gone.end()
                log.warning("%s is gone, with %d readings not sent", key, gone.status().backlog)
        new = any(file.key not in self._feeds for file in scan.changed)
        letters = await self._store.dead_letters() if new else {}
        for file in scan.changed:
            feed = self._feeds.get(file.key)
            if feed is None:
                feed = self._make_feed(file, self._store, self._sinks, dry=self._dry)
                self._feeds[file.key] = feed
                feed.dead_letters = letters.get(file.key, 0)
                if not file.marks and not self._dry:
                    log.warning(
                        "%s: may not be written, or has no `synced`: its position alone is kept", file.key
                    )
            feed.file = file
            feed.changed = True
        for key, feed in self._feeds.items():
            feed.leaving = key in scan.leaving
        await self._rewind()
        ready: list[Feed] = []
        for feed in self._feeds.values():
            if feed.changed:
                await self._look(feed)
            if feed.ready:
                ready.append(feed)
        await self._try_to_save()
        await self._leave(scan.leaving)
        return ready

    async def _leave(self, leaving: Mapping[str, str]) -> None:
        """Let go of those that another engine is to have, once nothing of them is under way."""
        for key, who in leaving.items():
            feed = self._feeds.get(key)
            if feed is not None and feed.still:
                try:
                    await self._store.leave(key)
                except SourceFileError as error:
                    log.info("%s", error)
                    feed.leaving, feed.changed = False, True
                    continue
                del self._feeds[key]
                feed.end()
                self._elsewhere[key] = who
                log.info("%s is left to %s", key, who)

    async def _try_to_save(self) -> None:
        """Save the positions; without them the marks in the files hold, so nothing waits for the ledger."""
        try:
            await self.save()
            self._unsaved = ""
        except StorageError as error:
            if self._unsaved != str(error):
                log.warning("positions not saved: %s", error)
            self._unsaved = str(error)

    async def close(self) -> None:
        """Save the positions."""
        try:
            await self.save()
        except StorageError as error:
            log.warning("positions not saved, the marks in the files hold: %s", error)

    async def save(self) -> None:
        """Save the positions that changed.

        Raises:
            StorageError: the ledger cannot be written.
        """
        if self._dry:
            return
        changed = {
            key: row_id
            for feed in self._feeds.values()
            for key, row_id in feed.position().items()
            if self._saved.get(key) != row_id
        }
        if changed:
            await self._store.save_positions(changed)
            self._saved.update(changed)

    def status(self) -> Sequence[FeedStatus]:
        """Every file: those read, those with a problem, those of another engine."""
        known = [feed.status() for feed in self._feeds.values()]
        problems = [
            FeedStatus(key, None, "", 0, None, None, problem=text)
            for key, text in self._problems.items()
            if key not in self._feeds
        ]
        elsewhere = [
            FeedStatus(key, None, "", 0, None, None, owner=owner) for key, owner in self._elsewhere.items()
        ]
        return [*known, *problems, *elsewhere]

    async def _look(self, feed: SqliteFeed) -> None:
        feed.changed = False
        try:
            await feed.look()
        except SourceFileError as error:
            feed.fail(error)
        except StorageError:
            feed.changed = True
            raise

    async def _rewind(self) -> None:
        for key, row_id in (await self._store.rewinds()).items():
            self._rewinds[key] = min(row_id, self._rewinds.get(key, row_id))
        for key, row_id in list(self._rewinds.items()):
            feed = self._feeds.get(key)
            if feed is None or await feed.rewind(row_id):
                del self._rewinds[key]


def _rows_settled(settlement: Settlement) -> int:
    """Readings that are no more under way; those that wait for their window are not."""
    if settlement.complete:
        return len(settlement.batch.rows)
    return len(settlement.accepted) + len(settlement.dead)


def _marks(settlement: Settlement) -> list[Mark]:
    """Marks of a settlement, the dead first: what is left of a window is then one run."""
    batch = settlement.batch
    time_index = batch.schema.timestamp

    def mark(value: Tracking, positions: Sequence[int]) -> Mark:
        rows = [batch.rows[position] for position in positions]
        times = [None if time_index is None else row[time_index] for row in rows]
        return Mark(value, [row[0] for row in rows], times)

    marks: list[Mark] = []
    if settlement.dead:
        by_row = {row[0]: position for position, row in enumerate(batch.rows)}
        marks.append(mark(Tracking.DEAD, [by_row[letter.row_id] for letter in settlement.dead]))
    if settlement.accepted:
        marks.append(mark(Tracking.DONE, settlement.accepted))
    return marks


def _event_time(batch: Batch, *, last: bool = False) -> float | None:
    """Event time of a batch's first or last row; None where that row has no usable one."""
    if batch.schema.timestamp is None:
        return None
    try:
        return epoch_of(batch.rows[-1 if last else 0][batch.schema.timestamp])
    except UnusableReading:
        return None

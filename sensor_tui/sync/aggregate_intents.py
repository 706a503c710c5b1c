"""A sensor file of which the ledger may know documents made of many rows, committed and not settled yet."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sensor_tui.errors import SourceFileError
from sensor_tui.model.reading import Batch
from sensor_tui.model.source import DeadLetter, FeedStatus, Intent, Run, SourceFile, Tracking
from sensor_tui.sync.aggregate import Prepared, prepare
from sensor_tui.sync.aggregate_window import without_runs
from sensor_tui.sync.contract import ReadingStore, Settlement
from sensor_tui.sync.letters import letters_for
from sensor_tui.sync.sources.sqlite import SqliteFeed

_MOST_DOCUMENTS: Final = 200
"""Documents of one batch."""
_LETTERS_AT_ONCE: Final = 500


class IntentFeed(SqliteFeed):
    """Documents that an earlier run committed are sent before anything else, and their rows not read again.

    So it is whatever the configuration says by now: a sink may have them already.
    """

    def __init__(self, file: SourceFile, store: ReadingStore, sinks: Sequence[str], *, dry: bool) -> None:
        super().__init__(file, store, sinks, dry=dry)
        self._loaded = False
        self._outgoing: deque[Intent] = deque()
        """Committed, and not given to the engine yet."""
        self._sent: dict[int, dict[int, Intent]] = {}
        """Given to the engine: by the identity of their batch and their position in it."""
        self._set_aside: list[Intent] = []
        """Their outcome could not be recorded; the next run sends them again."""
        self._kept: list[Run] = []
        """Rows above the position that are settled, in a file whose rows cannot be closed."""
        self._high = 0
        """Last row id that may be in a document or, where there are windows, under way."""

    @property
    def ready(self) -> bool:
        return bool(self._outgoing) or super().ready

    @property
    def still(self) -> bool:
        return super().still and not self._outgoing and not self._sent

    async def look(self) -> None:
        await self._load()
        await super().look()
        cursor = self._cursor or 0
        if self.unread and cursor < self._high:
            known = sum(run.last - run.first + 1 for run in self._runs() if run.first > cursor)
            self.unread = max(0, self.unread - known)

    async def _load(self) -> None:
        """Take up what an earlier run left: documents to send again, and rows that are settled."""
        if self._loaded:
            return
        for intent in await self._store.intents(self.key):
            if intent.document:
                self._outgoing.append(intent)
            else:
                self._kept += intent.runs
            self._high = max([self._high, *(run.last for run in intent.runs)])
        self._loaded = True

    async def _begin_again(self) -> None:
        """The rows are no more: documents that were made of them are sent, and close nothing."""
        self._kept.clear()
        self._high = 0
        for intent in self._intents():
            intent.runs = ()
        if not self._dry:
            await self._store.start_windows_again(self.key)

    def _sift(self, batch: Batch) -> Batch:
        if batch.rows and batch.rows[0][0] <= self._high:
            # read again after a restart or a retry: some may be in a document, or a window, already
            batch = without_runs(batch, self._runs())
        return batch

    async def rewind(self, row_id: int) -> bool:
        if not await super().rewind(row_id):
            return False
        if not self.file.marks:
            intents = await self._store.intents(self.key)
            self._kept = [run for intent in intents if not intent.document for run in intent.runs]
            self._high = max([self._high, *(run.last for run in self._kept)])
        return True

    async def read(self, limit: int) -> Batch | None:
        """The next documents or readings; None when there is neither now.

        Raises:
            SourceFileError: the file cannot be used now.
            StorageError: the ledger cannot be used, and nothing may be sent.
        """
        self._reading += 1
        try:
            await self._load()
            if self._outgoing:
                return self._next_documents(limit)
            return await self._read_on(limit)
        finally:
            self._reading -= 1

    async def _read_on(self, limit: int) -> Batch | None:
        """What comes after the documents that are there already."""
        return await super().read(limit)

    def _next_documents(self, limit: int) -> Prepared:
        count = min(len(self._outgoing), limit, _MOST_DOCUMENTS)
        intents = [self._outgoing.popleft() for _ in range(count)]
        batch = prepare(self.key, intents)
        self._sent[id(batch)] = dict(enumerate(intents))
        return batch

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        readings = [each for each in settlements if not isinstance(each.batch, Prepared)]
        if readings:
            await super().settle(readings)
            self._fill(readings)
        documents = [each for each in settlements if isinstance(each.batch, Prepared)]
        if documents:
            await self._settle_documents(documents)

    def _fill(self, settlements: Sequence[Settlement]) -> None:
        """Readings were settled; those that wait for a window are put into it."""

    def abandon(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self._set_aside += self._sent.pop(id(batch), {}).values()

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
        """All rows that must not be read again."""
        yield from self._kept
        for intent in self._intents():
            yield from intent.runs

    def _lowest(self) -> Iterator[int]:
        """First row ids of what is not settled, and not under way as a row."""
        return (min(run.first for run in intent.runs) for intent in self._intents() if intent.runs)

    def position(self) -> Mapping[tuple[str, str], int]:
        through = min([self._position, *(first - 1 for first in self._lowest())])
        self._kept = [run for run in self._kept if run.last > through]
        return {(self.key, sink): through for sink in self._sinks}

    def status(self) -> FeedStatus:
        """How the file stands; documents that are not settled count with their readings."""
        known = super().status()
        intents = [intent for intent in self._intents() if intent.runs]
        if not intents:
            return known
        times = [intent.oldest for intent in intents]
        if known.oldest_open is not None:
            times.append(known.oldest_open)
        backlog = known.backlog + sum(intent.readings for intent in intents)
        return replace(known, backlog=backlog, oldest_open=min(times))

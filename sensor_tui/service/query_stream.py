"""Rows of many files as they are found: merged by time, or file after file, in bounded memory."""

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import Clock
from sensor_tui.model.table import Cell
from sensor_tui.service.query import SOURCE_COLUMN, RowBatches, SensorFile, Wanted

if TYPE_CHECKING:
    from sensor_tui.storage.query_newest import NewestReader
    from sensor_tui.storage.query_threads import FileThreads

BATCH: Final = 500
"""Rows of one batch, at most."""

_ROWS_AHEAD: Final = 10_000
"""Rows that are held of all files together, about."""
_LEAST_AHEAD: Final = 20
_MOST_OPEN: Final = 64
"""Files that stay open between two looks at them."""


async def newest_first(
    files: Sequence[SensorFile],
    wanted: Wanted,
    threads: "FileThreads",
    clock: Clock,
    problems: list[str],
) -> RowBatches:
    """Rows that are meant, merged by time, each file in its own order.

    A file that cannot be read to its end is added to `problems`.
    """
    columns = list(dict.fromkeys(name for file in files for name in file.columns))
    several = len(files) > 1
    merge = _Merge(files, wanted, threads, clock, problems)
    cells = [_cells_of(file, columns, labelled=several) for file in files]
    head = [*columns, SOURCE_COLUMN] if several else columns
    yield head, []
    try:
        batch: list[Sequence[Cell]] = []
        while merge.heap:
            place = merge.heap[0][1]
            feed = merge.feeds[place]
            if not feed.rows:
                if batch:
                    yield head, batch
                    batch = []
                await merge.fill(place)
                continue
            make = cells[place]
            for row in merge.take(place, BATCH - len(batch)):
                batch.append(make(row))
            if len(batch) >= BATCH:
                yield head, batch
                batch = []
        if batch:
            yield head, batch
    finally:
        await merge.close()


async def file_by_file(
    files: Sequence[SensorFile], sql: str, clock: Clock, problems: list[str]
) -> RowBatches:
    """What a query gives in one file after another, with the file where there are several.

    Raises:
        UsageError: the query is not understood.
        StorageError: it takes too long.
    """
    from sensor_tui.storage.query import stream_path

    for file in files:
        try:
            async with aclosing(stream_path(file.source, file.path, sql, clock)) as batches:
                async for columns, rows in batches:
                    if len(files) > 1:
                        yield [SOURCE_COLUMN, *columns], [[file.source, *row] for row in rows]
                    else:
                        yield columns, rows
        except SourceFileError as error:
            problems.append(str(error))


def _cells_of(
    file: SensorFile, columns: Sequence[str], *, labelled: bool
) -> Callable[[tuple[Any, ...]], list[Cell]]:
    """What makes the row of a file one under these columns."""
    from sensor_tui.storage.query_guard import cell_of

    if not labelled:
        return lambda row: list(map(cell_of, row))
    places = [file.columns.index(name) if name in file.columns else None for name in columns]
    source = file.source
    return lambda row: [*(None if at is None else cell_of(row[at]) for at in places), source]


class _Feed:
    """One file on its way backwards."""

    def __init__(self, file: SensorFile) -> None:
        self.file = file
        self.reader: NewestReader | None = None
        self.rows: deque[tuple[float, tuple[Any, ...]]] = deque()
        self.at = math.inf if file.newest is None else file.newest
        """Time of the row taken last: one without a time stays behind it."""
        self.due = -math.inf
        """Until when its sensor has the file to itself, by the monotonic clock."""


class _Merge:
    """Files by the time of their next row; those that have not been opened by that of their newest one."""

    def __init__(
        self,
        files: Sequence[SensorFile],
        wanted: Wanted,
        threads: "FileThreads",
        clock: Clock,
        problems: list[str],
    ) -> None:
        self.feeds = [_Feed(file) for file in files]
        self.heap = [(-feed.at, place) for place, feed in enumerate(self.feeds)]
        heapq.heapify(self.heap)
        self._wanted = wanted
        self._threads = threads
        self._clock = clock
        self._problems = problems
        self._ahead = max(_LEAST_AHEAD, _ROWS_AHEAD // max(1, len(files)))
        self._open: dict[int, NewestReader] = {}
        """Those with a connection, the one used longest ago first."""

    def take(self, place: int, most: int) -> list[tuple[Any, ...]]:
        """Rows of the file whose turn it is, until it is another one's, or it has to be filled."""
        feed = self.feeds[place]
        taken: list[tuple[Any, ...]] = []
        bound = min(self.heap[1:3], default=(math.inf, place))
        while feed.rows and len(taken) < most and (-_time_of_next(feed), place) <= bound:
            feed.at = _time_of_next(feed)
            taken.append(feed.rows.popleft()[1])
        heapq.heapreplace(self.heap, (-_time_of_next(feed), place))
        return taken

    async def fill(self, place: int) -> None:
        """Read on in a file that has no rows left; it leaves when there are no more."""
        feed = self.feeds[place]
        if feed.due > (now := self._clock.monotonic()):
            await self._clock.sleep(feed.due - now)
        try:
            found = await self._step(feed, place)
        except SourceFileError as error:
            self._problems.append(str(error))
            found = None
        if found is None:
            heapq.heappop(self.heap)
            await self._close(place)
            return
        rows, rest = found
        feed.rows.extend(rows)
        if feed.at == math.inf:  # its newest row says no time: the first that does counts
            feed.at = next((moment for moment, _ in rows if moment > -math.inf), -math.inf)
        heapq.heapreplace(self.heap, (-_time_of_next(feed), place))
        feed.due = self._clock.monotonic() + rest

    async def close(self) -> None:
        """Let go of every file."""
        for place in list(self._open):
            await self._close(place)

    async def _step(
        self, feed: _Feed, place: int
    ) -> tuple[list[tuple[float, tuple[Any, ...]]], float] | None:
        from sensor_tui.storage.query_newest import NewestReader

        if feed.reader is None:
            file = feed.file
            begin = partial(NewestReader, file.source, file.path, self._wanted.whose(file.city))
            feed.reader = await self._threads.patiently(begin)
            await self._keep(place, feed.reader)
            await self._threads.patiently(partial(feed.reader.seek, *self._wanted.span))
        else:
            await self._keep(place, feed.reader)
        return await self._threads.patiently(partial(feed.reader.step, self._ahead))

    async def _keep(self, place: int, reader: "NewestReader") -> None:
        self._open.pop(place, None)
        self._open[place] = reader
        if len(self._open) > _MOST_OPEN:
            await self._close(next(iter(self._open)))

    async def _close(self, place: int) -> None:
        reader = self._open.pop(place, None)
        if reader is not None:
            await self._threads.run(reader.close)


def _time_of_next(feed: _Feed) -> float:
    moment = feed.rows[0][0] if feed.rows else feed.at
    return feed.at if moment == -math.inf else moment

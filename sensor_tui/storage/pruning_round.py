"""One round of pruning over one file: looks and removals so short that its sensor does not notice."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.ledger import RowFact
from sensor_tui.storage.pruning import (
    Bounds,
    Ground,
    Removed,
    Stretch,
    instant,
    look_at_stretch,
    next_row,
    remove_some,
    survey_ground,
    used_bytes,
)
from sensor_tui.storage.pruning_memory import Memory, least, most
from sensor_tui.storage.schema import span_end
from sensor_tui.storage.tracked import TrackedFile

T = TypeVar("T")
Job = Callable[[SensorConnection, TrackedFile], T]

ANY_ROW: RowFact = (0, None)
"""The start of an archive that has all there is."""


_LASTING: Final = 5 * 4096
"""Bytes of a file that stay whatever goes: its schema, and pages of the trees themselves."""


class Files(Protocol):
    """Sensor files by key, and short transactions on them."""

    async def change(self, key: str, job: Job[T]) -> T | None:
        """Do one short transaction on a file, after the rest its sensor is due; None where it takes none.

        Raises:
            SourceFileError: it cannot be used now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a round removed, or would: times in seconds since the epoch, sizes in bytes of used pages.

    In a plan, `after` is an estimate, and so is `rows` where the bound by size decides.
    """

    rows: int = 0
    oldest: float | None = None
    newest: float | None = None
    before: int = 0
    after: int = 0


class _TakesNone(Exception):
    """The file may not be written after all."""


class Round:
    """One round over one file. `dry` only looks.

    Args:
        files: where the file is.
        key: the file.
        memory: what earlier rounds found in it; kept up to date.
        bounds: what is kept.
        start: the row up to which the archive has nothing for certain; matters where the bounds ask for it.
        dry: remove nothing.
    """

    def __init__(
        self,
        files: Files,
        key: str,
        memory: Memory,
        bounds: Bounds,
        *,
        start: RowFact = ANY_ROW,
        dry: bool = False,
    ) -> None:
        self._files = files
        self._key = key
        self._memory = memory
        self._bounds = bounds
        self._start = start if bounds.archived else ANY_ROW
        self._dry = dry
        self._found = Pruned()
        self._used = 0
        self._there = 0
        """Rows that a plan has looked at."""

    async def run(self) -> Pruned:
        """Remove by age, then by size.

        Raises:
            SourceFileError: the file cannot be used now; what was removed before is gone.
        """
        try:
            ground = await self._change(survey_ground)
            self._memory.meet(ground)
            self._used = ground.used
            self._found = Pruned(before=ground.used)
            if ground.last and not ground.anew:
                await self._run(ground)
        except _TakesNone:
            pass  # the store has said so
        return replace(self._found, after=self._used)

    async def _run(self, ground: Ground) -> None:
        if self._bounds.before is not None:
            await self._by_age(ground, self._bounds.before)
            if not self._dry:
                self._used = await self._change(used_bytes)
            elif self._there:
                self._used -= ground.used * self._found.rows // self._there
        if self._bounds.most_bytes is not None and self._used > self._bounds.most_bytes:
            by_size = self._plan_size if self._dry else self._by_size
            await by_size(ground, self._bounds.most_bytes)

    async def _by_age(self, ground: Ground, before: float) -> None:
        for low, high in list(self._memory.due(ground, before, self._start[0])):
            at = low
            while at < high:
                end, stretch = await self._look(at, high, self._bounds)
                self._take(stretch.rows if self._dry else 0, stretch.oldest, stretch.newest)
                self._there += stretch.there
                if not self._dry:
                    removed = await self._remove(at, end, self._bounds) if stretch.rows else 0
                    whole = removed >= stretch.rows
                    self._memory.note(at, end, instant(stretch.staying if whole else stretch.oldest))
                at = end

    async def _by_size(self, ground: Ground, limit: int) -> None:
        """From the first row up: the order of row ids is that of the pages which are to become free."""
        bounds = replace(self._bounds, before=None)
        at = max(ground.first - 1, self._start[0])
        while at < ground.last and self._used > limit:
            end, stretch = await self._look(at, ground.last, bounds)
            if stretch.rows:
                await self._remove(at, end, bounds, until=limit)
            at = end

    async def _plan_size(self, ground: Ground, limit: int) -> None:
        """How many rows the bound by size takes besides those that go by age, by their average share."""
        bounds = replace(self._bounds, before=None)
        stretches: list[Stretch] = []
        at = ground.first - 1
        while at < ground.last:
            at, stretch = await self._look(at, ground.last, bounds)
            stretches.append(stretch)
        there = max(1, sum(stretch.there for stretch in stretches))
        aged = self._found.rows
        closed = sum(stretch.rows for stretch in stretches)
        block = self._memory.removals.limit  # rows go in whole transactions
        in_rows = max(ground.used - _LASTING, 1)
        wanted = math.ceil((self._used - limit) * there / in_rows / block) * block
        wanted = min(closed - aged, wanted)
        left = aged + wanted
        for stretch in stretches:
            if left > 0 and wanted > 0:
                self._take(0, stretch.oldest, stretch.newest)
            left -= stretch.rows
        self._take(max(0, wanted), None, None)
        self._used -= ground.used * max(0, wanted) // there

    async def _look(self, at: int, high: int, bounds: Bounds) -> tuple[int, Stretch]:
        """Look at the next stretch above `at`; where it ends."""
        end = min(span_end(at, self._memory.looks.limit), high)
        stretch = await self._change(
            partial(_looked, memory=self._memory, low=at, high=end, bounds=bounds, start=self._start)
        )
        if not stretch.there and end < high:
            found = await self._change(partial(next_row, after=end))
            end = min(found - 1, high) if found else high
        return end, stretch

    async def _remove(self, low: int, high: int, bounds: Bounds, *, until: int | None = None) -> int:
        """Remove what may go in (low, high], or only until no more than `until` bytes are used; how many."""
        at: int | None = low
        rows = 0
        while at is not None and at < high and (until is None or self._used > until):
            removed = await self._change(
                partial(_removed, memory=self._memory, low=at, high=high, bounds=bounds, start=self._start)
            )
            at = removed.through
            rows += removed.rows
            if until is not None:
                self._used = await self._change(used_bytes)
            self._take(removed.rows, *((removed.oldest, removed.newest) if removed.rows else (None, None)))
        return rows

    def _take(self, rows: int, oldest: Any, newest: Any) -> None:
        found = self._found
        self._found = replace(
            found,
            rows=found.rows + rows,
            oldest=least(found.oldest, instant(oldest)),
            newest=most(found.newest, instant(newest)),
        )

    async def _change(self, job: Job[T]) -> T:
        result = await self._files.change(self._key, job)
        if result is None:
            raise _TakesNone
        return result


def _looked(
    connection: SensorConnection,
    file: TrackedFile,
    *,
    memory: Memory,
    low: int,
    high: int,
    bounds: Bounds,
    start: RowFact,
) -> Stretch:
    stretch = look_at_stretch(connection, file, low, high, bounds, start)
    memory.looks.observe(high - low, connection.seconds)
    return stretch


def _removed(
    connection: SensorConnection,
    file: TrackedFile,
    *,
    memory: Memory,
    low: int,
    high: int,
    bounds: Bounds,
    start: RowFact,
) -> Removed:
    limit = memory.removals.limit
    removed = remove_some(connection, file, low, high, limit, bounds, start)
    memory.removals.observe(limit, connection.cpu)
    return removed

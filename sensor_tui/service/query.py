"""Questions about readings in sensors' files, answered without being in the sensors' way."""

import math
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import SourceFileError, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.table import Cell, Table
from sensor_tui.service.request import SyncRequest

if TYPE_CHECKING:
    from sensor_tui.storage.latest import Place
    from sensor_tui.storage.query_newest import NewestReader
    from sensor_tui.storage.query_owner import Owner, Whose

QUERY_SECONDS: Final = 30.0
SINK: Final = "cosmos"
"""Name of the sink whose positions count."""
SOURCE_COLUMN: Final = "source"
"""Column that says which file a row is from, where there are several."""

_CITIES_NAMED: Final = 5
_LIST_FIX: Final = "See 'sensor-tui query --list' for the files there are"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which readings are meant; times in seconds since the epoch, None where it does not matter."""

    sensor: str | None = None
    city: str | None = None
    since: float | None = None
    until: float | None = None

    @property
    def span(self) -> tuple[float, float]:
        """First and last time."""
        return (
            -math.inf if self.since is None else self.since,
            math.inf if self.until is None else self.until,
        )

    def whose(self, folder: str) -> "Whose":
        """Whose rows are meant in a file of that folder's city."""
        from sensor_tui.storage.query_owner import Whose

        return Whose(folder, self.sensor, self.city)


@dataclass(frozen=True, slots=True)
class SensorFile:
    """A file that a sensor writes; `newest` in seconds since the epoch."""

    source: str
    path: str
    sensor_id: str | None
    """That of its newest row; others may have written it too."""
    city: str
    """That of its folder, for rows that name none."""
    newest: float | None
    problem: str = ""
    """Why it cannot be read."""
    columns: tuple[str, ...] = ()
    position: int = 0
    """Row id up to which the ledger says that Cosmos DB has it; counts where rows cannot be marked."""
    letters: int = 0
    """Dead letters of it in the ledger."""
    owners: "tuple[Owner, ...]" = ()
    """Whose rows it has, as far as looks at a few places tell; empty where that was not asked for."""

    def owner(self, wanted: Wanted) -> "Owner":
        """Whose rows are meant in it where none are found."""
        from sensor_tui.storage.query_owner import Owner

        if self.problem:
            return Owner(self.sensor_id, self.city)
        return Owner(wanted.sensor or self.sensor_id, wanted.city or self.city)


RowBatches = AsyncGenerator[tuple[Sequence[str], Sequence[Sequence[Cell]]], None]
"""Columns and rows under them; the first batch tells the columns even where there are no rows."""


@dataclass(slots=True)
class RowStream:
    """Rows as they are found. Close `batches`; it raises what the question itself would."""

    batches: RowBatches
    problems: list[str] = field(default_factory=list)
    """What could not be read; complete once all batches were taken."""


async def query_file(
    root: Path,
    source: str,
    sql: str,
    clock: Clock,
    *,
    limit: int,
    known: "Place | None" = None,
    seconds: float = QUERY_SECONDS,
) -> Table:
    """Rows of one SQLite file, by its path relative to the data root; `known` where it is one that is read.

    Raises:
        UsageError: there is no such file under the root, or the query is not understood or would change it.
        SourceFileError, StorageError: the file cannot be used, or it takes too long.
    """
    from sensor_tui.storage.query import query_path

    path = known.path if known is not None else path_under(root, source)
    return await query_path(source, path, sql, clock, limit=limit, seconds=seconds)


def path_under(root: Path, source: str) -> str:
    """Where a file under the data root is, which must not lead out of it, nor into our own state.

    Raises:
        UsageError: there is none, or it lies elsewhere.
    """
    base = (root if root.is_dir() else root.parent).resolve()
    try:
        path = (base / source).resolve()
        inside = path.is_relative_to(base) and not any(
            part.startswith(".") for part in path.relative_to(base).parts
        )
        found = inside and path.is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        raise UsageError(f"There is no file {source!r} under {root}", fix=_LIST_FIX)
    return str(path)


def no_such_city(city: str, cities: Iterable[object]) -> str:
    """Why there is nothing of a city, where Cosmos DB has these; empty where it has this one, or none."""
    there = sorted({each for each in cities if isinstance(each, str)})
    if not there or city in there:
        return ""
    alike = [each for each in there if each.casefold() == city.casefold()]
    named = ", ".join(repr(each) for each in (alike or there)[:_CITIES_NAMED])
    more = ", …" if not alike and len(there) > _CITIES_NAMED else ""
    return f"No city {city!r}; there {'is' if len(alike or there) == 1 else 'are'} {named}{more}"


class FileQueries:
    """Questions to the sensor files under a root, with no need of a service. Close it afterwards."""

    def __init__(self, request: SyncRequest, clock: Clock) -> None:
        from sensor_tui.storage.query_threads import FileThreads

        self._request = request
        self._clock = clock
        self.threads = FileThreads(clock, threads=2, name="sensor-query")
        """Where files are read."""

    def close(self) -> None:
        """End the threads."""
        self.threads.close()

    @property
    def root(self) -> Path:
        """Where the files are."""
        return self._request.root

    async def files(self, wanted: Wanted | None = None, *, owners: bool = False) -> list[SensorFile]:
        """The files there are, in the order of their names; `owners` looks for whose rows they have.

        Of one sensor or city where that is wanted: those that have such a row, whenever it was, and those
        that cannot be read and may have one.

        Raises:
            StorageError: the root is missing.
        """
        every = await self._every(owners=owners)
        return [file for file in every if wanted is None or file.problem or await self._holds(file, wanted)]

    async def _every(self, *, owners: bool) -> list[SensorFile]:
        from sensor_tui.storage.store import SqliteStore

        store = SqliteStore(
            self._request.root, clock=self._clock, state_dir=self._request.state_dir, read_only=True
        )
        try:
            await store.open()
            problems = dict((await store.scan()).problems)
            positions, letters = await store.ledger.all_positions(), await store.ledger.dead_letters()
            places = [(file.key, str(store.path(file.key)), file.city) for file in store.files()]
        finally:
            await store.close()
        found = [
            replace(
                await self._facts(key, path, city, owners=owners),
                position=positions.get(key, {}).get(SINK, 0),
                letters=letters.get(key, 0),
            )
            for key, path, city in places
        ]
        found += [
            SensorFile(source, "", None, "", None, problem)
            for source, problem in problems.items()
            if source not in {file.source for file in found}
        ]
        return sorted(found, key=lambda file: file.source)

    async def newest(self, wanted: Wanted, *, limit: int) -> tuple[Table, list[str]]:
        """The newest readings of all files that are meant, the newest first; and what could not be read.

        Raises:
            StorageError: the root is missing.
            UsageError: no file fits.
        """
        began = self._clock.monotonic()
        stream = await self.stream(wanted)
        columns: Sequence[str] = ()
        rows: list[Sequence[Cell]] = []
        async with aclosing(stream.batches) as batches:
            async for columns, batch in batches:  # noqa: B007 - those of the last one are told
                rows += batch
                if len(rows) > limit:
                    break
        took = round(self._clock.monotonic() - began, 3)
        return Table(columns, rows[:limit], complete=len(rows) <= limit, seconds=took), stream.problems

    async def stream(self, wanted: Wanted) -> RowStream:
        """All readings that are meant, the newest first, with the file where there are several.

        What is held in memory does not grow with them. Raises as `newest`.
        """
        from sensor_tui.service.query_stream import newest_first

        files, problems = await self._usable(wanted)
        return RowStream(newest_first(files, wanted, self.threads, self._clock, problems), problems)

    async def stream_sql(self, wanted: Wanted, sql: str) -> RowStream:
        """The rows that a query gives in every file that is meant, file after file; raises as `sql`."""
        from sensor_tui.service.query_stream import file_by_file

        files, problems = await self._usable(wanted)
        return RowStream(file_by_file(files, sql, self._clock, problems), problems)

    async def count(self, wanted: Wanted) -> tuple[Table, list[str]]:
        """How many readings that are meant each file has, by sensor and city; raises as `newest`."""
        began = self._clock.monotonic()
        files, problems = await self._usable(wanted)
        rows: list[list[Cell]] = []
        for file in files:
            try:
                rows += [[file.source, *owner, number] for owner, number in await self._count(file, wanted)]
            except SourceFileError as error:
                problems.append(str(error))
        took = round(self._clock.monotonic() - began, 3)
        return Table([SOURCE_COLUMN, "sensor_id", "city", "count"], rows, seconds=took), problems

    async def sql(
        self, wanted: Wanted, sql: str, *, limit: int, seconds: float = QUERY_SECONDS
    ) -> tuple[Table, list[str]]:
        """The same query over every file that has a row that is meant, and over all rows of it.

        There is a column for the file where there are several.

        Raises:
            UsageError: no file fits, or the query is not understood.
            StorageError: the root is missing, or it takes too long.
        """
        from sensor_tui.storage.query import query_path

        files, problems = await self._usable(wanted)
        tables: list[tuple[str, Table]] = []
        rows = 0
        for file in files:
            if rows > limit:
                break
            try:
                table = await query_path(
                    file.source, file.path, sql, self._clock, limit=limit + 1 - rows, seconds=seconds
                )
            except SourceFileError as error:
                problems.append(str(error))
                continue
            rows += len(table.rows)
            tables.append((file.source, table))
        return _stacked(tables, limit, labelled=len(files) > 1), problems

    async def _usable(self, wanted: Wanted) -> tuple[list[SensorFile], list[str]]:
        """The files that are meant and can be read, and what is wrong with the others."""
        files = await self.files(wanted)
        if not files and not await self._every(owners=False):
            raise UsageError(
                f"No sensor database was found in {self.root}", fix="Name their folder with --data-dir"
            )
        problems = [file.problem for file in files if file.problem]
        usable = [file for file in files if not file.problem]
        if not usable and not problems:
            raise UsageError("No sensor file fits", fix=_LIST_FIX)
        return usable, problems

    async def _count(self, file: SensorFile, wanted: Wanted) -> "list[tuple[Owner, int]]":
        from sensor_tui.storage.query_newest import NewestReader

        total: Counter[Owner] = Counter()
        begin = partial(NewestReader, file.source, file.path, wanted.whose(file.city))
        async with self._reading(begin) as reader:
            await self.threads.patiently(partial(reader.seek, *wanted.span))
            while (step := await self.threads.patiently(reader.count_step)) is not None:
                total += step[0]
                await self._clock.sleep(step[1])
        ordered = sorted(total.items(), key=lambda each: (each[0].sensor or "", each[0].city))
        return ordered or [(file.owner(wanted), 0)]

    async def _holds(self, file: SensorFile, wanted: Wanted) -> bool:
        """Whether it has a row of that sensor and city, the newest looked at first."""
        from sensor_tui.storage.query_newest import NewestReader

        whose = wanted.whose(file.city)
        if whose.everybody:
            return True
        async with self._reading(partial(NewestReader, file.source, file.path, whose)) as reader:
            await self.threads.patiently(partial(reader.seek, -math.inf, math.inf))
            while (step := await self.threads.patiently(reader.find_step)) is not None:
                if step[0]:
                    return True
                await self._clock.sleep(step[1])
        return False

    async def _facts(self, key: str, path: str, city: str, *, owners: bool) -> SensorFile:
        from sensor_tui.storage.query_newest import NewestReader

        found: dict[Owner, None] = {}
        try:
            async with self._reading(partial(NewestReader, key, path, Wanted().whose(city))) as reader:
                newest = await self.threads.patiently(reader.newest)
                part = 0
                while (
                    owners
                    and (step := await self.threads.patiently(partial(reader.owners_step, part))) is not None
                ):
                    found |= dict.fromkeys(step[0])
                    await self._clock.sleep(step[1])
                    part += 1
        except SourceFileError as error:
            return SensorFile(key, path, None, city, None, str(error))
        return SensorFile(
            key, path, newest.sensor_id, city, newest.time, columns=reader.columns, owners=tuple(found)
        )

    @asynccontextmanager
    async def _reading(self, begin: "Callable[[], NewestReader]") -> "AsyncIterator[NewestReader]":
        reader = await self.threads.patiently(begin)
        try:
            yield reader
        finally:
            await self.threads.run(reader.close)


def _stacked(tables: Sequence[tuple[str, Table]], limit: int, *, labelled: bool) -> Table:
    """Results of the same query one after another, under the columns of all."""
    every = list(dict.fromkeys(name for _, table in tables for name in table.columns))
    alike = all(list(table.columns) == list(tables[0][1].columns) for _, table in tables)
    columns: list[str] = list(tables[0][1].columns) if tables and alike else every
    rows: list[list[Cell]] = []
    for source, table in tables:
        for row in table.rows:
            if alike:
                line = list(row)
            else:
                named = dict(zip(table.columns, row, strict=True))
                line = [named.get(name) for name in columns]
            rows.append([source, *line] if labelled else line)
    complete = len(rows) <= limit and all(table.complete for _, table in tables)
    head = [SOURCE_COLUMN, *columns] if labelled else columns
    return Table(head, rows[:limit], complete, seconds=round(sum(table.seconds for _, table in tables), 3))

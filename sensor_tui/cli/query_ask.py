"""The questions of `sensor-tui query`, asked, and what comes written as it comes."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.query_sheets import Sheet, Whole

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.model.table import Table
    from sensor_tui.service.query import FileQueries, RowStream, SensorFile, Wanted
    from sensor_tui.service.request import SyncRequest

MOST: Final = 100_000
"""Rows of a table or of one JSON document."""
MOST_OWNERS: Final = 20
"""Sensors and cities that are listed of one file."""
LIST_HEAD: Final = ("SENSOR", "CITY", "NEWEST", "FILE", "NOTE")
NOTHING: Final = "There are no such readings."


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for on the command line."""

    wanted: "Wanted"
    limit: int | None
    """At most so many rows; all where None."""
    sql: str | None
    count: bool = False


@dataclass(slots=True)
class Answer:
    """What is to be said beside the rows."""

    complete: bool = True
    request_units: float | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What no exit code tells of."""
    empty: str = ""
    """What an empty table means."""
    failed: bool = False
    """The rows themselves tell of a problem."""


class Asking:
    """One question, and the sheet that its answer is written on."""

    def __init__(self, settings: "Settings", question: Question, sheet: Sheet) -> None:
        from sensor_tui.model.clock import SystemClock

        self._settings = settings
        self._question = question
        self._sheet = sheet
        self._clock = SystemClock()
        self._found = True

    @property
    def _most(self) -> int:
        """Rows of an answer that is written whole."""
        limit = self._question.limit
        return MOST if limit is None else min(limit, MOST)

    async def files(self, request: "SyncRequest", *, listing: bool) -> Answer:
        """Ask the sensors' files."""
        from sensor_tui.service.query import FileQueries

        queries = FileQueries(request, self._clock)
        try:
            if listing:
                return self._list(await queries.files(self._question.wanted, owners=True))
            return await self._of_files(queries)
        finally:
            queries.close()

    async def cosmos(self) -> Answer:
        """Ask Cosmos DB."""
        from sensor_tui.service import query_cosmos

        answer = await self._of_cosmos()
        if not self._found:
            note, units = await query_cosmos.why_no_city(self._settings, self._clock, self._question.wanted)
            answer.notes += [f"{note}."] if note else []
            answer.request_units = round((answer.request_units or 0.0) + units, 2)
        return answer

    async def _of_cosmos(self) -> Answer:
        from sensor_tui.service import query_cosmos

        settings, question, clock = self._settings, self._question, self._clock
        if question.count:
            table = await query_cosmos.count_documents(settings, clock, question.wanted)
            self._found = table.rows[0][0] != 0
            return self._whole(table)
        if isinstance(self._sheet, Whole):
            if question.sql is not None:
                ask = query_cosmos.query_cosmos(settings, clock, question.sql, limit=self._most)
            else:
                ask = query_cosmos.newest_documents(settings, clock, question.wanted, limit=self._most)
            table = await ask
            self._found = bool(table.rows) or not self._most
            return self._whole(table)
        stream = query_cosmos.DocumentStream(
            settings, clock, question.wanted if question.sql is None else question.sql, limit=question.limit
        )
        answer = Answer(empty=NOTHING)
        async with aclosing(stream.batches()) as batches:
            await self._write(_documents(batches), self._sheet.add_documents, answer)
        answer.request_units = round(stream.request_units, 2)
        self._found = bool(self._sheet.written)
        return answer

    async def analysis(self, request: "SyncRequest | None", *, compare: int) -> Answer:
        """Ask Cosmos DB what it has, and compare that with the files where there are any."""
        from sensor_tui.cli.query_analysis import show
        from sensor_tui.service.query_analysis import analyze

        found = await analyze(
            self._settings, self._clock, self._question.wanted, request, compare=compare or None
        )
        answer = Answer(request_units=found.request_units, problems=list(found.problems))
        return show(found, self._sheet, answer)

    async def _of_files(self, queries: "FileQueries") -> Answer:
        question = self._question
        if question.count:
            answer = self._whole(*await queries.count(question.wanted))
            if self._settings.cosmos.endpoint is not None:
                answer.notes.append("These are rows of the files; --cosmos counts what Cosmos DB has.")
            return answer
        if isinstance(self._sheet, Whole):
            if question.sql is not None:
                return self._whole(*await queries.sql(question.wanted, question.sql, limit=self._most))
            return self._whole(*await queries.newest(question.wanted, limit=self._most))
        stream: RowStream
        if question.sql is not None:
            stream = await queries.stream_sql(question.wanted, question.sql)
        else:
            stream = await queries.stream(question.wanted)
        answer = Answer(empty=NOTHING, problems=stream.problems)
        async with aclosing(stream.batches) as batches:
            await self._write(batches, self._sheet.add, answer)
        return answer

    async def _write(
        self, batches: AsyncGenerator[Any, None], add: Callable[..., None], answer: Answer
    ) -> None:
        """Write batches as they come, up to the limit; the last part of each is what is counted."""
        limit = self._question.limit
        async for *columns, rows in batches:
            room = None if limit is None else limit - self._sheet.written
            if room is not None and len(rows) > room:
                add(*columns, rows[:room])
                answer.complete = False
                break
            add(*columns, rows)
        answer.problems += self._sheet.finish()

    def _whole(self, table: "Table", problems: Sequence[str] = ()) -> Answer:
        """Write a table that is there as a whole."""
        answer = Answer(
            table.complete, table.request_units, list(problems), empty=NOTHING if not table.rows else ""
        )
        if isinstance(self._sheet, Whole):
            self._sheet.show(table)
        else:
            self._sheet.add(table.columns, table.rows)
            answer.problems += self._sheet.finish()
        return answer

    def _list(self, files: "Sequence[SensorFile]") -> Answer:
        from sensor_tui.model.table import Table
        from sensor_tui.service.merge import iso

        wanted = self._question.wanted
        cells: list[list[Any]] = []
        for file in files:
            whose = wanted.whose(file.city)
            owners = [owner for owner in file.owners if whose.fits(owner)]
            cells += [
                [sensor, city, iso(file.newest), file.source, file.problem or None]
                for sensor, city in owners[:MOST_OWNERS] or [file.owner(wanted)]
            ]
            if len(owners) > MOST_OWNERS:
                cells[-1][-1] = f"and {len(owners) - MOST_OWNERS} more sensors or cities"
        if isinstance(self._sheet, Whole) and self._sheet.form == "table":
            from sensor_tui.cli.output import or_dash

            table = Table(LIST_HEAD, [[*map(or_dash, row[:3]), *row[3:]] for row in cells])
        else:
            table = Table(["sensor_id", "city", "newest", "source", "problem"], cells)
        answer = self._whole(table)
        answer.empty = "No sensor database was found."
        answer.failed = any(each.problem for each in files)
        return answer


async def _documents(batches: AsyncGenerator[list[Any], None]) -> AsyncGenerator[tuple[list[Any]], None]:
    async for found in batches:
        yield (found,)

"""Questions to Cosmos DB: its answers as a table, with what they cost."""

import asyncio
import json
import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp

from sensor_tui.errors import SinkUnreachable, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import utc_text
from sensor_tui.model.table import Cell, Table
from sensor_tui.service.cosmos_options import cosmos_options
from sensor_tui.service.query import QUERY_SECONDS, Wanted, no_such_city
from sensor_tui.sync.sinks.cosmos.query import CosmosQuery

if TYPE_CHECKING:
    from sensor_tui.config import Settings

Ask = Callable[[CosmosQuery], AsyncIterator[Any]]

VALUE_COLUMN: Final = "value"
"""Column of results that are no documents."""
DISTINCT_CITIES: Final = "SELECT DISTINCT VALUE c.city FROM c"
_CHARGE: Final = "x-ms-request-charge"
_UNSUPPORTED: Final = re.compile(r"Query contained (\w+), which the calling client does not support")
_FIRST: Final[tuple[str, ...]] = ("id", "sensorId", "timestamp", "city")
_BATCH: Final = 100
_END: Final = object()
_MOST_COUNTS: Final = 10_000
"""Parts that a count may come in, one of each range of keys."""


class MeteredQuery(CosmosQuery):
    """Adds up what every request costs, also of pages that are empty."""

    request_units = 0.0

    async def select(self, sql: str, *given: Any, **more: Any) -> AsyncIterator[Any]:
        """As without the meter; what only another client could ask is said in words for a person."""
        try:
            async with aclosing(super().select(sql, *given, **more)) as results:  # type: ignore[type-var]
                async for found in results:
                    yield found
        except UsageError as error:
            raise _possible(error) from error

    async def __aenter__(self) -> Self:
        await self._connection.open()
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._note)
        trace.freeze()
        self._connection.session.trace_configs.append(trace)
        return await super().__aenter__()

    async def _note(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        try:
            self.request_units += float(end.response.headers.get(_CHARGE, 0))
        except ValueError:
            return


async def query_cosmos(
    settings: "Settings", clock: Clock, sql: str, *, limit: int, seconds: float = QUERY_SECONDS
) -> Table:
    """What a query finds in the container, at most `limit` results.

    Raises:
        ConfigError: endpoint or key are missing.
        SinkError: Cosmos DB cannot be reached, refuses us, or takes too long.
        UsageError: the query is not understood.
    """
    return await _ask(settings, clock, lambda query: query.select(sql), limit=limit, seconds=seconds)


async def newest_documents(settings: "Settings", clock: Clock, wanted: Wanted, *, limit: int) -> Table:
    """The newest documents that are meant, the newest first; raises as `query_cosmos`."""
    return await _ask(settings, clock, _newest(wanted, limit), limit=limit, seconds=QUERY_SECONDS)


async def count_documents(settings: "Settings", clock: Clock, wanted: Wanted) -> Table:
    """How many documents are meant, as a table of one cell; raises as `query_cosmos`."""
    conditions, terms = conditions_of(wanted)

    def ask(query: CosmosQuery) -> AsyncIterator[Any]:
        return query.select("SELECT VALUE COUNT(1) FROM c", conditions, terms=terms)

    table = await _ask(settings, clock, ask, limit=_MOST_COUNTS, seconds=QUERY_SECONDS)
    total = sum(row[0] for row in table.rows if isinstance(row[0], int | float))
    return Table(["count"], [[total]], seconds=table.seconds, request_units=table.request_units)


async def why_no_city(settings: "Settings", clock: Clock, wanted: Wanted) -> tuple[str, float]:
    """Why nothing was found of a city, as far as that is its name, and what it cost to find out.

    Names are compared as they are, since they are values of the partition key. Raises as `query_cosmos`.
    """
    if wanted.city is None:
        return "", 0.0
    table = await query_cosmos(settings, clock, DISTINCT_CITIES, limit=_MOST_COUNTS)
    return no_such_city(wanted.city, (row[0] for row in table.rows)), table.request_units or 0.0


class DocumentStream:
    """Results as Cosmos DB gives them. What is held in memory does not grow with them.

    Args:
        settings: where to ask.
        clock: what tells the time.
        question: a query, or which documents are meant.
        limit: the newest so many of these, the newest first, and one more where there are more; else all
            there are, in no order.
        seconds: how long the next results may take.
    """

    request_units = 0.0
    """What it has cost so far."""

    def __init__(
        self,
        settings: "Settings",
        clock: Clock,
        question: Wanted | str,
        *,
        limit: int | None,
        seconds: float = QUERY_SECONDS,
    ) -> None:
        self._options = cosmos_options(settings)
        self._clock = clock
        self._seconds = seconds
        self._ask = _asking(question, limit)

    async def batches(self) -> AsyncGenerator[list[Any], None]:
        """Results, some at a time; raises as `query_cosmos`."""
        batch: list[Any] = []
        query = MeteredQuery(self._options, self._clock)
        try:
            async with query, aclosing(self._ask(query)) as results:  # type: ignore[type-var]
                while True:
                    async with asyncio.timeout(self._seconds):
                        found = await anext(results, _END)
                    self.request_units = query.request_units
                    if found is not _END:
                        batch.append(found)
                    if len(batch) >= _BATCH or (found is _END and batch):
                        yield batch
                        batch = []
                    if found is _END:
                        return
        except TimeoutError:
            raise _late(self._options.host, self._seconds) from None


def _asking(question: Wanted | str, limit: int | None) -> Ask:
    if isinstance(question, str):
        return lambda query: query.select(question)
    if limit is not None:
        return _newest(question, limit)
    conditions, terms = conditions_of(question)
    return lambda query: query.select("SELECT * FROM c", conditions, terms=terms)


def _newest(wanted: Wanted, limit: int) -> Ask:
    conditions, terms = conditions_of(wanted)
    return lambda query: query.select(
        f"SELECT TOP {limit + 1} * FROM c", conditions, 'ORDER BY c["timestamp"] DESC', terms=terms
    )


async def _ask(settings: "Settings", clock: Clock, ask: Ask, *, limit: int, seconds: float) -> Table:
    options = cosmos_options(settings)
    began = clock.monotonic()
    found: list[Any] = []
    query = MeteredQuery(options, clock)
    try:
        async with asyncio.timeout(seconds), query, aclosing(ask(query)) as results:  # type: ignore[type-var]
            async for result in results:
                found.append(result)
                if len(found) > limit:
                    break
    except TimeoutError:
        raise _late(options.host, seconds) from None
    took = round(clock.monotonic() - began, 3)
    columns, rows = table_of(found[:limit])
    units = round(query.request_units, 2)
    return Table(columns, rows, complete=len(found) <= limit, seconds=took, request_units=units)


def _possible(error: UsageError) -> UsageError:
    unsupported = _UNSUPPORTED.search(error.message)
    if unsupported is None:
        return error
    feature = "GROUP BY" if unsupported[1] == "GroupBy" else unsupported[1]
    return UsageError(
        f"{feature} over several partitions is not possible here",
        fix="'sensor-tui query --analyze' counts by city, sensor and day",
    )


def _late(host: str, seconds: float) -> SinkUnreachable:
    return SinkUnreachable(
        f"{host} has not answered the query within {seconds:.0f} s",
        fix="Narrow it, best to one value of the partition key",
    )


def table_of(results: Sequence[Any]) -> tuple[list[str], list[list[Cell]]]:
    """Documents under all of their fields, what tells them apart first; other results in one column."""
    documents = [each if isinstance(each, dict) else {VALUE_COLUMN: each} for each in results]
    names = dict.fromkeys(str(name) for document in documents for name in document)
    columns = [name for name in _FIRST if name in names]
    columns += [name for name in names if name not in _FIRST and not name.startswith("_")]
    columns += [name for name in names if name.startswith("_")]
    return columns, [[_cell(document.get(name)) for name in columns] for document in documents]


def _cell(value: Any) -> Cell:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str | int | float) or value is None:
        return value
    return json.dumps(value, ensure_ascii=False)


def conditions_of(wanted: Wanted) -> tuple[dict[str, Any], list[str]]:
    """Fields with the value they must have, and further terms."""
    fields = {"city": wanted.city, "sensorId": wanted.sensor}
    bounds = ((">=", wanted.since), ("<=", wanted.until))
    terms = [f'c["timestamp"] {sign} "{utc_text(moment)}"' for sign, moment in bounds if moment is not None]
    return {name: value for name, value in fields.items() if value is not None}, terms

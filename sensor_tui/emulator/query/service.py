"""Answers queries: runs them, or says how the client is to run them range by range."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from sensor_tui.emulator.answers import (
    JSON,
    SUBSTATUS_NOT_SERVABLE,
    Answer,
    CosmosError,
    bad_request,
    range_gone,
    throttled,
)
from sensor_tui.emulator.budget import METADATA, Budgets, query_charge
from sensor_tui.emulator.catalog import Container, Json, Range
from sensor_tui.emulator.documents import (
    CONTINUATION,
    FEED_BYTES,
    Documents,
    Place,
    feed_body,
    read_token,
    token_of,
)
from sensor_tui.emulator.hashing import UNDEFINED
from sensor_tui.emulator.query.aggregate import Aggregation, distinct_key, projection
from sensor_tui.emulator.query.cursor import Cursors, Sorter, sort_key
from sensor_tui.emulator.query.job import Job, dumped, prepare, read_query
from sensor_tui.emulator.query.plan import (
    aggregates,
    bounds_of,
    make_plan,
    needs_merging,
)
from sensor_tui.emulator.requests import Request
from sensor_tui.emulator.store import Store

CHUNK = 256
"""Documents looked at between two looks at other requests."""

_NOT_SERVABLE = (
    "The provided cross partition query can not be directly served by the gateway. This is a first chance "
    "(internal) exception that all newer clients will know how to handle gracefully. This exception is "
    "traced, but unless you see it bubble up as an exception (which only happens on older SDK clients), "
    "then you can safely ignore this message."
)
_DISABLED = (
    "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition "
    "to true, specify x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
)


class Queries:
    """Handlers of queries on documents, and of queries on the few resources of the control plane."""

    def __init__(self, store: Store, budgets: Budgets, documents: Documents) -> None:
        self._store = store
        self._budgets = budgets
        self._documents = documents
        self._cursors = Cursors(store.db)

    def select(self, resources: list[Json], body: Json) -> list[Any]:
        """Run a query over a few resources in memory.

        Raises:
            CosmosError: 400, it cannot be read.
        """
        query, compiler = read_query(body)
        bounds = bounds_of(query, compiler)
        keep = None if query.where is None else compiler.compile(query.where)
        found = [one for one in resources if keep is None or keep(one) is True]
        if aggregates(query):
            aggregation = Aggregation(query, compiler)
            for one in found:
                aggregation.add(one)
            return list(aggregation.results())
        orders = [(compiler.compile(order.expression), order.descending) for order in query.order]
        found.sort(key=lambda one: sort_key((evaluate(one), down) for evaluate, down in orders))
        chosen = projection(query, compiler)
        rows = [row for row in map(chosen, found) if row is not UNDEFINED]
        return rows[bounds.offset or 0 : bounds.most]

    def plan(self, container: Container, request: Request) -> Answer:
        """The plan of a query.

        Raises:
            CosmosError: 400, it cannot be read, or not by this client.
        """
        query, compiler = read_query(request.json_object())
        features = request.headers.get("x-ms-cosmos-supported-query-features", "")
        known = frozenset(name.strip() for name in features.split(","))
        plan = make_plan(query, container, compiler, known)
        return Answer(200, orjson.dumps(plan), {"content-type": JSON}, METADATA)

    async def run(self, container: Container, request: Request) -> Answer:
        """A page of a query.

        Raises:
            CosmosError: 400 as above, 400/1004 where the client has to merge, 410, 429.
        """
        job = prepare(container, request)
        if job.spreads:
            self._check_servable(job, request)
        first = job.target.ranges[0]
        for one in job.target.ranges:
            meter = self._budgets.meter(container, one)
            meter.request()
            if meter.exhausted():
                raise throttled(meter.retry_after_ms())
        token = request.headers.get(CONTINUATION)
        rows, after = await (self._complete(job, token) if job.whole else self._stream(job, token))
        size = sum(len(row) for row in rows)
        for range_id, scanned in job.by_range.items():
            owner = container.range_by_id(range_id)
            if owner is not None:
                self._budgets.meter(container, owner).spend(query_charge(scanned, size // len(job.by_range)))
        headers = {"content-type": JSON, "x-ms-item-count": str(len(rows))}
        if after is not None:
            headers[CONTINUATION] = after
        answer = Answer(200, feed_body(container, rows), headers, query_charge(job.scanned, size))
        self._documents.session(container, first, answer)
        return answer

    def _check_servable(self, job: Job, request: Request) -> None:
        """Refuse what takes a client that merges, or that did not ask for many ranges.

        Raises:
            CosmosError: 400, with 1004 and the plan where the client is to try again range by range.
        """
        if not request.flag("x-ms-documentdb-query-enablecrosspartition"):
            raise bad_request(_DISABLED)
        if not needs_merging(job.query):
            return
        plan = make_plan(job.query, job.container, job.compiler, frozenset({"GroupBy", "NonValueAggregate"}))
        raise CosmosError(
            400,
            _NOT_SERVABLE,
            substatus=SUBSTATUS_NOT_SERVABLE,
            charge=METADATA,
            extra={"additionalErrorInfo": orjson.dumps(plan).decode()},
        )

    async def _kept(
        self, job: Job, one: Range, start: int | str
    ) -> AsyncIterator[tuple[int | str, Any, bytes]]:
        """Documents of a range that pass the filter, as (mark, document, its text).

        Raises:
            CosmosError: 410, the range went away meanwhile.
        """
        while True:
            chunk = list(self._documents.rows(job.container, one, job.target, start, CHUNK))
            for mark, text in chunk:
                start = mark
                job.scanned += 1
                document = orjson.loads(text) if job.keep is not None or not job.query.star else None
                if job.keep is None or job.keep(document) is True:
                    yield mark, document, text
            job.by_range[one.id] = job.by_range.get(one.id, 0) + len(chunk)
            if len(chunk) < CHUNK:
                return
            await asyncio.sleep(0)
            if job.container.range_by_id(one.id) is not one:
                raise range_gone(one.id)

    async def _stream(self, job: Job, token: str | None) -> tuple[list[bytes], str | None]:
        """A page of rows in the order they are stored, range after range."""
        place, passed, sent = Place(), 0, 0
        if token:
            minimum, maximum, mark, *counts = read_token(token, 5)
            place = Place(str(minimum), str(maximum), mark)
            passed, sent = (int(count) for count in counts)
        skip, most = (
            job.bounds.offset or 0,
            job.bounds.limit if job.bounds.limit is not None else job.bounds.top,
        )
        rows: list[bytes] = []
        size = 0
        for one in job.target.ranges:
            start = place.start(one)
            if start is None:
                continue
            async for mark, document, text in self._kept(job, one, start):
                if most is not None and sent >= most:
                    return rows, None
                if len(rows) >= job.limit or size > FEED_BYTES:
                    return rows, token_of([place.minimum, place.maximum, place.mark, passed, sent])
                place = Place(one.minimum, one.maximum, mark)
                if passed < skip:
                    passed += 1
                    continue
                row = text if job.query.star else dumped(job.select(document))
                if row is not None:
                    rows.append(row)
                    size += len(row)
                    sent += 1
            place = Place(one.maximum, one.maximum, 0)
        return rows, None

    async def _complete(self, job: Job, token: str | None) -> tuple[list[bytes], str | None]:
        """A page of a result that had to be made as a whole."""
        number, start = (
            (int(value) for value in read_token(token, 2)) if token else (0, job.bounds.offset or 0)
        )
        if number == 0 or not self._cursors.has(number, job.identity):
            if aggregates(job.query) and not job.query.group:
                return [row async for row in self._aggregated(job)], None
            number = await self._make(job)
        entries = self._cursors.page(number, start, job.limit + 1)
        rows: list[bytes] = []
        size = taken = 0
        bodies = self._bodies(job, entries[: job.limit])
        for part, seq, made in entries[: job.limit]:
            if size > FEED_BYTES:
                break
            taken += 1
            text = made if made is not None else bodies.get((part, seq))
            row = (
                text
                if text is None or made is not None or job.query.star
                else dumped(job.select(orjson.loads(text)))
            )
            if row is not None:
                rows.append(row)
                size += len(row)
        if taken < len(entries):
            return rows, token_of([number, start + taken])
        self._cursors.drop(number)
        return rows, None

    def _bodies(self, job: Job, entries: list[tuple[int, int, bytes | None]]) -> dict[tuple[int, int], bytes]:
        """The documents behind entries that hold none."""
        found: dict[tuple[int, int], bytes] = {}
        for part, one in enumerate(job.target.ranges):
            wanted = [seq for owner, seq, made in entries if made is None and owner == part]
            if wanted:
                bodies = self._store.shelf(job.container, one).bodies(wanted)
                found.update({(part, seq): body for seq, body in bodies.items()})
        return found

    async def _aggregated(self, job: Job) -> AsyncIterator[bytes]:
        aggregation = Aggregation(job.query, job.compiler)
        counted = None
        if aggregation.counts_all and job.keep is None and (job.target.key is not None or job.target.whole):
            counted = 0
            for one in job.target.ranges:
                shelf = self._store.shelf(job.container, one)
                counted += shelf.count(None if job.target.key is None else job.target.key.text)
                job.by_range[one.id] = 0
        else:
            for one in job.target.ranges:
                async for _, document, text in self._kept(job, one, 0):
                    aggregation.add(orjson.loads(text) if document is None else document)
        for row in aggregation.results(counted):
            yield orjson.dumps(row)

    async def _make(self, job: Job) -> int:
        """Make a whole result, and keep it; its number."""
        number, sorter = self._cursors.sorter()
        try:
            if job.query.group:
                aggregation = Aggregation(job.query, job.compiler)
                for one in job.target.ranges:
                    async for _, document, _ in self._kept(job, one, 0):
                        aggregation.add(document)
                for position, row in enumerate(aggregation.results()):
                    sorter.add((b"", 0, position, orjson.dumps(row)))
            else:
                await self._sort(job, sorter)
            sorter.finish(job.bounds.most)
        except BaseException:
            sorter.drop()
            raise
        self._cursors.keep(number, job.identity)
        return number

    async def _sort(self, job: Job, sorter: Sorter) -> None:
        orders = [(job.compiler.compile(order.expression), order.descending) for order in job.query.order]
        seen: set[bytes] = set()
        waiting = 0
        for part, one in enumerate(job.target.ranges):
            async for mark, document, text in self._kept(job, one, 0):
                loaded = orjson.loads(text) if document is None else document
                values = [(evaluate(loaded), down) for evaluate, down in orders]
                # What has no value to sort by is not in the index an ordered query reads.
                if any(value is UNDEFINED for value, _ in values):
                    continue
                row = None
                if job.query.distinct:
                    chosen = job.select(loaded)
                    same = b"" if chosen is UNDEFINED else distinct_key(chosen)
                    if not same or same in seen:
                        continue
                    seen.add(same)
                    row = orjson.dumps(chosen)
                seq = mark if isinstance(mark, int) else _seq_of(self._store, job, one, mark)
                sorter.add((sort_key(values), part, seq, row))
                waiting += 1
                if waiting % CHUNK == 0:
                    sorter.flush()


def _seq_of(store: Store, job: Job, one: Range, document_id: str) -> int:
    assert job.target.key is not None
    row = store.shelf(job.container, one).get(job.target.key.text, document_id)
    return row[0] if row is not None else 0

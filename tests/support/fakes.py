"""A source and a sink in memory, for tests of the engine: they keep the contract and record what happens."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from sensor_tui.errors import StorageError
from sensor_tui.model.reading import Batch, schema_of
from sensor_tui.model.source import DeadLetter, FeedStatus
from sensor_tui.sync.contract import Answer, Feed, Health, Limits, Parcel, Route, Settlement

COLUMNS = ("id", "timestamp", "sensor_id", "temperature", "location", "synced")


class MemoryFeed:
    """A feed of made-up readings; `settled` and `dead` record what it was told."""

    def __init__(
        self,
        key: str,
        rows: int,
        *,
        city: str = "London",
        change: Callable[[int, list[Any]], None] | None = None,
    ) -> None:
        self.key = key
        self.alive = True
        self.city = city
        self.settled: list[int] = []
        self.dead: dict[int, str] = {}
        self.reads: list[int] = []
        self.fail_settling = 0
        self.abandoned = 0
        self.buried: list[DeadLetter] = []
        self.settling_error = StorageError("the ledger cannot be written: no space left")
        self._schema = schema_of(COLUMNS)
        self._rows = []
        for number in range(1, rows + 1):
            row: list[Any] = [number, 1_754_000_000.0 + number, key, 20.5 + number, city]
            if change is not None:
                change(number, row)
            self._rows.append(tuple(row))
        self._next = 0

    async def read(self, limit: int) -> Batch | None:
        await asyncio.sleep(0)
        rows = self._rows[self._next : self._next + limit]
        self._next += len(rows)
        self.reads.append(len(rows))
        if not rows:
            return None
        return Batch(self.key, self.city, self._schema, rows, rows[-1][0], self._next < len(self._rows))

    def abandon(self, batches: Sequence[Batch]) -> None:
        self.abandoned += len(batches)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        if self.fail_settling:
            self.fail_settling -= 1
            raise self.settling_error
        for settlement in settlements:
            for letter in settlement.dead:
                assert letter.row_id not in self.dead, "a dead letter twice"
                self.dead[letter.row_id] = letter.reason
                self.buried.append(letter)
            self.settled += [settlement.batch.rows[index][0] for index in settlement.accepted]


class MemorySource:
    """Feeds that are all ready at every poll until they have been read."""

    name = "memory"

    def __init__(self, *feeds: MemoryFeed) -> None:
        self.feeds = feeds
        self.closed = False

    async def open(self) -> None: ...

    async def poll(self) -> Sequence[Feed]:
        return self.feeds

    async def close(self) -> None:
        self.closed = True

    def status(self) -> Sequence[FeedStatus]:
        return ()


class MemorySink:
    """Keeps documents by id. `script` may raise or answer otherwise for each request, by its number."""

    name = "memory"

    def __init__(
        self,
        *,
        key_field: str | None = "city",
        lane_of: Callable[[object], str] = str,
        script: Callable[["MemorySink", str, list[dict[str, Any]]], Answer | None] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.key_field = key_field
        self.limits = limits or Limits(documents=100, size=220_201, concurrency=50, overhead=20)
        self.documents: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, int]] = []
        self.sizes: list[int] = []
        self.opened = 0
        self.reroutes = 0
        self.under_way = 0
        self.most_under_way = 0
        self.lane_of = lane_of
        self.script = script
        self.on_open: Callable[[int], None] = lambda _: None
        self.hold: asyncio.Event | None = None
        self.latency: Callable[[], Any] | None = None

    async def open(self) -> Sequence[str]:
        self.opened += 1
        self.on_open(self.opened)
        return ()

    async def close(self) -> None: ...

    async def health(self) -> Health:
        return Health(ok=True, message="")

    def route(self, key: object) -> Route:
        return Route(self.lane_of(key), b"", key)

    async def reroute(self) -> None:
        self.reroutes += 1

    async def send(self, lane: str, parcels: Sequence[Parcel]) -> Answer:
        documents = [orjson.loads(body) for parcel in parcels for body in parcel.bodies]
        self.requests.append((lane, len(documents)))
        self.sizes.append(sum(parcel.size for parcel in parcels))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.latency is not None:
                await self.latency()
            if self.hold is not None:
                await self.hold.wait()
            await asyncio.sleep(0)
            answer = self.script(self, lane, documents) if self.script else None
            return self.store(documents) if answer is None else answer
        finally:
            self.under_way -= 1

    def store(self, documents: list[dict[str, Any]], exceptions: dict[int, Any] | None = None) -> Answer:
        """Keep all but the exceptions."""
        there = 0
        for position, document in enumerate(documents):
            if not exceptions or position not in exceptions:
                there += document["id"] in self.documents
                self.documents.setdefault(document["id"], document)
        return Answer(cost=5.0 * len(documents), already_there=there, exceptions=exceptions)

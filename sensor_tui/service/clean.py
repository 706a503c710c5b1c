"""Deleting documents from the Cosmos DB container: what it would mean, and doing it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from sensor_tui.errors import SinkError, SinkUnreachable, UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.service.clean_query import Query, Selection
from sensor_tui.service.clean_run import Asker, CleanRun, OnProgress
from sensor_tui.service.cosmos_options import cosmos_options
from sensor_tui.service.query import no_such_city
from sensor_tui.sync.contract import RequestFailed
from sensor_tui.sync.pacing import Budget
from sensor_tui.sync.progress import Meter
from sensor_tui.sync.sinks.cosmos.delete import DeleteSink, Identity

if TYPE_CHECKING:
    from sensor_tui.config import Settings

PATIENCE: Final = 30.0
"""Seconds that Cosmos DB may be silent before it is given up."""
_DRAIN_SECONDS: Final = 30.0
_SAMPLE: Final = 50
_FIRST_KB: Final = 5.4
_FURTHER_KB: Final = 2.0
"""Request units to delete a document: as much as creating it, by its size; the service tells no more."""
_READ_UNITS: Final = 0.06
_SETTLING: Final = 5.0
"""Seconds to wait at most for the second of the newest document to pass."""
_MOVES: Final = 10
_LAGS: Final = (0.5, 2.0)
"""Seconds between two counts of what should be gone."""

MISSING_CITY: Final = "(no city)"


@dataclass(frozen=True, slots=True)
class CityCount:
    """Documents of one city; `city` as people read it, `value` as it is stored (absent: no such field)."""

    city: str
    count: int
    value: Any = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What a cleaning would delete. Sizes in bytes, costs in request units, times in seconds."""

    count: int
    cities: tuple[CityCount, ...]
    average_size: int
    estimated_units: float
    estimated_seconds: float | None
    """At the budget or the container's throughput; None where neither is known."""
    request_units: float
    """What it cost to find out."""


@dataclass(slots=True)
class Outcome:
    """What a cleaning did. Counts in documents."""

    counted: int
    deleted: int = 0
    already_gone: int = 0
    rejected: int = 0
    left: int = 0
    """Of those meant, by a last count; where that failed, by what was deleted."""
    newer: int = 0
    """Written since it began, and therefore not touched."""
    requests: int = 0
    throttled: int = 0
    request_units: float = 0.0
    seconds: float = 0.0
    interrupted: bool = False
    reasons: dict[str, int] = field(default_factory=dict)
    problem: SinkError | None = None
    """What ended it early."""


class Cleaner:
    """One container, as an asynchronous context manager; with `held` that very one, or none.

    Raises:
        ConfigError: endpoint or key are missing or cannot be used.
        SinkUnreachable: no answer.
        SinkRefused: key, permission, or a container that is missing or partitioned otherwise.
    """

    def __init__(
        self, settings: "Settings", selection: Selection, clock: Clock, held: Identity | None = None
    ) -> None:
        self.options = cosmos_options(settings)
        self.selection = selection
        self.notices: list[str] = []
        self._clock = clock
        self._limit = settings.performance.max_ru_per_second
        self._sink = DeleteSink(self.options, clock, held)
        self._meter = Meter(clock)
        self._budget = Budget(self._limit)
        self._asker = Asker(
            self._sink, clock=clock, budget=self._budget, meter=self._meter, patience=PATIENCE
        )

    async def __aenter__(self) -> Self:
        try:
            self.notices = list(await self._sink.open())
        except BaseException:
            await self._sink.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sink.close()

    @property
    def identity(self) -> Identity:
        """Account and container as they were found, to be held when it is opened again."""
        assert self._sink.identity is not None
        return self._sink.identity

    async def preview(self) -> Preview:
        """Count what is meant, by city, and estimate what deleting it would cost; changes nothing.

        Raises:
            SinkError: it cannot be counted.
            UsageError: the condition is not understood, or there is no such city.
        """
        count = await self._count(self.selection.query("VALUE COUNT(1)"))
        if not count:
            await self._check_city()
        cities = await self._cities() if count else []
        size = await self._average_size() if count else 0
        each = _FIRST_KB + _FURTHER_KB * max(0, -(-size // 1024) - 1)
        units = round(count * (each + _READ_UNITS), 1)
        limits = [limit for limit in (self._limit, self._sink.throughput) if limit]
        return Preview(
            count=count,
            cities=tuple(sorted(cities, key=lambda one: (-one.count, one.city))),
            average_size=size,
            estimated_units=units,
            estimated_seconds=round(units / min(limits), 1) if limits else None,
            request_units=round(self._meter.request_units, 2),
        )

    async def bound(self) -> tuple[int, int]:
        """How many documents are meant, and the second of the server's time they were all written by.

        What is written from now on is newer, so that the count stays exact and cleaning a live fleet ends.

        Raises:
            SinkError: it cannot be counted.
            UsageError: the condition is not understood, or there is no such city.
        """
        query = self.selection.query('VALUE MAX(c["_ts"])')
        newest = max((row for row in await self._all(query) if isinstance(row, int)), default=0)
        deadline = self._clock.monotonic() + _SETTLING
        while newest and await self._server_second() <= newest and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.2)
        count = await self._count(self.selection.query("VALUE COUNT(1)", until_ts=newest))
        if not count:
            await self._check_city()
        return count, newest

    async def clean(
        self,
        counted: int,
        until_ts: int,
        *,
        on_progress: OnProgress | None = None,
        stop: asyncio.Event | None = None,
        abort: asyncio.Event | None = None,
    ) -> Outcome:
        """Delete what `bound` has counted. `stop` finishes what is under way, `abort` ends it at once.

        Raises:
            UsageError: the condition is not understood.
        """
        self._meter = self._asker.meter = Meter(self._clock)
        run = CleanRun(
            self._sink,
            self._asker,
            clock=self._clock,
            budget=self._budget,
            meter=self._meter,
            patience=PATIENCE,
        )
        outcome = Outcome(counted)
        field_name = json.dumps(self._sink.key_field, ensure_ascii=False)
        query = self.selection.query(f"c.id, c[{field_name}] AS k", until_ts=until_ts)
        try:
            await run.run(
                query,
                self._ranges,
                total=counted,
                drain_timeout=_DRAIN_SECONDS,
                on_progress=on_progress,
                stop=stop,
                abort=abort,
            )
        except SinkError as error:
            outcome.problem = error
        outcome.seconds = round(self._meter.seconds, 3)
        outcome.deleted, outcome.already_gone = run.deleted, run.already_gone
        outcome.rejected, outcome.reasons = run.rejected, dict(run.reasons)
        outcome.left = max(0, counted - run.deleted - run.already_gone)
        outcome.interrupted = any(event is not None and event.is_set() for event in (stop, abort))
        if outcome.problem is None and not (abort is not None and abort.is_set()):
            await self._look_back(outcome, until_ts, again=run.exhausted)
        outcome.requests, outcome.throttled = self._meter.requests, self._meter.throttled
        outcome.request_units = round(self._meter.request_units, 2)
        return outcome

    async def _look_back(self, outcome: Outcome, until_ts: int, *, again: bool) -> None:
        """Count what is left, `again` where that may be a replica lagging behind, and what came meanwhile."""
        query = self.selection.query("VALUE COUNT(1)", until_ts=until_ts)
        try:
            for pause in (*_LAGS, None):
                outcome.left = await self._count(query)
                if not outcome.left or not again or pause is None:
                    break
                await self._clock.sleep(pause)
            outcome.newer = await self._count(self.selection.query("VALUE COUNT(1)", newer_than=until_ts))
        except SinkError as error:
            outcome.problem = error

    def _ranges(self, selection: Selection | None = None) -> list[str]:
        """The ranges that can hold what is meant."""
        meant = selection or self.selection
        key = {"city": meant.city, "sensorId": meant.sensor}.get(self._sink.key_field or "")
        one = self._sink.range_of(key) if key is not None else None
        return [one] if one is not None else list(self._sink.lanes)

    async def _rows(self, query: Query, selection: Selection | None) -> AsyncIterator[Any]:
        """Every result of a query, range by range; raises RequestFailed where a range moves meanwhile."""
        for range_id in self._ranges(selection):
            continuation = ""
            while True:
                page = await self._asker.page(range_id, query, self._asker.rows, continuation)
                for row in page.rows:
                    yield row
                continuation = page.continuation
                if not continuation:
                    break

    async def _all(self, query: Query, selection: Selection | None = None) -> list[Any]:
        for _ in range(_MOVES):
            try:
                return [row async for row in self._rows(query, selection)]
            except RequestFailed:
                continue
        raise SinkUnreachable(
            f"{self.options.host} keeps moving the ranges of {self._sink.where}", fix="Try again later"
        )

    async def _count(self, query: Query) -> int:
        """The sum of what every range counts."""
        return sum(row for row in await self._all(query) if isinstance(row, int))

    async def _cities(self) -> list[CityCount]:
        counts: dict[str, CityCount] = {}
        try:
            rows = await self._all(
                self.selection.query('c["city"] AS city, COUNT(1) AS n', group=' GROUP BY c["city"]')
            )
        except UsageError:
            # a server without GROUP BY
            rows = await self._all(self.selection.query('c["city"] AS city'))
        for row in rows:
            absent = "city" not in row
            value = row.get("city")
            name = json.dumps(value, sort_keys=True)
            label = value if isinstance(value, str) else MISSING_CITY if absent else name
            known = counts.get("" if absent else name)
            so_far = known.count if known else 0
            counts["" if absent else name] = CityCount(label, so_far + row.get("n", 1), value, absent)
        return list(counts.values())

    async def _check_city(self) -> None:
        """Refuse a city that is not there where others are: its name may be written otherwise."""
        if self.selection.city is None:
            return
        every = Selection()
        try:
            cities = await self._all(every.query('DISTINCT VALUE c["city"]'), every)
        except UsageError:  # a server without DISTINCT
            cities = await self._all(every.query('VALUE c["city"]'), every)
        if problem := no_such_city(self.selection.city, cities):
            raise UsageError(problem, fix="Give the name as it is stored")

    async def _average_size(self) -> int:
        """Bytes of a document, from the first there are."""
        query = self.selection.query(f"TOP {_SAMPLE} *")
        for range_id in self._ranges():
            try:
                page = await self._asker.page(range_id, query, _SAMPLE)
            except RequestFailed:
                continue
            if page.rows:
                return page.size // len(page.rows)
        return 0

    async def _server_second(self) -> int:
        _, date = await self._sink.account()
        try:
            return int(parsedate_to_datetime(date).timestamp())
        except (TypeError, ValueError, IndexError):
            return int(self._clock.now())

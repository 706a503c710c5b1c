"""Deletes what is meant: ids go through the engine's dispatcher, pass after pass until none is left."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sensor_tui.errors import SinkUnreachable
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import DeadLetter
from sensor_tui.service.clean_feed import RangeFeed, encoded
from sensor_tui.service.clean_query import Query
from sensor_tui.sync.contract import RequestFailed, Verdict
from sensor_tui.sync.flow import Flow
from sensor_tui.sync.pacing import Budget, full_jitter
from sensor_tui.sync.progress import Meter
from sensor_tui.sync.runner import SinkRunner
from sensor_tui.sync.sinks.cosmos.delete import MOST_ROWS, DeleteSink, Page
from sensor_tui.sync.window import Window

log = logging.getLogger(__name__)

_MOST_IN_FLIGHT: Final = 10_000
_MOST_BYTES: Final = 8 * 1024 * 1024
_TICK: Final = 0.25
_CHECK_SECONDS: Final = 5.0
"""Time between two looks at whether the container is still the same one; every request says it too."""
_PAGE_SHARE: Final = 0.02
"""Share of a second's budget that one page of a query may cost."""
_LEAST_ROWS: Final = 25
_PAGE_UNITS: Final = 2.8
"""Request units of a page beside its rows, as the service's documentation has it."""
_ROW_UNITS: Final = 0.06
"""Request units of a row, until answers tell."""
_IDLE_PASSES: Final = 2
"""Passes in a row that find documents and delete none, until it is no use."""


@dataclass(frozen=True, slots=True)
class CleanProgress:
    """How a cleaning stands. Counts in documents."""

    state: str
    reason: str
    total: int
    deleted: int
    already_gone: int
    rejected: int
    docs_per_second: float
    units_per_second: float
    throttled_per_second: float


OnProgress = Callable[[CleanProgress], None]


class Asker:
    """Reads pages of queries under the budget, and waits out what passes.

    Raises:
        SinkUnreachable: no answer for longer than the patience (seconds).
        SinkRefused, UsageError: as `DeleteSink.page`.
    """

    def __init__(
        self, sink: DeleteSink, *, clock: Clock, budget: Budget, meter: Meter, patience: float
    ) -> None:
        self.waiting = ""
        """Why nothing is read just now; empty while something is."""
        self._sink = sink
        self._clock = clock
        self._budget = budget
        self.meter = meter
        self._patience = patience
        self._row_units = _ROW_UNITS

    @property
    def rows(self) -> int:
        """Rows to ask for at once, so that a page is a small share of a second's budget."""
        limit = self._budget.limit
        if limit is None:
            return MOST_ROWS
        return max(_LEAST_ROWS, min(MOST_ROWS, int((limit * _PAGE_SHARE - _PAGE_UNITS) / self._row_units)))

    async def page(self, range_id: str, query: Query, most: int, continuation: str = "") -> Page:
        """One page of one range.

        Raises:
            RequestFailed: the range has moved; the ranges have been read anew.
        """
        silent_since: float | None = None
        attempt = 0
        while True:
            while (wait := self._budget.wait(self._clock.monotonic())) > 0.0:
                await self._clock.sleep(max(0.001, wait))
            units = _PAGE_UNITS + most * self._row_units
            documents = max(1, round(units / self._budget.per_document))
            expected = self._budget.charge(documents, self._clock.monotonic())
            self.meter.requests += 1
            cost = 0.0
            try:
                page = await self._sink.page(range_id, query, most=most, continuation=continuation)
            except RequestFailed as error:
                attempt += 1
                now = self._clock.monotonic()
                silent_since = (silent_since or now) if error.unreachable else None
                self.waiting = error.judgement.reason
                if silent_since is not None and now - silent_since > self._patience:
                    raise SinkUnreachable(
                        f"Cosmos DB has not answered for {self._patience:.0f} s: {error.judgement.reason}",
                        fix="Run it again to go on",
                    ) from error
                cost = error.cost
                if error.judgement.verdict is Verdict.MOVED and await self._rerouted():
                    raise
                if error.judgement.verdict is Verdict.THROTTLED:
                    await self._clock.sleep(max(0.001, error.judgement.delay))
                else:
                    await self._clock.sleep(max(error.judgement.delay, full_jitter(attempt)))
            else:
                self.waiting = ""
                cost = page.cost
                self.meter.request_units += cost
                if len(page.rows) >= _LEAST_ROWS:
                    self._row_units = max(0.01, (cost - _PAGE_UNITS) / len(page.rows))
                return page
            finally:
                self._budget.correct(expected, cost, 0)

    async def _rerouted(self) -> bool:
        try:
            await self._sink.reroute()
        except RequestFailed:
            if self._sink.refusal is not None:
                raise self._sink.refusal from None
            return False
        return True


class CleanRun:
    """One cleaning. `query` selects `id`, and the partition key as `k`, of what is meant.

    `deleted`, `already_gone` and `rejected` count as it goes; `reasons` says why documents were rejected.
    """

    def __init__(
        self, sink: DeleteSink, asker: Asker, *, clock: Clock, budget: Budget, meter: Meter, patience: float
    ) -> None:
        self.reasons: Counter[str] = Counter()
        self.total = 0
        self.exhausted = False
        """Its last pass found nothing."""
        self._sink = sink
        self._asker = asker
        self._clock = clock
        self._meter = meter
        self._patience = patience
        self._flow = Flow(clock, max_in_flight=_MOST_IN_FLIGHT, max_bytes=_MOST_BYTES)
        self._runner = SinkRunner(
            sink, clock=clock, meter=meter, budget=budget, on_done=self._flow.done, letter=self._letter
        )
        self._ending = ""
        self._checked_at = clock.monotonic()
        self._sampled_at = clock.monotonic()

    @property
    def deleted(self) -> int:
        """Documents that were there and are gone."""
        return self._meter.accepted - self._meter.already_there

    @property
    def already_gone(self) -> int:
        """Documents that were gone before their deletion arrived."""
        return self._meter.already_there

    @property
    def rejected(self) -> int:
        """Documents that Cosmos DB will not delete, in the last pass."""
        return self.reasons.total()

    async def run(
        self,
        query: Query,
        ranges: Callable[[], list[str]],
        *,
        total: int,
        drain_timeout: float,
        on_progress: OnProgress | None = None,
        stop: asyncio.Event | None = None,
        abort: asyncio.Event | None = None,
    ) -> None:
        """Delete until nothing is found; `stop` finishes what is under way, `abort` ends it at once.

        Raises:
            SinkError: it cannot go on; the counts say how far it came.
        """
        self.total = total
        tell = on_progress or (lambda _: None)
        stop, abort = stop or asyncio.Event(), abort or asyncio.Event()
        self._runner.ready.set()
        self._runner.dispatcher.open = True
        idle = 0
        try:
            while idle < _IDLE_PASSES and not stop.is_set() and not abort.is_set():
                before = self.deleted
                if not await self._pass(query, ranges(), tell, stop, abort):
                    self.exhausted = not (stop.is_set() or abort.is_set())
                    break
                idle = 0 if self.deleted > before else idle + 1
                if idle:
                    await self._clock.sleep(1.0)
        finally:
            stopped = stop.is_set() or abort.is_set()
            self._ending = "done" if self.exhausted else "stopping" if stopped else "ended"
            self._runner.dispatcher.open = False
            if stop.is_set():
                await self._drain(drain_timeout, tell, abort)
            await self._runner.dispatcher.cancel()
            await self._flow.close()
            tell(self.progress())

    def progress(self) -> CleanProgress:
        """A snapshot."""
        docs, units, throttled = self._meter.rates()
        reason = self._runner.unreachable_reason if self._runner.unreachable_since is not None else ""
        reason = reason or self._asker.waiting
        return CleanProgress(
            self._ending or ("waiting" if reason and docs < 1 else "deleting"),
            reason,
            self.total,
            self.deleted,
            self.already_gone,
            self.rejected,
            docs,
            units,
            throttled,
        )

    async def _pass(
        self, query: Query, ranges: list[str], tell: OnProgress, stop: asyncio.Event, abort: asyncio.Event
    ) -> bool:
        """Go through all ranges once; whether there was anything, or may be."""
        self.reasons.clear()
        moved = False

        async def read(range_id: str, most: int, continuation: str) -> Page:
            nonlocal moved
            try:
                return await self._asker.page(range_id, query, min(most, self._asker.rows), continuation)
            except RequestFailed:
                moved = True
                raise

        feeds = [RangeFeed(range_id, read) for range_id in ranges]
        self._flow.active = max(1, len(feeds))
        drives = [asyncio.ensure_future(self._drive(feed)) for feed in feeds]
        try:
            while not (stop.is_set() or abort.is_set()):
                for drive in drives:
                    if drive.done():
                        drive.result()
                if all(drive.done() for drive in drives) and not self._flow.rows:
                    break
                self._fail_if_hopeless()
                await self._check()
                self._sample()
                tell(self.progress())
                await self._pause(drives, stop, abort)
        finally:
            for drive in drives:
                drive.cancel()
            await asyncio.gather(*drives, return_exceptions=True)
        return moved or any(feed.found for feed in feeds)

    async def _drive(self, feed: RangeFeed) -> None:
        """Read one range to its end, as fast as there is room for what it gives."""
        while True:
            room = await self._flow.room(feed.key)
            batch = await feed.read(room)
            if batch is None:
                return
            if batch.rows:
                documents = encoded(batch)
                size = sum(len(body) for body in documents.bodies if body is not None)
                window = Window(feed, batch, [self._sink.name], size)
                self._flow.begin(window)
                self._runner.dispatch(window, documents)

    async def _pause(
        self, drives: Sequence[asyncio.Future[None]], stop: asyncio.Event, abort: asyncio.Event
    ) -> None:
        """Until the next tick, or until everything is settled, or somebody wants it to end."""
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(each) for each in (self._clock.sleep(_TICK), stop.wait(), abort.wait())
        ]
        waits.append(asyncio.ensure_future(self._idle(drives)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    async def _idle(self, drives: Sequence[asyncio.Future[None]]) -> None:
        await asyncio.wait(drives)
        await self._flow.quiet.wait()

    async def _drain(self, seconds: float, tell: OnProgress, abort: asyncio.Event) -> None:
        """Let the requests under way end; what waits for its turn stays where it is."""
        lanes = self._runner.dispatcher.lanes
        deadline = self._clock.monotonic() + seconds
        while any(lane.requests for lane in lanes.values()) and self._clock.monotonic() < deadline:
            if abort.is_set():
                return
            tell(self.progress())
            await self._clock.sleep(_TICK / 5)

    async def _check(self) -> None:
        """See now and then that nobody has put another container in the place of ours."""
        now = self._clock.monotonic()
        if now - self._checked_at >= _CHECK_SECONDS:
            self._checked_at = now
            try:
                await self._sink.check()
            except SinkUnreachable as error:
                log.info("%s", error)  # requests under way find out for themselves, and wait

    def _sample(self) -> None:
        now = self._clock.monotonic()
        if now - self._sampled_at >= 1.0:
            self._sampled_at = now
            self._meter.sample()

    def _fail_if_hopeless(self) -> None:
        failure = self._sink.refusal or self._runner.failure
        if failure is not None:
            raise failure
        since = self._runner.unreachable_since
        if since is not None and self._clock.monotonic() - since > self._patience:
            raise SinkUnreachable(
                f"Cosmos DB has not answered for {self._patience:.0f} s: {self._runner.unreachable_reason}",
                fix="Run it again to go on",
            )

    def _letter(
        self, window: Window, index: int, sink: str, code: int, reason: str, document: bytes
    ) -> DeadLetter:
        """Count a document that cannot be deleted; nothing is kept of it, since it stays where it is."""
        self.reasons[reason] += 1
        return DeadLetter(
            window.batch.source, index, sink, None, None, code, reason, document.decode(), self._clock.now()
        )

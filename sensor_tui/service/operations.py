"""A running service: its engine, its board, and what the API may ask of both."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Final

from sensor_tui import __version__
from sensor_tui.errors import StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import EngineState, Progress, Totals
from sensor_tui.model.source import FeedStatus
from sensor_tui.service import letters, peers_letters
from sensor_tui.service.board import Board, View
from sensor_tui.service.host import EngineHost
from sensor_tui.service.merge import age, iso, merge, sums
from sensor_tui.service.sampler import Sampler
from sensor_tui.service.wire import EngineReport, LaneReport, TotalsReport
from sensor_tui.service.wire_asks import (
    Done,
    Letter,
    LetterFilter,
    LetterPage,
    LettersChanged,
    Throughput,
    ThroughputPoint,
)

if TYPE_CHECKING:
    from sensor_tui.service.client import ServiceClient
    from sensor_tui.storage.latest import Place

log = logging.getLogger(__name__)

HISTORY_SECONDS: Final = 60.0
_AT_WORK: Final = frozenset({EngineState.RUNNING, EngineState.IDLE})
_COUNT_SECONDS: Final = 1.0
_QUIET_SECONDS: Final = 0.05


class Operations:
    """Keeps the promises of `Actions` for an engine host."""

    def __init__(self, host: EngineHost, clock: Clock) -> None:
        self.host = host
        self.board = Board(self._look, clock=clock)
        host.peers.changed = self._come_or_gone
        self.sampler = Sampler(self.places, watched=lambda: self.board.watched, clock=clock)
        self._clock = clock
        self._started = iso(clock.now())
        self._dead: dict[str, int] | None = None
        """Dead letters per file as the ledger has them; None until it was asked."""
        self._dead_stale = asyncio.Event()
        self._dead_stale.set()
        self._rejected = 0

    async def pause(self, who: str) -> Done:
        self.host.pause()
        others = await self._others(lambda client: client.pause())
        return await self._done(who, "pause", f"reading is paused; what is under way goes on{others}")

    async def resume(self, who: str) -> Done:
        self.host.resume()
        others = await self._others(lambda client: client.resume())
        return await self._done(who, "resume", f"reading goes on{others}")

    async def sync(self, who: str, *, quiet: bool = False) -> Done:
        self.host.sync_now()
        if quiet:
            progress = self.host.progress()
            return Done(state=progress.state, message="a round begins now", in_flight=progress.in_flight)
        others = await self._others(lambda client: client.sync())
        return await self._done(who, "sync", f"a round begins now{others}")

    async def drain(self, who: str, *, stop: bool, now: bool) -> Done:
        if now:
            done = await self._done(who, "stop", "stopping at once")
            self.host.abort()
            return done
        if stop:
            done = await self._done(who, "drain and stop", "stopping after what is under way")
            self.host.stop()
            self.board.refresh()
            return done.model_copy(update={"state": self.host.progress().state})
        self.host.pause()
        patience = self.host.settings.service.drain_timeout_seconds
        others = asyncio.ensure_future(self._others(lambda client: client.drain(), patience))
        deadline = self._clock.monotonic() + patience
        while self.host.progress().in_flight and self._clock.monotonic() < deadline:
            await self._clock.sleep(_QUIET_SECONDS)
        drained = not self.host.progress().in_flight
        message = "drained; reading is paused" if drained else "reading is paused, but something is under way"
        done = await self._done(who, "drain", f"{message}{await others}")
        return done.model_copy(update={"drained": drained})

    async def letters(self, which: LetterFilter, *, offset: int, limit: int) -> LetterPage:
        async def own(each: LetterFilter, at: int, most: int) -> LetterPage:
            return await letters.page(self.host.pipeline.store.ledger, each, offset=at, limit=most)

        if not self.host.peers.names:
            return await own(which, offset, limit)
        return await peers_letters.page(own, self.host.peers, which, offset=offset, limit=limit)

    async def letter(self, letter_id: int) -> Letter | None:
        if letter_id >= peers_letters.STRIDE:
            return await peers_letters.one(self.host.peers, letter_id)
        return await letters.one(self.host.pipeline.store.ledger, letter_id)

    async def retry(self, who: str, ids: Sequence[int] | None) -> LettersChanged:
        outcome = await letters.retry(self.host.pipeline.store, peers_letters.ours(ids))
        self.host.pipeline.engine.sync_now()
        outcome = await peers_letters.change(
            outcome, self.host.peers, ids, lambda client, wanted: client.retry(wanted)
        )
        return await self._changed(who, "retry dead letters", ids, outcome)

    async def drop(self, who: str, ids: Sequence[int] | None) -> LettersChanged:
        outcome = await letters.drop(self.host.pipeline.store.ledger, peers_letters.ours(ids))
        outcome = await peers_letters.change(
            outcome, self.host.peers, ids, lambda client, wanted: client.drop(wanted)
        )
        return await self._changed(who, "drop dead letters", ids, outcome)

    async def throughput(self, since: float) -> Throughput:
        points = await self.host.pipeline.store.ledger.throughput(since)
        return Throughput(
            points=tuple(
                ThroughputPoint(
                    at=iso(point.at) or "",
                    accepted=point.accepted,
                    rejected=point.rejected,
                    throttled=point.throttled,
                    request_units=point.request_units,
                    backlog=point.backlog,
                    lag_seconds=point.lag,
                )
                for point in points
            )
        )

    async def count_letters(self) -> None:
        """Keep the numbers of dead letters as the ledger has them; until cancelled."""
        while True:
            rejected = self.host.progress().totals.rejected
            if self._dead_stale.is_set() or rejected != self._rejected:
                await self._count_letters(rejected)
            await self._clock.sleep(_COUNT_SECONDS)

    async def record_history(self) -> None:
        """Write what each minute brought into the ledger; until cancelled."""
        before = self._totals()
        while True:
            await self._clock.sleep(HISTORY_SECONDS)
            totals = self._totals()
            now = self._clock.now()
            whole = sums(merge(self.feeds()))
            from sensor_tui.storage.history import ThroughputPoint as StoredPoint

            point = StoredPoint(
                at=now,
                accepted=totals.accepted - before.accepted,
                rejected=totals.rejected - before.rejected,
                throttled=totals.throttled - before.throttled,
                request_units=totals.request_units - before.request_units,
                backlog=whole.backlog or 0,
                lag=age(whole.oldest_open, now),
            )
            try:
                await self.host.pipeline.store.ledger.record_throughput(point)
            except StorageError as error:
                log.warning("throughput of the last minute not kept: %s", error)
            else:
                before = totals

    def feeds(self) -> list[FeedStatus]:
        """How every file stands, with its dead letters as the ledger has them and its newest readings."""
        return self._overlaid(self._merged())

    def _merged(self) -> list[FeedStatus]:
        """How every file stands, as whoever uploads it last counted."""
        latest = {feed.source: feed for feed in self.host.feeds()}.values()
        return self.host.peers.merged(latest)

    def _overlaid(self, merged: Sequence[FeedStatus]) -> list[FeedStatus]:
        dead = self._dead
        overlay = self.sampler.overlay
        if dead is None:
            return [overlay(feed) for feed in merged]
        return [overlay(_buried(feed, dead.get(feed.source, 0))) for feed in merged]

    async def _count_letters(self, rejected: int) -> None:
        self._dead_stale.clear()
        try:
            self._dead = dict(await self.host.pipeline.store.ledger.dead_letters())
            self._rejected = rejected
        except StorageError as error:
            log.debug("dead letters not counted: %s", error)
            self._dead_stale.set()

    async def _changed(
        self, who: str, action: str, ids: Sequence[int] | None, outcome: LettersChanged
    ) -> LettersChanged:
        await self._count_letters(self._rejected)
        await self._record(who, action, letters.target(ids), letters.result(outcome))
        self.board.refresh()
        return outcome

    async def _done(self, who: str, action: str, message: str) -> Done:
        await self._record(who, action, "engine", message)
        self.board.refresh()
        progress = self.host.progress()
        return Done(state=progress.state, message=message, in_flight=progress.in_flight)

    async def _record(self, who: str, action: str, target: str, result: str) -> None:
        from sensor_tui.storage.history import OperatorAction

        log.info("%s: %s (%s): %s", who, action, target, result)
        entry = OperatorAction(self._clock.now(), who, action, target, result)
        try:
            await self.host.pipeline.store.ledger.record_action(entry)
        except StorageError as error:
            log.warning("not written to the action log: %s", error)

    def places(self) -> list["Place"]:
        """The files that are read here."""
        from sensor_tui.storage.latest import Place

        store = self.host.pipeline.store
        own = [Place(file.key, str(store.path(file.key)), file.rollback) for file in store.files()]
        return [*own, *(Place(key, path, rollback=True) for key, path in self.host.peers.places().items())]

    def _look(self) -> View:
        merged = self._merged()
        dead = None if self._dead is None else sum(self._dead.values()) + self.host.peers.dead_letters()
        progress = self.host.progress()
        if not self.host.pipeline.source.polled.is_set() and progress.state in _AT_WORK:
            progress = replace(progress, state=EngineState.STARTING)  # nothing is known of the files yet
        report = engine_report(progress, started=self._started, config_problem=self.host.config_problem)
        counted = {feed.source: feed.newest for feed in merged}
        return View(report, self._overlaid(merged), dead, self.host.peers.reports(), counted)

    async def _others(
        self, what: Callable[["ServiceClient"], Awaitable[object]], patience: float = 0.0
    ) -> str:
        """Have the peers do the same; who did and who could not, as the end of a sentence.

        `patience` is how many seconds it may take besides the answer.
        """
        done, problems = await self.host.peers.ask(what, patience=patience)
        return "".join(
            (f"; also by {', '.join(done)}" if done else "", *(f"; not by {each}" for each in problems))
        )

    def _totals(self) -> Totals:
        """What all engines did, as far as that was seen from here."""
        theirs = self.host.peers.totals()
        own = self.host.progress().totals
        return Totals(
            **{each.name: getattr(own, each.name) + getattr(theirs, each.name) for each in fields(Totals)}
        )

    def _come_or_gone(self) -> None:
        """A peer came or went: its files may be free, and whoever listens is told at once."""
        self.host.pipeline.store.search_soon()
        if self.board.watched:
            self.board.refresh()


def _buried(feed: FeedStatus, dead: int) -> FeedStatus:
    """A file with its dead letters: those of our ledger, and what a peer says of its own."""
    many = dead + feed.dead_letters if feed.engine else dead
    return feed if many == feed.dead_letters else replace(feed, dead_letters=many)


def engine_report(progress: Progress, *, started: str | None, config_problem: str | None) -> EngineReport:
    """An engine of this process as others see it."""
    return EngineReport(
        state=progress.state,
        reason=progress.reason,
        version=__version__,
        pid=os.getpid(),
        started=started,
        docs_per_second=round(progress.docs_per_second, 1),
        request_units_per_second=round(progress.request_units_per_second, 1),
        throttled_per_second=round(progress.throttled_per_second, 1),
        in_flight=progress.in_flight,
        lanes=tuple(LaneReport(**asdict(lane)) for lane in progress.lanes),
        totals=TotalsReport(**asdict(progress.totals)),
        attached=True,
        config_problem=config_problem,
    )

"""The engine: reads feeds, sends windows to every sink, settles them, and stops without loss."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sensor_tui.errors import SinkError, SinkUnreachable, SourceFileError, StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import EngineState, Progress
from sensor_tui.sync.aggregate import Aggregation
from sensor_tui.sync.contract import Feed, Outlet, Sink, Source
from sensor_tui.sync.encode import Freshen
from sensor_tui.sync.flow import Flow
from sensor_tui.sync.letters import make_letter
from sensor_tui.sync.outlets import Outlets
from sensor_tui.sync.pacing import Budget
from sensor_tui.sync.progress import Meter
from sensor_tui.sync.runner import SinkRunner
from sensor_tui.sync.stage import Stage

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Bounds and times of an engine; sizes in readings and bytes, times in seconds."""

    rows_per_read: int = 500
    max_in_flight: int = 20_000
    max_bytes: int = 24 * 1024 * 1024
    max_ru_per_second: float | None = None
    interval: float = 30.0
    jitter: float = 0.0
    drain_timeout: float = 30.0
    patience: float = 30.0
    """How long a run that is not continuous waits for a sink that does not answer."""


class Engine:
    """One pipeline: a source, and sinks that must all have a reading before it is closed.

    `run` holds it until it is done or drained; every other method may be called meanwhile.
    """

    def __init__(
        self,
        source: Source,
        sinks: Sequence[Sink | Outlet],
        *,
        clock: Clock,
        options: EngineOptions | None = None,
        freshen: Freshen | None = None,
        stages: Sequence[Stage] = (),
        aggregation: Aggregation | None = None,
    ) -> None:
        """`stages` are those before the aggregation; the source's feeds must have the same aggregation."""
        self.options = options or EngineOptions()
        self.meter = Meter(clock)
        self.notices: list[str] = []
        """Lines worth telling a person, from the sinks as they opened."""
        self._clock = clock
        self._source = source
        self._aggregation = aggregation
        self._budget = Budget(self.options.max_ru_per_second)
        self._beside = Meter(clock)
        """What sinks count that are not metered: an archive has every reading once more."""
        self._flow = Flow(clock, max_in_flight=self.options.max_in_flight, max_bytes=self.options.max_bytes)
        outlets = [each if isinstance(each, Outlet) else Outlet(each) for each in sinks]
        self._runners = [
            SinkRunner(
                outlet.sink,
                clock=clock,
                meter=self.meter if outlet.metered else self._beside,
                # one budget: containers of one account share what a second may cost
                budget=self._budget if outlet.metered else Budget(None),
                on_done=self._flow.done,
                letter=lambda *args: make_letter(*args, at=clock.now()),
            )
            for outlet in outlets
        ]
        self._outlets = Outlets(
            [(outlet.wish, runner) for outlet, runner in zip(outlets, self._runners, strict=True)],
            self._flow,
            clock=clock,
            meter=self.meter,
            stages=stages,
            aggregation=aggregation,
            freshen=freshen,
        )
        self._drives: dict[str, asyncio.Task[None]] = {}
        self._gate = asyncio.Event()
        self._gate.set()
        self._wake = asyncio.Event()
        self._draining = asyncio.Event()
        self._sync_now = False
        self._next_cycle = 0.0
        self._started = False
        self._stopped = False

    async def run(self, *, continuous: bool) -> None:
        """Upload what there is, once or until `drain`.

        Raises:
            SinkError: not continuous, and the sink cannot be used; what was accepted is settled.
            StorageError: what was sent could not be recorded in the ledger; it is sent again next time.
        """
        if self._aggregation is not None:
            self._aggregation.continuous = continuous
        try:
            await self._source.open()
            await self._open_sinks(continuous=continuous)
            self._started = True
            if continuous:
                await self._run_on()
            else:
                await self._run_once()
            await self._finish()
            if self._flow.given_up is not None:
                raise self._flow.given_up
        finally:
            await self._shut()

    def pause(self) -> None:
        """Stop reading; what is under way goes on."""
        self._gate.clear()

    def resume(self) -> None:
        """Read on."""
        self._gate.set()
        self._wake.set()

    def sync_now(self) -> None:
        """Start a cycle without waiting for the interval."""
        self._sync_now = True
        self._wake.set()

    def drain(self) -> None:
        """Stop reading, settle what is under way for at most the drain time, and end `run`."""
        self._draining.set()
        self._flow.patient = False
        self._gate.set()
        self._wake.set()

    def configure(self, options: EngineOptions) -> None:
        """Take new bounds and times while running."""
        self.options = options
        self._budget.limit = options.max_ru_per_second
        self._flow.configure(options.max_in_flight, options.max_bytes)
        self._wake.set()

    def progress(self) -> Progress:
        """A snapshot."""
        now = self._clock.monotonic()
        docs, units, throttled = self.meter.rates()
        state, reason = self._state()
        return Progress(
            state=state,
            reason=reason,
            covered=self.meter.covered,
            totals=replace(self.meter.totals(), rejected=self.meter.rejected + self._beside.rejected),
            in_flight=self._flow.rows,
            docs_per_second=docs,
            request_units_per_second=units,
            throttled_per_second=throttled,
            seconds=self.meter.seconds,
            lanes=tuple(
                lane.progress(runner.sink.name, now)
                for runner in self._runners
                for lane in runner.dispatcher.lanes.values()
            ),
        )

    def lacking(self) -> Sequence[str]:
        """A line for each sink that has not taken all it was given, with the reason where one is known."""
        return [
            f"the {runner.sink.name} sink has not taken {runner.owing:,} of the documents it was given"
            + (f": {runner.trouble}" if runner.trouble else "")
            for runner in self._runners
            if runner.owing
        ]

    def _state(self) -> tuple[EngineState, str]:
        simple = None
        if self._stopped:
            simple = EngineState.STOPPED
        elif self._draining.is_set():
            simple = EngineState.DRAINING
        if simple is not None:
            return simple, ""
        troubled = [runner for runner in self._runners if runner.trouble]
        several = len(self._runners) > 1
        said = [f"{each.sink.name}: {each.trouble}" if several else each.trouble for each in troubled]
        if any(each.away for each in troubled):
            refused = any(
                each.failure is not None and not isinstance(each.failure, SinkUnreachable)
                for each in troubled
            )
            return EngineState.REFUSED if refused else EngineState.UNREACHABLE, "; ".join(said)
        # some documents are held up, the others flow: that is said, and is no outage
        reason = "; ".join(filter(None, [self._flow.problem, *said]))
        if not self._gate.is_set():
            return EngineState.PAUSED, reason
        if not self._started:
            return EngineState.STARTING, ""
        return (EngineState.RUNNING if self._drives or self._flow.rows else EngineState.IDLE), reason

    async def _open_sinks(self, *, continuous: bool) -> None:
        """Open every sink; the first that cannot be used ends a single run, once all have been asked."""
        failed: SinkError | None = None
        for runner in self._runners:
            try:
                self.notices += await runner.open()
            except SinkError as error:
                if not continuous and failed is None:
                    failed = error
                    continue
                log.error("%s", error)  # noqa: TRY400 - one clear line, not a traceback
                if continuous:
                    runner.keep_opening()
        if failed is not None:
            raise failed

    async def _run_once(self) -> None:
        self._flow.patient = False
        for feed in await self._source.poll():
            self._start(feed)
        while self._drives or self._flow.rows:
            self._fail_if_hopeless()
            if self._draining.is_set() or self._flow.given_up is not None:
                return
            self.meter.sample()
            await self._idle(TICK_SECONDS / 4)

    async def _run_on(self) -> None:
        while not self._draining.is_set():
            try:
                ready = await self._source.poll()
            except StorageError as error:
                self._flow.problem = str(error)
                log.error("%s", error)  # noqa: TRY400 - one clear line, not a traceback
                ready = ()
            self.meter.sample()
            now = self._clock.monotonic()
            if self._gate.is_set() and (self._sync_now or now >= self._next_cycle):
                self._sync_now = False
                pause = self.options.interval + random.uniform(0.0, self.options.jitter)
                self._next_cycle = now + pause
                for feed in ready:
                    self._start(feed)
            await self._idle(min(TICK_SECONDS, max(0.05, self.options.interval)))

    async def _idle(self, seconds: float) -> None:
        """Wait for the next tick, or for somebody who wants something now."""
        self._wake.clear()
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        waking = asyncio.ensure_future(self._wake.wait())
        changed = asyncio.ensure_future(self._flow.quiet.wait()) if self._flow.rows else None
        try:
            await asyncio.wait(
                {sleeping, waking, *([changed] if changed else [])}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (sleeping, waking, changed):
                if task is not None:
                    task.cancel()

    def _fail_if_hopeless(self) -> None:
        now, patience = self._clock.monotonic(), self.options.patience
        # while another sink takes readings, there is something to wait for
        moved_at = max((runner.hindrance.moved_at for runner in self._runners), default=now)
        for runner in self._runners:
            if runner.failure is not None:
                raise runner.failure
            since = runner.unreachable_since
            if since is not None and now - since > patience:
                raise _hopeless(runner, f"answered for {patience:.0f} s: {runner.unreachable_reason}")
            stuck = runner.hindrance.since
            if stuck is not None and now - max(stuck, moved_at) > patience:
                raise _hopeless(runner, f"taken anything for {patience:.0f} s: {runner.hindrance.reason}")

    def _start(self, feed: Feed) -> None:
        if feed.key not in self._drives:
            task = self._drives[feed.key] = asyncio.get_running_loop().create_task(self._drive(feed))
            self._flow.active = len(self._drives)
            task.add_done_callback(lambda _: self._ended(feed.key))

    def _ended(self, key: str) -> None:
        task = self._drives.pop(key)
        self._flow.active = max(1, len(self._drives))
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: %s", key, error, exc_info=error)

    async def _drive(self, feed: Feed) -> None:
        """Read one feed to its end, as fast as there is room for what it gives."""
        await self._any_ready()
        while not self._draining.is_set():
            await self._gate.wait()
            room = await self._flow.room(feed.key)
            if self._draining.is_set():
                return
            try:
                batch = await feed.read(min(room, self.options.rows_per_read))
            except SourceFileError as error:
                log.debug("%s", error)  # the feed has said it, once
                return
            except StorageError as error:
                self._flow.problem = str(error)
                if not self._flow.patient:
                    self._flow.given_up = error
                log.warning("%s: %s", feed.key, error)
                return
            if batch is None:
                return
            self._outlets.take(feed, batch)

    async def _any_ready(self) -> None:
        """Wait until a sink has been opened; the others get what is theirs when they are."""
        if any(runner.ready.is_set() for runner in self._runners):
            return
        waiting = [asyncio.ensure_future(runner.ready.wait()) for runner in self._runners]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def _finish(self) -> None:
        """Wait for what is under way, for at most the drain time."""
        deadline = self._clock.monotonic() + self.options.drain_timeout
        while (self._drives or self._flow.rows) and self._clock.monotonic() < deadline:
            if any(runner.failure for runner in self._runners):
                break
            await self._idle(TICK_SECONDS / 4)

    async def _shut(self) -> None:
        for task in list(self._drives.values()):
            task.cancel()
        await asyncio.gather(*self._drives.values(), return_exceptions=True)
        for runner in self._runners:
            await runner.close()
        await self._flow.close()
        await self._source.close()
        self.meter.sample()
        self._stopped = True


def _hopeless(runner: SinkRunner, why: str) -> SinkUnreachable:
    return SinkUnreachable(
        f"the {runner.sink.name} sink has not {why}",
        fix="What was not sent stays open in the files; run it again",
    )

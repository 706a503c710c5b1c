"""Holds the engine: one pipeline after another, as the configuration changes."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from sensor_tui.config import LIVE_KEYS, diff, needs_reconnect
from sensor_tui.errors import SensorTuiError, SinkError
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import Progress, Totals
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.attach import state_of
from sensor_tui.service.peers import Peers
from sensor_tui.service.pipeline import (
    Pipeline,
    build_pipeline,
    cosmos_sinks,
    engine_options,
    start_fresh,
)
from sensor_tui.service.request import SyncRequest
from sensor_tui.sync.contract import Sink
from sensor_tui.sync.encode import Freshen

if TYPE_CHECKING:
    from sensor_tui.config import Settings

log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 60.0
"""How often a changed connection that did not work is tried again."""
_SINK_KEYS: Final = frozenset({"performance.max_parallel_operations"})
"""Keys beside `cosmos.*` that a sink takes when it is made."""

MakeSink = Callable[["Settings"], Sink]


class Build(Protocol):
    """Makes the pipeline for a configuration."""

    def __call__(self, settings: "Settings", *, freshen: Freshen | None) -> Pipeline: ...


class EngineHost:
    """Runs until stopped. `settings` are those in force, `config_problem` why newer ones are not."""

    def __init__(
        self,
        settings: "Settings",
        request: SyncRequest,
        clock: Clock,
        *,
        socket_hint: str = "",
        build: Build | None = None,
        make_sink: MakeSink | None = None,
    ) -> None:
        """Check the configuration; nothing is opened yet.

        Raises:
            UsageError, ConfigError: as `build_pipeline`.
        """
        self.settings = settings
        self.config_problem: str | None = None
        self._first = settings
        self._request = request
        self._clock = clock
        self._make_sinks = partial(cosmos_sinks, clock=clock) if make_sink is None else _alone(make_sink)
        self.peers = Peers(request.root.absolute(), state_of(request), clock)
        """Other services below the root, which have files of their own."""
        usual = partial(
            build_pipeline,
            request=request,
            clock=clock,
            socket_hint=socket_hint,
            left_to=self.peers.left_to,
        )
        self._build = usual if build is None else build
        self._freshen: Freshen | None = None
        self.pipeline = self._build(settings, freshen=None)
        self._before = Totals()
        self._next: Settings | None = None
        self._paused = False
        self._stopping = False
        self._run: asyncio.Future[None] | None = None
        self._trying: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the store, having reset the tracking where the request says so; once, before `run`.

        Raises:
            StorageError: the ledger or a file cannot be used.
        """
        self._freshen = await start_fresh(self._request, self._clock)
        if self._freshen is not None:
            self.pipeline = self._build(self.settings, freshen=self._freshen)
        await self.peers.look()
        await self.pipeline.open()

    async def run(self) -> None:
        """Upload until stopped, and close; a changed connection only changes the pipeline.

        Raises:
            StorageError: the ledger cannot be used.
        """
        looking = asyncio.ensure_future(self.peers.run())
        looking.add_done_callback(_complain)
        try:
            while True:
                await self._run_pipeline(self.pipeline)
                if self._stopping or self._next is None:
                    return
                self._before = _plus(self._before, self.pipeline.engine.progress().totals)
                self.settings, self._next = self._next, None
                self.pipeline = self._build(self._pinned(self.settings), freshen=self._freshen)
                await self.pipeline.open()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            if self._trying is not None:
                self._trying.cancel()

    async def close(self) -> None:
        """Let go of everything, where `run` had no chance to."""
        await self.peers.close()
        await self.pipeline.close()

    def stop(self) -> None:
        """Drain and end `run`."""
        self._stopping = True
        self.pipeline.engine.drain()

    def abort(self) -> None:
        """End `run` at once; what was sent and not marked will be sent again, and found there."""
        self._stopping = True
        if self._run is not None:
            self._run.cancel()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._stopping

    def pause(self) -> None:
        """Stop reading, also after the pipeline has changed."""
        self._paused = True
        self.pipeline.engine.pause()

    def resume(self) -> None:
        """Read on."""
        self._paused = False
        self.pipeline.engine.resume()

    def sync_now(self) -> None:
        """Start a round without waiting for the interval, and look for new files first."""
        self.pipeline.store.search_soon()
        self.peers.search_soon()
        self.pipeline.engine.sync_now()

    def progress(self) -> Progress:
        """A snapshot, with counts since the host started."""
        progress = self.pipeline.engine.progress()
        return replace(progress, totals=_plus(self._before, progress.totals))

    def feeds(self) -> Sequence[FeedStatus]:
        """How every file stands."""
        return self.pipeline.feeds()

    def refuse(self, reason: str) -> None:
        """Note why a changed configuration is not in force."""
        self.config_problem = f"The changed configuration is refused, the old one stays: {reason}"

    async def apply(self, settings: "Settings") -> None:
        """Put a changed configuration in force, as far as it can be while running."""
        if self._trying is not None:
            self._trying.cancel()
            self._trying = None
        changed = diff(self._next or self.settings, settings)
        if needs_reconnect(changed) or not _SINK_KEYS.isdisjoint(changed):
            try:
                await self._reconnect(settings)
            except SensorTuiError as error:
                self.refuse(str(error))
                log.warning("%s", self.config_problem)
                if isinstance(error, SinkError):
                    self._trying = asyncio.ensure_future(self._try_again(settings))
                return
        elif self._next is not None:
            self._next = settings
        else:
            self.settings = settings
            self.pipeline.engine.configure(engine_options(settings))
        self._accepted(settings, changed)

    def _accepted(self, settings: "Settings", changed: Sequence[str]) -> None:
        later = [key for key in diff(self._first, settings) if key not in LIVE_KEYS]
        self.config_problem = None
        if changed:
            log.info("the configuration has changed: %s", ", ".join(changed))
        if later:
            self.config_problem = f"In force after a restart of the service: {', '.join(later)}"
            log.warning("%s", self.config_problem)

    async def _reconnect(self, settings: "Settings") -> None:
        """See that the new connection works, then drain the pipeline that has the old one.

        Raises:
            ConfigError, SinkError: it does not.
        """
        for sink in self._make_sinks(self._pinned(settings)):
            try:
                await sink.open()
            finally:
                await sink.close()
        self._next = settings
        self.pipeline.engine.drain()

    def _pinned(self, settings: "Settings") -> "Settings":
        """What a new pipeline takes: processors and archive stay as they were when the service started."""
        first = self._first
        return settings.model_copy(update={"processing": first.processing, "archive": first.archive})

    async def _try_again(self, settings: "Settings") -> None:
        while True:
            await self._clock.sleep(AGAIN_SECONDS)
            changed = diff(self.settings, settings)
            try:
                await self._reconnect(settings)
            except SensorTuiError as error:
                self.refuse(str(error))
            else:
                self._accepted(settings, changed)
                return

    async def _run_pipeline(self, pipeline: Pipeline) -> None:
        try:
            if self._stopping:
                return
            if self._paused:
                pipeline.engine.pause()
            run = self._run = asyncio.ensure_future(pipeline.run(continuous=True))
            try:
                await asyncio.wait({run})
            except asyncio.CancelledError:
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
                raise
            if not run.cancelled():
                run.result()
        finally:
            await pipeline.close()


def _alone(make_sink: MakeSink) -> Callable[["Settings"], Sequence[Sink]]:
    return lambda settings: [make_sink(settings)]


def _complain(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("peers are no more looked for: %s", error, exc_info=error)


def _plus(one: Totals, other: Totals) -> Totals:
    return Totals(
        **{each.name: getattr(one, each.name) + getattr(other, each.name) for each in fields(Totals)}
    )

"""A pipeline put together from the configuration: store, source, sinks and the engine between them."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.dry import DrySink
from sensor_tui.service.request import SyncRequest
from sensor_tui.sync.aggregate import Aggregation
from sensor_tui.sync.contract import Feed, Outlet, Sink, Source, Wish
from sensor_tui.sync.encode import Freshen
from sensor_tui.sync.engine import Engine, EngineOptions
from sensor_tui.sync.registry import connector
from sensor_tui.sync.stage import Stage

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.storage.store import SqliteStore
    from sensor_tui.sync.sources.sqlite import SqliteFeed

SINK: Final = "cosmos"
ANOMALIES: Final = "anomalies"
AGGREGATE: Final = "Aggregate"
ANOMALY: Final = "Anomaly"

_MOST_IN_FLIGHT: Final = 20_000
_LEAST_IN_FLIGHT: Final = 2_000
_MOST_PER_READ: Final = 500
_SALT_BYTES: Final = 8


class WatchedSource:
    """A source that says when it was asked for its feeds for the first time."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.polled = asyncio.Event()
        """Set once every file there was at the start has been looked at."""
        self.at_start: Sequence[FeedStatus] = ()
        """How every file stood then."""
        self._source = source

    async def open(self) -> None:
        await self._source.open()

    async def poll(self) -> Sequence[Feed]:
        feeds = await self._source.poll()
        if not self.polled.is_set():
            self.at_start = self._source.status()
            self.polled.set()
        return feeds

    async def close(self) -> None:
        await self._source.close()

    def status(self) -> Sequence[FeedStatus]:
        return self._source.status()


@dataclass(slots=True)
class Pipeline:
    """Open it, run it, close it; `run` may be called once."""

    request: SyncRequest
    store: "SqliteStore"
    source: WatchedSource
    engine: Engine
    _opened: bool = False

    async def open(self) -> None:
        """Open the store.

        Raises:
            StorageError: the ledger cannot be used.
        """
        await self.store.open()
        self._opened = True

    async def run(self, *, continuous: bool) -> None:
        """Upload; as `Engine.run`."""
        await self.engine.run(continuous=continuous)

    async def close(self) -> None:
        """Let go of files and locks; nothing where that was done."""
        if self._opened:
            self._opened = False
            await self.store.close()

    def feeds(self) -> Sequence[FeedStatus]:
        """How every file stands, from memory."""
        return self.source.status()

    def backlog(self) -> int:
        """Open readings of all files, as far as they are known."""
        return sum(feed.backlog for feed in self.feeds())


def build_pipeline(
    settings: "Settings",
    request: SyncRequest,
    clock: Clock,
    *,
    socket_hint: str = "",
    left_to: Callable[[str], str | None] = lambda _: None,
    freshen: Freshen | None = None,
) -> Pipeline:
    """Everything for one upload; nothing is opened yet.

    `socket_hint` is told to whoever finds the files owned by us; `left_to` says who is to have a file, where
    that is somebody else; `freshen` is for development mode.

    Raises:
        UsageError: there is no such file or folder, or the request contradicts itself.
        ConfigError: the configuration lacks endpoint or key, or holds values that cannot be used.
    """
    from sensor_tui.storage.store import SqliteStore

    check_request(request)
    outlets = outlets_of(settings, request, clock)
    processing = processing_of(settings, freshen)
    store = SqliteStore(
        request.root,
        clock=clock,
        state_dir=request.state_dir,
        lock=not request.dry_run,
        read_only=request.dry_run,
        socket_hint=socket_hint,
        place=request.place,
        left_to=left_to,
    )
    make_source = connector("source", "sqlite")
    options = {} if processing.aggregation is None else {"make_feed": _holding(processing.aggregation, clock)}
    names = [outlet.sink.name for outlet in outlets]
    source = WatchedSource(make_source(store, names, dry=request.dry_run, **options))
    engine = Engine(
        source,
        outlets,
        clock=clock,
        options=engine_options(settings),
        freshen=freshen,
        stages=processing.stages,
        aggregation=processing.aggregation,
    )
    engine.notices += processing.notices
    return Pipeline(request, store, source, engine)


def check_request(request: SyncRequest) -> None:
    """Refuse what cannot be done, before anything is touched.

    Raises:
        UsageError: there is no such file or folder, or the request contradicts itself.
    """
    if not request.root.exists():
        raise UsageError(
            f"{request.root}: no such file or folder", fix="Name the folder of the sensors' databases"
        )
    if request.dry_run and request.development:
        raise UsageError(
            "a dry run writes nothing, and development mode resets the tracking", fix="Choose one of the two"
        )


async def start_fresh(request: SyncRequest, clock: Clock) -> Freshen | None:
    """In development mode, open all rows again, once; what gives the documents of this run ids of their own.

    Raises:
        StorageError: the ledger or a file cannot be written.
    """
    if not request.development:
        return None
    from sensor_tui.storage.store import SqliteStore

    # a store of its own: what its look at the tree found is news to the one that is read from afterwards
    store = SqliteStore(request.root, clock=clock, state_dir=request.state_dir, place=request.place)
    try:
        await store.open()
        await store.scan()
        await store.reset_tracking()
    finally:
        await store.close()
    return Freshen(os.urandom(_SALT_BYTES), clock.now)


def engine_options(settings: "Settings") -> EngineOptions:
    """Bounds and times of the engine, from `performance` and `service`."""
    performance = settings.performance
    wanted = performance.batch_size * performance.max_parallel_operations
    return EngineOptions(
        rows_per_read=min(_MOST_PER_READ, performance.batch_size),
        max_in_flight=max(_LEAST_IN_FLIGHT, min(_MOST_IN_FLIGHT, wanted)),
        max_ru_per_second=performance.max_ru_per_second,
        interval=settings.interval_seconds,
        jitter=min(performance.upload_jitter_seconds, settings.interval_seconds / 2),
        drain_timeout=settings.service.drain_timeout_seconds,
    )


@dataclass(frozen=True, slots=True)
class Processing:
    """What is done to readings: the stages before the aggregation, and the aggregation where there is one."""

    stages: Sequence[Stage] = ()
    aggregation: Aggregation | None = None
    notices: Sequence[str] = ()


def processing_of(settings: "Settings", freshen: Freshen | None = None) -> Processing:
    """The processors of the configuration, in its order.

    Anomaly after Aggregate looks at the documents of windows. Schematize and Sanitize are about readings, and
    come before the aggregation wherever they stand.

    Raises:
        ConfigError: a processor is configured with values that cannot be used.
    """
    processors = settings.processing.processors
    if not processors:
        return Processing()
    from sensor_tui.service.stages import stages_of

    stages = stages_of(settings)
    if AGGREGATE not in processors:
        return Processing(stages)
    later = processors[processors.index(AGGREGATE) + 1 :]
    before = [stage for stage in stages if stage.name != ANOMALY or ANOMALY not in later]
    after = [stage for stage in stages if stage.name == ANOMALY and ANOMALY in later]
    moved = [name for name in later if name != ANOMALY]
    given = settings.processing.aggregation
    aggregation = Aggregation(
        seconds=given.window,
        lateness=given.lateness,
        quiet=given.quiet,
        after=after,
        ruled=any(stage.name == ANOMALY for stage in before),
        salt=b"" if freshen is None else freshen.salt,
    )
    notices = [f"{name} works on readings: it is done before Aggregate" for name in moved]
    return Processing(before, aggregation, notices)


def outlets_of(settings: "Settings", request: SyncRequest, clock: Clock) -> list[Outlet]:
    """Every sink of the configuration with what it is to have, not yet opened; dry ones for a dry run.

    Raises:
        ConfigError: a sink lacks what it needs, or has values that cannot be used.
    """
    outlets: list[Outlet] = []
    if request.dry_run:
        field = settings.cosmos.partition_key.removeprefix("/")
        names = [SINK, ANOMALIES] if routes_anomalies(settings) else [SINK]
        cosmos: Sequence[Sink] = [DrySink(name, field) for name in names]
    else:
        cosmos = cosmos_sinks(settings, clock)
    wishes = [Wish.ORDINARY, Wish.ANOMALOUS] if len(cosmos) > 1 else [Wish.EVERYTHING]
    outlets += [Outlet(sink, wish) for sink, wish in zip(cosmos, wishes, strict=True)]
    if settings.archive.path is not None:
        from sensor_tui.service.archive import archive_sink

        archive = archive_sink(settings, clock)
        if archive is not None:
            wish = Wish.RAW if settings.archive.what == "raw" else Wish.EVERYTHING
            sink = DrySink(archive.name, archive.key_field) if request.dry_run else archive
            outlets.append(Outlet(sink, wish, metered=False))
    return outlets


def routes_anomalies(settings: "Settings") -> bool:
    """Whether anomalous readings go to a container of their own."""
    processing = settings.processing
    return ANOMALY in processing.processors and processing.anomaly.action == "route"


def cosmos_sinks(settings: "Settings", clock: Clock) -> list[Sink]:
    """The Cosmos DB sinks of the configuration, not yet opened: readings, then anomalous ones.

    Raises:
        ConfigError: endpoint or key are missing or cannot be used, or both are the same container.
    """
    sinks = [cosmos_sink(settings, clock)]
    if routes_anomalies(settings):
        from sensor_tui.service.cosmos_options import cosmos_options
        from sensor_tui.service.stages import check_route

        check_route(settings)
        container = settings.processing.anomaly.container
        sink: Sink = connector("sink", SINK)(replace(cosmos_options(settings), container=container), clock)
        sink.name = ANOMALIES
        sinks.append(sink)
    return sinks


def cosmos_sink(settings: "Settings", clock: Clock) -> Sink:
    """The Cosmos DB sink of the configuration, not yet opened.

    Raises:
        ConfigError: endpoint or key are missing or cannot be used.
    """
    from sensor_tui.service.cosmos_options import cosmos_options

    sink: Sink = connector("sink", SINK)(cosmos_options(settings), clock)
    return sink


def _holding(aggregation: Aggregation, clock: Clock) -> "Callable[..., SqliteFeed]":
    from sensor_tui.sync.aggregate_feed import HoldingFeed

    return partial(HoldingFeed, aggregation=aggregation, clock=clock)

"""The service process: an engine that runs on, its API, and the configuration it follows."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.config import ConfigWatcher
from sensor_tui.errors import ConfigError, ExitCode, OwnedElsewhere, UsageError
from sensor_tui.fleet.process import ProcessRuntime
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.service.data import DataService
from sensor_tui.service.data_routes import DataRoutes
from sensor_tui.service.fleet import Fleet, docker_runtimes
from sensor_tui.service.fleet_routes import FleetRoutes
from sensor_tui.service.host import EngineHost
from sensor_tui.service.logfile import keep_small
from sensor_tui.service.operations import Operations
from sensor_tui.service.pipeline import check_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.retention import Retention
from sensor_tui.service.server import Server
from sensor_tui.service.signals import two_signals, without_hangup
from sensor_tui.service.sockets import Claim, claim
from sensor_tui.service.wire import StatusReport

if TYPE_CHECKING:
    from sensor_tui.config import Loaded, Settings

log = logging.getLogger(__name__)

OnStatus = Callable[[StatusReport], None]
Reload = Callable[[], "Loaded"]

_STATUS_SECONDS: Final = 1.0
_OWNERS_SECONDS: Final = 5.0
_LEVELS: Final = {"TRACE": logging.DEBUG}


async def run_service(
    loaded: "Loaded",
    request: SyncRequest,
    *,
    clock: Clock | None = None,
    listen: str | None = None,
    reload: Reload | None = None,
    on_status: OnStatus | None = None,
    ready: Callable[[str], None] | None = None,
) -> ExitCode:
    """Upload and serve the API until SIGTERM or SIGINT; the first drains, a second ends it at once.

    Args:
        loaded: the configuration; its files are watched as it says.
        request: which files.
        clock: what tells the time.
        listen: `host:port` to serve on as well, in place of `service.listen`.
        reload: reads the configuration again once a file of it has changed; `loaded.reload` where None.
        on_status: told once a second how things stand, without the single sensors.
        ready: told the path of the socket once it answers.

    Raises:
        UsageError, ConfigError: what was asked for cannot be done.
        OwnedElsewhere: another service has this root, or other engines have every file under it and there
            are no units.
        StorageError: the ledger cannot be used.
        ServiceError: socket or port cannot be had.
    """
    from sensor_tui.storage.ledger_db import state_folder

    if request.dry_run:
        raise UsageError("a dry run is a single pass", fix="Leave out --continuous or --dry-run")
    check_request(request)
    clock = clock or SystemClock()
    address = _address(loaded.settings, listen)
    state = state_folder(request.root.absolute(), request.state_dir)
    claimed = claim(state, group=loaded.settings.service.socket_group)
    try:
        host = EngineHost(loaded.settings, request, clock, socket_hint=str(claimed.path))
        service = Service(host, request, claimed, clock)
        with without_hangup(), two_signals(service.stop, host.abort):
            await service.run(loaded, address=address, reload=reload, on_status=on_status, ready=ready)
    finally:
        claimed.release()
    return ExitCode.OK


class Service:
    """An engine host with everything around it."""

    def __init__(self, host: EngineHost, request: SyncRequest, claimed: Claim, clock: Clock) -> None:
        self._host = host
        self._request = request
        self._claimed = claimed
        self._clock = clock
        self._operations = Operations(host, clock)
        root, state = request.root.absolute(), claimed.state
        processes = ProcessRuntime(state, root, clock)
        engines = docker_runtimes(host.settings.fleet, root, state, clock)
        self._fleet = Fleet(
            host, self._operations.board, root, state, clock, processes=processes, engines=engines
        )
        self._data = DataService(self._operations, request, clock, units=self._fleet.units)
        self._helpers: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Drain, then end."""
        log.info("stopping after what is under way")
        self._host.stop()

    async def run(
        self,
        loaded: "Loaded",
        *,
        address: tuple[str, int] | None,
        reload: Reload | None,
        on_status: OnStatus | None,
        ready: Callable[[str], None] | None,
    ) -> None:
        """Run until stopped; raises as `run_service`. Units run on afterwards."""
        server = Server(self._operations, FleetRoutes(self._fleet), DataRoutes(self._data))
        await self._host.open()
        retention = Retention(self._host, self._request, self._clock)
        try:
            await retention.prepare()
        except BaseException:
            await self._host.close()
            raise
        engine = asyncio.ensure_future(self._host.run())
        try:
            await self._fleet.open()
            await server.serve_socket(self._claimed.listener)
            if address is not None:
                host, port = await server.serve_tcp(address, self._host.settings.service.token)
                log.info("listening on %s:%d", host, port)
            self._help(self._operations.board.watch())
            self._help(self._operations.count_letters())
            self._help(self._operations.record_history())
            self._help(self._follow_configuration(loaded, reload))
            self._help(keep_small(self._claimed.state, self._clock))
            self._help(retention.run())
            self._data.start()
            if on_status is not None:
                self._help(self._tell(on_status))
            if ready is not None:
                ready(str(self._claimed.path))
            watch = asyncio.ensure_future(self._watch_owners())
            self._helpers.append(watch)
            await asyncio.wait([engine, watch], return_when=asyncio.FIRST_COMPLETED)
            (watch if watch.done() else engine).result()
        finally:
            for task in (*self._helpers, engine):
                task.cancel()
            await asyncio.gather(*self._helpers, engine, return_exceptions=True)
            await self._fleet.close()
            await self._data.close()
            await self._host.close()
            await server.close()

    def _check_owners(self) -> None:
        feeds = self._host.feeds()
        others = self._fleet.units() or self._host.peers.attached or self._request.place is not None
        if not feeds or others or not all(feed.owner for feed in feeds):
            return
        owners = "; ".join(sorted({feed.owner for feed in feeds if feed.owner})[:3])
        raise OwnedElsewhere(
            f"Every sensor file under {self._request.root} belongs to another engine: {owners}",
            fix="Stop that one first, or leave these files to it",
        )

    async def _watch_owners(self) -> None:
        """End where there is nothing for us to do; at once when that is so from the beginning."""
        await self._host.pipeline.source.polled.wait()
        while True:
            self._check_owners()
            await self._clock.sleep(_OWNERS_SECONDS)

    async def _tell(self, on_status: OnStatus) -> None:
        while True:
            on_status(self._operations.board.head())
            await self._clock.sleep(_STATUS_SECONDS)

    async def _follow_configuration(self, loaded: "Loaded", reload: Reload | None) -> None:
        watcher = ConfigWatcher(loaded, clock=self._clock)
        async for change in watcher.changes():
            try:
                if isinstance(change, ConfigError):
                    raise change
                settings = (change if reload is None else reload()).settings
            except ConfigError as error:
                self._host.refuse(error.message)
                continue
            before = self._host.settings
            await self._host.apply(settings)
            set_level(before, self._host.settings)

    def _help(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(_complain)
        self._helpers.append(task)


def set_level(before: "Settings", after: "Settings") -> None:
    """Follow a changed log level, unless another one was asked for on the command line."""
    logger = logging.getLogger("sensor_tui")
    old, new = before.logging.level, after.logging.level
    if old != new and logger.level == _LEVELS.get(old, logging.getLevelName(old)):
        logger.setLevel(_LEVELS.get(new, new))


def _address(settings: "Settings", listen: str | None) -> tuple[str, int] | None:
    if listen is None:
        return settings.service.address
    from sensor_tui.config.values import listen_address

    try:
        return listen_address(listen)
    except ValueError as error:
        raise UsageError(f"--listen {listen}: {error}") from None


def _complain(task: "asyncio.Task[None]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        error = task.exception()
        if error is not None:
            log.error("part of the service failed: %s", error, exc_info=error)

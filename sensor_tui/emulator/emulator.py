"""The local endpoint itself: start it, stop it, look into it, and change it while it runs."""

import asyncio
import errno
import logging
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from sensor_tui.emulator.auth import Gate
from sensor_tui.emulator.budget import Budgets, Second
from sensor_tui.emulator.catalog import Container, Json, Range
from sensor_tui.emulator.control import Control
from sensor_tui.emulator.faults import Faults
from sensor_tui.emulator.resources import Resources
from sensor_tui.emulator.server import Dispatcher, HttpServer
from sensor_tui.emulator.settings import EmulatorSettings
from sensor_tui.emulator.store import Store
from sensor_tui.errors import UsageError
from sensor_tui.model.clock import Clock, SystemClock

log = logging.getLogger(__name__)

Stats = dict[tuple[int, str], dict[int, Second]]


class Emulator:
    """A Cosmos endpoint of one's own. Everything here is called on the loop it was started on.

    `stats` is {(container number, range id): {second of the clock: Second}}; `seconds` is the same for one
    container.
    """

    def __init__(self, settings: EmulatorSettings, *, clock: Clock | None = None) -> None:
        settings.check()
        self.settings = settings
        self.faults = Faults()
        self._clock = clock or SystemClock()
        self._runner: web.ServerRunner | None = None
        self._store: Store | None = None
        self._port = settings.port
        self.certificate: str | None = None
        self._budgets = Budgets(self._clock, settings.ru_per_second)
        self._dispatcher: Dispatcher | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Where it listens; with port 0 known once it is started."""
        host = "127.0.0.1" if self.settings.host in {"0.0.0.0", ""} else self.settings.host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.settings.tls else 'http'}://{host}:{self._port}"

    @property
    def key(self) -> str:
        """The account's key."""
        return self.settings.key

    @property
    def store(self) -> Store:
        """Its file.

        Raises:
            RuntimeError: it is not started.
        """
        if self._store is None:
            raise RuntimeError("The emulator is not started")
        return self._store

    async def start(self) -> None:
        """Open the file and listen.

        Raises:
            UsageError: the address cannot be had, or TLS without its package.
            StorageError: the file cannot be used.
        """
        context = self._tls()
        self.faults.closed = False
        self._store = Store(self.settings.database_path())
        resources = Resources(self.settings, self._store, self._budgets)
        gate = Gate(self.settings.key_bytes(), self.settings.aad_token)
        dispatcher = Dispatcher(self._store, self._budgets, self.faults, gate, resources, self._clock)
        self._dispatcher = dispatcher
        handler = Control(self, dispatcher.handle).handle if self.settings.control else dispatcher.handle
        # What is running when it stops (a held request, a long query) is cut off, as it would be by a crash.
        self._runner = web.ServerRunner(HttpServer(handler), shutdown_timeout=1.0)
        try:
            await self._runner.setup()
            site = web.TCPSite(
                self._runner, self.settings.host, self.settings.port, ssl_context=context, backlog=1024
            )
            await site.start()
        except OSError as error:
            await self.stop()
            raise self._cannot_listen(error) from None
        self._port = self._runner.addresses[0][1]
        log.info("Local Cosmos endpoint listens on %s", self.url)

    def _cannot_listen(self, error: OSError) -> UsageError:
        where = f"{self.settings.host}:{self.settings.port}"
        if error.errno == errno.EADDRINUSE:
            return UsageError(
                f"Port {self.settings.port} of {self.settings.host} is in use",
                fix="Stop what listens there, or give --port another number (0 takes any free one)",
            )
        return UsageError(
            f"Cannot listen on {where}: {error.strerror or error}", fix="Give another --host or --port"
        )

    def _tls(self) -> ssl.SSLContext | None:
        if not self.settings.tls:
            return None
        from sensor_tui.emulator.tls import server_context

        context, self.certificate = server_context(self.settings)
        return context

    async def stop(self) -> None:
        """Close connections and the file; requests that are held are broken off undone."""
        self.faults.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._store is not None:
            self._store.close()
            self._store = None
        if self.certificate is not None and self.settings.data is None:
            # A certificate of an endpoint in memory goes with it, and so does its key.
            shutil.rmtree(Path(self.certificate).parent, ignore_errors=True)
            self.certificate = None

    def container(self, db: str, coll: str) -> Container:
        """A container by the names of its database and itself.

        Raises:
            KeyError: there is none.
        """
        return self.store.containers[db, coll]

    def ranges(self, db: str, coll: str) -> list[Range]:
        """The live partition key ranges of a container, in order."""
        return list(self.container(db, coll).ranges)

    def documents(self, db: str, coll: str) -> list[Json]:
        """Every document of a container, for assertions."""
        container = self.container(db, coll)
        found: list[Json] = []
        for one in container.ranges:
            rows = self.store.shelf(container, one).scan(0, -1)
            found += [orjson.loads(body) for _, _, body in rows]
        return found

    def count(self, db: str, coll: str) -> int:
        """How many documents a container has."""
        container = self.container(db, coll)
        return sum(self.store.shelf(container, one).count() for one in container.ranges)

    def split(self, db: str, coll: str, range_id: str) -> tuple[Range, Range]:
        """Split a range; the id of the old one is gone.

        Raises:
            KeyError: no such container or range.
        """
        container = self.container(db, coll)
        one = container.range_by_id(range_id)
        if one is None or self._dispatcher is None:
            raise KeyError(range_id)
        return self._dispatcher.split(container, one)

    def set_ru(
        self,
        range_id: str | None,
        ru_per_second: float | None,
        *,
        db: str | None = None,
        coll: str | None = None,
    ) -> int:
        """Change budgets: of a range (what it alone may spend) or of whole containers; the ranges changed.

        None is unlimited. Without `db` and `coll` every container is meant.
        """
        meant = [
            one
            for (database, name), one in self.store.containers.items()
            if db in {None, database} and coll in {None, name}
        ]
        return self._budgets.set(meant, range_id, ru_per_second)

    def range_budget(self, container: Container, one: Range) -> float | None:
        """What a range may spend in a second; None is unlimited."""
        return self._budgets.meter(container, one).per_second

    @property
    def stats(self) -> Stats:
        """What every range did in every second (the last hour of each)."""
        return {key: dict(seconds) for key, seconds in self._budgets.seconds.items()}

    def seconds(self, db: str, coll: str) -> dict[str, dict[int, Second]]:
        """The statistics of one container: {range id: {second: Second}}."""
        number = self.container(db, coll).number
        return {range_id: seconds for (owner, range_id), seconds in self.stats.items() if owner == number}

    def totals(self) -> Second:
        """Everything ever counted, added up."""
        total = Second()
        for seconds in self._budgets.seconds.values():
            for second in seconds.values():
                total.add(second)
        return total


async def serve(
    settings: EmulatorSettings,
    *,
    ready: Callable[[str], None] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Run an endpoint until `stop` is set (for ever without it); `ready` is told the URL.

    Raises:
        UsageError: it cannot be started as asked.
        StorageError: its file cannot be used.
    """
    async with Emulator(settings) as emulator:
        if emulator.certificate is not None:
            log.info("Clients trust it with the certificate %s", emulator.certificate)
        if ready is not None:
            ready(emulator.url)
        await (stop or asyncio.Event()).wait()

"""What a service knows about readings: series, checks and queries."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sensor_tui.errors import UsageError
from sensor_tui.model.check import Check, CheckInfo
from sensor_tui.model.clock import Clock
from sensor_tui.model.sensor import Series
from sensor_tui.model.table import Table
from sensor_tui.model.unit import Unit
from sensor_tui.service.merge import key_of
from sensor_tui.service.operations import Operations
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.series import SeriesReaders

if TYPE_CHECKING:
    from sensor_tui.service.diagnostics import Diagnostics
    from sensor_tui.storage.latest import Place

log = logging.getLogger(__name__)


class DataService:
    """Answers questions about readings, and looks at the files of a running service for its board.

    Args:
        operations: the running service.
        request: which files it is for.
        clock: what tells the time.
        units: the units there are now, for diagnostics.
    """

    def __init__(
        self,
        operations: Operations,
        request: SyncRequest,
        clock: Clock,
        *,
        units: Callable[[], Sequence[Unit]] = tuple,
    ) -> None:
        self._operations = operations
        self._request = request
        self._clock = clock
        self._units = units
        self._series = SeriesReaders(clock)
        self._sampling: asyncio.Task[None] | None = None
        self._diagnostics: Diagnostics | None = None

    def start(self) -> None:
        """Look at files as they change, from now on."""
        if self._sampling is None:
            self._sampling = asyncio.ensure_future(self._operations.sampler.run())
            self._sampling.add_done_callback(_complain)

    async def close(self) -> None:
        """Stop looking, and let go of every file; before the service's own files are closed."""
        task, self._sampling = self._sampling, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._operations.sampler.close()
        self._series.close()
        diagnostics, self._diagnostics = self._diagnostics, None
        if diagnostics is not None:
            await diagnostics.close()

    async def series(
        self,
        sensor: str,
        measure: str | None = None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        """Values of a measure of a sensor by its key, thinned to about so many points.

        Raises:
            UsageError: there is no such sensor or measure.
            SourceFileError: one of its files cannot be used.
        """
        places = self._places_of(sensor)
        return await self._series.read(sensor, places, measure, since=since, until=until, points=points)

    def recent(self, points: int) -> dict[str, list[float]]:
        """The last values of every sensor's first measure, by sensor key, from its file written last."""
        chosen: dict[str, tuple[float, list[float]]] = {}
        for feed in self._operations.feeds():
            values = self._operations.sampler.recent(feed.source, points)
            newest = feed.newest or 0.0
            key = key_of(feed)
            if values and (key not in chosen or newest > chosen[key][0]):
                chosen[key] = (newest, values)
        return {key: values for key, (_, values) in chosen.items()}

    def checks(self) -> list[CheckInfo]:
        """Every check there is, in order."""
        from sensor_tui.service.diagnostics import list_checks

        return list_checks()

    async def check(self, name: str) -> Check:
        """Make one check, and those that it stands on.

        Raises:
            UsageError: there is none of that name.
        """
        return await self._diagnosing().run_check(name)

    async def query(self, source: str | None, sql: str, limit: int) -> Table:
        """Rows of one SQLite file, by its path relative to the data root, or of Cosmos where None.

        Raises:
            UsageError: the query is not understood, would change something, or there is no such file.
            SourceFileError, StorageError, SinkError, ConfigError: it cannot be answered.
        """
        if source is None:
            from sensor_tui.service.query_cosmos import query_cosmos

            return await query_cosmos(self._operations.host.settings, self._clock, sql, limit=limit)
        from sensor_tui.service.query import query_file

        known = {place.key: place for place in self._operations.places()}.get(source)
        return await query_file(self._request.root, source, sql, self._clock, limit=limit, known=known)

    def _places_of(self, sensor: str) -> list["Place"]:
        sources = {feed.source for feed in self._operations.feeds() if key_of(feed) == sensor}
        places = [place for place in self._operations.places() if place.key in sources]
        if not places:
            name = sensor.strip("\x00").split("\x00")[0]
            raise UsageError(
                f"There is no sensor {name!r} whose file is read here",
                fix="See 'sensor-tui status' for those there are",
            )
        return places

    def _diagnosing(self) -> "Diagnostics":
        if self._diagnostics is None:
            from sensor_tui.service.diagnostics import Diagnostics
            from sensor_tui.service.diagnostics.context import of_service

            self._diagnostics = Diagnostics(
                of_service(self._operations, self._request, self._clock, self._units)
            )
        return self._diagnostics


def _complain(task: "asyncio.Task[None]") -> None:
    with contextlib.suppress(asyncio.CancelledError):
        error = task.exception()
        if error is not None:
            log.error("sensors are no more looked at: %s", error, exc_info=error)

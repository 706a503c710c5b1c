"""Following one peer: what it says, whether it still does, and what it is asked to do."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import SensorTuiError, ServiceError
from sensor_tui.model.clock import Clock
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState, Totals
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.merge import epoch, iso
from sensor_tui.service.peers_find import Found, reachable
from sensor_tui.service.sockets import find_socket
from sensor_tui.service.wire import PeerReport, SensorReport, StatusReport, TotalsReport

if TYPE_CHECKING:
    from sensor_tui.service.client import ServiceClient, Update

log = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 5.0
"""How often a peer that cannot be spoken to is tried again."""
_HELD: Final = frozenset({EngineState.PAUSED, EngineState.DRAINING, EngineState.STOPPED})
_BROKEN: Final = frozenset({EngineState.REFUSED, EngineState.UNREACHABLE})
_BARRED: Final = "its state folder is not for this user. Run uploaders as the user of this service (`user:`)"


class Peer:
    """One folder's service, as it last spoke; `changed` is called when it comes or goes.

    What it says of the world is kept when it goes away: it is old then, and `link` says so.
    """

    def __init__(self, found: Found, clock: Clock, changed: Callable[[], None]) -> None:
        self.found = found
        self.link = PeerLink.LOST
        self.problem = ""
        self.since: float | None = clock.now()
        """Since when it is not live, in seconds since the epoch; None where it is."""
        self.spoke = False
        """Whether it ever did."""
        self.report: StatusReport | None = None
        """As it last was; its single sensors are in `feeds`."""
        self.feeds: dict[str, FeedStatus] = {}
        """Files it uploads, by their key here."""
        self.waits_for: frozenset[str] = frozenset()
        """Files it says that others have, by their key here."""
        self.totals = Totals()
        """What it did since it was first followed."""
        self._clock = clock
        self._changed = changed
        self._keys: dict[str, tuple[str, ...]] = {}
        """Files of each of its sensors, by the sensor's key there."""
        self._waits: dict[str, str] = {}
        self._counted: tuple[str, TotalsReport] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Its folder, relative to the data root."""
        return self.found.name

    @property
    def live(self) -> bool:
        """Whether what is known of it is true now."""
        return self.link is PeerLink.LIVE

    @property
    def held(self) -> bool:
        """Whether waiting for its uploads is no use."""
        return not self.live or (self.report is not None and self.report.engine.state in _HELD)

    @property
    def idle(self) -> str:
        """Why it uploads nothing; empty where that goes on."""
        if not self.live:
            return f"the uploader of {self.name} {self.problem or 'does not answer'}"
        engine = None if self.report is None else self.report.engine
        if engine is None or engine.state not in _HELD | _BROKEN:
            return ""
        return f"the uploader of {self.name} is {engine.state}" + (
            f": {engine.reason}" if engine.reason else ""
        )

    def meet(self, found: Found) -> None:
        """It was found, again perhaps: follow it, where that is not being done."""
        moved = found.place != self.found.place
        self.found = found
        if found.barred:
            self._say(PeerLink.REFUSED, _BARRED)
        elif found.socket is None:
            self._leave("was stopped")
        elif moved or self._task is None or self._task.done():
            self._stop()
            self._task = asyncio.ensure_future(self._follow())
            self._task.add_done_callback(_complain)

    def lose(self) -> None:
        """Its folder is no more."""
        self._leave("is gone")

    async def close(self) -> None:
        """Follow it no more."""
        task = self._task
        self._stop()
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def summary(self) -> PeerReport:
        """It as others see it."""
        report = self.report
        lag = None if report is None else report.lag_seconds
        at = None if report is None else epoch(report.at)
        return PeerReport(
            name=self.name,
            link=self.link,
            problem=self.problem,
            since=iso(self.since),
            engine=None if report is None else report.engine,
            backlog=None if report is None else report.backlog,
            oldest_open=None if lag is None or at is None else iso(round(at - lag, 3)),
            dead_letters=None if report is None else report.dead_letters,
            sensors=len(self._keys),
        )

    @asynccontextmanager
    async def client(self) -> AsyncIterator["ServiceClient"]:
        """A client of it, for as long as it is needed.

        Raises:
            ServiceError: it is not there.
        """
        socket = self.found.socket
        if socket is None or not self.live:
            raise ServiceError(self.idle, fix="Start it again, or wait until it is back")
        async with self._client() as client:
            yield client

    @asynccontextmanager
    async def _client(self) -> AsyncIterator["ServiceClient"]:
        from sensor_tui.service.client import ServiceClient

        if self.found.socket is None:
            raise ServiceError(f"the uploader of {self.name} has no socket")
        with reachable(self.found.socket) as path:
            async with ServiceClient(path, clock=self._clock) as client:
                yield client

    async def _follow(self) -> None:
        """Take every event until it is gone for good."""
        while True:
            try:
                async with self._client() as client:
                    async for update in client.events():
                        if update.kind != "lost":
                            self._take(update)
                        elif self._is_gone():
                            self._leave("was stopped")
                            return
                        elif self.link is not PeerLink.GONE:
                            self._say(PeerLink.LOST, f"does not answer: {update.why}")
            except SensorTuiError as error:
                if self._is_gone():
                    self._leave("was stopped")
                    return
                self._say(PeerLink.REFUSED, str(error))
            await self._clock.sleep(AGAIN_SECONDS)

    def _is_gone(self) -> bool:
        return find_socket(self.found.state) is None

    def _take(self, update: "Update") -> None:
        if update.kind == "goodbye":
            self._leave("was stopped")
            return
        report = update.report
        if report is None:
            return
        if update.kind == "snapshot":
            for key in self._keys.keys() - {sensor.key for sensor in report.sensors}:
                self._forget(key)
        for key in update.gone:
            self._forget(key)
        for sensor in update.changed:
            self._forget(sensor.key)
            files = {feed.source: feed for feed in feeds_of(self.name, sensor)}
            if sensor.owner is not None and not sensor.engine:
                self._waits[sensor.key] = f"{self.name}/{sensor.source}"
            self._keys[sensor.key] = tuple(files)
            self.feeds.update(files)
        self.report = report
        self.waits_for = frozenset(self._waits.values())
        self._count(report)
        self.spoke = True
        self._say(PeerLink.LIVE, "")

    def _forget(self, key: str) -> None:
        self._waits.pop(key, None)
        for source in self._keys.pop(key, ()):
            self.feeds.pop(source, None)

    def _count(self, report: StatusReport) -> None:
        """Add what it did since the last time; all of it where it was started since."""
        totals = report.engine.totals
        if totals is None:
            return
        before = TotalsReport() if self._counted is not None else totals
        if self._counted is not None and self._counted[0] == report.instance:
            before = self._counted[1]
        self._counted = (report.instance, totals)
        self.totals = Totals(
            **{
                each.name: getattr(self.totals, each.name)
                + max(0, getattr(totals, each.name) - getattr(before, each.name))
                for each in fields(Totals)
            }
        )

    def _leave(self, why: str) -> None:
        self._say(PeerLink.GONE, why)

    def _say(self, link: PeerLink, problem: str) -> None:
        if (link, problem) == (self.link, self.problem):
            return
        before, self.link, self.problem = self.link, link, problem
        if link is PeerLink.LIVE:
            self.since = None
            log.info("the uploader of %s answers", self.name)
        else:
            if before is PeerLink.LIVE or self.since is None:
                self.since = self._clock.now()
            if self.spoke or link is PeerLink.REFUSED:
                log.warning("the uploader of %s %s", self.name, problem)
        self._changed()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None


def feeds_of(folder: str, sensor: SensorReport) -> Iterator[FeedStatus]:
    """A sensor of a peer as its files are known here; nothing of one that yet another engine has.

    All it says is said of the file with the newest reading; the others only count.
    """
    if sensor.owner is not None and not sensor.engine:
        return
    yield FeedStatus(
        source=f"{folder}/{sensor.source}",
        sensor_id=sensor.sensor_id,
        city=sensor.city or "",
        backlog=sensor.backlog or 0,
        oldest_open=epoch(sensor.oldest_open),
        # As of when the backlog was counted: a later one may be among those that were not.
        newest=epoch(sensor.newest_counted),
        dead_letters=sensor.dead_letters or 0,
        problem=sensor.problem,
        values=sensor.values,
        anomaly=sensor.anomaly,
        anomalies=sensor.anomalies,
        rate=sensor.rate,
        cadence=sensor.cadence_seconds,
        flat=sensor.flat,
        engine=folder,
        held=sensor.held,
    )
    for source in sensor.sources:
        if source != sensor.source:
            yield FeedStatus(
                f"{folder}/{source}", sensor.sensor_id, sensor.city or "", 0, None, None, engine=folder
            )


def added(totals: Iterable[Totals]) -> Totals:
    """Counts of several engines together."""
    every = list(totals)
    return Totals(**{each.name: sum(getattr(one, each.name) for one in every) for each in fields(Totals)})


def _complain(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a peer is no more followed: %s", error, exc_info=error)

"""Following a fleet: the events of its service, and a look at files and units while there is none."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sensor_tui.cli.monitor_facts import Choice, Facts, Link, Seen, Source, facts_of, misfit
from sensor_tui.cli.monitor_units import UnitsLook
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.clock import Clock
from sensor_tui.service.broken import why

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.service.client import ServiceClient
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.wire import StatusReport

FILES_NOTE: Final = "Files and units are looked at; rates are not known without a service."
_AGAIN_SECONDS: Final = 1.0
"""Between two attempts to speak to a service that does not answer."""
_LOOK_SHARE: Final = 4
"""A look rests for so many times as long as it took."""


class Watch:
    """Knows how a fleet stands, from whoever can say it.

    Args:
        settings: the configuration in force.
        request: which files are meant.
        clock: what tells the time.
        interval: seconds between two looks where no service runs.
        tell: takes a line when the service goes away or comes back.
    """

    def __init__(
        self,
        settings: "Settings",
        request: "SyncRequest",
        clock: Clock,
        *,
        interval: float,
        tell: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._request = request
        self._clock = clock
        self._interval = interval
        self._tell = tell
        self._seen: Seen | None = None
        self._came = 0.0
        self._link: Link | None = None
        self.changed = asyncio.Event()
        """Set when the first report is there, and when the service goes away or comes back."""

    def facts(self, choice: Choice) -> Facts | None:
        """What is known now; None while that is nothing."""
        if self._seen is None:
            return None
        elapsed = max(0.0, self._clock.monotonic() - self._came)
        return facts_of(self._seen, choice, elapsed=elapsed, now=self._stamp())

    def misfit(self, choice: Choice) -> str:
        """What is said where nothing that is known fits; empty where something does."""
        return "" if self._seen is None else misfit(self._seen.report, choice)

    async def once(self) -> None:
        """Find out how the fleet stands, and no more.

        Raises:
            UsageError: there is no such file or folder.
            ServiceError: a service runs and cannot be spoken to.
            StorageError: the ledger cannot be read.
        """
        client = await self._attach()
        if client is None:
            async with UnitsLook(self._settings, self._request, self._clock) as units:
                await self._look(units)
            return
        async with client:
            self._take(await client.status())

    async def run(self) -> None:
        """Go on finding out, until cancelled; raises as `once` does while nothing is known."""
        async with AsyncExitStack() as stack:
            units: UnitsLook | None = None
            while True:
                began = self._clock.monotonic()
                pause = min(_AGAIN_SECONDS, self._interval)
                try:
                    client = await self._attach()
                    if client is None:
                        if units is None:
                            look = UnitsLook(self._settings, self._request, self._clock)
                            units = await stack.enter_async_context(look)
                        await self._look(units)
                        pause = max(self._interval, _LOOK_SHARE * (self._clock.monotonic() - began))
                    else:
                        await stack.aclose()  # the service has an eye on the units
                        units = None
                        async with client:
                            await self._follow(client)
                except SensorTuiError as error:
                    if self._seen is None:
                        raise
                    broken = why(error.__cause__)
                    self._lose(f"The service does not answer: {broken}" if broken else error.message)
                await self._clock.sleep(pause)

    async def _attach(self) -> "ServiceClient | None":
        from sensor_tui.service.attach import attach
        from sensor_tui.service.pipeline import check_request

        check_request(self._request)
        return await asyncio.to_thread(attach, self._request, self._clock)

    async def _follow(self, client: "ServiceClient") -> None:
        """Take what the service says, until it says no more."""
        async with aclosing(client.events()) as updates:
            async for update in updates:
                if update.kind == "goodbye":
                    self._lose("The service has stopped")
                    return
                if update.kind == "lost":
                    if self._seen is None:
                        self._take(await client.status())
                    self._lose(f"The service does not answer: {update.why}")
                    return
                if update.report is not None and update.kind != "heartbeat":
                    self._take(update.report)

    async def _look(self, units: UnitsLook) -> None:
        from sensor_tui.service.status import look

        report = await look(self._request, self._clock)
        hosts, found = await units.now()
        report = report.model_copy(update={"hosts": hosts, "units": found})
        if self._link not in {None, Link.NONE}:
            self._tell("No service runs any more; files and units are looked at until one does.")
        note = FILES_NOTE
        if not report.sensors:
            note = f"No sensor database was found in {self._request.root}. {note}"
        self._show(Seen(report, Source.FILES, Link.NONE, note))

    def _take(self, report: "StatusReport") -> None:
        if self._link not in {None, Link.LIVE}:
            self._tell("The service answers again.")
        self._show(Seen(report, Source.SERVICE, Link.LIVE))

    def _lose(self, why: str) -> None:
        """What is known stays, as it was."""
        seen = self._seen
        assert seen is not None
        if self._link is Link.LIVE:
            self._tell(f"{why}; what was known last is shown for now.")
        if seen.link is not Link.LOST:
            self._seen = Seen(seen.report, seen.source, Link.LOST, f"{why}.")
            self._link = Link.LOST
            self.changed.set()

    def _show(self, seen: Seen) -> None:
        self._seen, self._came = seen, self._clock.monotonic()
        if seen.link is not self._link:
            self._link = seen.link
            self.changed.set()

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

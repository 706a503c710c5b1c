"""What the demo does: sensors, endpoint and sync as processes in one folder, watched, counted at the end."""

import asyncio
import math
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli import logs
from sensor_tui.cli.children import Child, ChildEnded, Children
from sensor_tui.cli.demo_parts import (
    Plan,
    configure,
    count_documents,
    endpoint_command,
    environment,
    planned,
    sync_command,
)
from sensor_tui.cli.live import StatusLine
from sensor_tui.cli.output import age, count, is_terminal, say
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.clock import Clock, SystemClock

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.wire import StatusReport

LINE_SECONDS: Final = 5.0
CATCH_UP_SECONDS: Final = 60.0
STOP_SYNC_SECONDS: Final = 40.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; `reason` says why it is not equal where that is known."""

    sensors: int
    readings: int
    documents: int
    throttled: int
    request_units: float
    seconds: float
    reason: str = ""

    @property
    def equal(self) -> bool:
        """Whether every reading became a document."""
        return self.readings == self.documents and not self.reason

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"equal": self.equal, "request_units": round(self.request_units, 2)}


async def rehearse(plan: Plan, folder: Path, lines: logs.LineHandler, *, fold_lines: bool) -> Outcome:
    """Run the whole of it; until the plan's time is over, or SIGINT, SIGTERM or SIGHUP.

    A second signal skips the catching up. `fold_lines` leaves the terminal's status line out.
    Raises ChildEnded where a process ends that should run.
    """
    stage = Stage(plan, folder, SystemClock())
    with stage.until_signalled():
        async with Children(folder=folder, env=environment(os.environ)) as children:
            screen = None if fold_lines or not is_terminal(sys.stderr) else StatusLine(SystemClock())
            try:
                if screen is None:
                    return await stage.play(children, Told(stage.clock))
                with logs.above(lines, screen.write):
                    return await stage.play(children, screen)
            finally:
                if screen is not None:
                    screen.close()


class Told:
    """Where there is no terminal: a line every few seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = float("-inf")

    def draw(self, text: str) -> None:
        """Take the latest state."""
        now = self._clock.monotonic()
        if now - self._at >= LINE_SECONDS:
            self._at = now
            say(text)

    def write(self, line: str) -> None:
        """Say something besides."""
        say(line)


class Stage:
    """One run of the demo."""

    def __init__(self, plan: Plan, folder: Path, clock: Clock) -> None:
        self.plan = plan
        self.folder = folder
        self.clock = clock
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._begun = clock.monotonic()
        self._expected = plan.cities * plan.sensors
        self._last: StatusReport | None = None
        self._readings: int | None = None
        """What the sensors wrote, once they have stopped."""

    def until_signalled(self) -> "Signals":
        """Let signals end it."""
        return Signals(self._stop, self._hurry)

    async def play(self, children: Children, screen: "StatusLine | Told") -> Outcome:
        """From the first process to the verdict."""
        endpoint = await children.start("endpoint", endpoint_command(self.plan))
        about = await endpoint.answer()
        settings, request = configure(self.folder, about)
        sensors = [
            await children.start(one.sensor_id, one.command(self.plan, "--json"))
            for one in planned(self.plan)
        ]
        sync = await children.start("sync", sync_command(self.plan), {"COSMOS_KEY": about["key"]})
        screen.write(
            f"{count(len(sensors), 'sensor')} in {self.folder / 'data'}, endpoint {about['endpoint']}"
            f" limited to {self.plan.limit:,.0f} RU/s. Ctrl-C ends it."
        )
        await self._watch(children, [endpoint, sync, *sensors], screen, settings, request)
        readings = self._readings = await self._stop_sensors(sensors)
        screen.write(
            f"The sensors stopped after {count(readings, 'reading')}. Waiting for the rest to arrive."
        )
        reason = await self._catch_up(children, [endpoint, sync], screen, settings, request)
        code = await sync.stop(STOP_SYNC_SECONDS)
        if code and not reason:
            reason = str((await sync.ended()).message)
        documents = await count_documents(about)
        await endpoint.stop()
        totals = self._last.engine.totals if self._last is not None else None
        return Outcome(
            sensors=len(sensors),
            readings=readings,
            documents=documents,
            throttled=totals.throttled if totals is not None else 0,
            request_units=totals.request_units if totals is not None else 0.0,
            seconds=round(self.clock.monotonic() - self._begun, 1),
            reason=reason,
        )

    async def _watch(
        self,
        children: Children,
        running: Sequence[Child],
        screen: "StatusLine | Told",
        settings: "Settings",
        request: "SyncRequest",
    ) -> None:
        """Show how it goes until it is time to stop; the time counts from when everything is up."""
        ends = math.inf
        while not self._stop.is_set() and self.clock.monotonic() < ends:
            await children.check(running)
            report = await self._look(screen, settings, request)
            up = report is not None and report.engine.attached and len(report.sensors) == self._expected
            if up and ends == math.inf and self.plan.seconds is not None:
                ends = self.clock.monotonic() + self.plan.seconds
            await self._wait(min(1.0, max(0.0, ends - self.clock.monotonic())), self._stop)

    async def _catch_up(
        self,
        children: Children,
        running: Sequence[Child],
        screen: "StatusLine | Told",
        settings: "Settings",
        request: "SyncRequest",
    ) -> str:
        """Wait until nothing is open any more; returns why something still is."""
        ends = self.clock.monotonic() + CATCH_UP_SECONDS
        while not self._hurry.is_set():
            await children.check(running)
            report = await self._look(screen, settings, request)
            if report is not None and _arrived(report, self._readings or 0):
                return ""
            if self.clock.monotonic() > ends:
                return f"Readings were still open after {age(CATCH_UP_SECONDS)}."
            await self._wait(0.5, self._hurry)
        return "It was interrupted before everything had arrived."

    async def _look(
        self, screen: "StatusLine | Told", settings: "Settings", request: "SyncRequest"
    ) -> "StatusReport | None":
        from sensor_tui.service.status import status

        try:
            report = await status(settings, request, self.clock)
        except SensorTuiError:
            return None  # the service is still on its way up
        self._last = report
        screen.draw(_line(report, self._readings))
        return report

    async def _wait(self, seconds: float, event: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return

    async def _stop_sensors(self, sensors: Sequence[Child]) -> int:
        for sensor in sensors:
            sensor.signal(signal.SIGTERM)
        counts = await asyncio.gather(*(_written(sensor) for sensor in sensors))
        await asyncio.gather(*(sensor.stop() for sensor in sensors))
        return sum(counts)


class Signals:
    """While entered, a signal asks to stop, a second one to hurry; a lost terminal is as good as a signal."""

    _NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        self._stop = stop
        self._hurry = hurry

    def __enter__(self) -> None:
        for number in self._NUMBERS:
            asyncio.get_running_loop().add_signal_handler(number, self._asked)

    def __exit__(self, *_: object) -> None:
        for number in self._NUMBERS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _asked(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()


def _arrived(report: "StatusReport", readings: int) -> bool:
    """Whether that many are settled; a backlog of 0 alone may be from before the last were written."""
    totals = report.engine.totals
    settled = totals is not None and totals.accepted + totals.rejected >= readings
    return report.engine.attached and report.backlog == 0 and settled


def _line(report: "StatusReport", written: int | None) -> str:
    """`6 sensors  360 written  300 uploaded  backlog 60  lag 2 s  28 docs/s  160 RU/s  12 throttled`."""
    engine = report.engine
    totals = engine.totals
    backlog = report.backlog or 0
    uploaded = totals.accepted if totals is not None else 0
    parts = [
        count(len(report.sensors), "sensor"),
        f"{uploaded + backlog if written is None else written:,} written",
        f"{uploaded:,} uploaded",
        f"backlog {backlog:,}",
        f"lag {age(report.lag_seconds)}",
        f"{engine.docs_per_second or 0:,.0f} docs/s",
        f"{engine.request_units_per_second or 0:,.0f} RU/s",
        f"{totals.throttled if totals is not None else 0:,} throttled",
    ]
    return "  ".join(parts)


async def _written(sensor: Child) -> int:
    """How many readings a sensor that was told to stop has written."""
    try:
        return int((await sensor.answer())["count"])
    except ChildEnded:
        if sensor.process.returncode == -signal.SIGTERM:
            return 0  # it was still starting: it takes signals before it opens its database
        raise

"""`sensor-tui monitor`: the fleet in lines, again and again."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import where_options
from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.logs import LineHandler
    from sensor_tui.cli.monitor_facts import Choice, Facts
    from sensor_tui.cli.monitor_screen import Screen
    from sensor_tui.cli.monitor_watch import Watch
    from sensor_tui.model.clock import Clock

INTERVAL_SECONDS: Final = 2.0
BY: Final = ("city", "sensor")

_HELD_LINES: Final = 100


@click.command(
    cls=Command,
    examples=(
        "sensor-tui monitor",
        "sensor-tui monitor --plain --interval 60 >> monitor.log",
        "sensor-tui monitor --once --by sensor --city London",
        "sensor-tui monitor --json | jq -c '[.at, .summary.backlog, .summary.lag_seconds]'",
    ),
)
@where_options
@click.option("--city", "cities", multiple=True, metavar="NAME", help="Only this city; may be given again.")
@click.option(
    "--sensor",
    "--sensor-id",
    "sensors",
    multiple=True,
    metavar="ID",
    help="Only this sensor; may be given again.",
)
@click.option("--by", type=click.Choice(BY), help="A row for each city, or for each sensor. Default: city.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=INTERVAL_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Time between two reports.",
)
@click.option(
    "--plain",
    is_flag=True,
    help="No colour and no cursor movement: a block of lines each time. So it is without being asked off a"
    " terminal, and with TERM=dumb.",
)
@click.option("--once", is_flag=True, help="One report, and end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, each time.")
@click.pass_obj
def monitor(
    session: Session,
    /,
    *,
    data_dir: Path | None,
    sqlite: Path | None,
    config_path: Path | None,
    state_dir: Path | None,
    cities: Sequence[str],
    sensors: Sequence[str],
    by: str | None,
    interval: float,
    plain: bool,
    once: bool,
    as_json: bool,
) -> None:
    """Watch units, readings, backlog, lag and errors, until Ctrl-C.

    A running service is followed, and its going away and coming back are said; where none runs, files and
    units themselves are looked at. Rates of uploads are those of all engines, whatever is chosen.
    """
    from sensor_tui.cli.monitor_facts import Choice
    from sensor_tui.cli.monitor_watch import Watch
    from sensor_tui.cli.output import is_terminal, no_color, say
    from sensor_tui.cli.setup import prepare, sync_request
    from sensor_tui.model.clock import SystemClock

    ready = prepare(session, config_path, {"state_dir": state_dir}, quietest="ERROR")
    request = sync_request(ready.settings, data_dir=data_dir, sqlite=sqlite)
    drawn = not (plain or once or as_json) and is_terminal(sys.stdout)
    clock = SystemClock()

    async def work() -> None:
        watch = Watch(
            ready.settings, request, clock, interval=interval, tell=(lambda _: None) if drawn else say
        )
        choice = Choice.of(cities, sensors)
        show = _Show(
            watch,
            choice,
            by=by or ("sensor" if sensors else "city"),
            plain=plain or no_color(asked=session.no_color) or not is_terminal(sys.stdout),
        )
        if once:
            await watch.once()
            if nothing := watch.misfit(choice):
                raise UsageError(
                    nothing.removesuffix("."), fix="Choose what is there, or leave the choice out"
                )
            show.write(as_json=as_json)
            return
        with _held(ready.lines, hold=drawn and is_terminal(sys.stderr)), _stopping() as stop:
            await _until(
                stop, watch, show.draw(interval, clock) if drawn else show.tell(interval, clock, as_json)
            )

    asyncio.run(work())


class _Show:
    """Writes what a watch knows."""

    def __init__(self, watch: "Watch", choice: "Choice", *, by: str, plain: bool) -> None:
        self._watch = watch
        self._choice = choice
        self._by = by
        self._plain = plain
        self._first = True

    def write(self, *, as_json: bool) -> None:
        """One report on standard output."""
        facts = self._watch.facts(self._choice)
        if facts is None:
            return
        from sensor_tui.cli.output import emit

        emit(json_line(facts) if as_json else self._block(facts))
        sys.stdout.flush()

    async def tell(self, interval: float, clock: "Clock", as_json: bool) -> None:
        """A report each time, for ever."""
        await self._watch.changed.wait()
        while True:
            self.write(as_json=as_json)
            await clock.sleep(interval)

    async def draw(self, interval: float, clock: "Clock") -> None:
        """The report in place, for ever."""
        from sensor_tui.cli.monitor_screen import Screen

        await self._watch.changed.wait()
        screen = Screen(plain=self._plain)
        screen.open()
        try:
            with _redrawing(screen, self._watch.changed):
                while True:
                    self._watch.changed.clear()
                    self._paint(screen)
                    rest = asyncio.ensure_future(clock.sleep(interval))
                    news = asyncio.ensure_future(self._watch.changed.wait())
                    await asyncio.wait([rest, news], return_when=asyncio.FIRST_COMPLETED)
                    rest.cancel()
                    news.cancel()
        finally:
            screen.close()

    def _paint(self, screen: "Screen") -> None:
        from sensor_tui.cli.monitor_text import screen as lines

        facts = self._watch.facts(self._choice)
        if facts is not None:
            width, height = screen.size()
            screen.draw(lines(facts, by=self._by, width=width, height=height))

    def _block(self, facts: "Facts") -> str:
        """The lines of a report; an empty one before all but the first."""
        from sensor_tui.cli.monitor_screen import styled
        from sensor_tui.cli.monitor_text import block

        lines = [styled(line, plain=self._plain) for line in block(facts, by=self._by)]
        first, self._first = self._first, False
        return "\n".join(lines if first else ["", *lines])


def json_line(facts: "Facts") -> str:
    """A report as one line of JSON, harmless on a terminal."""
    import json

    return json.dumps(asdict(facts)).replace("\x7f", "\\u007f")


async def _until(stop: asyncio.Event, watch: "Watch", showing: "Coroutine[object, object, None]") -> None:
    """Watch and show until asked to stop; raises what ends one of them."""
    tasks: list[asyncio.Future[object]] = [
        asyncio.ensure_future(work) for work in (watch.run(), showing, stop.wait())
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    for result in done:
        if isinstance(result, Exception):
            raise result


@contextmanager
def _held(lines: "LineHandler", *, hold: bool) -> Iterator[None]:
    """Keep log lines off a terminal that is drawn on; the last ones are written afterwards."""
    if not hold:
        yield
        return
    from sensor_tui.cli.logs import above
    from sensor_tui.cli.output import say

    held: deque[str] = deque(maxlen=_HELD_LINES)
    try:
        with above(lines, held.append):
            yield
    finally:
        for line in held:
            say(line)


@contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set, which end a monitor as asked."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextmanager
def _redrawing(screen: "Screen", redraw: asyncio.Event) -> Iterator[None]:
    """Draw again when the terminal has another size, or comes back after Ctrl-Z, which gives it away."""
    loop = asyncio.get_running_loop()

    def suspend() -> None:
        screen.close()
        os.kill(os.getpid(), signal.SIGSTOP)
        screen.open()
        redraw.set()

    handlers = {signal.SIGWINCH: redraw.set, signal.SIGTSTP: suspend}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            with suppress(ValueError):
                loop.remove_signal_handler(number)

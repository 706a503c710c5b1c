"""How a running upload is shown: a bar or a status line on a terminal, plain lines elsewhere."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from sensor_tui.cli import logs
from sensor_tui.cli.output import age, clean, console, is_terminal, say
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import EngineState, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from sensor_tui.service.wire import StatusReport

NARRATE_SECONDS: Final = 10.0
"""Time between two lines where there is no terminal."""
LOG_SECONDS: Final = 60.0
"""The same for an upload that runs on, whose lines go to its log."""
REDRAW_SECONDS: Final = 1.0

_TROUBLED: Final = frozenset({EngineState.REFUSED, EngineState.UNREACHABLE, EngineState.PAUSED})


@dataclass(frozen=True, slots=True)
class Moment:
    """How an upload stands: readings so far, and what moves per second."""

    state: EngineState
    reason: str
    accepted: int
    rejected: int
    backlog: int
    docs_per_second: float
    units_per_second: float
    throttled_per_second: float
    documents: int = 0
    """Documents that the accepted readings became, where that is known."""

    @classmethod
    def of_run(cls, progress: Progress, backlog: int) -> "Moment":
        """Of a run in this process."""
        return cls(
            progress.state,
            clean(progress.reason),
            progress.covered,
            progress.totals.rejected,
            backlog,
            progress.docs_per_second,
            progress.request_units_per_second,
            progress.throttled_per_second,
            progress.totals.accepted,
        )

    @classmethod
    def of_status(cls, report: "StatusReport") -> "Moment":
        """Of a service."""
        engine = report.engine
        return cls(
            engine.state,
            clean(engine.config_problem or engine.reason),
            engine.totals.accepted if engine.totals is not None else 0,
            engine.totals.rejected if engine.totals is not None else 0,
            report.backlog or 0,
            engine.docs_per_second or 0.0,
            engine.request_units_per_second or 0.0,
            engine.throttled_per_second or 0.0,
        )

    @property
    def rates(self) -> str:
        """`1,234 docs/s  6,577 RU/s  12 throttled/s`, without throttling where there is none."""
        parts = [f"{self.docs_per_second:,.0f} docs/s", f"{self.units_per_second:,.0f} RU/s"]
        if self.throttled_per_second >= 1:
            parts.append(f"{self.throttled_per_second:,.0f} throttled/s")
        return "  ".join(parts)

    @property
    def moving(self) -> bool:
        """Whether anything arrives."""
        return self.docs_per_second >= 1

    @property
    def left(self) -> str:
        """`2 min left`: until the backlog is gone at the present speed; empty where nothing moves."""
        if not (self.backlog and self.moving):
            return ""
        # a document may be many readings
        each = self.accepted / self.documents if self.documents else 1.0
        return f"{age(self.backlog / (self.docs_per_second * each))} left"

    @property
    def line(self) -> str:
        """All of it in one line."""
        sent = f"{self.accepted:,} sent"
        if self.documents and self.documents != self.accepted:
            sent += f" as {self.documents:,} documents"
        parts = [str(self.state), sent, f"backlog {self.backlog:,}"]
        if self.rejected:
            parts.append(f"{self.rejected:,} rejected")
        if self.moving:
            parts.append(self.rates)
        return "  ".join(filter(None, [*parts, self.left, self.reason]))


class Display(Protocol):
    """Shows an upload that is under way."""

    def show(self, moment: Moment) -> None:
        """Take the latest snapshot."""
        ...

    def write(self, line: str) -> None:
        """Write a log line without disturbing what is drawn."""
        ...

    def close(self) -> None:
        """Leave the terminal as it should be."""
        ...


class StatusLine:
    """One line at the bottom of the terminal, drawn when it changed and at most once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._drawn = ""
        self._at = float("-inf")

    def show(self, moment: Moment) -> None:
        self.draw(moment.line)

    def draw(self, text: str) -> None:
        """Show this text instead of the one before."""
        now = self._clock.monotonic()
        if text == self._drawn or now - self._at < REDRAW_SECONDS:
            return
        self._drawn, self._at = text, now
        self._put(self._painted)

    def write(self, line: str) -> None:
        self._put(f"\r\x1b[K{line}\n{self._painted}")

    def close(self) -> None:
        if self._drawn:
            self._drawn = ""
            self._put("\n")

    @property
    def _painted(self) -> str:
        # Without automatic wrapping the terminal itself cuts a line that is too long for it.
        return f"\r\x1b[?7l{self._drawn}\x1b[K\x1b[?7h" if self._drawn else ""

    def _put(self, text: str) -> None:
        # A terminal that is gone is no reason to end the work.
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


class Bar:
    """A progress bar that knows its end: what is sent, of what there was when it was last counted."""

    def __init__(self, *, plain: bool) -> None:
        self._bar = _rich_bar(plain=plain)
        self._task = self._bar.add_task("starting", total=None, rates="", left="")
        self._shown: Moment | None = None
        self._total = 0
        self._bar.start()

    def show(self, moment: Moment) -> None:
        if moment == self._shown:
            return
        self._shown = moment
        done = moment.accepted + moment.rejected
        # A backlog counts what is accepted until it is marked, so it is added to nothing but the beginning.
        self._total = max(self._total, done or moment.backlog)
        text = str(moment.state)
        if moment.state in _TROUBLED and moment.reason:
            text = f"{text}: {moment.reason}"
        self._bar.update(
            self._task,
            description=text,
            completed=done,
            total=self._total or None,
            rates=moment.rates,
            left=moment.left,
        )
        self._bar.refresh()

    def write(self, line: str) -> None:
        from rich.text import Text

        self._bar.console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        self._bar.stop()


def _rich_bar(*, plain: bool) -> "RichProgress":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rates]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        console=console(sys.stderr, plain=plain),
        auto_refresh=False,
    )


class Narration:
    """A line now and then, for a log file or a pipe; nothing while nothing changes."""

    def __init__(
        self, clock: Clock, tell: Callable[[str], None] = say, *, every: float = NARRATE_SECONDS
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._every = every
        self._at = clock.monotonic()
        self._told = ""
        self._state: EngineState | None = None

    def show(self, moment: Moment) -> None:
        trouble = moment.state in _TROUBLED and moment.state is not self._state
        self._state = moment.state
        now = self._clock.monotonic()
        if not trouble and now - self._at < self._every:
            return
        self._at = now
        if moment.line != self._told:
            self._told = moment.line
            self._tell(moment.line)

    def write(self, line: str) -> None:
        say(line)

    def close(self) -> None:
        """Nothing is drawn."""


def _logged(line: str) -> None:
    logging.getLogger("sensor_tui.sync").info("%s", line)


@contextmanager
def display(lines: logs.LineHandler, clock: Clock, *, continuous: bool, plain: bool) -> Iterator[Display]:
    """What fits standard error and the kind of upload, with the log lines written above it."""
    if not is_terminal(sys.stderr):
        yield Narration(clock, _logged, every=LOG_SECONDS) if continuous else Narration(clock)
        return
    chosen: Display = StatusLine(clock) if continuous else Bar(plain=plain)
    with logs.above(lines, chosen.write):
        try:
            yield chosen
        finally:
            chosen.close()

"""How a cleaning asks, and how it is shown while it runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import click

from sensor_tui.cli import logs
from sensor_tui.cli.output import age, clean, console, is_terminal, say
from sensor_tui.model.clock import Clock

if TYPE_CHECKING:
    from sensor_tui.service.clean_run import CleanProgress

NARRATE_SECONDS: Final = 5.0
"""Time between two lines where there is no terminal."""


def may_ask() -> bool:
    """Whether there is a terminal to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def typed_number(question: str) -> int | None:
    """The number a person types; None for anything else, or where it is broken off."""
    try:
        text: str = click.prompt(question, default="", show_default=False, err=True)
    except click.Abort:
        return None
    digits = text.strip().replace(",", "").replace("_", "")
    return int(digits) if digits.isdecimal() else None


def line_of(progress: "CleanProgress") -> str:
    """A cleaning in one line."""
    parts = [progress.state, f"{progress.deleted:,} of {progress.total:,} deleted"]
    if progress.already_gone:
        parts.append(f"{progress.already_gone:,} gone already")
    if progress.rejected:
        parts.append(f"{progress.rejected:,} refused")
    parts += [rates_of(progress), left_of(progress), clean(progress.reason)]
    return "  ".join(filter(None, parts))


def rates_of(progress: "CleanProgress") -> str:
    """`1,234 docs/s  6,577 RU/s  12 throttled/s`; empty where nothing moves."""
    if progress.docs_per_second < 1:
        return ""
    parts = [f"{progress.docs_per_second:,.0f} docs/s", f"{progress.units_per_second:,.0f} RU/s"]
    if progress.throttled_per_second >= 1:
        parts.append(f"{progress.throttled_per_second:,.0f} throttled/s")
    return "  ".join(parts)


def left_of(progress: "CleanProgress") -> str:
    """`2 min left` at the present speed; empty where nothing moves."""
    left = progress.total - progress.deleted - progress.already_gone - progress.rejected
    if left <= 0 or progress.docs_per_second < 1:
        return ""
    return f"{age(left / progress.docs_per_second)} left"


class Display(Protocol):
    """Shows a cleaning that is under way."""

    def show(self, progress: "CleanProgress") -> None:
        """Take the latest snapshot."""
        ...

    def write(self, line: str) -> None:
        """Write a line without disturbing what is drawn."""
        ...


class Bar:
    """One line with a bar, on a terminal."""

    def __init__(self, *, plain: bool) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rates]}", markup=False),
            TextColumn("{task.fields[left]}", markup=False),
            console=console(sys.stderr, plain=plain),
            auto_refresh=False,
        )
        self._task = self._bar.add_task("deleting", total=None, rates="", left="")
        self._shown: CleanProgress | None = None
        self._bar.start()

    def show(self, progress: "CleanProgress") -> None:
        if progress == self._shown:
            return
        self._shown = progress
        done = progress.deleted + progress.already_gone
        state = f"{progress.state}: {clean(progress.reason)}" if progress.reason else progress.state
        self._bar.update(
            self._task,
            description=state,
            completed=min(done, progress.total),
            total=progress.total,
            rates=rates_of(progress),
            left=left_of(progress),
        )
        self._bar.refresh()

    def write(self, line: str) -> None:
        from rich.text import Text

        self._bar.console.print(Text(line), soft_wrap=True)

    def close(self) -> None:
        """Leave the terminal as it should be."""
        self._bar.stop()


class Narration:
    """A line now and then, for a log file or a pipe; nothing while nothing changes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at = clock.monotonic()
        self._told = ""

    def show(self, progress: "CleanProgress") -> None:
        now = self._clock.monotonic()
        line = line_of(progress)
        if now - self._at < NARRATE_SECONDS or line == self._told:
            return
        self._at, self._told = now, line
        say(line)

    def write(self, line: str) -> None:
        say(line)


@contextmanager
def display(lines: logs.LineHandler, clock: Clock, *, plain: bool) -> Iterator[Display]:
    """What fits standard error, with the log lines written above it."""
    if not is_terminal(sys.stderr):
        yield Narration(clock)
        return
    bar = Bar(plain=plain)
    with logs.above(lines, bar.write):
        try:
            yield bar
        finally:
            bar.close()

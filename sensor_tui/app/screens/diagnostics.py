"""Diagnostics: every check with its verdict, and what to do in words."""

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Final

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.format import plain
from sensor_tui.app.glyphs import glyphs
from sensor_tui.app.screens.diagnostics_rows import (
    COLUMNS,
    OK_RANK,
    CheckState,
    Made,
    detail,
    overall,
    report,
    row,
)
from sensor_tui.app.screens.sensors_link import reason_lines
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.app.widgets.grid_messages import Chosen, Highlighted
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Link, Overview

_WIDE: Final = 120
_TALL: Final = 36
"""Lines from which the detail stands below all checks, so that what was seen has the whole width."""


class DiagnosticsScreen(DashboardScreen):
    """The checks, made on the first visit and whenever asked."""

    NAME = "diagnostics"
    TITLE = "Diagnostics"
    KEYS = (
        Command("diagnostics.all", "r", "Check all", "check_all", "Make every check again.", footer=True),
        Command("diagnostics.one", "R", "Check this", "check_chosen", "Make the chosen checks.", footer=True),
        Command("diagnostics.stop", "x", "Stop", "stop_checks", "Stop checking; results stay.", footer=True),
        Command(
            "diagnostics.copy", "y,ctrl+y", "Copy", "copy_report", "Copy the report as text.", footer=True
        ),
    )
    HELP_TEXT = (
        "Checks are made one after the other on the first visit and when you ask, never by themselves. The"
        " table says what was found; below or beside it is all that was seen, and what to do about it. A"
        " result older than ten minutes is dimmed."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (_WIDE, "-wide")]  # noqa: RUF012 - as Textual declares it
    VERTICAL_BREAKPOINTS = [(0, "-low"), (_TALL, "-tall")]  # noqa: RUF012 - the same
    DEFAULT_CSS = """
    DiagnosticsScreen {
        #checks-overall {
            height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis;
        }
        #checks-body { layout: vertical; height: 1fr; }
        #checks-detail { height: 40%; min-height: 8; padding: 0 1; border-top: solid $panel; }
        &.-wide.-low #checks-body { layout: horizontal; }
        &.-wide.-low Grid { width: 3fr; }
        &.-wide.-low #checks-detail {
            width: 2fr; height: 1fr; border-top: none; border-left: solid $panel;
        }
        &.-ascii #checks-detail { border-top: ascii $panel; }
        &.-ascii.-wide.-low #checks-detail { border-top: none; border-left: ascii $panel; }
        &.-ascii Static { text-overflow: clip !important; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._checks: dict[str, Made] = {}
        self._waiting: list[str] = []
        self._problem = ""
        self._loaded = False
        self._asked = False
        self._link = Link.CONNECTING
        self._link_problem = ""
        self._now = 0.0

    def compose_body(self) -> ComposeResult:
        self.set_class(self.dash.look.ascii, "-ascii")
        yield Static(id="checks-overall", markup=False)
        with Container(id="checks-body"):
            yield Grid(COLUMNS, id="checks", empty="Asking which checks there are.")
            with VerticalScroll(id="checks-detail"):
                yield Static(id="checks-text", markup=False)

    def on_mount(self) -> None:
        self.query_one(Grid).focus()

    def current_grid(self) -> Grid:
        return self.query_one(Grid)

    def take(self, overview: Overview, now: float) -> None:
        self._now, self._link, self._link_problem = now, overview.link, overview.problem
        came = overview.link is Link.LIVE and not self._loaded
        if overview.link is not Link.CONNECTING and (not self._asked or came) and not self._busy:
            self._asked = True
            self.action_check_all()
        self._show()

    # making them

    @property
    def _busy(self) -> bool:
        return any(
            worker.group == "checks" and not worker.is_finished and not worker.is_cancelled
            for worker in self.workers
        )

    def action_check_all(self) -> None:
        """Make every check."""
        self._ask(self._checks)

    def action_check_chosen(self) -> None:
        """Make the marked checks, else the one at the cursor."""
        self._ask(self.query_one(Grid).chosen)

    def on_grid_chosen(self, event: Chosen) -> None:
        """Make the check."""
        event.stop()
        self._ask([event.key])

    def _ask(self, names: Iterable[str]) -> None:
        for name in names:
            made = self._checks[name]
            if made.state not in {CheckState.WAITING, CheckState.RUNNING}:
                self._checks[name] = replace(made, state=CheckState.WAITING, problem="")
                self._waiting.append(name)
        if not self._busy:
            self.run_worker(self._make(), group="checks", exclusive=True, exit_on_error=False)
        self._show()

    async def _make(self) -> None:
        port, clock = self.dash.port, self.dash.clock
        if not self._loaded:
            try:
                found = await port.checks()
            except SensorTuiError as error:
                self._problem = plain(str(error))
                self._show()
                return
            self._loaded, self._problem = True, ""
            self._checks = {info.name: Made(info, CheckState.WAITING) for info in found}
            self._waiting = list(self._checks)
            self._show()
        while self._waiting:
            name = self._waiting.pop(0)
            made = self._put(replace(self._checks[name], state=CheckState.RUNNING))
            try:
                check = await port.check(name)
            except SensorTuiError as error:
                problem = plain(str(error))
                self._put(replace(made, state=CheckState.BROKEN, check=None, problem=problem, at=clock.now()))
            else:
                self._put(replace(made, state=CheckState.DONE, check=check, at=clock.now()))
        self._go_to_worst()

    def _go_to_worst(self) -> None:
        """Show what to mend first, unless the operator looks at something."""
        grid = self.query_one(Grid)
        first, worst = (
            next(iter(self._checks), None),
            min(self._checks.values(), key=attrgetter("rank"), default=None),
        )
        if worst is not None and grid.cursor_key == first and worst.rank < OK_RANK:
            grid.move_to(worst.info.name)

    def _put(self, made: Made) -> Made:
        self._checks[made.info.name] = made
        self._show()
        return made

    def action_stop_checks(self) -> None:
        """Make no further check; one that had a result before keeps it."""
        if not self._busy:
            self.dash.note("No check is running", "warning")
            return
        self.workers.cancel_group(self, "checks")
        self._end("Checking was stopped")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "checks" and event.state is WorkerState.ERROR:
            self._end(f"Checking broke off: {event.worker.error}")

    def _end(self, why: str) -> None:
        self._waiting.clear()
        for name, made in self._checks.items():
            if made.state in {CheckState.WAITING, CheckState.RUNNING}:
                state = CheckState.CANCELLED if made.check is None else CheckState.DONE
                self._checks[name] = replace(made, state=state)
        if not self._loaded:
            self._problem = plain(why)
        self.dash.note(why, "warning")
        self._show()

    # showing them

    def _show(self) -> None:
        signs, now = glyphs(self.dash.look.ascii), self.dash.clock.now()
        checks = list(self._checks.values())
        grid = self.query_one(Grid)
        grid.show([row(made, now, signs) for made in checks])
        grid.set_empty(self._empty())
        if checks:
            said, style = overall(checks, now, signs)
        else:
            said, style = self._empty().splitlines()[0], "$text-warning" if self._problem else ""
        self.query_one("#checks-overall", Static).update(Content.styled(said, style))
        self._show_detail()

    def _empty(self) -> str:
        if self._problem:
            why = reason_lines(self._problem)
            again = "r tries again. Without a service: sensor-tui diagnostics"
            return f"The checks cannot be asked for.\n{why}\n\n{again}"
        if self._loaded:
            return "This service knows no checks."
        if self._link is Link.CONNECTING:
            return "Connecting to the service."
        return "Asking which checks there are."

    def _show_detail(self) -> None:
        made = self._checks.get(self.query_one(Grid).cursor_key or "")
        text = Content("") if made is None else detail(made, glyphs(self.dash.look.ascii))
        self.query_one("#checks-text", Static).update(text)

    def on_grid_highlighted(self, event: Highlighted) -> None:
        """Show what was seen."""
        event.stop()
        self._show_detail()

    def action_copy_report(self) -> None:
        """Copy everything as text."""
        if self._checks:
            text = report(list(self._checks.values()), self.dash.clock.now(), glyphs(self.dash.look.ascii))
            self.dash.copy(text, "the report")
        else:
            self.dash.note("There is nothing to copy yet", "warning")

"""Fleet: every unit on every host, and what to do about it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final

from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.containers import Container
from textual.timer import Timer

from sensor_tui.app import format as fmt
from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.port import Port
from sensor_tui.app.screens.fleet_courses import Courses
from sensor_tui.app.screens.fleet_detail import UnitDetail
from sensor_tui.app.screens.fleet_facts import LOG_LINES, About, Lines
from sensor_tui.app.screens.fleet_hosts import HostsLine
from sensor_tui.app.screens.fleet_rows import COLUMNS, GROUPS, FleetRows, name_width
from sensor_tui.app.screens.fleet_shell import host_of, open_shell, refusal
from sensor_tui.app.screens.fleet_words import Sensors, running_actions, unreachable
from sensor_tui.app.screens.sensors_link import empty_words, stale
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.app.widgets.grid_messages import Chosen, Highlighted, MarksChanged
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import ActionKind
from sensor_tui.model.overview import Overview
from sensor_tui.model.unit import LogLine, Unit

WIDE: Final = 120
"""Columns from which the pane stands beside the grid."""
REST_SECONDS: Final = 0.3
"""How long the cursor rests on a unit before its log is asked for."""
AGAIN_SECONDS: Final = 5.0
SLOW_AGAIN_SECONDS: Final = 30.0
_NOTHING: Final = "There are no units yet.\nAdd some with: sensor-tui units add\nOr try: sensor-tui demo"
_PANE_STEP: Final = 4


class FleetScreen(DashboardScreen):
    """A grid of all units under a line of hosts, and a pane about the unit the cursor is on."""

    NAME = "fleet"
    TITLE = "Fleet"
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command("fleet.detail", "i,enter", "Detail", "detail", "Show or hide the pane about the unit.",
                footer=True),
        Command("fleet.start", "s", "Start", "act('start')", "Start the chosen units.",
                footer=True, changes=True),
        Command("fleet.stop", "x", "Stop", "act('stop')", "Drain and stop the chosen units.",
                footer=True, changes=True),
        Command("fleet.restart", "r", "Restart", "act('restart')", "Drain, stop and start the chosen units.",
                footer=True, changes=True),
        Command("fleet.logs", "l", "Logs", "logs", "Show the logs of the chosen units.", footer=True),
        Command("fleet.sensor", "v", "Sensor", "sensor", "Go to the unit's sensor.", footer=True),
        Command("fleet.reset", "R", "Reset", "act('reset')",
                "Drain, stop, make anew and start the chosen units.", footer=True, changes=True),
        Command("fleet.remove", "d", "Remove", "act('remove')",
                "Drain, stop and forget the chosen units.", footer=True, changes=True),
        Command("fleet.group", "b", "Group by", "group",
                "Group by city, project, host, role or nothing.", footer=True),
        Command("fleet.shell", "e", "Shell", "shell", "Open a shell in the container.", changes=True),
        Command("fleet.pane_down", "J", "Pane down", f"turn({_PANE_STEP})", "Show more of the pane."),
        Command("fleet.pane_up", "K", "Pane up", f"turn(-{_PANE_STEP})", "Show what is above in the pane."),
    )  # fmt: skip
    HELP_TEXT = (
        "Every unit on every host: what it is doing, what it uses, how fresh its sensor's readings are, and"
        " how many are not uploaded. Actions work on the unit under the cursor, or on all marked ones; before"
        " they end anything they say how many unsent readings that would delay or destroy. Dim rows are from"
        " before: their host does not answer. Filters know name, city, role, state, health, host, runtime,"
        " image, tag:loose, sensor, project, verdict, why, backlog, cpu (cpu:>50), memory, fresh, uptime,"
        " rate and restarts."
    )
    DEFAULT_CSS = """
    FleetScreen {
        & #fleet-main { layout: vertical; height: 1fr; }
        & #fleet-grid { height: 1fr; width: 1fr; }
        & #fleet-detail {
            height: 13; width: 1fr; display: none; padding: 0 1; border-top: solid $panel;
        }
        &.-detail #fleet-detail { display: block; }
        &.-wide #fleet-main { layout: horizontal; }
        &.-wide #fleet-detail {
            height: 1fr; width: 42%; max-width: 70; border-top: none; border-left: solid $panel;
        }
        &.-ascii Static { text-overflow: clip !important; }
        &.-ascii #fleet-detail { border-top: ascii $panel; }
        &.-ascii.-wide #fleet-detail { border-top: none; border-left: ascii $panel; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.rest_seconds = REST_SECONDS
        self._wide: bool | None = None
        self._timer: Timer | None = None
        self._looked_at: str | None = None
        self._logs: Lines | None = None
        self._courses = Courses()

    def compose_body(self) -> ComposeResult:
        self.set_class(self.dash.look.ascii, "-ascii")
        self._glyphs = fmt.glyphs(self.dash.look.ascii)
        self._rows = FleetRows(self._glyphs)
        yield HostsLine(self._glyphs, id="fleet-hosts")
        with Container(id="fleet-main"):
            yield Grid(
                COLUMNS,
                id="fleet-grid",
                group_by_default=True,
                empty="Connecting to the service.",
                clock=self.dash.clock,
            )
            yield UnitDetail(id="fleet-detail")

    @property
    def grid(self) -> Grid:
        """The table of units."""
        return self.query_one("#fleet-grid", Grid)

    @property
    def detail(self) -> UnitDetail:
        """The pane about one unit."""
        return self.query_one("#fleet-detail", UnitDetail)

    def on_mount(self) -> None:
        """The keys are the grid's."""
        self.grid.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Put the pane beside the grid or below it."""
        wide = event.size.width >= WIDE
        if wide is not self._wide:
            self._wide = wide
            self.set_class(wide, "-wide")
            self.set_class(wide, "-detail")
        self.call_after_refresh(self._show_detail)

    def on_screen_resume(self) -> None:
        """Read the log lines again."""
        self._ask(0.0)

    def on_screen_suspend(self) -> None:
        """Ask for nothing while nobody looks."""
        self._stop()

    def take(self, overview: Overview, now: float) -> None:
        """Show all units and the pane about one."""
        self._courses.take(overview.stats)
        grid = self.grid
        grid.set_empty(empty_words(overview, _NOTHING))
        self._fit_names(overview)
        grid.show(self._rows.rows(overview, now, stale=stale(overview)))
        if self._looked_at is not None and grid.move_to(self._looked_at):
            self._looked_at = None
        self._show_hosts()
        self._show_detail()

    def _fit_names(self, overview: Overview) -> None:
        """Give the names the room they need."""
        grid, width = self.grid, name_width(overview.units.values())
        if overview.units and grid.columns[0].width != width:
            grid.columns = (replace(COLUMNS[0], width=width), *COLUMNS[1:])
            grid.show_columns(grid.shown_columns)

    def current_grid(self) -> Grid:
        """The table of units."""
        return self.grid

    def filter_counts(self) -> tuple[int, int]:
        """Units shown of all."""
        return len(self.grid.rows_shown), self.grid.row_count

    def look_at(self, names: Sequence[str]) -> None:
        """Put the cursor on a unit, by its id; later, where it has not been seen yet."""
        if names:
            self._looked_at = None if self.grid.move_to(names[0]) else names[0]
            self.add_class("-detail")
            self.dash.redraw()

    def on_grid_highlighted(self, event: Highlighted) -> None:
        """Show the pane about another unit; its log once the cursor rests."""
        event.stop()
        self._logs = None
        self._show_detail()
        self._ask(self.rest_seconds)

    def on_grid_chosen(self, event: Chosen) -> None:
        """Enter on a row."""
        event.stop()
        self.action_detail()

    def on_grid_marks_changed(self, event: MarksChanged) -> None:
        """Say how many units an action would be for."""
        event.stop()
        self._show_hosts()

    def action_detail(self) -> None:
        """Show or hide the pane."""
        self.toggle_class("-detail")
        if self.has_class("-detail"):
            self.call_after_refresh(self._show_detail)
            self._ask(0.0)
        else:
            self._stop()

    def action_turn(self, by: int) -> None:
        """Show another part of the pane."""
        self.detail.turn(by)

    def action_act(self, kind: str) -> None:
        """Plan an action for the chosen units; the app asks and shows how it goes."""
        chosen = self.grid.chosen
        if chosen:
            self.dash.act(ActionKind(kind), chosen)
        else:
            self._none_chosen()

    def action_logs(self) -> None:
        """Show the logs of the chosen units."""
        chosen = self.grid.chosen
        if chosen:
            self.dash.show_logs(chosen)
        else:
            self._none_chosen()

    def action_sensor(self) -> None:
        """Go to the unit's sensor."""
        unit = self._unit()
        if unit is None:
            self._none_chosen()
            return
        sensor = self.dash.overview.sensor_of(unit)
        if sensor is not None:
            self.dash.show_sensor(sensor.key)
        elif unit.sensor_id is None:
            self.dash.note(f"{unit.name} is no sensor.", "warning")
        else:
            self.dash.note(f"No reading of {unit.sensor_id} was seen yet.", "warning")

    def action_group(self) -> None:
        """Group by something else."""
        names = list(GROUPS)
        self._rows.group = names[(names.index(self._rows.group) + 1) % len(names)]
        self.grid.grouped = self._rows.group != names[-1]
        self.dash.redraw()

    def action_shell(self) -> None:
        """Give the terminal to a shell in the container until it is left."""
        unit = self._unit()
        if unit is None:
            self._none_chosen()
            return
        host = host_of(unit, self.dash.overview.hosts)
        why = refusal(unit, self.dash.look, host)
        if why is not None:
            self.dash.note(why, "warning")
            return
        try:
            with self.app.suspend():
                code = open_shell(unit, host)
        except SuspendNotSupported:
            self.dash.note("This terminal cannot be given to a shell.", "warning")
        else:
            if code:
                self.dash.note(f"The shell in {unit.name} ended with exit code {code}.", "warning")

    def _none_chosen(self) -> None:
        self.dash.note("No unit is chosen.", "warning")

    def _unit(self) -> Unit | None:
        """The unit the cursor is on."""
        key = self.grid.cursor_key
        return None if key is None else self.dash.overview.units.get(key)

    def _show_hosts(self) -> None:
        self.query_one(HostsLine).take(
            self.dash.overview, self.dash.clock.now(), group=self._rows.group, marks=len(self.grid.marks)
        )

    def _show_detail(self) -> None:
        if not self.has_class("-detail"):
            return
        overview, unit = self.dash.overview, self._unit()
        if unit is None:
            self.detail.show(None)
            return
        gone = unreachable(overview).get((unit.host, unit.runtime))
        self.detail.set_class(stale(overview) or gone is not None, "-stale")
        about = About(
            unit,
            overview.stats.get(unit.id),
            Sensors(overview).of(unit),
            running_actions(overview).get(unit.id),
            gone,
            self._courses.of(unit.id),
            self._logs if self._logs is not None and self._logs.unit == unit.id else None,
            overview.at if stale(overview) else None,
            self.dash.clock.now(),
            self.detail.columns,
            self._glyphs,
            self.dash.look.ascii,
        )
        self.detail.show(about)

    # the last log lines

    def _ask(self, seconds: float) -> None:
        """Read them after that time, unless the cursor moves on."""
        self._stop()
        if not self.is_current or not self.has_class("-detail"):
            return
        if seconds:
            self._timer = self.set_timer(seconds, self._read, name="unit-logs")
        else:
            self._read()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.workers.cancel_group(self, "unit-logs")

    def _read(self) -> None:
        key = self.grid.cursor_key
        if key is not None:
            reading: Any = partial(self._last_lines, key)
            self.run_worker(reading, name="unit-logs", group="unit-logs", exclusive=True, exit_on_error=False)

    async def _last_lines(self, unit: str) -> None:
        """Read them, show them, and come back after a while."""
        lines: list[LogLine] = []
        before = self._logs
        try:
            async with _stream(self.dash.port, unit) as batches:
                async for batch in batches:
                    lines = [*lines, *batch][-LOG_LINES:]
            self._logs = Lines(unit, lines, at=self.dash.clock.now())
        except SensorTuiError as error:
            kept = before if before is not None and before.unit == unit else Lines(unit)
            self._logs = Lines(unit, kept.lines, fmt.plain(str(error), limit=200), kept.at)
        self._show_detail()
        again = SLOW_AGAIN_SECONDS if self.dash.look.low_bandwidth else AGAIN_SECONDS
        self._timer = self.set_timer(again, self._read, name="unit-logs")


@asynccontextmanager
async def _stream(port: Port, unit: str) -> AsyncIterator[AsyncIterator[Sequence[LogLine]]]:
    """The last lines of a unit; the stream is closed at once when nobody reads any more."""
    stream = port.logs([unit], tail=LOG_LINES, follow=False)
    try:
        yield stream
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()

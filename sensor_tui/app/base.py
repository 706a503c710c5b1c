"""What every screen of the dashboard is, and what it may ask of the app."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen

from sensor_tui.app.commands import Command, bindings
from sensor_tui.app.port import Port
from sensor_tui.model.action import ActionKind
from sensor_tui.model.clock import Clock
from sensor_tui.model.overview import Overview
from sensor_tui.model.table import Table

if TYPE_CHECKING:
    from sensor_tui.app.filter import Filter
    from sensor_tui.app.widgets.filterbar import FilterBar
    from sensor_tui.app.widgets.grid import Grid

Severity = Literal["information", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Look:
    """How the dashboard behaves, from options, environment and configuration."""

    read_only: bool = False
    low_bandwidth: bool = False
    ascii: bool = False
    """Plain glyphs only."""
    no_color: bool = False
    shell: bool = True
    """Whether a shell may be opened; off in a browser."""


class Dash(Protocol):
    """The app as screens and widgets see it."""

    port: Port
    clock: Clock
    look: Look
    overview: Overview

    def redraw(self) -> None:
        """Have the current screen take the overview at once."""
        ...

    def note(self, text: str, severity: Severity = "information", *, title: str = "") -> None:
        """Tell the operator something; hostile text is shown plainly."""
        ...

    def act(self, kind: ActionKind, units: Sequence[str]) -> None:
        """Plan an action, ask, run it and show how it goes; refused in read-only mode."""
        ...

    async def ask(self, title: str, text: str, *, yes: str = "Yes", dangerous: bool = False) -> bool:
        """Ask a yes-or-no question; call it from a worker."""
        ...

    async def choose(self, title: str, options: Sequence[tuple[str, str]], *, text: str = "") -> str | None:
        """Have one of `(key, words)` chosen; its key, None where the operator went back. For workers."""
        ...

    async def ask_text(self, title: str, text: str = "", *, value: str = "", yes: str = "OK") -> str | None:
        """Ask for a line of text; None where the operator went back. Call it from a worker."""
        ...

    def show_text(self, title: str, text: str) -> None:
        """Show a longer text, plainly and scrollable."""
        ...

    def copy(self, text: str, what: str) -> None:
        """Copy to the operator's clipboard, over SSH too, and say so: `copied {what}`."""
        ...

    def export(self, name: str, table: Table) -> None:
        """Ask where to and write a table as CSV or JSON."""
        ...

    def show_unit(self, unit: str) -> None:
        """Switch to a unit, by its id."""
        ...

    def show_logs(self, units: Sequence[str]) -> None:
        """Switch to the logs of these units."""
        ...

    def show_sensor(self, sensor: str) -> None:
        """Switch to a sensor, by its key."""
        ...

    def show_query(self, source: str) -> None:
        """Switch to Query over this file."""
        ...


class DashboardScreen(Screen[None]):
    """A screen between header and footer. Subclasses say what is in it, and take every overview.

    `take` is called while the screen is the current one, at most once a second (every five in low-bandwidth
    mode), and at once when it becomes current. It must not wait for anything: whatever waits is a worker
    with a group and `exit_on_error=False`.
    """

    DEFAULT_CSS = """
    DashboardScreen { layout: vertical; }
    DashboardScreen > #body { height: 1fr; }
    """
    NAME: ClassVar[str] = ""
    """Lower case, one word; what the palette and the tests call it."""
    TITLE = ""
    KEYS: ClassVar[tuple[Command, ...]] = ()
    """Everything that can be done here; bindings, footer, help and palette come from it."""
    HELP_TEXT: ClassVar[str] = ""
    """Two or three sentences on what is shown here, for the help overlay."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Turn the commands into bindings."""
        cls.BINDINGS = [*bindings(cls.__dict__.get("KEYS", ())), *cls.__dict__.get("BINDINGS", ())]
        super().__init_subclass__(**options)

    @property
    def dash(self) -> Dash:
        """The app."""
        return cast("Dash", self.app)

    def compose(self) -> ComposeResult:
        from sensor_tui.app.widgets.filterbar import FilterBar
        from sensor_tui.app.widgets.footer import FooterBar
        from sensor_tui.app.widgets.header import HeaderBar

        yield HeaderBar()
        with Vertical(id="body"):
            yield from self.compose_body()
        yield FilterBar()
        yield FooterBar()

    def on_screen_resume(self) -> None:
        self.dash.redraw()

    def on_filter_bar_changed(self, event: "FilterBar.Changed") -> None:
        event.stop()
        self.apply_filter(event.wanted)
        self._count()

    def on_grid_unfiltered(self) -> None:
        from sensor_tui.app.widgets.filterbar import FilterBar

        self.query_one(FilterBar).clear()

    def on_filter_bar_closed(self, event: "FilterBar.Closed") -> None:
        event.stop()
        grid = self.current_grid()
        if grid is not None:
            grid.focus()
        else:
            self.focus_next()

    def draw(self, overview: Overview, now: float) -> None:
        """Show how everything stands, the header's part of it first."""
        self.draw_header(overview, now)
        self.take(overview, now)
        self._count()

    def draw_header(self, overview: Overview, now: float) -> None:
        """Show it in the header only: a dialog covers the rest."""
        from sensor_tui.app.widgets.header import HeaderBar

        self.query_one(HeaderBar).take(overview, now, self.dash.look, str(self.app.title))

    def _count(self) -> None:
        from sensor_tui.app.widgets.filterbar import FilterBar

        self.query_one(FilterBar).count(self.filter_counts())

    def compose_body(self) -> ComposeResult:
        """What is between header and footer."""
        raise NotImplementedError

    def take(self, overview: Overview, now: float) -> None:
        """Show how everything stands; `now` in seconds since the epoch."""
        raise NotImplementedError

    def current_grid(self) -> "Grid | None":
        """The grid that export, copy, column chooser and filter work on; None where there is none now."""
        return None

    def apply_filter(self, wanted: "Filter") -> None:
        """Show what matches only; called at every key while the operator types."""
        grid = self.current_grid()
        if grid is not None:
            grid.filter = wanted

    def filter_counts(self) -> tuple[int, int] | None:
        """How many are shown of how many; None where nothing is counted."""
        grid = self.current_grid()
        return None if grid is None else (len(grid.rows_shown), grid.row_count)

    @property
    def dropped_lines(self) -> int:
        """Log lines let go to keep memory bounded, for the footprint panel."""
        return 0

    def look_at(self, names: Sequence[str]) -> None:
        """Show these: unit ids in Fleet and Logs, a sensor key in Sensors, a file in Query."""

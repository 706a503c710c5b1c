"""Uploads: how far behind they are, how fast they go, and what could not be sent."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from sensor_tui.app import format as fmt
from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.screens.letters import Letters
from sensor_tui.app.screens.sensors_link import empty_words, stale
from sensor_tui.app.screens.sensors_rows import SensorRows
from sensor_tui.app.screens.sensors_words import age_of, same
from sensor_tui.app.screens.uploads_history import RANGES, History
from sensor_tui.app.screens.uploads_rows import BACKLOG_COLUMNS, LANE_COLUMNS, city_headings, lane_rows
from sensor_tui.app.screens.uploads_words import Drain, summary
from sensor_tui.app.widgets.chart import Chart
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Overview

WIDE: Final = 120
TALL: Final = 36
"""Lines from which the lanes stand below the backlog."""
SHORT: Final = 28
"""Lines below which there is no room for three charts."""
HISTORY_SECONDS: Final = 30.0
"""Between two readings of the history."""
CHART_SECONDS: Final = 5.0
"""Between two drawings of the charts while nothing but time changes."""
SLOW: Final = 6
"""Times that, in low-bandwidth mode."""
VIEWS: Final = (
    ("backlog", "b", "Backlog"),
    ("charts", "c", "Charts"),
    ("lanes", "L", "Lanes"),
    ("letters", "D", "Dead letters"),
)
_CHARTS: Final = ("chart-lag", "chart-backlog", "chart-throughput")
_NOTHING: Final = (
    "Nothing to upload: no sensor file was found.\nStart sensors on Fleet (1), or see Diagnostics (5)."
)
_NO_LANES: Final = "No lanes: nothing has been sent yet."


class UploadsScreen(DashboardScreen):
    """What is behind and how it goes at the top; below the backlog, charts, lanes or dead letters."""

    NAME = "uploads"
    TITLE = "Uploads"
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command("uploads.pause", "p", "Pause", "pause", "Stop reading; what was read is still sent.",
                footer=True, changes=True),
        Command("uploads.resume", "r", "Resume", "resume",
                "Read on after a pause.", footer=True, changes=True),
        Command("uploads.sync", "n", "Sync now", "sync_now", "Look for new readings at once.",
                footer=True, changes=True),
        Command("uploads.backlog", "b", "Backlog", "view('backlog')",
                "Show what is behind, per city and sensor."),
        Command("uploads.charts", "c", "Charts", "view('charts')",
                "Show lag, backlog and throughput over time."),
        Command("uploads.lanes", "L", "Lanes", "view('lanes')", "Show the engine's lanes to the sink."),
        Command("uploads.letters", "D", "Dead letters", "view('letters')", "Show what could never be sent.",
                footer=True),
        Command("uploads.next", "tab", "Next view", "next_view(1)", "Show the next view.", palette=False),
        Command("uploads.previous", "shift+tab", "Previous view", "next_view(-1)", "Show the view before.",
                palette=False),
        Command("uploads.shorter", "left_square_bracket", "Shorter", "range(-1)",
                "Show a shorter time in the charts.",
                key_display="["),
        Command("uploads.longer", "right_square_bracket", "Longer", "range(1)",
                "Show a longer time in the charts.",
                key_display="]"),
        Command("uploads.retry", "t", "Retry", "retry",
                "Send the marked dead letters again; all of them where none is marked.", changes=True),
        Command("uploads.drop", "X", "Drop", "drop",
                "Forget the marked dead letters for good; all of them where none is marked.", changes=True),
        Command("uploads.page_next", "full_stop", "Next page", "page(1)",
                "Show the next page of dead letters.",
                key_display="."),
        Command("uploads.page_previous", "comma", "Previous page", "page(-1)",
                "Show the previous page of dead letters.", key_display=","),
    )  # fmt: skip
    HELP_TEXT = (
        "The engine and why it is in its state, how many readings are behind and for how long, the rates, "
        "and when the backlog will be gone at the rate of the last minute. Below: the backlog per city and "
        "sensor, charts, the lanes to the sink, and the dead letters: enter reads, t retries, X drops."
    )
    DEFAULT_CSS = """
    UploadsScreen {
        & #uploads-summary { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & #uploads-views {
            height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; background: $panel;
        }
        & #uploads-main { layout: horizontal; height: 1fr; }
        & #uploads-left { width: 1fr; height: 1fr; }
        & #uploads-lanes { height: 1fr; }
        & #uploads-charts { width: 1fr; height: 1fr; padding: 0 1; }
        &.-charts.-short #chart-throughput { height: 2; }
        &.-wide.-backlog #uploads-charts { width: 42%; max-width: 90; border-left: solid $panel; }
        &.-tall.-backlog #uploads-lanes { height: auto; max-height: 10; border-top: solid $panel; }
        &.-ascii Static { text-overflow: clip !important; }
        &.-ascii.-wide.-backlog #uploads-charts { border-left: ascii $panel; }
        &.-ascii.-tall.-backlog #uploads-lanes { border-top: ascii $panel; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view = "backlog"
        self._place = 0
        self._history = History()
        self._history_note = ""
        self._drain = Drain()
        self._told: dict[str, Content] = {}
        self._drawn: tuple[object, ...] | None = None
        self._timer: Timer | None = None

    def compose_body(self) -> ComposeResult:
        look = self.dash.look
        self.set_class(look.ascii, "-ascii")
        self._glyphs = fmt.glyphs(look.ascii)
        self._rows = SensorRows(self._glyphs, ascii=look.ascii)
        yield Static(id="uploads-summary")
        yield Static(id="uploads-views")
        with Container(id="uploads-main"):
            with Container(id="uploads-left"):
                yield Grid(BACKLOG_COLUMNS, id="uploads-backlog", group_by_default=True,
                           empty="Connecting to the service.")  # fmt: skip
                yield Grid(LANE_COLUMNS, id="uploads-lanes", empty=_NO_LANES)
            with Container(id="uploads-charts"):
                for name in _CHARTS:
                    yield Chart(id=name, note="Reading the history.")
        yield Letters(id="uploads-letters")

    @property
    def letters(self) -> Letters:
        """The dead letters."""
        return self.query_one("#uploads-letters", Letters)

    def on_mount(self) -> None:
        """The most behind first."""
        self._grid("backlog").sort_by("backlog", reverse=True)
        self._arrange()
        self._grid("backlog").focus()

    def on_resize(self, event: events.Resize) -> None:
        """Use the room for more than one view."""
        self._arrange(event.size.width, event.size.height)
        self.dash.redraw()

    def on_screen_resume(self) -> None:
        """Fill in what was missed while another screen was shown."""
        self._fetch()

    def on_screen_suspend(self) -> None:
        """Ask for nothing while nobody looks."""
        self._stop_timer()
        self.workers.cancel_group(self, "minutes")

    def take(self, overview: Overview, now: float) -> None:
        """Show the engine, the backlog and how both go on."""
        old = stale(overview)
        self._drain.take(now, None if old else overview.backlog)
        lag = age_of(overview.oldest_open, now)
        seconds = self._drain.seconds(overview.docs_per_second, lag)
        lines = summary(overview, now, seconds, self._glyphs)
        self._say("uploads-summary", Content("\n").join(lines))
        self._say("uploads-views", self._views(overview))
        if self._grid("backlog").display:
            backlog = self._grid("backlog")
            backlog.set_empty(empty_words(overview, _NOTHING))
            backlog.show(
                self._rows.rows(overview, now, stale=old, groups=city_headings(overview, now, self._glyphs))
            )
        if self._grid("lanes").display:
            lanes = self._grid("lanes")
            lanes.set_empty(empty_words(overview, _NO_LANES))
            lanes.show(lane_rows(overview, stale=old))
        self._draw_charts(overview, now)
        self.letters.take(overview.dead_letters, stale=old)

    def current_grid(self) -> Grid | None:
        """The table of the view, or the one with the focus where there are two."""
        if self._view == "letters":
            return self.letters.grid
        focused = self.focused
        if isinstance(focused, Grid) and focused.display:
            return focused
        return next((grid for name in ("backlog", "lanes") if (grid := self._grid(name)).display), None)

    def filter_counts(self) -> tuple[int, int] | None:
        """Rows shown of all."""
        grid = self.current_grid()
        return None if grid is None else (len(grid.rows_shown), grid.row_count)

    def action_view(self, view: str) -> None:
        """Show a view."""
        self._view = view
        self._arrange()
        if view == "letters":
            self.letters.open()
        else:
            grid = self.current_grid()
            self.set_focus(grid)
        self.dash.redraw()

    def action_next_view(self, step: int) -> None:
        """Show the next view."""
        names = [name for name, _, _ in VIEWS]
        self.action_view(names[(names.index(self._view) + step) % len(names)])

    def action_range(self, step: int) -> None:
        """Show a longer or a shorter time in the charts."""
        self._place = max(0, min(len(RANGES) - 1, self._place + step))
        self.dash.redraw()

    def action_pause(self) -> None:
        """Stop reading."""
        self._asked(self.dash.port.pause)

    def action_resume(self) -> None:
        """Read on."""
        self._asked(self.dash.port.resume)

    def action_sync_now(self) -> None:
        """Start a round."""
        self._asked(self.dash.port.sync_now)

    def action_retry(self) -> None:
        """Send dead letters again."""
        if self._on_letters():
            self.letters.retry()

    def action_drop(self) -> None:
        """Forget dead letters."""
        if self._on_letters():
            self.letters.drop()

    def action_page(self, step: int) -> None:
        """Turn the page of dead letters."""
        if self._on_letters():
            self.letters.turn(step)

    def _on_letters(self) -> bool:
        """Whether the dead letters are shown; goes there where they are not, so that they are seen first."""
        if self._view == "letters":
            return True
        self.action_view("letters")
        return False

    def _grid(self, name: str) -> Grid:
        return self.query_one(f"#uploads-{name}", Grid)

    def _arrange(self, width: int | None = None, height: int | None = None) -> None:
        """Show what belongs to the view, and more of it where there is room."""
        wide = (self.size.width if width is None else width) >= WIDE
        lines = self.size.height if height is None else height
        view = self._view
        for name, _, _ in VIEWS:
            self.set_class(name == view, f"-{name}")
        self.set_class(wide, "-wide")
        self.set_class(lines >= TALL, "-tall")
        self.set_class(lines < SHORT, "-short")
        shown: Sequence[tuple[Widget, bool]] = (
            (self._grid("backlog"), view == "backlog"),
            (self._grid("lanes"), view == "lanes" or (view == "backlog" and lines >= TALL)),
            (self.query_one("#uploads-left"), view in {"backlog", "lanes"}),
            (self.query_one("#uploads-charts"), view == "charts" or (view == "backlog" and wide)),
            (self.query_one("#uploads-main"), view != "letters"),
            (self.letters, view == "letters"),
        )
        for widget, there in shown:
            widget.display = there
        self._drawn = None

    def _views(self, overview: Overview) -> Content:
        """The line of views, the one shown marked."""
        parts: list[Content] = []
        for name, key, title in VIEWS:
            text = f" {key} {title} "
            if name == "letters" and overview.dead_letters:
                text = f" {key} {title} {fmt.count(overview.dead_letters)} "
            parts += [Content.styled(text, "bold reverse" if name == self._view else ""), Content(" ")]
        if self.query_one("#uploads-charts").display:
            parts.append(Content(f"  [ ] last {RANGES[self._place][0]}"))
        return Content("").join(parts)

    def _draw_charts(self, overview: Overview, now: float) -> None:
        """Draw the charts where something but the last seconds has changed."""
        if not self.query_one("#uploads-charts").display:
            return
        newest = self._history.minutes[-1].at if self._history.minutes else 0.0
        step = CHART_SECONDS * (SLOW if self.dash.look.low_bandwidth else 1)
        drawn = (overview.link, self._place, newest, self._history_note, now // step)
        if drawn == self._drawn:
            return
        self._drawn = drawn
        curves = self._history.curves(overview, now, self._place, self._history_note)
        for name, curve in zip(_CHARTS, curves, strict=True):
            chart = self.query_one(f"#{name}", Chart)
            chart.set_class(stale(overview) or bool(self._history_note), "-stale")
            chart.show(curve)

    def _say(self, name: str, text: Content) -> None:
        before, text = self._told.get(name), fmt.in_signs(text, self._glyphs)
        if not same(text, before):
            self._told[name] = text
            taller = before is None or before.plain.count("\n") != text.plain.count("\n")
            self.query_one(f"#{name}", Static).update(text, layout=taller)

    @work(group="engine", exit_on_error=False)
    async def _asked(self, ask: Callable[[], Awaitable[str]]) -> None:
        try:
            self.dash.note(await ask())
        except SensorTuiError as error:
            self.dash.note(str(error), "error", title=error.title)

    def _fetch(self) -> None:
        self._stop_timer()
        self._minutes()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    @work(name="minutes", group="minutes", exclusive=True, exit_on_error=False)
    async def _minutes(self) -> None:
        """Read the minutes that came since the last time, and come back after a while."""
        clock = self.dash.clock
        try:
            minutes = await self.dash.port.minutes(self._history.since(clock.now()))
        except SensorTuiError as error:
            self._history_note = f"The history cannot be read: {fmt.plain(str(error), limit=200)}"
        else:
            self._history.add(minutes, clock.now())
            self._drain.seed(self._history.minutes)
            self._history_note = ""
        if self.is_current:
            self._timer = self.set_timer(HISTORY_SECONDS, self._fetch, name="minutes")
            self.dash.redraw()

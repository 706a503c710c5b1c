"""Sensors: what every sensor says, how fresh it is, and what is to be thought of it."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from sensor_tui.app import format as fmt
from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.screens.sensors_detail import RANGES, SensorDetail, Wish, first_range
from sensor_tui.app.screens.sensors_facts import styled
from sensor_tui.app.screens.sensors_link import empty_words, link_words, stale
from sensor_tui.app.screens.sensors_rows import SensorRows
from sensor_tui.app.screens.sensors_words import (
    COLUMNS,
    SPARK_POINTS,
    VERDICT_TONES,
    measures_in,
    same,
    verdict_mark,
)
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.app.widgets.grid_messages import Chosen, Highlighted
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Sensor, Verdict
from sensor_tui.model.unit import Role, Unit

WIDE: Final = 120
"""Columns from which the detail pane stands beside the grid."""
ROOMY: Final = 170
"""Columns from which every measure has its column from the beginning."""
REFRESH_SECONDS: Final = 5.0
"""Between two readings of the chart's series."""
SLOW: Final = 6
"""Times that, in low-bandwidth mode."""
REST_SECONDS: Final = 0.12
"""How long the cursor rests on a sensor before its series is asked for."""
_NOTHING: Final = "No sensor has written a reading yet.\nStart one on Fleet (1), or see Diagnostics (5)."

_SHORT: Final = {
    **{verdict: verdict.value for verdict in Verdict},
    Verdict.UNREADABLE: "unread.",
    Verdict.ANOMALOUS: "anom.",
    Verdict.FLAT: "flat",
}
"""Verdicts where there is little room."""


class SensorsScreen(DashboardScreen):
    """A grid of all sensors, and a pane about the one the cursor is on."""

    NAME = "sensors"
    TITLE = "Sensors"
    KEYS: ClassVar[tuple[Command, ...]] = (
        Command("sensors.detail", "enter", "Detail", "detail", "Show or hide the pane about the sensor.",
                footer=True),
        Command("sensors.shorter", "left_square_bracket", "Shorter", "range(-1)",
                "Show a shorter time in the chart.", key_display="["),
        Command("sensors.longer", "right_square_bracket", "Longer", "range(1)",
                "Show a longer time in the chart.", footer=True, key_display="]"),
        Command("sensors.measure", "m", "Measure", "measure(1)", "Show the next measure in the chart.",
                footer=True),
        Command("sensors.measure_back", "M", "Measure before", "measure(-1)",
                "Show the measure before in the chart."),
        Command("sensors.logs", "l", "Logs", "logs", "Show the logs of the chosen sensors' units.",
                footer=True),
        Command("sensors.unit", "u", "Unit", "unit", "Go to the sensor's unit in Fleet."),
        Command("sensors.query", "Q", "Query", "query", "Ask the sensor's file with SQL.", footer=True),
    )  # fmt: skip
    HELP_TEXT = (
        "Every sensor with its newest values, the age of its newest reading against the usual time between "
        "two, and a verdict, the worst first. The pane shows a chart of the sensor under the cursor, with "
        "anomalies marked, and compares it with its city. Filters know sensor, city, verdict, every measure "
        "(temperature:>40), fresh, lag, backlog, dead, rate and anomalies."
    )
    DEFAULT_CSS = """
    SensorsScreen {
        & #sensors-summary { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & #sensors-main { layout: vertical; height: 1fr; }
        & #sensors-grid { height: 1fr; width: 1fr; }
        & #sensors-detail {
            height: 12; width: 1fr; display: none; padding: 0 1; border-top: solid $panel;
        }
        &.-detail #sensors-detail { display: block; }
        &.-wide #sensors-main { layout: horizontal; }
        &.-wide #sensors-detail {
            height: 1fr; width: 42%; max-width: 90; border-top: none; border-left: solid $panel;
        }
        &.-ascii Static { text-overflow: clip !important; }
        &.-ascii #sensors-detail { border-top: ascii $panel; }
        &.-ascii.-wide #sensors-detail { border-top: none; border-left: ascii $panel; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._wide: bool | None = None
        self._wish: Wish | None = None
        self._measures_shown: list[str] = []
        self._timer: Timer | None = None
        self._looked_at: str | None = None
        self._catching_up = True
        """The sparklines miss what was before."""
        self._told: Content | None = None

    def compose_body(self) -> ComposeResult:
        look = self.dash.look
        self.set_class(look.ascii, "-ascii")
        self._glyphs = fmt.glyphs(look.ascii)
        self._rows = SensorRows(self._glyphs, ascii=look.ascii)
        yield Static(id="sensors-summary")
        with Container(id="sensors-main"):
            yield Grid(
                COLUMNS,
                id="sensors-grid",
                group_by_default=True,
                empty="Connecting to the service.",
                clock=self.dash.clock,
            )
            yield SensorDetail(self._glyphs, id="sensors-detail")

    @property
    def grid(self) -> Grid:
        """The table of sensors."""
        return self.query_one("#sensors-grid", Grid)

    @property
    def detail(self) -> SensorDetail:
        """The pane about one sensor."""
        return self.query_one("#sensors-detail", SensorDetail)

    def on_mount(self) -> None:
        """Worst first."""
        self.grid.sort_by("verdict", reverse=False)
        self.grid.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Put the pane beside the grid or below it."""
        wide = event.size.width >= WIDE
        if wide is not self._wide:
            self._wide = wide
            self.set_class(wide, "-wide")
            self.set_class(wide, "-detail")
            self.detail.set_class(not wide, "-below")
            self.dash.redraw()

    def on_screen_resume(self) -> None:
        """Fill in what was missed while another screen was shown."""
        self._catching_up = True
        self._ask(0.0)

    def on_screen_suspend(self) -> None:
        """Ask for nothing while nobody looks."""
        self._stop_timer()
        self.workers.cancel_group(self, "series")

    def take(self, overview: Overview, now: float) -> None:
        """Show all sensors and the pane about one."""
        old = stale(overview)
        self._rows.courses.take(overview.sensors)
        rows = self._rows.rows(overview, now, stale=old)
        grid = self.grid
        grid.set_empty(empty_words(overview, _NOTHING))
        measures = measures_in(overview)
        if measures != self._measures_shown:
            self._measures_shown = measures
            known = {column.key for column in COLUMNS if column.shown}
            grid.show_columns({*known, *(measures if self.size.width >= ROOMY else measures[:1])})
        grid.show(rows)
        if old:
            self._catching_up = True
        elif self._catching_up and rows:
            self._catching_up = False
            self._recent()
        self._summary(overview, now)
        if self._looked_at is not None and grid.move_to(self._looked_at):
            self._looked_at = None
        self._show_detail(overview, now)

    def current_grid(self) -> Grid:
        """The table of sensors."""
        return self.grid

    def filter_counts(self) -> tuple[int, int]:
        """Sensors shown of all."""
        return len(self.grid.rows_shown), self.grid.row_count

    def look_at(self, names: Sequence[str]) -> None:
        """Put the cursor on a sensor, by its key; later, where it has not been seen yet."""
        if names:
            self._looked_at = None if self.grid.move_to(names[0]) else names[0]
            self.add_class("-detail")
            self.dash.redraw()

    def on_grid_highlighted(self, event: Highlighted) -> None:
        """Show the pane about the sensor the cursor is on."""
        event.stop()
        self._show_detail(self.dash.overview, self.dash.clock.now())

    def on_grid_chosen(self, event: Chosen) -> None:
        """Enter on a row."""
        event.stop()
        self.action_detail()

    def action_detail(self) -> None:
        """Show or hide the pane."""
        self.toggle_class("-detail")
        if self.has_class("-detail"):
            before = self._wish
            self._show_detail(self.dash.overview, self.dash.clock.now())
            if self._wish == before:
                self._ask(0.0)
        else:
            self.on_screen_suspend()

    def action_range(self, step: int) -> None:
        """Show a longer or a shorter time."""
        if self._wish is not None:
            place = max(0, min(len(RANGES) - 1, self._wish.range + step))
            self._wish_for(Wish(self._wish.sensor, self._wish.measure, place))

    def action_measure(self, step: int) -> None:
        """Show another measure."""
        sensor = self._sensor()
        measures = self.detail.measures(sensor)
        if self._wish is None or sensor is None or not measures:
            return
        now = self.detail.measure(sensor)
        place = measures.index(now) if now in measures else 0
        measure = measures[(place + step) % len(measures)]
        self._wish_for(Wish(self._wish.sensor, measure, self._wish.range))

    def action_logs(self) -> None:
        """Show the logs of the chosen sensors' units."""
        units = [unit.id for unit in self._units()]
        if units:
            self.dash.show_logs(units)
        else:
            self.dash.note("No unit is known that runs this sensor, so there are no logs of it.", "warning")

    def action_unit(self) -> None:
        """Go to the sensor's unit."""
        units = self._units()
        if units:
            self.dash.show_unit(units[0].id)
        else:
            self.dash.note("No unit is known that runs this sensor.", "warning")

    def action_query(self) -> None:
        """Ask the sensor's file."""
        sensor = self._sensor()
        if sensor is not None:
            self.dash.show_query(sensor.source)

    def _sensor(self) -> Sensor | None:
        """The sensor the cursor is on."""
        key = self.grid.cursor_key
        return None if key is None else self.dash.overview.sensors.get(key)

    def _units(self) -> list[Unit]:
        """Units that run the chosen sensors."""
        overview = self.dash.overview
        chosen = [overview.sensors[key] for key in self.grid.chosen if key in overview.sensors]
        wanted = {(sensor.sensor_id, sensor.city) for sensor in chosen if sensor.sensor_id is not None}
        return [
            unit
            for unit in overview.units.values()
            if unit.role is Role.SENSOR
            and ((unit.sensor_id, unit.city) in wanted or (unit.city is None and _any_city(unit, wanted)))
        ]

    def _summary(self, overview: Overview, now: float) -> None:
        glyphs = self._glyphs
        parts = [Content.styled(f"{fmt.count(len(overview.sensors))} sensors", "bold")]
        for verdict, many in self._rows.counts.items():
            if many:
                mark, number = verdict_mark(verdict, glyphs), fmt.count(many)
                text = f"  {mark} {number} {verdict}" if self._wide else f" {mark}{number} {_SHORT[verdict]}"
                parts.append(styled(text, VERDICT_TONES[verdict]))
        words = link_words(overview, now)
        if words:
            parts = [styled(f"{glyphs.warning} {words}  ", Tone.WARN), *(parts if overview.sensors else ())]
        line = Content("").join(parts)
        if not same(line, self._told):
            self._told = line
            self.query_one("#sensors-summary", Static).update(line, layout=False)

    def _show_detail(self, overview: Overview, now: float) -> None:
        if not self.has_class("-detail"):
            return
        sensor = self._sensor()
        if sensor is None:
            self._wish = None
            self._stop_timer()
        elif self._wish is None or self._wish.sensor != sensor.key:
            before = self._wish
            measure = None if before is None or before.measure not in sensor.values else before.measure
            self._wish = Wish(sensor.key, measure, first_range(sensor) if before is None else before.range)
            self._ask(REST_SECONDS)
        self.detail.show(overview, sensor, self._wish, now)

    def _wish_for(self, wish: Wish) -> None:
        self._wish = wish
        self._show_detail(self.dash.overview, self.dash.clock.now())
        self._ask(0.0)

    def _ask(self, seconds: float) -> None:
        """Ask for the series after that time, unless something else is wished for by then."""
        self._stop_timer()
        if self._wish is None or not self.is_current or not self.has_class("-detail"):
            return
        if seconds:
            self._timer = self.set_timer(seconds, self._fetch, name="series")
        else:
            self._fetch()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _fetch(self) -> None:
        if self._wish is not None:
            self._series(self._wish)

    @work(name="series", group="series", exclusive=True, exit_on_error=False)
    async def _series(self, wish: Wish) -> None:
        """Ask for a series, show it, and come back after a while."""
        clock = self.dash.clock
        since = None if wish.seconds is None else clock.now() - wish.seconds
        try:
            series = await self.dash.port.series(
                wish.sensor, wish.measure, since=since, points=self.detail.points
            )
        except SensorTuiError as error:
            self.detail.failed(wish, fmt.plain(str(error), limit=200), clock.now())
        else:
            self.detail.chart(wish, series, clock.now())
            self._show_detail(self.dash.overview, clock.now())
        self._ask(REFRESH_SECONDS * (SLOW if self.dash.look.low_bandwidth else 1))

    @work(name="recent", group="recent", exclusive=True, exit_on_error=False)
    async def _recent(self) -> None:
        """Fill the sparklines with what was before this screen was shown."""
        try:
            self._rows.courses.start(await self.dash.port.recent(SPARK_POINTS))
        except SensorTuiError:
            return  # they fill by themselves, with what comes
        self._rows.forget()
        self.dash.redraw()


def _any_city(unit: Unit, wanted: set[tuple[str, str | None]]) -> bool:
    return any(unit.sensor_id == sensor_id for sensor_id, _ in wanted)

"""The pane about one sensor: its chart, its newest values, and how it compares with its city."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_facts import facts, head
from sensor_tui.app.screens.sensors_link import stale
from sensor_tui.app.screens.sensors_near import near
from sensor_tui.app.screens.sensors_words import same
from sensor_tui.app.widgets.chart import Chart
from sensor_tui.app.widgets.chart_draw import Curve, begin
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Sensor, Series

RANGES: Final = (
    ("5 min", 300.0),
    ("1 h", 3600.0),
    ("6 h", 21_600.0),
    ("24 h", 86_400.0),
    ("all", None),
)
_POINTS: Final = 10
"""Readings a chart should have to begin with."""


def first_range(sensor: Sensor) -> int:
    """The place of the shortest range with some readings of a sensor that writes as it usually does."""
    wanted = _POINTS * (sensor.cadence or 0.0)
    return next(place for place, (_, seconds) in enumerate(RANGES) if seconds is None or seconds >= wanted)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the chart should show; `measure` None is the first."""

    sensor: str
    measure: str | None
    range: int

    @property
    def seconds(self) -> float | None:
        """How far back."""
        return RANGES[self.range][1]

    @property
    def range_name(self) -> str:
        """How far back, in words."""
        return RANGES[self.range][0]


class SensorDetail(Container):
    """Shows a sensor; its screen says which one, and brings the series."""

    DEFAULT_CSS = """
    SensorDetail {
        layout: vertical;
        height: 1fr;
        background: $surface;
        & > .detail--head { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & > #detail-body { layout: vertical; height: 1fr; }
        & #detail-plot { height: 1fr; min-height: 8; max-height: 22; }
        & #detail-keys { height: 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
        & #detail-chart { height: 1fr; }
        & #detail-scroll { height: 1fr; scrollbar-size-vertical: 1; }
        & #detail-facts { height: auto; }
        &.-stale #detail-facts, &.-stale #detail-head { color: $text-muted; }
        &.-below #detail-body { layout: horizontal; }
        &.-below #detail-plot { width: 3fr; height: 1fr; min-height: 3; }
        &.-below #detail-scroll { width: 2fr; height: 1fr; padding-left: 1; }
    }
    """

    def __init__(self, glyphs: Glyphs, *, id: str) -> None:  # noqa: A002 - as in every widget
        super().__init__(id=id)
        self._glyphs = glyphs
        self._texts: dict[str, Content] = {}
        self._sensor: Sensor | None = None
        self._wish: Wish | None = None
        self._series: Series | None = None
        self._trouble = ""

    def compose(self) -> ComposeResult:
        yield Static(id="detail-head", classes="detail--head")
        with Container(id="detail-body"):
            with Container(id="detail-plot"):
                yield Static(id="detail-keys")
                yield Chart(id="detail-chart", note="Reading the values.")
            with VerticalScroll(id="detail-scroll", can_focus=False):
                yield Static(id="detail-facts")

    def show(self, overview: Overview, sensor: Sensor | None, wish: Wish | None, now: float) -> None:
        """Show a sensor as it is now; the chart stays until `chart` brings another."""
        if wish != self._wish:
            other = self._wish is None or wish is None or wish.sensor != self._wish.sensor
            self._wish = wish
            self._trouble = ""
            if other:
                self._series = None
            self._curve(now)
        self._sensor = sensor
        self.set_class(stale(overview), "-stale")
        if sensor is None:
            self._say("detail-head", Content.styled("No sensor is chosen.", "$text-muted"))
            self._say("detail-keys", Content(""))
            self._say("detail-facts", Content(""))
            return
        measure = self.measure(sensor)
        lines = facts(
            sensor, near(overview.sensors.values(), sensor, measure, now, limit=14), now, self._glyphs
        )
        self._say("detail-head", head(sensor, now, self._glyphs))
        self._say("detail-facts", Content("\n").join(lines))
        self._say("detail-keys", self._keys())

    def measures(self, sensor: Sensor | None) -> Sequence[str]:
        """Measures the chosen sensor has."""
        if self._series is not None and self._series.measures:
            return self._series.measures
        return () if sensor is None else tuple(sensor.values)

    def measure(self, sensor: Sensor) -> str:
        """The measure shown; the first one where none was chosen."""
        if self._wish is not None and self._wish.measure is not None:
            return self._wish.measure
        if self._series is not None and self._series.measure:
            return self._series.measure
        return next(iter(sensor.values), "")

    def chart(self, wish: Wish, series: Series, now: float) -> None:
        """Take the series that was wished for."""
        if self._wish == wish:
            self._series, self._trouble = series, ""
            self._curve(now)

    def failed(self, wish: Wish, why: str, now: float) -> None:
        """Say that the series cannot be had; what is shown stays, as old."""
        if self._wish == wish:
            self._trouble = why
            self._curve(now)

    @property
    def points(self) -> int:
        """How many points the chart has a use for."""
        return max(60, min(400, 2 * self.query_one(Chart).size.width))

    def _keys(self) -> Content:
        chosen = 0 if self._wish is None else self._wish.range
        parts = [Content("[ ] ")]
        for place, (name, _) in enumerate(RANGES):
            parts.append(Content.styled(name, "bold reverse" if place == chosen else ""))
            parts.append(Content(" "))
        many = len(self.measures(self._sensor)) > 1
        return Content("").join([*parts, Content(f" m {self._glyphs.right} next measure" if many else "")])

    def _curve(self, now: float) -> None:
        chart = self.query_one(Chart)
        wish, series = self._wish, self._series
        old = bool(self._trouble) or (series is not None and wish is not None and not _meant(series, wish))
        chart.set_class(old, "-stale")
        if wish is None:
            chart.show(Curve())
        elif series is None:
            note = f"The values cannot be read: {self._trouble}" if self._trouble else "Reading the values."
            chart.show(Curve(note=note))
        else:
            curve = curve_of(series, wish, now)
            if self._trouble:
                curve = replace(curve, title=f"{curve.title} (not renewed: {self._trouble})")
            chart.show(curve)

    def _say(self, name: str, text: Content) -> None:
        before, text = self._texts.get(name), fmt.in_signs(text, self._glyphs)
        if not same(text, before):
            self._texts[name] = text
            shown = self.query_one(f"#{name}", Static)
            width = max(1, shown.size.width)
            taller = before is None or _height(text, width) != _height(before, width)
            shown.update(text, layout=taller)


def _height(text: Content, width: int) -> int:
    """About how many lines a text takes; enough to see that it takes more or fewer than another."""
    return sum(max(1, -(-cell_len(line) // width)) for line in text.plain.split("\n"))


def _meant(series: Series, wish: Wish) -> bool:
    """Whether a series is of the measure wished for."""
    return wish.measure is None or series.measure == wish.measure


def curve_of(series: Series, wish: Wish, now: float) -> Curve:
    """A series as a curve with its extremes and anomalies in the title."""
    name = fmt.plain(series.measure, limit=40)
    title = name
    since: float | None = None
    if wish.seconds is not None:
        since, late = begin(now - wish.seconds, now, series.times)
    else:
        late = ""
    if series.values:
        low, high = fmt.number(min(series.values)), fmt.number(max(series.values))
        title = f"{name} {fmt.number(series.values[-1])}, {low} to {high}{late}"
        if series.anomalies:
            many = len(series.anomalies)
            title += f", {fmt.count(many)} {'anomaly' if many == 1 else 'anomalies'}"
    longer = "" if wish.seconds is None else "; ] shows more"
    words = "" if wish.seconds is None else f" in the last {wish.range_name}"
    return Curve(
        title=title,
        times=series.times,
        values=series.values,
        marks=series.anomalies,
        since=since,
        until=now if wish.seconds is not None else None,
        note=f"No readings{words}{longer}.",
    )

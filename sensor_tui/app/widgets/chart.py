"""A chart of values over time that shrinks to a sparkline and to a number where there is less room."""

import asyncio
from typing import ClassVar, Final, cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import work
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from sensor_tui.app import format as fmt
from sensor_tui.app.base import Dash
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.chart_draw import Curve

_SPARK_WIDTH: Final = 12
"""Cells below which a sparkline says nothing."""

_Run = tuple[str, str]
"""Text and the component class it is drawn in."""


class Chart(Widget):
    """Shows one curve: as a chart with axes, else its course in a line, else its newest value.

    Draws anew only when the curve or the room changes, and repaints only the lines that differ.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--title",
        "chart--line",
        "chart--axis",
        "chart--mark",
        "chart--note",
    }
    DEFAULT_CSS = """
    Chart {
        height: 1fr;
        min-height: 1;
    }
    Chart > .chart--title { text-style: bold; }
    Chart > .chart--line { color: $accent; }
    Chart > .chart--axis { color: $text-muted; }
    Chart > .chart--mark { color: $error; text-style: bold; }
    Chart > .chart--note { color: $text-muted; }
    Chart.-stale > .chart--line { color: $text-muted; }
    """

    def __init__(self, *, id: str | None = None, note: str = "") -> None:  # noqa: A002 - as in every widget
        super().__init__(id=id)
        self._curve = Curve(note=note)
        self._lines: list[list[_Run]] = []
        self._drawn: tuple[Curve, Size] | None = None

    @property
    def curve(self) -> Curve:
        """What is shown."""
        return self._curve

    def show(self, curve: Curve) -> None:
        """Show this curve."""
        if curve != self._curve:
            self._curve = curve
            self._redraw()

    def on_mount(self) -> None:
        """Have plotext imported while nobody waits for it."""
        if not chart_draw.ready() and not chart_draw.missing():
            self._load()

    @work(group="plotext", exit_on_error=False)
    async def _load(self) -> None:
        await asyncio.to_thread(chart_draw.load)
        self._drawn = None
        self._redraw()

    def on_resize(self) -> None:
        """Use the new room."""
        self._redraw()

    def notify_style_update(self) -> None:
        """Take the colours of another theme."""
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line, as the compositor asks for it."""
        width = self.size.width
        base = self.rich_style
        if y >= len(self._lines):
            return Strip.blank(width, base)
        segments = [Segment(text, base + self._style(name)) for text, name in self._lines[y] if text]
        return Strip(segments).adjust_cell_length(width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name, partial=True)

    def _redraw(self) -> None:
        """Draw where something changed, and repaint the lines that differ."""
        now = (self._curve, self.size)
        if now == self._drawn or not self.size:
            return
        before, self._drawn = self._lines, now
        self._lines = self._draw(self.size.width, self.size.height)
        for y in range(max(len(before), len(self._lines))):
            old = before[y] if y < len(before) else None
            new = self._lines[y] if y < len(self._lines) else None
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def _draw(self, width: int, height: int) -> list[list[_Run]]:
        plain = cast("Dash", self.app).look.ascii
        ellipsis = fmt.glyphs(ascii=plain).ellipsis
        curve = chart_draw.usable(self._curve)
        title = [(fmt.fit(fmt.plain(curve.title), width, ellipsis=ellipsis), "chart--title")]
        if not curve.times:
            note = [(fmt.fit(fmt.plain(curve.note), width, ellipsis=ellipsis), "chart--note")]
            return [title, note] if curve.title and height > 1 else [note]
        room = height - 1 if curve.title else height
        if width >= chart_draw.LEAST_WIDTH and room >= chart_draw.LEAST_HEIGHT and chart_draw.ready():
            lines = _parts(curve, width, room, plain=plain)
            return [title, *lines] if curve.title else lines
        return (
            [title, *_line(curve, width, "", plain=plain)]
            if curve.title and height > 1
            else _line(curve, width, fmt.plain(curve.title), plain=plain)
        )


def _line(curve: Curve, width: int, title: str, *, plain: bool) -> list[list[_Run]]:
    """The newest value, behind the course and the title where there is room."""
    newest = (curve.label or fmt.number)(curve.values[-1])
    room = width - cell_len(newest)
    head = f"{title} " if title and room > cell_len(title) else ""
    spark = room - cell_len(head) - 1
    if spark < _SPARK_WIDTH:
        return [[(head, "chart--title"), (newest, "chart--line")]]
    course = fmt.sparkline(curve.values, spark, ascii=plain)
    return [[(head, "chart--title"), (course, "chart--line"), (f" {newest}", "chart--title")]]


def _parts(curve: Curve, width: int, height: int, *, plain: bool) -> list[list[_Run]]:
    """The lines of a drawing, cut where what is drawn changes: axis, curve, marks."""
    drawing = chart_draw.draw(curve, width, height, ascii=plain)
    mark = chart_draw.ASCII_MARK if plain else chart_draw.MARK
    lines: list[list[_Run]] = []
    for y, line in enumerate(drawing.lines):
        if y >= drawing.rows:
            lines.append([(line, "chart--axis")])
            continue
        runs: list[_Run] = [(line[: drawing.left], "chart--axis")]
        rest = line[drawing.left :]
        while mark in rest:
            head, _, rest = rest.partition(mark)
            runs += [(head, "chart--line"), (mark, "chart--mark")]
        runs.append((rest, "chart--line"))
        lines.append(runs)
    return lines

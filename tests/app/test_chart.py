"""Values over time as characters: what is drawn, what is left out, and how it shrinks."""

import math
import random
import subprocess
import sys
import time

import pytest
from textual.app import App

from sensor_tui.app.base import Look
from sensor_tui.app.format import age
from sensor_tui.app.widgets import chart as chart_module
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.chart import Chart
from sensor_tui.app.widgets.chart_draw import SECONDS, Curve

NOW = 1_773_500_400.0
"""2026-03-14T15:00:00Z."""


@pytest.fixture(autouse=True, scope="module")
def _loaded():
    assert chart_draw.load()


def hour(points=120, *, hole=(), **more):
    places = [place for place in range(points) if place not in hole]
    step = 3600 / points
    times = [NOW - 3600 + step * place for place in places]
    values = [20 + 3 * math.sin(place / 9) for place in places]
    return Curve(**{"title": "temperature", "times": times, "values": values,
                    "since": NOW - 3600, "until": NOW, **more})  # fmt: skip


def canvas(drawing):
    return [line[drawing.left :] for line in drawing.lines[: drawing.rows]]


@pytest.mark.parametrize(("width", "height"), [(28, 5), (40, 6), (100, 20), (180, 50)])
def test_a_chart_fills_its_room_exactly(width, height):
    drawing = chart_draw.draw(hour(), width, height, ascii=False)
    assert len(drawing.lines) == height
    assert {len(line) for line in drawing.lines} == {width}
    assert all(line[drawing.left - 1] in "│┤" for line in drawing.lines[: drawing.rows])


def test_the_time_axis_says_local_hours_and_minutes():
    drawing = chart_draw.draw(hour(), 100, 20, ascii=False)
    assert drawing.lines[-1].split() == ["14:00", "14:10", "14:20", "14:30", "14:40", "14:50", "15:00"]


def test_ascii_has_nothing_but_ascii():
    drawing = chart_draw.draw(hour(marks=(NOW - 1800,)), 60, 12, ascii=True)
    assert all(line.isascii() for line in drawing.lines)
    assert any("*" in line for line in canvas(drawing))
    assert any(chart_draw.ASCII_MARK in line for line in canvas(drawing))


def test_a_gap_stays_empty():
    drawing = chart_draw.draw(hour(hole=range(40, 80)), 68, 12, ascii=False)
    middle = [line[24:36] for line in canvas(drawing)]
    assert all(not part.strip() for part in middle)
    whole = chart_draw.draw(hour(), 68, 12, ascii=False)
    assert any(line[24:36].strip() for line in canvas(whole))


def test_marks_stand_on_the_curve():
    drawing = chart_draw.draw(hour(marks=(NOW - 3000, NOW - 600, NOW + 999)), 100, 20, ascii=False)
    assert sum(line.count(chart_draw.MARK) for line in canvas(drawing)) == 2


@pytest.mark.parametrize(
    ("times", "values"),
    [
        ([NOW], [5.0]),
        ([NOW - 60, NOW], [5.0, 5.0]),
        ([NOW - 60, NOW], [0.0, 0.0]),
        ([NOW - 60, NOW], [1e300, -1e300]),
        ([NOW - 60, NOW], [1e-300, 2e-300]),
        ([NOW, NOW, NOW], [1.0, 2.0, 3.0]),
        ([0.0, NOW], [-5.0, 7e9]),
        ([-1e15, 1e15], [1.7e308, -1.7e308]),
        ([-1e300, 1e300], [1.0, 2.0]),
        ([-1e308, 1e308], [1.0, 2.0]),
        ([0.0, 1e300], [-1e300, 1e300]),
    ],
)
@pytest.mark.parametrize("floor", [None, 0.0])
def test_odd_values_are_drawn(times, values, floor):
    curve = chart_draw.usable(Curve("x", [*times, NOW], [*values, 1.0], floor=floor))
    drawing = chart_draw.draw(curve, 50, 8, ascii=False)
    assert len(drawing.lines) == 8
    assert any(line.strip() for line in canvas(drawing))


def test_what_is_no_number_and_what_is_before_the_time_is_left_out():
    curve = Curve("x", [1.0, 2.0, 3.0, 4.0], [math.nan, 2.0, math.inf, 4.0], since=2.0, until=9.0)
    usable = chart_draw.usable(curve)
    assert (list(usable.times), list(usable.values)) == ([2.0, 4.0], [2.0, 4.0])
    clean = hour()
    assert chart_draw.usable(clean) is clean


def test_thinning_keeps_the_extremes():
    times = [float(at) for at in range(10_000)]
    values = [math.sin(at / 300) for at in times]
    values[777], values[5001] = 50.0, -50.0
    kept_times, kept = chart_draw.thin(times, values, 200)
    assert len(kept) <= 202
    assert (max(kept), min(kept)) == (50.0, -50.0)
    assert kept_times == sorted(kept_times)
    assert chart_draw.thin(times[:5], values[:5], 200) == (times[:5], values[:5])


@pytest.mark.parametrize(
    ("low", "high", "steps", "ticks"),
    [
        (17.0, 23.0, (), [18.0, 20.0, 22.0]),
        (0.0, 1.0, (), [0.0, 0.5, 1.0]),
        (5.0, 5.0, (), [5.0]),
        (0.0, 7900.0, SECONDS, [0.0, 3600.0, 7200.0]),
        (0.0, 200.0, SECONDS, [0.0, 120.0]),
    ],
)
def test_values_are_labelled_at_round_places(low, high, steps, ticks):
    assert chart_draw.value_ticks(low, high, 3, steps) == pytest.approx(ticks)


def test_labels_have_the_decimals_they_need():
    assert chart_draw.value_texts([18.0, 20.0], None) == ["18", "20"]
    assert chart_draw.value_texts([0.5, 0.75], None) == ["0.50", "0.75"]
    assert chart_draw.value_texts([0.0, 3600.0], age) == ["0 s", "60 min"]
    assert chart_draw.value_texts([1e12, 2e12], None) == ["1.0e+12", "2.0e+12"]


def test_days_are_labelled_as_days():
    ticks = chart_draw.time_ticks(NOW - 6 * 86_400, NOW, 4)
    assert [text for _, text in ticks] == ["03-10", "03-12", "03-14"]
    years = chart_draw.time_ticks(NOW - 600 * 86_400, NOW, 5)
    assert [text[:2] for _, text in years] == ["20"] * len(years)
    assert all(len(text) == 7 for _, text in years)


def test_the_screens_do_not_import_plotext():
    code = (
        "import sys, sensor_tui.app.screens.sensors, sensor_tui.app.screens.uploads;"
        "sys.exit('plotext' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class ChartApp(App[None]):
    def __init__(self, curve, *, width, height, plain=False):
        super().__init__()
        self.look = Look(ascii=plain)
        self.chart = Chart()
        self.chart.styles.width, self.chart.styles.height = width, height
        self.chart.show(curve)

    def compose(self):
        yield self.chart

    @property
    def lines(self):
        height = self.chart.size.height
        return [self.chart.render_line(y).text for y in range(height)]


@pytest.mark.parametrize(
    ("width", "height", "kind"),
    [(60, 12, "chart"), (60, 6, "chart"), (60, 3, "spark"), (60, 1, "one line"), (20, 1, "number"),
     (10, 1, "number"), (27, 12, "spark")],
)  # fmt: skip
async def test_it_shrinks_to_a_sparkline_and_to_a_number(width, height, kind):
    app = ChartApp(hour(), width=width, height=height)
    async with app.run_test(size=(80, 24)):
        lines = app.lines
        text = "\n".join(lines)
        newest = chart_draw.value_texts([app.chart.curve.values[-1]], None)[0]
        assert all(len(line) == width for line in lines)
        if kind == "chart":
            assert "┤" in text
            assert "temperature" in lines[0]
        elif kind == "spark":
            assert "temperature" in lines[0]
            assert "▁" in lines[1]
        elif kind == "one line":
            assert lines[0].startswith("temperature ")
            assert "▁" in lines[0]
        else:
            assert "▁" not in text
        if kind != "chart":
            assert newest in text


@pytest.mark.parametrize("seed", range(20))
def test_any_numbers_are_drawn(seed):
    pick = random.Random(seed)
    scale = 10.0 ** pick.uniform(-320, 308)
    times = [pick.choice([NOW, 0.0, -1.0, 1e300, math.nan]) + pick.gauss(0, 1e5) for _ in range(60)]
    values = [pick.choice([scale, -scale, 0.0, math.inf]) * pick.random() for _ in times]
    curve = chart_draw.usable(Curve("x", times, values, marks=times))
    if curve.times:
        assert len(chart_draw.draw(curve, 60, 10, ascii=bool(seed % 2)).lines) == 10


async def test_without_points_it_says_so():
    app = ChartApp(Curve("Lag", note="No history yet."), width=40, height=8)
    async with app.run_test(size=(80, 24)):
        assert app.lines[0].strip() == "Lag"
        assert app.lines[1].strip() == "No history yet."


async def test_it_draws_only_when_something_changed(monkeypatch):
    drawn = []
    draw = chart_draw.draw
    monkeypatch.setattr(chart_draw, "draw", lambda *a, **k: drawn.append(1) or draw(*a, **k))
    app = ChartApp(hour(), width=60, height=12)
    async with app.run_test(size=(80, 24)) as pilot:
        app.chart.show(hour())
        await pilot.pause()
        assert len(drawn) == 1
        app.chart.show(hour(marks=(NOW - 600,)))
        assert len(drawn) == 2
        app.chart.styles.width = 50
        await pilot.pause()
        assert len(drawn) == 3


async def test_it_repaints_only_lines_that_differ():
    app = ChartApp(hour(), width=60, height=12)
    async with app.run_test(size=(80, 24)):
        painted = []
        app.chart.refresh = lambda *regions, **_: painted.extend(regions)
        app.chart.show(hour(marks=(NOW - 600,)))
        assert len(painted) == 1
        assert all(region.height == 1 for region in painted)


async def test_hostile_titles_are_plain():
    app = ChartApp(hour(title="\x1b[31m[red]x[/]\u202eevil\r\n"), width=60, height=12)
    async with app.run_test(size=(80, 24)):
        assert app.lines[0].strip() == "[red]x[/]evil"


async def test_where_plotext_cannot_be_used_there_are_sparklines(monkeypatch):
    monkeypatch.setattr(chart_draw, "_plotext", None)
    monkeypatch.setattr(chart_draw, "_missing", False)

    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(chart_draw, "import_module", fail)
    app = ChartApp(hour(), width=60, height=12)
    async with app.run_test(size=(80, 24)):
        await app.workers.wait_for_complete()
        assert chart_draw.missing()
        assert "▁" in app.lines[1]
        assert chart_module.chart_draw.load() is False


async def test_it_is_imported_while_the_chart_is_shown(monkeypatch):
    plotext = chart_draw._plotext
    monkeypatch.setattr(chart_draw, "_plotext", None)
    monkeypatch.setattr(chart_draw, "import_module", lambda name: plotext)
    app = ChartApp(hour(), width=60, height=12)
    async with app.run_test(size=(80, 24)):
        await app.workers.wait_for_complete()
        assert any("┤" in line for line in app.lines)


@pytest.mark.parametrize(
    ("first", "begins", "words"),
    [
        (3600, 3600, ""),
        (2800, 3600, ""),
        (120, 124.8, " since 14:58"),
        (4, 10.4, " since 14:59"),
        (0, 10.4, " since 15:00"),
    ],
)
def test_the_axis_begins_where_the_values_do(monkeypatch, first, begins, words):
    monkeypatch.setattr(chart_draw.fmt, "clock_minutes", lambda at: time.strftime("%H:%M", time.gmtime(at)))
    since, said = chart_draw.begin(NOW - 3600, NOW, [NOW - 9000, NOW - first])
    assert since == pytest.approx(NOW - begins)
    assert said == words


def test_a_range_with_nothing_in_it_is_shown_whole():
    assert chart_draw.begin(NOW - 3600, NOW, [NOW - 9000]) == (NOW - 3600, "")
    since, said = chart_draw.begin(NOW - 30 * 86_400, NOW, [NOW - 2 * 86_400])
    assert NOW - 3 * 86_400 < since < NOW - 2 * 86_400
    assert said == " since 2026-03-12"


def test_seconds_are_said_where_minutes_would_not_do():
    assert all(len(text) == 8 for _, text in chart_draw.time_ticks(NOW - 20, NOW, 3))

"""The Uploads screen on a fake port: every key, every situation."""

import asyncio
from dataclasses import replace

import pytest
from textual.widgets import Static

from sensor_tui.app.base import Look
from sensor_tui.app.screens.uploads_history import LONGEST
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.chart import Chart
from sensor_tui.errors import ServiceError
from sensor_tui.model.overview import Link
from tests.app.fake import NOW, empty_overview, sample_overview

WIDE = (140, 45)
SIZES = [(80, 24), WIDE, (200, 60)]


@pytest.fixture(autouse=True, scope="module")
def _loaded():
    chart_draw.load()


def summary(dash):
    return str(dash.screen.query_one("#uploads-summary", Static).content).split("\n")


def displayed(dash):
    names = ("backlog", "lanes", "charts", "letters")
    return {name for name in names if on_screen(dash.screen.query_one(f"#uploads-{name}"))}


def on_screen(widget):
    return all(each.display for each in widget.ancestors_with_self if each.is_attached)


async def test_the_most_behind_first_with_sums_per_city(make_dash):
    async with make_dash(start="uploads") as dash:
        grid = dash.screen.current_grid()
        assert [row.cells["sensor"].text for row in grid.rows_shown][:2] == ["LON_100004", "LON_100002"]
        assert "London  backlog 992  lag 2 h (5)" in dash.text()
        assert summary(dash)[0] == "● Uploading"
        assert dash.screen.filter_counts() == (14, 14)


@pytest.mark.parametrize(("key", "call"), [("p", "pause"), ("r", "resume"), ("n", "sync_now")])
async def test_keys_for_the_engine(make_dash, key, call):
    async with make_dash(start="uploads") as dash:
        await dash.press(key)
        assert dash.port.called(call) == [()]
        assert len(dash.notes()) == 1


async def test_what_the_engine_refuses_is_said(make_dash):
    async with make_dash(start="uploads") as dash:
        dash.port.failures["pause"] = ServiceError("[it] is draining")
        await dash.press("p")
        assert "[it] is draining" in dash.notes()[0]


async def test_nothing_is_changed_in_read_only_mode(make_dash):
    async with make_dash(start="uploads", look=Look(read_only=True)) as dash:
        await dash.press("D")
        for key in "prntX":
            dash.app.clear_notifications()
            dash.clock.advance(10)
            await dash.press(key)
            assert dash.notes()
        called = {call[0] for call in dash.port.calls}
        assert not called & {"pause", "resume", "sync_now", "retry", "drop"}


@pytest.mark.parametrize(
    ("size", "views"),
    [
        ((80, 24), {"b": {"backlog"}, "c": {"charts"}, "L": {"lanes"}, "D": {"letters"}}),
        ((140, 24), {"b": {"backlog", "charts"}, "c": {"charts"}}),
        (WIDE, {"b": {"backlog", "charts", "lanes"}, "c": {"charts"}, "L": {"lanes"}, "D": {"letters"}}),
        ((80, 60), {"b": {"backlog", "lanes"}}),
    ],
)
async def test_views_use_the_room(make_dash, size, views):
    async with make_dash(start="uploads", size=size) as dash:
        for key, names in views.items():
            await dash.press(key)
            assert displayed(dash) == names
            grid = dash.screen.current_grid()
            assert (grid is None) is (names == {"charts"})
            assert grid is None or dash.screen.focused is grid


async def test_tab_goes_through_the_views(make_dash):
    async with make_dash(start="uploads") as dash:
        seen = []
        for _ in range(4):
            await dash.press("tab")
            seen.append(displayed(dash))
        assert seen == [{"charts"}, {"lanes"}, {"letters"}, {"backlog"}]
        await dash.press("shift+tab")
        assert displayed(dash) == {"letters"}


async def test_the_view_shown_is_highlighted(make_dash):
    async with make_dash(start="uploads") as dash:
        for key, title in (("b", " b Backlog "), ("L", " L Lanes "), ("D", " D Dead letters 3 ")):
            await dash.press(key)
            content = dash.screen.query_one("#uploads-views", Static).content
            marked = [span for span in content.spans if "reverse" in str(span.style)]
            assert [content.plain[span.start : span.end] for span in marked] == [title]


async def test_lanes(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("L")
        assert [row.key for row in dash.screen.current_grid().rows_shown][-1] == "cosmos/3"
        await dash.push(empty_overview())
        assert "No lanes: nothing has been sent yet." in dash.text()


async def test_charts_and_their_range(make_dash):
    async with make_dash(start="uploads", size=WIDE) as dash:
        await dash.press("c")
        assert dash.port.called("minutes") == [(NOW - LONGEST,)]
        charts = list(dash.screen.query(Chart))
        assert [chart.curve.title.split()[0] for chart in charts] == ["Lag", "Backlog", "Docs/s"]
        assert all(chart.curve.since == NOW - 3600 for chart in charts)
        for name in ("6 h", "24 h", "24 h"):
            await dash.press("right_square_bracket")
            assert f"last {name}" in dash.text()
            begins = dash.port.history[0].at
            assert all(NOW - 21_600 < chart.curve.since < begins for chart in charts)
            assert all(" since " in chart.curve.title for chart in charts)
        await dash.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        assert all(chart.curve.since == NOW - 3600 for chart in charts)
        assert "last 1 h" in dash.text()


async def test_only_what_is_missing_of_the_history_is_read_again(make_dash):
    async with make_dash(start="uploads") as dash:
        newest = dash.port.history[-1].at
        assert dash.screen._timer is not None
        dash.screen._fetch()
        await dash.settle()
        assert dash.port.called("minutes")[1:] == [(newest,)]
        assert len(dash.screen._history.minutes) == 60


async def test_no_history_is_read_while_another_screen_is_shown(make_dash):
    async with make_dash(start="uploads") as dash:
        screen = dash.screen
        await dash.press("question_mark")
        assert screen._timer is None
        before = len(dash.port.called("minutes"))
        await dash.push(sample_overview())
        assert len(dash.port.called("minutes")) == before
        await dash.press("escape")
        assert len(dash.port.called("minutes")) == before + 1


async def test_a_slow_history_does_not_stop_the_screen(make_dash, fake_port):
    fake_port.gates["minutes"] = asyncio.Event()
    async with make_dash(start="uploads", size=WIDE) as dash:
        assert "LON_100004" in dash.text()
        fake_port.gates["minutes"].set()
        await dash.settle()
        assert len(dash.screen._history.minutes) == 60


async def test_a_history_that_cannot_be_read_says_why(make_dash, fake_port):
    fake_port.failures["minutes"] = ServiceError("[no] ledger")
    async with make_dash("stopped", start="uploads", size=WIDE) as dash:
        assert "The history cannot be read: [no] ledger" in dash.text()
        assert dash.screen.query_one("#chart-lag").has_class("-stale")


async def test_charts_are_not_drawn_for_seconds(make_dash, monkeypatch):
    async with make_dash(start="uploads", size=WIDE) as dash:
        drawn = []
        draw = chart_draw.draw
        monkeypatch.setattr(chart_draw, "draw", lambda *a, **k: drawn.append(1) or draw(*a, **k))
        dash.clock.advance(0.5)
        await dash.push(sample_overview(backlog=1192))
        assert drawn == []
        dash.clock.advance(5.0)
        await dash.push(sample_overview(backlog=1100))
        assert len(drawn) == 3


async def test_when_it_will_be_gone(make_dash):
    async with make_dash(start="uploads") as dash:
        for backlog in (9000, 8000, 7000):
            dash.clock.advance(20)
            await dash.push(sample_overview(backlog=backlog, engine=replace(sample_overview().engine)))
        assert "To drain" in summary(dash)[1]
        dash.clock.advance(60)
        await dash.push(sample_overview(backlog=4000))
        assert "To drain 80 s" in summary(dash)[1] or "To drain 1 min" in summary(dash)[1]
        dash.clock.advance(20)
        await dash.push(sample_overview(backlog=9000))
        assert "never at this rate" in summary(dash)[1]


SITUATIONS = {
    "loading": "Connecting to the service.",
    "refused": "COSMOS_ENDPOINT is not set",
    "empty": "Nothing to upload: no sensor file was found.",
    "lost": "The service does not answer; trying again.",
    "stopped": "The service is stopped: nobody uploads.",
}


@pytest.mark.parametrize("size", [(80, 24), WIDE, (200, 60)])
async def test_every_situation_has_its_words(make_dash, overviews, size):
    async with make_dash(None, start="uploads", size=size) as dash:
        for name, words in SITUATIONS.items():
            await dash.push(overviews[name])
            assert words in dash.text()


async def test_what_is_from_before_is_dimmed(make_dash):
    async with make_dash("lost", start="uploads", size=WIDE) as dash:
        for name in ("backlog", "lanes"):
            assert all(row.stale for row in dash.screen._grid(name).rows_shown)
        assert dash.screen.query_one("#chart-lag").has_class("-stale")
        await dash.push(sample_overview())
        assert not any(row.stale for row in dash.screen._grid("backlog").rows_shown)
        assert not dash.screen.query_one("#chart-lag").has_class("-stale")


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_texts_change_nothing(make_dash, size):
    async with make_dash("hostile", start="uploads", size=size) as dash:
        for key in "bcLD":
            await dash.press(key)
            assert "\x1b" not in dash.text()
            assert "\u202e" not in dash.text()
            assert "[red]rm[/]" in dash.text()


@pytest.mark.parametrize("size", SIZES)
async def test_plain_glyphs(make_dash, size):
    async with make_dash(start="uploads", size=size, look=Look(ascii=True)) as dash:
        for key in "bcLD":
            await dash.press(key)
            body = [line[: size[0] - 1] for line in dash.text().split("\n")[1:-1]]
            assert [line for line in body if not line.isascii()] == []


async def test_a_problem_takes_its_line_and_gives_it_back(make_dash):
    async with make_dash(start="uploads") as dash:
        height = dash.screen.query_one("#uploads-summary").size.height
        engine = replace(sample_overview().engine, config_problem="line 3 of config.yaml")
        await dash.push(sample_overview(engine=engine))
        assert dash.screen.query_one("#uploads-summary").size.height == height + 1
        await dash.push(sample_overview(link=Link.LIVE))
        assert dash.screen.query_one("#uploads-summary").size.height == height

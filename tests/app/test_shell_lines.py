"""Header, footer and filter: what they say, at every width."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from sensor_tui.app.base import Look
from sensor_tui.app.format import glyphs
from sensor_tui.app.widgets.footer import Hint, cut
from sensor_tui.app.widgets.header import fleet_parts, link_parts, upload_parts
from sensor_tui.app.widgets.line import KEPT, Part, lay_out
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.progress import EngineState
from tests.app.fake import HOSTILE, NOW, empty_overview, sample_engine, sample_overview, sample_overviews
from tests.app.plain_screens import PlainApp

MARKS = glyphs(False)


def words(parts) -> list[str]:
    return [part.text for part in parts]


async def head(make_dash, overview, *, size=(80, 24), **options) -> str:
    async with make_dash(overview, app_class=PlainApp, size=size, **options) as dash:
        return dash.text().splitlines()[0]


def test_the_fleet_says_what_is_up_and_what_is_wrong_the_worst_first():
    assert words(fleet_parts(sample_overview(), NOW, MARKS)) == [
        "● 9/13 up", "✗ 1 failed", "✗ 1 unhealthy", "↻ 1 backoff", "? 1 unknown",
        "✗ 1 unreadable", "✗ 1 silent", "▲ 2 late", "▲ 2 anomalous", "▲ 1 flat-lined",
    ]  # fmt: skip


def test_an_empty_fleet_has_nothing_to_say():
    assert words(fleet_parts(empty_overview(), NOW, MARKS)) == []


def test_backlog_lag_and_throughput():
    assert words(upload_parts(sample_overview(), NOW, MARKS)) == [
        "backlog 1,193", "lag 2 h", "3 dead", "512 docs/s",
    ]  # fmt: skip


def test_no_lag_where_nothing_is_open():
    shown = words(upload_parts(sample_overview(backlog=0, dead_letters=0), NOW, MARKS))
    assert shown == ["backlog 0", "512 docs/s"]


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (EngineState.PAUSED, "‖ paused"),
        (EngineState.REFUSED, "✗ sink refuses"),
        (EngineState.UNREACHABLE, "✗ sink unreachable"),
        (EngineState.DRAINING, "◑ draining"),
        (EngineState.IDLE, "512 docs/s"),
        (EngineState.RUNNING, "512 docs/s"),
    ],
)
def test_why_nothing_is_uploaded(state, shown):
    overview = sample_overview(engine=replace(sample_engine(), state=state))
    assert words(upload_parts(overview, NOW, MARKS))[-1] == shown


@pytest.mark.parametrize("state", [EngineState.STOPPED, EngineState.STARTING])
def test_an_engine_that_does_not_run_has_no_throughput(state):
    overview = sample_overview(engine=replace(sample_engine(), state=state))
    assert not any("docs/s" in text for text in words(upload_parts(overview, NOW, MARKS)))


@pytest.mark.parametrize(
    ("overview", "shown"),
    [
        (Overview(), "◐ connecting"),
        (sample_overview(), "● LIVE"),
        (sample_overview(link=Link.LOST, at=NOW - 40, problem="no answer"), "▲ stale 40 s: no answer"),
        (sample_overview(link=Link.LOST, at=None), "▲ stale"),
        (Overview(link=Link.STOPPED), "○ no service: nobody uploads"),
        (Overview(link=Link.REFUSED, problem="set COSMOS_KEY"), "✗ no service: set COSMOS_KEY"),
    ],
)
def test_the_link_has_a_word_for_every_state(overview, shown):
    assert words(link_parts(overview, NOW, MARKS)) == [shown]


@pytest.mark.parametrize("name", sample_overviews())
@pytest.mark.parametrize("size", [(40, 12), (60, 20), (80, 24), (140, 45), (200, 60)])
async def test_the_header_fits_and_keeps_link_and_time(make_dash, name, size):
    line = await head(make_dash, name, size=size)
    assert cell_len(line) <= size[0]
    if size[0] >= 80:
        assert line.rstrip().endswith("15:09")
        link = {"lost": "stale 40 s", "refused": "no service", "stopped": "nobody uploads"}
        assert link.get(name, "connecting" if name == "loading" else "LIVE") in line


@pytest.mark.parametrize("name", ["sample", "lost", "stopped"])
async def test_badges_are_seen_at_80_columns(make_dash, name):
    line = await head(make_dash, name, look=Look(read_only=True, low_bandwidth=True))
    assert "READ-ONLY" in line
    assert "LOW-B" in line


async def test_with_room_there_is_everything(make_dash):
    line = await head(make_dash, "sample", size=(200, 60))
    for piece in (
        "sensor-tui",
        "9/13 up",
        "1 failed",
        "2 late",
        "backlog 1,193",
        "lag 2 h",
        "512 docs/s",
        "LIVE",
    ):
        assert piece in line


async def test_plain_glyphs_are_plain(make_dash):
    line = await head(make_dash, "sample", size=(200, 60), look=Look(ascii=True))
    assert line.isascii()


async def test_a_hostile_reason_is_plain(make_dash):
    line = await head(make_dash, sample_overview(link=Link.LOST, problem=HOSTILE), size=(200, 60))
    assert "[red]rm[/] gnp.exe" in line


def test_a_line_keeps_what_has_to_be_kept_and_leaves_out_by_weight():
    left = [Part("aaaaaaaaaa", weight=1), Part("bbbbbbbbbb", weight=2, short="bb"), Part("cccc", weight=KEPT)]
    right = [Part("dd", weight=KEPT)]
    assert lay_out(left, right, 40, ellipsis="…").plain == "aaaaaaaaaa  bbbbbbbbbb  cccc          dd"
    assert lay_out(left, right, 20, ellipsis="…").plain == "bbbbbbbbbb  cccc  dd"
    assert lay_out(left, right, 12, ellipsis="…").plain == "bb  cccc  dd"
    assert lay_out(left, right, 8, ellipsis="…").plain == "cccc  dd"
    assert lay_out(left, right, 5, ellipsis="…").cell_length <= 5


def test_an_elastic_piece_takes_the_room_that_is_left():
    right = [Part("stale: because of this and that", weight=KEPT, short="stale", elastic=True)]
    assert lay_out([], right, 40, ellipsis="…").plain.strip() == "stale: because of this and that"
    assert lay_out([], right, 20, ellipsis="…").plain == "stale: because of t…"
    assert lay_out([], right, 5, ellipsis="…").plain == "stale"


def test_the_footer_is_cut_and_keeps_the_last():
    hints = [Hint(str(place), str(place), "title") for place in range(20)]
    assert [hint.key for hint in cut(hints, 40)] == ["0", "1", "2", "19"]
    assert [hint.key for hint in cut(hints, 3)] == ["19"]
    assert cut([], 40) == ()


@pytest.mark.parametrize("width", [20, 40, 80, 140])
async def test_the_footer_always_shows_help(make_dash, width):
    async with make_dash(app_class=PlainApp, size=(width, 20)) as dash:
        foot = dash.text().splitlines()[-1]
        assert foot.rstrip().endswith("? Help")
        assert cell_len(foot) <= width


async def test_the_footer_shows_screen_keys_first_and_those_of_the_focus(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        assert dash.text().splitlines()[-1].split() == [
            "x", "Stop", "v", "Look", ":", "Commands", "/", "Filter", "q", "Quit", "?", "Help",
        ]  # fmt: skip
        await dash.press("2", "slash")
        foot = dash.text().splitlines()[-1]
        assert "esc Close" in foot
        assert "x Stop" not in foot
        assert foot.rstrip().endswith("f1 Help")


async def test_a_click_in_the_footer_is_the_key(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        line = dash.text().splitlines()[-1]
        await dash.pilot.click(offset=(line.index("Look"), 23))
        await dash.settle()
        assert dash.screen.done == ["look"]
        await dash.pilot.click(offset=(line.index("Help"), 23))
        await dash.settle()
        assert "Help: Plain" in dash.text()


async def test_the_filter_is_live_counts_and_stays_when_closed(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        await dash.press("slash", "m", "n", "l")
        assert "(4 of 13)" in dash.text()
        assert "sensor-LON" not in dash.text()
        await dash.press("enter")
        assert "filter:  mnl (4 of 13)" in dash.text()
        assert dash.app.focused is dash.screen.current_grid()
        await dash.press("slash")
        assert dash.app.focused.value == "mnl"
        await dash.press(*["backspace"] * 3)
        assert "(13 of 13)" in dash.text()
        await dash.press("escape")
        assert "filter:" not in dash.text()


async def test_a_filter_that_cannot_be_read_says_so_and_the_last_good_one_stays(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        await dash.press("slash", *"mnl", "space", "slash", "left_square_bracket", "slash")
        assert "regular expression" in dash.text()
        assert "sensor-LON" not in dash.text()
        assert "sensor-MNL_200001" in dash.text()


async def test_filters_come_back_with_up_and_down(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        for text in ("lon", "mnl"):
            await dash.press("slash", *["backspace"] * 3, *text, "enter")
        await dash.press("slash", *["backspace"] * 3, "x")
        field = dash.app.focused
        seen = []
        for key in ("up", "up", "up", "down", "down", "down"):
            await dash.press(key)
            seen.append(field.value)
        assert seen == ["mnl", "lon", "lon", "mnl", "x", "x"]


async def test_every_screen_has_a_filter_of_its_own(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        await dash.press("slash", *"mnl", "enter", "3")
        assert "filter:" not in dash.text()
        await dash.press("slash")
        assert dash.notes() == ["There is nothing to filter here."] or "filter:" in dash.text()
        await dash.press("escape", "2")
        assert "filter:  mnl (4 of 13)" in dash.text()


async def test_escape_in_the_table_takes_the_filter_away(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        await dash.press("slash", *"mnl", "enter", "escape")
        assert "filter:" not in dash.text()
        assert "sensor-LON_100001" in dash.text()


async def test_what_is_typed_into_a_filter_is_no_command(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        await dash.press("slash", *"q1xT")
        assert dash.app.focused.value == "q1xT"
        assert dash.screen.name == "sensors"
        assert dash.screen.done == []


async def test_a_hostile_filter_is_shown_plainly(make_dash):
    async with make_dash(app_class=PlainApp, start="sensors") as dash:
        await dash.press("slash")
        dash.app.focused.value = "\u202e[red]\x1b[31m"
        await dash.press("enter")
        assert not any(mark in dash.text() for mark in ("\x1b", "\u202e"))

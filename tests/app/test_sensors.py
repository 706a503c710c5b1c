"""The Sensors screen on a fake port: every key, every situation."""

import asyncio
from dataclasses import replace

import pytest
from textual.widgets import Static

from sensor_tui.app.base import Look
from sensor_tui.app.screens import sensors as module
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.chart import Chart
from sensor_tui.errors import ServiceError
from sensor_tui.model.overview import Link
from tests.app.fake import NOW, sample_overview

LON4, LON1 = "LON_100004\0London", "LON_100001\0London"
WIDE = (140, 45)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    chart_draw.load()
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)


def shown(dash, name):
    return str(dash.screen.query_one(f"#{name}", Static).content)


def series_calls(dash):
    return dash.port.called("series")


async def test_worst_first_by_city_with_a_summary(make_dash):
    async with make_dash(start="sensors") as dash:
        keys = [row.key for row in dash.screen.grid.rows_shown]
        assert keys[:2] == [LON4, "LON_100003\0London"]
        assert dash.screen.grid.cursor_key == LON4
        assert shown(dash, "sensors-summary") == (
            "14 sensors ✗1 unread. ○2 silent ▼2 late ▲2 anom. ─1 flat ●5 fresh ?1 unknown"
        )
        assert "New York (5)" in dash.text()


async def test_a_wide_screen_has_whole_words_and_the_pane(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        assert "✗ 1 unreadable  ○ 2 silent" in shown(dash, "sensors-summary")
        assert shown(dash, "detail-head") == "LON_100004 · London ○ silent"
        assert series_calls(dash) == [(LON4, None, NOW - 300, None, 110)]
        assert "median" in dash.text()


async def test_sparklines_begin_with_what_was_before(make_dash):
    async with make_dash(start="sensors") as dash:
        assert dash.port.called("recent") == [(24,)]
        row = next(row for row in dash.screen.grid.rows_shown if row.key == LON1)
        assert len(row.cells["course"].text.strip()) == 12


async def test_sparklines_wait_for_the_service(make_dash):
    async with make_dash("loading", start="sensors") as dash:
        assert dash.port.called("recent") == []
        await dash.push(sample_overview())
        assert dash.port.called("recent") == [(24,)]
        await dash.push(sample_overview(link=Link.LOST))
        assert len(dash.port.called("recent")) == 1
        await dash.push(sample_overview())
        assert len(dash.port.called("recent")) == 2


async def test_sparklines_fill_by_themselves_where_nothing_is_known_of_before(make_dash):
    async with make_dash("loading", start="sensors") as dash:
        dash.port.failures["recent"] = ServiceError("gone")
        await dash.push(sample_overview())
        row = next(row for row in dash.screen.grid.rows_shown if row.key == LON1)
        assert row.cells["course"].text.strip() == "▄"
        assert dash.notes() == []


async def test_enter_shows_and_hides_the_pane(make_dash):
    async with make_dash(start="sensors") as dash:
        assert not dash.screen.detail.display
        assert series_calls(dash) == []
        await dash.press("enter")
        assert dash.screen.detail.display
        assert [call[0] for call in series_calls(dash)] == [LON4]
        assert "2026-03-14 13:09:26" in dash.text()
        await dash.press("enter")
        assert not dash.screen.detail.display
        assert dash.screen._timer is None


async def test_the_pane_follows_the_cursor(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        await dash.press("down", "down")
        assert series_calls(dash)[-1][0] == "LON_100005\0London"
        assert "LON_100005" in shown(dash, "detail-head")


def highlighted(dash, name):
    content = dash.screen.query_one(f"#{name}", Static).content
    return [content.plain[span.start : span.end] for span in content.spans if "reverse" in str(span.style)]


async def test_the_range_shown_is_highlighted(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        assert highlighted(dash, "detail-keys") == ["5 min"]
        await dash.press("right_square_bracket")
        assert highlighted(dash, "detail-keys") == ["1 h"]


async def test_another_screen_leads_to_a_sensor(make_dash):
    async with make_dash(start="uploads") as dash:
        dash.app.show_sensor(LON1)
        await dash.settle()
        assert dash.screen.NAME == "sensors"
        assert dash.screen.grid.cursor_key == LON1
        assert series_calls(dash)[-1][0] == LON1


@pytest.mark.parametrize(("slow", "seconds"), [(False, 5.0), (True, 30.0)])
async def test_how_often_the_chart_is_read(make_dash, slow, seconds):
    async with make_dash(start="sensors", size=WIDE, look=Look(low_bandwidth=slow)) as dash:
        assert dash.screen._timer._interval == seconds


async def test_ranges(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        await dash.press("left_square_bracket")
        assert series_calls(dash)[-1][2] == NOW - 300
        await dash.press("left_square_bracket")
        assert series_calls(dash)[-1][2] == NOW - 300
        for seconds in (3600, 21_600, 86_400):
            await dash.press("right_square_bracket")
            assert series_calls(dash)[-1][2] == NOW - seconds
        await dash.press("right_square_bracket")
        assert series_calls(dash)[-1][2] is None
        await dash.press("down")
        assert series_calls(dash)[-1][2] is None


async def test_measures(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        for measure in ("vibration", "voltage", "temperature"):
            await dash.press("m")
            assert series_calls(dash)[-1][1] == measure
        await dash.press("M")
        assert series_calls(dash)[-1][1] == "voltage"
        assert dash.screen.query_one(Chart).curve.title.startswith("voltage")
        await dash.press("down")
        assert series_calls(dash)[-1][:2] == ("LON_100003\0London", "voltage")


async def test_a_measure_the_next_sensor_lacks_is_not_asked_for(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        await dash.press("m")
        dash.screen.look_at(["NYC_300003\0New York"])
        await dash.settle()
        assert series_calls(dash)[-1][:2] == ("NYC_300003\0New York", None)
        before = len(series_calls(dash))
        await dash.press("m")
        assert len(series_calls(dash)) == before


async def test_logs_of_the_chosen_sensors(make_dash, monkeypatch):
    async with make_dash(start="sensors") as dash:
        asked = []
        monkeypatch.setattr(dash.app, "show_logs", lambda units: asked.append(tuple(units)))
        await dash.press("l")
        await dash.press("space", "space", "l")
        assert asked == [
            ("edge-01/docker/sensor-LON_100004",),
            ("edge-01/docker/sensor-LON_100003", "edge-01/docker/sensor-LON_100004"),
        ]


async def test_a_sensor_with_no_unit_has_no_logs(make_dash, monkeypatch):
    async with make_dash(start="sensors") as dash:
        asked = []
        monkeypatch.setattr(dash.app, "show_logs", asked.append)
        monkeypatch.setattr(dash.app, "show_unit", asked.append)
        dash.screen.look_at(["LON_100005\0London"])
        await dash.press("l")
        await dash.press("u")
        assert asked == []
        assert [note.startswith("No unit is known") for note in dash.notes()] == [True, True]


async def test_a_unit_without_a_city_is_found_by_its_sensor(make_dash, monkeypatch):
    overview = sample_overview()
    unit = replace(overview.units["edge-01/docker/sensor-LON_100004"], city=None)
    async with make_dash(replace(overview, units={unit.id: unit}), start="sensors") as dash:
        asked = []
        monkeypatch.setattr(dash.app, "show_unit", asked.append)
        await dash.press("u")
        assert asked == [unit.id]


async def test_query_over_its_file(make_dash, monkeypatch):
    async with make_dash(start="sensors") as dash:
        asked = []
        monkeypatch.setattr(dash.app, "show_query", asked.append)
        await dash.press("Q")
        assert asked == ["London/sensor-LON_100004/sensor_data.db"]


async def test_a_filter_by_value(make_dash):
    async with make_dash(start="sensors") as dash:
        await dash.press("slash", *"temperature:>26.1", "enter")
        assert {row.key[:10] for row in dash.screen.grid.rows_shown} == {
            "LON_100005", "NYC_300002", "NYC_300005",
        }  # fmt: skip
        assert dash.screen.filter_counts() == (3, 14)


async def test_looking_at_a_sensor_waits_until_it_is_there(make_dash):
    async with make_dash("empty", start="sensors") as dash:
        dash.screen.look_at([LON1])
        await dash.push(sample_overview())
        assert dash.screen.grid.cursor_key == LON1
        assert dash.screen.detail.display
        assert series_calls(dash)[-1][0] == LON1


async def test_the_chart_is_read_again_when_it_was_read(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        assert dash.screen._timer is not None
        before = len(series_calls(dash))
        dash.screen._fetch()
        await dash.settle()
        assert len(series_calls(dash)) == before + 1
        assert dash.screen._timer is not None


async def test_a_slow_series_is_given_up_for_the_next_sensor(make_dash):
    async with make_dash("loading", start="sensors", size=WIDE) as dash:
        dash.port.gates["series"] = asyncio.Event()
        await dash.push(sample_overview())
        await dash.press("down")
        await dash.press("down")
        assert "Reading the values." in dash.text()
        dash.port.gates["series"].set()
        await dash.settle()
        assert series_calls(dash)[-1][0] == "LON_100005\0London"
        assert dash.screen.query_one(Chart).curve.values


async def test_nothing_is_asked_while_another_screen_is_shown(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        screen = dash.screen
        await dash.press("question_mark")
        assert dash.screen is not screen
        assert screen._timer is None
        before = len(series_calls(dash))
        await dash.push(sample_overview())
        assert len(series_calls(dash)) == before
        await dash.press("escape")
        assert dash.screen is screen
        assert len(series_calls(dash)) == before + 1


async def test_a_series_that_cannot_be_read_says_why(make_dash):
    async with make_dash("loading", start="sensors", size=WIDE) as dash:
        dash.port.failures["series"] = ServiceError("the file is [locked]")
        await dash.push(sample_overview())
        assert "cannot be read: the file is [locked]" in dash.screen.query_one(Chart).curve.note


async def test_a_chart_that_is_not_renewed_stays_and_says_so(make_dash):
    async with make_dash(start="sensors", size=WIDE) as dash:
        dash.port.failures["series"] = ServiceError("gone")
        dash.screen._fetch()
        await dash.settle()
        chart = dash.screen.query_one(Chart)
        assert chart.curve.values
        assert "not renewed: gone" in chart.curve.title
        assert chart.has_class("-stale")


async def test_no_readings_in_the_range(make_dash, monkeypatch):
    async with make_dash(start="sensors", size=WIDE) as dash:
        monkeypatch.setattr(dash.port, "series", no_series)
        await dash.press("left_square_bracket")
        assert "No readings in the last 5 min; ] shows more." in dash.text()


async def no_series(sensor, measure, **_):
    from sensor_tui.model.sensor import Series

    return Series(sensor, measure or "temperature", measures=("temperature", "humidity"))


SITUATIONS = {
    "loading": "Connecting to the service.",
    "refused": "COSMOS_ENDPOINT is not set",
    "empty": "No sensor has written a reading yet.",
    "lost": "The service does not answer; trying again.",
    "stopped": "The service is stopped: nobody uploads.",
}


@pytest.mark.parametrize("size", [(80, 24), WIDE, (200, 60)])
async def test_every_situation_has_its_words(make_dash, overviews, size):
    async with make_dash(None, start="sensors", size=size) as dash:
        for name, words in SITUATIONS.items():
            await dash.push(overviews[name])
            assert words in dash.text()


async def test_what_is_from_before_is_dimmed(make_dash):
    async with make_dash("lost", start="sensors", size=WIDE) as dash:
        assert all(row.stale for row in dash.screen.grid.rows_shown)
        assert dash.screen.detail.has_class("-stale")
        await dash.push(sample_overview())
        assert not any(row.stale for row in dash.screen.grid.rows_shown)
        assert not dash.screen.detail.has_class("-stale")


async def test_a_roomy_screen_shows_every_measure(make_dash):
    async with make_dash(start="sensors", size=(200, 60)) as dash:
        assert {"temperature", "vibration", "voltage"} <= set(dash.screen.grid.shown_columns)
    async with make_dash(start="sensors") as dash:
        assert "vibration" not in dash.screen.grid.shown_columns


async def test_hostile_texts_change_nothing(make_dash):
    async with make_dash("hostile", start="sensors", size=WIDE) as dash:
        text = dash.text()
        assert "[@c" in text
        assert "\x1b" not in text
        assert "\u202e" not in text


@pytest.mark.parametrize("size", [(80, 24), WIDE, (200, 60)])
async def test_plain_glyphs(make_dash, size):
    async with make_dash(start="sensors", size=size, look=Look(ascii=True)) as dash:
        if size[0] == 80:
            await dash.press("enter")
        body = [line[: size[0] - 1] for line in dash.text().split("\n")[1:-1]]
        assert [line for line in body if not line.isascii()] == []


async def test_the_pane_survives_a_sensor_that_goes(make_dash):
    overview = sample_overview()
    async with make_dash(overview, start="sensors", size=WIDE) as dash:
        rest = {key: each for key, each in overview.sensors.items() if key != LON4}
        await dash.push(replace(overview, sensors=rest))
        assert "LON_100004" not in shown(dash, "detail-head")
        await dash.push(replace(overview, sensors={}))
        assert shown(dash, "detail-head") == "No sensor is chosen."
        await dash.press("Q", "m", "right_square_bracket", "l")
        assert dash.screen._wish is None

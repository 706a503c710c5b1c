"""Whose lines Logs reads, what becomes of a stream that breaks, and what is said where there are no lines."""

import pytest

from sensor_tui.app.screens import logs
from sensor_tui.app.screens.logs_feed import FeedState
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.errors import ServiceError
from sensor_tui.model.unit import LogLine
from tests.app.fake import NOW, sample_overview
from tests.app.logs_kit import UNITS, A, B, PatientClock, bar, cursor_lines, lines_of, numbered, shown, until


@pytest.fixture
def clock():
    return PatientClock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)


async def test_units_are_chosen_with_marks(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        await dash.press("u", "space", "space", "enter")
        chosen = fake_port.called("logs")[-1][0]
        assert len(chosen) == 2
        assert "2 of 13 units" in bar(dash)
        await dash.press("u")
        assert dash.screen.query_one(Grid).marks == frozenset(chosen)
        await dash.press("a")
        assert fake_port.called("logs")[-1][0] == tuple(UNITS)


async def test_units_are_found_by_a_word(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        await dash.press("u", "slash", *"role:uploader", "enter", "enter")
        assert fake_port.called("logs")[-1][0] == ("edge-01/docker/uploader-london",)
        assert "uploader-london" in bar(dash)
        before = len(fake_port.called("logs"))
        await dash.press("u", "slash", *"x", "escape", "escape")
        assert len(fake_port.called("logs")) == before
        assert "uploader-london" in bar(dash)


async def test_other_screens_ask_for_units(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        dash.screen.look_at([B])
        await dash.settle()
        assert fake_port.called("logs")[-1] == ((B,), None, 1000, True)
        assert {entry.unit for entry in map(dash.screen._book.__getitem__, range(42, 63))} == {B}
        assert "sensor-LON_100002" in bar(dash)


async def test_units_that_are_gone(make_dash, overviews):
    async with make_dash(start="logs") as dash:
        dash.screen.show_units(["nowhere/docker/gone"])
        await dash.settle()
        assert "The chosen units are gone." in dash.text()


async def test_a_new_unit_is_read_too_and_nothing_twice(make_dash, fake_port, overviews):
    async with make_dash(start="logs") as dash:
        units = dict(overviews["sample"].units)
        gone = units.pop(UNITS[-1])
        await dash.push(sample_overview(units=units))
        assert fake_port.called("logs")[-1] == (tuple(UNITS[:-1]), NOW - 5.0, None, True)
        await dash.push(sample_overview(units={**units, gone.id: gone}))
        assert len([text for text in shown(dash) if "reading 39 " in text]) == 1


async def test_a_stream_that_breaks_is_taken_up_again(make_dash, fake_port, clock):
    async with make_dash(start="logs") as dash:
        fake_port.failures["logs"] = ServiceError("it went away", fix="wait")
        fake_port.end_logs()
        await dash.settle()
        assert any("the stream of lines broke" in text for text in shown(dash))
        assert "broken" in bar(dash)
        assert clock.slept == [1.0]
        clock.go_on.set()
        await dash.settle()
        assert clock.slept == [1.0, 2.0]
        assert "it went away" in bar(dash)
        del fake_port.failures["logs"]
        fake_port.lines += numbered(1, 2)
        clock.go_on.set()
        await dash.settle()
        assert "following" in bar(dash)
        assert fake_port.called("logs")[-1] == (tuple(UNITS), NOW - 5.0, None, True)
        texts = shown(dash)
        assert texts[-2:] == ["INFO line 1", "INFO line 2"]
        assert len([text for text in texts if "reading 39 " in text]) == 1
        assert "lines come again" in texts


async def test_the_service_coming_back_ends_the_wait(make_dash, fake_port, clock, overviews):
    async with make_dash(start="logs") as dash:
        fake_port.failures["logs"] = ServiceError("it went away")
        fake_port.end_logs()
        await dash.push(overviews["lost"])
        assert "the service does not answer" in bar(dash)
        del fake_port.failures["logs"]
        await dash.push(overviews["sample"])
        assert "following" in bar(dash)


async def test_reading_that_never_began_says_why(make_dash, fake_port):
    fake_port.failures["logs"] = ServiceError("no [such] runtime", fix="Start it")
    async with make_dash(start="logs") as dash:
        assert "Log lines cannot be read:" in dash.text()
        assert "no [such] runtime" in dash.text()


@pytest.mark.parametrize(
    ("overview", "text"),
    [
        ("loading", "Connecting to the service."),
        ("empty", "There is no unit, so there are no lines."),
        ("refused", "There is no service to read lines from."),
    ],
)
async def test_empty_states_differ(make_dash, overview, text):
    async with make_dash(overview, start="logs") as dash:
        assert text in dash.text()


@pytest.mark.parametrize(("overview", "text"), [("stopped", "is stopped"), ("lost", "does not answer")])
async def test_a_service_that_is_away_is_said_beside_the_lines(make_dash, fake_port, overview, text):
    async with make_dash(overview, start="logs") as dash:
        assert text in bar(dash)
        assert "reading 39" in dash.text()
        fake_port.lines = []
        dash.screen.show_units([A])
        await dash.settle()
        assert f"The service {text}" in dash.text()


async def test_units_that_write_nothing_and_lines_that_are_hidden(make_dash, fake_port):
    fake_port.lines = []
    async with make_dash(start="logs") as dash:
        assert "Nothing was written by 13 units so far." in dash.text()
        await fake_port.write(LogLine(A, NOW, "INFO x"))
        await dash.settle()
        await dash.press("slash", *"zzz", "enter", "L", "L")
        assert "None of 1 lines is WARN or worse and matches zzz." in dash.text()
        await dash.press("escape", "escape")
        assert "INFO x" in dash.text()


async def test_clearing(make_dash, fake_port, clock):
    async with make_dash(start="logs") as dash:
        await dash.press("c")
        assert "Cleared. New lines show here." in dash.text()
        await fake_port.write(*numbered(1, 1))
        await dash.settle()
        assert shown(dash) == ["INFO line 1"]
        fake_port.end_logs()
        await dash.settle()
        clock.go_on.set()
        await dash.settle()
        assert not [text for text in shown(dash) if "reading" in text]


async def test_reading_goes_on_for_a_while_on_another_screen(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        screen = dash.screen
        await dash.app.push_screen("diagnostics")
        await dash.settle()
        assert screen._away is not None
        await fake_port.write(*numbered(1, 2))
        await dash.settle()
        assert screen._book.next == 44
        screen.stop_reading()
        await dash.settle()
        assert not fake_port._followers
        fake_port.lines += numbered(1, 4)
        await dash.app.pop_screen()
        await dash.settle()
        assert screen._away is None
        assert shown(dash)[-2:] == ["INFO line 3", "INFO line 4"]
        assert fake_port.called("logs")[-1][1] == NOW + 2 - 5.0


async def test_a_burst_is_taken_in_slices(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        await fake_port.write(*numbered(0, 30_000, at=NOW))
        await until(dash, lambda: dash.screen._book.next == 30_042)
        assert len(shown(dash)) == 20_000
        assert "10,042 dropped" in bar(dash)
        assert "INFO line 29999" in dash.text()


async def test_an_unexpected_end_is_said(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        fake_port._followers[0][1].put_nowait([None])
        await dash.settle()
        assert dash.screen._state is FeedState.BROKEN


async def test_lines_that_fall_out_are_counted_and_reading_goes_on(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        screen = dash.screen
        screen._book.most_lines = 100
        await fake_port.write(*numbered(0, 58))
        await dash.settle()
        await dash.press("up", "up")
        reading = lines_of(dash).entry
        place = cursor_lines(dash)
        await fake_port.write(*numbered(58, 30))
        await dash.settle()
        assert "30 dropped" in bar(dash)
        assert lines_of(dash).entry == reading
        assert cursor_lines(dash) == place
        await fake_port.write(*numbered(88, 400))
        await dash.settle()
        assert lines_of(dash).index == 0
        assert len(shown(dash)) == 100

"""The Logs screen on a fake port: every key, and how lines are shown."""

import stat
from pathlib import Path

import pytest

from sensor_tui.app.base import Look
from sensor_tui.app.filter import parse
from sensor_tui.app.logbook import Level
from sensor_tui.app.screens import logs
from sensor_tui.app.widgets.loglines import LogLines
from sensor_tui.model.unit import LogLine
from tests.app.fake import HOSTILE, NOW
from tests.app.logs_kit import UNITS, A, B, PatientClock, bar, cursor_lines, lines_of, numbered, shown, until


@pytest.fixture
def clock():
    return PatientClock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)


async def test_all_units_are_read_and_followed(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        assert fake_port.called("logs") == [(tuple(UNITS), None, 769, True)]
        assert "following" in bar(dash)
        assert "all 13 units" in bar(dash)
        await fake_port.write(*numbered(900, 3))
        await dash.settle()
        assert dash.text().splitlines()[-2].rstrip("█ ").endswith("line 902")


async def test_lines_show_time_level_and_name(make_dash):
    async with make_dash(start="logs", size=(140, 45)) as dash:
        assert " 15:09:25 E sensor-LON_100002 ERROR reading 39 written to [/data]" in dash.text()


async def test_going_up_pauses_and_end_follows(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        await dash.press("up")
        assert "paused" in bar(dash)
        top = dash.text().splitlines()[2]
        await fake_port.write(*numbered(1, 120))
        await dash.settle()
        assert "paused, 120 new" in bar(dash)
        assert dash.text().splitlines()[2] == top
        await dash.press("G")
        assert "following" in bar(dash)
        assert "INFO line 120" in dash.text().splitlines()[-2]
        await dash.press("f")
        assert "paused" in bar(dash)
        await dash.press("f")
        assert "following" in bar(dash)


async def test_moving_keys(make_dash):
    async with make_dash(start="logs") as dash:
        lines = lines_of(dash)
        last = len(shown(dash)) - 1
        await dash.press("k")
        assert lines.index == last - 1
        await dash.press("j")
        assert (lines.index, lines.follows) == (last, False)
        await dash.press("g")
        assert lines.index == 0
        assert "reading 0 " in dash.text().splitlines()[2]
        await dash.press("pagedown")
        assert lines.index == 20
        await dash.press("pageup")
        assert lines.index == 0
        await dash.press("home", "down", "down")
        assert lines.index == 2
        await dash.press("end")
        assert lines.follows


async def test_a_filter_hides_and_escape_shows_all(make_dash):
    async with make_dash(start="logs") as dash:
        await dash.press("slash", *'"reading 1"', "enter")
        assert len(shown(dash)) == 12
        assert "12 of 42 lines" in bar(dash)
        await dash.press("escape")
        assert len(shown(dash)) == 42


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("/reading 1\\d/", 11),
        ("!reading !skipped", 2),
        ("level:error", 12),
        ("unit:lon_100001", 22),
        ("nothing like this", 1),
        ("stream:err", 2),
    ],
)
async def test_filters_of_every_kind(make_dash, text, count):
    async with make_dash(start="logs") as dash:
        dash.screen.apply_filter(parse(text))
        await dash.settle()
        assert len(shown(dash)) == count


async def test_finding_without_hiding(make_dash):
    async with make_dash(start="logs") as dash:
        await dash.press("slash", *'"reading 2"', "enter", "ampersand")
        assert len(shown(dash)) == 42
        assert "11 found" in bar(dash)
        await dash.press("g", "n")
        assert lines_of(dash).entry.text.startswith("WARNING reading 2 ")
        await dash.press("n")
        assert "reading 20 " in lines_of(dash).entry.text
        await dash.press("N", "N")
        assert "reading 29 " in lines_of(dash).entry.text
        await dash.press("ampersand")
        assert len(shown(dash)) == 12
        await dash.press("escape", "ampersand")
        assert "All lines will be shown; / begins to look for some" in dash.notes()


async def test_finding_nothing_says_so(make_dash):
    async with make_dash(start="logs") as dash:
        await dash.press("n")
        assert "Nothing is looked for; / begins" in dash.notes()
        await dash.press("slash", *"zzz", "enter", "N")
        assert "No line matches" in dash.notes()


async def test_the_level_goes_round(make_dash):
    async with make_dash(start="logs") as dash:
        counts = []
        for _ in range(4):
            await dash.press("L")
            counts.append((dash.screen._view.at_least, len(shown(dash))))
        assert counts == [(Level.INFO, 32), (Level.WARN, 22), (Level.ERROR, 12), (Level.NONE, 42)]
        await dash.press("L", "L")
        assert "W and worse" in bar(dash)
        await dash.press("escape")
        assert len(shown(dash)) == 42


async def test_a_moment_is_gone_to(make_dash):
    async with make_dash(start="logs") as dash:
        await dash.press("t", *"15:08:50", "enter")
        assert lines_of(dash).entry.text.startswith("INFO reading 4 ")
        await dash.press("t", *"-30s", "enter")
        assert lines_of(dash).entry.at == NOW - 30
        await dash.press("t", *"soon", "enter")
        assert "That is no time" in dash.text()
        await dash.press("escape")
        assert lines_of(dash).entry.at == NOW - 30


async def test_steps_through_time(make_dash, fake_port):
    fake_port.lines = [*numbered(0, 200, at=NOW - 7300), LogLine(A, NOW - 10, "INFO late")]
    async with make_dash(start="logs") as dash:
        await dash.press("g")
        await dash.press("M")
        assert lines_of(dash).entry.text == "INFO line 60"
        await dash.press("m")
        assert lines_of(dash).entry.text == "INFO line 0"
        await dash.press("H")
        assert lines_of(dash).entry.text == "INFO late"
        await dash.press("h")
        assert lines_of(dash).entry.text == "INFO late"
        assert len(fake_port.called("logs")) == 1


async def test_a_moment_before_the_lines_kept_is_read_again(make_dash, fake_port):
    async with make_dash(start="logs") as dash:
        fake_port.lines = numbered(0, 100, at=NOW - 3600) + fake_port.lines
        await dash.press("h")
        assert fake_port.called("logs")[-1] == (tuple(UNITS), NOW - 3600, None, True)
        assert lines_of(dash).entry.text == "INFO line 0"
        assert "paused" in bar(dash)


async def test_wrapping_shows_the_whole_of_long_lines(make_dash, fake_port):
    fake_port.lines = [LogLine(A, NOW, "x" * 150 + " the end"), LogLine(B, NOW + 1, "short")]
    async with make_dash(start="logs") as dash:
        assert "the end" not in dash.text()
        await dash.press("right", "right", "right", "right", "right", "right", "right")
        assert "the end" in dash.text()
        await dash.press(*["left"] * 7)
        assert "the end" not in dash.text()
        await dash.press("w")
        assert "the end" in dash.text()
        assert "wrapped" in bar(dash)
        await dash.press("up")
        assert len(cursor_lines(dash)) == 4
        await dash.press("w")
        assert "the end" not in dash.text()


async def test_a_line_of_a_hundred_thousand_characters(make_dash, fake_port):
    fake_port.lines = [LogLine(A, NOW, "y" * 100_000)]
    async with make_dash(start="logs") as dash:
        await dash.press("w")
        assert "…(+99,000)" in dash.text()
        await dash.press("enter")
        assert "more characters were cut off" in "\n".join(
            widget.render().plain for widget in dash.screen.query("Words")
        )


async def test_hostile_lines_and_names_are_plain(make_dash, fake_port):
    fake_port.lines = [LogLine(A, NOW, HOSTILE), LogLine(HOSTILE, NOW, HOSTILE)]
    async with make_dash("hostile", start="logs", size=(140, 45)) as dash:
        for keys in (
            ["up"],
            ["w"],
            ["w", "slash", "[", "slash", "enter"],
            ["escape", "enter"],
            ["escape", "u"],
        ):
            await dash.press(*keys)
            assert "\x1b" not in dash.text()
            assert "\u202e" not in dash.text()
        await dash.press("escape")
        assert "[red]rm[/]" in dash.text()


async def test_saving_what_is_shown(make_dash, tmp_path, fake_port):
    target = tmp_path / "lines.txt"
    async with make_dash(start="logs") as dash:
        await dash.press("slash", *"level:error", "enter", "s")
        assert "12 lines, as they are shown" in dash.text()
        dash.screen.query_one("Input").value = str(target)
        await dash.press("enter")
        await until(dash, target.exists)
        await until(dash, lambda: any("12 lines saved" in note for note in dash.notes()))
        saved = target.read_text().splitlines()
        assert len(saved) == 12
        assert saved[0] == "2026-03-14T15:08:49.000Z sensor-LON_100002: ERROR reading 3 written to [/data]"
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        await dash.press("s")
        dash.screen.query_one("Input").value = str(target)
        await dash.press("enter")
        await until(dash, lambda: "There is a file of that name already" in dash.text())
        dash.screen.query_one("Input").value = str(tmp_path / "no" / "where")
        await dash.press("enter")
        await until(dash, lambda: "No such file or directory" in dash.text())
        await dash.press("escape")
        assert target.read_text().splitlines() == saved


async def test_nothing_to_save(make_dash, fake_port):
    fake_port.lines = []
    async with make_dash(start="logs") as dash:
        await dash.press("s", "y", "enter", "v", "m")
        assert "There is no line to save" in dash.notes()


async def test_copying_a_line_or_a_selection(make_dash, monkeypatch):
    async with make_dash(start="logs") as dash:
        copied = []
        monkeypatch.setattr(dash.app, "copy", lambda text, what: copied.append((text, what)))
        await dash.press("g", "y")
        await dash.press("v", "down", "y")
        await dash.press("escape", "shift+down", "shift+down", "ctrl+y")
        first = "2026-03-14T15:08:46.000Z sensor-LON_100001: INFO reading 0 written to [/data]"
        assert copied[0] == (first, "1 line")
        assert [what for _, what in copied] == ["1 line", "1 line", "3 lines"]
        await dash.press("space")
        assert lines_of(dash).began is None


async def test_names_come_and_go(make_dash):
    async with make_dash(start="logs") as dash:
        assert "LON_100001 INFO" in dash.text()
        await dash.press("number_sign")
        assert "LON_100001" not in "\n".join(dash.text().splitlines()[2:])
        await dash.press("number_sign")
        assert "LON_100001 INFO" in dash.text()


async def test_lines_of_another_day_say_so(make_dash, fake_port):
    fake_port.lines = numbered(0, 3, at=NOW - 86_400)
    async with make_dash(start="logs") as dash:
        assert "2026-03-13" not in bar(dash)
        await dash.press("up")
        assert "2026-03-13" in bar(dash)


async def test_the_mouse(make_dash):
    async with make_dash(start="logs") as dash:
        lines = lines_of(dash)
        await dash.pilot.click(LogLines, offset=(20, 3))
        assert (lines.follows, lines.index) == (False, 22 + 2)
        await dash.pilot.click(LogLines, offset=(20, 5), shift=True)
        assert len(lines.selected) == 3
        await dash.pilot.click(LogLines, offset=(79, 0))
        assert lines.index == 0
        before = lines._top
        lines._roll(3)
        assert lines._top == before + 3
        assert lines.index == 3
        lines._roll(-30)
        assert lines._top == 0


async def test_plain_signs_in_ascii(make_dash):
    async with make_dash(start="logs", look=Look(ascii=True)) as dash:
        await dash.press("up")
        assert "= paused" in bar(dash)
        assert any(text.startswith(">15:09") for text in dash.text().splitlines())


def test_paths_of_the_operator(tmp_path, monkeypatch):
    from sensor_tui.app.screens.logs_save import place_for

    monkeypatch.setenv("HOME", str(tmp_path))
    assert place_for(" ~/x.txt ") == Path(tmp_path / "x.txt")

"""Every key that works everywhere: help, palette, export, copy, columns, themes, footprint, action log."""

import asyncio
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import OptionList

from sensor_tui.app.base import Look
from sensor_tui.app.footprint import Footprint, own_footprint
from sensor_tui.app.format import UNKNOWN
from sensor_tui.app.screens.action_log import ActionLog
from sensor_tui.app.screens.dialogs import TextDialog
from sensor_tui.app.screens.dialogs_tools import ColumnsDialog, ExportDialog, ThemeDialog
from sensor_tui.app.screens.footprint import FootprintDialog, describe
from sensor_tui.app.screens.help import HelpScreen
from sensor_tui.errors import ServiceError
from tests.app.fake import sample_overview
from tests.app.plain_screens import PlainApp

HELPFUL = (
    "A screen for tests.",
    "Stop the unit.",
    "ctrl+a",
    "Action log",
    "UNIT",
    "What it is called.",
    "column:word",
    ": or ctrl+p",
)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TMUX", "TERM"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def until(true) -> None:
    """Wait for something a thread or another process does."""
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
def grid_dash(make_dash):
    return lambda **options: make_dash(app_class=PlainApp, start="sensors", **options)


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_is_about_where_you_are(grid_dash, key):
    async with grid_dash(size=(120, 80)) as dash:
        await dash.press(key)
        assert isinstance(dash.screen, HelpScreen)
        shown = dash.text()
        for words in HELPFUL:
            assert words in shown
        await dash.press("escape")
        assert dash.screen.name == "sensors"


async def test_help_says_what_is_off(grid_dash):
    async with grid_dash(look=Look(read_only=True), size=(120, 80)) as dash:
        await dash.press("question_mark")
        assert "Stop the unit. (off: read-only)" in dash.text()


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (200, 60)])
async def test_help_scrolls_at_every_size(grid_dash, size):
    async with grid_dash(size=size) as dash:
        await dash.press("question_mark", "G")
        assert "say so." in dash.text()


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
async def test_the_palette_offers_commands_screens_and_themes(grid_dash, key):
    async with grid_dash(size=(100, 100)) as dash:
        await dash.press(key)
        await until(lambda: "Theme: mono" in dash.text())
        for words in ("Stop the unit.", "Uploads", "Action log", "Theme: light"):
            assert words in dash.text()


async def choose(dash, query: str) -> None:
    """Type into the palette and take the first that it finds."""
    await dash.press("colon", *query)
    palette = dash.screen
    assert isinstance(palette, CommandPalette)
    await until(lambda: palette.query_one(OptionList).option_count)
    await until(lambda: query.lower()[:4] in dash.text().lower().split("\n", 4)[-1])
    await dash.press("enter")
    await dash.settle()


async def test_the_palette_runs_a_command_of_the_screen(grid_dash):
    async with grid_dash() as dash:
        screen = dash.screen
        await choose(dash, "look")
        await until(lambda: screen.done == ["look"])


async def test_the_palette_goes_to_a_unit_and_to_a_sensor(grid_dash):
    async with grid_dash() as dash:
        await choose(dash, "uploader")
        await until(lambda: dash.screen.name == "fleet")
        assert dash.screen.looked_at == [("edge-01/docker/uploader-london",)]
        await choose(dash, "NYC_300005")
        await until(lambda: dash.screen.name == "sensors")
        assert dash.screen.looked_at == [("NYC_300005\x00New York",)]


async def test_the_palette_shows_hostile_names_plainly(grid_dash):
    async with grid_dash(overview="hostile", size=(140, 45)) as dash:
        await dash.press("colon", *"[red]")
        await until(lambda: "Sensor: [red]rm[/]" in dash.text())
        assert not any(mark in dash.text() for mark in ("\x1b", "\u202e", "\x07"))


async def test_export_writes_what_is_shown_for_its_owner_only(grid_dash, here):
    async with grid_dash() as dash:
        await dash.press("slash", *"mnl", "enter", "ctrl+s")
        assert isinstance(dash.screen, ExportDialog)
        assert "Export 4 rows" in dash.text()
        await dash.press("enter")
        path = here / "fleet-2026-03-14-150926.csv"
        await until(lambda: bool(dash.notes()))
        assert path.read_text().splitlines() == [
            "UNIT,STATE,WHY",
            "sensor-MNL_200001,running,",
            "sensor-MNL_200002,backoff,exit code 1; again in 24 s",
            "sensor-MNL_200003,stopped,",
            "sensor-MNL_200004,unknown,Cannot connect to the Docker daemon",
        ]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert f"Wrote 4 rows, {path.stat().st_size} B, to {path}" in dash.notes()


async def test_export_as_json(grid_dash, here):
    async with grid_dash() as dash:
        await dash.press("ctrl+s", "ctrl+t")
        assert "as JSON" in dash.text()
        await dash.press("enter")
        await until(lambda: bool(dash.notes()))
        rows = json.loads((here / "fleet-2026-03-14-150926.json").read_text())
        assert rows[0] == {"UNIT": "sensor-LON_100001", "STATE": "running", "WHY": ""}


async def test_export_replaces_a_file_only_when_told_twice(grid_dash, here):
    path = here / "fleet-2026-03-14-150926.csv"
    path.write_text("mine")
    async with grid_dash() as dash:
        await dash.press("ctrl+s", "enter")
        assert "This file exists" in dash.text()
        assert path.read_text() == "mine"
        await dash.press("enter")
        await until(lambda: bool(dash.notes()))
        assert path.read_text().startswith("UNIT")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("typed", "says"), [("", "Name a file"), ("/", "Name a file")])
async def test_export_wants_a_file(grid_dash, here, typed, says):
    async with grid_dash() as dash:
        await dash.press("ctrl+s")
        dash.app.focused.value = typed
        await dash.press("enter")
        assert says in dash.text()
        await dash.press("escape")
        assert list(here.iterdir()) == []


async def test_export_says_why_it_cannot(grid_dash, here):
    async with grid_dash() as dash:
        await dash.press("ctrl+s")
        dash.app.focused.value = str(here / "nowhere" / "x.csv")
        await dash.press("enter")
        await until(lambda: bool(dash.notes()))
        assert "There is no folder" in dash.notes()[0]


@pytest.mark.parametrize("key", ["y", "ctrl+y"])
async def test_copy_of_the_row_says_how(grid_dash, here, key):
    async with grid_dash() as dash:
        await dash.press(key)
        await until(lambda: bool(dash.notes()))
        assert dash.app.clipboard == "sensor-LON_100001\trunning"
        assert dash.notes() == ["Copied 1 row by way of the terminal (OSC 52)"]


async def test_copy_of_marked_rows_has_headings(grid_dash, here):
    async with grid_dash() as dash:
        await dash.press("space", "space", "y")
        await until(lambda: bool(dash.notes()))
        assert dash.app.clipboard.splitlines() == [
            "UNIT\tSTATE", "sensor-LON_100001\trunning", "sensor-LON_100002\trunning",
        ]  # fmt: skip


@pytest.mark.parametrize("key", ["ctrl+s", "y", "C"])
async def test_without_a_table_it_says_so(make_dash, key):
    async with make_dash(app_class=PlainApp) as dash:
        await dash.press(key)
        assert dash.notes() == ["There is no table here."]


async def test_columns_are_shown_and_hidden(grid_dash):
    async with grid_dash() as dash:
        assert "WHY" not in dash.text()
        await dash.press("C")
        assert isinstance(dash.screen, ColumnsDialog)
        await dash.press("down", "space", "down", "space", "enter")
        assert "WHY" in dash.text()
        assert "STATE" not in dash.text()
        await dash.press("C", "a", "enter")
        assert "STATE" in dash.text()
        await dash.press("C", "space", "escape")
        assert "UNIT" in dash.text()


async def test_the_last_column_stays(grid_dash):
    async with grid_dash() as dash:
        await dash.press("C", "space", "down", "space", "enter")
        assert len(dash.screen.current_grid().shown_columns) == 1


async def test_themes_are_tried_kept_and_put_back(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await dash.press("T")
        assert isinstance(dash.screen, ThemeDialog)
        await dash.press("down")
        assert dash.app.theme == "light"
        await dash.press("escape")
        assert dash.app.theme == "dark"
        await dash.press("T", "down", "down", "enter")
        assert dash.app.theme == "high-contrast"
        assert dash.screen.name == "fleet"


async def test_the_footprint_is_measured_while_looked_at(make_dash):
    feet = [Footprint(cpu_seconds=1.0, memory_bytes=50 * 2**20, terminal_bytes=1000)]
    async with make_dash(app_class=PlainApp, footprint=lambda: feet[-1]) as dash:
        await dash.press("F")
        assert isinstance(dash.screen, FootprintDialog)
        assert "50.0 MiB" in dash.text()
        feet.append(Footprint(cpu_seconds=1.5, memory_bytes=60 * 2**20, terminal_bytes=5000))
        dash.clock.advance(10)
        dash.screen.measure()
        await dash.settle()
        for words in ("5.0%", "60.0 MiB", "400 B a second"):
            assert words in dash.text()
        await dash.press("F")
        assert dash.screen.name == "fleet"


def test_the_footprint_of_this_process():
    found = own_footprint()
    assert (found.cpu_seconds or 0) > 0
    assert (found.memory_bytes or 0) > 2**20
    assert UNKNOWN in describe(Footprint(), Footprint(), 0.0).plain


async def test_the_action_log(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await dash.press("A")
        assert isinstance(dash.screen, ActionLog)
        assert dash.port.called("action_log") == [(500,)]
        for words in ("2026-03-14 15:05:26", "alice", "sensor-LON_100", "[bold]e"):
            assert words in dash.text()
        await dash.press("enter")
        assert isinstance(dash.screen, TextDialog)
        assert "done, not proven" in dash.text()
        await dash.press("escape", "r")
        assert len(dash.port.called("action_log")) == 2
        await dash.press("escape")
        assert dash.screen.name == "fleet"


async def test_the_action_log_empty_and_out_of_reach(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.port.logged.clear()
        await dash.press("A")
        assert "Nothing was done yet" in dash.text()
        dash.port.failures["action_log"] = ServiceError("The service does not answer")
        await dash.press("r")
        assert "The service does not answer" in dash.text()


async def test_the_action_log_is_exported_and_copied(make_dash, here):
    async with make_dash(app_class=PlainApp) as dash:
        await dash.press("A", "y")
        await until(lambda: bool(dash.notes()))
        assert "restart" in dash.app.clipboard
        await dash.press("ctrl+s", "enter")
        await until(lambda: len(dash.notes()) == 2)
        assert (here / "action-log-2026-03-14-150926.csv").exists()


async def test_a_filter_that_takes_too_long_says_so(make_dash, monkeypatch):
    monkeypatch.setattr("sensor_tui.app.filter.SEARCH_SECONDS", 0.001)
    overview = sample_overview()
    units = {name: replace(unit, name="a" * 60 + "b") for name, unit in overview.units.items()}
    async with make_dash(replace(overview, units=units), size=(140, 45)) as dash:
        await dash.press("slash", *"/(a+)+$/")
        assert "too slow a regular expression" in dash.text()
        await dash.press(*["backspace"] * 8, "b")
        assert "too slow" not in dash.text()

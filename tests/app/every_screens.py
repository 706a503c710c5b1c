"""Rows of the table of keys: those of the app, of every grid, of Fleet and of Sensors."""

from contextlib import nullcontext
from types import SimpleNamespace

from textual.command import CommandPalette

from sensor_tui.app.screens import fleet
from sensor_tui.app.screens.action_log import ActionLog
from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog, TextDialog
from sensor_tui.app.screens.dialogs_action import ConfirmAction
from sensor_tui.app.screens.dialogs_run import RunDialog
from sensor_tui.app.screens.dialogs_tools import ColumnsDialog, ExportDialog, ThemeDialog
from sensor_tui.app.screens.footprint import FootprintDialog
from sensor_tui.app.screens.help import HelpScreen
from sensor_tui.app.widgets.filterbar import FilterBar
from sensor_tui.model.action import ActionKind
from tests.app.every_bindings import Drive, row
from tests.app.fake import NOW, sample_overview, sensor_key

UNIT = "edge-01/docker/sensor-LON_100001"
SENSOR = sensor_key("LON_100001", "London")
SMALL = (80, 24)

# the app


@row(
    "app.fleet", "app.sensors", "app.uploads", "app.logs", "app.diagnostics", "app.query", start="diagnostics"
)
async def goes(on: Drive):
    place = on.bound.ident.removeprefix("app.")
    if place == "diagnostics":
        await on.app.action_go("fleet")
    await on.press()
    assert place == on.screen.NAME


@row("app.palette", "app.help", "app.export", "app.columns", "app.themes", "app.footprint", "app.actions")
async def opens(on: Drive):
    await on.press()
    wanted = {
        "app.palette": CommandPalette,
        "app.help": HelpScreen,
        "app.export": ExportDialog,
        "app.columns": ColumnsDialog,
        "app.themes": ThemeDialog,
        "app.footprint": FootprintDialog,
        "app.actions": ActionLog,
    }[on.bound.ident]
    assert isinstance(on.screen, wanted)
    assert bool(on.port.called("action_log")) is (wanted is ActionLog)


@row("app.run")
async def shows_the_run(on: Drive):
    await on.press()
    assert isinstance(on.screen, RunDialog)
    assert on.screen.run.id == "a1"


@row("app.filter")
async def filters(on: Drive):
    await on.press()
    assert on.screen.query_one(FilterBar).is_open
    await on.dash.press(*"mnl", "enter")
    assert {each.key.split("-")[-1][:3] for each in on.grid.rows_shown} == {"MNL"}


@row("app.copy")
async def copies(on: Drive):
    on.grid.move_to(UNIT)
    await on.press()
    await on.until(on.dash.notes)
    assert on.app.clipboard.startswith("sensor-LON_100001\t")


@row("app.repaint")
async def repaints(on: Drive):
    forgot = []
    on.patch.setattr(on.app, "_driver", SimpleNamespace(forget=lambda: forgot.append(True)), raising=False)
    on.app.action_repaint()
    on.patch.undo()
    asked = []
    on.patch.setattr(type(on.app), "action_repaint", lambda _: asked.append(True))
    await on.press()
    assert (forgot, asked) == ([True], [True])


@row("app.start_service", overview="stopped")
async def starts_a_service(on: Drive):
    await on.press()
    if isinstance(on.screen, AskDialog):
        await on.dash.press("y")
    assert on.port.called("start_service") == [()]
    assert "The service was started." in on.dash.notes()


@row("app.quit", overview=sample_overview(embedded=True))
async def asks_before_it_quits(on: Drive):
    await on.press()
    assert isinstance(on.screen, ChooseDialog)
    assert "Quit, drain and stop the service" in on.dash.text()


# every grid


@row("grid.up", "grid.down", "grid.page_up", "grid.page_down", "grid.top", "grid.bottom", size=SMALL,
     start="diagnostics", port={"found": None})  # fmt: skip
async def moves(on: Drive):
    keys = [each.key for each in on.grid.rows_shown]
    on.grid.move_to(keys[25])
    await on.press()
    at = keys.index(on.grid.cursor_key)
    assert {
        "grid.up": at == 24,
        "grid.down": at == 26,
        "grid.page_up": 5 < at < 24,
        "grid.page_down": 26 < at < 45,
        "grid.top": at == 0,
        "grid.bottom": at == len(keys) - 1,
    }[on.bound.ident], at


@row("grid.left", "grid.right", size=SMALL)
async def shows_other_columns(on: Drive):
    first = on.dash.text().splitlines()[2]
    if on.bound.ident == "grid.right":
        await on.press()
        assert on.dash.text().splitlines()[2] != first
        await on.dash.press("left")
    else:
        await on.dash.press("right")
        await on.press()
    assert on.dash.text().splitlines()[2] == first


@row("grid.choose", start="uploads")
async def chooses(on: Drive):
    on.screen.action_view("letters")
    await on.dash.settle()
    await on.press()
    assert on.port.called("letter") == [(1,)]
    assert isinstance(on.screen, TextDialog)


@row("grid.mark")
async def marks(on: Drive):
    await on.dash.press("g")
    first = on.grid.cursor_key
    await on.press()
    assert on.grid.marks == {first}
    assert on.grid.cursor_key != first
    assert "1 marked" in on.dash.text()


@row("grid.mark_all")
async def marks_all(on: Drive):
    await on.press()
    assert on.grid.marks == on.port.overview.units.keys()


@row("grid.sort", "grid.unsort")
async def sorts(on: Drive):
    on.grid.sort_by(None)
    if on.bound.ident == "grid.sort":
        await on.press()
        await on.dash.press("right", "right", "left")
        await on.press()
        assert on.grid.sorting == ("state", False)
        await on.dash.press("escape")
    else:
        on.grid.sort_by("state", reverse=False)
        await on.press()
        assert on.grid.sorting is None
    on.grid.sort_by(None)


@row("grid.clear")
async def clears(on: Drive):
    await on.dash.press("space", "o")
    await on.press()
    assert on.grid.marks
    await on.press()
    assert not on.grid.marks
    await on.dash.press("slash", *"mnl", "enter")
    assert on.grid.filter.text
    await on.press()
    assert on.grid.filter.empty
    assert not on.screen.query_one(FilterBar).text


# Fleet


@row("fleet.detail", size=SMALL)
async def pane(on: Drive):
    was = on.screen.has_class("-detail")
    await on.press()
    assert on.screen.has_class("-detail") is not was
    assert on.screen.detail.display is not was


@row("fleet.start", "fleet.stop", "fleet.restart", "fleet.reset", "fleet.remove")
async def acts(on: Drive):
    kind = ActionKind(on.bound.ident.removeprefix("fleet."))
    on.grid.move_to(UNIT)
    await on.press()
    assert on.port.called("plan")[0][:2] == (kind, (UNIT,))
    if kind is ActionKind.START:
        assert isinstance(on.screen, RunDialog)
    else:
        assert isinstance(on.screen, ConfirmAction)
        assert on.port.called("act") == []
        await on.dash.press("enter")
    assert [call[:2] for call in on.port.called("act")] == [(kind, (UNIT,))]
    on.app.actions._mine.clear()


@row("fleet.logs")
async def logs_of_a_unit(on: Drive):
    on.grid.move_to(UNIT)
    await on.press()
    assert on.screen.NAME == "logs"
    assert on.port.called("logs")[-1][0] == (UNIT,)


@row("fleet.sensor")
async def sensor_of_a_unit(on: Drive):
    on.grid.move_to(UNIT)
    await on.press()
    assert (on.screen.NAME, on.screen.grid.cursor_key) == ("sensors", SENSOR)


@row("fleet.group")
async def groups(on: Drive):
    seen = [on.screen._rows.group]
    for _ in range(5):
        await on.press()
        seen.append(on.screen._rows.group)
    assert seen == ["city", "project", "host", "role", "nothing", "city"]


@row("fleet.shell")
async def shell(on: Drive):
    opened = []
    on.patch.setattr(fleet, "refusal", lambda *_: None)
    on.patch.setattr(fleet, "open_shell", lambda unit, _: opened.append(unit.id) or 3)
    on.patch.setattr(on.app, "suspend", nullcontext)
    on.grid.move_to(UNIT)
    await on.press()
    assert opened == [UNIT]
    assert on.dash.notes() == ["The shell in sensor-LON_100001 ended with exit code 3."]


@row("fleet.pane_down", "fleet.pane_up", size=(140, 24))
async def pane_turns(on: Drive):
    pane = on.screen.query_one("#unit-scroll")
    pane.scroll_to(y=6, animate=False)
    await on.dash.settle()
    await on.press()
    assert pane.scroll_offset.y == (10 if on.bound.ident.endswith("down") else 2)


# Sensors


@row("sensors.detail", start="sensors", size=SMALL)
async def sensor_pane(on: Drive):
    was = on.screen.has_class("-detail")
    await on.press()
    assert on.screen.has_class("-detail") is not was


@row("sensors.shorter", "sensors.longer", start="sensors")
async def sensor_range(on: Drive):
    on.screen.action_range(1 - on.screen._wish.range)
    await on.dash.settle()
    on.port.calls.clear()
    await on.press()
    assert on.screen._wish.range == (0 if on.bound.ident.endswith("shorter") else 2)
    since = on.port.called("series")[-1][2]
    assert since == NOW - on.screen._wish.seconds


@row("sensors.measure", "sensors.measure_back", start="sensors")
async def sensor_measure(on: Drive):
    on.grid.move_to(SENSOR)
    await on.dash.settle()
    measures = list(on.screen.detail.measures(on.screen._sensor()))
    at = measures.index(on.screen.detail.measure(on.screen._sensor()))
    await on.press()
    step = -1 if on.bound.ident.endswith("back") else 1
    assert on.port.called("series")[-1][:2] == (SENSOR, measures[(at + step) % len(measures)])


@row("sensors.logs", "sensors.unit", "sensors.query", start="sensors")
async def sensor_leads(on: Drive):
    on.grid.move_to(SENSOR)
    await on.press()
    match on.bound.ident:
        case "sensors.logs":
            assert on.port.called("logs")[-1][0] == (UNIT,)
        case "sensors.unit":
            assert (on.screen.NAME, on.screen.grid.cursor_key) == ("fleet", UNIT)
        case _:
            assert (on.screen.NAME, on.screen._source) == ("query", on.port.overview.sensors[SENSOR].source)

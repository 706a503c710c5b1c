"""Rows of the table of keys: those of the dialogs and of what takes keys inside a screen."""

import asyncio
from pathlib import Path

from textual.containers import VerticalScroll
from textual.widgets import Button, Input

from sensor_tui.app.screens.action_log import ActionLog
from sensor_tui.app.screens.dialogs import AskDialog, Check, ChooseDialog, InputDialog, TextDialog
from sensor_tui.app.screens.dialogs_action import ConfirmAction
from sensor_tui.app.screens.dialogs_run import RunDialog
from sensor_tui.app.screens.dialogs_tools import ColumnsDialog, ExportDialog, StopDialog, ThemeDialog
from sensor_tui.app.screens.footprint import FootprintDialog
from sensor_tui.app.screens.help import HelpScreen
from sensor_tui.app.screens.logs_pick import ALL, PickDialog
from sensor_tui.app.screens.logs_units import COLUMNS as UNIT_COLUMNS
from sensor_tui.app.screens.logs_units import rows as unit_rows
from sensor_tui.app.screens.query_editor import QueryEditor
from sensor_tui.app.widgets.filterbar import FilterBar, FilterInput
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.model.action import ActionKind, ActionOptions
from sensor_tui.model.overview import EngineView
from sensor_tui.model.progress import EngineState
from tests.app.every_bindings import Drive, row
from tests.app.fake import sample_overview, sample_run, sample_units

UNITS = list(sample_units())
LONG = "\n".join(f"line {number}" for number in range(200))
NOTHING: list[object] = [None]
"""What a dialog that is left answers."""


@row("AskDialog.answer(True)", "AskDialog.answer(False)")
async def answers(on: Drive):
    said = await on.open(AskDialog("Drop it?", "For good."))
    await on.press()
    assert said == [on.bound.ident.endswith("(True)")]


@row("AskDialog.app.focus_previous", "AskDialog.app.focus_next")
async def other_button(on: Drive):
    await on.open(AskDialog("Drop it?", "For good."))
    assert on.app.focused.id == "yes"
    await on.press()
    assert on.app.focused.id == "no"


@row(
    "ChooseDialog.back", "InputDialog.back", "FootprintDialog.back", "ExportDialog.back", "ColumnsDialog.back"
)
async def is_left(on: Drive):
    foot = on.app.footprint
    dialog = {
        "ChooseDialog": lambda: ChooseDialog("Which?", [("a", "A"), ("b", "B")]),
        "InputDialog": lambda: InputDialog("What?", value="this"),
        "FootprintDialog": lambda: FootprintDialog(foot, on.app.clock),
        "ExportDialog": lambda: ExportDialog("3 rows", {"csv": Path("/x.csv"), "json": Path("/x.json")}),
        "ColumnsDialog": lambda: ColumnsDialog(UNIT_COLUMNS, ("unit",)),
    }[on.bound.owner]()
    said = await on.open(dialog)
    await on.press()
    assert said == NOTHING
    assert on.screen.NAME == "fleet"


@row("TextDialog.back", "HelpScreen.back", "TextDialog.copy", "HelpScreen.copy", "TextDialog.scroll(1)",
     "HelpScreen.scroll(1)", "TextDialog.scroll(-1)", "HelpScreen.scroll(-1)", "TextDialog.end(-1)",
     "HelpScreen.end(-1)", "TextDialog.end(1)", "HelpScreen.end(1)", size=(80, 24))  # fmt: skip
async def text(on: Drive):
    if on.bound.owner == "HelpScreen":
        said = await on.open(HelpScreen(on.screen, {}, read_only=False))
    else:
        said = await on.open(TextDialog("Many lines", LONG))
    pane = on.screen.query_one(VerticalScroll)
    pane.scroll_to(y=5, animate=False)
    await on.dash.settle()
    await on.press()
    what = on.bound.ident.partition(".")[2]
    if what == "back":
        assert said == NOTHING
    elif what == "copy":
        await on.until(on.dash.notes)
        assert on.app.clipboard.startswith("line 0" if on.bound.owner == "TextDialog" else "Every unit on")
    else:
        bottom = pane.max_scroll_y
        wanted = {"scroll(1)": 6, "scroll(-1)": 4, "end(-1)": 0, "end(1)": bottom}[what]
        assert pane.scroll_offset.y == wanted


def confirm(on: Drive, kind: ActionKind = ActionKind.REMOVE, units: list[str] | None = None) -> ConfirmAction:
    chosen = tuple(units or UNITS)
    return ConfirmAction(kind, chosen, lambda options: on.port.plan(kind, chosen, options))


@row("ConfirmAction.go")
async def confirmed(on: Drive):
    said = await on.open(confirm(on))
    await on.press()
    assert said == [ActionOptions()]


@row("ConfirmAction.back")
async def not_confirmed(on: Drive):
    said = await on.open(confirm(on))
    await on.press()
    assert said == NOTHING


@row("ConfirmAction.turn('drain')", "ConfirmAction.turn('wipe')", "ConfirmAction.turn('halt')",
     "ConfirmAction.batch(1)", "ConfirmAction.batch(-1)")  # fmt: skip
async def other_options(on: Drive):
    said = await on.open(confirm(on))
    on.port.calls.clear()
    await on.press()
    what = on.bound.ident.partition(".")[2]
    wanted = {
        "turn('drain')": ActionOptions(drain=False),
        "turn('wipe')": ActionOptions(wipe_data=True),
        "turn('halt')": ActionOptions(stop_on_failure=True),
        "batch(1)": ActionOptions(batch=5),
        "batch(-1)": ActionOptions(batch=3),
    }[what]
    assert on.screen.options == wanted
    if "batch" not in what:
        assert on.port.called("plan")[-1][2] == wanted
    typed = on.screen.query_one("#typed", Input)
    assert on.screen.query_one("#go", Button).disabled is ("wipe" in what)
    typed.value = on.screen.word
    await on.dash.settle()
    on.screen.action_go()
    await on.dash.settle()
    assert said == [wanted]


@row("ConfirmAction.scroll(-1)", "ConfirmAction.scroll(1)", "ConfirmAction.scroll(-8)",
     "ConfirmAction.scroll(8)", size=(80, 24))  # fmt: skip
async def plan_scrolls(on: Drive):
    on.port.plan_items = None
    await on.open(confirm(on, units=UNITS * 4))
    pane = on.screen.query_one(".items", VerticalScroll)
    pane.scroll_to(y=10, animate=False)
    await on.dash.settle()
    await on.press()
    assert pane.scroll_offset.y == 10 + int(on.bound.ident.partition("(")[2][:-1])


@row("ConfirmAction.app.focus_previous", "ConfirmAction.app.focus_next")
async def plan_focus(on: Drive):
    await on.open(confirm(on))
    assert on.app.focused.id == "go"
    await on.press()
    assert on.app.focused.id == ("no" if "next" in on.bound.ident else "batch")


@row("RunDialog.back", "RunDialog.done", "RunDialog.cancel")
async def run(on: Drive):
    what = on.bound.ident.partition(".")[2]
    cancelled: list[str] = []

    async def cancel(ident: str) -> None:
        cancelled.append(ident)

    said = await on.open(RunDialog(sample_run(running=what != "done"), cancel))
    await on.press()
    if what == "cancel":
        assert (cancelled, said) == (["a2"], [])
        await on.press()
        assert cancelled == ["a2"]
        assert "Cancelling" in on.dash.text()
    else:
        assert said == NOTHING


@row("ExportDialog.other")
async def other_format(on: Drive):
    await on.open(ExportDialog("3 rows", {"csv": Path("/x.csv"), "json": Path("/x.json")}))
    await on.press()
    assert on.screen.path == Path("/x.json")
    assert "as JSON" in on.dash.text()


@row("ColumnsDialog.turn", "ColumnsDialog.all")
async def columns(on: Drive):
    said = await on.open(ColumnsDialog(UNIT_COLUMNS, ("unit", "state")))
    await on.press()
    await on.dash.press("enter")
    assert said == [("state",)] if on.bound.ident.endswith("turn") else [tuple(c.key for c in UNIT_COLUMNS)]


@row("ThemeDialog.back")
async def themes(on: Drive):
    tried: list[str] = []
    said = await on.open(ThemeDialog(["dark", "light"], "dark", tried.append))
    await on.dash.press("down")
    assert tried[-1] == "light"
    await on.press()
    assert (tried[-1], said) == ("dark", NOTHING)


@row("StopDialog.leave")
async def stopping(on: Drive):
    gate = asyncio.Event()

    async def stop() -> str:
        await gate.wait()
        return "drained"

    said = await on.open(StopDialog(stop))
    await on.press()
    assert said == [], "it has not been asked yet"
    await on.dash.push(sample_overview(engine=EngineView(EngineState.DRAINING)))
    await on.press()
    assert said == ["The service drains and stops by itself."]
    gate.set()
    await on.dash.push(sample_overview())


@row("PickDialog.back", "PickDialog.find", "PickDialog.all")
async def picks(on: Drive):
    rows = unit_rows(sample_units().values())
    said = await on.open(PickDialog("Which?", UNIT_COLUMNS, rows, several=True))
    await on.press()
    match on.bound.ident.partition(".")[2]:
        case "back":
            assert said == NOTHING
        case "all":
            assert said == [(ALL,)]
        case _:
            assert on.screen.query_one(Input).has_focus
            await on.dash.press(*"nyc", "enter")
            assert len(on.screen.query_one(Grid).rows_shown) == 3


@row("ActionLog.back", "ActionLog.again", "ActionLog.copy", "ActionLog.export", "ActionLog.open")
async def action_log(on: Drive):
    said = await on.open(ActionLog(on.port))
    on.port.calls.clear()
    await on.press()
    match on.bound.ident.partition(".")[2]:
        case "back":
            assert said == NOTHING
        case "again":
            assert on.port.called("action_log") == [(500,)]
        case "copy":
            await on.until(on.dash.notes)
            assert "result  done, not proven" in on.app.clipboard
        case "export":
            assert isinstance(on.screen, ExportDialog)
            assert "4 rows" in on.dash.text()
        case _:
            assert isinstance(on.screen, TextDialog)
            assert "done, not proven" in on.dash.text()


@row("Check.turn")
async def check(on: Drive):
    await on.open(confirm(on))
    box = on.screen.query_one("#drain", Check)
    box.focus()
    await on.press()
    assert box.value is False
    assert "[ ] d drain first" in on.dash.text()


@row("FilterInput.leave", "FilterInput.history(-1)", "FilterInput.history(1)")
async def filter_line(on: Drive):
    bar = on.screen.query_one(FilterBar)
    bar._history.clear()
    for wanted in ("lon", "mnl"):
        await on.dash.press("slash", *["backspace"] * 3, *wanted, "enter")
    await on.dash.press("slash")
    what = on.bound.ident.partition(".")[2]
    if what == "leave":
        await on.press()
        assert (bar.is_open, bar.text) == (False, "mnl")
    else:
        await on.dash.press("up", "up")
        await on.press()
        assert on.screen.query_one(FilterInput).value == ("lon" if what == "history(-1)" else "mnl")


@row("QueryEditor.leave", start="query")
async def editor(on: Drive):
    area = on.screen.query_one(QueryEditor)
    area.focus()
    before = area.text
    await on.dash.press("i")
    assert area.text == f"{before}i"
    await on.press()
    assert not area.has_focus
    assert on.grid.has_focus
    area.text = before

"""Rows of the table of keys: those of Uploads, Logs, Diagnostics and Query."""

import asyncio

from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog, InputDialog, TextDialog
from sensor_tui.app.screens.logs_pick import PickDialog
from sensor_tui.app.screens.query_editor import QueryEditor
from sensor_tui.app.screens.uploads import VIEWS
from sensor_tui.app.widgets.loglines import LogLines
from tests.app.every_bindings import Drive, row
from tests.app.fake import sample_letters, sample_lines

# Uploads


@row("uploads.pause", "uploads.resume", "uploads.sync", start="uploads")
async def engine(on: Drive):
    await on.press()
    name, said = {
        "uploads.pause": ("pause", "paused"),
        "uploads.resume": ("resume", "reads on"),
        "uploads.sync": ("sync_now", "a round was started"),
    }[on.bound.ident]
    assert on.port.called(name) == [()]
    assert on.dash.notes() == [said]


@row("uploads.backlog", "uploads.charts", "uploads.lanes", "uploads.letters", "uploads.next",
     "uploads.previous", start="uploads")  # fmt: skip
async def views(on: Drive):
    names = [name for name, _, _ in VIEWS]
    wanted = on.bound.ident.removeprefix("uploads.")
    on.screen.action_view("charts" if wanted != "charts" else "lanes")
    await on.press()
    assert on.screen._view == {"next": "lanes", "previous": "backlog"}.get(wanted, wanted)
    assert on.screen._view in names
    assert bool(on.port.called("letters")) is (wanted == "letters")


@row("uploads.shorter", "uploads.longer", start="uploads")
async def upload_range(on: Drive):
    on.screen._place = 1
    await on.press()
    assert on.screen._place == (0 if on.bound.ident.endswith("shorter") else 2)


@row("uploads.retry", "uploads.drop", start="uploads")
async def dead_letters(on: Drive):
    name = on.bound.ident.removeprefix("uploads.")
    on.port.rows = list(sample_letters())
    on.screen.action_view("backlog")
    await on.press()
    assert (on.screen._view, on.port.called(name)) == ("letters", [])
    await on.dash.press("g", "down", "space")
    await on.press()
    if name == "drop":
        assert isinstance(on.screen, AskDialog)
        await on.dash.press("y")
    await on.press()
    assert isinstance(on.screen, AskDialog)
    await on.dash.press("y")
    assert on.port.called(name) == [((2,),), (None,)]


@row("uploads.page_next", "uploads.page_previous", start="uploads",
     port={"rows": list(sample_letters()) * 70})  # fmt: skip
async def pages(on: Drive):
    on.port.rows = list(sample_letters()) * 70
    on.screen.action_view("letters")
    await on.dash.settle()
    if on.bound.ident.endswith("previous"):
        on.screen.letters.turn(1)
        await on.dash.settle()
    on.port.calls.clear()
    await on.press()
    assert on.port.called("letters") == [(0 if on.bound.ident.endswith("previous") else 100, 100)]


# Logs


async def fresh_lines(on: Drive) -> LogLines:
    """All lines, from the beginning again."""
    on.screen.show_units(())
    on.screen._view.hiding = True
    found = on.screen.query_one(LogLines)
    found.wraps, found.named, found.shift = False, True, 0
    await on.until(lambda: len(on.screen._view) == len(sample_lines()))
    found.focus()
    await on.dash.settle()
    on.port.calls.clear()
    return found


@row("logs.follow", start="logs")
async def follows(on: Drive):
    log = await fresh_lines(on)
    await on.press()
    assert not log.follows
    await on.press()
    assert log.follows


@row("logs.units", "logs.time", "logs.save", "logs.whole", start="logs")
async def log_dialogs(on: Drive):
    await fresh_lines(on)
    await on.press()
    wanted = {"logs.units": PickDialog, "logs.whole": TextDialog}.get(on.bound.ident, InputDialog)
    assert isinstance(on.screen, wanted)


@row("logs.level", start="logs")
async def log_level(on: Drive):
    await fresh_lines(on)
    counts = []
    for _ in range(4):
        await on.press()
        counts.append(len(on.screen._view))
    assert counts[0] > counts[1] > counts[2] > 0
    assert counts[3] == len(sample_lines())


@row("logs.next", "logs.previous", "logs.hide", "logs.all", start="logs")
async def log_finds(on: Drive):
    log = await fresh_lines(on)
    await on.dash.press("slash", *'"reading 2"', "enter")
    assert len(on.screen._view) == 12, on.dash.text()
    if on.bound.ident in {"logs.hide", "logs.all"}:
        await on.press()
        assert len(on.screen._view) == len(sample_lines())
        assert on.screen._wanted.empty is (on.bound.ident == "logs.all")
        return
    on.screen.action_hide()
    log.go(15)
    await on.press()
    assert f"reading {20 if on.bound.ident == 'logs.next' else 2} " in log.entry.text


@row("logs.minute_back", "logs.hour_back", "logs.minute_forth", "logs.hour_forth", start="logs")
async def log_time(on: Drive):
    log = await fresh_lines(on)
    log.go(10)
    at = log.entry.when
    await on.press()
    if on.bound.ident.endswith("forth"):
        assert log.index == len(on.screen._view) - 1
        assert on.port.called("logs") == []
    else:
        step = 60 if "minute" in on.bound.ident else 3600
        assert [call[1] for call in on.port.called("logs")] == [at - step]


@row("logs.wrap", "logs.names", start="logs")
async def log_looks(on: Drive):
    log = await fresh_lines(on)
    before = on.dash.text()
    await on.press()
    assert (log.wraps, log.named) == ((True, True) if on.bound.ident == "logs.wrap" else (False, False))
    await on.press()
    assert (log.wraps, log.named) == (False, True)
    assert on.dash.text() == before


@row("logs.copy", start="logs")
async def log_copies(on: Drive):
    log = await fresh_lines(on)
    log.go(3)
    await on.press()
    await on.until(on.dash.notes)
    assert "reading 3 written to [/data]" in on.app.clipboard


@row("logs.select", start="logs")
async def log_selects(on: Drive):
    log = await fresh_lines(on)
    log.go(3)
    await on.press()
    await on.dash.press("shift+down", "shift+down")
    assert len(log.selected) == 3
    await on.press()
    assert log.began is None


@row("logs.clear", start="logs")
async def log_clears(on: Drive):
    await fresh_lines(on)
    await on.press()
    assert len(on.screen._view) == 0
    assert "Cleared. New lines show here." in on.dash.text()


@row("logs.up", "logs.down", "logs.select_up", "logs.select_down", "logs.page_up", "logs.page_down",
     "logs.first", "logs.last", start="logs", size=(80, 16))  # fmt: skip
async def log_moves(on: Drive):
    log = await fresh_lines(on)
    log.go(20)
    await on.press()
    at = log.index
    assert {
        "logs.up": at == 19,
        "logs.down": at == 21,
        "logs.select_up": at == 19 and len(log.selected) == 2,
        "logs.select_down": at == 21 and len(log.selected) == 2,
        "logs.page_up": at < 15,
        "logs.page_down": at > 25,
        "logs.first": at == 0,
        "logs.last": log.follows,
    }[on.bound.ident], at


@row("logs.left", "logs.right", start="logs", size=(60, 16))
async def log_sideways(on: Drive):
    log = await fresh_lines(on)
    log.sideways(2)
    before = log.shift
    await on.press()
    assert (log.shift > before) is (on.bound.ident == "logs.right")
    assert log.shift != before


# Diagnostics


@row("diagnostics.all", "diagnostics.one", start="diagnostics")
async def checks(on: Drive):
    names = [each.name for each in on.port.found]
    on.grid.move_to(names[1])
    await on.press()
    wanted = names if on.bound.ident == "diagnostics.all" else names[1:2]
    assert [name for (name,) in on.port.called("check")] == wanted


@row("diagnostics.stop", start="diagnostics")
async def checks_stop(on: Drive):
    on.port.gates["check"] = asyncio.Event()
    on.screen.action_check_all()
    await on.dash.settle()
    await on.press()
    assert on.dash.notes() == ["Checking was stopped"]
    assert len(on.port.called("check")) == 1


@row("diagnostics.copy", start="diagnostics")
async def checks_copied(on: Drive):
    await on.press()
    await on.until(on.dash.notes)
    assert "failed: Cosmos DB answers" in on.app.clipboard
    assert "    -> Set COSMOS_KEY" in on.app.clipboard


# Query


@row("query.run", start="query")
async def asks(on: Drive):
    await on.press()
    source, sql, limit = on.port.called("query")[0]
    assert (source, limit) == (next(iter(on.port.overview.sensors.values())).source, 1000)
    assert sql == on.screen.query_one(QueryEditor).text
    assert "LON_100001" in on.dash.text()


@row("query.write", start="query")
async def writes(on: Drive):
    await on.press()
    assert on.screen.query_one(QueryEditor).has_focus


@row("query.examples", "query.target", "query.limit", start="query")
async def query_dialogs(on: Drive):
    await on.press()
    wanted = {"query.examples": ChooseDialog, "query.target": PickDialog, "query.limit": InputDialog}
    assert isinstance(on.screen, wanted[on.bound.ident])


@row("query.older", "query.newer", start="query")
async def query_history(on: Drive):
    editor = on.screen.query_one(QueryEditor)
    for sql in ("SELECT 1", "SELECT 2", "SELECT 3"):
        editor.text = sql
        await on.dash.press("ctrl+r")
    await on.dash.press("ctrl+up")
    assert editor.text == "SELECT 2"
    await on.press()
    assert editor.text == ("SELECT 1" if on.bound.ident == "query.older" else "SELECT 3")


@row("query.cancel", start="query")
async def query_cancelled(on: Drive):
    on.port.gates["query"] = asyncio.Event()
    await on.dash.press("ctrl+r")
    assert "asking" in on.dash.text()
    await on.press()
    assert "cancelled after 0 s" in on.dash.text()

"""Hostile text in every place of every screen and dialog: it is shown plainly, and nothing else happens."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual import events
from textual.command import CommandPalette

from sensor_tui.app.screens import fleet, logs, sensors
from sensor_tui.app.screens.action_log import ActionLog
from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog, InputDialog, TextDialog
from sensor_tui.app.screens.dialogs_action import ConfirmAction
from sensor_tui.app.screens.dialogs_run import RunDialog
from sensor_tui.app.screens.dialogs_tools import ColumnsDialog, ExportDialog, StopDialog, ThemeDialog
from sensor_tui.app.screens.logs_pick import PickDialog
from sensor_tui.app.screens.logs_units import COLUMNS as UNIT_COLUMNS
from sensor_tui.app.screens.logs_units import rows as unit_rows
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.filterbar import FilterBar, FilterInput
from sensor_tui.app.widgets.grid import Column
from sensor_tui.errors import ServiceError
from sensor_tui.model.action import ActionKind, PlanItem
from sensor_tui.model.overview import Link
from tests.app import every_places as places
from tests.app.every_bindings import dialogs
from tests.app.every_places import ALL, BATCHES, at, firsts, scan
from tests.app.logs_kit import PatientClock

SIZES = pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])
SCREENS = ("fleet", "sensors", "uploads", "logs", "diagnostics", "query")


@pytest.fixture
def clock():
    return PatientClock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    chart_draw.load()
    for module in (fleet, sensors):
        monkeypatch.setattr(module, "REST_SECONDS", 0.0)
    monkeypatch.setattr(fleet, "AGAIN_SECONDS", 3600.0)
    monkeypatch.setattr(sensors, "REFRESH_SECONDS", 3600.0)
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)


def batches(size):
    """All texts where there is room; elsewhere what looks like markup, and some others."""
    return BATCHES if size[0] > 100 else [BATCHES[0], BATCHES[-1]]


def unseen(wanted, seen):
    return sorted(set(wanted.split()) - seen)


async def tap(dash, *keys):
    """Press keys, and look at once when they are drawn."""
    await dash.pilot.press(*keys)
    await dash.pilot.pause()


async def over_rows(dash, seen, allowed):
    """The cursor on many rows, the screen looked at each time; texts stand in other places in each."""
    grid = dash.screen.current_grid()
    for row in list(grid.rows_shown)[:: 5 if dash.app.size.width > 100 else 20]:
        grid.move_to(row.key)
        await dash.pilot.pause()
        await dash.pilot.pause()
        scan(dash.app, seen, allowed)


@SIZES
async def test_fleet(make_dash, fake_port, size):
    seen: set[str] = set()
    async with make_dash(size=size) as dash:
        dash.screen.add_class("-detail")
        grid = dash.screen.grid
        for batch in batches(size):
            overview = places.overview_of(batch)
            fake_port.lines = places.lines(batch, list(overview.units))
            await dash.push(overview)
            scan(dash.app, seen, firsts(batch))
            await over_rows(dash, seen, firsts(batch))
            grid.show_columns([column.key for column in grid.columns])
            dash.screen.action_group()
            for _ in range(3):
                await tap(dash, "right", "right", "J", "J", "J")
                scan(dash.app, seen, firsts(batch))
            await tap(dash, "home", "left", "left", "left", "left", "left", "left")
    wanted = "name host why city image hostwhy"
    if size[0] > 100:
        wanted += " project command envkey envvalue mount port label labelvalue line who"
    assert not unseen(wanted, seen)


@SIZES
async def test_sensors(make_dash, size):
    seen: set[str] = set()
    async with make_dash(start="sensors", size=size) as dash:
        dash.screen.add_class("-detail")
        for batch in batches(size):
            await dash.push(places.overview_of(batch))
            scan(dash.app, seen, firsts(batch))
            await over_rows(dash, seen, firsts(batch))
            await tap(dash, "M")
            scan(dash.app, seen, firsts(batch))
    wanted = "sensor city measure problem owner anomaly" if size[0] > 100 else "sensor city"
    assert not unseen(wanted, seen)


@SIZES
async def test_uploads_and_dead_letters(make_dash, fake_port, size):
    seen: set[str] = set()
    async with make_dash(start="uploads", size=size) as dash:
        for batch in batches(size):
            fake_port.rows = places.letters(batch)
            await dash.push(places.overview_of(batch, dead_letters=len(batch)))
            for view in ("backlog", "charts", "lanes", "letters"):
                dash.screen.action_view(view)
                await dash.settle()
                scan(dash.app, seen, firsts(batch))
                if view == "backlog":
                    await tap(dash, *["right"] * 5)
                    scan(dash.app, seen, firsts(batch))
            for key in ("home", "end"):
                await tap(dash, key, "enter")
                assert isinstance(dash.screen, TextDialog)
                scan(dash.app, seen, firsts(batch))
                await tap(dash, "escape")
            await tap(dash, "t")
            scan(dash.app, seen, firsts(batch))
            await tap(dash, "escape", "b")
    assert not unseen("sensor city owner engine config lane sink reason document", seen)
    assert size[0] < 100 or not unseen("event", seen)


@SIZES
async def test_logs(make_dash, fake_port, size):
    seen: set[str] = set()
    async with make_dash(start="logs", size=size) as dash:
        for batch in batches(size):
            overview = places.overview_of(batch)
            fake_port.lines = places.lines(batch, list(overview.units))
            await dash.push(overview)
            for key in ("up", "w", "w", "right", "left", "number_sign", "number_sign", "v"):
                await tap(dash, key)
                scan(dash.app, seen, firsts(batch))
            await tap(dash, "escape", "up", "enter")
            scan(dash.app, seen, firsts(batch))
            await tap(dash, "escape", "u")
            scan(dash.app, seen, firsts(batch))
            await tap(dash, "escape", "f")
    assert not unseen("line name city host", seen)


@SIZES
async def test_diagnostics(make_dash, fake_port, size):
    seen: set[str] = set()
    for batch in batches(size):
        fake_port.found = places.checks(batch)
        async with make_dash(places.overview_of(batch), start="diagnostics", size=size) as dash:
            scan(dash.app, seen, firsts(batch))
            await over_rows(dash, seen, firsts(batch))
    assert not unseen("title evidence remedy", seen)


@SIZES
async def test_query(make_dash, fake_port, size):
    seen: set[str] = set()
    async with make_dash(start="query", size=size) as dash:
        for batch in batches(size):
            text = batch[0][1]
            fake_port.answer = places.table(batch)
            overview = places.overview_of(batch)
            dash.app.show_query(next(iter(overview.sensors.values())).source)
            await dash.push(overview)
            await tap(dash, "ctrl+r", "escape")
            scan(dash.app, seen, firsts(batch))
            await tap(dash, "down", "down", "enter")
            assert isinstance(dash.screen, TextDialog)
            scan(dash.app, seen, firsts(batch))
            await tap(dash, "escape", "question_mark", "G", "pageup", "pageup")
            scan(dash.app, seen, firsts(batch))
            for key in ("C", "f", "e"):
                await tap(dash, "escape", key)
                scan(dash.app, seen, firsts(batch))
            fake_port.failures["query"] = ServiceError(at("error", text), fix=at("fix", text))
            await tap(dash, "escape", "ctrl+r")
            scan(dash.app, seen, firsts(batch))
            fake_port.failures.clear()
            editor = dash.screen._editor
            editor.text = text[:2000]
            await dash.settle()
            scan(dash.app, seen)
            editor.text = "SELECT 1"
            dash.screen._grid.focus()
    assert not unseen("column cell source error fix", seen)


@SIZES
@pytest.mark.parametrize("name", SCREENS)
async def test_why_nothing_is_live(make_dash, name, size):
    seen: set[str] = set()
    async with make_dash("loading", start=name, size=size) as dash:
        for place, batch in enumerate(batches(size)):
            link = (Link.REFUSED, Link.LOST, Link.CONNECTING, Link.STOPPED)[place % 4]
            text = batch[place % len(batch)][1]
            await dash.push(replace(places.overview_of(batch), link=link, problem=at("link", text)))
            scan(dash.app, seen, firsts(batch))
            await dash.push(replace(dash.app.overview, units={}, sensors={}, link=link))
            scan(dash.app, seen, firsts(batch))
    assert not unseen("link", seen)


@SIZES
async def test_filters_and_notes(make_dash, size):
    seen: set[str] = set()
    async with make_dash(size=size, toasts=True) as dash:
        bar, app = dash.screen.query_one(FilterBar), dash.app
        for number, (name, text) in enumerate(ALL[size[0] // 100 :: 4]):
            batch = [(name, text)]
            if not bar.is_open:
                await tap(dash, "slash")
            field = bar.query_one(FilterInput)
            field.value = ""
            field.post_message(events.Paste(at("filter", text)[:200]))
            app.clear_notifications()
            app.note(
                at("note", text), ("information", "warning", "error")[number % 3], title=at("heading", text)
            )
            await dash.pilot.pause()
            await dash.pilot.pause()
            scan(app, seen, firsts(batch))
            bar.close()
            await dash.pilot.pause()
            scan(app, seen, firsts(batch))
    assert not unseen("filter note heading", seen)


def shown_dialogs(dash, port, batch):
    """Every dialog that shows what others wrote, with the batch in all of its places."""
    text, overview = batch[0][1], places.overview_of(batch)
    units = list(overview.units)
    items = [
        PlanItem(unit, at("item", each), bool(place % 3), at("planned", each), place, destroys=True)
        for place, (unit, (_, each)) in enumerate(zip(units, batch, strict=True))
    ]  # fmt: skip
    options = [(str(place), at("option", each)) for place, (_, each) in enumerate(batch)]

    async def fails(*_):
        raise ServiceError(at("error", text), fix=at("fix", text))

    port.plan_items, port.logged = items, places.logged(batch)
    plan = lambda options: port.plan(ActionKind.RESET, units, options)  # noqa: E731
    columns = [
        Column(str(place), at("column", each), 9, help=at("columnhelp", each))
        for place, (_, each) in enumerate(batch)
    ]
    path = Path(at("path", text).replace("\0", ""))
    return (
        AskDialog(at("title", text), at("question", text), yes=at("yes", text)),
        ChooseDialog(at("title", text), options, text=at("question", text)),
        InputDialog(at("title", text), at("question", text), value=at("value", text), yes=at("yes", text)),
        TextDialog(at("title", text), "\n".join(at("body", each[:500]) for _, each in batch)),
        ConfirmAction(ActionKind.RESET, units, plan),
        ConfirmAction(ActionKind.RESET, units, fails),
        RunDialog(places.run_of(batch, units), fails),
        ExportDialog(at("title", text), {"csv": path, "json": path}),
        ColumnsDialog(columns, ("0",)),
        ThemeDialog([at("theme", each) for _, each in batch], "dark", lambda _: None),
        StopDialog(fails),
        PickDialog(at("title", text), UNIT_COLUMNS, unit_rows(overview.units.values()), several=True),
        ActionLog(port),
    )


NO_DATA = {"FootprintDialog", "HelpScreen"}
"""These show nothing that others write, but for the columns of a query, which are looked at there."""


@SIZES
async def test_dialogs(make_dash, fake_port, size):
    seen: set[str] = set()
    shown: set[str] = set()
    async with make_dash(size=size) as dash:
        for batch in batches(size):
            for dialog in shown_dialogs(dash, fake_port, batch):
                dash.app.push_screen(dialog)
                for _ in range(4):
                    await dash.pilot.pause()
                scan(dash.app, seen, firsts(batch))
                shown.add(type(dialog).__name__)
                dialog.dismiss(None)
                await dash.pilot.pause()
    wanted = (
        "title question yes option value body item planned error fix outcome message missing path column"
        " columnhelp theme name who action target result"
    )
    assert not unseen(wanted, seen)
    assert {each.__name__ for each in dialogs()} - NO_DATA == shown


@SIZES
async def test_the_palette(make_dash, size):
    seen: set[str] = set()
    async with make_dash(size=size) as dash:
        for batch in batches(size):
            await dash.push(places.overview_of(batch))
            await tap(dash, "colon", "Q", "i", "d", "Q")
            assert isinstance(dash.screen, CommandPalette)
            for _ in range(200):
                await dash.pilot.pause(0.005)
                if "Unit: " in scan(dash.app, seen, firsts(batch)):
                    break
            await tap(dash, "escape", "escape")
            while isinstance(dash.screen, CommandPalette):
                await tap(dash, "escape")
    assert not unseen("id", seen)

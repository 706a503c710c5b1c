"""Every binding there is does what it says, is refused where nothing may be changed, and is told of."""

import traceback
from itertools import groupby

import pytest

from sensor_tui.app.base import Look
from sensor_tui.app.keymap import APP_KEYS, keys_of, shown_keys
from sensor_tui.app.palette import DashboardCommands
from sensor_tui.app.screens import fleet, logs, sensors
from sensor_tui.app.widgets import chart_draw
from sensor_tui.app.widgets.grid import GRID_KEYS
from sensor_tui.model.check import Check, CheckVerdict
from tests.app import every_dialogs, every_screens, every_screens_data
from tests.app.every_bindings import CHANGING, ROWS, Drive, begin_again, bindings, screens
from tests.app.fake import sample_overview, sample_run
from tests.app.logs_kit import PatientClock

assert all((every_dialogs, every_screens, every_screens_data))  # they fill the table

ALL = bindings()
SCREENS = screens()
OWNERS = {owner: list(several) for owner, several in groupby(ALL, key=lambda bound: bound.owner)}
MANY_CHECKS = [Check(f"c{number}", f"Check {number}", CheckVerdict.OK, "fine") for number in range(50)]
NOT_IN_PALETTE = {
    *(each.id for each in GRID_KEYS),
    "app.palette",
    "uploads.next",
    "uploads.previous",
    *(f"logs.{name}" for name in ("up", "down", "select_up", "select_down", "page_up", "page_down")),
    *(f"logs.{name}" for name in ("first", "last", "left", "right")),
}
"""Movements, which make no sense in a list, and what opens the list."""


@pytest.fixture
def clock():
    return PatientClock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    chart_draw.load()
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)
    monkeypatch.setattr(fleet, "REST_SECONDS", 0.0)
    monkeypatch.setattr(fleet, "AGAIN_SECONDS", 3600.0)
    monkeypatch.setattr(sensors, "REST_SECONDS", 0.0)
    monkeypatch.setattr(sensors, "REFRESH_SECONDS", 3600.0)
    for name in ("TMUX", "TERM"):
        monkeypatch.delenv(name, raising=False)


def test_every_binding_has_a_row_and_every_row_a_binding():
    bound = {each.ident for each in ALL}
    assert not sorted(bound - ROWS.keys()), "bindings that nobody drives; add rows for them"
    assert not sorted(ROWS.keys() - bound), "rows of bindings that are gone"
    assert len(ALL) > 150


@pytest.mark.parametrize("owner", OWNERS)
async def test_every_key_does_what_it_says(make_dash, fake_port, monkeypatch, owner):
    failed = []
    several = sorted(
        (each for each in OWNERS[owner] if each.ident in ROWS),
        key=lambda each: (ROWS[each.ident].start, str(ROWS[each.ident].options), str(ROWS[each.ident].port)),
    )
    for _, bounds in groupby(several, key=lambda each: _situation(ROWS[each.ident])):
        together = list(bounds)
        row = ROWS[together[0].ident]
        for name, value in row.port.items():
            setattr(fake_port, name, MANY_CHECKS if name == "found" and value is None else value)
        async with make_dash(start=row.start, **{"size": (140, 45), **row.options}) as dash:
            for bound in together:
                for key in bound.keys:
                    await begin_again(dash, row.start)
                    try:
                        with monkeypatch.context() as patch:
                            await ROWS[bound.ident].case(Drive(dash, bound, key, patch))
                        made = {call[0] for call in fake_port.calls} & CHANGING
                        assert bound.changes or not made or bound.owner not in SCREENS, f"calls {made}"
                    except Exception:  # noqa: BLE001 - all that fail are told at once, by name
                        failed.append(f"{bound.ident} ({key}):\n{traceback.format_exc(limit=-2)}")
    assert not failed, "\n\n".join(failed)


def _situation(row):
    return row.start, str(row.options)[:200], str(sorted(row.port))


@pytest.mark.parametrize("name", SCREENS)
async def test_read_only_refuses_what_changes_something_and_nothing_else(make_dash, name):
    async with make_dash(start=name, look=Look(read_only=True)) as dash:
        screen, app = dash.screen, dash.app
        commands = {each.action: each for each in (*APP_KEYS, *GRID_KEYS, *screen.KEYS)}
        done: list[str] = []
        grid = screen.current_grid()
        for node in filter(None, (screen, app, grid)):
            for action in {each.partition("(")[0] for each in commands}:
                if hasattr(node, f"action_{action}"):
                    setattr(node, f"action_{action}", _recorder(done, action))
            node.check_action = lambda *_: True
        if grid is not None:
            grid.focus()
        own_keys = {key for each in GRID_KEYS for key in keys_of(each.keys)} if grid is not None else set()
        for command in (*screen.KEYS, *(each for each in APP_KEYS if not _shadowed(each, screen))):
            for key in keys_of(command.keys):
                if key in own_keys:
                    continue
                done.clear()
                app.clear_notifications()
                app._noted.clear()
                await dash.press(key)
                refused = [note for note in dash.notes() if note.startswith("Read-only: nothing is changed")]
                if command.changes:
                    assert (done, len(refused)) == ([], 1), f"{command.id} ({key}) is not refused"
                else:
                    action = command.action.partition("(")[0]
                    assert (done, refused) == ([action], []), f"{command.id} ({key})"
        assert {call[0] for call in dash.port.calls}.isdisjoint(CHANGING)


def _recorder(done, action):
    def record(*_):
        done.append(action)

    return record


def _shadowed(command, screen):
    mine = {key for each in screen.KEYS for key in keys_of(each.keys)}
    return not mine.isdisjoint(keys_of(command.keys))


@pytest.mark.parametrize("name", SCREENS)
@pytest.mark.parametrize("read_only", [False, True])
async def test_the_help_overlay_lists_every_command(make_dash, name, read_only):
    async with make_dash(start=name, look=Look(read_only=read_only), size=(160, 120)) as dash:
        screen = dash.screen
        if screen.current_grid() is not None:
            screen.current_grid().focus()
        commands = (*screen.KEYS, *APP_KEYS, *(GRID_KEYS if screen.current_grid() is not None else ()))
        dash.app.action_help()
        await dash.settle()
        shown = "\n".join(" ".join(line.split()) for line in dash.text().splitlines())
        for command in commands:
            off = " (off: read-only)" if command.changes and read_only else ""
            wanted = f"{shown_keys(command, {})} {command.title} {command.help}{off}"
            assert wanted in shown, f"{command.id}: {wanted}"


@pytest.mark.parametrize("name", SCREENS)
async def test_the_palette_lists_every_command(make_dash, name):
    async with make_dash(start=name, look=Look(read_only=True)) as dash:
        offers = DashboardCommands(dash.screen, match_style=None).discover()
        offered = {(hit.text, hit.help) async for hit in offers}
        for command in (*dash.screen.KEYS, *APP_KEYS):
            if not command.palette:
                assert command.id in NOT_IN_PALETTE, f"{command.id} is not in the palette"
                continue
            title = f"{command.title} (read-only)" if command.changes else command.title
            assert (title, f"{command.help}  {shown_keys(command, {})}") in offered, command.id


async def test_an_action_of_others_is_not_cancelled_in_read_only_mode(make_dash):
    overview = sample_overview(actions=(sample_run(running=True),))
    async with make_dash(overview, look=Look(read_only=True)) as dash:
        await dash.press("W", "c")
        assert dash.port.called("cancel") == []
        assert any(note.startswith("Read-only: nothing is changed") for note in dash.notes())

"""Other keys from the configuration."""

import pytest

from sensor_tui.app.keymap import APP_KEYS, resolve
from sensor_tui.app.screens.help import HelpScreen
from sensor_tui.app.widgets.grid import GRID_KEYS
from tests.app.plain_screens import PlainApp, PlainScreen


async def test_other_keys_are_used_in_footer_and_help(make_dash):
    async with make_dash(app_class=PlainApp, keymap={"fleet.look": "z", "app.help": "f2"}) as dash:
        await dash.press("v")
        assert dash.screen.done == []
        await dash.press("z")
        assert dash.screen.done == ["look"]
        assert "z Look" in dash.text()
        await dash.press("f2")
        assert isinstance(dash.screen, HelpScreen)


@pytest.mark.parametrize(
    ("keymap", "says"),
    [
        ({"fleet.nothing": "z"}, "There is no command fleet.nothing."),
        ({"fleet.look": "x"}, "x would be fleet.look and fleet.stop."),
        ({"fleet.look": "q"}, "q would be app.quit and fleet.look."),
        ({"fleet.look": "space"}, "space would be fleet.look and grid.mark."),
        ({"fleet.look": ""}, "fleet.look: '' is no key."),
    ],
)
async def test_a_wrong_keymap_is_told_and_the_usual_keys_stay(make_dash, keymap, says):
    async with make_dash(app_class=PlainApp, keymap=keymap) as dash:
        assert len(dash.notes()) == 1
        assert says in dash.notes()[0]
        await dash.press("v")
        assert dash.screen.done == ["look"]


def test_keys_may_be_swapped():
    keys, problem = resolve(
        {"fleet.stop": "v", "fleet.look": "x"}, APP_KEYS, {"fleet": PlainScreen.KEYS}, GRID_KEYS
    )
    assert problem == ""
    assert keys == {"fleet.stop": "v", "fleet.look": "x"}


def test_the_usual_keys_do_not_clash():
    assert resolve({}, APP_KEYS, {"plain": PlainScreen.KEYS}, GRID_KEYS) == ({}, "")
    used = [key for command in (*APP_KEYS, *GRID_KEYS) for key in command.keys.split(",")]
    assert len(used) == len(set(used))

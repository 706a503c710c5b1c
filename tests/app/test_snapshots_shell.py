"""Pictures of the shell: every dialog, help, palette and theme, at two sizes, from a frozen clock."""

import asyncio

import pytest

from sensor_tui.app.app_themes import ORDER
from sensor_tui.app.base import Look
from sensor_tui.app.footprint import Footprint
from sensor_tui.app.screens.dialogs import AskDialog, InputDialog
from sensor_tui.model.action import ActionKind
from tests.app.fake import HOSTILE, sample_overview, sample_overviews, sample_run, sample_units
from tests.app.plain_screens import PlainApp

UNITS = list(sample_units())
SIZES = [(80, 24), (140, 45)]
FOOT = Footprint(cpu_seconds=12.0, memory_bytes=57_000_000, terminal_bytes=123_456)


@pytest.fixture(autouse=True)
def _fixed_folder(monkeypatch):
    monkeypatch.chdir("/")


@pytest.fixture
def shell(snap):
    def compare(overview="sample", **options) -> bool:
        return snap(overview, **{"app_class": PlainApp, "start": "sensors", **options})

    return compare


@pytest.mark.parametrize("name", sample_overviews())
@pytest.mark.parametrize("size", SIZES)
def test_shell(shell, name, size):
    assert shell(name, size=size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("help", ["question_mark"]),
        ("themes", ["T", "down"]),
        ("columns", ["C"]),
        ("export", ["ctrl+s"]),
        ("footprint", ["F"]),
        ("actions", ["A"]),
        ("filter", ["slash", *"mnl"]),
        ("wrong-filter", ["slash", "slash", "left_square_bracket", "slash"]),
        ("filtered", ["slash", *"mnl", "enter"]),
        ("run", ["W"]),
        ("marks", ["space", "down", "space"]),
    ],
)
def test_key(shell, name, keys, size):
    assert shell(keys=keys, size=size, footprint=lambda: FOOT)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("typed", ["", "LON"])
def test_palette(shell, typed, size):
    async def until_there(dash) -> None:
        wanted = "Unit: edge-01/docker/sensor-LON" if typed else "Stop the unit."
        async with asyncio.timeout(20):
            while wanted not in dash.text() or not dash.screen._list_visible or dash.screen._show_busy:
                await dash.settle()

    assert shell(keys=["colon", *typed], before=until_there, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_quit_of_an_embedded_service(shell, size):
    assert shell(sample_overview(embedded=True), keys=["q"], size=size)


@pytest.mark.parametrize("size", SIZES)
def test_quit_that_asks(shell, size):
    assert shell(keys=["q"], quit_text="The demo ends, and its data goes. Quit?", size=size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kind", "units", "keys"),
    [
        (ActionKind.RESTART, UNITS, []),
        (ActionKind.REMOVE, UNITS[:3], ["w"]),
        (ActionKind.STOP, UNITS[:1], []),
        (ActionKind.START, UNITS[:2], []),
    ],
    ids=["restart", "wipe", "stop", "start"],
)
def test_confirmation(shell, kind, units, keys, size):
    async def ask(dash) -> None:
        dash.app.act(kind, units)
        await dash.settle()
        for key in keys:
            await dash.press(key)

    assert shell(before=ask, size=size)


@pytest.mark.parametrize("size", SIZES)
def test_running(shell, size):
    assert shell(sample_overview(actions=(sample_run(running=True),)), keys=["W"], size=size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dialog", ["ask", "danger", "input", "text"])
def test_question(shell, dialog, size):
    async def ask(dash) -> None:
        if dialog == "text":
            dash.app.show_text(HOSTILE, "\n".join([HOSTILE] * 30))
        elif dialog == "input":
            dash.app.push_screen(
                InputDialog("Go to which time?", "HH:MM or an age such as 5m.", value="15:00")
            )
        else:
            dash.app.push_screen(
                AskDialog("Drop 3 dead letters?", HOSTILE, yes="Drop", dangerous=dialog == "danger")
            )
        await dash.settle()

    assert shell(before=ask, size=size)


@pytest.mark.parametrize("theme", ORDER)
def test_theme(shell, theme):
    async def restart(dash) -> None:
        dash.app.act(ActionKind.REMOVE, UNITS[:6])
        await dash.settle()
        await dash.press("w")

    assert shell(theme=theme, before=restart)


@pytest.mark.parametrize("theme", ORDER)
def test_theme_of_the_shell(shell, theme):
    assert shell(theme=theme, keys=["space", "down", "space", "down"])


def test_plain_glyphs(shell):
    assert shell(look=Look(ascii=True, no_color=True), keys=["question_mark"])


def test_badges(shell):
    assert shell("lost", look=Look(read_only=True, low_bandwidth=True))

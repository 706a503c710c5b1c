"""Dialogs: what they ask, which keys answer, and that nothing hostile gets through them."""

import pytest

from sensor_tui.app.base import Look
from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog, InputDialog, TextDialog
from tests.app.fake import HOSTILE
from tests.app.plain_screens import PlainApp

BAD = ("\x1b", "\x07", "\u202e", "\r")


class Asked:
    """A question under way, and what came of it."""

    def __init__(self, dash, question) -> None:
        self.answers: list[object] = []

        async def ask() -> None:
            self.answers.append(await question)

        dash.app.run_worker(ask(), group="test", exit_on_error=False)


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["y"], True),
        (["n"], False),
        (["escape"], False),
        (["enter"], True),
        (["tab", "enter"], False),
        (["right", "enter"], False),
        (["right", "left", "enter"], True),
    ],
)
async def test_yes_or_no(make_dash, keys, answer):
    async with make_dash(app_class=PlainApp) as dash:
        asked = Asked(dash, dash.app.ask("Sure?", "It is late."))
        await dash.settle()
        assert isinstance(dash.screen, AskDialog)
        await dash.press(*keys)
        assert asked.answers == [answer]


async def test_enter_is_no_where_it_is_dangerous(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        asked = Asked(dash, dash.app.ask("Sure?", "All is lost.", dangerous=True))
        await dash.settle()
        await dash.press("enter")
        assert asked.answers == [False]


@pytest.mark.parametrize(
    ("keys", "answer"),
    [(["enter"], "a"), (["down", "enter"], "b"), (["2"], "b"), (["escape"], None), (["9", "escape"], None)],
)
async def test_one_of_several(make_dash, keys, answer):
    async with make_dash(app_class=PlainApp) as dash:
        asked = Asked(dash, dash.app.choose("Which?", [("a", "Anton"), ("b", "Berta")], text="One of them."))
        await dash.settle()
        assert isinstance(dash.screen, ChooseDialog)
        await dash.press(*keys)
        assert asked.answers == [answer]


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["x", "enter"], "oldx"),
        (["escape"], None),
        (["tab", "enter"], "old"),
        (["tab", "tab", "enter"], None),
    ],
)
async def test_a_line_of_text(make_dash, keys, answer):
    async with make_dash(app_class=PlainApp) as dash:
        asked = Asked(dash, dash.app.ask_text("Name?", "Any will do.", value="old"))
        await dash.settle()
        assert isinstance(dash.screen, InputDialog)
        await dash.press(*keys)
        assert asked.answers == [answer]


@pytest.mark.parametrize("key", ["escape", "q", "enter"])
async def test_a_text_is_closed(make_dash, key):
    async with make_dash(app_class=PlainApp) as dash:
        dash.app.show_text("Letter", "words")
        await dash.settle()
        assert isinstance(dash.screen, TextDialog)
        await dash.press(key)
        assert dash.screen.name == "fleet"


async def test_a_text_scrolls_by_key(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.app.show_text("Letter", "\n".join(f"line {place}." for place in range(100)))
        await dash.settle()
        assert "line 0." in dash.text()
        for key, line in (("j", "line 18."), ("G", "line 99."), ("g", "line 0."), ("pagedown", "line 20.")):
            await dash.press(key)
            assert line in dash.text(), key
        await dash.press("g", "j", "k")
        assert "line 0." in dash.text()


async def test_a_text_is_copied_whole(make_dash, monkeypatch):
    async with make_dash(app_class=PlainApp) as dash:
        copied: list[tuple[str, str]] = []
        dash.app.copy = lambda text, what: copied.append((text, what))
        dash.app.show_text("Letter 7", "all\nof it")
        await dash.settle()
        await dash.press("y")
        assert copied == [("all\nof it", "Letter 7")]


@pytest.mark.parametrize(
    "open_it",
    [
        lambda app: app.show_text(HOSTILE, HOSTILE * 20),
        lambda app: app.push_screen(AskDialog(HOSTILE, HOSTILE, yes=HOSTILE)),
        lambda app: app.push_screen(ChooseDialog(HOSTILE, [("a", HOSTILE), ("b", HOSTILE)], text=HOSTILE)),
        lambda app: app.push_screen(InputDialog(HOSTILE, HOSTILE, value=HOSTILE, yes=HOSTILE)),
    ],
)
@pytest.mark.parametrize("size", [(80, 24), (30, 10)])
async def test_hostile_text_is_plain_in_every_dialog(make_dash, open_it, size):
    async with make_dash(app_class=PlainApp, size=size) as dash:
        open_it(dash.app)
        await dash.settle()
        shown = dash.text()
        assert "[red]rm[/]" in shown
        assert not any(mark in shown for mark in BAD)


async def test_plain_glyphs_have_plain_borders(make_dash):
    async with make_dash(app_class=PlainApp, look=Look(ascii=True)) as dash:
        dash.app.show_text("Letter", "words " * 4000)
        await dash.settle()
        assert dash.text().isascii()


async def test_keys_of_the_screen_do_nothing_under_a_dialog(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        screen = dash.screen
        dash.app.show_text("Letter", "words")
        await dash.settle()
        await dash.press("x", "3", "T")
        assert screen.done == []
        assert isinstance(dash.screen, TextDialog)

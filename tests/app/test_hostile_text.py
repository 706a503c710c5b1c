"""Whatever is in the data, nothing of it commands the terminal, Textual or the eye."""

import asyncio
import re
import time
import unicodedata

import pytest
from rich.cells import cell_len
from textual import events
from textual.app import App
from textual.content import Content
from textual.driver import Driver
from textual.geometry import Size
from textual.widgets import Static

from sensor_tui.app.driver_core import Core
from sensor_tui.app.filter import FilterError, parse
from sensor_tui.app.format import block, content, fit, plain
from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row
from tests.app.driver_terminal import Terminal
from tests.app.hostile import FORBIDDEN, harm, raw, texts

TEXTS = texts()
each = pytest.mark.parametrize("name", TEXTS)


def test_the_corpus_is_hostile():
    assert len(TEXTS) > 90
    assert len(raw()) > 6
    seen = set("".join(text[:2000] for text in TEXTS.values()))
    assert len(FORBIDDEN & seen) > 100
    assert any("\x1b" in text for text in TEXTS.values())


@each
def test_plain_text_has_nothing_that_commands_or_hides(name):
    shown = plain(TEXTS[name])
    assert not harm(shown)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co", "Cn"}
    assert len(shown) < 4200
    shown.encode("utf-8")
    if shown:
        assert cell_len(shown[0]) > 0
    assert plain(shown, limit=10_000) == shown


@each
def test_a_block_is_safe_line_by_line(name):
    shown = block(TEXTS[name])
    assert not harm(shown.replace("\n", ""))
    assert all(cell_len(line[0]) for line in shown.split("\n") if line)


@each
def test_content_is_the_plain_text_whatever_looks_like_markup(name):
    made = content(TEXTS[name], "bold")
    assert isinstance(made, Content)
    assert made.plain == plain(TEXTS[name])
    assert all(span.style == "bold" for span in made.spans)


@each
@pytest.mark.parametrize("width", [0, 1, 2, 7, 80])
def test_fitted_text_has_the_width_asked_for(name, width):
    shown = plain(TEXTS[name])
    assert cell_len(fit(shown, width)) == width
    assert cell_len(fit(shown, width, right=True)) == width


@each
def test_marks_do_not_pile_up(name):
    longest = max(
        (len(marks[0]) for marks in re.finditer(r"[\u0300-\u036f\u20d0-\u20ff]+", plain(TEXTS[name]))),
        default=0,
    )
    assert longest <= 3


def test_a_line_of_any_length_costs_next_to_nothing():
    for text in TEXTS.values():
        plain(text)
    best = {}
    for number in range(3):
        for name, text in TEXTS.items():
            fresh = text[:900] + str(number) + text[900:]
            start = time.process_time()
            plain(fresh)
            best[name] = min(best.get(name, 1.0), time.process_time() - start)
    assert max(best.values()) < 0.010, max(best.items(), key=lambda item: item[1])


@each
def test_any_text_may_be_typed_as_a_filter(name):
    try:
        wanted = parse(TEXTS[name][:300])
    except FilterError as error:
        assert re.search(r"\d", str(error))
    else:
        wanted.matches({"name": TEXTS[name][:300]})


class Wire(Driver):
    """Keeps what was written, and shows what went through the core."""

    def __init__(self, app, *, debug=False, mouse=True, size=None):
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.written = []
        self.core, self.terminal = Core(80, 24), Terminal(80, 24)
        self.write("\x1b[?25l\x1b[?7l")

    def write(self, data):
        self.written.append(data)
        self.core.feed(data)
        self.terminal.feed(self.core.take())

    def start_application_mode(self):
        self.send_message(events.Resize(Size(80, 24), Size(80, 24)))

    def disable_input(self):
        pass

    def stop_application_mode(self):
        pass


class Hostile(App):
    """A grid and a line, whose every word may be hostile."""

    def __init__(self):
        super().__init__(driver_class=Wire)
        self.animation_level = "none"

    def compose(self):
        yield Grid(
            [Column("a", "[/red]\x1b[2J", 20), Column("b", "[@click=quit]B", 30, grow=True)], empty="[/]"
        )
        yield Static()


BATCH = 16


async def test_a_screen_full_of_it():
    shown = []

    async def look(pilot):
        app, grid = pilot.app, pilot.app.query_one(Grid)
        await pilot.pause()
        items = list(TEXTS.items())
        for first in range(0, len(items), BATCH):
            batch = items[first : first + BATCH]
            rows = [
                Row(
                    text[:500] + name,
                    {"a": Cell(plain(text)), "b": Cell(plain(f"é{text}"), sort=text[:50])},
                    fields={"name": text},
                    group=text,
                )
                for name, text in batch
            ]
            grid.grouped = first % (2 * BATCH) == 0
            grid.show(rows)
            grid.action_mark_all()
            app.query_one(Static).update(content(batch[0][1]))
            app.notify(plain(batch[1][1]), title=plain(batch[2][1]), markup=False, timeout=0.1)
            await pilot.pause()
            grid.sort_by("b")
            grid.action_end(1)
            await pilot.pause()
            shown.extend(row.key for row in grid.rows_shown)
            assert len(grid.table().rows) == len(batch)
        for text in ("csi-cursor", "osc-52", "markup-close"):
            grid.filter = parse(f'"{plain(TEXTS[text])} nothing"')
            await pilot.pause()
            grid.show([])
            grid.set_empty(TEXTS[text])
            await pilot.pause()
            grid.show(rows)
        app.exit()

    app = Hostile()
    await asyncio.wait_for(app.run_async(headless=False, size=(80, 24), auto_pilot=look, mouse=False), 110)
    assert len(shown) == len(TEXTS)
    written = "".join(app._driver.written)
    ours = re.sub(r"\x1b\[[?\d;]*[mHhl]|\x1b\]22;[a-z]*\x07|\n", "", written)
    assert not harm(ours)
    assert set(app._driver.terminal.others) <= {"22;default", "22;pointer", "22;text"}

"""What real Textual apps write, through the driver's core: the same screen, for fewer bytes."""

import asyncio
from itertools import count

import pytest
from rich.text import Text
from textual import events
from textual.app import App
from textual.containers import VerticalScroll
from textual.driver import Driver
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import (
    DataTable,
    Footer,
    Header,
    Input,
    Label,
    ProgressBar,
    Static,
    TabbedContent,
    TextArea,
)

from sensor_tui.app.driver_core import Core
from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row, Tone
from tests.app.driver_terminal import Terminal


class Recorder(Driver):
    """Draws on two terminals: one directly, one through the core."""

    def __init__(self, app, *, debug=False, mouse=True, size=None):
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.offered = self.sent = 0
        self.resize(size or (80, 24))

    def resize(self, size):
        self.size = size
        self.raw, self.through, self.core = Terminal(*size), Terminal(*size), Core(*size)
        self.write("\x1b[?1049h\x1b[?25l\x1b[?7l")

    def write(self, data):
        self.offered += len(data)
        self.raw.feed(data)
        self.core.feed(data)

    def check(self):
        sent = self.core.take()
        self.sent += len(sent)
        self.through.feed(sent)
        through, raw = self.through.visible(), self.raw.visible()
        assert not [
            (y, x, ours, theirs)
            for y, (a, b) in enumerate(zip(through, raw, strict=True))
            for x, (ours, theirs) in enumerate(zip(a, b, strict=True))
            if ours != theirs
        ]
        return sent

    def start_application_mode(self):
        self.say_size()

    def say_size(self):
        size = Size(*self.size)
        self.send_message(events.Resize(size, size))

    def disable_input(self):
        pass

    def stop_application_mode(self):
        pass


async def drive(app, steps, size=(80, 24)):
    """Run an app whose steps are keys, sizes or calls; compare the screens after each."""
    counted = {}

    async def pilot_steps(pilot):
        driver = app._driver
        await pilot.pause()
        driver.check()
        for step in steps:
            if isinstance(step, str):
                await pilot.press(step)
            elif isinstance(step, tuple):
                driver.resize(step)
                driver.say_size()
                await pilot.pause()
            else:
                step(app)
            await pilot.pause()
            driver.check()
        # nothing is left over, and painting everything again costs nothing
        app.screen.refresh()
        await pilot.pause()
        assert driver.check() == ""
        counted.update(offered=driver.offered, sent=driver.sent, lines=driver.through.lines)
        app.exit()

    await asyncio.wait_for(app.run_async(headless=False, size=size, auto_pilot=pilot_steps, mouse=False), 60)
    assert counted, "the app ended early"
    return counted


class Quiet(App):
    """No animations and no blinking: what is compared stands still."""

    def __init__(self):
        super().__init__(driver_class=Recorder)
        self.animation_level = "none"


class Forms(Quiet):
    def compose(self):
        yield Header()
        field = Input(placeholder="日本語 type here")
        field.cursor_blink = False
        yield field
        area = TextArea("one\ntwo é👍\n" * 8)
        area.cursor_blink = False
        with TabbedContent("First", "Second"):
            yield VerticalScroll(*(Static(f"line {number} ▲●◐ 日本") for number in range(60)))
            yield area
        yield Footer()


class Dialog(ModalScreen):
    CSS = "Dialog { align: center middle; } Label { background: red 40%; padding: 2 4; border: round white; }"

    def compose(self):
        yield Label("A dialog over everything 👩👧 é")


async def test_forms_tabs_scrolling_typing_and_dialogs():
    await drive(
        Forms(),
        [
            *"abc",
            "tab",
            "right",
            "tab",
            *("down",) * 30,
            "end",
            lambda app: app.push_screen(Dialog()),
            lambda app: app.pop_screen(),
            lambda app: app.notify("Something [b]was[/b] done", title="Done", timeout=600),
            lambda app: setattr(app, "theme", "textual-light"),
            (60, 18),
            "tab",
            (110, 40),
            "shift+tab",
            "left",
            "home",
        ],
    )


class Tables(Quiet):
    def compose(self):
        yield DataTable(zebra_stripes=True)
        yield ProgressBar(total=20, show_eta=False)

    def on_mount(self):
        table = self.query_one(DataTable)
        table.add_columns("name", "value", "text")
        for number in range(100):
            table.add_row(f"row {number}", number * 7, Text(f"日本 {number}", style="link http://a bold"))


async def test_a_table_that_changes_and_scrolls():
    steps = [*("down",) * 15, "pagedown", "right", "end", "home"]

    def change(app):
        table = app.query_one(DataTable)
        for number in range(0, 100, 3):
            table.update_cell_at((number, 1), number + 1)
        app.query_one(ProgressBar).advance(7)

    counted = await drive(Tables(), [*steps, change, *steps, change])
    assert counted["sent"] < counted["offered"] / 2


COLUMNS = [
    Column("name", "Name", 20, grow=True),
    *(Column(f"c{n}", f"C{n}", 8, right=True) for n in range(6)),
]


def grid_rows(tick, many=50):
    def row(number):
        cells = {f"c{n}": Cell(str(number * n + tick), list(Tone)[(number + tick) % 7]) for n in range(6)}
        return Row(f"r{number}", {"name": Cell(f"sensor 日本 {number}"), **cells}, group=f"g{number % 3}")

    return [row(number) for number in range(many)]


class Grids(Quiet):
    def compose(self):
        yield Grid(COLUMNS)
        yield Footer()


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_a_grid_whose_cells_change(size):
    ticks = count()

    def tick(app):
        app.query_one(Grid).show(grid_rows(next(ticks)))

    def group(app):
        app.query_one(Grid).grouped = True

    steps = [
        tick,
        tick,
        "down",
        "space",
        "o",
        "right",
        "enter",
        tick,
        group,
        tick,
        (70, 20),
        tick,
        "end",
        tick,
    ]
    counted = await drive(Grids(), steps, size)
    assert any("sensor 日本" in line for line in counted["lines"])

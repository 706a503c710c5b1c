"""A grid on an app of its own, for tests."""

from contextlib import asynccontextmanager

from textual.app import App

from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row, Tone

COLUMNS = [
    Column("name", "Name", 12, grow=True),
    Column("cpu", "CPU", 6, right=True),
    Column("state", "State", 10),
    Column("note", "Note", 10, shown=False),
]


def row(key, cpu=0.0, state="running", **options):
    cells = {
        "name": Cell(key, sort=key),
        "cpu": Cell(f"{cpu:.1f}", Tone.WARN if cpu > 50 else Tone.NORMAL, cpu),
        "state": Cell(state, sort=state),
        "note": Cell(f"note {key}"),
    }
    return Row(key, cells, **options)


def rows(many=5, cpu=0.0):
    return [row(f"s{number:02d}", cpu + number) for number in range(many)]


class GridApp(App):
    """A grid alone, and what it said."""

    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.said = []
        self.escaped = 0

    BINDINGS = [("escape", "escape")]  # noqa: RUF012

    def action_escape(self):
        self.escaped += 1

    def compose(self):
        yield Grid(COLUMNS, id="grid", empty="No units.\nPress n to make one.", **self.options)

    def on_grid_highlighted(self, event):
        self.said.append(("highlighted", event.key))

    def on_grid_chosen(self, event):
        self.said.append(("chosen", event.key))

    def on_grid_marks_changed(self, event):
        self.said.append(("marks", sorted(event.marks)))

    def on_grid_sorted(self, event):
        self.said.append(("sorted", event.column, event.reverse))

    def on_grid_unfiltered(self, event):
        assert event.control is event.grid
        self.said.append(("unfiltered",))


class Clock:
    def __init__(self):
        self.at = 0.0

    def monotonic(self):
        return self.at


@asynccontextmanager
async def running(many=5, size=(60, 12), **options):
    app = GridApp(**options)
    async with app.run_test(size=size) as pilot:
        grid = app.query_one(Grid)
        grid._clock = app.clock = Clock()
        grid.focus()
        if many:
            grid.show(rows(many))
        await pilot.pause()
        yield app, pilot, grid


def screen(grid):
    return [grid.render_line(y).text.rstrip() for y in range(grid.size.height)]

"""What keys and mouse do in the table of the dashboard."""

from sensor_tui.app.filter import parse
from sensor_tui.app.widgets.grid import GRID_KEYS, Grid, Row
from sensor_tui.app.widgets.grid_rows import CALM_SECONDS
from tests.app.grid_app import row, rows, running, screen


async def test_marks():
    async with running(5) as (app, pilot, grid):
        assert grid.chosen == ("s00",)
        await pilot.press("space", "down", "space")
        assert grid.marks == {"s00", "s02"}
        assert grid.cursor_key == "s03"
        assert [line[0] for line in screen(grid)[1:4]] == ["▌", " ", "▌"]
        grid.sort_by("cpu", reverse=True)
        assert grid.chosen == ("s02", "s00")
        grid.filter = parse("s00")
        assert grid.chosen == ("s00", "s02")
        grid.show(rows(2))
        assert grid.marks == {"s00"}
        grid.filter = parse("")
        await pilot.press("ctrl+a")
        assert grid.marks == {"s00", "s01"}
        grid.mark(["s01", "gone"])
        assert grid.marks == {"s01"}
        await pilot.press("escape")
        assert grid.marks == frozenset()
        await pilot.pause()
        assert [said[1] for said in app.said if said[0] == "marks"] == [
            ["s00"],
            ["s00", "s02"],
            ["s00"],
            ["s00", "s01"],
            ["s01"],
            [],
        ]


async def test_escape_clears_one_thing_after_the_other_and_is_left_to_others_then():
    async with running(5) as (app, pilot, grid):
        grid.filter = parse("s0")
        await pilot.press("space", "o", "escape")
        assert grid.marks
        await pilot.press("escape")
        assert not grid.marks
        assert not grid.filter.empty
        await pilot.press("escape")
        assert grid.filter.empty
        assert ("unfiltered",) in app.said
        assert app.escaped == 0
        await pilot.press("escape")
        assert app.escaped == 1


async def test_a_filter_that_hides_all_says_so():
    async with running(5) as (_, pilot, grid):
        grid.filter = parse("zzz")
        await pilot.pause()
        assert "None of 5 matches zzz" in "\n".join(screen(grid))
        assert grid.rows_shown == []
        assert grid.row_count == 5
        grid.filter = parse("state:running s03")
        assert [shown.key for shown in grid.rows_shown] == ["s03"]
        assert grid.cursor_key == "s03"


async def test_the_sort_menu():
    async with running(5) as (app, pilot, grid):
        await pilot.press("o", "right", "o")
        assert grid.sorting == ("cpu", False)
        assert "CPU▲" in screen(grid)[0]
        await pilot.press("o")
        assert grid.sorting == ("cpu", True)
        assert "CPU▼" in screen(grid)[0]
        await pilot.press("right", "right", "right", "enter")
        assert grid.sorting == ("cpu", False)
        await pilot.press("o", "left", "escape")
        assert grid.sorting == ("cpu", False)
        await pilot.press("o", "left", "down", "o", "escape")
        assert grid.cursor_key == "s01"
        await pilot.press("O")
        assert grid.sorting is None
        await pilot.pause()
        assert app.said[-1] == ("sorted", None, False)


async def test_sorted_rows_stay_calm():
    async with running(3) as (app, pilot, grid):
        grid.sort_by("cpu")
        assert [shown.key for shown in grid.rows_shown] == ["s00", "s01", "s02"]
        app.clock.at = 1.0
        grid.show([row("s00", 9), row("s01", 1), row("s02", 2)])
        assert [shown.key for shown in grid.rows_shown] == ["s00", "s01", "s02"]
        assert grid.rows_shown[0].cells["cpu"].text == "9.0"
        assert grid._settling is not None
        grid._settle()
        assert [shown.key for shown in grid.rows_shown] == ["s01", "s02", "s00"]
        app.clock.at = CALM_SECONDS * 2 + 1
        grid.show([row("s00", 0), row("s01", 1), row("s02", 2)])
        assert [shown.key for shown in grid.rows_shown] == ["s00", "s01", "s02"]
        await pilot.pause()


async def test_groups():
    async with running(0, group_by_default=True) as (_, pilot, grid):
        some = rows(4)
        grid.show(
            [
                Row(r.key, r.cells, group=city)
                for r, city in zip(some, ["Oslo", "Lima", "Oslo", ""], strict=True)
            ]
        )
        await pilot.pause()
        lines = [line.split()[0:2] for line in screen(grid)[1:8]]
        assert lines[0] == ["Oslo", "(2)"]
        assert [line[0] for line in lines] == ["Oslo", "s00", "s02", "Lima", "s01", "no", "s03"]
        await pilot.press("down", "down")
        assert grid.cursor_key == "s01"
        grid.grouped = False
        assert grid.cursor_key == "s01"
        assert not grid.grouped


async def test_too_many_columns_pass_behind_the_first():
    async with running(3, size=(24, 8)) as (_, pilot, grid):
        assert screen(grid)[0].split() == ["Name", "CPU", ">"]
        await pilot.press("right")
        assert screen(grid)[0].split() == ["Name", "<State"] or "State" in screen(grid)[0]
        assert screen(grid)[1].split() == ["s00", "running"]
        await pilot.press("right", "right", "left")
        assert "CPU" in screen(grid)[0]
        await pilot.press("o", "left")
        assert "State" in screen(grid)[0]


async def test_columns_are_chosen():
    async with running(3) as (_, _, grid):
        assert grid.shown_columns == ("name", "cpu", "state")
        grid.show_columns(["note", "name"])
        assert grid.shown_columns == ("name", "note")
        assert screen(grid)[1].split() == ["s00", "note", "s00"]
        grid.show_columns([])
        assert grid.shown_columns == ("name",)
        table = grid.table()
        assert table.columns == ("Name", "CPU", "State", "Note")
        assert table.rows[1] == ("s01", "1.0", "running", "note s01")


async def test_the_mouse():
    async with running(30) as (app, pilot, grid):
        await pilot.click(Grid, offset=(5, 3))
        assert grid.cursor_key == "s02"
        await pilot.click(Grid, offset=(5, 3), times=2)
        assert ("chosen", "s02") in app.said
        await pilot.click(Grid, offset=(0, 4))
        assert grid.marks == {"s03"}
        cpu = next(place for place in grid._layout.places if place.column.key == "cpu")
        await pilot.click(Grid, offset=(cpu.x + 1, 0))
        assert grid.sorting == ("cpu", False)
        await pilot.click(Grid, offset=(cpu.x + 1, 0))
        assert grid.sorting == ("cpu", True)
        grid.scroll_to(y=5, animate=False)
        await pilot.pause()
        await pilot.click(Grid, offset=(5, 1))
        assert grid.cursor_key == "s24"
        grid.show(rows(2))
        await pilot.pause()
        await pilot.click(Grid, offset=(5, 9))
        assert len(grid.rows_shown) == 2


def test_every_key_has_words():
    assert all(command.help.endswith(".") and command.id.startswith("grid.") for command in GRID_KEYS)
    keys = [key for command in GRID_KEYS for key in command.keys.split(",")]
    assert len(set(keys)) == len(keys)

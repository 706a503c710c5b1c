"""What the table of the dashboard shows, and what it paints for it."""

import time

import pytest
from textual.app import App
from textual.geometry import Region

from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row
from tests.app.grid_app import COLUMNS, GridApp, row, rows, running, screen


def painted(grid, monkeypatch):
    """Regions the grid paints from now on."""
    regions = []
    refresh = grid.refresh

    def spy(*some, **options):
        regions.extend(some or [Region(0, 0, *grid.size)])
        return refresh(*some, **options)

    monkeypatch.setattr(grid, "refresh", spy)
    return regions


async def test_rows_under_headings():
    async with running(3) as (_, _, grid):
        lines = screen(grid)
        assert lines[0].split() == ["Name", "CPU", "State"]
        assert lines[1].split() == ["s00", "0.0", "running"]
        assert lines[3].split() == ["s02", "2.0", "running"]
        assert not any(lines[4:])
        assert all(len(line) <= 60 for line in lines)


async def test_an_empty_grid_says_what_to_do_next():
    async with running(0) as (app, pilot, grid):
        assert [line.strip() for line in screen(grid) if line][1:] == ["No units.", "Press n to make one."]
        assert grid.cursor_key is None
        assert grid.chosen == ()
        await pilot.press("down", "space", "enter", "end", "o", "o", "ctrl+a", "left")
        grid.set_empty("[/red]\x1b[2J\nSecond")
        await pilot.pause()
        assert [line.strip() for line in screen(grid) if line][1:] == ["[/red]", "Second"]
        assert ("chosen", None) not in app.said


async def test_the_cursor_moves_and_says_so():
    async with running(30) as (app, pilot, grid):
        assert (grid.cursor_key, grid.cursor_row.key) == ("s00", "s00")
        keys = {"j": "s01", "down": "s02", "k": "s01", "up": "s00", "G": "s29", "g": "s00", "end": "s29"}
        for key, at in keys.items():
            await pilot.press(key)
            assert grid.cursor_key == at
        assert "s29" in screen(grid)[-1]
        await pilot.press("pageup")
        assert grid.cursor_key == "s19"
        await pilot.press("home", "pagedown")
        assert grid.cursor_key == "s10"
        await pilot.press("enter")
        await pilot.pause()
        assert app.said[-2:] == [("highlighted", "s10"), ("chosen", "s10")]
        assert grid.move_to("s20")
        assert not grid.move_to("gone")
        assert grid.cursor_key == "s20"


async def test_only_cells_that_changed_are_painted(monkeypatch):
    async with running(5) as (_, pilot, grid):
        regions = painted(grid, monkeypatch)
        grid.show(rows(5))
        assert regions == []
        changed = rows(5)
        changed[2] = row("s02", 99.0)
        grid.show(changed)
        cpu = next(place for place in grid._layout.places if place.column.key == "cpu")
        assert regions == [Region(cpu.x, 3, cpu.width, 1)]
        regions.clear()
        changed[2] = row("s02", 99.0, "stopped")
        grid.show(changed)
        assert regions[0].y == 3
        assert regions[0].x > cpu.x
        regions.clear()
        hidden = Row("s02", {**changed[2].cells, "note": Cell("another")})
        grid.show([*changed[:2], hidden, *changed[3:]])
        assert regions == []
        grid.show([*changed[:2], row("s02", 99.0, "stopped", stale=True), *changed[3:]])
        assert regions == [Region(0, 3, 60, 1)]
        await pilot.pause()


async def test_rows_that_are_not_visible_are_not_painted(monkeypatch):
    async with running(100) as (_, _, grid):
        regions = painted(grid, monkeypatch)
        grid.show([*rows(50), *rows(100, cpu=40)[50:]])
        assert regions == []
        grid.show(rows(100, cpu=1))
        assert len(regions) == 11


async def test_a_row_in_between_repaints_what_moves(monkeypatch):
    async with running(5) as (_, pilot, grid):
        regions = painted(grid, monkeypatch)
        some = rows(5)
        grid.show([*some[:3], row("new"), *some[3:]])
        assert [region.y for region in regions] == [4, 5, 6]
        await pilot.pause()
        assert screen(grid)[4].split()[0] == "new"
        assert grid.row_count == 6


async def test_the_cursor_stays_on_its_row_and_goes_to_the_neighbour_of_one_that_goes():
    async with running(5) as (app, pilot, grid):
        await pilot.press("down", "down")
        some = rows(5)
        grid.show([row("new"), *some])
        assert grid.cursor_key == "s02"
        grid.show([*some[:2], *some[3:]])
        assert grid.cursor_key == "s03"
        grid.show(some[:2])
        assert grid.cursor_key == "s01"
        grid.show([])
        assert grid.cursor_key is None
        grid.show(some)
        assert grid.cursor_key == "s00"
        await pilot.pause()
        assert app.said[-4:] == [("highlighted", key) for key in ("s03", "s01", None, "s00")]


async def test_the_view_follows_the_cursor_where_sorting_moves_it():
    async with running(100) as (_, pilot, grid):
        await pilot.press("down")
        grid.sort_by("cpu", reverse=True)
        await pilot.pause()
        assert grid.cursor_key == "s01"
        assert any("s01" in line for line in screen(grid))


async def test_stale_rows_are_dim_and_tones_differ():
    async with running(1) as (_, pilot, grid):
        grid.show([row("s00", 1), row("s01", 1), row("s02", 99), row("s03", 1, stale=True)])
        await pilot.pause()

        def colours(y):
            return {segment.style.color for segment in grid.render_line(y) if segment.text.strip()}

        assert colours(2) != colours(3)
        assert len(colours(4)) == 1
        assert not colours(4) & colours(2)


async def test_the_cursor_looks_different_where_the_keys_go_elsewhere_and_in_another_theme():
    async with running(2) as (app, pilot, grid):

        def look():
            return next(iter(grid.render_line(1))).style

        focused = look()
        app.set_focus(None)
        await pilot.pause()
        blurred = look()
        assert focused.bgcolor != blurred.bgcolor
        app.theme = "textual-light"
        await pilot.pause()
        assert look().bgcolor != blurred.bgcolor


async def test_shown_before_it_is_mounted():
    class Early(GridApp):
        def compose(self):
            grid = Grid(COLUMNS)
            grid.show(rows(3))
            grid.sort_by("cpu", reverse=True)
            yield grid

    app = Early()
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        grid = app.query_one(Grid)
        assert screen(grid)[1].split()[0] == "s02"
        assert ("highlighted", "s00") in app.said


async def test_ascii_signs():
    class Plain(GridApp):
        class look:  # noqa: N801
            ascii = True

    app = Plain()
    async with app.run_test(size=(60, 12)) as pilot:
        grid = app.query_one(Grid)
        grid.show([row("a long name " * 9)])
        grid.sort_by("name")
        grid.mark(["a long name " * 9])
        await pilot.pause()
        assert "".join(screen(grid)).isascii()
        assert screen(grid)[0].startswith(" Name^")
        assert screen(grid)[1].startswith(">a long name")


@pytest.mark.parametrize("sort", [None, "name", "c0"])
async def test_a_thousand_rows_that_all_change_cost_little(sort):
    columns = [Column("name", "Name", 12), *(Column(f"c{n}", f"C{n}", 8, right=True) for n in range(11))]

    def many(tick):
        return [
            Row(
                f"r{number}",
                {
                    "name": Cell(f"r{number}", sort=f"r{number}"),
                    **{f"c{n}": Cell(f"{tick if n == 0 else n}", sort=tick + number) for n in range(11)},
                },
            )
            for number in range(1000)
        ]

    class Big(App):
        def compose(self):
            yield Grid(columns)

    async with Big().run_test(size=(200, 60)) as pilot:
        grid = pilot.app.query_one(Grid)
        grid.show(many(0))
        grid.sort_by(sort)
        costs = []
        for tick in range(1, 9):
            new = many(tick)
            start = time.process_time()
            grid.show(new)
            costs.append(time.process_time() - start)
            await pilot.pause()
        assert min(costs) < 0.015  # 3 ms on a machine with nothing else to do

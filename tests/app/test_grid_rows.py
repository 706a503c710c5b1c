"""Which rows of a grid are shown, in what order, and where its columns stand."""

import pytest

from sensor_tui.app.filter import parse
from sensor_tui.app.widgets.grid_layout import MARK_WIDTH, last_skip, lay_out
from sensor_tui.app.widgets.grid_rows import CALM_SECONDS, Rows
from sensor_tui.app.widgets.grid_values import Cell, Column, Heading, Row


def row(key, value=None, *, group="", text=None, **fields):
    return Row(key, {"v": Cell(text or str(value), sort=value), "k": Cell(key, sort=key)}, fields, group)


def made(values, *, grouped=False, column=None, reverse=False):
    rows = Rows(grouped=grouped)
    rows.column, rows.reverse = column, reverse
    rows.replace([row(key, value) for key, value in values.items()], 0.0)
    return rows


def test_rows_come_as_they_came():
    assert made({"b": 2, "a": 1}).lines == ["b", "a"]


def test_sorting_is_stable_with_numbers_before_text_and_what_is_unknown_last():
    values = {"a": 2.0, "b": None, "c": 1, "d": "x", "e": 2, "f": float("nan"), "g": "w"}
    assert made(values, column="v").lines == ["c", "a", "e", "g", "d", "b", "f"]
    assert made(values, column="v", reverse=True).lines == ["d", "g", "a", "e", "c", "b", "f"]
    assert made(values, column="no such").lines == list(values)


def test_rows_keep_their_places_for_some_seconds():
    rows = made({"a": 1, "b": 2}, column="v")
    assert rows.replace([row("a", 3), row("b", 2)], 1.0)
    assert rows.lines == ["a", "b"]
    assert rows.replace([row("a", 3), row("b", 2)], CALM_SECONDS - 0.1)
    assert not rows.replace([row("a", 3), row("b", 2)], CALM_SECONDS)
    assert rows.lines == ["b", "a"]
    assert not rows.replace([row("a", 3), row("b", 2)], CALM_SECONDS + 0.1)


def test_new_rows_wait_at_the_end_and_rows_that_go_are_gone_at_once():
    rows = made({"a": 1, "b": 2, "c": 3}, column="v")
    assert rows.replace([row("n", 0), row("a", 1), row("c", 3)], 1.0)
    assert rows.lines == ["a", "c", "n"]
    rows.settle(2.0)
    rows.arrange()
    assert rows.lines == ["n", "a", "c"]


def test_groups_come_in_the_order_of_their_first_row():
    rows = Rows(grouped=True)
    rows.replace([row("a", 1, group="y"), row("b", 2, group="x"), row("c", 3, group="y")], 0.0)
    assert rows.lines == [Heading("y", 2), "a", "c", Heading("x", 1), "b"]
    assert [each.key for each in rows.shown] == ["a", "c", "b"]
    assert rows.line_of == {"a": 1, "c": 2, "b": 4}
    rows.wanted = parse("k:b")
    rows.arrange()
    assert rows.lines == [Heading("x", 1), "b"]


def test_new_values_are_shown_where_nothing_moves():
    for grouped in (False, True):
        rows = Rows(grouped=grouped)
        rows.replace([row("a", 1, group="y"), row("b", 2, group="x"), row("c", 3, group="y")], 0.0)
        lines = rows.lines
        new = [row("a", 4, group="y"), row("b", 5, group="x"), row("c", 6, group="y")]
        rows.replace(new, 1.0)
        assert rows.lines is lines
        assert {each.key: each.cells["v"].text for each in rows.shown} == {"a": "4", "b": "5", "c": "6"}
        rows.replace([row("a", 4, group="z"), *new[1:]], 2.0)
        assert (rows.lines is lines) is not grouped


def test_a_filter_looks_at_fields_or_else_at_cells():
    rows = Rows(grouped=False)
    rows.wanted = parse("city:oslo")
    rows.replace([row("a", 1, city="Oslo"), row("b", 2, city="Lima"), row("c", 3)], 0.0)
    assert rows.lines == ["a"]
    rows.wanted = parse("v:3")
    rows.arrange()
    assert rows.lines == ["c"]


COLUMNS = [
    Column("a", "A", 10),
    Column("b", "B", 8, right=True),
    Column("c", "C", 6, grow=True),
    Column("d", "D", 5),
]


def places(width, skip=0, columns=COLUMNS):
    layout = lay_out(columns, width, skip)
    for one, other in zip(layout.places, layout.places[1:], strict=False):
        assert one.x + one.width + layout.gap == other.x
    assert all(place.x + place.width <= width for place in layout.places)
    return layout, [(place.column.key, place.width) for place in layout.places]


def test_a_column_that_grows_takes_what_is_left():
    layout, found = places(60)
    assert found == [("a", 10), ("b", 8), ("c", 60 - MARK_WIDTH - 23 - 6), ("d", 5)]
    assert layout.gap == 2
    assert (layout.before, layout.after) == (0, 0)


def test_a_tight_fit_has_smaller_gaps():
    layout, found = places(29 + 3 + MARK_WIDTH)
    assert found == [("a", 10), ("b", 8), ("c", 6), ("d", 5)]
    assert layout.gap == 1


def test_where_not_all_fit_the_first_stays_and_the_others_pass():
    layout, found = places(22)
    assert found == [("a", 10), ("b", 8)]
    assert (layout.before, layout.after) == (0, 2)
    layout, found = places(22, 1)
    assert found == [("a", 10), ("c", 10)] or found[0] == ("a", 10)
    assert layout.before == 1
    assert last_skip(COLUMNS, 22) == 2
    layout, found = places(22, 2)
    assert [key for key, _ in found] == ["a", "d"]
    assert layout.after == 0


def test_a_column_is_cut_where_enough_of_it_is_left():
    columns = [Column("a", "A", 10), Column("b", "B", 8), Column("c", "C", 8, right=True)]

    def shown(width: int, skip: int = 0) -> list[tuple[str, int]]:
        return [(place.column.key, place.width) for place in lay_out(columns, width, skip).places]

    one_for_the_sign = MARK_WIDTH + 1
    assert shown(10 + 1 + 4 + one_for_the_sign) == [("a", 10), ("b", 4)]
    assert shown(10 + 1 + 3 + one_for_the_sign) == [("a", 10)]
    assert shown(10 + 1 + 7 + MARK_WIDTH, skip=1) == [("a", 10)], "half a number is a wrong number"


@pytest.mark.parametrize("width", range(30))
def test_any_width_will_do(width):
    for skip in range(5):
        places(width, skip)
    last_skip(COLUMNS, width)
    assert lay_out([], width, 0).places == ()


def test_what_is_at_a_cell():
    layout = lay_out(COLUMNS, 60, 0)
    assert layout.at(0) is None
    assert layout.at(1).column.key == "a"
    assert layout.at(12).column.key == "a"
    assert layout.at(13).column.key == "b"
    assert layout.at(59).column.key == "d"

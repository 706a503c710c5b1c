"""The bounded book of log lines, the view of those that are wanted, and the level guessed from a line."""

from functools import partial

import pytest

from sensor_tui.app.format import plain
from sensor_tui.app.logbook import KEPT, Level, LogBook, guess, merged
from sensor_tui.app.widgets.loglines_view import LogView
from sensor_tui.model.unit import LogLine

_CLEAN = partial(plain, limit=KEPT)


def lines(first, count, *, unit="a", text="line {}", at=1000.0):
    return [LogLine(unit, at + number, text.format(number)) for number in range(first, first + count)]


def book(**bounds):
    return LogBook(_CLEAN, **bounds)


def texts(view):
    return [view[index].text for index in range(len(view))]


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("2026-01-31T12:00:00Z ERROR sync.engine: no answer", Level.ERROR),
        ("12:00 WARN slow", Level.WARN),
        ("12:00:00.123 WARNING: slow", Level.WARN),
        ("INFO all well", Level.INFO),
        ("NOTICE: rotated", Level.INFO),
        ("DEBUG x=1", Level.DEBUG),
        ("TRACE enter", Level.DEBUG),
        ('ts=1 level=error msg="x"', Level.ERROR),
        ('{"level": "warning", "msg": "disk"}', Level.WARN),
        ('{"severity":"INFO"}', Level.INFO),
        ("2026/01/31 12:00:00 [error] 31#31: *1 open() failed", Level.ERROR),
        ("<warn> dhcp", Level.WARN),
        ("error: cannot open", Level.ERROR),
        ("Fatal: not a repository", Level.ERROR),
        ("E0131 12:00:00.1 main.go:1] x", Level.ERROR),
        ("W0131 12:00:00.1 main.go:1] x", Level.WARN),
        ("Traceback (most recent call last):", Level.ERROR),
        ("sqlite3.OperationalError: database is locked", Level.ERROR),
        ("INFO no ERROR was found", Level.INFO),
        ("the information about errors is mirrored", Level.NONE),
        ("0 errors, terrorist, warned", Level.NONE),
        ("", Level.NONE),
        ("x" * 300 + " ERROR", Level.NONE),
    ],
)
def test_level_of_a_line(text, level):
    assert guess(text) is level


def test_letters_say_the_level_without_colour():
    assert [level.letter for level in Level] == [" ", "D", "I", "W", "E"]


def test_an_indented_line_has_the_level_of_the_line_before_of_its_unit():
    kept = book()
    kept.extend(
        [
            LogLine("a", 1.0, "ERROR it broke"),
            LogLine("b", 2.0, "INFO fine"),
            LogLine("a", 3.0, '  File "x.py", line 3'),
            LogLine("a", 4.0, "plain again"),
            LogLine("a", 5.0, "  indented"),
        ]
    )
    assert [kept[number].level for number in range(5)] == [
        Level.ERROR,
        Level.INFO,
        Level.ERROR,
        Level.NONE,
        Level.NONE,
    ]


def test_lines_beyond_the_bound_are_dropped_and_counted():
    kept = book(most_lines=100)
    kept.extend(lines(0, 250))
    assert (len(kept), kept.first, kept.next, kept.dropped) == (100, 150, 250, 150)
    assert kept[150].text == "line 150"
    with pytest.raises(IndexError):
        kept[149]


def test_bytes_are_bounded_too():
    kept = book(most_bytes=50_000)
    kept.extend(lines(0, 100, text="x" * 4000 + "{}"))
    assert kept.bytes <= 50_000
    assert len(kept) == 11
    assert kept.dropped == 89


def test_the_newest_line_stays_however_small_the_bound():
    kept = book(most_bytes=10)
    kept.extend(lines(0, 3))
    assert (len(kept), kept[2].text) == (1, "line 2")


def test_memory_stays_bounded_over_many_lines():
    kept = book(most_lines=1000)
    view = LogView(kept)
    for start in range(0, 50_000, 500):
        kept.extend(lines(start, 500))
        view.update()
    assert len(view) == 1000
    assert len(kept._kept) < 1000 + 5000
    assert len(view._numbers) < 1000 + 5000


def test_a_long_line_is_cut_and_what_is_lost_is_counted():
    kept = book()
    kept.extend([LogLine("a", 1.0, "y" * 100_000)])
    assert len(kept[0].text) == KEPT
    assert kept[0].lost == 100_000 - KEPT


def test_hostile_lines_are_plain_in_the_book():
    kept = book()
    kept.extend(
        [
            LogLine("a", 1.0, "\x1b[31mred\x1b[0m \x1b]0;title\x07 [bold]x[/] \u202eevil\r\nmore\x00"),
        ]
    )
    shown = kept[0].text
    assert shown.isprintable()
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "red" in shown
    assert "[bold]x[/]" in shown


def test_clearing_forgets_lines_and_counts():
    kept = book(most_lines=10)
    view = LogView(kept)
    kept.extend(lines(0, 20))
    view.update()
    kept.clear()
    view.update()
    assert (len(kept), kept.dropped, kept.bytes, len(view), view.rows) == (0, 0, 0, 0, 0)
    kept.extend(lines(20, 2))
    view.update()
    assert texts(view) == ["line 20", "line 21"]


def test_a_line_without_a_time_stands_at_that_of_the_line_before():
    kept = book()
    kept.extend([LogLine("a", 5.0, "x"), LogLine("a", None, "y")])
    assert kept[1].at is None
    assert kept[1].when == 5.0
    assert kept.last_at == 5.0
    assert book().last_at is None


def test_lines_that_come_again_are_known():
    kept = book()
    kept.extend([*lines(0, 10), LogLine("a", 1009.0, "line 9")])
    seen = kept.since(1008.0)
    again = [*lines(8, 2), LogLine("a", 1009.0, "line 9"), LogLine("a", 1009.0, "line 9"), *lines(10, 1)]
    assert [kept.known(line, seen) for line in again] == [True, True, True, False, False]


def test_a_line_is_known_again_by_its_plain_text():
    kept = book()
    wild = LogLine("a", 1.0, "\x1b[31mred\x1b[0m")
    kept.extend([wild])
    seen = kept.since(0.0)
    assert kept.known(wild, seen)
    assert not kept.known(LogLine("a", None, "red"), seen)


def test_the_view_takes_what_matches_as_it_comes():
    kept = book()
    view = LogView(kept)
    view.match = lambda entry: entry.text.endswith("5")
    kept.extend(lines(0, 20))
    view.update()
    kept.extend(lines(20, 20))
    view.update()
    assert texts(view) == ["line 5", "line 15", "line 25", "line 35"]
    assert view.rows == 4


def test_matches_without_hiding():
    kept = book()
    kept.extend(lines(0, 20))
    view = LogView(kept)
    view.match = lambda entry: entry.text.endswith("5")
    view.hiding = False
    view.rebuild()
    assert len(view) == 20
    assert view.find(0, 1) == 5
    assert view.find(5, 1) == 15
    assert view.find(15, 1) == 5
    assert view.find(5, -1) == 15
    assert (view.matching, view.find(15, 1)) == (2, 5)
    view.match = lambda entry: False
    view.rebuild()
    assert view.find(0, 1) is None
    view.match = None
    view.rebuild()
    assert view.find(0, 1) is None


def test_the_least_level_counts_an_unknown_one_as_information():
    kept = book()
    kept.extend(
        [
            LogLine("a", 1.0, "DEBUG d"),
            LogLine("a", 2.0, "no level"),
            LogLine("a", 3.0, "WARN w"),
            LogLine("a", 4.0, "ERROR e"),
            LogLine("a", 5.0, "log rotated", "note"),
        ]
    )
    view = LogView(kept)
    seen = {}
    for level in (Level.NONE, Level.INFO, Level.WARN, Level.ERROR):
        view.at_least = level
        view.rebuild()
        seen[level] = len(view)
    assert seen == {Level.NONE: 5, Level.INFO: 4, Level.WARN: 3, Level.ERROR: 2}


def test_what_the_reader_says_is_always_shown_and_never_a_match():
    kept = book()
    kept.extend([LogLine("a", 1.0, "12 lines skipped", "note"), LogLine("a", 2.0, "x")])
    view = LogView(kept)
    view.match = lambda entry: True
    view.rebuild()
    assert [view.is_match(view[0]), view.is_match(view[1])] == [False, True]
    view.match = lambda entry: False
    view.rebuild()
    assert texts(view) == ["12 lines skipped"]


def test_rows_that_went_from_the_front_are_counted():
    kept = book(most_lines=10)
    view = LogView(kept)
    view.match = lambda entry: int(entry.text.split()[1]) % 2 == 0
    kept.extend(lines(0, 10))
    view.update()
    kept.extend(lines(10, 6))
    view.update()
    assert view.gone == 3
    assert texts(view) == [f"line {number}" for number in range(6, 16, 2)]
    kept.extend(lines(16, 100))
    view.update()
    assert (len(view), view.matching) == (5, 5)


def test_lines_of_several_rows():
    kept = book(most_lines=6)
    view = LogView(kept)
    view.height = lambda entry: 1 + entry.number % 3
    kept.extend(lines(0, 4))
    view.rebuild()
    assert view.rows == 1 + 2 + 3 + 1
    assert [view.row_of(index) for index in range(4)] == [0, 1, 3, 6]
    assert [view.line_at(row) for row in range(7)] == [
        (0, 0),
        (1, 0),
        (1, 1),
        (2, 0),
        (2, 1),
        (2, 2),
        (3, 0),
    ]
    kept.extend(lines(4, 4))
    view.update()
    assert view.gone == 3
    assert [view.row_of(index) for index in range(6)] == [0, 3, 4, 6, 9, 10]
    assert view.line_at(3) == (1, 0)
    assert view.rows == 12


def test_wrapped_rows_survive_the_cutting_of_dead_places():
    kept = book(most_lines=50)
    view = LogView(kept)
    view.height = lambda entry: 2
    for start in range(0, 12_000, 40):
        kept.extend(lines(start, 40))
        view.update()
    assert (len(view), view.rows, view.row_of(49)) == (50, 100, 98)
    assert view.line_at(99) == (49, 1)
    assert view.gone == 2 * (12_000 - 50)


def test_places_by_number_and_by_time():
    kept = book()
    kept.extend(lines(0, 10))
    view = LogView(kept)
    view.match = lambda entry: entry.number % 2 == 0
    view.rebuild()
    assert [view.index_of(number) for number in (0, 1, 2, 9, 99)] == [0, 1, 1, 4, 4]
    assert [view.at_time(moment) for moment in (0.0, 1003.0, 1004.0, 5000.0)] == [0, 2, 2, 4]
    empty = LogView(book())
    assert (empty.index_of(3), empty.at_time(1.0)) == (0, 0)
    with pytest.raises(IndexError):
        empty[0]


def test_merging_keeps_a_line_without_a_time_behind_the_one_before():
    mixed = [
        LogLine("a", 2.0, "a2"),
        LogLine("a", None, "a2 more"),
        LogLine("b", 1.0, "b1"),
        LogLine("b", 2.0, "b2"),
    ]
    assert [line.text for line in merged(mixed)] == ["b1", "a2", "a2 more", "b2"]
    assert merged(mixed[:2]) == mixed[:2]

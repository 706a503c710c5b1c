"""Moments an operator writes, files lines are saved to, and what is pointed at in a line."""

import stat

import pytest

from sensor_tui.app.logbook import NOTE, Entry, Level, LogBook, stamp_length
from sensor_tui.app.screens.logs_feed import tail_for
from sensor_tui.app.screens.logs_save import iso, line_of, save
from sensor_tui.app.screens.logs_time import moment
from sensor_tui.app.widgets.loglines_draw import Body, clock_of, pieces
from sensor_tui.app.widgets.loglines_text import fit_end, height, pattern_of, rows_of, shown, spans
from sensor_tui.model.unit import LogLine
from tests.app.fake import NOW


def entry(text, *, lost=0, at=NOW, unit="a", stream="out"):
    return Entry(0, unit, at, at or 0.0, text, lost, stream, Level.NONE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15:09", -26),
        ("15:09:20", -6),
        (" 15:10 ", 34 - 86_400),
        ("9:05", -6 * 3600 - 266),
        ("-10m", -600),
        ("-1h30m", -5400),
        ("-2d", -172_800),
        ("-1.5h", -5400),
        ("-90S", -90),
        ("2026-03-14 15:00", -566),
        ("2026-03-14T15:00:01", -565),
        ("2026-03-15 15:09:26", 86_400),
    ],
)
def test_moments(text, seconds):
    assert moment(text, NOW) == NOW + seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "12:60", "10m", "-", "-m", "2026-02-30 10:00", "1:2:3"]
)
def test_what_is_no_moment(text):
    assert moment(text, NOW) is None


@pytest.mark.parametrize(
    ("head", "hidden"),
    [
        ("2026-03-14T15:09:26Z ", True),
        ("2026-03-14T15:09:27.123456+00:00 ", True),
        ("[2026-03-14 10:09:26,123 -05:00] ", True),
        ("2026/03/14 20:39:25 - ", True),
        ("15:09:26 | ", True),
        ("2026-03-14T14:09:26Z ", False),
        ("2026-03-14T15:09:31Z ", False),
        ("2026-03-13 15:09:26 ", False),
        ("15:02:26 ", False),
        ("29:09:26 ", False),
        ("2026-13-45 15:09:26 ", False),
        ("", False),
    ],
)
def test_the_time_of_a_line_is_shown_once(head, hidden):
    line = f"{head}INFO it is warm"
    assert stamp_length(line, NOW) == (len(head) if hidden else 0)
    assert stamp_length(line, None) == 0
    book = LogBook(str)
    book.extend([LogLine("a", NOW, line), LogLine("a", NOW, line, NOTE)])
    assert shown(book[0]) == ("INFO it is warm" if hidden else line)
    assert shown(book[1]) == line
    assert line_of(book[0], {}).endswith(line)


def test_saved_lines(tmp_path):
    path = tmp_path / "x.txt"
    entries = [
        entry("one"),
        entry("two", lost=1200, unit="b"),
        entry("skipped", unit="", stream=NOTE, at=None),
    ]
    save(path, entries, {"a": "sensor-a"})
    assert path.read_text().splitlines() == [
        "2026-03-14T15:09:26.000Z sensor-a: one",
        "2026-03-14T15:09:26.000Z b: two…(+1,200)",
        "- skipped",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        save(path, entries, {})


def test_a_link_to_elsewhere_is_not_followed(tmp_path):
    (tmp_path / "x.txt").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        save(tmp_path / "x.txt", [entry("one")], {})
    assert not (tmp_path / "precious").exists()


def test_times_beyond_the_calendar():
    assert iso(1e300) == "-"
    assert clock_of(1e300).strip() == ""
    assert line_of(entry("x", at=None), {}) == "- a: x"


def test_what_a_filter_points_at():
    text = "ERROR no answer from [db]: error"
    assert [text[first:last] for first, last in spans(pattern_of("error"), text)] == ["ERROR", "error"]
    assert [text[first:last] for first, last in spans(pattern_of("/an.*m/ !x"), text)] == ["answer from"]
    assert [text[first:last] for first, last in spans(pattern_of('"no answer"'), text)] == ["no answer"]
    assert [text[first:last] for first, last in spans(pattern_of("line:[db]"), text)] == ["[db]"]
    for nothing in ("", "!error", "level:error", "/(/", "/x*/"):
        assert spans(pattern_of(nothing), text) == []


def test_the_end_of_a_name_is_kept():
    assert fit_end("sensor-LON_100001", 10, "…") == "…ON_100001"
    assert fit_end("short", 8, "…") == "short   "
    assert fit_end("東京東京東京", 6, "…") == "…東京 "


def test_rows_of_a_wrapped_line():
    assert rows_of("abcdef", 4) == ("abcd", "ef")
    assert rows_of("", 4) == ("",)
    assert rows_of("東京東京", 4) == ("東京", "東京")
    for text in ("", "abc", "x" * 41, "東京" * 11, "é" * 20):
        assert height(entry(text), 10) == len(rows_of(shown(entry(text)), 10))


def test_pieces_fill_the_width_exactly():
    from rich.cells import cell_len
    from rich.style import Style

    for text in ("", "short", "x" * 99, "東京" * 20, "a東" * 15, "e\u0301" * 30):
        for shift in (0, 1, 16, 200):
            body = Body(text, 20, None, shift)
            drawn = pieces(body, pattern_of("x 東"), Style(), Style(reverse=True), "…")
            assert cell_len("".join(piece.text for piece in drawn)) == 20


def test_what_is_looked_for_is_pointed_at_across_rows():
    from rich.style import Style

    found = Style(reverse=True)
    text = "0123456789abcdef"
    first = pieces(Body(text, 8, 0, 0), pattern_of("6789"), Style(), found, "…")
    second = pieces(Body(text, 8, 1, 0), pattern_of("6789"), Style(), found, "…")
    assert [piece.text for piece in first if piece.style.reverse] == ["67"]
    assert [piece.text for piece in second if piece.style.reverse] == ["89"]


def test_how_many_lines_to_begin_with():
    assert [tail_for(units, 20_000) for units in (0, 1, 13, 200, 5000)] == [1000, 1000, 769, 50, 20]

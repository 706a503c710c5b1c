"""Values as text."""

import math
import time

import pytest
from rich.cells import cell_len
from textual.content import Content

from sensor_tui.app.format import (
    UNKNOWN,
    age,
    block,
    clock_minutes,
    content,
    count,
    fit,
    fit_middle,
    glyphs,
    in_signs,
    number,
    percent,
    plain,
    rate,
    size,
    sparkline,
    stamp,
)
from sensor_tui.app.glyphs import ASCII, UNICODE


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sensor-1", "sensor-1"),
        ("", ""),
        ("é 日本 👍", "é 日本 👍"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;AAAA\x07x", "x"),
        ("\x1bP+q\x1b\\\x1b_apc\x1b\\y", "y"),
        ("\x9b2Jx\x9d0;t\x9cy", "xy"),
        ("\x1b]0;no end", "0;no end"),
        ("10%\r99%", "10%␍99%"),
        ("a\x00b\x08c\x7f", "a␀b␈c␡"),
        ("a\x1b", "a␛"),
        ("a\tb", "a    b"),
        ("a\nb\r\nc\u2028d\n", "a b c d"),
        ("user\u202etxt\u2066x", "usertxtx"),
        ("sen\u200bsor\ufeff", "sensor"),
        ("a\u00a0b\u3000c", "a b c"),
        ("\ue000\ud800\U000f0000\u0378", "····"),
        ("\u0301abc", "abc"),
        ("a" + "\u0301" * 9, "a\u0301\u0301\u0301"),
        ("👩\u200d👧 ✔\ufe0f 👍🏽", "👩👧 ✔ 👍"),
        ("[/red] [@click=x] temp[C]=3", "[/red] [@click=x] temp[C]=3"),
    ],
)
def test_plain(text, shown):
    assert plain(text) == shown


def test_long_text_says_how_much_is_missing():
    assert plain("x" * 100_000) == "x" * 1000 + "…(+99,000)"
    assert plain("abcdef", limit=4) == "abcd…(+2)"
    assert plain("abc\x1b[31mdef", limit=5) == "abc…(+6)"
    assert plain("abc\x1b[31;1mdef", limit=7) == "abc…(+6)"
    assert plain("abcd", limit=4) == "abcd"


def test_a_line_of_a_hundred_thousand_characters_costs_next_to_nothing():
    def cost(text):
        times = []
        for turn in range(20):
            start = time.process_time()
            plain(f"{turn}{text}")
            times.append(time.process_time() - start)
        return min(times)

    # 0.01 to 0.8 ms on a machine with nothing else to do
    assert cost("x" * 100_000) < 0.003
    assert cost("\x1b[3" * 30_000) < 0.003
    assert cost("é\u0301" * 50_000) < 0.006


def test_block_keeps_lines():
    assert block("one\x1b[1m\r\ntwo\u202e\n\nfour") == "one\ntwo\n\nfour"
    assert block("ab\ncdef", limit=4) == "ab\nc…(+3)"


def test_content_is_not_markup():
    made = content("[bold]x[/bold]", "$error")
    assert made.plain == "[bold]x[/bold]"
    assert [(span.start, span.end, span.style) for span in made.spans] == [(0, 14, "$error")]
    assert content("").plain == ""


@pytest.mark.parametrize(
    ("text", "width", "right", "shown"),
    [
        ("abc", 5, False, "abc  "),
        ("abc", 5, True, "  abc"),
        ("abcdef", 4, False, "abc…"),
        ("abcdef", 4, True, "abc…"),
        ("日本語", 4, False, "日 …"),
        ("日本語", 5, False, "日本…"),
        ("日", 1, False, "…"),
        ("abc", 0, False, ""),
        ("", 2, False, "  "),
    ],
)
def test_fit(text, width, right, shown):
    assert fit(text, width, right) == shown
    assert cell_len(shown) == width


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, UNKNOWN),
        (math.nan, UNKNOWN),
        (math.inf, UNKNOWN),
        (0, "0 s"),
        (0.9, "0 s"),
        (3.7, "3 s"),
        (12, "10 s"),
        (59.9, "55 s"),
        (60, "1 min"),
        (125, "2 min"),
        (7199, "119 min"),
        (5 * 3600 + 10, "5 h"),
        (47 * 3600, "47 h"),
        (9 * 86400, "9 d"),
        (-4, "in 4 s"),
        (-130, "in 2 min"),
    ],
)
def test_age(seconds, shown):
    assert age(seconds) == shown


@pytest.mark.parametrize(
    ("shape", "value", "shown"),
    [
        (count, None, UNKNOWN),
        (count, 0, "0"),
        (count, 12345, "12,345"),
        (count, 999_999, "999,999"),
        (count, 1_234_567, "1.23M"),
        (count, 12_345_678, "12.3M"),
        (count, 999_999_999, "1.00G"),
        (count, 5 * 10**15, "5,000T"),
        (rate, None, UNKNOWN),
        (rate, 0, "0"),
        (rate, 0.001, "0"),
        (rate, 0.123, "0.12"),
        (rate, 3.44, "3.4"),
        (rate, 9.96, "10"),
        (rate, 1234.4, "1,234"),
        (rate, math.nan, UNKNOWN),
        (size, None, UNKNOWN),
        (size, 512, "512 B"),
        (size, 1000, "1.0 KiB"),
        (size, 1024**2 * 34.5, "34.5 MiB"),
        (size, 1024**3 * 200, "200 GiB"),
        (size, 1024**5, "1,024 TiB"),
        (percent, None, UNKNOWN),
        (percent, 0, "0%"),
        (percent, 0.44, "0.4%"),
        (percent, 12.3, "12%"),
        (percent, 250, "250%"),
        (number, None, UNKNOWN),
        (number, 3, "3"),
        (number, 21.374, "21.37"),
        (number, 1013.25, "1013.25"),
        (number, 0.0, "0.00"),
        (number, 0.00123, "0.00123"),
        (number, -123456.7, "-1.2e+05"),
        (number, 1.5e300, "1.5e+300"),
        (number, -1.5e300, "-2e+300"),
        pytest.param(number, 10**400, "inf", id="too large"),
        (number, math.nan, "nan"),
        (number, -math.inf, "-inf"),
    ],
)
def test_figures(shape, value, shown):
    assert shape(value) == shown


def test_a_measured_value_takes_eight_cells_at_most():
    for exponent in range(-320, 309, 3):
        for sign in (1, -1):
            assert len(number(sign * 9.87654321 * 10.0**exponent)) <= 8
    assert len(number(99_999_999)) == 8


def test_times_are_local(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Manila")
    time.tzset()
    try:
        assert clock_minutes(1_700_000_000) == "06:13"
        assert stamp(1_700_000_000) == "2023-11-15 06:13:20"
    finally:
        monkeypatch.undo()
        time.tzset()
    assert stamp(1e20) == clock_minutes(math.inf) == UNKNOWN


def test_sparkline():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 7], 4) == "  ▁█"
    assert sparkline([5, 5, 5], 3) == "▄▄▄"
    assert sparkline([1, None, math.nan, 2], 4) == "▁  █"
    assert sparkline([], 3) == "   "
    assert sparkline([1, 2], 0) == ""
    assert len(sparkline(range(1000), 10)) == 10
    assert sparkline(range(8), 8, ascii=True) == ASCII.spark
    assert sparkline([1e308, -1e308], 2) == "▄▄"


def test_signs_are_one_cell_each_and_differ_from_each_other():
    for signs in (UNICODE, ASCII):
        for name in signs.__slots__:
            sign = getattr(signs, name)
            assert cell_len(sign) == (8 if name == "spark" else 1)
        states = [signs.running, signs.stopped, signs.failed, signs.backoff, signs.unknown, signs.paused]
        assert len(set(states)) == len(states)
    assert all(getattr(ASCII, name).isascii() for name in ASCII.__slots__)
    assert glyphs(ascii=True) is ASCII
    assert glyphs(ascii=False) is UNICODE


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("sensor-1", 10, "sensor-1  "),
        ("sensor-sao-paulo-1", 12, "senso…aulo-1"),
        ("sensor-sao-paulo-2", 12, "senso…aulo-2"),
        ("東京東京東京東京", 9, "東京…東京"),
        ("abcdef", 3, "ab…"),
    ],
)
def test_names_are_cut_in_the_middle(text, width, shown):
    assert fit_middle(text, width) == shown
    assert cell_len(shown) == width


def test_our_signs_have_a_plain_version():
    text = Content.assemble((f"lag {UNICODE.dash} and more…", "bold"), " São Paulo")
    assert in_signs(text, UNICODE) is text
    plainer = in_signs(text, ASCII)
    assert plainer.plain == "lag - and more~ São Paulo"
    assert plainer.spans == text.spans

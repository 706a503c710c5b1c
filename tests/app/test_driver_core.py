"""What goes to the terminal through the driver leaves it showing the same as what Textual wrote."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from sensor_tui.app import driver_core, driver_pen
from sensor_tui.app.driver_core import Core
from sensor_tui.app.driver_pen import DEFAULT, Pens
from sensor_tui.app.driver_screen import _PLAIN
from tests.app.driver_terminal import Terminal

WIDTH, HEIGHT = 24, 6

CODES = "0 1 2 3 4 7 9 21 22 23 24 27 29 31 39 41 49 53 55 91 104 38;5;9 48;5;17 38;2;1;2;3 48;2;9;9;9"
codes = st.sampled_from(CODES.split())
styles = st.lists(codes, max_size=4).map(lambda some: f"\x1b[{';'.join(some)}m")
links = st.sampled_from(["\x1b]8;id=1;http://a\x1b\\", "\x1b]8;;\x1b\\"])
words = st.text(st.sampled_from("ab  12│●日本é👍…\u0301x"), max_size=12)
places = st.builds("\x1b[{};{}H".format, st.integers(1, HEIGHT), st.integers(1, WIDTH))
moves = st.sampled_from(
    ["\n", "\r", "\b", "\x1b[H", "\x1b[2C", "\x1b[3D", "\x1b[A", "\x1b[2B", "\x1b[5G", "\x1b[2d"]
)
erasers = st.sampled_from(["\x1b[K", "\x1b[1K", "\x1b[2K", "\x1b[J", "\x1b[2J"])
soft = st.sampled_from(
    ["\x07", "\x1b]22;text\x07", "\x1b[?2026h", "\x1b[?2026l", "\x1b[?1000h", "\x1b]0;t\x07"]
)


@st.composite
def text(draw):
    """Where it is, in which style, and what, never over the right edge: Textual crops."""
    y, x = draw(st.integers(1, HEIGHT)), draw(st.integers(1, WIDTH))
    kept = ""
    for character in draw(words):
        if not kept and not cell_len(character):
            continue
        if cell_len(kept + character) > WIDTH - x + 1:
            break
        kept += character
    return f"\x1b[{y};{x}H{draw(styles)}{kept}\x1b[0m"


frames = st.lists(st.one_of(text(), text(), text(), places, links, moves, erasers, soft), max_size=12).map(
    "".join
)
SETUP = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"


def pair():
    """A terminal written to directly, one through the core, and the core."""
    raw, through, core = Terminal(WIDTH, HEIGHT), Terminal(WIDTH, HEIGHT), Core(WIDTH, HEIGHT)
    show(raw, through, core, SETUP)
    return raw, through, core


def hidden():
    """A core whose terminal has its cursor hidden."""
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[?25l")
    core.take()
    return core


def show(raw, through, core, frame):
    raw.feed(frame)
    core.feed(frame)
    sent = core.take()
    through.feed(sent)
    return sent


@settings(max_examples=200, deadline=None)
@given(st.lists(frames, max_size=8))
def test_screens_are_the_same_after_every_frame(stream):
    raw, through, core = pair()
    for frame in stream:
        show(raw, through, core, frame)
        assert through.visible() == raw.visible()


@settings(max_examples=100, deadline=None)
@given(st.lists(frames, max_size=6))
def test_screens_are_the_same_after_frames_that_were_skipped(stream):
    raw, through, core = pair()
    for frame in stream:
        raw.feed(frame)
        core.feed(frame)
    through.feed(core.take())
    assert through.visible() == raw.visible()


@settings(max_examples=100, deadline=None)
@given(frames, st.randoms())
def test_a_stream_may_be_cut_anywhere(frame, random):
    raw, through, core = pair()
    raw.feed(frame)
    at = 0
    while at < len(frame):
        step = random.randint(1, 9)
        core.feed(frame[at : at + step])
        at += step
    through.feed(core.take())
    assert through.visible() == raw.visible()


@settings(max_examples=150, deadline=None)
@given(st.lists(text(), max_size=12).map("".join))
def test_the_same_again_sends_nothing(frame):
    core = Core(WIDTH, HEIGHT)
    core.feed(SETUP + frame + "\x1b[H")
    core.take()
    core.feed(frame + "\x1b[H")
    assert core.take() == ""


@settings(max_examples=100, deadline=None)
@given(frames, frames)
def test_everything_again_heals_a_terminal_that_lost_it(first, second):
    raw, through, core = pair()
    show(raw, through, core, first)
    through.rows = through._empty()
    core.forget()
    show(raw, through, core, second)
    assert through.visible() == raw.visible()


@pytest.mark.parametrize("gone", ["\x1b[5S", "\x1b[1;4r", "\x1b7", "\x1b[2L", "\x1bc", "\x1b[!p", "\x1b[?6h"])
def test_an_unknown_sequence_goes_through_and_everything_is_sent_again(gone):
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[1;1Habc")
    core.take()
    core.feed("\x1b[2;1Hnew" + gone)
    sent = core.take()
    assert "new" in sent[: sent.index(gone)]
    assert sent.index(gone) < sent.index("abc")


def test_controls_go_through_once_and_the_last_of_a_kind_counts():
    core = hidden()
    core.feed(
        "\x1b]22;text\x07\x1b]52;c;YQ==\x07\x07\x1b[>13u\x1b[?1000h\x1b]22;pointer\x07\x1b[?2004h\x07\x1b[?1000l"
    )
    assert core.take() == "\x1b]52;c;YQ==\x07\x1b[>13u\x1b]22;pointer\x07\x1b[?2004h\x07\x1b[?1000l"
    assert core.take() == ""


def test_a_title_is_not_taken_for_colours_in_the_palette():
    core = hidden()
    core.feed("\x1b]4;1;red\x07\x1b]4;2;green\x07")
    assert core.take() == "\x1b]4;1;red\x07\x1b]4;2;green\x07"


def test_an_update_is_synchronised_where_the_terminal_can_and_it_is_long():
    core = Core(200, 60)
    frame = "".join(f"\x1b[{y};1H{'x' * 200}" for y in range(1, 61))
    core.feed(f"\x1b[?25l\x1b[?2026h{frame}\x1b[1;1H")
    core.feed("\x1b[?2026l")
    sent = core.take()
    assert sent.count(driver_core.SYNC_START) == sent.count(driver_core.SYNC_END) == 1
    core.feed("\x1b[?2026h\x1b[5;5Hyy\x1b[1;1H\x1b[?2026l")
    assert core.take() == "\x1b[5;5Hyy"


def test_the_cursor_goes_where_the_application_wants_it():
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[?25l\x1b[1;1Hab\x1b[4;7H")
    assert core.take().endswith("\x1b[4;7H")
    core.feed("\x1b[1;1Hac\x1b[4;7H")
    assert core.take() == "\x1b[1;2Hc\x1b[4;7H"
    core.feed("\x1b[1;1Hac\x1b[4;7H")
    assert core.take() == ""


def test_leaving_the_screen_draws_no_more_on_it():
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[?1049h\x1b[?25l\x1b[1;1Habc")
    core.take()
    core.feed("\x1b[1;1Hdef\x1b[?1049l\x1b[?25h")
    sent = core.take()
    assert "def" not in sent
    assert sent == "\x1b[?1049l\x1b[?25h", "the cursor is the shell's again"


@pytest.mark.parametrize("size", [(10, 3), (40, 9), (24, 2), (5, 6)])
def test_another_size(size):
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[?25l" + "".join(f"\x1b[{y};1H{'日本' * 6}" for y in range(1, HEIGHT + 1)))
    core.take()
    core.resize(*size)
    terminal = Terminal(*size)
    core.feed("\x1b[1;1Hx")
    terminal.feed(core.take())
    kept = min(size[0], WIDTH)
    expected = ("日本" * 6)[: kept // 2]
    assert terminal.lines[1] == expected
    assert terminal.lines[0] == "x " + expected[1:]


def test_text_over_the_right_edge_stays_in_its_row():
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[2;20H123456789\x1b[3;24H日")
    terminal = Terminal(WIDTH, HEIGHT)
    terminal.feed(core.take())
    assert terminal.lines[1] == " " * 19 + "12349"
    assert terminal.lines[2] == ""


def test_no_control_character_from_text_goes_out():
    core = Core(WIDTH, HEIGHT)
    core.feed("a\x9bb\x85c\x00\x0e\x1b")
    core.feed("")
    sent = core.take()
    assert not re.search(r"[\x00-\x06\x0e-\x1a\x80-\x9f]", sent)


def test_a_sequence_without_end_is_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr("sensor_tui.app.driver_screen.MOST_REST", 1000)
    core = Core(WIDTH, HEIGHT)
    for _ in range(5):
        core.feed("\x1b]0;" + "x" * 600)
    core.take()
    assert len(core.screen._rest) <= 1000


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(driver_core, "MOST_WAITING", 1000)
    core = Core(WIDTH, HEIGHT)
    for number in range(500):
        core.feed(f"\x1b[1;1H{number}\x1b[5S\x07\x1b]52;c;{number}\x07")
    sent = core.take()
    assert len(sent) < 3000
    assert "499" in sent


def test_pens_are_begun_anew_when_there_are_too_many(monkeypatch):
    monkeypatch.setattr(driver_pen, "MOST_PENS", 50)
    raw, through, core = pair()
    for number in range(300):
        show(raw, through, core, f"\x1b[{number % HEIGHT + 1};3H\x1b[38;2;1;2;{number % 256};4mab\x1b[0m")
        assert through.visible() == raw.visible()
    assert len(core.screen.pens.all) <= 60


def test_the_change_caches_are_bounded(monkeypatch):
    monkeypatch.setattr(driver_pen, "MOST_CHANGES", 10)
    pens = Pens()
    for number in range(100):
        pen = pens.after(DEFAULT, f"38;5;{number}")
        pens.change(DEFAULT, pen)
    assert len(pens._after) <= 12
    assert len(pens._changes) <= 12


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0", "31", "\x1b[31m"),
        ("31", "0", "\x1b[m"),
        ("31;41", "32;41", "\x1b[32m"),
        ("1;31", "31", "\x1b[22m"),
        ("1;2", "2", "\x1b[22;2m"),
        ("38;2;1;2;3;1", "38;2;1;2;3", "\x1b[22m"),
        ("4;31", "1", "\x1b[0;1m"),
        ("53;31", "31", "\x1b[0;31m"),
    ],
)
def test_colours_change_the_shortest_way(before, after, expected):
    pens = Pens()
    assert pens.change(pens.after(DEFAULT, before), pens.after(DEFAULT, after)) in {
        expected,
        expected.replace("\x1b[22;2m", "\x1b[0;2m"),
    }


def test_a_blank_needs_no_colour_of_text():
    core = Core(WIDTH, HEIGHT)
    core.feed("\x1b[?25l\x1b[1;1H\x1b[31ma\x1b[32m   \x1b[33mb\x1b[0m\x1b[1;1H")
    assert core.take().endswith("a   \x1b[33mb")


@pytest.mark.parametrize("sign", ["👩\u200d👩\u200d👧", "✔\ufe0f", "👍", "⚡"])
def test_after_a_sign_terminals_draw_differently_the_cursor_is_put_in_its_place(sign):
    core = hidden()
    core.feed(f"\x1b[2;3H{sign}ab\x1b[1;1H")
    assert core.take().endswith(f"{sign}\x1b[5Gab")


def test_after_a_sign_that_is_wide_everywhere_the_text_goes_on():
    core = hidden()
    core.feed("\x1b[2;3H日本ab\x1b[1;1H")
    assert core.take().endswith("日本ab")


def test_characters_taken_for_one_cell_are_one_cell():
    wrong = [code for code in range(0x20, 0x3000) if _PLAIN.match(chr(code)) and cell_len(chr(code)) != 1]
    assert not [hex(code) for code in wrong]

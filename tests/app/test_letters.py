"""Dead letters on a fake port: pages, one with its document, retry and drop."""

from dataclasses import replace

import pytest
from textual.widgets import Static

from sensor_tui.app.format import glyphs
from sensor_tui.app.screens.dialogs import AskDialog, TextDialog
from sensor_tui.app.screens.letters import COLUMNS, PAGE, letter_rows, letter_text, letters_words, pretty
from sensor_tui.errors import ServiceError
from sensor_tui.model.letter import LetterRow, LetterRows
from sensor_tui.model.overview import Link
from tests.app.fake import HOSTILE, NOW, sample_letters, sample_overview

GLYPHS = glyphs(ascii=False)


def many(count):
    return [
        LetterRow(each, "a.db", each, "cosmos", "S", None, 400, f"reason {each}", NOW)
        for each in range(count)
    ]


def status(dash):
    return str(dash.screen.query_one("#letters-status", Static).content)


def grid(dash):
    return dash.screen.letters.grid


async def test_the_first_page_is_read_when_it_is_shown(make_dash):
    async with make_dash(start="uploads") as dash:
        assert dash.port.called("letters") == []
        await dash.press("D")
        assert dash.port.called("letters") == [(0, PAGE)]
        assert [row.key for row in grid(dash).rows_shown] == ["1", "2", "3"]
        assert status(dash).startswith("1 to 3 of 3 dead letters")
        assert dash.screen.filter_counts() == (3, 3)


async def test_pages(make_dash, fake_port):
    fake_port.rows = many(250)
    async with make_dash(start="uploads") as dash:
        await dash.press("D")
        assert status(dash).startswith("1 to 100 of 250 dead letters   , and . turn pages")
        await dash.press("full_stop")
        assert status(dash).startswith("101 to 200 of 250")
        await dash.press("full_stop")
        assert status(dash).startswith("201 to 250 of 250")
        await dash.press("full_stop")
        assert dash.port.called("letters")[-1] == (200, PAGE)
        await dash.press("comma", "comma", "comma")
        assert status(dash).startswith("1 to 100 of 250")


async def test_a_page_that_is_gone_leads_to_the_first(make_dash, fake_port):
    fake_port.rows = many(150)
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "full_stop")
        fake_port.rows = many(20)
        await dash.push(sample_overview(dead_letters=20))
        assert status(dash).startswith("1 to 20 of 20")


async def test_enter_reads_one_with_its_document(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "enter")
        assert dash.port.called("letter") == [(1,)]
        assert isinstance(dash.screen, TextDialog)
        text = dash.text()
        assert "temperature is infinite" in text
        assert '"status": "[red]x[/]"' in text
        await dash.press("escape")
        assert status(dash).startswith("1 to 3")


async def test_one_that_cannot_be_read_says_why(make_dash):
    async with make_dash(start="uploads") as dash:
        dash.port.failures["letter"] = ServiceError("[gone]")
        await dash.press("D", "enter")
        assert "[gone]" in dash.notes()[0]


async def test_retry_of_the_marked_ones_asks_nothing(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "space", "space", "t")
        assert dash.port.called("retry") == [((1, 2),)]
        assert grid(dash).marks == frozenset()
        assert len(dash.port.called("letters")) == 2
        assert len(dash.notes()) == 1


async def test_retry_of_all_asks_first(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "t")
        assert isinstance(dash.screen, AskDialog)
        assert "all 3 dead letters will be read and sent again" in " ".join(dash.text().split())
        await dash.press("n")
        assert dash.port.called("retry") == []
        await dash.press("t", "y")
        assert dash.port.called("retry") == [(None,)]


async def test_drop_asks_and_says_what_it_means(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "space", "X")
        assert isinstance(dash.screen, AskDialog)
        words = " ".join(dash.text().replace("│", " ").split())
        assert "Drop 1 dead letter" in words
        assert "will never be uploaded" in words
        await dash.press("enter")
        assert dash.port.called("drop") == []
        await dash.press("X", "y")
        assert dash.port.called("drop") == [((1,),)]
        assert [row.key for row in grid(dash).rows_shown] == ["2", "3"]


async def test_drop_of_all_asks_for_all(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "X")
        assert "all 3 dead letters will be forgotten" in " ".join(dash.text().replace("│", " ").split())
        await dash.press("escape")
        assert dash.port.called("drop") == []
        await dash.press("X", "y")
        assert dash.port.called("drop") == [(None,)]
        assert "No dead letters: every reading could be sent." in dash.text()


async def test_with_none_there_is_nothing_to_ask(make_dash, fake_port):
    fake_port.rows = []
    async with make_dash(start="uploads") as dash:
        await dash.press("D", "t")
        await dash.press("X")
        assert not isinstance(dash.screen, AskDialog)
        assert dash.notes() == ["There are no dead letters."]
        assert status(dash) == "No dead letters."


@pytest.mark.parametrize("key", ["t", "X"])
async def test_elsewhere_the_keys_show_the_dead_letters_first(make_dash, key):
    async with make_dash(start="uploads") as dash:
        await dash.press(key)
        assert dash.screen.letters.display
        assert not dash.port.called("retry")
        assert not dash.port.called("drop")


@pytest.mark.parametrize(("key", "call"), [("t", "retry"), ("X", "drop")])
async def test_what_is_refused_is_said(make_dash, key, call):
    async with make_dash(start="uploads") as dash:
        dash.port.failures[call] = ServiceError("the ledger is [full]")
        await dash.press("D", "space", key, "y")
        assert "the ledger is [full]" in dash.notes()[0]
        assert grid(dash).marks == {"1"}


async def test_a_page_that_cannot_be_read_says_why_and_keeps_the_last(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D")
        dash.port.failures["letters"] = ServiceError("[gone]")
        await dash.push(sample_overview(dead_letters=4))
        assert "Not renewed: [gone]" in status(dash)
        assert all(row.stale for row in grid(dash).rows_shown)
        dash.port.failures.clear()
        await dash.push(sample_overview(dead_letters=5))
        assert "Not renewed" not in status(dash)


async def test_a_first_page_that_cannot_be_read(make_dash, fake_port):
    fake_port.failures["letters"] = ServiceError("[gone]")
    async with make_dash(start="uploads") as dash:
        await dash.press("D")
        assert "The dead letters cannot be read: [gone]" in dash.text()


async def test_new_ones_are_read_while_it_is_shown_only(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.push(sample_overview(dead_letters=9))
        assert dash.port.called("letters") == []
        await dash.press("D")
        await dash.push(sample_overview(dead_letters=10))
        assert len(dash.port.called("letters")) == 2
        await dash.push(sample_overview(dead_letters=10))
        assert len(dash.port.called("letters")) == 2


async def test_what_is_from_before_is_dimmed(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D")
        await dash.push(sample_overview(link=Link.LOST))
        assert all(row.stale for row in grid(dash).rows_shown)


async def test_export_has_every_column(make_dash):
    async with make_dash(start="uploads") as dash:
        await dash.press("D")
        table = dash.screen.current_grid().table()
        assert tuple(table.columns) == tuple(column.title for column in COLUMNS)
        assert len(table.rows) == 3


def hostile():
    letter = sample_letters()[0]
    return replace(letter, source=HOSTILE, sink=HOSTILE, sensor_id=HOSTILE, event_time=HOSTILE,
                   reason=HOSTILE, document=HOSTILE)  # fmt: skip


def test_hostile_letters_are_plain():
    (row,) = letter_rows(LetterRows((hostile(),), 1), GLYPHS, stale=False)
    assert all(cell.text.isprintable() for cell in row.cells.values())


async def test_a_hostile_letter_is_read_plainly(make_dash, fake_port):
    fake_port.rows = [hostile()]
    async with make_dash(start="uploads", size=(140, 45)) as dash:
        await dash.press("D", "enter")
        assert isinstance(dash.screen, TextDialog)
        assert "[red]rm[/]" in dash.text()
        assert "\x1b" not in dash.text()


def test_documents():
    assert pretty('{"a":1}') == '{\n  "a": 1\n}'
    assert pretty("not json [/]") == "not json [/]"
    assert pretty("[" * 100_000) == "[" * 100_000
    assert "No document could be made of the row." in letter_text(sample_letters()[1])
    assert "never sent" in letter_text(sample_letters()[1])
    assert (letters_words(1), letters_words(1200)) == ("1 dead letter", "1,200 dead letters")

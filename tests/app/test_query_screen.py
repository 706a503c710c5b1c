"""The Query screen on a fake port: every key, every outcome, and who has the keys."""

import asyncio
import sqlite3

import pytest
from textual.widgets import Input

from sensor_tui.app.base import Look
from sensor_tui.app.screens.query_editor import QueryEditor, shown
from sensor_tui.app.screens.query_examples import FILE, cosmos
from sensor_tui.app.screens.query_history import History
from sensor_tui.app.screens.query_result import ResultGrid, columns, rows
from sensor_tui.errors import ServiceError, UsageError
from sensor_tui.model.table import Table
from tests.app.fake import HOSTILE, NOW, sample_table

FIRST = "London/sensor-LON_100001/sensor_data.db"
NEWEST = FILE[0].sql


def editor(dash) -> QueryEditor:
    return dash.app.get_screen("query").query_one(QueryEditor)


def grid(dash) -> ResultGrid:
    return dash.app.get_screen("query").query_one(ResultGrid)


async def test_the_editor_has_the_keys_and_letters_are_letters(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        assert editor(dash).has_focus
        await dash.press(*"eflqi123/:?")
        assert editor(dash).text == f"{NEWEST}eflqi123/:?"
        assert dash.app.is_running
        await dash.press("escape")
        assert grid(dash).has_focus
        await dash.press("i")
        assert editor(dash).has_focus
        await dash.press("tab")
        assert grid(dash).has_focus
        await dash.press("tab")
        assert editor(dash).has_focus
        assert fake_port.called("query") == []


@pytest.mark.parametrize("key", ["ctrl+r", "f5"])
async def test_asking(make_dash, fake_port, key):
    async with make_dash(start="query") as dash:
        await dash.press(key)
        assert fake_port.called("query") == [(FIRST, NEWEST, 1000)]
        assert "▲ 5 rows, more exist: raise the limit (l) in 0.012 s" in dash.text()
        assert f"{FIRST} at 15:09" in dash.text()
        assert [column.title for column in grid(dash).columns] == list(fake_port.answer.columns)
        assert len(grid(dash).rows_shown) == 5
        assert editor(dash).has_focus


async def test_numbers_stand_at_the_right_and_nothing_is_null(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert [column.right for column in grid(dash).columns] == [True, False, True, False, False]
        assert "NULL" in dash.text()
        assert "24.5  London" in dash.text()


async def test_all_rows_and_what_they_cost(make_dash, fake_port):
    fake_port.answer = Table(("n",), [(1,)], seconds=1.5, request_units=1234.5)
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert "✓ 1 row in 1.5 s, 1,234.50 RU, from London/" in dash.text()


async def test_no_rows_is_no_error(make_dash, fake_port):
    fake_port.answer = Table(("n",), [], seconds=0.1)
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert "✓ 0 rows in 0.1 s" in dash.text()
        assert "No rows: nothing there is what the query asks for." in dash.text()


async def test_an_error_is_shown_in_place(make_dash, fake_port):
    fake_port.failures["query"] = UsageError("no such column: [red]foo[/]", fix="There are id and timestamp")
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert "no such column: [red]foo[/]" in dash.text()
        assert "There are id and timestamp" in dash.text()
        assert "No result; what went wrong is said above." in dash.text()
        assert dash.notes() == []


async def test_rows_of_another_query_look_old(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        fake_port.failures["query"] = ServiceError("it went away")
        await dash.press("ctrl+r")
        assert all(row.stale for row in grid(dash).rows_shown)
        fake_port.failures.clear()
        await dash.press("ctrl+r")
        assert not any(row.stale for row in grid(dash).rows_shown)


async def test_waiting_is_shown_and_escape_cancels(make_dash, fake_port, clock):
    fake_port.gates["query"] = asyncio.Event()
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert "asking London/" in dash.text()
        assert "escape cancels" in dash.text()
        clock.advance(7)
        dash.screen._tick()
        await dash.settle()
        assert ", 7 s; escape cancels" in dash.text()
        await dash.press("ctrl+r")
        assert "A query is being asked; escape cancels it" in dash.notes()
        await dash.press("escape")
        assert "○ cancelled after 7 s" in dash.text()
        assert editor(dash).has_focus
        fake_port.gates.clear()
        await dash.press("ctrl+r")
        assert "5 rows" in dash.text()


async def test_escape_in_the_grid_cancels_too(make_dash, fake_port):
    fake_port.gates["query"] = asyncio.Event()
    async with make_dash(start="query") as dash:
        await dash.press("escape", "f5", "escape")
        assert "cancelled after" in dash.text()


async def test_an_empty_query_is_not_asked(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        editor(dash).text = "  \n"
        await dash.press("ctrl+r")
        assert "There is no query; e shows examples" in dash.notes()
        assert fake_port.called("query") == []


async def test_another_place_is_chosen(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        await dash.press("escape", "f", "slash", *"mnl_200002", "enter", "enter")
        assert "asks Manila/sensor-MNL_200002/sensor_data.db" in dash.text()
        await dash.press("ctrl+r")
        assert fake_port.called("query")[-1][0] == "Manila/sensor-MNL_200002/sensor_data.db"
        await dash.press("f", "escape")
        assert "asks Manila/" in dash.text()


async def test_cosmos_is_asked_in_its_own_words(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        await dash.press("escape", "f", "g", "enter")
        assert "asks Cosmos DB" in dash.text()
        assert editor(dash).text == cosmos(NOW, ())[0].sql
        await dash.press("ctrl+r")
        assert fake_port.called("query") == [(None, cosmos(NOW, ())[0].sql, 1000)]
        assert "from Cosmos DB at 15:09" in dash.text()


async def test_what_was_written_stays_when_the_place_changes(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("x", "escape", "f", "g", "enter")
        assert editor(dash).text == f"{NEWEST}x"


async def test_examples(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        await dash.press("escape", "e")
        assert "Newest 50 anomalies" in dash.text()
        await dash.press("3")
        assert editor(dash).text == FILE[2].sql
        assert editor(dash).has_focus
        assert fake_port.called("query") == []
        await dash.press("escape", "e", "escape")
        assert editor(dash).text == FILE[2].sql


async def test_examples_for_cosmos_count_a_city(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("escape", "f", "g", "enter", "e")
        assert "How many of Manila" in dash.text()
        await dash.press("6")
        assert editor(dash).text == 'SELECT VALUE COUNT(1) FROM c WHERE c.city = "Manila"'


async def test_the_limit(make_dash, fake_port):
    async with make_dash(start="query") as dash:
        assert "at most 1,000 rows" in dash.text()
        await dash.press("escape", "l")
        dash.screen.query_one(Input).value = "5,000"
        await dash.press("enter")
        assert "at most 5,000 rows" in dash.text()
        await dash.press("l")
        for wrong in ("0", "10001", "many", "²", ""):
            dash.screen.query_one(Input).value = wrong
            await dash.press("enter")
            assert "That is no number from 1 to 10,000." in dash.text()
        await dash.press("escape", "f5")
        assert fake_port.called("query")[-1][2] == 5000


async def test_earlier_queries_come_back(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+up")
        assert "There is no earlier query" in dash.notes()
        for sql in ("SELECT 1", "SELECT 2"):
            editor(dash).text = sql
            await dash.press("ctrl+r")
        editor(dash).text = "SELECT 3"
        seen = []
        for key in ("ctrl+up", "ctrl+up", "ctrl+up", "ctrl+down", "ctrl+down", "ctrl+down"):
            await dash.press(key)
            seen.append(editor(dash).text[-1])
        assert seen == ["2", "1", "1", "2", "3", "3"]


async def test_a_whole_row_is_shown(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r", "escape", "enter")
        text = dash.text()
        assert "Row 1" in text
        assert "temperature  20.5" in text
        assert "synced       NULL" in text
        assert "\x1b" not in text


async def test_a_filter_hides_rows_and_stays_for_the_next_result(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r", "escape", "slash", *"temperature:>22", "enter")
        assert [row.key for row in grid(dash).rows_shown] == ["2", "3", "4"]
        assert dash.screen.filter_counts() == (3, 5)
        await dash.press("f5")
        assert len(grid(dash).rows_shown) == 3


async def test_export_has_the_values_in_the_order_shown(make_dash):
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert dash.screen.current_grid() is grid(dash)
        grid(dash).sort_by("0", reverse=True)
        table = grid(dash).table()
        assert table.columns == sample_table().columns
        assert [row[0] for row in table.rows] == [4, 3, 2, 1, 0]
        assert table.rows[-1][3] == HOSTILE
        assert table.rows[0][4] is None


async def test_ten_thousand_rows(make_dash, fake_port):
    fake_port.answer = Table(("a", "b", "c"), [(n, f"text {n}", n / 2) for n in range(10_000)])
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        for _ in range(300):
            if grid(dash).row_count:
                break
            await dash.settle()
        assert len(grid(dash).rows_shown) == 10_000
        assert "✓ 10,000 rows, from" in dash.text()


async def test_other_screens_ask_for_a_file(make_dash, fake_port, overviews):
    async with make_dash(start="query") as dash:
        dash.screen.look_at(["Manila/x/sensor_data.db"])
        await dash.push(overviews["sample"])
        assert "asks Manila/x/sensor_data.db" in dash.text()
        dash.screen.look_at([])
        dash.screen.show_source("Manila/y/sensor_data.db")
        await dash.press("ctrl+r")
        assert fake_port.called("query")[0][0] == "Manila/y/sensor_data.db"


@pytest.mark.parametrize(
    ("overview", "text"),
    [
        ("loading", "Connecting to the service."),
        ("sample", "Nothing was asked yet."),
        ("lost", "The service does not answer, so nothing can be asked."),
        ("stopped", "The service is stopped, so nobody answers."),
        ("refused", "There is no service to ask."),
    ],
)
async def test_empty_states_differ(make_dash, overview, text):
    async with make_dash(overview, start="query") as dash:
        assert text in dash.text()


async def test_without_sensors_cosmos_is_asked(make_dash):
    async with make_dash("empty", start="query") as dash:
        assert "asks Cosmos DB" in dash.text()


async def test_hostile_texts_are_plain(make_dash, fake_port):
    fake_port.answer = Table(
        (HOSTILE, "n", HOSTILE), [(HOSTILE, 1, HOSTILE), (None, "x", True)], complete=False
    )
    async with make_dash("hostile", start="query", size=(140, 45)) as dash:
        for keys in (["ctrl+r"], ["escape", "enter"], ["escape", "f"], ["escape", "e"], ["escape", "C"]):
            await dash.press(*keys)
            assert "\x1b" not in dash.text()
            assert "\u202e" not in dash.text()
        await dash.press("escape")
        fake_port.failures["query"] = UsageError(HOSTILE, fix=HOSTILE)
        await dash.press("f5")
        assert dash.text().count("[red]rm[/]") >= 2


async def test_what_is_pasted_is_drawn_plainly(make_dash):
    async with make_dash(start="query") as dash:
        editor(dash).text = "SELECT '\x1b[31m\u202e[b]' -- x"
        await dash.settle()
        assert "SELECT '·[31m·[b]' -- x" in dash.text()


async def test_an_unexpected_end_is_said(make_dash, fake_port):
    async def failing(*_):
        raise ValueError("[boom]")

    fake_port.query = failing
    async with make_dash(start="query") as dash:
        await dash.press("ctrl+r")
        assert "The query broke off: [boom]" in dash.text()


async def test_plain_signs_in_ascii(make_dash):
    async with make_dash(start="query", look=Look(ascii=True)) as dash:
        await dash.press("ctrl+r")
        assert "! 5 rows, more exist" in dash.text()


@pytest.mark.parametrize("example", FILE, ids=lambda example: example.title)
@pytest.mark.parametrize("kind", ["REAL", "TEXT"])
def test_examples_for_a_file_are_understood_by_sqlite(example, kind):
    when = 1_754_000_000.5 if kind == "REAL" else "2025-08-01T00:13:20.5+02:00"
    db = sqlite3.connect(":memory:")
    db.execute(
        f"CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp {kind}, sensor_id TEXT,"
        " temperature REAL, vibration REAL, voltage REAL, anomaly_flag INTEGER, anomaly_type TEXT,"
        " synced INTEGER)"
    )
    row = (when, "s", 20.0, 0.1, 12.0, 1, "spike", None)
    db.execute("INSERT INTO sensor_readings VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    found = db.execute(example.sql).fetchall()
    db.close()
    assert found
    if example.title == "Readings by hour":
        assert found == [("2025-07-31 22:00", 1)]


def test_a_hostile_city_stays_in_its_quotes():
    sql = cosmos(NOW, [f'{HOSTILE}"; DROP'])[-1].sql
    assert sql.isascii()
    assert sql.isprintable()
    assert '\\"; DROP"' in sql
    assert 'WHERE c["timestamp"] >= "2026-03-14T14:09:26.000000Z"' in cosmos(NOW, ())[2].sql


def test_history_keeps_what_is_being_written():
    history = History()
    assert history.go(-1, "x") is None
    history.add("a")
    history.add("a")
    history.add("b")
    assert history.go(-1, "draft") == "b"
    assert history.go(-1, "b") == "a"
    assert history.go(-1, "a") is None
    assert history.go(1, "a") == "b"
    assert history.go(1, "b") == "draft"
    assert history.go(1, "draft") is None


def test_the_query_just_run_is_skipped_going_back():
    history = History()
    history.add("a")
    history.add("b")
    assert history.go(-1, "b") == "a"


def test_columns_and_cells():
    table = Table(("n", "long", "b"), [(1, "x" * 200, True), (None, "y", False), (10**400, "z", None)])
    made = columns(table)
    assert [(column.width, column.right) for column in made] == [(40, True), (40, False), (5, False)]
    cells = rows(table)[2].cells
    assert cells["0"].text.startswith("1000")
    assert cells["2"].text == "NULL"
    assert rows(table)[0].cells["2"].text == "true"


def test_text_that_is_simply_drawn_is_left_alone():
    assert shown("SELECT 1") == "SELECT 1"
    assert shown("a\tb é\x07") == "a\tb é·"

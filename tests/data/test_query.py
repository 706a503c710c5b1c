"""An operator's SQL over one file: it reads and nothing else, within limits, beside the sensor."""

import asyncio
import sqlite3
import tempfile
from functools import partial

import pytest

from sensor_tui.errors import SourceFileError, StorageError, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.query import FileQueries, Wanted, path_under, query_file
from sensor_tui.service.request import SyncRequest
from sensor_tui.storage.query import query_path

START = 1_755_000_000.0


@pytest.fixture(autouse=True)
def copies(tmp_path, monkeypatch):
    """Where copies are made; nothing may be left of them."""
    folder = tmp_path / "copies"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def ask(path, sql, *, limit=100, **options):
    return query_path("file.db", str(path), sql, SystemClock(), limit=limit, **options)


@pytest.fixture(params=[False, True], ids=["rollback", "wal"])
def database(request, sensor):
    return sensor(rows=2000, wal=request.param)


async def test_rows_and_columns(database):
    table = await ask(database, "SELECT id, temperature FROM sensor_readings ORDER BY id DESC LIMIT 3")
    assert list(table.columns) == ["id", "temperature"]
    assert [row[0] for row in table.rows] == [2000, 1999, 1998]
    assert table.complete
    assert table.request_units is None


async def test_no_more_rows_than_asked_for(database):
    table = await ask(database, "SELECT id FROM sensor_readings", limit=10)
    assert (len(table.rows), table.complete) == (10, False)
    table = await ask(database, "SELECT id FROM sensor_readings WHERE id <= 10", limit=10)
    assert (len(table.rows), table.complete) == (10, True)


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA table_info(sensor_readings)",
        "SELECT name FROM pragma_table_info('sensor_readings')",
        "EXPLAIN QUERY PLAN SELECT 1",
        "-- first\nSELECT 1;",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
        "SELECT name, type FROM sqlite_master",
        "VALUES (1), (2)",
    ],
)
async def test_whatever_reads_is_answered(database, sql):
    assert (await ask(database, sql)).rows


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM sensor_readings", "DELETE"),
        ("UPDATE sensor_readings SET synced = 1", "UPDATE"),
        ("INSERT INTO sensor_readings (id) VALUES (1) RETURNING id", "INSERT"),
        ("ATTACH '/etc/passwd' AS other", "ATTACH"),
        ("DETACH main", "DETACH"),
        ("SELECT load_extension('evil')", "load_extension"),
        ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode"),
        ("PRAGMA query_only = OFF", "PRAGMA query_only"),
        ("PRAGMA database_list", "PRAGMA database_list"),
        ("BEGIN EXCLUSIVE", "a transaction"),
        ("VACUUM INTO '/tmp/copy'", "may not use"),
        ("CREATE TEMP TABLE x (a)", "may not use"),
        ("DROP TABLE sensor_readings", "may not use"),
    ],
)
async def test_whatever_does_more_is_refused(database, sql, named):
    before = database.read_bytes()
    with pytest.raises(UsageError, match="may not use") as refused:
        await ask(database, sql)
    assert named in str(refused.value)
    assert database.read_bytes() == before


@pytest.mark.parametrize(
    "sql",
    ["SELEC 1", "SELECT nope FROM sensor_readings", "SELECT * FROM nowhere", "SELECT 1; SELECT 2", "SELECT ?",
     "", ";", "-- nothing", "SELECT 'a\x00b'", "SELECT '\ud800'", "SELECT abs()"],
)  # fmt: skip
async def test_what_is_not_understood_is_said_at_once(database, sql):
    with pytest.raises(UsageError):
        await ask(database, sql)


async def test_a_query_without_end_is_stopped(database):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(StorageError, match="took too long"):
        await ask(database, endless, seconds=0.2)


async def test_a_query_that_is_given_up_ends(database):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    task = asyncio.ensure_future(ask(database, endless))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_values_that_no_table_holds_become_text(database):
    table = await ask(database, "SELECT x'00ff', 9e999, -9e999, NULL, 1.5, 'a', CAST(x'ff61' AS TEXT)")
    assert list(table.rows[0]) == ["<2 bytes>", "inf", "-inf", None, 1.5, "a", "\ufffda"]


async def test_a_huge_value_is_refused_and_huge_results_are_cut(database):
    with pytest.raises(StorageError, match="too large"):
        await ask(database, "SELECT randomblob(1000000000)")
    table = await ask(database, "SELECT hex(zeroblob(1000000)) FROM sensor_readings", limit=1000)
    assert not table.complete
    assert len(table.rows) < 30


async def test_every_kind_of_table_is_copied(root, change):
    path = root / "odd.db"
    change(
        path,
        'CREATE TABLE "a ""b" (x PRIMARY KEY, y) WITHOUT ROWID',
        'INSERT INTO "a ""b" VALUES (1, 2), (3, 4)',
        "CREATE TABLE plain (rowid TEXT, v GENERATED ALWAYS AS (rowid || '!'))",
        "INSERT INTO plain VALUES ('one'), ('two')",
        "CREATE TABLE strict (n INTEGER CHECK (n > 0))",
        "PRAGMA ignore_check_constraints = ON",
        'CREATE VIEW both AS SELECT x FROM "a ""b" UNION SELECT v FROM plain',
        "CREATE INDEX strict_n ON strict (n)",
    )
    assert len((await ask(path, "SELECT * FROM both")).rows) == 4
    found = await ask(path, "SELECT name FROM sqlite_master ORDER BY name")
    assert {"both", "strict_n", "plain"} <= {row[0] for row in found.rows}


async def test_no_room_for_a_copy_is_said(sensor, monkeypatch):
    from shutil import disk_usage

    from sensor_tui.storage import query

    path = sensor(rows=10)
    monkeypatch.setattr(query.shutil, "disk_usage", lambda _: type(disk_usage("/"))(10, 10, 0))
    with pytest.raises(StorageError, match="no room"):
        await ask(path, "SELECT 1")


@pytest.mark.parametrize("content", [b"", b"nothing" * 1000, b"SQLite format 3\x00" + b"\xff" * 9000])
async def test_a_file_that_is_no_database_is_said_so(root, content):
    path = root / "bad.db"
    path.write_bytes(content)
    with pytest.raises(SourceFileError, match=r"file\.db"):
        await ask(path, "SELECT 1")


async def test_a_locked_file_is_waited_for(sensor):
    path = sensor(rows=10)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    task = asyncio.ensure_future(ask(path, "SELECT count(*) FROM sensor_readings"))
    await asyncio.sleep(0.2)
    assert not task.done()
    other.execute("ROLLBACK")
    other.close()
    assert (await task).rows[0][0] == 10


def test_no_path_leads_out_of_the_data_folder(root, sensor, tmp_path):
    sensor("A")
    outside = tmp_path / "secret.db"
    outside.write_bytes(b"")
    (root / "link.db").symlink_to(outside)
    (root / ".sensor-tui").mkdir()
    (root / ".sensor-tui" / "ledger.db").write_bytes(b"")
    assert path_under(root, "London/A/sensor_data.db") == str(root / "London/A/sensor_data.db")
    for bad in (
        "../secret.db",
        "link.db",
        "/etc/passwd",
        ".sensor-tui/ledger.db",
        "London",
        "",
        "a\x00b",
        "x" * 5000,
    ):
        with pytest.raises(UsageError, match="no file"):
            path_under(root, bad)


async def test_a_file_that_is_read_may_lie_elsewhere(root, sensor, tmp_path):
    from sensor_tui.storage.latest import Place

    path = sensor("A", rows=4)
    moved = tmp_path / "elsewhere.db"
    path.rename(moved)
    count = partial(
        query_file, root, "London/A/sensor_data.db", "SELECT count(*) FROM sensor_readings", SystemClock()
    )
    table = await count(limit=1, known=Place("London/A/sensor_data.db", str(moved), rollback=True))
    assert table.rows[0][0] == 4
    with pytest.raises(UsageError):
        await count(limit=1)


@pytest.fixture
def queries(root):
    made = FileQueries(SyncRequest(root), SystemClock())
    yield made
    made.close()


async def test_the_newest_readings_of_all_files_come_first(queries, sensor):
    sensor("A", rows=50)
    sensor("B", rows=50, start=START + 25, generation="2025-04")
    sensor("C", city="Paris", rows=10, start=START - 1000)
    table, problems = await queries.newest(Wanted(), limit=30)
    at = list(table.columns).index("source")
    assert [row[at].split("/")[1] for row in table.rows[:25]] == ["B"] * 25
    assert {row[at].split("/")[1] for row in table.rows[25:]} == {"A", "B"}
    assert (len(table.rows), table.complete, problems) == (30, False, [])


async def test_readings_of_a_city_a_sensor_a_stretch(queries, sensor):
    sensor("A", rows=50, sensor_id="LON_100001")
    sensor("B", rows=50, sensor_id="LON_100002")
    sensor("C", city="Paris", rows=50, sensor_id="PAR_100003")
    stretch = Wanted(sensor="LON_100002", since=START + 10, until=START + 19.5)
    table, _ = await queries.newest(stretch, limit=100)
    assert [row[0] for row in table.rows] == list(range(20, 10, -1))
    table, _ = await queries.count(Wanted(city="paris", since=START + 40))
    assert [list(row) for row in table.rows] == [["Paris/C/sensor_data.db", "PAR_100003", "Paris", 10]]
    with pytest.raises(UsageError, match="No sensor file fits"):
        await queries.newest(Wanted(sensor="nobody"), limit=1)


async def test_the_same_query_over_every_file(queries, sensor):
    sensor("A", rows=5)
    sensor("B", rows=7)
    table, _ = await queries.sql(Wanted(), "SELECT count(*) AS n FROM sensor_readings", limit=10)
    assert [list(row) for row in table.rows] == [
        ["London/A/sensor_data.db", 5],
        ["London/B/sensor_data.db", 7],
    ]
    table, _ = await queries.sql(Wanted(), "SELECT id FROM sensor_readings", limit=6)
    assert (len(table.rows), table.complete) == (6, False)


async def test_a_bad_file_does_not_hide_the_others(queries, sensor, root):
    sensor("A", rows=5)
    bad = root / "London" / "B" / "sensor_data.db"
    bad.parent.mkdir()
    bad.write_bytes(b"junk" * 1000)
    table, problems = await queries.newest(Wanted(), limit=10)
    assert len(table.rows) == 5
    assert len(problems) == 1
    assert [bool(file.problem) for file in await queries.files()] == [False, True]


def everything(folder):
    return sorted(folder.rglob("*"))


async def test_looking_leaves_nothing_behind(queries, sensor, root):
    sensor("A", rows=5, wal=True)
    sensor("B", rows=5)
    before = everything(root)
    await queries.newest(Wanted(), limit=10)
    await queries.sql(Wanted(), "SELECT 1", limit=10)
    assert everything(root) == before

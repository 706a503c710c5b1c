"""Reading open rows: every generation and oddity, in row order, each value as it is stored."""

import math
import sqlite3
from contextlib import closing

import pytest

from sensor_tui.errors import SourceFileError
from sensor_tui.model.reading import BadText, Generation

KEY = "London/A/sensor_data.db"


def sql(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            result = db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)
        return result.fetchall()


def make(data, *statements, key=KEY):
    path = data / key
    path.parent.mkdir(parents=True, exist_ok=True)
    sql(path, *statements)
    return path


@pytest.mark.parametrize("wal", [False, True])
@pytest.mark.parametrize("generation", ["2025-04", "2025-08"])
async def test_both_generations_are_read_whole_in_either_journal_mode(
    sample, open_store, drain, generation, wal
):
    path = sample(generation=generation, rows=730, wal=wal)
    store = await open_store()
    scan = await store.scan()
    assert [(f.key, f.city, f.marks, f.rollback) for f in scan.changed] == [(KEY, "London", True, not wal)]
    rows = await drain(store, KEY)
    assert (await store.read(KEY, after=0, limit=1)).schema.generation is Generation(generation)
    names = [name for _, name, *_ in sql(path, "PRAGMA table_info(sensor_readings)") if name != "synced"]
    columns = ", ".join(f'"{column}"' for column in names)
    assert rows == sql(path, f"SELECT {columns} FROM sensor_readings ORDER BY id")
    assert sql(path, "SELECT count(*) FROM sensor_readings WHERE synced IS NOT 1") == [(0,)]


async def test_a_mixture_of_columns_is_read_by_what_is_there(data, open_store, drain):
    make(
        data,
        "CREATE TABLE sensor_readings (timestamp TEXT, id INTEGER PRIMARY KEY, Synced, sensor_id, humidity, "
        '"odd ""name""", "select", ID2)',
        "INSERT INTO sensor_readings VALUES ('2025-08-01T00:00:00+00:00', 7, NULL, 'S', 3.5, 'x', 'y', 9)",
    )
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=10)
    assert batch.schema.columns == ("id", "timestamp", "sensor_id", "humidity", 'odd "name"', "select", "ID2")
    assert batch.rows == [(7, "2025-08-01T00:00:00+00:00", "S", 3.5, "x", "y", 9)]
    assert batch.schema.has_synced


async def test_null_and_zero_are_open_and_everything_else_is_closed(data, open_store, drain):
    make(
        data,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, synced)",
        "INSERT INTO sensor_readings VALUES (1, 1.0, NULL), (2, 2.0, 0), (3, 3.0, 1), (4, 4.0, -1),"
        " (5, 5.0, 2), (6, 6.0, 'no'), (7, 7.0, 0.0)",
    )
    store = await open_store()
    await store.scan()
    assert (await store.peek(KEY, after=0)).open_rows == 3
    assert [row[0] for row in await drain(store, KEY)] == [1, 2, 7]


async def test_blobs_infinities_and_bad_text_come_as_they_are_with_the_rows_around_them(data, open_store):
    make(
        data,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT,"
        " temperature REAL, synced INTEGER DEFAULT 0)",
        "INSERT INTO sensor_readings(timestamp, sensor_id, temperature) VALUES (1.0, 'good', 3),"
        " (2.0, CAST(x'ff41' AS TEXT), 9e999), (3.0, x'00ff', -9e999), (4.0, 'nul' || char(0) || 'x', 0.1),"
        " ('\u00e9', 'good', NULL)",
    )
    store = await open_store()
    await store.scan()
    rows = (await store.read(KEY, after=0, limit=10)).rows
    assert rows[0] == (1, 1.0, "good", 3.0)
    assert isinstance(rows[0][3], float)
    assert rows[1] == (2, 2.0, b"\xffA", math.inf)
    assert isinstance(rows[1][2], BadText)
    assert rows[2] == (3, 3.0, b"\x00\xff", -math.inf)
    assert not isinstance(rows[2][2], BadText)
    assert rows[3] == (4, 4.0, "nul\0x", 0.1)
    assert rows[4] == (5, "\u00e9", "good", None)


async def test_a_table_without_tracking_is_read_by_position_and_never_written(data, open_store, drain, mark):
    path = make(
        data,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id)",
        "INSERT INTO sensor_readings VALUES (1, 1.0, 'S'), (2, 2.0, 'S')",
    )
    before = path.read_bytes()
    store = await open_store()
    (file,) = (await store.scan()).changed
    assert not file.marks
    assert [row[0] for row in await drain(store, KEY)] == [1, 2]
    assert (await store.read(KEY, after=1, limit=5)).rows == [(2, 2.0, "S")]
    assert (await store.peek(KEY, after=1)).open_rows == 1
    await store.close()
    assert path.read_bytes() == before


async def test_a_table_whose_id_is_no_row_id_is_read_by_the_hidden_one(data, open_store, drain):
    make(
        data,
        "CREATE TABLE sensor_readings (id TEXT PRIMARY KEY, rowid INTEGER, timestamp REAL, synced DEFAULT 0)",
        "INSERT INTO sensor_readings(id, rowid, timestamp) VALUES ('b', 70, 1.0), ('a', 80, 2.0)",
    )
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=10)
    assert batch.rows == [(1, "b", 70, 1.0), (2, "a", 80, 2.0)]
    assert batch.schema.fields[:2] == ("sqlite_id", "columnId")
    await drain(store, KEY)
    assert (await store.peek(KEY, after=0)).open_rows == 0


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, synced) WITHOUT ROWID", "has no row ids"),
        ("CREATE VIEW sensor_readings AS SELECT 1 AS id", "is a view"),
        ("CREATE TABLE other (id)", "has no table sensor_readings"),
    ],
)
async def test_a_table_that_cannot_be_followed_is_a_problem_with_its_reason(
    data, open_store, statement, reason
):
    make(data, statement)
    store = await open_store()
    scan = await store.scan()
    assert scan.changed == ()
    assert reason in scan.problems[KEY]
    assert scan.problems[KEY].startswith(KEY)


async def test_columns_that_the_sensor_adds_later_are_read_after_the_next_look(sample, open_store):
    path = sample(rows=3)
    store = await open_store()
    await store.scan()
    await store.peek(KEY, after=0)
    sql(path, "ALTER TABLE sensor_readings ADD COLUMN pm25 REAL", "UPDATE sensor_readings SET pm25 = 1.5")
    await store.peek(KEY, after=0)
    batch = await store.read(KEY, after=0, limit=1)
    assert batch.schema.columns[-1] == "pm25"
    assert batch.rows[0][-1] == 1.5


async def test_a_column_that_is_dropped_does_not_stop_reading(sample, open_store):
    path = sample(rows=3)
    store = await open_store()
    await store.scan()
    await store.read(KEY, after=0, limit=1)
    sql(path, "ALTER TABLE sensor_readings DROP COLUMN vibration")
    batch = await store.read(KEY, after=1, limit=10)
    assert "vibration" not in batch.schema.columns
    assert len(batch.rows) == 2


async def test_rows_written_after_the_look_are_read_without_another(sample, open_store):
    sample(rows=3)
    store = await open_store()
    await store.scan()
    assert (await store.read(KEY, after=0, limit=10)).through == 3
    sample(rows=2)
    batch = await store.read(KEY, after=3, limit=10)
    assert [row[0] for row in batch.rows] == [4, 5]


async def test_gaps_and_closed_stretches_are_passed_in_few_statements(data, open_store, drain):
    count = []
    make(
        data,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, synced)",
        "WITH RECURSIVE n(i) AS (SELECT 5000000 UNION ALL SELECT i + 1 FROM n WHERE i < 5060000)"
        " INSERT INTO sensor_readings SELECT i, i, i <> 5055555 FROM n",
        "INSERT INTO sensor_readings VALUES (1, 1.0, 0), (9000000000000000000, 2.0, 0)",
    )
    store = await open_store(observer=lambda path, purpose, wall, cpu: count.append(purpose))
    await store.scan()
    assert [row[0] for row in await drain(store, KEY, mark=False)] == [1, 5055555, 9000000000000000000]
    assert count.count("window") < 40


async def test_a_window_of_large_rows_holds_few_of_them(data, open_store):
    make(
        data,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, note, synced)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
        " INSERT INTO sensor_readings SELECT i, i, zeroblob(400000), 0 FROM n",
    )
    asked = []
    store = await open_store(observer=lambda path, purpose, wall, cpu: asked.append(purpose))
    await store.scan()
    await store.peek(KEY, after=0)
    asked.clear()
    assert len((await store.read(KEY, after=0, limit=12)).rows) == 12
    assert asked.count("window") >= 6


async def test_what_precedes_a_damaged_page_is_delivered_then_it_is_reported(sample, open_store, data):
    path = sample(rows=4000)
    page = 4096
    damaged = path.stat().st_size // page // 2
    with path.open("r+b") as file:
        file.seek(damaged * page)
        file.write(b"\xff" * page)
    store = await open_store()
    await store.scan()
    peek = await store.peek(KEY, after=0)
    assert 0 < peek.open_rows < 4000
    got = []

    async def read_all():
        while True:
            batch = await store.read(KEY, after=got[-1] if got else 0, limit=500)
            got.extend(row[0] for row in batch.rows)

    with pytest.raises(SourceFileError, match="is corrupt"):
        await read_all()
    assert got == list(range(1, len(got) + 1))
    assert len(got) >= peek.open_rows > 1000
    scan = await store.scan()
    assert "is corrupt" in scan.problems[KEY]


async def test_a_cancelled_read_leaves_nothing_behind_for_the_next(sample, open_store):
    import asyncio

    sample(rows=300)
    store = await open_store()
    await store.scan()
    reading = asyncio.ensure_future(store.read(KEY, after=0, limit=100))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    batch = await store.read(KEY, after=100, limit=100)
    assert [row[0] for row in batch.rows] == list(range(101, 201))


async def test_a_file_that_is_not_tracked_is_said_to_be_gone(open_store):
    store = await open_store()
    with pytest.raises(SourceFileError, match="is gone"):
        await store.read("nowhere.db", after=0, limit=1)


async def test_no_more_files_are_open_than_allowed(sample, open_store, drain):
    keys = []
    for number in range(12):
        sample(f"London/s{number:02}", rows=5)
        keys.append(f"London/s{number:02}/sensor_data.db")
    store = await open_store(max_open=3)
    await store.scan()
    for _ in range(2):
        for key in keys:
            await store.peek(key, after=0)
            assert store._pool.open_connections <= 3
    assert [len(await drain(store, key)) for key in keys] == [5] * 12

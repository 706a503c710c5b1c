"""Closing rows: those that were read, as they were read, and no others."""

import sqlite3
from contextlib import closing

import pytest

from sensor_tui.errors import SourceFileError
from sensor_tui.model.source import DeadLetter, Mark, Tracking
from sensor_tui.storage.schema import INDEX, OPEN, read_schema

KEY = "London/A/sensor_data.db"


def sql(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            result = db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)
        return result.fetchall()


def tracking(path):
    return dict(sql(path, "SELECT id, synced FROM sensor_readings"))


def letter(row_id, source=KEY, sink="cosmos"):
    return DeadLetter(source, row_id, sink, "S", "2025-08-01", 400, "bad", "{}", 5.0)


@pytest.fixture
def statements():
    return []


@pytest.fixture
def observer(statements):
    return lambda path, purpose, wall, cpu: statements.append(purpose)


@pytest.mark.parametrize("wal", [False, True])
async def test_a_run_is_closed_in_one_statement_and_what_is_outside_stays_open(
    sample, open_store, mark, statements, observer, wal
):
    path = sample(rows=500, wal=wal)
    store = await open_store(observer=observer)
    await store.scan()
    batch = await store.read(KEY, after=100, limit=150)
    statements.clear()
    await store.close_rows(KEY, [mark(batch)])
    assert statements.count("mark") == 1
    assert {row for row, value in tracking(path).items() if value == 1} == set(range(101, 251))


async def test_dead_rows_are_closed_first_and_the_rest_of_the_window_is_one_run(
    sample, open_store, mark, statements, observer
):
    path = sample(rows=200)
    store = await open_store(observer=observer)
    await store.scan()
    batch = await store.read(KEY, after=0, limit=200)
    dead = [row for row in batch.rows if row[0] in (1, 77, 200)]
    good = [row for row in batch.rows if row not in dead]
    statements.clear()
    await store.close_rows(
        KEY,
        [
            mark(batch, Tracking.DONE, good[:100]),
            mark(batch, Tracking.DEAD, dead),
            mark(batch, Tracking.DONE, good[100:]),
        ],
    )
    assert {row for row, value in tracking(path).items() if value == -1} == {1, 77, 200}
    assert sum(value == 1 for value in tracking(path).values()) == 197
    assert statements.count("mark") == 2


async def test_scattered_rows_are_closed_and_those_between_stay_open(sample, open_store, mark):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=100)
    await store.close_rows(KEY, [mark(batch, rows=batch.rows[::3])])
    assert {row for row, value in tracking(path).items() if value == 1} == set(range(1, 101, 3))


async def test_rows_of_a_recreated_file_with_the_same_ids_are_never_marked(sample, open_store, mark):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=100)
    sql(path, "DELETE FROM sensor_readings", "DELETE FROM sqlite_sequence")
    sample(rows=100, start=1_760_000_000.0)
    await store.close_rows(KEY, [mark(batch)])
    assert set(tracking(path).values()) == {0}


async def test_only_the_rows_that_are_still_those_read_are_marked(sample, open_store, mark):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=100)
    sql(
        path,
        "DELETE FROM sensor_readings WHERE id <= 40",
        "UPDATE sensor_readings SET timestamp = 5.0 WHERE id = 90",
        "UPDATE sensor_readings SET synced = -1 WHERE id = 50",
    )
    await store.close_rows(KEY, [mark(batch)])
    values = tracking(path)
    assert values.pop(90) == 0
    assert values.pop(50) == -1
    assert set(values.values()) == {1}
    assert min(values) == 41


async def test_marking_twice_changes_nothing(sample, open_store, mark):
    path = sample(rows=60)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=60)
    await store.close_rows(KEY, [mark(batch, Tracking.DEAD)])
    await store.close_rows(KEY, [mark(batch, Tracking.DONE)])
    assert set(tracking(path).values()) == {-1}


@pytest.mark.parametrize(
    "time", ["CAST(x'ff00' AS TEXT)", "x'01'", "NULL", "9e999", "'2025-08-01'", "''", "17"]
)
async def test_a_row_with_an_odd_time_is_closed(data, open_store, mark, time):
    path = data / KEY
    path.parent.mkdir(parents=True)
    sql(
        path,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp, synced)",
        f"INSERT INTO sensor_readings VALUES (1, {time}, 0), (2, {time}, NULL), (3, 1.0, 0)",
    )
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=10)
    await store.close_rows(KEY, [mark(batch, Tracking.DEAD, batch.rows[:2])])
    assert tracking(path) == {1: -1, 2: -1, 3: 0}


async def test_a_table_without_a_time_is_marked_by_row_id(data, open_store, mark):
    path = data / KEY
    path.parent.mkdir(parents=True)
    sql(
        path,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, synced)",
        "INSERT INTO sensor_readings VALUES (1, 0), (2, 0)",
    )
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=1)
    await store.close_rows(KEY, [mark(batch)])
    assert tracking(path) == {1: 1, 2: 0}


async def test_marks_are_split_so_that_no_transaction_is_long(sample, open_store, mark, statements, observer):
    sample(rows=3000)
    store = await open_store(observer=observer)
    await store.scan()
    batch = await store.read(KEY, after=0, limit=3000)
    statements.clear()
    await store.close_rows(KEY, [mark(batch)])
    assert statements.count("mark") >= len(batch.rows) / 1000
    assert (await store.peek(KEY, after=0)).open_rows == 3000 - len(batch.rows)


async def test_the_sensor_gets_a_rest_between_two_transactions_on_a_rollback_file(sample, open_store, mark):
    class Counting:
        def __init__(self):
            self.slept, self.time = [], 100.0

        def now(self):
            return 1.0

        def monotonic(self):
            return self.time

        async def sleep(self, seconds):
            self.slept.append(seconds)
            self.time += seconds

    sample(rows=1500)
    clock = Counting()
    store = await open_store(clock=clock)
    await store.scan()
    batch = await store.read(KEY, after=0, limit=1500)
    await store.close_rows(KEY, [mark(batch)])
    assert clock.slept
    assert all(0.004 <= pause <= 0.05 for pause in clock.slept)


async def test_the_index_is_made_on_a_small_file_and_its_expression_is_the_one_queries_use(
    sample, open_store
):
    path = sample(rows=20)
    store = await open_store()
    await store.scan()
    await store.peek(KEY, after=0)
    with closing(sqlite3.connect(path)) as db:
        definition = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (INDEX,)).fetchone()[0]
        assert OPEN in definition
        schema = read_schema(db, "table" + definition)
        for statement, values in ((schema.count, (0, 10)), (schema.next_row, (0,))):
            plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            assert f"USING COVERING INDEX {INDEX} (id>?" in plan
        other = f"SELECT min(id) FROM sensor_readings WHERE id > 5 AND {OPEN}"
        assert INDEX in " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {other}"))


async def test_no_index_is_made_on_a_large_file(sample, open_store, statements, observer):
    path = sample(rows=1001)
    store = await open_store(observer=observer)
    await store.scan()
    await store.peek(KEY, after=0)
    assert "index" not in statements
    assert sql(path, ("SELECT count(*) FROM sqlite_master WHERE name = ?", (INDEX,))) == [(0,)]


async def test_a_file_without_its_index_any_more_is_read_on(sample, open_store, drain):
    path = sample(rows=30)
    store = await open_store()
    await store.scan()
    await store.peek(KEY, after=0)
    sql(path, f"DROP INDEX {INDEX}")
    assert (await store.peek(KEY, after=10)).open_rows == 20
    assert len(await drain(store, KEY)) == 30


async def test_retry_opens_a_dead_row_drops_the_letter_and_asks_for_a_rewind(sample, open_store, mark):
    path = sample(rows=30)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=30)
    await store.bury([letter(7), letter(9)])
    await store.close_rows(
        KEY, [mark(batch, Tracking.DEAD, batch.rows[6:9:2]), mark(batch, rows=batch.rows[9:])]
    )
    await store.save_positions({(KEY, "cosmos"): 30})
    done = await store.reopen([1])
    assert (done.letters, done.problems) == (1, {})
    assert tracking(path)[7] == 0
    assert tracking(path)[9] == -1
    assert dict(await store.dead_letters()) == {KEY: 1}
    assert dict(await store.rewinds()) == {KEY: 7}
    assert dict(await store.positions(KEY)) == {"cosmos": 6}
    assert dict(await store.rewinds()) == {}
    assert [row[0] for row in (await store.read(KEY, after=6, limit=5)).rows] == [7, 8]


async def test_retry_leaves_a_row_alone_that_is_not_dead(sample, open_store, mark):
    path = sample(rows=5)
    store = await open_store()
    await store.scan()
    await store.close_rows(KEY, [mark(await store.read(KEY, after=0, limit=5))])
    await store.bury([letter(2)])
    await store.reopen()
    assert tracking(path)[2] == 1


async def test_retry_of_a_file_that_is_gone_keeps_the_letter_and_says_why(sample, open_store):
    sample(rows=5)
    store = await open_store()
    await store.scan()
    await store.bury([letter(1), letter(1, source="Oslo/B/sensor_data.db")])
    done = await store.reopen()
    assert done.letters == 1
    assert "is gone" in done.problems["Oslo/B/sensor_data.db"]
    assert dict(await store.dead_letters()) == {"Oslo/B/sensor_data.db": 1}


async def test_retry_of_a_file_that_is_not_written_is_a_rewind_alone(data, open_store):
    path = data / KEY
    path.parent.mkdir(parents=True)
    sql(
        path,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp)",
        "INSERT INTO sensor_readings VALUES (4, 1.0)",
    )
    store = await open_store()
    await store.scan()
    await store.bury([letter(4)])
    assert (await store.reopen()).letters == 1
    assert dict(await store.rewinds()) == {KEY: 4}


async def test_development_mode_opens_everything_again(sample, open_store, drain):
    path = sample(rows=2500)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    sql(path, "UPDATE sensor_readings SET synced = -1 WHERE id = 9")
    await store.save_positions({(KEY, "cosmos"): 2500})
    await store.reset_tracking()
    assert dict(await store.positions(KEY)) == {}
    assert (await store.peek(KEY, after=0)).open_rows == 2500
    assert len(await drain(store, KEY)) == 2500


async def test_a_full_disk_under_the_file_is_reported_and_marks_nothing(
    sample, open_store, mark, monkeypatch
):
    path = sample(rows=50)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=50)
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        with pytest.raises(SourceFileError, match=r"no space|input/output"):
            await store.close_rows(KEY, [mark(batch)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert set(tracking(path).values()) == {0}
    await store.close_rows(KEY, [mark(batch)])
    assert set(tracking(path).values()) == {1}


async def test_nothing_to_mark_touches_nothing(sample, open_store, statements, observer):
    sample(rows=5)
    store = await open_store(observer=observer)
    await store.scan()
    statements.clear()
    await store.close_rows(KEY, [Mark(Tracking.DONE, [], [])])
    assert statements == []

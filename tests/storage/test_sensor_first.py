"""The sensor comes first: what is done to its file comes in pieces too small to keep it waiting."""

import asyncio
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.windows import STEPS

KEY = "London/A/sensor_data.db"
ROWS = 200_000
LARGEST_SPAN = 50_000
LARGEST_WINDOW = 2000

WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        db.execute("INSERT INTO sensor_readings(timestamp, sensor_id) VALUES (9e8, 'W')")
    print("done", flush=True)
"""


@pytest.fixture
def writer():
    processes = []

    class Writer:
        def __init__(self, path):
            self.process = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            processes.append(self.process)
            assert self.process.stdout.readline() == "ready\n"

        def start(self, rows):
            self.process.stdin.write(f"{rows}\n")
            self.process.stdin.flush()

        async def finish(self):
            assert await asyncio.to_thread(self.process.stdout.readline) == "done\n"

    yield Writer
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def bounds(monkeypatch):
    """Every statement on the file, as (purpose, sql, values)."""
    seen = []
    run = SensorConnection.run

    def noted(self, purpose, sql, values=()):
        seen.append((purpose, sql, values))
        return run(self, purpose, sql, values)

    monkeypatch.setattr(SensorConnection, "run", noted)
    return seen


async def test_every_statement_on_a_large_rollback_file_looks_at_a_bounded_stretch(
    sample, open_store, drain, bounds
):
    path = sample(rows=ROWS)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE sensor_readings SET synced = 1 WHERE id % 100000 BETWEEN 1 AND 70000")
    store = await open_store()
    await store.scan()
    assert (await store.peek(KEY, after=0)).open_rows == 60_000
    assert len(await drain(store, KEY, limit=1000)) == 60_000
    purposes = set()
    for purpose, sql, values in bounds:
        purposes.add(purpose)
        if purpose == "window":
            assert values["high"] - values["low"] <= LARGEST_SPAN
            assert values["limit"] <= LARGEST_WINDOW
        elif purpose == "count":
            assert values[1] - values[0] <= LARGEST_SPAN
        elif purpose == "mark" and isinstance(values, dict):
            assert values["last"] - values["first"] < 4 * values["count"] <= 4000
        elif purpose == "mark":
            assert "FROM temp.marks" in sql
        else:  # by row id alone, or the schema
            assert purpose in {"ends", "seek", "facts", "schema"}
            assert not re.search(r"count\(\*\) FROM main", sql)
    assert {"window", "count", "mark", "ends", "seek", "facts", "schema"} == purposes


async def test_every_statement_leaves_the_file_unlocked_when_it_returns(
    sample, open_store, drain, monkeypatch
):
    path = sample(rows=3000)
    run = SensorConnection.run
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)) as sensor:

        def noted(self, purpose, sql, values=()):
            changed = run(self, purpose, sql, values)
            sensor.execute("BEGIN EXCLUSIVE")
            sensor.execute("ROLLBACK")
            return changed

        store = await open_store()
        monkeypatch.setattr(SensorConnection, "run", noted)
        await store.scan()
        await store.peek(KEY, after=0)
        assert len(await drain(store, KEY)) == 3000
        await store.reset_tracking()


@pytest.mark.parametrize("wal", [False, True])
async def test_a_sensor_writes_while_its_file_is_read_and_marked_and_nothing_is_missed(
    sample, open_store, drain, writer, wal
):
    path = sample(rows=20_000, wal=wal)
    store = await open_store()
    await store.scan()
    sensor = writer(path)
    sensor.start(120)
    read = [row[0] for row in await drain(store, KEY, limit=500)]
    await sensor.finish()
    sensor.start(5)
    await sensor.finish()
    read += [row[0] for row in await drain(store, KEY, after=read[-1])]
    assert read == list(range(1, 20_126))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sensor_readings WHERE synced IS NOT 1").fetchone() == (0,)


async def test_rows_come_off_the_file_before_python_fetches_them(sample, open_store):
    """While rows are fetched, on the loop's own thread, the sensor could write."""
    path = sample(rows=1000)
    store = await open_store()
    await store.scan()
    where = []
    take = SensorConnection.take_batch

    def noted(self):
        where.append(threading.current_thread() is threading.main_thread())
        with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as sensor:
            sensor.execute("INSERT INTO sensor_readings(timestamp, sensor_id) VALUES (9e8, 'W')")
        return take(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SensorConnection, "take_batch", noted)
        assert len((await store.read(KEY, after=0, limit=100)).rows) == 100
    assert where == [True]


async def test_no_call_keeps_a_thread_for_more_statements_than_its_turn(sample, open_store, bounds):
    path = sample(rows=10)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)"
            " INSERT INTO sensor_readings(id, timestamp, synced) SELECT i, i, i < 399990 FROM n"
        )
    store = await open_store()
    await store.scan()
    store._scanner.files[KEY].span.limit = store._scanner.files[KEY].span._most = 1000
    bounds.clear()
    batch = await store.read(KEY, after=10, limit=10)
    assert (batch.rows, batch.more) == ([], True)
    assert sum(purpose == "window" for purpose, *_ in bounds) <= STEPS

"""Whatever happens to a file between reads, every open row is read once and marked exactly."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensor_tui.model.clock import SystemClock
from sensor_tui.model.source import Mark, Tracking
from sensor_tui.storage.store import SqliteStore

KEY = "c/s/sensor_data.db"
TIMES = st.one_of(
    st.floats(0, 2e9), st.integers(0, 2**40), st.sampled_from(["2025-08-01T00:00:00+02:00", "x", b"\xff"])
)
ROWS = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0, None, 1, -1, 2]), TIMES, st.booleans()), max_size=60
)
STEPS = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from(["none", "append", "peek", "save"])), max_size=12
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, steps=STEPS, wal=st.booleans(), indexed=st.booleans())
def test_every_open_row_is_read_once_and_marked_exactly(rows, steps, wal, indexed):
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(exercise(Path(folder), rows, steps, wal=wal, indexed=indexed))


async def exercise(root, rows, steps, *, wal, indexed):
    path = root / KEY
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as sensor:
        if wal:
            sensor.execute("PRAGMA journal_mode=WAL")
        sensor.execute("PRAGMA synchronous=OFF")
        sensor.execute(
            "CREATE TABLE sensor_readings"
            " (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp, good, synced DEFAULT 0)"
        )
        expected, row_id = {}, 0
        sensor.execute("BEGIN")
        for gap, synced, time, good in rows:
            row_id += gap
            sensor.execute("INSERT INTO sensor_readings VALUES (?, ?, ?, ?)", (row_id, time, good, synced))
            expected[row_id] = (synced, good)
        sensor.execute("COMMIT")
        store = SqliteStore(root, clock=SystemClock(), max_open=1)
        await store.open()
        try:
            await store.scan()
            if indexed:
                await store.peek(KEY, after=0)
            read, after, index = [], 0, 0
            while True:
                limit, event = steps[index] if index < len(steps) else (1000, "none")
                index += 1
                if event == "append":
                    row_id = sensor.execute(
                        "INSERT INTO sensor_readings(timestamp, good) VALUES (7.5, 1)"
                    ).lastrowid
                    expected[row_id] = (None, True)
                elif event == "peek":
                    open_now = [r for r, (s, _) in expected.items() if not s and r > after and r not in read]
                    assert (await store.peek(KEY, after=after)).open_rows == len(open_now)
                elif event == "save":
                    await store.save_positions({(KEY, "cosmos"): after})
                batch = await store.read(KEY, after=after, limit=limit)
                read += [row[0] for row in batch.rows]
                groups = {Tracking.DONE: [], Tracking.DEAD: []}
                for row in batch.rows:
                    groups[Tracking.DONE if row[2] else Tracking.DEAD].append(row)
                marks = [
                    Mark(value, [r[0] for r in g], [r[1] for r in g]) for value, g in groups.items() if g
                ]
                await store.close_rows(KEY, marks)
                after = batch.through
                if not batch.more and index > len(steps):
                    break
            assert read == sorted(row for row, (synced, _) in expected.items() if not synced)
            for row, synced in sensor.execute("SELECT id, synced FROM sensor_readings"):
                before, good = expected[row]
                assert synced == (before or (1 if good else -1))
            assert (await store.peek(KEY, after=0)).open_rows == 0
        finally:
            await store.close()

"""Rows that are written while more is read: merged by time, in bounded memory, beside the sensor."""

import math
import sqlite3
import tracemalloc
from contextlib import aclosing, closing

import pytest

from sensor_tui.errors import StorageError, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service import query_stream
from sensor_tui.service.query import FileQueries, Wanted
from sensor_tui.service.request import SyncRequest
from sensor_tui.storage.latest import LeanConnection
from sensor_tui.storage.query import stream_path
from sensor_tui.storage.query_closed import ClosedReader
from sensor_tui.storage.query_newest import NewestReader

START = 1_755_000_000.0


@pytest.fixture
def queries(root):
    made = FileQueries(SyncRequest(root), SystemClock())
    yield made
    made.close()


async def taken(stream):
    heads, rows = [], []
    async with aclosing(stream.batches) as batches:
        async for columns, batch in batches:
            heads.append(list(columns))
            rows += batch
    return heads[0], rows


@pytest.mark.parametrize("most_open", [1, 64])
async def test_files_are_merged_by_time_whatever_stays_open(queries, sensor, monkeypatch, most_open):
    monkeypatch.setattr(query_stream, "_MOST_OPEN", most_open)
    monkeypatch.setattr(query_stream, "_ROWS_AHEAD", 100)
    for number in range(5):
        sensor(f"S{number}", rows=200, start=START + number * 0.1, generation="2025-04")
    sensor("old", rows=10, start=START - 5000)
    columns, rows = await taken(await queries.stream(Wanted()))
    at, source = columns.index("timestamp"), columns.index("source")
    times = [row[at] for row in rows[:1000]]
    assert times == sorted(times, reverse=True)
    assert len(rows) == 1010
    assert {row[source] for row in rows[1000:]} == {"London/old/sensor_data.db"}


async def test_a_stretch_and_a_row_without_a_time(queries, plain):
    rows = [(1, START), (2, START + 1), (3, None), (4, START + 3)]
    plain("id INTEGER PRIMARY KEY, timestamp REAL", rows)
    _, found = await taken(await queries.stream(Wanted()))
    assert [row[0] for row in found] == [4, 3, 2, 1]
    _, found = await taken(await queries.stream(Wanted(since=START + 1, until=START + 1)))
    assert [row[0] for row in found] == [2]


async def test_a_file_whose_rows_say_no_time_at_all_comes_last(queries, plain, sensor):
    plain("id INTEGER PRIMARY KEY, timestamp REAL", [(1, None), (2, None)])
    sensor("A", rows=3)
    columns, found = await taken(await queries.stream(Wanted()))
    assert [row[columns.index("source")].split("/")[1] for row in found] == ["A", "A", "A", "P", "P"]


async def test_a_file_that_is_replaced_meanwhile_is_said_so_and_the_others_go_on(
    queries, sensor, monkeypatch
):
    monkeypatch.setattr(query_stream, "_ROWS_AHEAD", 40)
    monkeypatch.setattr(query_stream, "_MOST_OPEN", 1)
    first, _ = sensor("A", rows=500), sensor("B", rows=500)
    stream = await queries.stream(Wanted())
    rows = []
    async with aclosing(stream.batches) as batches:
        async for _, batch in batches:
            rows += batch
            if first.exists() and len(rows) > 60:
                first.unlink()
    assert 500 < len(rows) < 1000
    assert len(stream.problems) == 1
    assert "London/A/sensor_data.db" in stream.problems[0]


async def test_memory_does_not_grow_with_the_rows(queries, sensor):
    sensor(rows=4_000)

    async def peak(make):
        seen = 0
        tracemalloc.start()
        try:
            async with aclosing(make.batches) as batches:
                async for _, batch in batches:
                    seen += len(batch)
            return seen, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    # all rows take more than 4.5 MB
    rows, most = await peak(await queries.stream(Wanted()))
    assert (rows, most < 2_500_000) == (4_000, True)
    rows, most = await peak(await queries.stream_sql(Wanted(), "SELECT * FROM sensor_readings"))
    assert (rows, most < 2_500_000) == (4_000, True)


async def test_no_statement_of_a_stream_looks_at_more_than_a_window(queries, sensor, monkeypatch):
    seen = []
    run = LeanConnection.run

    def noted(self, purpose, sql, values=()):
        changed = run(self, purpose, sql, values)
        seen.append((purpose, changed))
        return changed

    sensor(rows=20_000)
    monkeypatch.setattr(LeanConnection, "run", noted)
    _, rows = await taken(await queries.stream(Wanted()))
    assert len(rows) == 20_000
    assert max(changed for purpose, changed in seen if purpose == "newest") <= 2000


async def test_sql_comes_in_batches_and_can_be_left(sensor):
    path = sensor(rows=3000)
    sizes = []
    async with aclosing(
        stream_path("a.db", str(path), "SELECT id FROM sensor_readings", SystemClock())
    ) as found:
        async for columns, rows in found:
            assert columns == ["id"]
            sizes.append(len(rows))
            if len(sizes) == 2:
                break
    assert sizes == [500, 500]
    with closing(sqlite3.connect(path, timeout=0)) as db, db:  # nothing is locked any more
        db.execute("DELETE FROM sensor_readings WHERE id = 1")


async def test_sql_that_does_more_than_read_or_takes_too_long_is_stopped(sensor):
    path, clock = str(sensor(rows=10)), SystemClock()
    with pytest.raises(UsageError, match="may not use"):
        await anext(stream_path("a.db", path, "DELETE FROM sensor_readings", clock))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(StorageError, match="took too long"):
        await anext(stream_path("a.db", path, endless, clock, seconds=0.2))


def test_a_reader_goes_on_where_it_was_after_it_let_go(sensor):
    reader = NewestReader("a.db", str(sensor(rows=100)))
    reader.seek(-math.inf, math.inf)
    rows = reader.step(30)[0]
    reader.close()
    rows += reader.step(30)[0]
    reader.close()
    assert [row[0] for _, row in rows] == [*range(100, 40, -1)]


@pytest.mark.parametrize(
    ("marked", "tally"),
    [(True, (100, 50, 2)), (False, (100, 60, 0))],
)
def test_rows_are_told_apart_by_how_they_stand(sensor, change, marked, tally):
    path = sensor(rows=100)
    if marked:
        change(path, "UPDATE sensor_readings SET synced = 1 WHERE id <= 50")
        change(path, "UPDATE sensor_readings SET synced = -1 WHERE id IN (60, 61)")
        change(path, "UPDATE sensor_readings SET synced = NULL WHERE id = 62")
    else:
        change(path, "ALTER TABLE sensor_readings DROP COLUMN synced")
    reader = ClosedReader("a.db", str(path), position=60)
    try:
        reader.seek(-math.inf, math.inf)
        low, high = reader.ends
        total = (0, 0, 0)
        while (step := reader.tally_step()) is not None:
            for _, found in step[0]:
                total = tuple(map(sum, zip(total, found, strict=True)))
        assert total == tally
        rows, through, _ = reader.closed_step(low, high, 10)
        assert ([row.row_id for row in rows], through) == ([*range(1, 11)], 10)
        rows, through, _ = reader.closed_step(40, high, 100)
        assert [row.row_id for row in rows] == [*range(41, tally[1] + 1)]
        assert through == 100
    finally:
        reader.close()

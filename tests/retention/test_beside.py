"""Pruning beside sensors, engines and crashes: nobody waits for it, and nobody loses a row by it."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from sensor_tui.model.clock import SystemClock
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.retention_once import Choice
from sensor_tui.service.retention_once import prune as prune_all
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.pruning import Bounds
from sensor_tui.storage.pruning_memory import Memory
from sensor_tui.storage.pruning_round import Round

from .conftest import KEY, START

MOST_ROWS = 200
LARGEST_SPAN = 20_000

DIES = """
import os, signal, sys
from sensor_tui.cli.main import main
from sensor_tui.storage.files import SensorConnection
run, left = SensorConnection.run, [int(sys.argv[1])]
def dying(self, purpose, sql, values=()):
    if purpose == "prune":
        left[0] -= 1
        if not left[0]:
            begun = lambda: self.rollback is False or os.path.exists(self.path + "-journal")
            self._db.set_progress_handler(lambda: begun() and os.kill(os.getpid(), signal.SIGKILL), 50)
    return run(self, purpose, sql, values)
SensorConnection.run = dying
main(sys.argv[2:])
"""


@pytest.mark.parametrize("wal", [False, True])
async def test_every_statement_is_bounded_and_leaves_the_file_free(sample, files, monkeypatch, wal):
    rows = sample(rows=12_000, wal=wal)
    loose = await files()
    run, removed = SensorConnection.run, []
    with closing(
        sqlite3.connect(rows.path, isolation_level=None, timeout=0, check_same_thread=False)
    ) as sensor:

        def noted(self, purpose, sql, values=()):
            changed = run(self, purpose, sql, values)
            if purpose in {"prune", "prune look", "prune count", "seek"} and isinstance(values, dict):
                assert values["high"] - values["low"] <= LARGEST_SPAN
            if purpose == "prune":
                removed.append(changed)
            sensor.execute("BEGIN EXCLUSIVE")
            sensor.execute("ROLLBACK")
            return changed

        monkeypatch.setattr(SensorConnection, "run", noted)
        done = await Round(loose, KEY, Memory(), Bounds(before=START + 5999.5)).run()
    assert done.rows == sum(removed) == 6000
    assert max(removed) <= MOST_ROWS


@pytest.mark.parametrize("wal", [False, True])
async def test_a_sensor_goes_on_writing_and_every_one_of_its_rows_is_there(sample, prune, sensor, wal):
    rows = sample(rows=10_000, wal=wal)
    writer = sensor(rows.path)
    writer.start(200)
    done = await prune(before=START + 1e6)
    await writer.finish()
    await prune(before=START + 1e6)
    assert done.rows >= 9999
    assert rows.ids == list(range(10_001, 10_201))
    assert rows.sound


async def test_rests_leave_the_sensor_its_turn(sample, prune, monkeypatch):
    """On a rollback file at least twice what a statement took lies between two removals."""
    sample(rows=2000)
    waited = []
    sleep = SystemClock.sleep

    async def noted(self, seconds):
        waited.append(seconds)
        await sleep(self, seconds)

    monkeypatch.setattr(SystemClock, "sleep", noted)
    await prune(before=START + 1e6)
    assert len(waited) >= 2000 / MOST_ROWS


@pytest.mark.parametrize("wal", [False, True])
@pytest.mark.parametrize("nth", [1, 4])
async def test_a_crash_in_the_middle_of_a_removal_is_harmless(sample, data, prune, wal, nth):
    rows = sample(rows=3000, closed=2500, wal=wal)
    command = ("prune", "--data-dir", str(data), "--older-than", "1d", "--yes", "--json")
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", DIES, str(nth), *command], capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    if not wal:
        assert rows.path.with_name(f"{rows.path.name}-journal").exists()  # in the middle indeed
    assert rows.sound
    assert rows.ids == list(range((nth - 1) * MOST_ROWS + 1, 3001))
    assert (await prune(before=START + 1e6)).rows == 2500 - (nth - 1) * MOST_ROWS
    assert rows.ids == list(range(2501, 3001))
    assert rows.sound


async def test_what_was_removed_is_counted_once_however_often_the_file_is_locked(sample, files, monkeypatch):
    rows = sample(rows=1000)
    loose = await files()
    run, met = SensorConnection.run, set()
    with closing(sqlite3.connect(rows.path, isolation_level=None, check_same_thread=False)) as sensor:

        def locked(self, purpose, sql, values=()):
            """Every kind of statement meets a lock once, after something was removed."""
            if purpose not in met and ("prune" in met or purpose == "prune"):
                met.add(purpose)
                sensor.execute("BEGIN EXCLUSIVE")
                try:
                    return run(self, purpose, sql, values)
                finally:
                    sensor.execute("ROLLBACK")
            return run(self, purpose, sql, values)

        monkeypatch.setattr(SensorConnection, "run", locked)
        done = await Round(loose, KEY, Memory(), Bounds(before=START + 1e6)).run()
    assert {"prune", "seek", "size"} <= met
    assert done.rows == 999
    assert rows.ids == [1000]


async def test_two_at_once_are_harmless(sample, files):
    rows = sample(rows=10_000, closed=9000)
    one, two = await files(), await files()
    bounds = Bounds(before=START + 1e6)
    done = await asyncio.gather(*(Round(each, KEY, Memory(), bounds).run() for each in (one, two)))
    assert sum(each.rows for each in done) == 9000
    assert rows.ids == list(range(9001, 10_001))


@pytest.mark.parametrize("wal", [False, True])
async def test_a_service_uploads_everything_while_what_it_acknowledges_is_removed(
    sample, data, serve, configure, emulator, sensor, until, wal
):
    """Without taking the files from it: whatever is removed was accepted before."""
    first = sample("London/A", rows=6000, closed=0, wal=wal)
    second = sample("Paris/B", rows=3000, closed=0, generation="2025-04", sensor_id="PAR_000001")
    second.run("UPDATE sensor_readings SET temperature = 9e999 WHERE id IN (5, 2000)")
    writer = sensor(first.path)
    bounds = Bounds(before=5e9)
    removed, over = 0, asyncio.Event()
    async with serve(configure()):
        writer.start(200)

        async def again():
            nonlocal removed
            while not over.is_set():
                report = await prune_all(SyncRequest(data), SystemClock(), bounds, Choice(), dry=False)
                assert not report.problems
                assert not report.left
                removed += report.rows

        await until(lambda: 1 in first.tracked and 1 in second.tracked)
        pruning = asyncio.ensure_future(again())
        await writer.finish()
        await until(lambda: pruning.done() or (first.count == 1 and second.count == 3))
        over.set()
        await pruning
    assert removed == 6199 + 2997
    stored = list(emulator.documents("SensorData", "SensorReadings"))
    rows_of = {}
    for document in stored:
        rows_of.setdefault(document["sensorId"], []).append(document["sqlite_id"])
    assert sorted(rows_of.pop("PAR_000001")) == [row for row in range(1, 3001) if row not in (5, 2000)]
    assert sorted(row for rows in rows_of.values() for row in rows) == list(range(1, 6201))
    assert first.ids == [6200]
    assert second.ids == [5, 2000, 3000]
    assert first.sound
    assert second.sound


async def test_dead_letters_can_be_retried_after_their_neighbours_are_gone(
    sample, data, serve, configure, emulator, until
):
    rows = sample(rows=100, closed=0)
    rows.run("UPDATE sensor_readings SET temperature = 9e999 WHERE id IN (40, 60)")
    async with serve(configure()) as client:
        await until(lambda: rows.tracked == {1: 98, -1: 2})
        await prune_all(SyncRequest(data), SystemClock(), Bounds(before=5e9), Choice(), dry=False)
        assert rows.ids == [40, 60, 100]
        rows.run("UPDATE sensor_readings SET temperature = 1 WHERE id IN (40, 60)")
        assert (await client.retry(None)).changed == 2
        await until(lambda: rows.tracked == {1: 3})
    assert len(list(emulator.documents("SensorData", "SensorReadings"))) == 100


async def test_a_file_of_another_engine_is_left_to_it(sample, data, tmp_path, configure, serve):
    """One that belongs to a service of another root: it has its own rules, and its own archive."""
    rows = sample(rows=100)
    other = sample("Paris/B", rows=100)
    (tmp_path / "lone").mkdir()
    from sensor_tui.storage.store import SqliteStore

    engine = SqliteStore(data / "Paris", clock=SystemClock(), state_dir=tmp_path / "lone")
    await engine.open()
    await engine.scan()
    report = await prune_all(SyncRequest(data), SystemClock(), Bounds(before=5e9), Choice(), dry=False)
    await engine.close()
    assert (rows.count, other.count) == (1, 100)
    assert list(report.left) == ["Paris/B/sensor_data.db"]
    assert "belongs to another engine" in report.left["Paris/B/sensor_data.db"]

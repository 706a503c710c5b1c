"""The service keeps the bounds of its configuration, takes up changes of them, and knows what is archived."""

import asyncio
import json
import logging

import pytest

from sensor_tui.model.clock import SystemClock
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.retention import note_archive
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.ledger_db import state_folder
from sensor_tui.storage.pruning_archive import archive_starts, forget_starts, note_starts
from sensor_tui.storage.store import SqliteStore

from .conftest import KEY, START

OFTEN = {"interval_seconds": 1}


@pytest.fixture
async def ledger(data):
    async with Ledger(state_folder(data), clock=SystemClock()) as opened:
        yield opened


async def actions(data):
    async with Ledger(state_folder(data), clock=SystemClock(), read_only=True) as ledger:
        return [(each.who, each.action) for each in await ledger.actions() if each.action == "prune"]


async def test_without_a_bound_nothing_is_removed_and_with_one_at_once(
    sample, data, serve, configure, until, caplog
):
    caplog.set_level(logging.INFO, logger="sensor_tui")
    rows, other = sample(rows=300, closed=0), sample("Paris/B", rows=50, closed=0, generation="2025-04")
    async with serve(configure(retention=OFTEN)):
        await until(lambda: rows.tracked == {1: 300})
        await until(lambda: other.tracked == {1: 50})
        configure(retention={"max_age": "1d", **OFTEN})
        await until(lambda: rows.ids == [300])
        await until(lambda: other.ids == [50])
        # and what is acknowledged from then on, at a later round
        rows.grow()
        await until(lambda: rows.ids == [301])
    assert ("retention", "prune") in await actions(data)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("retention:")]
    assert any("older than 1d" in line and "acknowledged rows removed" in line for line in lines)


async def test_by_size(sample, serve, configure, until):
    rows = sample(rows=5000, closed=5000)
    limit = rows.used // 2
    async with serve(configure(retention={"max_size_mb": limit / 1e6})):
        await until(lambda: rows.used <= limit)
    assert rows.ids[-1] == 5000
    assert rows.count > 1000


async def test_only_archived_rows_and_no_archive_removes_nothing_and_says_so(
    sample, serve, configure, until, caplog
):
    rows = sample(rows=100, closed=100)
    async with serve(configure(retention={"max_age": 0, "archived_only": True})):
        await until(lambda: any("there is no archive" in record.getMessage() for record in caplog.records))
    assert rows.count == 100


async def test_only_archived_rows_go_where_an_archive_is(
    sample, data, serve, configure, until, tmp_path, caplog
):
    """What was closed before there was an archive stays; what comes later goes."""
    rows = sample(rows=200, closed=50)
    settings = {
        "archive": {"path": str(tmp_path / "archive"), "format": "JSON lines"},
        "retention": {"max_age": 0, "archived_only": True, **OFTEN},
    }
    async with serve(configure(**settings)):
        await until(lambda: rows.ids == [*range(1, 51), 200])
    # the same after a restart
    rows.grow()
    async with serve(configure(**settings)):
        await until(lambda: rows.ids == [*range(1, 51), 251])
    archived = [
        json.loads(line)["sqlite_id"]
        for part in (tmp_path / "archive").rglob("*.jsonl")
        if part.is_file() and not part.name.startswith(".")
        for line in part.read_text().splitlines()
    ]
    assert sorted(archived) == list(range(51, 252))


async def test_an_engine_without_an_archive_ends_what_was_known(sample, data, ledger):
    sample(rows=100, closed=40)
    sample("Paris/B", rows=10, closed=0)
    request, clock = SyncRequest(data), SystemClock()
    await note_archive(ledger, request, clock, archived=True)
    known = await archive_starts(ledger)
    assert {path: row for path, (row, _) in known.items()} == {KEY: 40, "Paris/B/sensor_data.db": 0}
    # a file that is known keeps its start, whatever was closed since: that was archived
    sample("Rome/C", rows=5, closed=5)
    rows = sample("London/A", rows=1, closed=101)
    assert rows.count == 101
    await note_archive(ledger, request, clock, archived=True)
    assert {path: row for path, (row, _) in (await archive_starts(ledger)).items()} == {
        KEY: 40, "Paris/B/sensor_data.db": 0, "Rome/C/sensor_data.db": 5,
    }  # fmt: skip
    await note_archive(ledger, request, clock, archived=False)
    assert await archive_starts(ledger) == {}
    await note_archive(ledger, request, clock, archived=True)
    assert (await archive_starts(ledger))[KEY][0] == 101


async def test_what_another_engine_had_begins_anew(sample, data, serve, configure, until, tmp_path, ledger):
    """Whether that engine archived what it closed, nobody here knows."""
    rows = sample(rows=50, closed=0)
    other = SqliteStore(data / "London", clock=SystemClock(), state_dir=tmp_path / "other")
    await other.open()
    await other.scan()
    sample("Paris/B", rows=5, closed=0)
    settings = {
        "archive": {"path": str(tmp_path / "archive"), "format": "JSON lines"},
        "retention": {"max_age": 0, "archived_only": True, **OFTEN},
    }
    await note_starts(ledger, {KEY: (0, None)})
    async with serve(configure(**settings)):
        async with asyncio.timeout(60):
            while KEY in await archive_starts(ledger):
                await asyncio.sleep(0.02)
        rows.run("UPDATE sensor_readings SET synced = 1")
        await other.close()
        async with asyncio.timeout(60):
            while (await archive_starts(ledger)).get(KEY, (0,))[0] != 50:
                await asyncio.sleep(0.02)
        rows.grow("id <= 2")
        await until(lambda: rows.ids == [*range(1, 51), 52])


async def test_forgetting_is_for_those_that_are_known(ledger):
    await forget_starts(ledger, ["a", "b"])
    await note_starts(ledger, {"a": (3, 1.5), "c": (0, None)})
    await forget_starts(ledger, ["a", "b"])
    assert await archive_starts(ledger) == {"c": (0, None)}


@pytest.mark.parametrize("rows", [0, 5])
async def test_a_file_recreated_in_place_begins_anew_with_what_it_holds(sample, data, ledger, files, rows):
    from sensor_tui.storage.pruning_archive import check_start

    made = sample(rows=20)
    await note_archive(ledger, SyncRequest(data), SystemClock(), archived=True)
    start = (await archive_starts(ledger))[KEY]
    assert start[0] == 20
    loose = await files()
    assert await check_start(loose, KEY, start) == start
    made.run("DELETE FROM sensor_readings WHERE id > ?", rows or 20)
    made.run("UPDATE sensor_readings SET timestamp = ?", f"{int(START)}")
    found = await check_start(loose, KEY, start)
    assert found == (rows or 20, f"{int(START)}")

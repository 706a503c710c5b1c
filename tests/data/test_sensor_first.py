"""A sensor in rollback mode goes on writing while its file is sampled, charted, counted and queried."""

import asyncio

from sensor_tui.model.clock import SystemClock
from sensor_tui.service.query import FileQueries, Wanted
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.sampler import Sampler
from sensor_tui.service.series import SeriesReaders
from sensor_tui.storage.latest import Place
from sensor_tui.storage.query import query_path

ROWS = 60_000
INSERTS = 150
SLOWEST = 0.25
"""Seconds; a sensor that meets an exclusive lock waits in steps of SQLite's own, on a busy machine longer."""
USUAL = 0.05


async def test_no_insert_waits_for_whoever_looks(root, sensor, writer):
    path = sensor(rows=ROWS)
    clock = SystemClock()
    place = Place("A", str(path), rollback=True)
    sampler = Sampler(lambda: [place], watched=lambda: True, clock=clock)
    readers, queries = SeriesReaders(clock), FileQueries(SyncRequest(root), clock)
    process = writer(path)
    done = asyncio.Event()

    async def again(look):
        while not done.is_set():
            await look()

    async def chart():
        await readers.read("key", [place], "temperature")

    async def copy():
        await query_path("A", str(path), "SELECT count(*) FROM sensor_readings", clock, limit=1)

    async def newest():
        await queries.newest(Wanted(), limit=500)

    async def sample():
        await sampler.round()
        await asyncio.sleep(0.01)

    process.start(INSERTS)
    looks = [asyncio.ensure_future(again(look)) for look in (chart, copy, newest, sample)]
    took = sorted(await process.finish())
    done.set()
    await asyncio.gather(*looks)
    assert len(sampler.recent("A", 60)) == 60
    await sampler.close()
    readers.close()
    queries.close()
    assert len(took) == INSERTS
    assert took[-1] <= SLOWEST
    assert took[int(0.9 * INSERTS)] <= USUAL


async def test_a_copy_is_whole_while_the_sensor_writes(sensor, writer):
    path = sensor(rows=20_000)
    process = writer(path)
    process.start(100)
    table = await query_path(
        "A", str(path), "SELECT count(*), max(id), sum(id) FROM sensor_readings", SystemClock(), limit=1
    )
    await process.finish()
    count, last, total = table.rows[0]
    assert 20_000 <= count == last <= 20_100
    assert total == last * (last + 1) // 2

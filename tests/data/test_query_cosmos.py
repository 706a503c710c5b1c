"""Questions to Cosmos DB: as a table, with what they cost."""

import sqlite3
import tracemalloc
from contextlib import aclosing, closing

import pytest

from sensor_tui.errors import ConfigError, SinkError, SinkRefused, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.query import Wanted
from sensor_tui.service.query_analysis import analyze
from sensor_tui.service.query_cosmos import (
    DocumentStream,
    count_documents,
    newest_documents,
    query_cosmos,
    table_of,
)
from sensor_tui.service.request import SyncRequest

START = 1_755_000_000.0
CLOCK = SystemClock()


@pytest.fixture
async def settings(settings_for, emulator, sensor, root):
    sensor("A", rows=30, sensor_id="LON_100001")
    sensor("B", rows=30, city="Paris", sensor_id="PAR_100002")
    found = settings_for(emulator).settings
    await sync_once(found, SyncRequest(root), clock=CLOCK)
    return found


async def test_a_query_costs_and_is_cut(settings):
    table = await query_cosmos(settings, CLOCK, "SELECT * FROM c", limit=7)
    assert (len(table.rows), table.complete) == (7, False)
    assert list(table.columns[:4]) == ["id", "sensorId", "timestamp", "city"]
    assert table.columns[-1].startswith("_")
    assert table.request_units > 2


async def test_values_that_are_no_documents_have_one_column(settings):
    table = await query_cosmos(settings, CLOCK, "SELECT VALUE COUNT(1) FROM c", limit=7)
    assert (list(table.columns), sum(row[0] for row in table.rows)) == (["value"], 60)


async def test_counts_and_newest_of_what_is_meant(settings):
    for wanted, expected in (
        (Wanted(), 60),
        (Wanted(city="Paris"), 30),
        (Wanted(sensor="LON_100001"), 30),
        (Wanted(city="Paris", sensor="LON_100001"), 0),
        (Wanted(since=START + 20), 20),
        (Wanted(city="London", since=START + 20), 10),
        (Wanted(city="London", sensor="LON_100001", since=START + 10, until=START + 14.5), 5),
    ):
        assert (await count_documents(settings, CLOCK, wanted)).rows[0][0] == expected
    table = await newest_documents(settings, CLOCK, Wanted(city="London", until=START + 9.5), limit=3)
    at = list(table.columns).index("sqlite_id")
    assert [row[at] for row in table.rows] == [10, 9, 8]
    assert not table.complete


async def test_what_is_wrong_is_said(settings, settings_for, emulator):
    with pytest.raises(UsageError, match="not understood"):
        await query_cosmos(settings, CLOCK, "SELEC", limit=1)
    missing = settings_for(emulator, container="Nowhere").settings
    with pytest.raises(SinkRefused, match="does not exist"):
        await query_cosmos(missing, CLOCK, "SELECT * FROM c", limit=1)
    with pytest.raises(ConfigError, match="endpoint"):
        await query_cosmos(settings_for().settings, CLOCK, "SELECT * FROM c", limit=1)
    down = settings_for(emulator, endpoint="http://127.0.0.1:9").settings
    with pytest.raises(SinkError):
        await query_cosmos(down, CLOCK, "SELECT * FROM c", limit=1)


def test_documents_of_different_fields_share_a_table():
    columns, rows = table_of([{"b": 1, "id": "x", "_ts": 5}, {"id": "y", "c": {"d": [1]}}, 7])
    assert columns == ["id", "b", "c", "value", "_ts"]
    assert rows == [
        ["x", 1, None, None, 5],
        ["y", None, '{"d": [1]}', None, None],
        [None, None, None, 7, None],
    ]


async def test_results_come_as_they_are_found(settings):
    stream = DocumentStream(settings, CLOCK, "SELECT c.id, c.city FROM c", limit=None)
    sizes = []
    async with aclosing(stream.batches()) as batches:
        async for batch in batches:
            sizes.append(len(batch))
            assert batch[0].keys() == {"id", "city"}
    assert sum(sizes) == 60
    assert stream.request_units > 2
    left = DocumentStream(settings, CLOCK, Wanted(), limit=None)
    async with aclosing(left.batches()) as batches:
        assert await anext(batches)
    with pytest.raises(UsageError, match="not understood"):
        await anext(DocumentStream(settings, CLOCK, "SELEC", limit=None).batches())


async def test_memory_does_not_grow_with_the_documents(settings_for, emulator, sensor, root):
    sensor("A", rows=3000, sensor_id="LON_100001")
    found = settings_for(emulator).settings
    await sync_once(found, SyncRequest(root), clock=CLOCK)
    stream = DocumentStream(found, CLOCK, Wanted(), limit=None)
    async with aclosing(stream.batches()) as batches:
        seen = len(await anext(batches))
        assert seen < 3000
        tracemalloc.start()
        try:
            async for batch in batches:
                seen += len(batch)
            # all documents take more than 6 MB; the endpoint in this process is measured too
            assert tracemalloc.get_traced_memory()[1] < 4_000_000
        finally:
            tracemalloc.stop()
    assert seen == 3000


async def test_rows_that_went_to_the_container_of_anomalies_are_found_there(
    settings_for, emulator, sensor, root
):
    path = sensor("A", rows=20, sensor_id="LON_100001")
    sync = settings_for(emulator, container="SensorAnomalies").settings
    await sync_once(sync, SyncRequest(root), clock=CLOCK)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE sensor_readings SET synced = 0 WHERE id > 5")
    (root / ".sensor-tui" / "ledger.db").unlink()
    plain = settings_for(emulator).settings
    await sync_once(plain, SyncRequest(root), clock=CLOCK)
    (found,) = (await analyze(plain, CLOCK, Wanted(), SyncRequest(root), compare=None)).sensors
    assert (found.closed, found.documents, found.missing) == (20, 15, 5)
    anomaly = plain.processing.anomaly.model_copy(update={"action": "route"})
    processing = plain.processing.model_copy(update={"processors": ("Anomaly",), "anomaly": anomaly})
    routed = plain.model_copy(update={"processing": processing})
    (found,) = (await analyze(routed, CLOCK, Wanted(), SyncRequest(root), compare=None)).sensors
    assert found.missing == 0
    absent = anomaly.model_copy(update={"container": "NotThereYet"})
    processing = processing.model_copy(update={"anomaly": absent})
    routed = plain.model_copy(update={"processing": processing})
    (found,) = (await analyze(routed, CLOCK, Wanted(), SyncRequest(root), compare=None)).sensors
    assert found.missing == 5


async def test_a_container_partitioned_by_something_else_is_read_through(
    settings_for, emulator, sensor, root
):
    sensor("A", rows=20, sensor_id="LON_100001")
    found = settings_for(emulator, container="BySensor", partition_key="/sensorId").settings
    await sync_once(found, SyncRequest(root), clock=CLOCK)
    analysis = await analyze(found, CLOCK, Wanted(), SyncRequest(root), compare=8)
    assert list(analysis.groups.values()) == [20]
    (one,) = analysis.sensors
    assert (one.city, one.documents, one.compared, one.missing) == ("London", 20, 8, 0)


async def test_rows_without_tracking_are_closed_as_far_as_the_ledger_says(
    settings_for, emulator, sensor, root, change
):
    path = sensor("A", rows=20, sensor_id="LON_100001")
    change(path, "ALTER TABLE sensor_readings DROP COLUMN synced")
    found = settings_for(emulator).settings
    await sync_once(found, SyncRequest(root), clock=CLOCK)
    sensor("A", rows=5, sensor_id="LON_100001", start=START + 20)
    (one,) = (await analyze(found, CLOCK, Wanted(), SyncRequest(root), compare=None)).sensors
    assert (one.rows, one.closed, one.open, one.compared, one.missing) == (25, 20, 5, 20, 0)

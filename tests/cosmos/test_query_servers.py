"""Questions to every Cosmos server there is, as the command asks them."""

import json
from contextlib import aclosing

import pytest

from sensor_tui.config import load
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.query import Wanted
from sensor_tui.service.query_analysis import Group, analyze
from sensor_tui.service.query_cosmos import DocumentStream, count_documents, newest_documents
from sensor_tui.service.request import SyncRequest
from sensor_tui.simulator.sample import write_sample

START = 1_755_000_000.0
CLOCK = SystemClock()


@pytest.fixture
def settings(server, tmp_path):
    cosmos = {"endpoint": server.url, "key": server.key}
    if server.ca_file is not None:
        cosmos["connection"] = {"ca_file": str(server.ca_file)}
    path = tmp_path / "sensor-tui.yaml"
    path.write_text(json.dumps({"cosmos": cosmos}))
    return load(path, env={}, cwd=tmp_path).settings


@pytest.fixture
async def request_(settings, tmp_path):
    """Files whose readings are there."""
    root = tmp_path / "data"
    for name, city, rows in (("A", "London", 30), ("B", "Paris", 20)):
        path = root / city / name / "sensor_data.db"
        path.parent.mkdir(parents=True)
        write_sample(
            path, rows=rows, city=city, generation="2025-08", start=START, sensor_id=f"{name * 3}_000001"
        )
    await sync_once(settings, SyncRequest(root), clock=CLOCK)
    return SyncRequest(root)


async def taken(stream):
    async with aclosing(stream.batches()) as batches:
        return [found async for batch in batches for found in batch]


async def test_counts_newest_and_everything(settings, request_):
    for wanted, expected in ((Wanted(), 50), (Wanted(city="Paris"), 20), (Wanted(sensor="AAA_000001"), 30)):
        assert (await count_documents(settings, CLOCK, wanted)).rows[0][0] == expected
        assert len(await taken(DocumentStream(settings, CLOCK, wanted, limit=None))) == expected
    table = await newest_documents(settings, CLOCK, Wanted(city="Paris"), limit=3)
    at = list(table.columns).index("sqlite_id")
    assert [row[at] for row in table.rows] == [20, 19, 18]
    few = await taken(DocumentStream(settings, CLOCK, Wanted(city="Paris"), limit=3))
    assert [each["sqlite_id"] for each in few] == [20, 19, 18, 17]


async def test_distribution_and_completeness(settings, request_):
    found = await analyze(settings, CLOCK, Wanted(), request_, compare=None)
    assert sum(found.groups.values()) == 50
    assert {(group.city, group.sensor) for group in found.groups} == {
        ("London", "AAA_000001"),
        ("Paris", "BBB_000001"),
    }
    assert found.groups[Group("Paris", "BBB_000001", "2025-08-12", "Raw")] == 20
    assert [
        (each.sensor, each.closed, each.documents, each.compared, each.missing) for each in found.sensors
    ] == [
        ("AAA_000001", 30, 30, 30, 0),
        ("BBB_000001", 20, 20, 20, 0),
    ]
    assert found.request_units > 0
    narrow = await analyze(settings, CLOCK, Wanted(city="Paris", since=START + 10), request_, compare=None)
    assert sum(narrow.groups.values()) == narrow.sensors[0].closed == 10


async def test_aggregates_are_counted_by_what_they_cover(settings, request_, make_sink, upload, server):
    sink = make_sink(server.options())
    await sink.open()
    windows = [
        {"id": f"w{n}", "city": "London", "sensorId": "AGG_000001", "processingStage": "Aggregated",
         "timestamp": f"2025-08-01T00:00:0{n}.000000Z", "count": 5}
        for n in range(4)
    ]  # fmt: skip
    await upload(sink, windows)
    found = await analyze(settings, CLOCK, Wanted(sensor="AGG_000001"), None, compare=None)
    group = Group("London", "AGG_000001", "2025-08-01", "Aggregated")
    assert (found.groups[group], found.covered[group], found.sensors) == (4, 20, None)

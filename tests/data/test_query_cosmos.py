"""Questions to Cosmos DB: as a table, with what they cost."""

import pytest

from sensor_tui.errors import ConfigError, SinkError, SinkRefused, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.query import Wanted
from sensor_tui.service.query_cosmos import count_documents, newest_documents, query_cosmos, table_of
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

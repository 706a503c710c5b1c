"""The API about readings, asked of a running service as its clients ask it."""

import asyncio
import json

import pytest

from sensor_tui.errors import StorageError, UsageError
from sensor_tui.model.check import CheckVerdict

START = 1_755_000_000.0


async def until(client, look):
    """The first status of the events that `look` finds true."""
    async with asyncio.timeout(20):
        async for update in client.events():
            if update.report is not None and look(update.report):
                return update.report
    raise AssertionError


def sampled(report):
    return report.sensors and all(sensor.values for sensor in report.sensors)


async def test_who_listens_gets_values_as_they_come(serve, sensor):
    sensor("A", rows=50, sensor_id="LON_100001")
    async with serve() as client:
        report = await until(client, sampled)
        one = report.sensors[0]
        assert one.values["temperature"] > 0
        assert (one.cadence_seconds, one.rate) == (1.0, 1.0)
        assert one.flat is False
        before = one.values
        sensor("A", rows=5, start=START + 50, sensor_id="LON_100001", seed=9)
        report = await until(client, lambda each: sampled(each) and each.sensors[0].values != before)
        assert report.sensors[0].newest.startswith("2025-08-12")


async def test_series_and_recent_values(serve, sensor):
    sensor("A", rows=300, sensor_id="LON_100001")
    async with serve() as client:
        report = await until(client, sampled)
        key = report.sensors[0].key
        series = await client.series(key, points=50)
        assert (series.measure, series.readings) == ("temperature", 300)
        assert len(series.times) <= 50
        part = await client.series(key, "voltage", since=START + 10, until=START + 19.5)
        assert part.readings == 10
        recent = await client.recent(12)
        assert {name: len(values) for name, values in recent.items()} == {key: 12}
        with pytest.raises(UsageError, match="no sensor 'nobody'"):
            await client.series("nobody\x00London")
        with pytest.raises(UsageError, match="no measure"):
            await client.series(key, "radon")


async def test_queries_over_a_file_and_over_cosmos(serve, sensor, root):
    sensor("A", rows=30)
    async with serve() as client:
        await until(client, lambda report: report.backlog == 0 and report.engine.totals.accepted == 30)
        table = await client.query(
            "London/A/sensor_data.db", "SELECT count(*), 1.0, 'x' FROM sensor_readings"
        )
        assert [list(row) for row in table.rows] == [[30, 1.0, "x"]]
        assert isinstance(table.rows[0][1], float)
        table = await client.query(None, "SELECT TOP 5 c.id, c.temperature FROM c", 3)
        assert list(table.columns) == ["id", "temperature"]
        assert (len(table.rows), table.complete) == (3, False)
        assert table.request_units > 0
        for source, sql in (
            ("London/A/sensor_data.db", "DELETE FROM sensor_readings"),
            (None, "SELEC"),
            ("../sensor-tui.yaml", "SELECT 1"),
            (".sensor-tui/ledger.db", "SELECT 1"),
        ):
            with pytest.raises(UsageError):
                await client.query(source, sql)
        (root / "bad.db").write_bytes(b"junk" * 100)
        with pytest.raises(StorageError, match="not an SQLite database"):
            await client.query("bad.db", "SELECT 1")


async def test_checks_one_by_one(serve, sensor):
    sensor("A", rows=10)
    async with serve() as client:
        # before the file is found there is no backlog either, and its readings are months old
        await until(client, lambda report: report.backlog == 0 and report.engine.totals.accepted == 10)
        names = [info.name for info in await client.checks()]
        assert names[0] == "python"
        assert len(names) == len(set(names))
        found = {name: await client.check(name) for name in names}
        assert {
            name: check.verdict for name, check in found.items() if check.verdict is CheckVerdict.FAILED
        } == {}
        assert found["service"].evidence.startswith("process")
        assert found["write"].verdict is CheckVerdict.SKIPPED
        assert found["container"].verdict is CheckVerdict.OK
        with pytest.raises(UsageError, match="no check"):
            await client.check("weather")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v1/series", "sensor"),
        ("/v1/series?sensor=a&points=1", "points"),
        ("/v1/series?sensor=a&since=yesterday", "since"),
        ("/v1/series?sensor=a&until=nan", "until"),
        ("/v1/series?sensor=a&until=1e999", "until"),
        ("/v1/recent?points=1000", "points"),
    ],
)
async def test_what_cannot_be_understood_is_refused(serve, sensor, path, said):
    sensor("A", rows=3)
    async with serve() as client:
        response = await client.http.get(path)
        assert response.status_code == 400
        assert said in response.json()["error"]


@pytest.mark.parametrize(
    "body",
    ["", "{}", '{"sql": ""}', '{"sql": "SELECT 1", "limit": 0}', '{"sql": "SELECT 1", "limit": 1e9}', "[]"],
)
async def test_a_query_that_is_none_is_refused(serve, sensor, body):
    sensor("A", rows=3)
    async with serve() as client:
        response = await client.http.post("/v1/query", content=body)
        assert response.status_code == 400


async def test_a_query_of_a_web_page_is_refused(serve, sensor):
    sensor("A", rows=3)
    async with serve() as client:
        response = await client.http.post(
            "/v1/query",
            content=json.dumps({"source": None, "sql": "SELECT 1"}),
            headers={"Origin": "http://x"},
        )
        assert response.status_code == 403

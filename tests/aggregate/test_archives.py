"""Aggregation beside other sinks: archives of either kind, and anomalous readings that are routed."""

import asyncio

import pytest

from sensor_tui.sync.contract import Judgement, Outlet, Verdict, Wish
from tests.support.fakes import MemorySink


class Above:
    """Finds temperatures above a bound anomalous."""

    name = "Anomaly"

    def __init__(self, bound):
        self.bound = bound

    def apply(self, staged):
        at = staged.batch.schema.fields.index("temperature")
        for position, row in enumerate(staged.batch.rows):
            if row[at] > self.bound:
                staged.anomalous[position] = ("temperature",)

    def forget(self, source): ...


def named(name):
    sink = MemorySink()
    sink.name = name
    return sink


@pytest.fixture
def archive(rig):
    return named("archive")


async def test_a_processed_archive_has_the_documents(rig, archive):
    rig.outlets = [Outlet(rig.sink), Outlet(archive, metered=False)]
    sensor = rig.sensor()
    sensor.write(*range(90))
    rig.at(200.0)
    await rig.once()
    assert archive.documents == rig.sink.documents
    assert len(archive.documents) == 3
    assert sensor.open() == []


async def test_a_raw_archive_has_the_readings_before_they_are_closed(rig, archive):
    rig.outlets = [Outlet(rig.sink), Outlet(archive, Wish.RAW, metered=False)]
    archive.hold = asyncio.Event()
    sensor = rig.sensor()
    sensor.write(*range(90))
    rig.at(200.0)
    store, _source, engine = rig.build()
    await store.open()
    run = asyncio.ensure_future(engine.run(continuous=False))
    async with asyncio.timeout(20):
        while archive.under_way < 1:
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert not rig.sink.documents
        archive.hold.set()
        await run
    await store.close()
    assert [each["count"] for each in rig.documents()] == [30, 30, 30]
    assert sorted(each["sqlite_id"] for each in archive.documents.values()) == list(range(1, 91))
    assert {each["processingStage"] for each in archive.documents.values()} == {"Raw"}
    assert sensor.open() == []
    assert engine.progress().totals.accepted == 3


async def test_what_a_raw_archive_refuses_is_in_no_document(rig, archive):
    def script(sink, lane, documents):
        bad = {
            p: Judgement(Verdict.REJECTED, reason="no")
            for p, d in enumerate(documents)
            if d["sqlite_id"] == 5
        }
        return sink.store(documents, bad)

    archive.script = script
    rig.outlets = [Outlet(rig.sink), Outlet(archive, Wish.RAW, metered=False)]
    sensor = rig.sensor()
    sensor.write(*range(30))
    rig.at(200.0)
    await rig.once()
    assert [each["count"] for each in rig.documents()] == [29]
    assert rig.documents()[0]["temperature"]["count"] == 29
    assert sensor.synced() == {row: -1 if row == 5 else 1 for row in range(1, 31)}


async def test_routed_readings_go_as_they_are_and_are_in_no_window(rig, archive):
    odd = named("anomalies")
    rig.stages = [Above(45.0)]
    rig.outlets = [
        Outlet(rig.sink, Wish.ORDINARY), Outlet(odd, Wish.ANOMALOUS), Outlet(archive, metered=False),
    ]  # fmt: skip
    sensor = rig.sensor()
    sensor.write(*range(30))
    rig.at(200.0)
    await rig.once()
    assert [each["count"] for each in rig.documents()] == [26]
    assert sorted(each["temperature"] for each in odd.documents.values()) == [46.0, 47.0, 48.0, 49.0]
    assert archive.documents.keys() == rig.sink.documents.keys() | odd.documents.keys()
    assert sensor.open() == []


async def test_anomalies_found_before_are_counted_by_measure(rig):
    rig.stages = [Above(45.0)]
    rig.sensor().write(*range(30))
    rig.at(200.0)
    await rig.once()
    (document,) = rig.documents()
    assert document["anomalyCount"] == document["temperature"]["anomalyCount"] == 4
    assert document["humidity"]["anomalyCount"] == 0


async def test_anomaly_after_the_aggregation_looks_at_documents(rig):
    odd = named("anomalies")
    rig.after = [Above(50.0)]
    rig.outlets = [Outlet(rig.sink, Wish.ORDINARY), Outlet(odd, Wish.ANOMALOUS)]
    sensor = rig.sensor()
    sensor.write(*range(60))
    rig.at(200.0)
    await rig.once()
    assert [each["temperature"]["max"] for each in rig.documents()] == [49.0]
    (document,) = rig.documents(odd)
    assert (document["temperature"]["max"], document["anomalyFlag"], document["anomalies"]) == (
        79.0, 1, ["temperature"],
    )  # fmt: skip
    assert sensor.open() == []

"""Runs that end in the middle: nothing is lost, nothing doubled, wherever that is."""

import asyncio
from datetime import datetime

import pytest

from sensor_tui.storage.store import SqliteStore

MINUTES = 120


class Crash(BaseException):
    """The process is gone."""


def write_some(rig):
    """Two files: one in order, one with late and early readings."""
    first, second = rig.sensor("S1"), rig.sensor("S2")
    first.write(*range(0, 200, 2))
    order = [*range(60), *range(100, 160), 3, 33, 63, *range(60, 100), 150, 7]
    second.write(*order)
    return {"S1": first, "S2": second}


def expected(sensors):
    """What the files say."""
    found = {}
    for name, sensor in sensors.items():
        query = (
            "SELECT CAST(timestamp / 30 AS INTEGER) * 30, count(*), sum(temperature), min(temperature),"
            " max(temperature) FROM sensor_readings GROUP BY 1"
        )
        for start, count, total, lowest, highest in sensor.run(query):
            found[name, start] = (count, round(total, 6), lowest, highest)
    return found


def in_documents(rig):
    return {
        (sensor, int(datetime.fromisoformat(start).timestamp())): (
            each["readings"], each["total"], each["min"], each["max"],
        )
        for (sensor, start), each in rig.sums().items()
    }  # fmt: skip


def crash_in(store: SqliteStore, name: str, after: bool, passes: int) -> list[str]:
    """Have a method of the store end it all, before or after its work, at its n-th call."""
    real = getattr(store, name)
    met: list[str] = []
    left = [passes]

    async def wrapper(*given, **named):
        if left[0] < 0:
            raise Crash
        left[0] -= 1
        if left[0] < 0 and not after:
            met.append(name)
            raise Crash
        result = await real(*given, **named)
        if left[0] < 0:
            met.append(name)
            raise Crash
        return result

    setattr(store, name, wrapper)
    return met


async def run_until_crash(rig, name, after, passes):
    """One run that ends where it is told to; whether it got there."""
    store, _, engine = rig.build()
    await store.open()
    met = crash_in(store, name, after, passes)
    run = asyncio.ensure_future(engine.run(continuous=False))
    while not run.done() and not met:
        await asyncio.sleep(0)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await store.close()
    return bool(met)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["intend", "close_held", "fulfil", "parts", "save_positions", "read"])
async def test_a_run_that_ends_anywhere_is_gone_on_with(rig, name, after):
    sensors = write_some(rig)
    rig.at(MINUTES * 60.0)
    hits = 0
    for passes in range(4):
        hits += await run_until_crash(rig, name, after, passes)
    await rig.once()
    assert in_documents(rig) == expected(sensors)
    assert all(not sensor.open() for sensor in sensors.values())
    assert all(not status.backlog for status in rig.statuses)
    assert hits or name == "parts"
    before = dict(rig.sink.documents)
    engine = await rig.once()
    assert rig.sink.documents == before
    assert engine.progress().totals.read == 0


@pytest.mark.parametrize("stored", [False, True])
async def test_a_document_sent_and_unanswered_is_sent_again_as_it_was(rig, stored):
    sensors = write_some(rig)
    rig.at(MINUTES * 60.0)
    sent = []

    def silent(sink, lane, documents):
        sent.extend(documents)
        if stored:
            sink.store(documents)
        raise Crash

    for _ in range(3):
        store, _source, engine = rig.build()
        await store.open()
        seen = len(sent)
        rig.sink.script = silent
        run = asyncio.ensure_future(engine.run(continuous=False))
        while len(sent) == seen:
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await store.close()
    rig.sink.script = None
    await rig.once()
    assert in_documents(rig) == expected(sensors)
    assert all(not sensor.open() for sensor in sensors.values())
    for document in sent:
        assert rig.sink.documents[document["id"]] == document

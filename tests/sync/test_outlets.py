"""Stages, and several sinks with different wishes: who gets what, and what is settled when."""

import asyncio
from dataclasses import replace

import pytest

from sensor_tui.errors import SinkRefused, SinkUnreachable
from sensor_tui.model.progress import EngineState
from sensor_tui.sync.contract import Judgement, Outlet, RequestFailed, Verdict, Wish
from sensor_tui.sync.engine import Engine, EngineOptions
from tests.support.clock import JumpingClock
from tests.support.fakes import MemoryFeed, MemorySink, MemorySource


class Odd:
    """Finds some rows anomalous, and says so in a column of its own."""

    name = "Odd"

    def __init__(self, every):
        self.every = every
        self.forgotten = []

    def apply(self, staged):
        rows = staged.batch.rows
        found = [p for p, row in enumerate(rows) if row[0] % self.every == 0 and p not in staged.rejected]
        staged.anomalous.update(dict.fromkeys(found, ("temperature",)))

    def forget(self, source):
        self.forgotten.append(source)


class Rounder:
    """Hides the temperature and the place, and gives a rounded temperature."""

    name = "Rounder"

    def __init__(self, hidden=("temperature", "location")):
        self.hidden = hidden

    def apply(self, staged):
        batch = staged.batch
        fields = [*batch.schema.fields, "rounded"]
        for column in self.hidden:
            fields[batch.schema.columns.index(column)] = ""
        schema = replace(batch.schema, columns=(*batch.schema.columns, "rounded"), fields=tuple(fields))
        at = batch.schema.columns.index("temperature")
        rows = [(*row, row[at] if row[at] == float("inf") else round(row[at])) for row in batch.rows]
        staged.batch = replace(batch, schema=schema, rows=rows, repeated=0)
        staged.stage = "Rounded"

    def forget(self, source): ...


class Strict:
    name = "Strict"

    def apply(self, staged):
        for position, row in enumerate(staged.batch.rows):
            if row[0] % 10 == 0:
                staged.rejected[position] = "ten is too much"

    def forget(self, source): ...


def named(name, **options):
    sink = MemorySink(**options)
    sink.name = name
    return sink


def engine_of(sinks, *feeds, stages=(), **options):
    clock = JumpingClock()
    return Engine(
        MemorySource(*feeds), sinks, clock=clock, options=EngineOptions(**options), stages=stages
    ), clock


def rows_of(sink):
    return sorted(document["sqlite_id"] for document in sink.documents.values())


async def test_rejected_rows_are_dead_letters_of_the_first_sink_and_the_rest_goes_through():
    first, second = named("first"), named("second", key_field=None)
    feed = MemoryFeed("S", 100)
    engine, _ = engine_of([first, second], feed, stages=[Strict()])
    await engine.run(continuous=False)
    tens = list(range(10, 101, 10))
    assert feed.dead == dict.fromkeys(tens, "Strict: ten is too much")
    assert {letter.sink for letter in feed.buried} == {"first"}
    assert rows_of(first) == rows_of(second) == [row for row in range(1, 101) if row % 10]
    assert sorted(feed.settled) == rows_of(first)
    totals = engine.progress().totals
    assert (totals.read, totals.rejected) == (100, 10)


async def test_stages_change_documents_and_neither_ids_nor_cities():
    plain, staged = named("plain"), named("staged")
    await engine_of([plain], MemoryFeed("S", 5))[0].run(continuous=False)
    await engine_of([staged], MemoryFeed("S", 5), stages=[Rounder()])[0].run(continuous=False)
    assert plain.documents.keys() == staged.documents.keys()
    for key, document in staged.documents.items():
        original = plain.documents[key]
        assert "temperature" not in document
        assert "location" not in document
        assert document["processingStage"] == "Rounded"
        assert document["rounded"] == round(original["temperature"])
        for name in ("city", "sensorId", "timestamp", "sqlite_id"):
            assert document[name] == original[name]


async def test_sensor_and_time_can_be_hidden_too():
    sink = named("sink")
    stage = Rounder(("sensor_id", "timestamp"))
    await engine_of([sink], MemoryFeed("S", 5), stages=[stage])[0].run(continuous=False)
    assert len(sink.documents) == 5
    for document in sink.documents.values():
        assert not {"sensorId", "timestamp"} & document.keys()


async def test_a_hidden_value_is_not_shown_by_a_dead_letter():
    feed = MemoryFeed("S", 10)
    await engine_of([named("sink")], feed, stages=[Rounder(), Strict()])[0].run(continuous=False)
    (letter,) = feed.buried
    assert "temperature" not in letter.document
    assert "rounded=30" in letter.document


async def test_anomalous_readings_are_routed_and_the_archive_has_all():
    cosmos, odd, archive = named("cosmos"), named("anomalies"), named("archive", key_field="sensorId")
    feed = MemoryFeed("S", 1000)
    outlets = [
        Outlet(cosmos, Wish.ORDINARY),
        Outlet(odd, Wish.ANOMALOUS),
        Outlet(archive, metered=False),
    ]
    engine, _ = engine_of(outlets, feed, stages=[Odd(7)])
    await engine.run(continuous=False)
    assert rows_of(odd) == [row for row in range(1, 1001) if row % 7 == 0]
    assert rows_of(cosmos) == [row for row in range(1, 1001) if row % 7]
    assert rows_of(archive) == list(range(1, 1001))
    assert sorted(feed.settled) == list(range(1, 1001))
    assert engine.progress().totals.accepted == 1000


async def test_a_raw_archive_has_readings_as_they_were():
    cosmos, archive = named("cosmos"), named("archive")
    outlets = [Outlet(cosmos), Outlet(archive, Wish.RAW, metered=False)]
    engine, _ = engine_of(outlets, MemoryFeed("S", 10), stages=[Rounder(), Strict()])
    await engine.run(continuous=False)
    assert rows_of(archive) == rows_of(cosmos) == list(range(1, 10))
    assert cosmos.documents.keys() == archive.documents.keys()
    for document in archive.documents.values():
        assert document["processingStage"] == "Raw"
        assert "temperature" in document


async def test_what_only_stages_mend_is_in_a_raw_archive_as_they_left_it():
    def spoil(number, row):
        if number == 3:
            row[3] = float("inf")

    class Mender(Rounder):
        def apply(self, staged):
            batch = staged.batch
            rows = [(*row[:3], 0.0 if row[3] == float("inf") else row[3], *row[4:]) for row in batch.rows]
            staged.batch = replace(batch, rows=rows)

    cosmos, archive = named("cosmos"), named("archive")
    outlets = [Outlet(cosmos), Outlet(archive, Wish.RAW, metered=False)]
    feed = MemoryFeed("S", 5, change=spoil)
    await engine_of(outlets, feed, stages=[Mender()])[0].run(continuous=False)
    assert rows_of(archive) == rows_of(cosmos) == [1, 2, 3, 4, 5]
    assert not feed.dead


async def test_a_reading_is_settled_when_every_sink_meant_for_it_has_it():
    cosmos, odd = named("cosmos"), named("anomalies")
    odd.hold = asyncio.Event()
    feed = MemoryFeed("S", 200)
    outlets = [Outlet(cosmos, Wish.ORDINARY), Outlet(odd, Wish.ANOMALOUS)]
    engine, _ = engine_of(outlets, feed, stages=[Odd(150)], rows_per_read=100)
    run = asyncio.ensure_future(engine.run(continuous=False))
    async with asyncio.timeout(10):
        while len(feed.settled) < 100:
            await asyncio.sleep(0)
        assert max(feed.settled) <= 100
        odd.hold.set()
        await run
    assert sorted(feed.settled) == list(range(1, 201))


async def test_a_sink_that_cannot_be_opened_holds_the_others_up_no_further_than_the_bound():
    cosmos, archive = named("cosmos"), named("archive")
    ready = [False]

    def refuse(attempt):
        if not ready[0]:
            raise SinkRefused("the folder is not there")

    archive.on_open = refuse
    feed = MemoryFeed("S", 10_000)
    outlets = [Outlet(cosmos), Outlet(archive, metered=False)]
    engine, _ = engine_of(outlets, feed, max_in_flight=2000, interval=1.0)
    run = asyncio.ensure_future(engine.run(continuous=True))
    async with asyncio.timeout(20):
        while len(cosmos.documents) < 2000:
            await asyncio.sleep(0)
        progress = engine.progress()
        assert progress.state is EngineState.REFUSED
        assert progress.reason == "archive: the folder is not there"
        assert not feed.settled
        ready[0] = True
        while len(feed.settled) < 10_000:
            await asyncio.sleep(0)
    engine.drain()
    await run
    assert len(archive.documents) == len(cosmos.documents) == 10_000


async def test_one_sink_without_an_answer_is_named():
    def silent(sink, lane, documents):
        raise RequestFailed(Judgement(Verdict.TRANSIENT, reason="no route"), unreachable=True)

    cosmos, odd = named("cosmos"), named("anomalies", script=silent)
    outlets = [Outlet(cosmos), Outlet(odd)]
    engine, _ = engine_of(outlets, MemoryFeed("S", 10), patience=2.0)
    with pytest.raises(SinkUnreachable, match="anomalies"):
        await engine.run(continuous=False)
    assert len(cosmos.documents) == 10


async def test_containers_share_one_budget_and_an_archive_has_none():
    cosmos, odd, archive = named("cosmos"), named("anomalies"), named("archive")
    outlets = [Outlet(cosmos, Wish.ORDINARY), Outlet(odd, Wish.ANOMALOUS), Outlet(archive, metered=False)]
    engine, clock = engine_of(outlets, MemoryFeed("S", 2000), stages=[Odd(2)], max_ru_per_second=1000.0)
    await engine.run(continuous=False)
    assert clock.elapsed >= 2000 * 5.0 / 1000.0 * 0.9
    assert engine.progress().totals.request_units == 2000 * 5.0


async def test_stages_forget_a_file_that_is_read_anew():
    stage = Odd(7)
    feed = MemoryFeed("S", 10)
    engine, _ = engine_of([named("sink")], feed, stages=[stage])
    await engine.run(continuous=False)
    assert stage.forgotten == []
    feed._next = 0
    engine._outlets.take(feed, await feed.read(5))
    assert stage.forgotten == ["S"]

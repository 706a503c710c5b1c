"""What goes wrong around windows: rejected documents, retries, other rows, files without marks, new files."""

import asyncio

import pytest

from sensor_tui.errors import SourceFileError, StorageError
from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.contract import Judgement, Verdict
from tests.aggregate.conftest import START


def refuse_parts(which):
    """The sink refuses documents of which `which` holds."""

    def script(sink, lane, documents):
        bad = {
            position: Judgement(Verdict.REJECTED, code=400, reason="it is odd")
            for position, document in enumerate(documents)
            if which(document)
        }
        return sink.store(documents, bad)

    return script


async def with_store(rig, work):
    store = SqliteStore(rig.root, clock=rig.clock)
    await store.open()
    await store.scan()
    try:
        return await work(store)
    finally:
        await store.close()


async def test_a_document_that_is_rejected_makes_dead_letters_that_can_be_retried(rig):
    sensor = rig.sensor()
    sensor.write(*range(60))
    rig.at(100.0)
    rig.sink.script = refuse_parts(lambda document: document["windowStart"].endswith("14:00.000000Z"))
    engine = await rig.once()
    assert sensor.synced() == {row: 1 if row <= 30 else -1 for row in range(1, 61)}
    assert engine.progress().totals.rejected == 1
    assert rig.statuses[0].dead_letters == 30

    async def retry(store):
        letters = await store.ledger.letters()
        assert [each.letter.row_id for each in letters] == list(range(31, 61))
        assert {(each.letter.reason, each.letter.code, each.letter.sensor_id) for each in letters} == {
            ("it is odd", 400, "S1")
        }
        assert '"windowStart"' in letters[0].letter.document
        assert "row 31" in letters[1].letter.document
        assert (await store.reopen()).letters == 30
        await store.rewinds()

    await with_store(rig, retry)
    rig.sink.script = None
    await rig.once()
    assert [(each["count"], each["part"]) for each in rig.documents()] == [(30, 1), (30, 2)]
    assert sensor.open() == []
    assert set(sensor.synced().values()) == {1}


async def test_a_retry_while_others_wait_counts_nobody_twice(rig):
    sensor = rig.sensor()
    sensor.write(0, 1)
    sensor.write(2, temperature=b"odd")
    sensor.write(*range(3, 20))
    rig.at(20.0)
    store, source, engine = rig.build(interval=0.1)
    await store.open()
    run = asyncio.ensure_future(engine.run(continuous=True))
    await until(lambda: source.status() and source.status()[0].held == 19)
    assert not rig.sink.documents
    sensor.run("UPDATE sensor_readings SET temperature = 22.0 WHERE id = 3")
    await store.reopen()
    await until(lambda: source.status()[0].held == 20)
    sensor.write(40)
    await until(lambda: rig.sink.documents)
    engine.drain()
    await run
    await store.close()
    assert [each["count"] for each in rig.documents()] == [20]
    assert sensor.open() == [21]


async def until(look):
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0)


async def test_rows_changed_meanwhile_are_not_marked_and_the_others_are(rig):
    sensor = rig.sensor()
    sensor.write(*range(30))
    rig.at(100.0)
    rig.hook = lambda store: before(store, "close_held", change)

    def change():
        sensor.run("UPDATE sensor_readings SET synced = 1 WHERE id = 5")
        sensor.run("UPDATE sensor_readings SET timestamp = timestamp + 1000 WHERE id = 6")
        sensor.run("UPDATE sensor_readings SET sensor_id = 'other' WHERE id = 7")
        sensor.run("DELETE FROM sensor_readings WHERE id = 1")

    await rig.once()
    assert sensor.open() == [6, 7]
    assert rig.documents()[0]["count"] == 30


async def test_a_run_whose_rows_are_others_now_stays_as_it_is(rig):
    sensor = rig.sensor()
    sensor.write(*range(30))
    rig.at(100.0)

    def change():
        sensor.run("DELETE FROM sensor_readings")
        sensor.run("DELETE FROM sqlite_sequence")
        sensor.write(*[second + 0.5 for second in range(29)])

    rig.hook = lambda store: before(store, "close_held", change)
    await rig.once()
    assert sensor.open() == list(range(1, 30))
    rig.hook = lambda store: None
    await rig.once()
    assert sorted(each["count"] for each in rig.documents()) == [29, 30]
    assert sensor.open() == []


def before(store, name, work):
    real = getattr(store, name)

    async def wrapper(*given, **named):
        setattr(store, name, real)
        work()
        return await real(*given, **named)

    setattr(store, name, wrapper)


async def test_a_recreated_file_begins_anew(rig):
    sensor = rig.sensor()
    sensor.write(*range(41))
    rig.at(45.0)
    store, source, engine = rig.build(interval=0.1)
    await store.open()
    run = asyncio.ensure_future(engine.run(continuous=True))
    await until(lambda: rig.sink.documents and source.status()[0].held == 11)
    first = dict(rig.sink.documents)
    sensor.run("DELETE FROM sensor_readings")
    sensor.run("DELETE FROM sqlite_sequence")
    sensor.write(*[second + 0.5 for second in range(25, 41)])
    await until(lambda: source.status()[0].held == 11 and len(rig.sink.documents) == 2)
    engine.drain()
    await run
    await store.close()
    (new,) = (each for key, each in rig.sink.documents.items() if key not in first)
    assert (new["part"], new["count"], new.get("late")) == (1, 5, None)
    assert sensor.open() == list(range(6, 17))


async def test_a_file_without_marks_goes_by_its_position(rig):
    sensor = rig.sensor(synced=False)
    sensor.write(*range(35))
    sensor.write(29.5)  # in the first window, behind one of the second
    sensor.write(*range(35, 45))
    rig.at(45.0)
    await rig.once()
    assert [each["count"] for each in rig.documents()] == [31]
    await rig.once()
    rig.at(100.0)
    for _ in range(2):
        await rig.once()
        assert [each["count"] for each in rig.documents()] == [31, 15]

    async def look(store):
        assert await store.ledger.positions("London/S1/sensor_data.db") == {"memory": 46}
        assert await store.intents("London/S1/sensor_data.db") == []

    await with_store(rig, look)


async def test_a_retry_in_a_file_without_marks_takes_that_row_alone(rig):
    sensor = rig.sensor(synced=False)
    sensor.write(*range(10))
    sensor.write(10, temperature=b"odd")
    sensor.write(*range(11, 30))
    rig.at(100.0)
    await rig.once()
    sensor.run("UPDATE sensor_readings SET temperature = 30.0 WHERE id = 11")

    async def retry(store):
        assert (await store.reopen()).letters == 1
        await store.rewinds()

    await with_store(rig, retry)
    for _ in range(2):
        await rig.once()
        assert [each["count"] for each in rig.documents()] == [29, 1]

    async def look(store):
        assert await store.ledger.positions("London/S1/sensor_data.db") == {"memory": 30}
        assert await store.intents("London/S1/sensor_data.db") == []

    await with_store(rig, look)


async def test_windows_are_bounded_whatever_the_times(rig, monkeypatch):
    monkeypatch.setattr("sensor_tui.sync.aggregate_feed._MOST_WINDOWS", 5)
    rig.lateness = 50_000.0
    sensor = rig.sensor()
    sensor.write(*[30.0 * number for number in range(100)])
    rig.at(100_000.0)
    await rig.once(rows_per_read=2)
    assert {each["part"] for each in rig.documents()} == {1}
    assert [each["complete"] for each in rig.documents()] == sorted(
        each["complete"] for each in rig.documents()
    )
    assert sum(each["count"] for each in rig.documents()) == 100
    assert sensor.open() == []


async def test_nothing_is_sent_while_the_ledger_cannot_be_written(rig):
    sensor = rig.sensor()
    sensor.write(*range(60))
    rig.at(100.0)

    def fail(store):
        async def intend(*given):
            raise StorageError("no space left for the ledger")

        store.intend = intend

    rig.hook = fail
    with pytest.raises(StorageError, match="no space left"):
        await rig.once()
    assert not rig.sink.documents
    assert len(sensor.open()) == 60
    assert (rig.statuses[0].held, rig.statuses[0].backlog) == (60, 60)
    rig.hook = lambda store: None
    await rig.once()
    assert [each["count"] for each in rig.documents()] == [30, 30]


async def test_marks_that_cannot_be_made_are_made_by_the_next_run(rig):
    sensor = rig.sensor()
    sensor.write(*range(60))
    rig.at(100.0)

    def fail(store):
        async def close_held(*given):
            raise SourceFileError("London/S1/sensor_data.db: locked")

        store.close_held = close_held

    rig.hook = fail
    await rig.once()
    assert len(sensor.open()) == 60
    assert rig.statuses[0].backlog == 60
    first = dict(rig.sink.documents)
    sensor.write(5.5)
    rig.hook = lambda store: None
    await rig.once()
    assert sensor.open() == []
    assert first.items() <= rig.sink.documents.items()
    assert [(each["part"], each["count"]) for each in rig.documents()] == [(1, 30), (2, 1), (1, 30)]


async def test_a_dry_run_records_nothing(rig):
    sensor = rig.sensor()
    sensor.write(*range(60))
    rig.at(100.0)
    rig.dry = True
    await rig.once()
    assert [each["count"] for each in rig.documents()] == [30, 30]
    assert len(sensor.open()) == 60
    assert not (rig.root / ".sensor-tui").exists()


async def test_a_silent_sensor_is_waited_for_while_the_service_runs(rig):
    sensor = rig.sensor()
    sensor.write(*range(20))
    rig.at(99.0)
    store, source, engine = rig.build(interval=0.1)
    await store.open()
    run = asyncio.ensure_future(engine.run(continuous=True))
    await until(lambda: source.status() and source.status()[0].held == 20)
    since = rig.clock.elapsed
    await until(lambda: rig.clock.elapsed > since + 65)
    assert not rig.sink.documents
    rig.at(100.0)
    await until(lambda: rig.sink.documents)
    await until(lambda: not sensor.open())
    assert source.status()[0].held == 0
    engine.drain()
    await run
    await store.close()


async def test_a_time_from_the_future_makes_nobody_late(rig):
    sensor = rig.sensor()
    sensor.write(1.0, 9_999_999.0, 2.0, 3.0)
    rig.at(100.0)
    await rig.once()
    assert [(each["count"], each["complete"]) for each in rig.documents()] == [(3, True), (1, False)]
    sensor.write(4.0, 9_999_998.0)
    await rig.once()
    found = [(each["count"], each["part"], each["complete"], each.get("late")) for each in rig.documents()]
    assert found == [
        (3, 1, True, None), (1, 2, True, True), (1, 1, False, None), (1, 2, False, None),
    ]  # fmt: skip
    assert sensor.open() == []


async def test_windows_far_ahead_end_one_another(rig, monkeypatch):
    """A clock ten years ahead, then right: everything is sent, and what is right is not late."""
    monkeypatch.setattr("sensor_tui.sync.aggregate_feed._MOST_WINDOWS", 50)
    rig.seconds = rig.lateness = 1.0
    sensor = rig.sensor()
    sensor.write(*[3e8 + number for number in range(200)], *range(40))
    rig.at(1000.0)
    await rig.once(rows_per_read=20)
    assert sum(each["count"] for each in rig.documents()) == 240
    assert sensor.open() == []
    assert rig.statuses[0].backlog == 0
    right = [each for each in rig.documents() if each["windowStart"] < "2030"]
    assert [(each["count"], each["part"], each["complete"], each.get("late")) for each in right] == [
        (1, 1, True, None)
    ] * 40


async def test_windows_ahead_end_by_silence_while_the_service_runs(rig):
    rig.quiet = 8.0
    sensor = rig.sensor()
    sensor.write(*range(10), *[20_000.0 + number for number in range(5)])
    rig.at(15.0)
    store, source, engine = rig.build(interval=0.1)
    await store.open()
    run = asyncio.ensure_future(engine.run(continuous=True))
    await until(lambda: source.status() and source.status()[0].held == 15)
    assert not rig.sink.documents
    await until(lambda: rig.sink.documents)
    sensor.write(10)
    await until(lambda: source.status()[0].held == 11)
    rig.at(100.0)
    await until(lambda: not sensor.open())
    engine.drain()
    await run
    await store.close()
    found = [(each["count"], each["part"], each["complete"], each.get("late")) for each in rig.documents()]
    assert found == [
        (11, 1, True, None), (5, 1, False, None),
    ]  # fmt: skip


async def test_what_is_closed_for_room_is_not_complete_and_what_follows_is_not_late(rig, monkeypatch):
    """Sensors that take turns in a file: each row is a row range of its own."""
    monkeypatch.setattr("sensor_tui.sync.aggregate_feed._MOST_RUNS", 40)
    rig.seconds = 3600.0
    sensor = rig.sensor()
    start = -(START % 3600.0)
    for number in range(100):
        sensor.write(start + number)
        sensor.write(start + number, sensor="S2")
    rig.at(10_000.0)
    await rig.once(rows_per_read=10, max_in_flight=20)
    for name in ("S1", "S2"):
        parts = [each for each in rig.documents() if each["sensorId"] == name]
        assert [each["part"] for each in parts] == list(range(1, len(parts) + 1))
        assert not any(each["complete"] for each in parts[:-1])
        assert not any("late" in each for each in parts)
        assert sum(each["count"] for each in parts) == 100
    assert len(rig.documents()) > 2
    assert sensor.open() == []
    sensor.write(start + 0.5)
    await rig.once()
    assert [(each["count"], each["late"]) for each in rig.documents() if "late" in each] == [(1, True)]


async def test_parts_of_windows_long_past_go_on_counting(rig):
    sensor = rig.sensor()
    rig.seconds = 1.0
    rig.lateness = 0.0
    sensor.write(*range(700))
    rig.at(1000.0)
    await rig.once()
    for _ in range(3):
        sensor.write(5.5)
        await rig.once()
    sensor.write(6.5, 8.5)
    await rig.once()
    parts = [(each["windowStart"][17:19], each["part"]) for each in rig.documents() if each.get("late")]
    assert parts == [("35", 2), ("35", 3), ("35", 4), ("36", 5), ("38", 5)]

    async def look(store):
        (count,) = await store.ledger.fetch("SELECT count(*) FROM windows")
        assert count[0] <= 501

    await with_store(rig, look)
    assert sum(each["count"] for each in rig.documents()) == 705

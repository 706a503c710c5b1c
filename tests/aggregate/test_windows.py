"""Windows: when they close, what their documents say, and what waits."""

import pytest

from tests.aggregate.conftest import START


async def test_a_window_closes_when_a_later_reading_was_read(rig):
    sensor = rig.sensor()
    sensor.write(*range(41))  # the last one, at 40 s, is the end of the window and its lateness
    rig.at(39.0)
    await rig.once()
    (document,) = rig.documents()
    assert document["id"]
    assert document | {"id": ""} == {
        "id": "",
        "sensorId": "S1",
        "city": "London",
        "location": "London",
        "model": "M1",
        "timestamp": "2025-07-31T22:13:30.000000Z",
        "windowStart": "2025-07-31T22:13:30.000000Z",
        "windowEnd": "2025-07-31T22:14:00.000000Z",
        "windowSeconds": 30,
        "count": 30,
        "anomalyCount": 0,
        "temperature": {"min": 20.0, "max": 49.0, "avg": 34.5, "count": 30, "anomalyCount": 0},
        "humidity": {"min": 50.0, "max": 50.0, "avg": 50.0, "count": 30, "anomalyCount": 0},
        "complete": True,
        "part": 1,
        "processingStage": "Aggregated",
    }
    assert sensor.open() == list(range(31, 42))
    (status,) = rig.statuses
    assert (status.backlog, status.held, status.oldest_open) == (11, 11, START + 30)


async def test_a_window_waits_for_its_lateness(rig):
    rig.sensor().write(*range(40))
    rig.at(39.9)
    await rig.once()
    assert not rig.sink.documents


async def test_the_clock_ends_windows_of_a_run_that_is_not_continuous(rig):
    sensor = rig.sensor()
    sensor.write(*range(35))
    rig.at(40.0)
    await rig.once()
    (document,) = rig.documents()
    assert (document["count"], sensor.open()) == (30, [31, 32, 33, 34, 35])
    rig.at(70.0)
    await rig.once()
    assert [each["count"] for each in rig.documents()] == [30, 5]
    assert sensor.open() == []
    assert not rig.statuses[0].held


async def test_a_large_backlog_gives_one_document_a_window(rig):
    sensor = rig.sensor()
    sensor.write(*range(3000))
    rig.at(10_000.0)
    engine = await rig.once(max_in_flight=200)
    assert [each["count"] for each in rig.documents()] == [30] * 100
    assert {each["part"] for each in rig.documents()} == {1}
    assert sensor.open() == []
    totals = engine.progress().totals
    assert (totals.read, totals.accepted) == (3000, 100)


async def test_late_readings_become_further_parts(rig):
    sensor = rig.sensor()
    sensor.write(*range(41))
    rig.at(42.0)
    await rig.once()
    sensor.write(5.5, 6.5, temperature=100.0)
    await rig.once()
    sensor.write(7.5, temperature=-100.0)
    await rig.once()
    parts = [each for each in rig.documents() if each["windowStart"].endswith("13:30.000000Z")]
    assert [(each["part"], each["count"], each.get("late")) for each in parts] == [
        (1, 30, None), (2, 2, True), (3, 1, True),
    ]  # fmt: skip
    assert all(each["complete"] for each in parts)
    assert sensor.open() == list(range(31, 42))


async def test_sensors_and_cities_have_windows_of_their_own(rig):
    sensor = rig.sensor()
    for second in range(30):
        sensor.write(second)
        sensor.write(second, sensor="S2", location="Paris (48.8, 2.3)")
    rig.at(100.0)
    await rig.once()
    assert [(each["sensorId"], each["city"], each["count"]) for each in rig.documents()] == [
        ("S1", "London", 30), ("S2", "Paris", 30),
    ]  # fmt: skip
    assert sensor.open() == []


async def test_facts_that_differ_are_left_out_and_flags_are_counted(rig):
    sensor = rig.sensor()
    sensor.write(1, 2)
    sensor.write(3, model="M2", anomaly_flag=1, humidity=None)
    rig.at(100.0)
    await rig.once()
    (document,) = rig.documents()
    assert "model" not in document
    assert document["location"] == "London"
    assert document["anomalyCount"] == 1
    assert (document["temperature"]["anomalyCount"], document["humidity"]["anomalyCount"]) == (1, 0)
    assert document["humidity"]["count"] == 2


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"timestamp": "yesterday"}, "no usable time"),
        ({"timestamp": 253402300799.0}, "no usable time"),
        ({"sensor_id": None}, "no sensor id"),
        ({"temperature": b"\x00"}, "a blob of 1 bytes"),
        ({"humidity": float("inf")}, "infinity"),
    ],
)
async def test_a_row_that_fits_into_no_window_is_a_dead_letter(rig, cells, reason):
    sensor = rig.sensor()
    sensor.write(1, 2)
    sensor.write(3, **cells)
    sensor.write(4)
    rig.at(100.0)
    store, _, engine = rig.build()
    await store.open()
    await engine.run(continuous=False)
    (letter,) = await store.ledger.letters()
    await store.close()
    assert (letter.letter.row_id, letter.letter.sink) == (3, "memory")
    assert reason in letter.letter.reason
    assert sensor.synced() == {1: 1, 2: 1, 3: -1, 4: 1}
    assert [each["count"] for each in rig.documents()] == [3]

"""Values over time: the right stretch, thinned without losing a spike, and beside a sensor that writes."""

import math

import pytest

from sensor_tui.errors import SourceFileError, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.series import SeriesReaders, thinned
from sensor_tui.storage.latest import LeanConnection, Place

START = 1_755_000_000.0


@pytest.fixture
def read():
    made = []

    async def ask(*paths, measure=None, most_rows=200_000, **options):
        readers = SeriesReaders(SystemClock(), most_rows=most_rows)
        made.append(readers)
        places = [Place(path.parent.name, str(path), rollback=True) for path in paths]
        return await readers.read("key", places, measure, **options)

    yield ask
    for each in made:
        each.close()


@pytest.mark.parametrize("generation", ["2025-04", "2025-08"])
@pytest.mark.parametrize("wal", [False, True])
async def test_everything_of_a_small_file(read, sensor, generation, wal):
    found = await read(sensor(rows=50, generation=generation, wal=wal), measure="voltage")
    assert len(found.times) == found.readings == 50
    assert found.times[0] == pytest.approx(START, abs=0.01)
    assert found.times == sorted(found.times)
    assert (found.sensor, found.measure) == ("key", "voltage")
    assert set(found.measures) >= {"temperature", "vibration", "voltage"}


async def test_a_stretch_is_found_by_its_times(read, sensor):
    path = sensor(rows=20_000)
    found = await read(path, since=START + 12_000, until=START + 12_099.5, points=500)
    assert found.readings == 100
    assert found.times[0] >= START + 12_000
    assert found.times[-1] <= START + 12_099.5
    assert (await read(path, since=START + 10**6)).readings == 0
    assert (await read(path, until=START - 1)).readings == 0
    assert (await read(path, since=START - 100, until=START + 4.5)).readings == 5


async def test_a_spike_survives_thinning(read, sensor, change):
    path = sensor(rows=20_000)
    change(path, "UPDATE sensor_readings SET temperature = 900 WHERE id = 12345")
    change(path, "UPDATE sensor_readings SET temperature = -900 WHERE id = 3456")
    found = await read(path, points=100)
    assert found.readings == 20_000
    assert len(found.times) <= 100
    assert max(found.values) == 900
    assert min(found.values) == -900
    assert found.anomalies
    assert len(found.anomalies) <= 100


async def test_more_rows_than_may_be_read_are_spread_over_the_whole(read, sensor):
    found = await read(sensor(rows=30_000), most_rows=5000, points=1000)
    assert 4000 <= found.readings <= 5000
    assert found.times[-1] - found.times[0] > 25_000


async def test_what_is_no_number_or_has_no_time_is_a_gap(read, plain):
    rows = [
        (1, START, 1.0, 0), (2, START + 1, None, 0), (3, START + 2, "warm", 0), (4, "never", 4.0, 0),
        (5, None, 5.0, 0), (6, START + 5, math.inf, 0), (7, START + 6, 7, "true"), (8, b"\x00", 8.0, 0),
    ]  # fmt: skip
    found = await read(plain("id INTEGER PRIMARY KEY, timestamp, temperature, anomaly_flag", rows))
    assert list(zip(found.times, found.values, strict=True)) == [(START, 1.0), (START + 6, 7.0)]
    assert found.anomalies == [START + 6]


async def test_a_hostile_column_is_a_measure_like_others(read, plain):
    name = 'a`b"; DROP TABLE sensor_readings; --'
    path = plain(
        'id INTEGER PRIMARY KEY, timestamp, "a`b""; DROP TABLE sensor_readings; --"', [(1, START, 4)]
    )
    found = await read(path)
    assert (found.measure, found.values) == (name, [4.0])


async def test_files_of_one_sensor_are_put_together(read, sensor):
    old = sensor("A", rows=10, start=START)
    new = sensor("B", rows=10, start=START + 10)
    found = await read(new, old)
    assert found.readings == 20
    assert found.times == sorted(found.times)


async def test_a_measure_that_there_is_none_of_is_named(read, sensor):
    with pytest.raises(UsageError, match=r"no measure 'radon'.*temperature"):
        await read(sensor(rows=3), measure="radon")


async def test_an_empty_table_has_no_points(read, plain):
    found = await read(plain("id INTEGER PRIMARY KEY, timestamp, temperature", []))
    assert (list(found.times), found.measure) == ([], "temperature")


async def test_a_table_without_measures_has_no_points(read, plain):
    found = await read(plain("id INTEGER PRIMARY KEY, timestamp", [(1, START)]))
    assert (list(found.times), list(found.measures)) == ([], [])


async def test_a_file_that_cannot_be_read_is_said_so(read, root):
    bad = root / "A" / "bad.db"
    bad.parent.mkdir()
    bad.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(SourceFileError, match="not an SQLite database"):
        await read(bad)


async def test_no_statement_of_a_series_looks_at_more_than_a_window(read, sensor, monkeypatch):
    seen = []
    run = LeanConnection.run

    def noted(self, purpose, sql, values=()):
        changed = run(self, purpose, sql, values)
        seen.append((purpose, changed))
        return changed

    path = sensor(rows=30_000)
    monkeypatch.setattr(LeanConnection, "run", noted)
    assert (await read(path)).readings == 30_000
    assert max(changed for purpose, changed in seen if purpose == "series") <= 4000
    assert {purpose for purpose, _ in seen} <= {"schema", "ends", "probe", "series"}


@pytest.mark.parametrize("most", [2, 3, 10, 99])
def test_thinning_keeps_ends_of_every_stretch(most):
    points = [(float(n), math.sin(n)) for n in range(1000)]
    kept = thinned(points, most)
    assert len(kept) <= most
    assert max(value for _, value in kept) == max(value for _, value in points)
    assert kept == sorted(kept)


def test_points_of_one_moment_are_thinned_too():
    assert len(thinned([(1.0, float(n)) for n in range(100)], 10)) <= 10

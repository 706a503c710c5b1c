import dataclasses
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.errors import SourceFileError, StorageError, UsageError
from sensor_tui.simulator.config import SensorConfig
from sensor_tui.simulator.run import run
from sensor_tui.simulator.schema import GENERATIONS, SimulatedReading

START = 1_760_000_000.25  # where the manual clock begins
Rows = Callable[[Path], list[dict[str, Any]]]


def config(**sections: Any) -> SensorConfig:
    quiet = {"anomalies": {"enabled": False}, "sensor": {"id": "MNL_000007", "city": "Manila"}}
    return SensorConfig.model_validate({**quiet, **sections})


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "Manila" / "MNL_000007" / "sensor_data.db"


def test_the_older_generation_has_epoch_seconds_and_coordinates_in_the_location(
    db: Path, clock, stop, rows: Rows
) -> None:
    run(config(), db=db, clock=clock, stop=stop, generation="2025-04", rate=2, count=3)
    written = rows(db)
    assert [row["timestamp"] for row in written] == [START, START + 0.5, START + 1.0]
    assert {row["location"] for row in written} == {"Manila (14.595554, 120.976885)"}
    assert {row["synced"] for row in written} == {0}
    assert {row["sensor_id"] for row in written} == {"MNL_000007"}


def test_the_newer_generation_has_local_time_with_offset_and_the_place_in_columns(
    db: Path, clock, stop, rows: Rows
) -> None:
    settings = config(
        sensor={
            "id": "MNL_000007",
            "city": "Manila",
            "manufacture_date": "2025-01-15",
            "serial_number": "S1",
            "deployment": {"type": "mobile", "installation_date": "2025-03-01", "height_meters": 2},
        }
    )
    run(settings, db=db, clock=clock, stop=stop, generation="2025-08", rate=1, count=1)
    (row,) = rows(db)
    time = datetime.fromisoformat(row["timestamp"])
    assert (time.timestamp(), time.utcoffset()) == (START, timedelta(hours=8))
    expected = {
        "location": "Manila", "synced": None, "latitude": 14.595554, "longitude": 120.976885,
        "original_timezone": "Asia/Manila", "serial_number": "S1", "manufacture_date": "2025-01-15",
        "deployment_type": "mobile", "installation_date": "2025-03-01", "height_meters": 2.0,
        "orientation_degrees": None, "instance_id": "MNL_000007-1", "sensor_type": "environmental",
    }  # fmt: skip
    assert {key: row[key] for key in expected} == expected
    assert 10 <= row["humidity"] <= 95
    assert 950 <= row["pressure"] <= 1060


@pytest.mark.parametrize("generation", GENERATIONS)
def test_anomalies_are_flagged_and_named(db: Path, clock, stop, rows: Rows, generation: str) -> None:
    types = {name: {"enabled": False} for name in ("trend", "pattern", "missing_data", "noise")}
    settings = config(anomalies={"probability": 0.5, "types": types})
    run(settings, db=db, clock=clock, stop=stop, generation=generation, rate=0, count=200)
    seen = {(row["anomaly_flag"], row["anomaly_type"], row["status_code"]) for row in rows(db)}
    assert seen == {(0, None, 0), (1, "spike", 1)}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_existing_file_is_continued(db: Path, clock, stop, rows: Rows, generation: str) -> None:
    for _ in range(2):
        run(config(), db=db, clock=clock, stop=stop, generation=generation, rate=1, count=3)
    assert [row["id"] for row in rows(db)] == [1, 2, 3, 4, 5, 6]


def test_an_existing_file_is_emptied_only_when_told(db: Path, clock, stop, rows: Rows) -> None:
    settings = config(database={"preserve_existing_db": False})
    for _ in range(2):
        run(settings, db=db, clock=clock, stop=stop, rate=1, count=3)
    assert [row["id"] for row in rows(db)] == [1, 2, 3]


@pytest.mark.parametrize("rate", [0.1, 1, 7, 1000])
def test_the_rate_is_kept_without_drift(db: Path, clock, stop, rate: float) -> None:
    times: list[float] = []
    run(
        config(),
        db=db,
        clock=clock,
        stop=stop,
        rate=rate,
        count=200,
        on_reading=lambda r: times.append(r.time),
    )
    assert times == pytest.approx([START + index / rate for index in range(200)], abs=1e-6)


def test_slow_commits_do_not_slow_the_rate(db: Path, clock, stop) -> None:
    times: list[float] = []

    def slow(reading: SimulatedReading) -> None:
        times.append(reading.time)
        clock.elapsed += 0.07

    run(config(), db=db, clock=clock, stop=stop, rate=10, count=50, on_reading=slow)
    assert times == pytest.approx([START + index / 10 for index in range(50)], abs=1e-6)


def test_a_sensor_held_up_for_long_drops_what_it_missed(db: Path, clock, stop) -> None:
    times: list[float] = []

    def held_up_once(reading: SimulatedReading) -> None:
        times.append(reading.time)
        if len(times) == 3:
            clock.elapsed += 60

    run(config(), db=db, clock=clock, stop=stop, rate=1, count=5, on_reading=held_up_once)
    assert times == [START + 0, START + 1, START + 2, START + 62, START + 63]


def test_a_run_time_ends_the_run(db: Path, clock, stop) -> None:
    settings = config(simulation={"run_time_seconds": 10, "readings_per_second": 2})
    stats = run(settings, db=db, clock=clock, stop=stop)
    assert stats.count == 20
    assert clock.elapsed == pytest.approx(10)


def test_at_rate_zero_readings_come_in_batches_without_waiting(db: Path, clock, stop, rows: Rows) -> None:
    stats = run(config(), db=db, clock=clock, stop=stop, rate=0, count=1234)
    assert (stats.count, stats.commits, clock.elapsed) == (1234, 3, 0.0)
    assert len(rows(db)) == 1234


def test_readings_that_are_missing_are_counted_and_not_written(db: Path, clock, stop, rows: Rows) -> None:
    types = {name: {"enabled": False} for name in ("trend", "pattern", "spike", "noise")}
    settings = config(anomalies={"probability": 0.5, "types": types})
    stats = run(settings, db=db, clock=clock, stop=stop, rate=10, count=300)
    assert stats.count == len(rows(db)) == 300
    assert stats.missing > 0
    assert clock.elapsed == pytest.approx((stats.count + stats.missing - 1) / 10)


def test_a_stop_ends_the_wait_for_the_next_reading(db: Path, clock, stop) -> None:
    stop.on_wait = stop.set
    stats = run(config(), db=db, clock=clock, stop=stop, rate=0.0001)
    assert stats.count == 1


def test_a_count_of_zero_only_makes_the_file(db: Path, clock, stop, rows: Rows) -> None:
    assert run(config(), db=db, clock=clock, stop=stop, count=0).count == 0
    assert rows(db) == []


def test_a_stop_before_the_start_writes_nothing(db: Path, clock, stop) -> None:
    stop.set()
    assert run(config(), db=db, clock=clock, stop=stop).count == 0


def test_the_write_ahead_log_is_emptied_at_the_end(db: Path, clock, stop, rows: Rows) -> None:
    settings = config(database={"wal": True})
    with closing(sqlite3.connect(db_ready(db))) as reader:
        run(settings, db=db, clock=clock, stop=stop, generation="2025-04", rate=0, count=100)
        reader.execute("SELECT count(*) FROM sensor_readings").fetchone()
        assert Path(f"{db}-wal").stat().st_size == 0
    assert len(rows(db)) == 100


def db_ready(db: Path) -> Path:
    db.parent.mkdir(parents=True, exist_ok=True)
    return db


def test_a_locked_file_is_tried_until_it_is_free(
    db: Path, clock, stop, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    run(config(), db=db, clock=clock, stop=stop, rate=0, count=1)
    with closing(sqlite3.connect(db, isolation_level=None)) as other:

        def lock_before_the_second(_: SimulatedReading) -> None:
            if not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")

        def free_after_a_while() -> None:
            clock.elapsed += 3  # stands for what SQLite waited
            if clock.elapsed > 12 and other.in_transaction:
                other.execute("ROLLBACK")

        stop.on_wait = free_after_a_while
        stats = run(
            config(), db=db, clock=clock, stop=stop, rate=1, count=2, on_reading=lock_before_the_second
        )
    assert len(rows(db)) == 3
    assert (stats.count, stats.lost, stats.locked) == (2, 0, 1)
    assert stats.max_seconds > 5
    assert "locked by another process for 5 s, trying again" in caplog.text


def test_a_stop_while_locked_says_what_was_not_written(
    db: Path, clock, stop, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    run(config(), db=db, clock=clock, stop=stop, rate=0, count=1)
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stop.on_wait = stop.set
        stats = run(config(), db=db, clock=clock, stop=stop, rate=1)
    assert (stats.count, stats.lost) == (0, 1)
    assert "stopped while locked, 1 readings not written" in caplog.text
    assert len(rows(db)) == 1


def test_a_stop_while_the_file_cannot_even_be_opened_is_clean(db: Path, clock, stop) -> None:
    run(config(), db=db, clock=clock, stop=stop, rate=0, count=1)
    with closing(sqlite3.connect(db, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        stop.on_wait = stop.set
        assert run(config(), db=db, clock=clock, stop=stop).count == 0


def test_a_full_disk_ends_the_run_and_keeps_what_was_committed(
    db: Path, clock, stop, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite's own page limit gives the very error of a full disk.
    from sensor_tui.simulator import writer

    def small(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = open_database(*args, **options)
        connection.execute("PRAGMA max_page_count=50")
        return connection

    open_database = writer.open_database
    monkeypatch.setattr(writer, "open_database", small)
    with pytest.raises(StorageError, match=r"sensor_data\.db: no free disk space\. Free some"):
        run(config(), db=db, clock=clock, stop=stop, rate=0, generation="2025-04")
    assert len(rows(db)) % 500 == 0
    assert rows(db)


def test_a_file_deleted_under_the_sensor_is_one_line(db: Path, clock, stop) -> None:
    def delete(_: SimulatedReading) -> None:
        db.unlink()

    with pytest.raises(StorageError, match="moved or deleted while it was written"):
        run(config(), db=db, clock=clock, stop=stop, rate=1, on_reading=delete)


def test_a_file_of_the_other_generation_is_refused(db: Path, clock, stop) -> None:
    run(config(), db=db, clock=clock, stop=stop, generation="2025-04", count=1)
    with pytest.raises(UsageError, match="holds readings of generation 2025-04"):
        run(config(), db=db, clock=clock, stop=stop, generation="2025-08", count=1)


def test_emptying_refuses_a_file_that_is_not_a_sensors(db: Path, clock, stop) -> None:
    db_ready(db).write_text("precious " * 1000)
    with pytest.raises(SourceFileError, match="not an SQLite database"):
        run(config(database={"preserve_existing_db": False}), db=db, clock=clock, stop=stop)
    assert db.read_text().startswith("precious")


@pytest.mark.parametrize("rate", [-1, float("nan"), float("inf"), 1e-9])
def test_a_rate_no_sensor_can_keep_is_refused(db: Path, clock, stop, rate: float) -> None:
    with pytest.raises(UsageError, match=r"the rate .* is none a sensor can keep"):
        run(config(), db=db, clock=clock, stop=stop, rate=rate)


def test_statistics_are_plain_numbers(db: Path, clock, stop) -> None:
    stats = run(config(), db=db, clock=clock, stop=stop, rate=0, count=10)
    assert set(dataclasses.asdict(stats)) == {
        "count", "missing", "lost", "locked", "commits", "max_seconds", "p50_seconds", "p99_seconds",
    }  # fmt: skip

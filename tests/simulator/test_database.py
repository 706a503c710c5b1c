import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sensor_tui.errors import SourceFileError, StorageError, UsageError
from sensor_tui.simulator.database import DatabaseLocked, open_database, refusal, remove_database
from sensor_tui.simulator.schema import GENERATIONS, schema_for

OLD, NEW = (schema_for(generation) for generation in GENERATIONS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "London" / "LON_000001" / "sensor_data.db"


@pytest.fixture
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_database(path, OLD, wal=True)) as connection:
        yield connection


def columns(path: Path) -> list[tuple[str, str, int, object]]:
    with closing(sqlite3.connect(path)) as connection:
        info = connection.execute("PRAGMA table_info(sensor_readings)").fetchall()
        return [(name, kind, required, default) for _, name, kind, required, default, _ in info]


def journal(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def test_the_older_generation_has_the_columns_of_the_field(path: Path) -> None:
    open_database(path, OLD).close()
    made = columns(path)
    assert [name for name, *_ in made] == [
        "id", "timestamp", "sensor_id", "temperature", "vibration", "voltage", "status_code", "anomaly_flag",
        "anomaly_type", "firmware_version", "model", "manufacturer", "location", "synced",
    ]  # fmt: skip
    assert made[1] == ("timestamp", "REAL", 0, None)
    assert made[-1][3] == "0"


def test_the_newer_generation_has_the_columns_of_the_field(path: Path) -> None:
    open_database(path, NEW).close()
    made = columns(path)
    assert [name for name, *_ in made][13:] == [
        "synced", "humidity", "pressure", "latitude", "longitude", "original_timezone", "serial_number",
        "manufacture_date", "deployment_type", "installation_date", "height_meters", "orientation_degrees",
        "instance_id", "sensor_type",
    ]  # fmt: skip
    assert made[1] == ("timestamp", "TEXT", 1, None)
    assert made[13][3] is None


@pytest.mark.parametrize(("wal", "mode"), [(True, "wal"), (False, "delete")])
def test_the_journal_is_the_one_asked_for(path: Path, wal: bool, mode: str) -> None:
    open_database(path, OLD, wal=wal).close()
    assert journal(path) == mode


def test_the_journal_of_an_existing_file_is_changed(path: Path) -> None:
    open_database(path, OLD, wal=True).close()
    open_database(path, OLD, wal=False).close()
    assert journal(path) == "delete"


def test_a_file_others_have_open_keeps_its_journal(
    path: Path, reader: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    open_database(path, OLD, wal=False, busy_seconds=0).close()
    assert "keeps its wal journal" in caplog.text
    assert reader.execute("SELECT count(*) FROM sensor_readings").fetchone() == (0,)


@pytest.mark.parametrize(("holds", "asked"), [(OLD, NEW), (NEW, OLD)])
def test_a_file_of_the_other_generation_is_refused(path: Path, holds, asked) -> None:
    open_database(path, holds).close()
    with pytest.raises(UsageError, match=f"holds readings of generation {holds.generation}, not") as caught:
        open_database(path, asked)
    assert f"--generation {holds.generation}" in caught.value.fix


def test_unknown_extra_columns_are_no_obstacle(path: Path) -> None:
    open_database(path, OLD).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE sensor_readings ADD COLUMN batch TEXT")
    open_database(path, OLD).close()


def test_a_file_that_is_not_sqlite_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "sensor_data.db"
    path.write_bytes(b"timestamp,temperature\n" * 100)
    with pytest.raises(SourceFileError, match="not an SQLite database"):
        open_database(path, NEW)
    assert path.read_bytes().startswith(b"timestamp,temperature")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("customers (id INTEGER)", "a database of something else, without sensor_readings"),
        ("sensor_readings (id INTEGER, timestamp REAL)", "its sensor_readings lacks sensor_id, temperature"),
    ],
)
def test_a_database_of_something_else_is_refused(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table}")
    with pytest.raises(SourceFileError, match=message):
        open_database(path, OLD)


def test_an_integer_time_is_neither_generation(tmp_path: Path) -> None:
    path = tmp_path / "sensor_data.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(OLD.create.replace("timestamp REAL", "timestamp INTEGER"))
    with pytest.raises(SourceFileError, match="has a timestamp of type INTEGER"):
        open_database(path, OLD)


def test_a_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        open_database(tmp_path, NEW)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"sensor_data\.db: cannot be opened: .*File exists"):
        open_database(tmp_path / "file" / "sensor_data.db", NEW)


def test_a_locked_file_says_so(path: Path) -> None:
    open_database(path, OLD).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseLocked, match="locked by another process"):
            open_database(path, OLD, busy_seconds=0)


def test_an_unknown_generation_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="Use 2025-04 or 2025-08"):
        schema_for("2024")


def test_removing_takes_the_side_files_along(path: Path) -> None:
    open_database(path, OLD).close()
    Path(f"{path}-journal").touch()
    assert remove_database(path)
    assert list(path.parent.iterdir()) == []
    assert not remove_database(path)


def test_removing_refuses_what_is_no_sensor_database(tmp_path: Path) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("dear reader, " * 100)
    with pytest.raises(SourceFileError, match="not an SQLite database"):
        remove_database(path)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    with pytest.raises(SourceFileError, match="something else"):
        remove_database(other)
    assert path.exists()
    assert other.exists()


def test_what_sqlite_says_otherwise_is_passed_on(tmp_path: Path) -> None:
    error = refusal(tmp_path / "a.db", sqlite3.OperationalError("disk I/O error"))
    assert str(error).endswith("a.db: disk I/O error. Check the file, its folder and the free space")

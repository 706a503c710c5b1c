"""The newest rows of files: what changed, what was replaced, and what is not a reading."""

import os
import sqlite3

import pytest

from sensor_tui.storage.latest import LatestRows, LeanConnection, Place, measures_of


@pytest.fixture
def rows():
    latest = LatestRows()
    yield latest
    latest.release()


def looked(rows, *places):
    return {key: rows.look(key, 1.0) for key in rows.sweep(places)}


def place_of(path, *, rollback=True):
    return Place("a", str(path), rollback)


def settle(path):
    """Make a file look as if it had been written long ago."""
    os.utime(path, (1e9, 1e9))


def test_the_first_look_gives_the_newest_rows_and_the_next_one_only_what_is_new(rows, sensor):
    path = sensor(rows=100)
    first = looked(rows, place_of(path))["a"]
    assert first.again
    assert [row.row_id for row in first.rows] == list(range(41, 101))
    sensor(rows=3)
    second = looked(rows, place_of(path))["a"]
    assert not second.again
    assert [row.row_id for row in second.rows] == [101, 102, 103]


def test_a_file_that_has_not_changed_is_not_looked_at(rows, sensor):
    path = sensor()
    settle(path)
    assert set(looked(rows, place_of(path))) == {"a"}
    assert looked(rows, place_of(path)) == {}


def test_measures_are_the_numbers_there_are(rows, plain):
    columns = (
        'id INTEGER PRIMARY KEY, timestamp, sensor_id, temperature, humidity, `a``b"; --`, note, anomaly_flag'
    )
    odd = [
        (1, 1e9, "S", 21.5, None, 3, "text", 0),
        (2, 1e9 + 1, "S", float("inf"), "12", -1, "text", "true"),
        (3, 1e9 + 2, "S", b"\x00", 55, float("nan"), 7, 1),
    ]
    found = looked(rows, place_of(plain(columns, odd)))["a"].rows
    assert [row.values for row in found] == [
        {"temperature": 21.5, 'a`b"; --': 3.0},
        {'a`b"; --': -1.0},
        {"humidity": 55.0, "note": 7.0},
    ]
    assert [row.flagged for row in found] == [False, True, True]


@pytest.mark.parametrize("generation", ["2025-04", "2025-08"])
@pytest.mark.parametrize("wal", [False, True])
def test_both_layouts_in_both_modes(rows, sensor, generation, wal):
    path = sensor(generation=generation, wal=wal, rows=5)
    found = looked(rows, place_of(path, rollback=not wal))["a"].rows
    assert len(found) == 5
    assert {"temperature", "vibration", "voltage"} <= found[0].values.keys()
    assert "latitude" not in found[0].values
    assert "status_code" not in found[0].values


def test_nothing_is_left_beside_a_resting_wal_file(rows, sensor):
    path = sensor(wal=True, rows=5)
    before = sorted(path.parent.iterdir())
    looked(rows, place_of(path, rollback=False))
    assert sorted(path.parent.iterdir()) == before
    assert rows.open_connections == 0


def test_row_ids_that_began_again_are_noticed(rows, sensor, change):
    path = sensor(rows=50)
    looked(rows, place_of(path))
    change(path, "DELETE FROM sensor_readings")
    change(path, "INSERT INTO sensor_readings (id, timestamp, temperature) VALUES (1, 5.0, 1.0)")
    found = looked(rows, place_of(path))["a"]
    assert found.again
    assert [row.row_id for row in found.rows] == [1]


def test_a_file_that_was_replaced_is_read_anew(rows, sensor, plain, root):
    path = sensor(rows=50)
    looked(rows, place_of(path))
    other = plain("id INTEGER PRIMARY KEY, timestamp, humidity", [(7, 1e9, 4.0)], name="O")
    other.replace(path)
    found = looked(rows, place_of(path))["a"]
    assert found.again
    assert [row.values for row in found.rows] == [{"humidity": 4.0}]


def test_a_column_that_was_added_is_seen(rows, sensor, change):
    path = sensor(rows=5)
    looked(rows, place_of(path))
    change(path, "ALTER TABLE sensor_readings ADD COLUMN radon REAL")
    for number in range(61):
        change(path, "INSERT INTO sensor_readings (timestamp, radon) VALUES ('2025-08-01T00:00:00Z', 5)")
        found = looked(rows, place_of(path))["a"]
        if number == 60:
            assert found.rows[-1].values == {"radon": 5.0}


def test_a_column_that_is_gone_does_not_matter(rows, sensor, change):
    path = sensor(rows=5)
    looked(rows, place_of(path))
    change(path, "ALTER TABLE sensor_readings DROP COLUMN humidity")
    change(path, "INSERT INTO sensor_readings (timestamp, voltage) VALUES ('2025-08-01T00:00:00Z', 5)")
    assert looked(rows, place_of(path))["a"].rows[-1].values == {"voltage": 5.0}


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_file_that_cannot_be_read_is_left_alone_until_it_changes(rows, root, content):
    path = root / "bad.db"
    path.write_bytes(content)
    assert looked(rows, place_of(path)) == {"a": None}
    assert looked(rows, place_of(path)) == {}


def test_a_locked_file_is_looked_at_again(rows, sensor):
    path = sensor(rows=5)
    settle(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert looked(rows, place_of(path)) == {"a": None}
    other.execute("ROLLBACK")
    other.close()
    assert len(looked(rows, place_of(path))["a"].rows) == 5


def test_files_that_are_gone_are_let_go(rows, sensor):
    path = sensor()
    looked(rows, place_of(path))
    assert rows.open_connections == 1
    assert looked(rows) == {}
    assert rows.open_connections == 0


def test_no_more_connections_stay_open_than_allowed(sensor):
    rows = LatestRows(most_kept=2)
    places = [Place(name, str(sensor(name, rows=3)), rollback=True) for name in "ABCD"]
    assert all(look is not None for look in looked(rows, *places).values())
    assert rows.open_connections == 2
    rows.release(keep=1)
    assert rows.open_connections == 1
    rows.release()
    assert rows.open_connections == 0


def test_a_look_leaves_the_file_unlocked(sensor):
    path = sensor(rows=10)
    connection = LeanConnection(str(path))
    connection.newest(None)
    with sqlite3.connect(path, isolation_level=None, timeout=0) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")
    other.close()
    connection.close()


def test_usual_measures_come_first():
    assert measures_of(("id", "zeta", "Voltage", "temperature", "synced", "location")) == (
        "temperature",
        "Voltage",
        "zeta",
    )

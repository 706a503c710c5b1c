"""Columns that repeat are compared, not fetched; what is read is the same all the same."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_tui.model.reading import schema_of
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.repeats import changed, find_repeats

KEY = "London/A/sensor_data.db"


def sql(path, statement):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(statement).fetchall()


NAMES = ("id", "timestamp", "sensor_id", "model", "location", "height", "note")
SCHEMA = schema_of(NAMES)


def rows_of(count, **values):
    row = {"timestamp": 1.5, "sensor_id": "S", "model": "M", "location": "Oslo", "height": 2.5, "note": None}
    row |= values
    return [(number, number * 1.5, *list(row.values())[1:]) for number in range(1, count + 1)]


def test_what_repeats_is_found_and_comes_last():
    repeats = find_repeats(SCHEMA, rows_of(100), ())
    assert repeats.schema.columns == NAMES
    assert repeats.varying == (0, 1)
    assert repeats.values == ("S", "M", "Oslo", 2.5, None)
    without = find_repeats(SCHEMA, rows_of(100), {3})
    assert without.schema.columns == ("id", "timestamp", "model", "sensor_id", "location", "height", "note")
    assert without.schema.sensor_id == 3
    assert without.schema.fields == (
        "sqlite_id",
        "timestamp",
        "model",
        "sensorId",
        "location",
        "height",
        "note",
    )


@pytest.mark.parametrize("value", [b"blob", 0.0, -0.0])
def test_what_sqlite_does_not_compare_exactly_is_fetched(value):
    assert 5 not in find_repeats(SCHEMA, rows_of(100, height=value), ()).columns


def test_few_rows_or_few_columns_are_not_worth_it():
    assert find_repeats(SCHEMA, rows_of(20), ()) is None
    assert find_repeats(schema_of(("id", "timestamp", "a")), [(n, n, 1) for n in range(100)], ()) is None


def test_columns_that_turned_out_to_change_are_named():
    repeats = find_repeats(SCHEMA, rows_of(100), ())
    assert changed(repeats, rows_of(60) + rows_of(1, model="N")) == {3}


VALUES = st.one_of(
    st.none(),
    st.sampled_from(["a", "A", "a ", "1", "1.0"]),
    st.integers(0, 2),
    st.sampled_from([0.0, -0.0, 1.0, 2.5]),
)


@given(st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=4, max_size=12), st.integers(60, 90))
def test_a_file_is_read_exactly_whatever_repeats_and_changes(tmp_path_factory, stretches, length):
    path = tmp_path_factory.mktemp("repeats") / "sensor_data.db"
    declared = "a TEXT COLLATE NOCASE, b REAL, c, d INTEGER"
    sql(path, f"CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, {declared}, synced)")
    with closing(sqlite3.connect(path)) as db, db:
        for number, values in enumerate(stretches):
            db.executemany(
                "INSERT INTO sensor_readings VALUES (NULL, ?, ?, ?, ?, ?, 0)",
                [(number + step / 100, *values) for step in range(length)],
            )
    expected = sql(path, "SELECT id, timestamp, a, b, c, d FROM sensor_readings ORDER BY id")
    connection = SensorConnection(str(path), write=True)
    read = []
    try:
        for low in range(0, len(expected), length):
            for _ in range(2):
                connection.clear_batch()
                window = {"low": low, "high": low + length, "limit": length, "row": 0, "time": None}
                connection.copy_window(window)
                if connection.repeats_hold():
                    break
            schema, rows, _ = connection.take_batch()
            order = [schema.columns.index(name) for name in ("id", "timestamp", "a", "b", "c", "d")]
            read += [tuple(row[index] for index in order) for row in rows]
    finally:
        connection.close()
    assert read == expected
    assert [str(row) for row in read if 0.0 in row] == [str(row) for row in expected if 0.0 in row]


async def test_a_change_in_the_middle_of_a_file_is_read_as_it_is(sample, open_store, drain):
    path = sample(generation="2025-08", rows=900)
    sql(path, "UPDATE sensor_readings SET firmware_version = '9.9' WHERE id BETWEEN 333 AND 444")
    names = [name for _, name, *_ in sql(path, "PRAGMA table_info(sensor_readings)") if name != "synced"]
    store = await open_store()
    await store.scan()
    rows = await drain(store, KEY)
    assert rows == sql(path, f"SELECT {', '.join(names)} FROM sensor_readings ORDER BY id")
    assert sql(path, "SELECT count(*) FROM sensor_readings WHERE synced IS NOT 1") == [(0,)]

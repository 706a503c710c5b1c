"""The SQL made for a file: it never goes through the whole table, and never takes a name for a text."""

import sqlite3
from contextlib import closing

import pytest

from sensor_tui.storage.files import SensorConnection

EVERY = {
    "window": {"low": 1, "high": 9, "limit": 4, "row": 1, "time": 1.0},
    "count": (1, 9),
    "next_row": (1,),
    "first_above": (1,),
    "ends": {"row": 1, "time": 1.0},
    "facts": (1,),
    "mark_run": {"first": 1, "last": 2, "first_time": 1.0, "last_time": 2.0, "value": 1, "count": 2},
    "mark_each": (),
    "reopen": (1,),
    "reopen_span": (1, 9),
}


@pytest.fixture
def connection(data):
    opened = []

    def make(table):
        path = data / "a.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(table)
        opened.append(SensorConnection(str(path), write=True))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


TABLES = {
    "usual": "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT, synced)",
    "no tracking": "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT)",
    "hidden row id": "CREATE TABLE sensor_readings (id TEXT PRIMARY KEY, timestamp REAL, sensor_id, synced)",
    "no time": "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, synced)",
}


@pytest.mark.parametrize(
    ("table", "indexed"), [*((table, False) for table in TABLES), ("usual", True), ("no time", True)]
)
def test_no_statement_goes_through_the_whole_table(connection, table, indexed):
    opened = connection(TABLES[table])
    if indexed:
        opened.run("index", opened.schema.make_index)
        assert opened.refresh()
    assert opened.schema.indexed is indexed
    for name, values in EVERY.items():
        if table == "no tracking" and name.startswith(("mark", "reopen")):
            continue
        statement = opened.schema.window() if name == "window" else getattr(opened.schema, name)
        plan = [row[3] for row in opened._db.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
        assert not [step for step in plan if step.startswith("SCAN main")], name
        assert not [step for step in plan if "TEMP B-TREE" in step], name


def test_a_column_that_is_gone_is_an_error_and_not_its_own_name(connection):
    opened = connection(TABLES["usual"])
    window = opened.schema.window()
    opened._db.execute("ALTER TABLE sensor_readings DROP COLUMN sensor_id")
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        opened.run("window", window, EVERY["window"])


def test_names_of_columns_are_data(connection):
    opened = connection(
        'CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, "a`b", "c""d", "e;--", synced, [select])'
    )
    opened._db.execute("INSERT INTO sensor_readings VALUES (1, 2, 3, 4, 0, 5)")
    opened.run("window", opened.schema.window(), {"low": 0, "high": 9, "limit": 9, "row": 0, "time": None})
    assert opened.take_batch()[1] == [(1, 2, 3, 4, 5)]

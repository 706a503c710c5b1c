"""`sensor-tui query`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def sensor_of(path: Path) -> str:
    return path.parent.name


def test_the_newest_readings_first(run: Run, readings: Any) -> None:
    readings(30)
    readings(30, city="Manila", generation="2025-04")
    done = run("query", "--city", "London", "--limit", 5, "--json")
    assert done.code == 0
    assert [row["id"] for row in done.json["rows"]] == [30, 29, 28, 27, 26]
    assert done.json["complete"] is False
    assert "--limit" in done.err
    table = run("query", "--limit", 3)
    assert table.code == 0
    assert "source" in table.out
    assert len(table.out.splitlines()) == 4


def test_one_sensor_in_every_form(run: Run, readings: Any) -> None:
    path = readings(4)
    readings(4, number=2)
    for option in ("--sensor", "--sensor-id"):
        done = run("query", option, sensor_of(path), "--format", "jsonl")
        lines = [json.loads(line) for line in done.out.splitlines()]
        assert [line["id"] for line in lines] == [4, 3, 2, 1]
        assert {line["sensor_id"] for line in lines} == {sensor_of(path)}
    done = run("query", "--sensor", sensor_of(path), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [row["id"] for row in rows] == ["4", "3", "2", "1"]
    assert float(rows[0]["temperature"])


def test_times_narrow_it_down(run: Run, readings: Any) -> None:
    readings(10)
    newest = run("query", "--limit", 1, "--json").json["rows"][0]["timestamp"]
    done = run("query", "--until", "2020-01-01T00:00:00Z")
    assert (done.code, done.out, done.err) == (0, "", "There are no such readings.\n")
    assert len(run("query", "--since", newest, "--json").json["rows"]) == 1
    assert len(run("query", "--since", "7d", "--json").json["rows"]) == 10
    done = run("query", "--since", "yesterday")
    assert done.code == 2
    assert "--since yesterday is not a time" in done.err


def test_the_list(run: Run, readings: Any) -> None:
    path = readings(3)
    bad = Path("data/London/bad.db")
    bad.write_bytes(b"junk" * 100)
    done = run("query", "--list")
    assert done.code == 1
    assert sensor_of(path) in done.out
    assert "London/bad.db" in done.out
    found = run("query", "--list", "--json").json["rows"]
    assert [row["sensor_id"] for row in found] == [sensor_of(path), None] or found[0]["problem"]


def test_counts(run: Run, readings: Any) -> None:
    readings(7)
    readings(9, city="Manila")
    done = run("query", "--all", "--count", "--json")
    assert sorted(row["count"] for row in done.json["rows"]) == [7, 9]


def test_sql_reads_and_does_nothing_else(run: Run, readings: Any) -> None:
    path = readings(7)
    done = run("query", "--sql", "SELECT count(*) AS n, max(id) AS n FROM sensor_readings", "--json")
    assert done.json["rows"] == [{"n": 7, "n_2": 7}]
    before = path.read_bytes()
    done = run("query", "--sql", "DELETE FROM sensor_readings")
    assert done.code == 2
    assert "may not use DELETE" in done.err
    assert path.read_bytes() == before
    done = run("query", "--sql", "SELECT nope FROM sensor_readings")
    assert (done.code, "no such column: nope" in done.err) == (2, True)


def test_hostile_values_stay_plain(run: Run, readings: Any) -> None:
    readings(1)
    for form in ("table", "json", "jsonl", "csv"):
        done = run(
            "query", "--sql", "SELECT char(27) || '[2J' || char(10) AS \"x\x1b[31m\"", "--format", form
        )
        assert done.code == 0
        assert "\x1b" not in done.out


def test_cosmos_tells_what_it_cost(run: Run, readings: Any, endpoint: Any) -> None:
    readings(12)
    assert run("sync").code == 0
    done = run("query", "--cosmos", "--count")
    assert (done.code, done.out.split()) == (0, ["count", "12"])
    assert done.err.endswith("RU\n")
    done = run("query", "--cosmos", "--city", "London", "--limit", 5, "--json")
    assert [row["sqlite_id"] for row in done.json["rows"]] == [12, 11, 10, 9, 8]
    assert done.json["request_units"] > 0
    done = run("query", "--query", "SELECT TOP 2 c.id FROM c", "--format", "jsonl")
    assert len(done.out.splitlines()) == 2
    assert "_etag" not in run("query", "--cosmos", "--limit", 1).out
    assert run("query", "--query", "SELEC").code == 2


def test_cosmos_without_an_endpoint_is_said_so(run: Run) -> None:
    done = run("query", "--cosmos", "--count")
    assert (done.code, "COSMOS_ENDPOINT" in done.err) == (2, True)


@pytest.mark.parametrize(
    "options",
    [
        ("--cosmos", "--sql", "SELECT 1"),
        ("--cosmos", "--list"),
        ("--query", "SELECT 1", "--count"),
        ("--query", "SELECT 1", "--city", "London"),
        ("--sql", "SELECT 1", "--count"),
        ("--sql", "SELECT 1", "--since", "1h"),
        ("--all", "--city", "London"),
        ("--limit", "0"),
        ("--format", "xml"),
        ("--sensor", "nobody"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, readings: Any, options: tuple[str, ...]) -> None:
    readings(1)
    assert run("query", *options).code == 2


def test_without_files_it_says_what_to_name(run: Run) -> None:
    done = run("query")
    assert (done.code, "--data-dir" in done.err) == (2, True)

"""`sensor-tui prune`."""

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def ids(path: Path) -> list[int]:
    with closing(sqlite3.connect(path, timeout=10)) as db:
        return [row for (row,) in db.execute("SELECT id FROM sensor_readings ORDER BY id")]


def age(path: Path, **rows: str) -> None:
    """Give rows another tracking; all are of 2020."""
    moment = "'2020-01-01T00:' || printf('%02d:%02dZ', id / 60, id % 60)"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE sensor_readings SET timestamp = {moment}")
        for value, which in rows.items():
            db.execute(f"UPDATE sensor_readings SET synced = {value[1:]} WHERE {which}")


@pytest.fixture
def old(readings: Any) -> Path:
    """Fifty readings of 2020: 40 acknowledged, two of these dead."""
    path: Path = readings(50)
    age(path, _1="id <= 40")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE sensor_readings SET synced = -1 WHERE id IN (3, 4)")
    return path


KEPT = [3, 4, *range(41, 51)]


def test_acknowledged_rows_that_are_old_go(run: Run, old: Path) -> None:
    done = run("prune", "--older-than", "30d", "--yes")
    assert done.code == 0, done.err
    assert ids(old) == KEPT
    assert "38 acknowledged rows removed from 1 of 1 file (older than 30d)" in done.out
    assert "from 2020-01-01T00:00:01" in done.out
    again = run("prune", "--older-than", "30d", "--yes")
    assert (again.code, again.out.strip()) == (0, "Nothing to remove from 1 file (older than 30d).")


def test_json_says_the_same(run: Run, old: Path) -> None:
    plan = run("prune", "--older-than", "30d", "--dry-run", "--json").json
    assert ids(old) == list(range(1, 51))
    done = run("prune", "--older-than", "30d", "--yes", "--json").json
    assert (plan["dry_run"], done["dry_run"]) == (True, False)
    for report in (plan, done):
        assert report["rows"] == 38
        assert report["oldest"].startswith("2020-01-01T00:00:01")
        assert report["newest"].startswith("2020-01-01T00:00:40")
        assert [file["source"] for file in report["files"]] == [f"London/{old.parent.name}/sensor_data.db"]
        assert report["files"][0]["sensor_id"] == old.parent.name
        assert (report["left"], report["problems"], report["looked_at"]) == ({}, {}, 1)


def test_without_a_bound_it_says_what_to_give(run: Run, old: Path) -> None:
    done = run("prune", "--yes")
    assert done.code == 2
    assert "--older-than AGE or --max-size MB" in done.err
    assert ids(old) == list(range(1, 51))


@pytest.mark.parametrize("given", [("--older-than", "soon"), ("--max-size", "0"), ("--max-size", "-1")])
def test_bounds_that_are_none_are_refused(run: Run, old: Path, given: tuple[str, str]) -> None:
    assert run("prune", *given, "--yes").code == 2
    assert ids(old) == list(range(1, 51))


def test_the_configuration_gives_the_bounds_and_options_replace_them(run: Run, old: Path) -> None:
    Path("sensor-tui.yaml").write_text(json.dumps({"retention": {"max_age": "9000d"}}))
    assert run("prune", "--dry-run", "--json").json["rows"] == 0
    assert run("prune", "--older-than", "1d", "--dry-run", "--json").json["rows"] == 38
    assert run("prune", "--max-size", "0.0001", "--dry-run", "--json").json["rows"] == 38
    Path("sensor-tui.yaml").write_text(json.dumps({"retention": {"max_age": "30d"}}))
    assert run("prune", "--yes", "--json").json["rows"] == 38
    assert ids(old) == KEPT


def test_without_a_terminal_it_needs_yes(run: Run, old: Path) -> None:
    done = run("prune", "--older-than", "1d")
    assert done.code == 2
    assert "--yes" in done.err
    assert "38 acknowledged rows would be removed" in done.err
    assert ids(old) == list(range(1, 51))


def test_on_a_terminal_it_asks(terminal: Any, old: Path) -> None:
    refused = terminal("prune", "--older-than", "1d")
    refused.until("Remove 38 acknowledged rows from 1 file?")
    refused.type("n\n")
    code, drawn = refused.end()
    assert (code, "Nothing was done." in drawn) == (1, True)
    assert ids(old) == list(range(1, 51))
    agreed = terminal("prune", "--older-than", "1d")
    agreed.until("Remove 38 acknowledged rows from 1 file?")
    agreed.type("y\n")
    assert agreed.end()[0] == 0
    assert ids(old) == KEPT


def test_what_is_about_a_number_is_asked_so(terminal: Any, old: Path) -> None:
    asked = terminal("prune", "--max-size", "0.0001")
    asked.until("Remove about 38 acknowledged rows from 1 file?")
    asked.type("n\n")
    assert asked.end()[0] == 1


def test_sensor_and_city_choose_the_files(run: Run, readings: Any) -> None:
    paths = [readings(10, city="London"), readings(10, city="Paris"), readings(10, city="Paris", number=2)]
    for path in paths:
        age(path, _1="id > 0")
    done = run("prune", "--older-than", "1d", "--city", "paris", "--sensor", paths[1].parent.name, "--yes")
    assert done.code == 0
    assert [len(ids(path)) for path in paths] == [10, 1, 10]
    assert run("prune", "--older-than", "1d", "--city", "Paris", "--yes").code == 0
    assert [len(ids(path)) for path in paths] == [10, 1, 1]
    missing = run("prune", "--older-than", "1d", "--city", "Rome", "--yes")
    assert missing.code == 2
    assert "no sensor file is of Rome" in missing.err


def test_only_archived_rows_and_no_archive_is_refused(run: Run, old: Path) -> None:
    done = run("prune", "--older-than", "1d", "--archived-only", "--yes")
    assert done.code == 2
    assert "archive.path" in done.err
    Path("sensor-tui.yaml").write_text(json.dumps({"retention": {"archived_only": True}}))
    assert run("prune", "--older-than", "1d", "--yes").code == 2
    assert ids(old) == list(range(1, 51))


def test_only_archived_rows_and_nothing_known_of_the_archive_leaves_the_file(run: Run, old: Path) -> None:
    Path("sensor-tui.yaml").write_text(json.dumps({"archive": {"path": "archive"}}))
    done = run("prune", "--older-than", "1d", "--archived-only", "--yes", "--json")
    assert done.code == 0
    assert done.json["rows"] == 0
    assert "which of its rows the archive has" in next(iter(done.json["left"].values()))
    assert ids(old) == list(range(1, 51))


def test_files_that_cannot_be_used_are_named_and_the_others_pruned(run: Run, old: Path) -> None:
    bad = Path("data/London/bad/sensor_data.db")
    bad.parent.mkdir()
    bad.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    untracked = Path("data/London/untracked/sensor_data.db")
    untracked.parent.mkdir()
    with closing(sqlite3.connect(untracked)) as db, db:
        db.execute("CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL)")
        db.execute("INSERT INTO sensor_readings VALUES (1, 1), (2, 2)")
    done = run("prune", "--older-than", "1d", "--yes", "--json")
    assert done.code == 1
    assert list(done.json["problems"]) == ["London/bad/sensor_data.db"]
    assert list(done.json["left"]) == ["London/untracked/sensor_data.db"]
    assert ids(old) == KEPT
    assert ids(untracked) == [1, 2]


def test_what_was_removed_is_in_the_action_log(run: Run, old: Path) -> None:
    run("prune", "--older-than", "1d", "--yes")
    with closing(sqlite3.connect("data/.sensor-tui/ledger.db")) as db:
        ((target, result),) = db.execute(
            "SELECT target, result FROM actions WHERE action = 'prune'"
        ).fetchall()
    assert (target, result) == ("all files", "38 rows removed from 1 files (older than 1d)")


def test_a_dry_run_leaves_nothing_behind(run: Run, old: Path) -> None:
    before = sorted(Path("data").rglob("*"))
    assert run("prune", "--older-than", "1d", "--dry-run").code == 0
    assert sorted(Path("data").rglob("*")) == before


def test_beside_a_running_service(run: Run, spawn: Any, endpoint: Any, readings: Any) -> None:
    """It has the files, and goes on having them."""
    path = readings(60)
    age(path)
    service = spawn("sync", "--continuous", "--interval", "0.2")
    endpoint.wait_for_documents(60)
    pruned = 0
    while pruned < 59:  # rows are closed a moment after the endpoint has them
        done = run("prune", "--older-than", "1d", "--yes", "--json")
        assert (done.code, done.json["left"]) == (0, {})
        pruned += done.json["rows"]
    assert ids(path) == [60]
    more = readings(5)
    assert more == path
    endpoint.wait_for_documents(65)
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0
    assert endpoint.count() == 65


def test_files_of_another_engine_are_left_to_it(run: Run, spawn: Any, endpoint: Any, readings: Any) -> None:
    """A service that has one folder of the data folder as its own, with rules of its own."""
    path = readings(20)
    age(path)
    service = spawn("sync", "--continuous", "--interval", "0.2", "--data-dir", "data/London")
    endpoint.wait_for_documents(20)
    done = run("prune", "--older-than", "1d", "--yes")
    assert done.code == 4
    assert "belongs to another engine" in done.err
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0
    assert ids(path) == list(range(1, 21))

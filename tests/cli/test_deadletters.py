"""`sensor-tui deadletters`."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def rejected(run: Run, endpoint: Any, readings: Any) -> Path:
    """A database of ten, two of which can never be sent, after an upload."""
    path: Path = readings(10)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sensor_readings SET temperature = 9e999 WHERE id IN (3, 7)")
    done = run("sync", "--json")
    assert (done.code, done.json["accepted"], done.json["rejected"]) == (1, 8, 2)
    assert endpoint.count() == 8
    return path


def ids(run: Run, *filters: object) -> list[int]:
    return [letter["id"] for letter in run("deadletters", "list", "--json", *filters).json["letters"]]


def test_a_run_with_rejections_points_at_them(run: Run, endpoint: Any, readings: Any) -> None:
    with closing(sqlite3.connect(readings(2))) as connection, connection:
        connection.execute("UPDATE sensor_readings SET temperature = 9e999 WHERE id = 1")
    done = run("sync")
    assert done.code == 1
    assert "deadletters list" in done.out


def test_the_list_gives_the_reason_of_each(run: Run, rejected: Path) -> None:
    done = run("deadletters", "list", "--json")
    assert done.code == 0
    assert done.json["total"] == 2
    assert {letter["row_id"] for letter in done.json["letters"]} == {3, 7}
    assert all(letter["reason"] and "document" not in letter for letter in done.json["letters"])
    text = run("deadletters", "list").out
    assert "row 3" in text
    assert "row 7" in text


def test_filters_and_limit(run: Run, rejected: Path) -> None:
    sensor = rejected.parent.name
    source = str(rejected.relative_to(Path("data").absolute()))
    assert len(ids(run, "--sensor", sensor)) == 2
    assert ids(run, "--sensor", "LON_000000") == []
    assert len(ids(run, "--source", source)) == 2
    assert ids(run, "--source", "other.db") == []
    done = run("deadletters", "list", "--limit", "1")
    assert "2 dead letters in all" in done.err


def test_one_is_shown_with_its_document(run: Run, rejected: Path) -> None:
    number = ids(run)[0]
    assert run("deadletters", "show", number, "--json").json["document"]
    assert "document" in run("deadletters", "show", number).out
    done = run("deadletters", "show", 999)
    assert done.code == 2
    assert "999" in done.err


def test_a_retry_sends_it_once_it_is_mended(run: Run, endpoint: Any, rejected: Path) -> None:
    number = next(each for each in ids(run) if run("deadletters", "show", each, "--json").json["row_id"] == 3)
    with closing(sqlite3.connect(rejected)) as connection, connection:
        connection.execute("UPDATE sensor_readings SET temperature = 21.5 WHERE id = 3")
    done = run("deadletters", "retry", number)
    assert (done.code, done.out) == (0, "1 dead letter will be sent again.\n")
    assert run("sync").code == 0
    assert endpoint.count() == 9
    assert len(ids(run)) == 1


def test_dropping_some_and_all(run: Run, rejected: Path) -> None:
    first, second = ids(run)
    done = run("deadletters", "drop", first, 999, "--json")
    assert done.code == 1
    assert (done.json["changed"], done.json["missing"]) == (1, [999])
    assert ids(run) == [second]
    assert run("deadletters", "drop", "--all", "--sensor", "LON_000000", "--json").json["changed"] == 0
    assert run("deadletters", "drop", "--all", "--sensor", rejected.parent.name, "--yes").code == 0
    assert ids(run) == []
    assert run("deadletters", "list").out == "No dead letters.\n"


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_all_of_them_only_after_a_question(run: Run, terminal: Any, rejected: Path, verb: str) -> None:
    done = run("deadletters", verb, "--all")
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    asked = terminal("deadletters", verb, "--all")
    asked.until(f"{verb.capitalize()} all dead letters?")
    asked.type("n\n")
    code, drawn = asked.end()
    assert code == 1
    assert "Nothing was done." in drawn
    assert len(ids(run)) == 2
    assert run("deadletters", verb, "--all", "--yes", "--json").json["changed"] == 2


@pytest.mark.parametrize("arguments", [[], ["1", "--all"], ["1", "--sensor", "x"], ["0"], ["x"]])
def test_which_are_meant_has_to_be_clear(run: Run, readings: Any, arguments: list[str]) -> None:
    readings(1)
    done = run("deadletters", "drop", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)

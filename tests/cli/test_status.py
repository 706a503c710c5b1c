"""`sensor-tui status`."""

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Run = Callable[..., Any]
SENSOR_KEYS = {"sensor_id", "city", "backlog", "lag_seconds", "freshness_seconds", "newest"}


def test_json_has_just_these_keys(run: Run, readings: Any) -> None:
    readings(12)
    readings(8, city="Manila", generation="2025-04")
    done = run("status", "--json")
    assert (done.code, done.err) == (0, "")
    report = done.json
    assert report.keys() == {"backlog", "lag_seconds", "dead_letters", "engine", "sensors"}
    assert (report["backlog"], report["dead_letters"]) == (20, 0)
    assert report["lag_seconds"] > 0
    assert report["engine"]["attached"] is False
    assert [sensor.keys() for sensor in report["sensors"]] == [SENSOR_KEYS, SENSOR_KEYS]
    assert {(sensor["city"], sensor["backlog"]) for sensor in report["sensors"]} == {
        ("London", 12),
        ("Manila", 8),
    }
    assert all(sensor["newest"].endswith("Z") for sensor in report["sensors"])


def test_a_file_that_cannot_be_used_is_said_to_be_so(run: Run, readings: Any) -> None:
    readings(5)
    broken = Path("data/London/broken/sensor_data.db")
    broken.parent.mkdir()
    broken.write_bytes(b"this is not a database, whatever its name says" * 100)
    sensors = run("status", "--json").json["sensors"]
    problems = [sensor.get("problem") for sensor in sensors]
    assert sorted(map(bool, problems)) == [False, True]
    assert next(filter(None, problems)) in run("status").out


def test_the_table_is_plain_off_a_terminal_and_nothing_is_cut(run: Run, readings: Any) -> None:
    path = readings(5)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE sensor_readings SET sensor_id = ?", ("long-" * 40 + "\x1b[2Jend",))
    done = run("status")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "long-" * 40 + "\ufffd[2Jend" in done.out
    assert "no service is running" in done.out
    assert done.out.splitlines()[2].split()[:4] == ["SENSOR", "CITY", "BACKLOG", "LAG"]


def test_colours_only_on_a_terminal_that_wants_them(terminal: Any, readings: Any) -> None:
    readings(5)
    code, drawn = terminal("status").end()
    assert code == 0
    assert "\x1b[1m" in drawn
    for env, arguments in (({"NO_COLORS": "1"}, ()), ({"TERM": "dumb"}, ())):
        _, drawn = terminal("status", *arguments, env=env).end()
        assert "\x1b[3" not in drawn


def test_watching_goes_on_until_interrupted(spawn: Any, readings: Any) -> None:
    readings(5)
    process = spawn("status", "--json", "--watch", "0.2")
    text = ""
    while text.count("\n}\n") < 2:
        text += process.stdout.readline()
    first, _ = json.JSONDecoder().raw_decode(text)
    assert first["backlog"] == 5
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert "Traceback" not in process.stderr.read()


def test_an_empty_folder_is_no_error(run: Run) -> None:
    Path("data").mkdir()
    done = run("status")
    assert done.code == 0
    assert "No sensor database was found." in done.out

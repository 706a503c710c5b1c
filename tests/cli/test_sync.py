"""`sensor-tui sync`."""

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli import sync as sync_command
from sensor_tui.service.wire import SourceReport, SyncReport

Run = Callable[..., Any]
KEYS = {
    "read",
    "accepted",
    "documents",
    "rejected",
    "retried",
    "throttled",
    "request_units",
    "seconds",
    "docs_per_second",
    "sources",
    "backlog",
}


def test_a_run_sends_everything_and_the_next_one_nothing(run: Run, endpoint: Any, readings: Any) -> None:
    readings(120)
    readings(80, city="Manila", generation="2025-04")
    done = run("sync")
    assert done.code == 0
    assert done.out.startswith("200 of 200 readings sent in ")
    assert endpoint.count() == 200
    again = run("sync", "--data-dir", "data")
    assert (again.code, again.out.split(" in ")[0]) == (0, "0 of 0 readings sent")
    assert endpoint.count() == 200


def test_the_report_is_one_json_document_with_just_these_keys(run: Run, endpoint: Any, readings: Any) -> None:
    path = readings(30)
    done = run("sync", "--sqlite", path, "--json")
    assert done.code == 0
    assert done.json.keys() - {"notices"} == KEYS
    assert (done.json["read"], done.json["accepted"], done.json["backlog"]) == (30, 30, 0)
    assert len(done.json["sources"]) == 1
    assert endpoint.count() == 30
    assert run("sync", "--sqlite", path, "--json").json.keys() == KEYS


def test_a_dry_run_sends_and_marks_nothing(run: Run, endpoint: Any, readings: Any) -> None:
    readings(10)
    done = run("sync", "--dry-run", "--read-only")
    assert done.code == 0
    assert done.out.startswith("10 of 10 readings would be sent")
    assert run("sync", "--json").json["accepted"] == 10
    assert endpoint.count() == 10


@pytest.mark.parametrize(
    ("arguments", "hints"),
    [
        ([], ["--data-dir", "--sqlite"]),
        (["--data-dir", ".", "--sqlite", "."], ["exclude"]),
        (["--data-dir", "missing"], ["--data-dir", "missing"]),
        (["--sqlite", "missing.db"], ["--sqlite", "missing.db"]),
        (["--data-dir", ".", "--read-only"], ["--read-only", "--dry-run"]),
        (["--data-dir", ".", "--continuous", "--dry-run"], ["--dry-run", "--continuous"]),
        (["--data-dir", ".", "--continuous", "--json"], ["--json", "status --json"]),
        (["--data-dir", ".", "--listen", "127.0.0.1:0"], ["--listen", "--continuous"]),
        (["--data-dir", ".", "--interval", "soon"], ["interval", "soon"]),
        (["--data-dir", ".", "--max-ru", "0"], ["max_ru_per_second"]),
        (["--data-dir", "."], ["endpoint", "COSMOS_ENDPOINT"]),
    ],
)
def test_what_cannot_be_done_is_one_line_and_2(run: Run, arguments: list[str], hints: list[str]) -> None:
    done = run("sync", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    for hint in hints:
        assert hint in done.err


def test_the_folder_of_the_configuration_is_the_default(run: Run, endpoint: Any, readings: Any) -> None:
    readings(7)
    Path("data").rename("elsewhere")
    Path("sensor-tui.yaml").write_text("data_dir: elsewhere\n")
    assert run("sync", "--json").json["accepted"] == 7
    Path("sensor-tui.yaml").write_text("data_dir: nowhere\n")
    done = run("sync")
    assert done.code == 2
    assert "nowhere" in done.err


def test_options_stand_over_the_configuration(run: Run, endpoint: Any, readings: Any) -> None:
    readings(3)
    Path("sensor-tui.yaml").write_text(
        "cosmos: {endpoint: 'https://wrong.example', database: Wrong, container: Wrong}\n"
    )
    done = run(
        "sync",
        "--endpoint",
        endpoint.emulator.url,
        "--database",
        "SensorData",
        "--container",
        "SensorReadings",
    )
    assert done.code == 0
    assert endpoint.count() == 3


def test_a_wrong_key_exits_3_and_is_never_shown(
    run: Run, endpoint: Any, readings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(3)
    key = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXk="
    monkeypatch.setenv("COSMOS_KEY", key)
    for options in ([], ["--debug"]):
        done = run("sync", *options)
        assert (done.code, done.out) == (3, "")
        assert key not in done.err
    done = run("sync")
    assert [line for line in done.err.splitlines() if line.startswith("sensor-tui: ")]


@pytest.mark.parametrize("endpoint", [400.0], indirect=True)
def test_an_interrupted_run_drains_and_says_what_is_left(
    spawn: Any, run: Run, endpoint: Any, readings: Any
) -> None:
    readings(4000)
    process = spawn("sync", "--json", env={"SENSOR_TUI__SERVICE__DRAIN_TIMEOUT_SECONDS": "1"})
    endpoint.wait_for_documents()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    report = json.loads(out)
    assert process.returncode == 1
    assert report["interrupted"] is True
    # What was accepted and could not be marked any more counts as open: it is sent again, and found there.
    assert 4000 - report["accepted"] <= report["backlog"] <= 4000
    assert 4000 - report["accepted"] <= run("status", "--json").json["backlog"] <= report["backlog"]
    assert report["accepted"] <= endpoint.count() < 4000
    assert "Traceback" not in err


def test_a_terminal_gets_a_bar_on_standard_error(terminal: Any, endpoint: Any, readings: Any) -> None:
    readings(500)
    code, drawn = terminal("sync").end()
    assert code == 0
    assert "500/500" in drawn
    assert "500 of 500 readings sent" in drawn


def test_a_pipe_gets_no_escape_sequences(spawn: Any, endpoint: Any, readings: Any) -> None:
    readings(50)
    out, err = spawn("sync").communicate(timeout=60)
    assert "\x1b" not in out + err
    assert "\r" not in out + err


def test_continuous_uploads_what_comes_and_stops_clean(
    spawn: Any, run: Run, endpoint: Any, readings: Any
) -> None:
    readings(20)
    process = spawn("sync", "--continuous", "--interval", "0.1")
    endpoint.wait_for_documents(20)
    status = run("status", "--json").json
    assert status["engine"]["attached"] is True
    assert status["engine"]["pid"] == process.pid
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert all(line[:4].isdigit() for line in err.splitlines())  # log lines, each with its time


def test_continuous_on_a_terminal_keeps_one_line_up_to_date(
    terminal: Any, endpoint: Any, readings: Any
) -> None:
    readings(20)
    shown = terminal("sync", "--continuous", "--interval", "0.1")
    shown.until("20 sent  backlog 0")
    shown.process.send_signal(signal.SIGINT)
    code, drawn = shown.end()
    assert code == 0
    assert drawn.endswith("\r\n")


def test_a_second_engine_leaves_the_files_to_the_first(
    spawn: Any, run: Run, endpoint: Any, readings: Any
) -> None:
    readings(5)
    process = spawn("sync", "--continuous", "--interval", "0.1")
    endpoint.wait_for_documents(5)
    done = run("sync")
    assert done.code == 4
    process.terminate()
    assert process.wait(30) == 0


def test_settings_that_wait_for_their_processor_are_named(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "sensor-tui.yaml"
    config.write_text("processing: {anomaly: {rules: {temperature: ..60}}}\n", encoding="utf-8")
    (tmp_path / "data").mkdir()
    done = run("sync", "--dry-run", "--config", str(config), "--data-dir", str(tmp_path / "data"))
    told = "processing.anomaly.rules has no effect: Anomaly is not among processing.processors"
    assert told in done.err


def past(path: Path) -> None:
    """Readings of a second each, from long ago."""
    with closing(sqlite3.connect(path)) as connection:
        begin = "strftime('%s', '2025-08-01')"
        at = f"strftime('%Y-%m-%dT%H:%M:%S+00:00', {begin} + id, 'unixepoch')"
        connection.execute(f"UPDATE sensor_readings SET timestamp = {at}")
        connection.commit()


def test_aggregated_readings_are_counted_with_the_documents_they_became(
    run: Run, endpoint: Any, readings: Any
) -> None:
    past(readings(299))
    Path("sensor-tui.yaml").write_text(
        "processing: {processors: [Aggregate], aggregation: {window: 30s}}\n", encoding="utf-8"
    )
    dry = run("sync", "--data-dir", "data", "--dry-run")
    assert dry.out.startswith("299 readings would be sent as 10 documents in ")
    done = run("sync", "--data-dir", "data")
    assert (done.code, endpoint.count()) == (0, 10)
    assert done.out.startswith("299 readings sent as 10 documents in ")
    assert "left" not in done.out
    past(readings(30))
    report = run("sync", "--data-dir", "data", "--json").json
    assert (report["read"], report["accepted"], report["backlog"]) == (30, 30, 0)
    assert report["documents"] == endpoint.count() - 10


def test_a_run_that_is_interrupted_names_the_sink_that_lacks_readings(
    spawn: Any, run: Run, endpoint: Any, readings: Any
) -> None:
    readings(30)
    options = ("--data-dir", "data", "--archive-path", "archive", "--archive-format", "JSON lines")
    assert run("sync", *options).code == 0
    (dataset,) = Path("archive").glob("*/*.jsonl")
    for part in dataset.iterdir():
        part.write_bytes(b"\x00no line of ours")
    readings(20)
    process = spawn("sync", *options, env={"SENSOR_TUI__SERVICE__DRAIN_TIMEOUT_SECONDS": "1"})
    endpoint.wait_for_documents(50)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "20 readings left" in out
    assert "the archive sink has not taken 20 of the documents it was given" in out


def report_of(*held: int, **fields: Any) -> SyncReport:
    counts = dict.fromkeys(("read", "accepted", "rejected", "retried", "throttled", "backlog"), 0)
    sources = tuple(
        SourceReport(source=f"{number}.db", sensor_id=None, city=None, backlog=count, held=count)
        for number, count in enumerate(held)
    )
    rates = {"request_units": 0.0, "seconds": 1.0, "docs_per_second": 0.0}
    return SyncReport(**{**counts, **rates, "sources": sources, **fields})


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (report_of(backlog=600), 1),
        (report_of(100, 500, backlog=600), 0),
        (report_of(100, backlog=600), 1),
        (report_of(backlog=600, dry_run=True), 0),
    ],
)
def test_what_is_left_and_waits_for_no_window_exits_1(report: SyncReport, code: int) -> None:
    assert report.exit_code == code


def test_the_summary_tells_what_waits_from_what_is_left_and_names_the_sink() -> None:
    report = report_of(100, backlog=600, lacking=("the archive sink has not taken 500: \x1b[2Jwhy",))
    assert list(sync_command._lines(report)) == [
        "0 of 0 readings sent in 1.0 s",
        "600 readings left, 100 of them waiting for their window",
        "the archive sink has not taken 500: \ufffd[2Jwhy",
    ]

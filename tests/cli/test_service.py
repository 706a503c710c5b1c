"""`sensor-tui service`."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def started(spawn: Any, endpoint: Any, readings: Any) -> Iterator[Any]:
    """A service that runs, and surely does not afterwards."""
    readings(10)
    process = spawn("service", "start", "--interval", "0.1", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    about = json.loads(out)
    yield about
    with suppress(ProcessLookupError):
        os.killpg(about["pid"], signal.SIGKILL)


def test_it_starts_uploads_answers_and_stops(run: Run, endpoint: Any, started: Any) -> None:
    assert started["running"] is True
    endpoint.wait_for_documents(10)
    status = run("service", "status", "--json")
    assert (status.code, status.json["pid"]) == (0, started["pid"])
    assert "The service runs" in run("service", "status").out
    assert run("status", "--json").json["engine"]["attached"] is True
    stopped = run("service", "stop")
    assert (stopped.code, stopped.out) == (0, "The service is stopped.\n")
    assert run("service", "status").code == 3
    assert Path(started["log"]).is_file()


def test_there_is_only_one(run: Run, started: Any) -> None:
    done = run("service", "start")
    assert done.code == 4
    assert str(started["pid"]) in done.err


def test_stopping_at_once_is_asked_about(run: Run, started: Any) -> None:
    done = run("service", "stop", "--no-drain")
    assert done.code == 2
    assert "--yes" in done.err
    assert run("service", "stop", "--no-drain", "--yes", "--json").json == {"stopped": True}
    assert run("service", "stop", "--json").json == {"stopped": False}


def test_where_none_runs_status_says_so_and_exits_3(run: Run, readings: Any) -> None:
    readings(1)
    done = run("service", "status")
    assert (done.code, done.out) == (3, "")
    assert "service start" in done.err
    done = run("service", "status", "--json")
    assert (done.code, done.json) == (3, {"running": False})
    assert run("service", "stop").out == "No service was running.\n"


def test_a_start_that_cannot_work_says_why(run: Run, readings: Any) -> None:
    readings(1)
    done = run("service", "start")
    assert (done.code, done.out) == (2, "")
    assert "endpoint" in done.err

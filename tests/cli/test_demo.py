"""`sensor-tui demo`, and the processes it is made of."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli.main import READER_GONE
from sensor_tui.cli.rehearsal import Outcome, Plan

SMALL = ("--cities", "2", "--sensors", "1", "--rate", "20")


def members(marker: str) -> list[int]:
    """Processes whose environment or command line holds this text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                known = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if marker.encode() in known:
                found.append(int(entry.name))
    return found


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A text in the environment of every process the test starts: the name of its temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return str(folder)


def test_documents_equal_readings_and_nothing_is_left(spawn: Any, marker: str) -> None:
    process = spawn("demo", *SMALL, "--seconds", "3", "--json")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    outcome = json.loads(out)
    assert outcome["equal"] is True
    assert outcome["sensors"] == 2
    assert outcome["readings"] == outcome["documents"] > 0
    assert outcome["dir"] is None
    assert "\x1b" not in err
    assert list(Path(marker).iterdir()) == []
    assert members(marker) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_with_its_verdict_and_without_orphans(
    spawn: Any, marker: str, number: signal.Signals
) -> None:
    process = spawn("demo", "--headless", *SMALL)
    assert " Ctrl-C ends it." in process.stderr.readline()
    process.stderr.readline()
    process.send_signal(number)
    out, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert ": equal." in out
    assert list(Path(marker).iterdir()) == []
    assert members(marker) == []


def test_nothing_outlives_it_even_when_it_is_killed(spawn: Any, marker: str) -> None:
    process = spawn("demo", "--headless", *SMALL)
    assert " Ctrl-C ends it." in process.stderr.readline()
    pids = [pid for pid in members(marker) if pid != process.pid]
    assert len(pids) == 4
    handles = [os.pidfd_open(pid) for pid in pids]
    process.kill()
    process.communicate(timeout=60)
    import select

    try:
        for handle in handles:
            assert select.select([handle], [], [], 60)[0]
    finally:
        for handle in handles:
            os.close(handle)


def test_a_terminal_that_goes_away_ends_it_without_orphans(terminal: Any, marker: str) -> None:
    shown = terminal("demo", "--headless", *SMALL)
    shown.until(" written  ")
    shown.hang_up()
    assert shown.process.wait(60) == READER_GONE
    assert list(Path(marker).iterdir()) == []
    assert members(marker) == []


def test_a_process_that_ends_too_early_ends_the_demo_with_its_reason(spawn: Any, marker: str) -> None:
    process = spawn("demo", "--headless", *SMALL)
    assert " Ctrl-C ends it." in process.stderr.readline()
    (endpoint,) = [pid for pid in members(marker) if b"emulator" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(endpoint, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert "sensor-tui: Demo: endpoint ended with code -9" in err
    assert list(Path(marker).iterdir()) == []
    assert members(marker) == []


def test_a_given_folder_is_kept(spawn: Any, run: Callable[..., Any]) -> None:
    process = spawn("demo", *SMALL, "--seconds", "1", "--dir", "show")
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert "Kept in " in err
    assert ": equal." in out
    assert run("status", "--data-dir", "show/data", "--json").json["backlog"] == 0
    done = run("demo", "--headless", "--dir", "show")
    assert (done.code, done.err.count("\n")) == (2, 1)


def test_on_a_terminal_one_line_is_kept_up_to_date(terminal: Any) -> None:
    shown = terminal("demo", "--headless", *SMALL)
    shown.until(" written  ")
    shown.process.send_signal(signal.SIGINT)
    code, drawn = shown.end()
    assert code == 0
    assert ": equal." in drawn


def test_too_many_sensors_are_refused(run: Callable[..., Any]) -> None:
    done = run("demo", "--cities", "20", "--sensors", "50")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)


def test_the_limit_is_enough_for_one_range_to_take_everything() -> None:
    plan = Plan(cities=3, sensors=2, rate=5, seconds=None, ru_per_second=None)
    assert plan.limit / 2 > 3 * 2 * 5 * 5.33
    assert Plan(3, 2, 5, None, 100).limit == 100


def test_an_outcome_is_equal_only_when_everything_arrived_and_nothing_went_wrong() -> None:
    assert Outcome(1, 10, 10, 0, 0.0, 1.0).equal
    assert not Outcome(1, 10, 9, 0, 0.0, 1.0).equal
    assert not Outcome(1, 10, 10, 0, 0.0, 1.0, reason="cut short").equal


def test_a_leashed_command_ends_with_its_leash() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sensor_tui.cli.leash", "simulate", "--db", "a.db", "--rate", "0.01"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        while not Path("a.db").exists():
            assert process.poll() is None
        process.stdin.close()
        process.stdout.read()
        assert process.wait(30) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

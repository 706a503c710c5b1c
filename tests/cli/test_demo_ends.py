"""A demo with a dashboard: nothing of it survives, whatever is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli.children import ChildEnded
from sensor_tui.cli.demo_keeper import Ended
from sensor_tui.cli.demo_parts import Plan
from sensor_tui.cli.demo_stage import DemoStage
from sensor_tui.cli.demo_sweep import remains, sweep
from sensor_tui.fleet import process_table
from sensor_tui.model.clock import SystemClock

pytestmark = pytest.mark.timeout(150)

PLAN = Plan(cities=1, sensors=2, rate=10, seconds=None, ru_per_second=None)
HOLDER = """
import sys
from pathlib import Path
from sensor_tui.cli.demo_parts import Plan
from sensor_tui.cli.demo_stage import DemoStage
from sensor_tui.model.clock import SystemClock
stage = DemoStage(Plan(1, 2, 10, None, None), Path(sys.argv[1]), SystemClock(), kept=False)
print("up", flush=True)
sys.stdin.read()
"""


def until(what: str, answer: Callable[[], Any], seconds: float = 60.0) -> Any:
    ends = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < ends, what
        time.sleep(0.05)
    return found


def running(folder: Path, words: str) -> list[int]:
    """Processes of the demo with this in their command line."""
    return [pid for pid in remains(folder) if words.encode() in _command(pid)]


def keepers(folder: Path) -> list[int]:
    return [
        pid
        for pid in process_table.table()
        if b"demo_keeper" in _command(pid) and bytes(folder) in _command(pid)
    ]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def everything_runs(folder: Path) -> list[int]:
    sensors = running(folder, "simulate")
    return sensors if len(sensors) == 2 and list(folder.glob("data/*/*/sensor_data.db")) else []


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "demo"
    place.mkdir()
    yield place
    process_table.send(keepers(place), signal.SIGKILL)
    assert sweep(place, patience=0, grace=0)


@pytest.fixture
def stage(folder: Path) -> Iterator[DemoStage]:
    with DemoStage(PLAN, folder, SystemClock(), kept=False) as stage:
        until("the sensors did not start", lambda: everything_runs(folder))
        yield stage


def test_letting_go_ends_all_of_it_and_removes_the_folder(stage: DemoStage, folder: Path) -> None:
    ended = stage.end()
    assert ended.problem == ""
    assert ended.open == 0
    assert ended.documents
    assert remains(folder) == []
    assert not folder.exists()
    assert stage.end() == ended


def test_a_folder_that_is_kept(folder: Path) -> None:
    with DemoStage(PLAN, folder, SystemClock(), kept=True) as stage:
        assert stage.end().problem == ""
    assert (folder / "keeper.log").read_bytes() == b""
    assert remains(folder) == []


def test_a_dashboard_that_is_killed(folder: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"up\n"
        until("the sensors did not start", lambda: everything_runs(folder))
        holder.kill()
    until("the keeper stays", lambda: not keepers(folder))
    assert remains(folder) == []
    assert not folder.exists()


def test_a_keeper_that_is_killed(stage: DemoStage, folder: Path) -> None:
    sensors = everything_runs(folder)
    (keeper,) = keepers(folder)
    os.kill(keeper, signal.SIGKILL)
    until("its sensors run on", lambda: not set(sensors) & set(remains(folder)), 20)
    until("the rest runs on", lambda: not remains(folder))
    assert stage.end() == Ended(
        None, None, "The keeper of the demo was ended by SIGKILL; all of it was ended"
    )


def test_a_keeper_that_is_killed_and_a_dashboard_that_quits_at_once(stage: DemoStage, folder: Path) -> None:
    (keeper,) = keepers(folder)
    os.kill(keeper, signal.SIGKILL)
    assert "SIGKILL" in stage.end().problem
    assert remains(folder) == []


def test_a_service_that_is_killed_ends_the_demo(stage: DemoStage, folder: Path) -> None:
    (service,) = running(folder, "sync")
    os.kill(service, signal.SIGKILL)
    until("the demo goes on", lambda: not remains(folder) and not keepers(folder))
    ended = stage.end()
    assert ended.problem.startswith("sync ended with code -9")
    assert ended.documents is not None
    assert ended.open is None
    assert not folder.exists()


def test_an_endpoint_that_is_killed_is_told_of_at_the_end(stage: DemoStage, folder: Path) -> None:
    (endpoint,) = running(folder, "emulator")
    os.kill(endpoint, signal.SIGKILL)
    until("it is still there", lambda: not running(folder, "emulator"))
    assert len(everything_runs(folder)) == 2
    ended = stage.end()
    assert ended.problem.startswith("endpoint ended with code -9")
    assert ended.documents is None
    assert ended.open
    assert remains(folder) == []


def test_a_sensor_that_is_killed_is_started_again_and_still_ends(stage: DemoStage, folder: Path) -> None:
    before = everything_runs(folder)
    os.kill(before[0], signal.SIGKILL)
    again = until("it was not started again", lambda: set(everything_runs(folder)) - set(before))
    assert len(again) == 1
    assert stage.end().problem == ""
    assert remains(folder) == []


def test_ctrl_c_is_heeded_soon_and_leaves_nothing(stage: DemoStage, folder: Path) -> None:
    began = time.monotonic()
    stage.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert time.monotonic() - began < 40
    assert stage.end().problem == ""
    assert remains(folder) == []
    assert not folder.exists()


def test_what_cannot_be_set_up_is_said_in_words(folder: Path) -> None:
    (folder / "data").mkdir()
    with pytest.raises(ChildEnded, match="The demo could not be set up: FileExistsError"):
        DemoStage(PLAN, folder, SystemClock(), kept=True)
    assert remains(folder) == []
    assert keepers(folder) == []


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    return place


def _nothing_in(temporary: Path) -> bool:
    return not list(temporary.iterdir()) and not any(
        bytes(temporary) in _command(pid) for pid in process_table.table()
    )


@pytest.mark.parametrize("moment", ["keeper.log", "endpoint.log", "data"])
def test_ctrl_c_during_start_up(terminal: Any, temporary: Path, moment: str) -> None:
    shown = terminal("demo", "--cities", "1", "--sensors", "1")
    until("it does not begin", lambda: list(temporary.glob(f"*/{moment}")))
    shown.process.send_signal(signal.SIGINT)
    if moment == "data":
        # from here on the dashboard has the terminal, where Ctrl-C is a key and SIGINT ends the app
        shown.hang_up()
        shown.process.wait(60)
    else:
        code, drawn = shown.end()
        assert code == 130
        assert "Traceback" not in drawn
    until("something is left", lambda: _nothing_in(temporary))


def test_a_terminal_that_hangs_up(terminal: Any, temporary: Path) -> None:
    shown = terminal("demo", "--cities", "1", "--sensors", "1")
    (place,) = until("it does not begin", lambda: list(temporary.glob("*")))
    until("the sensor did not start", lambda: running(place, "simulate"))
    shown.hang_up()
    shown.process.wait(10)
    until("something is left", lambda: _nothing_in(temporary))


def test_a_terminal_that_goes_during_start_up_without_a_signal(terminal: Any, temporary: Path) -> None:
    shown = terminal("demo", "--cities", "1", "--sensors", "1")
    until("it does not begin", lambda: list(temporary.glob("*/keeper.log")))
    os.close(shown.screen)
    shown.screen = -1
    shown.process.wait(10)
    until("something is left", lambda: _nothing_in(temporary))


async def test_a_unit_of_a_demo_ends_without_a_holder_of_its_leash(tmp_path: Path) -> None:
    """One that a dying service starts once more finds nobody at the other end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sensor_tui.cli.leash",
        f"--hold={tmp_path / 'leash'}",
        "simulate",
        f"--db={tmp_path / 'a.db'}",
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        assert await process.wait() in {0, -signal.SIGTERM}

"""The installed command in a real terminal, from the first reading to the last process."""

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.components import require_component
from tests.support.tmux import Tmux

COMMAND = Path(sys.executable).parent / "sensor-tui"
LETTERS = "There are no dead letters|No dead letters"


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    require_component("tmux")
    with Tmux(tmp_path) as terminal:
        yield terminal


def environment(folder: Path) -> dict[str, str]:
    return {
        "TMPDIR": str(folder),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "XDG_RUNTIME_DIR": str(folder),
    }


def processes_of(folder: Path) -> list[str]:
    """Processes that were started for this folder, whoever their parent is."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get("TMPDIR") == str(folder) and "tmux" not in process.name()
            if mine and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return [line for line in found if "sleep 1000" not in line]


@pytest.mark.component("tmux")
@pytest.mark.timeout(240)
def test_an_operator_stops_resets_reads_and_quits(tmux: Tmux, tmp_path: Path) -> None:
    tmux.run([str(COMMAND), "demo", "--cities", "2", "--sensors", "2"], environment(tmp_path))
    tmux.see(r"4/4 up")
    tmux.see(r"[1-9]\d* docs/s")

    tmux.keys("Space", "Down", "Space")
    tmux.see("2 marked")
    tmux.keys("x")
    tmux.see(r"(?s)Stop 2 units.* unsent.*\[x\] d drain first")
    tmux.keys("Enter")
    tmux.see(r"2/4 up", within=60)
    tmux.keys("Escape", "Escape")
    stopped = r"○ stopped +(?:\S +)?\d+ \w+ +0 "
    tmux.see(rf"(?s){stopped}.*{stopped}", within=60)

    tmux.keys("Down", "Down", "R")
    tmux.see(r"(?s)Reset 1 unit.* unsent")
    tmux.keys("Enter")
    tmux.see(r"reset by .*proven|✓ .*proven", within=90)
    tmux.keys("Escape")

    tmux.keys("4")
    tmux.see(r"following")
    tmux.keys("/")
    tmux.type("writes")
    tmux.keys("Enter")
    tmux.see(r"writes data/")
    tmux.lose("readings in 10 s")
    tmux.see("f Follow")

    tmux.keys("3")
    tmux.see(r"Since start: \d")
    tmux.keys("D")
    tmux.see(LETTERS)
    tmux.keys("Escape")

    tmux.keys("1")
    tmux.see(r"2/4 up|3/4 up")
    tmux.keys("T")
    tmux.see("high-contrast")
    tmux.keys("Down", "Enter")
    tmux.lose("high-contrast")

    tmux.keys("q")
    tmux.see("removes")
    tmux.keys("Enter")
    ended = tmux.see(r"the endpoint held ([\d,]+) documents, 0 readings were still", within=60)
    assert int(ended[1].replace(",", "")) > 0
    tmux.see("ENDED 0")
    assert processes_of(tmp_path) == []
    assert not list(tmp_path.glob("sensor-tui-demo-*"))


@pytest.mark.component("tmux")
@pytest.mark.timeout(120)
def test_a_terminal_that_is_gone_leaves_nothing_of_a_demo(tmux: Tmux, tmp_path: Path) -> None:
    tmux.run([str(COMMAND), "demo", "--cities", "1", "--sensors", "1"], environment(tmp_path))
    tmux.see(r"1/1 up")
    tmux.__exit__()
    ends = time.monotonic() + 60
    while (left := processes_of(tmp_path)) and time.monotonic() < ends:
        time.sleep(0.1)
    assert left == []


@pytest.mark.component("tmux")
@pytest.mark.timeout(60)
def test_a_crash_is_one_line_and_the_terminal_is_given_back(tmux: Tmux, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sensor_tui.app.screens.sensors as screen\n"
        "def take(self, overview, now):\n"
        "    secret = 'c2VjcmV0'\n"
        "    raise RuntimeError('boom')\n"
        "screen.SensorsScreen.take = take\n"
        "from sensor_tui.cli.main import main\n"
        "main()\n",
        encoding="utf-8",
    )
    (tmp_path / "data").mkdir()
    tmux.run([sys.executable, str(broken), "--attach", "--data-dir", "data"], environment(tmp_path))
    tmux.see("sensor-tui")
    tmux.keys("2")
    tmux.see("ENDED 70")
    screen = re.sub(r"\s+", " ", tmux.screen())
    assert "Unexpected error: RuntimeError: boom." in screen
    assert "c2VjcmV0" not in screen
    assert "Traceback" not in screen

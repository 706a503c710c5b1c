"""The screen: CPU, key press to paint, bytes and first paint, with 200 units and 1,000 sensors at 1 Hz."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.common import ROOT, Line, null_endpoint, sample_tree
from benchmarks.terminals import Terminal, sensor_tui

SECONDS = 15
KEYS = 60
DOWN = b"\x1b[B"
SCREENS = {"fleet": b"1", "sensors": b"2", "uploads": b"3"}


def measure() -> list[Line]:
    """The dashboard as it is installed, in a terminal of 200x60 with 256 colours."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
        data = Path(name) / "data"
        data.mkdir()
        with _feeder(data):
            lines += _first_paint(data)
            lines += _screens(data)
            lines += _low_bandwidth(data)
            lines += _under_load(data, Path(name))
        with _feeder(data, "--still"):
            lines += _still(data)
    return lines


@contextmanager
def _feeder(data: Path, *options: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.feeder", str(data), *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            process.stdout.readline()
            yield
        finally:
            process.stdin.close()
            process.wait(20)


def _dashboard(data: Path, *options: str) -> Terminal:
    return Terminal(sensor_tui("--attach", "--data-dir", str(data), *options))


def _first_paint(data: Path) -> list[Line]:
    times = []
    for _ in range(5):
        with _dashboard(data) as terminal:
            times.append(terminal.until(b"sensor-tui", 20.0))
    middle = sorted(times)[len(times) // 2]
    return [Line("first paint", f"{middle:.2f} s", "≤ 1.2 s", middle <= 1.2)]


def _screens(data: Path) -> list[Line]:
    lines = []
    with _dashboard(data) as terminal:
        terminal.until(b"sensor-000", 20.0)
        for screen, key in SCREENS.items():
            terminal.send(key)
            terminal.read(3.0)
            share, rate = _watch(terminal)
            met = share <= 0.30
            lines.append(Line(f"{screen}: CPU, everything changing", f"{share:.1%} of a core", "≤ 30 %", met))
            lines.append(Line(f"{screen}: bytes to the terminal", f"{rate / 1000:.1f} KB/s"))
    return lines


def _low_bandwidth(data: Path) -> list[Line]:
    with _dashboard(data, "--low-bandwidth") as terminal:
        terminal.until(b"sensor-000", 20.0)
        terminal.read(3.0)
        share, rate = _watch(terminal)
    return [
        Line("fleet, low bandwidth: CPU", f"{share:.1%} of a core"),
        Line("fleet, low bandwidth: bytes", f"{rate / 1000:.2f} KB/s", "≤ 2 KB/s", rate <= 2000),
    ]


def _still(data: Path) -> list[Line]:
    with _dashboard(data) as terminal:
        terminal.until(b"sensor-000", 20.0)
        terminal.quiet(3.0)
        share, rate = _watch(terminal)
    return [
        Line("fleet, nothing changing: bytes", f"{rate:.0f} B/s", "≤ 50 B/s", rate <= 50),
        Line("fleet, nothing changing: CPU", f"{share:.1%} of a core"),
    ]


def _under_load(data: Path, folder: Path) -> list[Line]:
    """Key press to paint while an upload runs as fast as it can."""
    backlog = folder / "backlog"
    sample_tree(backlog, files=8, rows=100_000, generations=("2025-08",))
    with null_endpoint() as endpoint, _dashboard(data) as terminal:
        terminal.until(b"sensor-000", 20.0)
        calm = _answers(terminal)
        uploading = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ours", endpoint, str(backlog)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        try:
            busy = _answers(terminal, while_running=uploading)
        finally:
            uploading.kill()
            uploading.wait()
    return [
        Line("key press to paint, calm", _times(calm)),
        Line("key press to paint, uploading", _times(busy), "p99 ≤ 100 ms", _percentile(busy, 0.99) <= 0.1),
    ]


def _answers(terminal: Terminal, while_running: "subprocess.Popen[bytes] | None" = None) -> list[float]:
    times = []
    for press in range(KEYS):
        if while_running is not None and while_running.poll() is not None:
            break
        times.append(terminal.answer(DOWN if press // 20 % 2 == 0 else b"\x1b[A"))
    return times


def _watch(terminal: Terminal) -> tuple[float, float]:
    cpu, began = terminal.cpu(), time.perf_counter()
    taken, ends = 0, began + SECONDS
    while time.perf_counter() < ends:
        taken += terminal.read(min(0.5, ends - time.perf_counter()))
    seconds = time.perf_counter() - began
    return (terminal.cpu() - cpu) / seconds, taken / seconds


def _times(times: list[float]) -> str:
    shown = [
        f"{name} {_percentile(times, share) * 1000:.0f} ms" for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    return f"{', '.join(shown)}, {len(times)} presses"


def _percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]

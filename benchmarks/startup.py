"""How long the command takes to say what it can do."""

import subprocess
import sys
import time

from benchmarks.common import ROOT, Line

RUNS = 7


def measure() -> list[Line]:
    """Median of several runs; the bare interpreter beside it."""
    lines = []
    bare = _median([sys.executable, "-c", "pass"])
    for arguments in (["--help"], ["sync", "--help"], ["config", "schema"]):
        seconds = _median([sys.executable, "-m", "sensor_tui", *arguments])
        bar, met = ("≤ 0.35 s", seconds <= 0.35) if arguments == ["--help"] else ("", None)
        text = f"{seconds:.3f} s (bare interpreter {bare:.3f} s)"
        lines.append(Line(f"sensor-tui {' '.join(arguments)}", text, bar, met))
    return lines


def _median(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return sorted(times)[RUNS // 2]

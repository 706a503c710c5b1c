"""A log burst: 100,000 lines into the Logs screen, how long a key press takes meanwhile, and the memory.

The dashboard runs in a terminal of its own (200x60), fed by a port that decodes batches as the client of a
service does, as fast as the screen takes them. A key press counts from the write to the terminal to the end
of the first paint after it took effect.
"""

import asyncio
import fcntl
import gc
import json
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from benchmarks.common import ROOT, Line, rss_bytes

LINES = 100_000
BATCH = 500
BURSTS = 3
WIDTH, HEIGHT = 200, 60
UNITS = 50
GAP_SECONDS = 0.02
"""Between the answer to a key press and the next."""
QUIET_KEYS = 30
BUDGET_MS = 200.0
MEMORY_MB = 60.0
_UP, _END = b"\x1b[A", b"G"


def measure() -> list[Line]:
    """What `run` found, against the bars."""
    found = run()
    keys = f"p50 {found['p50_ms']:.0f}, p99 {found['p99_ms']:.0f}, max {found['max_ms']:.0f} ms"
    quiet = f"p50 {found['quiet_p50_ms']:.0f}, max {found['quiet_max_ms']:.0f} ms"
    worst, grown = found["max_ms"], found["rss_growth_mb"]
    return [
        Line(f"key press, {LINES:,} lines coming", keys, "≤ 200 ms", worst <= BUDGET_MS),
        Line("key press, no lines coming", quiet),
        Line("lines taken", f"{found['lines_per_second']:,.0f}/s, {found['keys']:.0f} keys pressed"),
        Line(f"memory, {BURSTS} bursts", f"{grown:.1f} MB more", f"≤ {MEMORY_MB:.0f} MB", grown <= MEMORY_MB),
    ]


def run() -> dict[str, float]:
    """Milliseconds from key to paint, quiet and during bursts, lines a second, and memory grown in MB."""
    answers, answering = os.pipe()
    os.set_inheritable(answering, True)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        environment = {**os.environ, "TERM": "xterm-256color"}
        for name in ("COLORTERM", "COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        command = [sys.executable, "-m", "benchmarks.logburst", str(answering)]
        os.execve(command[0], command, environment)
    os.close(answering)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    driver = _Driver(terminal, answers)
    try:
        before = float(driver.expect("ready")["rss"])
        quiet = [driver.press(number) for number in range(QUIET_KEYS)]
        busy: list[float] = []
        seconds = 0.0
        most = before
        for _ in range(BURSTS):
            os.kill(pid, signal.SIGUSR1)
            driver.done = None
            while driver.done is None:
                busy.append(driver.press(len(busy)))
            seconds += float(driver.done["seconds"])
            most = max(most, float(driver.done["rss"]))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
        os.close(answers)
    busy.sort()
    quiet.sort()
    return {
        "keys": float(len(busy)),
        "p50_ms": busy[len(busy) // 2],
        "p99_ms": busy[min(len(busy) - 1, len(busy) * 99 // 100)],
        "max_ms": busy[-1],
        "quiet_p50_ms": quiet[len(quiet) // 2],
        "quiet_max_ms": quiet[-1],
        "lines_per_second": BURSTS * LINES / seconds,
        "rss_growth_mb": (most - before) / 1e6,
    }


class _Driver:
    """Presses keys, and hears from the dashboard when they were painted."""

    def __init__(self, terminal: int, answers: int) -> None:
        self._terminal = terminal
        self._answers = answers
        self._rest = b""
        self._told: list[dict[str, Any]] = []
        self.done: dict[str, Any] | None = None

    def press(self, number: int) -> float:
        """Milliseconds until the key was painted; up pauses, G follows again."""
        os.write(self._terminal, _END if number % 2 else _UP)
        pressed = time.monotonic()
        painted = float(self.expect("painted")["at"])
        self._drain(GAP_SECONDS)
        return (painted - pressed) * 1000

    def expect(self, kind: str, seconds: float = 30.0) -> dict[str, Any]:
        """The next message of that kind."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for place, message in enumerate(self._told):
                if message["kind"] == kind:
                    return self._told.pop(place)
            self._drain(0.5, until_told=True)
        raise SystemExit(f"the dashboard does not answer: no '{kind}' in {seconds:.0f} s")

    def _drain(self, seconds: float, *, until_told: bool = False) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._terminal, self._answers], [], [], left)
            if self._terminal in ready:
                os.read(self._terminal, 1 << 16)
            if self._answers in ready:
                self._rest += os.read(self._answers, 1 << 16)
                *lines, self._rest = self._rest.split(b"\n")
                for line in lines:
                    message = json.loads(line)
                    if message["kind"] == "done":
                        self.done = message
                    else:
                        self._told.append(message)
                if until_told:
                    return


def _batches() -> list[bytes]:
    """What a service sends, as it sends it."""
    levels = ("INFO", "INFO", "INFO", "DEBUG", "WARNING", "ERROR")
    found = []
    for start in range(0, LINES, BATCH):
        lines = [
            {
                "unit": f"local/process/sensor-{number % UNITS:03d}",
                "at": 1_754_000_000.0 + number / 1000,
                "text": f"2025-08-01T00:00:00Z {levels[number % 6]} sensor: reading {number} was stored, "
                f"temperature={number % 37} vibration=0.{number % 89} after {number % 11} ms",
                "stream": "out",
            }
            for number in range(start, start + BATCH)
        ]
        found.append(json.dumps(lines).encode())
    return found


def _dashboard(answering: int) -> Any:
    from pydantic import TypeAdapter

    from sensor_tui.app.app import DashboardApp
    from sensor_tui.app.base import Look
    from sensor_tui.app.driver import FrugalDriver
    from sensor_tui.app.widgets.loglines import LogLines
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.model.overview import Link, Overview
    from sensor_tui.model.unit import LogLine, Role, Unit, UnitState

    adapter: TypeAdapter[list[LogLine]] = TypeAdapter(list[LogLine])
    batches = _batches()
    go = asyncio.Event()

    def tell(**message: Any) -> None:
        os.write(answering, json.dumps(message).encode() + b"\n")

    class Port:
        """Log lines whenever a burst is asked for."""

        async def updates(self) -> AsyncIterator[Overview]:
            names = [f"sensor-{number:03d}" for number in range(UNITS)]
            units = {
                f"local/process/{name}": Unit(
                    f"local/process/{name}", "local", "process", name, Role.SENSOR, UnitState.RUNNING
                )
                for name in names
            }
            yield Overview(link=Link.LIVE, at=time.time(), backlog=0, dead_letters=0, units=units)
            await asyncio.Event().wait()

        async def logs(self, _units: Sequence[str], **_: Any) -> AsyncIterator[Sequence[LogLine]]:
            yield adapter.validate_json(batches[0])[:100]
            await asyncio.sleep(1.0)
            tell(kind="ready", rss=rss_bytes())
            while True:
                await go.wait()
                go.clear()
                started = time.monotonic()
                for batch in batches:
                    yield adapter.validate_json(batch)
                tell(kind="done", seconds=time.monotonic() - started, rss=rss_bytes())

    class Dashboard(DashboardApp):
        """Tells of the first paint after following began or ended."""

        followed = True

        def on_mount(self) -> None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, go.set)

        def _display(self, screen: Any, renderable: Any) -> None:
            super()._display(screen, renderable)
            for lines in screen.query(LogLines):
                if lines.follows is not self.followed and renderable is not None:
                    self.followed = lines.follows
                    tell(kind="painted", at=time.monotonic())

    port: Any = Port()
    return Dashboard(port, clock=SystemClock(), look=Look(), start="logs", driver_class=FrugalDriver)


if __name__ == "__main__":
    dashboard = _dashboard(int(sys.argv[1]))
    gc.collect()
    gc.freeze()
    dashboard.run()

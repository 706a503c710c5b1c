"""Bytes to the terminal: a Fleet-like grid at 200x60, the stock DataTable beside it, each in a terminal."""

import argparse
import fcntl
import os
import pty
import random
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.common import ROOT, Line

WIDTH, HEIGHT = 200, 60
ROWS = 50
SETTLE_SECONDS = 4
SECONDS = 12
LOW_SECONDS = 5
"""Between two updates of the dashboard in low-bandwidth mode."""
BUDGET, LOW_BUDGET = 8_000, 2_000
HEADS = (
    "UNIT",
    "CITY",
    "STATE",
    "HEALTH",
    "ROLE",
    "HOST",
    "IMAGE",
    "CPU",
    "MEMORY",
    "UP",
    "RATE",
    "FRESH",
    "BACKLOG",
)
WIDTHS = (22, 12, 10, 9, 9, 10, 24, 7, 10, 7, 7, 7, 9)
KINDS = ("grid", "low", "still", "table")


def measure() -> list[Line]:
    """What `run` found, against the bars."""
    found = run()
    return [
        Line(
            f"grid, {ROWS} rows, five cells each a second",
            _rate(found["grid"]),
            "≤ 8 KB/s",
            found["grid"] <= BUDGET,
        ),
        Line("the same, --low-bandwidth", _rate(found["low"]), "≤ 2 KB/s", found["low"] <= LOW_BUDGET),
        Line("the same, nothing changes", _rate(found["still"]), "0", found["still"] == 0),
        Line("stock DataTable, stock driver", _rate(found["table"])),
        Line("first paint of the grid", f"{found['grid_first'] / 1000:.1f} KB"),
        Line("grid against DataTable", f"{found['table'] / max(found['grid'], 1):.1f} times fewer"),
    ]


def run() -> dict[str, float]:
    """Bytes a second of every kind, and of the first paint; all run side by side."""
    children = [_Child(kind) for kind in KINDS]
    try:
        started = time.monotonic()
        while (now := time.monotonic()) < started + SETTLE_SECONDS + SECONDS:
            ready, _, _ = select.select([child.terminal for child in children], [], [], 0.1)
            for child in children:
                if child.terminal in ready:
                    child.read(now - started)
    finally:
        for child in children:
            child.end()
    found: dict[str, float] = {}
    for child in children:
        found[child.kind] = sum(n for at, n in child.got if at >= SETTLE_SECONDS) / SECONDS
        found[f"{child.kind}_first"] = sum(n for at, n in child.got if at < SETTLE_SECONDS)
    return found


def _rate(bytes_per_second: float) -> str:
    return f"{bytes_per_second / 1000:.2f} KB/s"


@dataclass
class _Child:
    """An app in a terminal of its own."""

    kind: str
    got: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            environment = {**os.environ, "TERM": "xterm-256color"}
            for name in ("COLORTERM", "COLUMNS", "LINES", "NO_COLOR"):
                environment.pop(name, None)
            command = [sys.executable, "-m", "benchmarks.terminal", self.kind]
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))

    def read(self, at: float) -> None:
        try:
            self.got.append((at, len(os.read(self.terminal, 1 << 16))))
        except OSError:
            raise SystemExit(f"the app of kind {self.kind} ended") from None

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def _cells(number: int, tick: int) -> list[str]:
    """A row of the fleet; the last but UP change at every tick."""
    dice = random.Random(number * 100_003 + tick)
    return [
        f"sensor-{number:04d}",
        ("London", "Manila", "New York", "Oslo")[number % 4],
        "● running",
        "healthy",
        "sensor",
        "local",
        "sensor-manager:1.4.2",
        f"{dice.uniform(0.1, 9.9):.1f}%",
        f"{dice.uniform(40, 99):.1f} MiB",
        "4 h",
        f"{dice.uniform(0.5, 9.9):.1f}",
        f"{dice.randrange(5)} s",
        f"{dice.randrange(1000, 9999):,}",
    ]


def _app(kind: str) -> Any:
    from textual.app import App, ComposeResult
    from textual.widgets import DataTable, Footer

    from sensor_tui.app.driver import FrugalDriver
    from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row, Tone

    FrugalDriver.low_bandwidth = kind == "low"

    class Fleet(App[None]):
        """A table, a footer, and something new every second."""

        tick = 0

        def compose(self) -> ComposeResult:
            if kind == "table":
                yield DataTable(cursor_type="row")
            else:
                yield Grid(
                    [Column(h, h, w, right=h in HEADS[7:]) for h, w in zip(HEADS, WIDTHS, strict=True)]
                )
            yield Footer()

        def on_mount(self) -> None:
            self.animation_level = "none"
            show: Callable[[], None] = self.show_table if kind == "table" else self.show_grid
            if kind == "table":
                table = self.query_one(DataTable)
                for head, width in zip(HEADS, WIDTHS, strict=True):
                    table.add_column(head, width=width, key=head)
                for number in range(ROWS):
                    table.add_row(*_cells(number, 0), key=str(number))
            show()
            self.set_interval(LOW_SECONDS if kind == "low" else 1, show)

        def show_grid(self) -> None:
            self.tick += kind != "still"
            rows = []
            for number in range(ROWS):
                cells = {h: Cell(text) for h, text in zip(HEADS, _cells(number, self.tick), strict=True)}
                cells["STATE"] = Cell(cells["STATE"].text, Tone.GOOD)
                for head, limit in (("CPU", "7"), ("FRESH", "3")):
                    text = cells[head].text
                    cells[head] = Cell(text, Tone.WARN if text >= limit else Tone.NORMAL)
                rows.append(Row(f"{number}", cells))
            self.query_one(Grid).show(rows)

        def show_table(self) -> None:
            self.tick += 1
            table = self.query_one(DataTable)
            for number in range(ROWS):
                for head, text in list(zip(HEADS, _cells(number, self.tick), strict=True))[7:]:
                    if head != "UP":
                        table.update_cell(str(number), head, text)

    return Fleet(driver_class=None if kind == "table" else FrugalDriver)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    _app(parser.parse_args().kind).run()

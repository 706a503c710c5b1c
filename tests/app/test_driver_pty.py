"""The driver on a real terminal."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.app.driver_terminal import Terminal

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


class Session:
    """A child on a terminal of 60x12, and what that shows."""

    def __init__(self, *arguments, size=(60, 12)):
        self.pid, self.end = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
            for name in ("COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "PYTEST_CURRENT_TEST"):
                environment.pop(name, None)
            command = [sys.executable, "-m", "tests.app.driver_child", *arguments]
            os.execve(command[0], command, environment)
        self.terminal = Terminal(*size)
        self.written = 0
        self._rest = ""
        self.resize(*size, keep=True)

    def resize(self, width, height, *, keep=False):
        if not keep:
            self.terminal = Terminal(width, height)
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def press(self, keys):
        os.write(self.end, keys.encode())

    def read(self, seconds):
        """What was written within that time, drawn; None where nothing was, False at the end."""
        ready, _, _ = select.select([self.end], [], [], seconds)
        if not ready:
            return None
        try:
            data = os.read(self.end, 1 << 16)
        except OSError:
            return False
        self.written += len(data)
        # a sequence may be cut anywhere; what does not end yet waits
        text = self._rest + data.decode("utf-8", "surrogateescape")
        cut = re.search(r"(?:\x1b(?:\[[\d;?<>=$ ]*|\][^\x07\x1b]*\x1b?)?|[\udc80-\udcff]+)\Z", text)
        self._rest = text[cut.start() :] if cut else ""
        text = text[: cut.start()] if cut else text
        self.terminal.feed(text)
        return text

    def until(self, wanted):
        deadline = time.monotonic() + PATIENCE
        while not any(wanted in line for line in self.terminal.lines):
            assert time.monotonic() < deadline, f"no {wanted!r} in {self.terminal.lines}"
            if self.read(0.2) is False:
                raise AssertionError(f"it ended; on screen: {self.terminal.lines}")

    def quiet(self):
        """Read until nothing more comes."""
        while self.read(0.4):
            pass

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.end)


@pytest.fixture
def session():
    begun = []

    def begin(*arguments, **options):
        begun.append(Session(*arguments, **options))
        begun[-1].until("size 60x12")
        return begun[-1]

    yield begin
    for each in begun:
        each.close()


def test_draws_answers_keys_sends_nothing_else_and_leaves_the_terminal_as_it_was(session):
    child = session()
    child.quiet()
    assert child.terminal.alternate
    before = child.written
    child.press("n")
    child.until("number 1")
    assert child.written - before < 40
    child.quiet()
    before = child.written
    assert child.read(1.0) is None
    child.press("q")
    child.until("goodbye")
    assert child.written > before
    modes = child.terminal.modes
    assert not child.terminal.alternate
    assert modes["25"]
    assert modes["7"]
    assert not modes["1000"]
    assert not modes["2004"]
    assert "<u" in child.terminal.others


def test_another_size_is_painted_whole(session):
    child = session()
    child.quiet()
    child.resize(80, 20)
    child.until("size 80x20")
    child.until("number 0")


def test_a_size_that_comes_back_paints_what_the_terminal_lost(session):
    child = session()
    child.quiet()
    child.resize(50, 8)
    child.resize(60, 12)
    child.until("number 0")
    child.until("size 60x12")


def test_everything_again_on_demand(session):
    child = session()
    child.quiet()
    child.terminal.rows = child.terminal._empty()
    child.press("f")
    child.until("number 0")
    child.until("size 60x12")


def test_a_shell_in_between(session):
    child = session()
    child.quiet()
    child.press("s")
    child.until("in the shell")
    assert not child.terminal.alternate
    child.press("\n")
    child.until("number 0")
    child.quiet()
    assert child.terminal.alternate
    child.press("n")
    child.until("number 1")


def test_of_a_flood_the_newest_screen_is_drawn(session):
    child = session()
    child.quiet()
    child.press("t")
    child.until("flood 1999")
    child.until("number 1")
    assert child.written < 200_000


def test_low_bandwidth_answers_keys(session):
    child = session("low")
    child.quiet()
    for number in range(1, 4):
        child.press("n")
        child.until(f"number {number}")
    assert "1003" not in child.terminal.modes

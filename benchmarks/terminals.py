"""A program in a terminal of its own: what it draws is counted, and keys are answered."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from benchmarks.common import ROOT, cpu_seconds_of

COLUMNS, ROWS = 200, 60


class Terminal:
    """A pseudo-terminal with a program in it; ended when left."""

    def __init__(self, command: Sequence[str], *, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {
            name: value for name, value in os.environ.items() if name not in {"COLORTERM", "NO_COLOR"}
        }
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(slave)
        self.drawn = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                deadline = time.monotonic() + 10
                while self.process.poll() is None and time.monotonic() < deadline:
                    self.read(0.1)
            finally:
                self.process.kill()
        self.process.wait()
        os.close(self._master)

    def read(self, seconds: float) -> int:
        """Take what is drawn within that time; how many bytes it was."""
        taken, ends = 0, time.perf_counter() + seconds
        while (left := ends - time.perf_counter()) > 0:
            ready, _, _ = select.select([self._master], [], [], left)
            if not ready:
                break
            try:
                chunk = os.read(self._master, 65536)
            except OSError:
                break
            taken += len(chunk)
            self.drawn += chunk
        return taken

    def until(self, text: bytes, seconds: float) -> float:
        """Wait until this is drawn; seconds since the start of the program."""
        ends = time.perf_counter() + seconds
        while text not in self.drawn:
            if time.perf_counter() > ends or self.process.poll() is not None:
                raise TimeoutError(f"{text!r} was not drawn: {bytes(self.drawn[-400:])!r}")
            self.read(0.01)
        return time.perf_counter() - self.started

    def quiet(self, seconds: float, *, within: float = 30.0) -> None:
        """Wait until nothing was drawn for that long."""
        ends = time.perf_counter() + within
        while self.read(seconds):
            if time.perf_counter() > ends:
                raise TimeoutError("it never stops drawing")

    def answer(self, key: bytes, *, longest: float = 5.0) -> float:
        """Press a key in a quiet moment; seconds until something is drawn."""
        self.quiet(0.05)
        pressed = time.perf_counter()
        os.write(self._master, key)
        ready, _, _ = select.select([self._master], [], [], longest)
        if not ready:
            raise TimeoutError(f"{key!r} was not answered")
        return time.perf_counter() - pressed

    def send(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def cpu(self) -> float:
        """CPU seconds of the program so far."""
        return cpu_seconds_of(self.process.pid)


def sensor_tui(*arguments: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "sensor_tui", *arguments]

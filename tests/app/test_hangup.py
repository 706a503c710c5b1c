"""A dashboard whose terminal is gone is gone too, at once and without spinning."""

import os
import pty
import signal
import subprocess
import sys
from typing import Any

import pytest

from sensor_tui.app.hangup import GONE

CHILD = """
import signal, sys, time
from sensor_tui.app.hangup import vanish_on_hangup
vanish_on_hangup()
if "deaf" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(60)
"""


@pytest.fixture
def child() -> Any:
    started: list[tuple[subprocess.Popen[bytes], int]] = []

    def start(*arguments: str, session: bool) -> tuple[subprocess.Popen[bytes], int]:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *arguments],
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            start_new_session=session,
        )
        os.close(slave)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        started.append((process, master))
        return process, master

    yield start
    for process, _ in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_the_signal_ends_it(child: Any) -> None:
    process, master = child(session=False)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=5) == GONE
    os.close(master)


def test_a_line_that_drops_ends_it_even_where_the_signal_is_ignored(child: Any) -> None:
    process, master = child("deaf", session=True)
    os.close(master)
    assert process.wait(timeout=5) == GONE

"""The service as the dashboard has it: gone and back, killed, left running, stopped; and a lost line."""

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
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sensor_tui.app.hangup import GONE
from sensor_tui.app.screens.dialogs import ChooseDialog
from sensor_tui.model.action import ActionKind
from sensor_tui.model.overview import Link
from sensor_tui.model.unit import UnitState
from tests.live.stage import PATIENCE, Stage, until

ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "sensor_tui", *sys.argv[1:]])
"""
"""The program, on the terminal that is its standard input."""


@pytest.fixture
def bare_stage():
    """Nobody has started a service yet; there is a sensor file."""
    with Stage(serve=False, sensors=(1,)) as one:
        yield one


async def test_a_service_stopped_elsewhere_is_missed_and_welcomed_back(own_stage, look_at):
    stage = own_stage
    unit = await stage.started("gone-1", number=1)
    async with look_at(stage) as live:
        await live.see(r"gone-1 .*● running")
        await stage.stop()
        await live.link(Link.STOPPED, within=2.0)
        await live.until(lambda: "no service: nobody uploads" in live.header, within=2.0)
        before = live.overview
        assert before.units[unit.id].pid == unit.pid
        assert before.sensors
        await live.see(r"gone-1 ")
        await stage.start()
        await live.link(Link.LIVE, within=5.0)
        await live.until(lambda: "● LIVE" in live.header)
        await live.until(lambda: live.overview.units[unit.id].state is UnitState.RUNNING)
        assert live.overview.units[unit.id].pid == unit.pid
        assert not live.overview.embedded


async def test_a_service_that_is_killed_leaves_its_units_which_are_taken_over(own_stage, look_at):
    stage = own_stage
    unit = await stage.started("orphan-1", number=1)
    async with look_at(stage) as live:
        await live.see(r"orphan-1 .*● running")
        await stage.kill_service()
        await live.link(Link.LOST, within=2.0)
        await live.until(lambda: "▲ stale" in live.header, within=2.0)
        assert live.overview.units[unit.id].pid == unit.pid
        os.kill(unit.pid, 0)
        written = stage.count(stage.file(1))
        await until(lambda: stage.count(stage.file(1)) > written)
        await stage.start()
        await live.link(Link.LIVE, within=10.0)
        again = await live.until(
            lambda: (now := live.overview.units.get(unit.id)) and now.state is UnitState.RUNNING and now
        )
        assert (again.pid, again.restarts) == (unit.pid, 0)
        run = await live.act("x", unit.id)
        assert not run.failed
    assert stage.synced(stage.file(1)).keys() == {1}
    assert len(stage.endpoint.documents()) == stage.count(stage.file(1))


async def test_quitting_leaves_a_service_that_was_started_here_running(bare_stage, look_at):
    async with look_at(bare_stage, start_service=True) as live:
        await live.until(lambda: live.overview.embedded)
        process = bare_stage.service_pid
        assert process is not None
        await live.press("q")
        await live.until(lambda: isinstance(live.screen, ChooseDialog))
        await live.see("The service was started from here")
        await live.press("1")
        await live.left()
    assert "goes on running" in live.app.return_value
    assert bare_stage.service_pid == process
    assert (await bare_stage.status()).engine.attached


async def test_quitting_drains_and_stops_it_where_that_is_wanted(bare_stage, look_at):
    stage = bare_stage
    async with look_at(stage, start_service=True) as live:
        await live.until(lambda: live.overview.embedded)
        unit = await stage.started("drain-1", number=1, rate=50.0)
        await stage.done(ActionKind.STOP, [unit.id], drain=False)
        await live.press("q")
        await live.until(lambda: isinstance(live.screen, ChooseDialog))
        await live.press("2")
        await live.left()
    assert live.app.return_value == "the service is stopped"
    assert stage.service_pid is None
    assert stage.synced(stage.file(1)).keys() == {1}
    assert len(stage.endpoint.documents()) == stage.count(stage.file(1))


async def test_a_dashboard_that_attached_leaves_without_a_word(own_stage, look_at):
    process = own_stage.service_pid
    async with look_at(own_stage, start_service=True) as live:
        assert not live.overview.embedded
        await live.press("q")
        await live.left()
    assert live.app.return_value is None
    assert own_stage.service_pid == process


class Terminal:
    """The installed command on a terminal of its own."""

    def __init__(self, stage):
        self.master, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_TERMINAL, *stage.options],
            stdin=side,
            stdout=side,
            stderr=side,
            env={**stage.environment, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
        os.close(side)

    def read(self, seconds=0.0):
        """What was written meanwhile; None at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self.master, 1 << 16) or None
        except OSError:
            return None

    async def until(self, wanted):
        drawn = b""

        def look():
            nonlocal drawn
            more = self.read()
            assert more is not None, drawn
            drawn = (drawn + more)[-200_000:]
            return wanted in drawn

        await until(look, what=lambda: repr(drawn))


@contextmanager
def on_a_terminal(stage):
    terminal = Terminal(stage)
    try:
        yield terminal
    finally:
        terminal.process.kill()
        terminal.process.wait()
        with suppress(OSError):
            os.close(terminal.master)


async def gone(terminal):
    """Seconds until the process has ended."""
    began = time.monotonic()
    await until(lambda: terminal.process.poll() is not None, within=PATIENCE)
    return time.monotonic() - began


async def whole(stage, unit):
    """Whether every reading that was written has arrived, once the sensor is stopped."""
    run = await stage.done(ActionKind.STOP, [unit.id])
    assert not run.failed, run
    path = stage.file(1)
    assert stage.synced(path).keys() == {1}
    assert len(stage.endpoint.documents()) == stage.count(path)


async def test_a_terminal_that_is_gone_takes_the_dashboard_and_nothing_else(bare_stage):
    stage = bare_stage
    with on_a_terminal(stage) as terminal:
        await terminal.until("● LIVE".encode())
        service = stage.service_pid
        unit = await stage.started("line-1", number=1)
        await terminal.until(b"line-1")
        files = known_files(stage)
        os.close(terminal.master)
        assert await gone(terminal) < 1.0
        assert terminal.process.returncode in {GONE, -signal.SIGHUP}
    assert known_files(stage) == files
    assert stage.service_pid == service
    sent = len(stage.endpoint.documents())
    await until(lambda: len(stage.endpoint.documents()) > sent + 5)
    await whole(stage, unit)


async def test_a_hangup_writes_nothing_more(bare_stage):
    """The line is held open here, so that what is written after the signal can be read."""
    stage = bare_stage
    with on_a_terminal(stage) as terminal:
        await terminal.until("● LIVE".encode())
        process = terminal.process
        process.send_signal(signal.SIGSTOP)
        await until(lambda: _state_of(process.pid) == "T")
        while terminal.read():
            pass
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGCONT)
        assert await gone(terminal) < 1.0
        assert process.returncode == GONE
        assert not terminal.read()
    assert (await stage.status()).engine.attached


def _state_of(process):
    return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def known_files(stage):
    """Files of this stage, but for what its service and its sensors write and remove all the time."""
    passing = ("-journal", "-wal", "-shm", ".log", ".times", ".tmp")
    return {
        str(path.relative_to(stage.folder))
        for path in stage.folder.rglob("*")
        if not path.name.endswith(passing)
    }

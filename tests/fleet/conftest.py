"""Process runtimes in a folder of the test; units that are small Python programs, none of which survives."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.fleet import process_table
from sensor_tui.fleet.process import ProcessRuntime
from sensor_tui.fleet.process_spec import MARK
from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.model.unit import LogLine, Unit, UnitSpec, UnitState

SECONDS = 30.0
"""Longest wait for something that is bound to happen."""

PROLOGUE = """
import os, signal, subprocess, sys, time
def say(text):
    with open(os.environ["PIPE"], "w") as pipe:
        pipe.write(f"{text}\\n")
"""


class HurryingClock(SystemClock):
    """The clock of the machine, but long waits are over at once, and time has passed; `waits` lists them."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.waits: list[float] = []

    def now(self) -> float:
        return super().now() + self.ahead

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        if seconds < 0.78:
            await asyncio.sleep(seconds)
            return
        self.waits.append(seconds)
        self.ahead += seconds
        await asyncio.sleep(0)


class Pipe:
    """What units say, line by line."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._text = b""

    async def line(self) -> str:
        """The next line any unit says."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._descriptor, ready.set)
        try:
            async with asyncio.timeout(SECONDS):
                while b"\n" not in self._text:
                    await ready.wait()
                    ready.clear()
                    with suppress(BlockingIOError):
                        self._text += os.read(self._descriptor, 65536)
        finally:
            loop.remove_reader(self._descriptor)
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    async def number(self) -> int:
        return int(await self.line())

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass
class Ground:
    """A state folder, and runtimes opened on it."""

    folder: Path
    pipe: Pipe
    runtimes: list[ProcessRuntime] = field(default_factory=list)

    async def open(self, clock: Clock | None = None, **options: Any) -> ProcessRuntime:
        runtime = ProcessRuntime(
            self.folder / "state", self.folder / "data", clock or SystemClock(), host_name="here", **options
        )
        self.runtimes.append(runtime)
        await runtime.open()
        return runtime

    def spec(self, body: str, name: str = "sensor-1", **options: Any) -> UnitSpec:
        """A unit that runs this Python text; `say` in it speaks to the test."""
        environment = {"PIPE": str(self.pipe.path)} | options.pop("environment", {})
        command = (sys.executable, "-I", "-S", "-c", PROLOGUE + body)
        return UnitSpec(name, command, environment=environment, **options)

    def alive(self) -> dict[str, list[int]]:
        """Processes of units of this ground."""
        found = process_table.marked(process_table.table(), MARK)
        return {mark: pids for mark, pids in found.items() if mark.startswith(str(self.folder))}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    (tmp_path / "data").mkdir()
    pipe = Pipe(tmp_path / "pipe")
    made = Ground(tmp_path, pipe)
    yield made
    for runtime in made.runtimes:
        if runtime._lock is not None:
            await asyncio.gather(*(runtime.stop(unit.id, grace=0) for unit in runtime.list()))
            await runtime.close()
    pipe.close()


@pytest.fixture(autouse=True)
def _no_process_survives(tmp_path: Path) -> Iterator[None]:
    yield
    found = process_table.marked(process_table.table(), MARK)
    left = [pid for mark, pids in found.items() if mark.startswith(str(tmp_path)) for pid in pids]
    process_table.send(left, signal.SIGKILL)
    assert not left, "processes survived the test"


def one(runtime: ProcessRuntime, name: str = "sensor-1") -> Unit:
    return next(unit for unit in runtime.list() if unit.name == name)


async def state_of(runtime: ProcessRuntime, *wanted: UnitState, name: str = "sensor-1") -> Unit:
    """Wait until the unit is in one of these states."""
    events = runtime.events()
    async with asyncio.timeout(SECONDS):
        while one(runtime, name).state not in wanted:
            await anext(events)
    return one(runtime, name)


async def gone(*pids: int) -> None:
    """Wait until these processes have ended; whoever adopted them collects them when it likes."""
    async with asyncio.timeout(SECONDS):
        while any(process_table.entry(pid) is not None for pid in pids):
            await asyncio.sleep(0.005)


async def read(
    runtime: ProcessRuntime, enough: Callable[[Sequence[LogLine]], bool] | None = None, **options: Any
) -> list[LogLine]:
    """Lines of the unit's log: to the end, or until there are enough when followed."""
    lines: list[LogLine] = []
    stream = runtime.logs("here/process/sensor-1", follow=enough is not None, **options)
    async with asyncio.timeout(SECONDS):
        async for batch in stream:
            assert len(batch) <= 501
            lines += batch
            if enough is not None and enough(lines):
                break
    await stream.aclose()  # type: ignore[attr-defined]
    return lines

"""The command line inside the test, as a process, and on a terminal; and something to send to."""

import asyncio
import errno
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli import logs
from sensor_tui.cli.main import main
from tests.conftest import KEPT

OURS = ("COSMOS_", "SENSOR_", "CONFIG_FILE", "IDENTITY_FILE", "LOG_LEVEL", "NO_COLOR", "READINGS_", "XDG_")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder and home, none of the product's variables, logging as it was."""
    for name in os.environ:
        if name.startswith(OURS) and name not in KEPT:
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    yield
    import logging

    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logs.LineHandler):
            root.removeHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("sensor_tui").setLevel(logging.NOTSET)
    logging.raiseExceptions = True


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Call the program inside this process."""

    def call(*arguments: object) -> Done:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        code = exit_.value.code
        assert isinstance(code, int)
        return Done(code, out, err)

    return call


Spawn = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start the program as a process; whatever still runs at the end of the test is killed."""
    started: list[subprocess.Popen[str]] = []

    def begin(
        *arguments: object, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sensor_tui", *map(str, arguments)],
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            env=os.environ | dict(env or {}),
            start_new_session=True,
            **options,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@dataclass
class Terminal:
    """A process on a terminal of its own, and what it has drawn there so far."""

    process: subprocess.Popen[bytes]
    screen: int
    drawn: str = ""

    def until(self, text: str, seconds: float = 30.0) -> str:
        """Read until this text has been drawn."""
        while text not in self.drawn:
            if not select.select([self.screen], [], [], seconds)[0]:
                raise AssertionError(f"{text!r} was not drawn: {self.drawn!r}")
            if not self._read():
                raise AssertionError(f"{text!r} was not drawn: {self.drawn!r}")
        return self.drawn

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def hang_up(self) -> None:
        """Take the terminal away, as a lost connection does."""
        os.close(self.screen)
        self.screen = -1
        self.process.send_signal(signal.SIGHUP)

    def end(self) -> tuple[int, str]:
        """Read to the end; exit code and everything drawn."""
        while self._read():
            pass
        return self.process.wait(timeout=30), self.drawn

    def _read(self) -> bool:
        try:
            some = os.read(self.screen, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        self.drawn += some.decode(errors="replace")
        return bool(some)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start the program on a terminal."""
    started: list[Terminal] = []

    def begin(
        *arguments: object, env: Mapping[str, str] | None = None, program: list[str] | None = None
    ) -> Terminal:
        screen, side = pty.openpty()
        process = subprocess.Popen(
            [*(program or [sys.executable, "-m", "sensor_tui"]), *map(str, arguments)],
            stdin=side,
            stdout=side,
            stderr=side,
            env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"} | dict(env or {}),
            start_new_session=True,
        )
        os.close(side)
        started.append(Terminal(process, screen))
        return started[-1]

    yield begin
    for each in started:
        each.process.kill()
        each.process.wait()
        if each.screen >= 0:
            os.close(each.screen)


class Endpoint:
    """A local endpoint in a thread of its own."""

    def __init__(self, ru_per_second: float | None) -> None:
        self._ru = ru_per_second
        self._loop = asyncio.new_event_loop()
        self._emulator: Any = None

    @contextmanager
    def running(self) -> Iterator["Endpoint"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            from sensor_tui.emulator import Emulator, EmulatorSettings

            self._emulator = Emulator(EmulatorSettings(port=0, ru_per_second=self._ru))
            self._call(self._emulator.start())
            yield self
            self._call(self._emulator.stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)

    @property
    def emulator(self) -> Any:
        assert self._emulator is not None
        return self._emulator

    @property
    def env(self) -> dict[str, str]:
        return {"COSMOS_ENDPOINT": self.emulator.url, "COSMOS_KEY": self.emulator.key}

    def documents(self) -> list[Any]:
        async def read() -> list[Any]:
            return list(self.emulator.documents("SensorData", "SensorReadings"))

        found: list[Any] = self._call(read())
        return found

    def count(self) -> int:
        return len(self.documents())

    def wait_for_documents(self, count: int = 1) -> None:
        """Until it holds at least so many."""

        async def wait() -> None:
            async with asyncio.timeout(60):
                while True:
                    with suppress(KeyError):
                        if self.emulator.count("SensorData", "SensorReadings") >= count:
                            return
                    await asyncio.sleep(0.01)

        self._call(wait())


@pytest.fixture
def endpoint(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """A local endpoint that the environment points at; an indirect parameter limits its request units."""
    with Endpoint(getattr(request, "param", None)).running() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def readings() -> Callable[..., Path]:
    """Write a sensor database under ./data."""

    def write(count: int = 10, *, city: str = "London", number: int = 1, generation: str = "2025-08") -> Path:
        from sensor_tui.model.clock import SystemClock
        from sensor_tui.simulator.config import SensorConfig
        from sensor_tui.simulator.run import run as simulate

        config = SensorConfig.model_validate(
            {"sensor": {"city": city, "number": number}, "anomalies": {"enabled": False}}
        )
        path = Path("data", city, config.identity().sensor_id, "sensor_data.db").absolute()
        simulate(
            config,
            db=path,
            rate=0,
            count=count,
            generation=generation,
            clock=SystemClock(),
            stop=threading.Event(),
        )
        return path

    return write

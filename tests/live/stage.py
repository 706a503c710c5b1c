"""Real things for the dashboard to look at: an endpoint, a service process, units and what they write."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.unit import Role, Unit, UnitSpec
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.control import stop_service
from sensor_tui.service.embed import Embedding
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.sockets import holder
from sensor_tui.service.wire import StatusReport
from sensor_tui.simulator.sample import write_sample

DATABASE: Final = "SensorData"
CONTAINER: Final = "SensorReadings"
CITY: Final = "London"
PATIENCE: Final = 30.0
"""Seconds until a test gives up waiting; nothing is expected to take so long."""
LOOK_SECONDS: Final = 0.05

_CONFIG: Final = """\
cosmos: {{endpoint: "{endpoint}", key: "{key}", database: {database}, container: {container}}}
performance: {{upload_interval_seconds: {interval}, upload_jitter_seconds: 0}}
"""
_KEPT: Final = ("PATH", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


async def until(
    look: Callable[[], Any], *, within: float = PATIENCE, what: Callable[[], str] = lambda: ""
) -> Any:
    """The first true answer of `look`."""
    ends = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > ends:
            raise AssertionError(f"not so within {within} s; {what()}")
        await asyncio.sleep(LOOK_SECONDS)
    return found


class Endpoint:
    """A local Cosmos endpoint in a thread of its own, that keeps its documents and its port while stopped."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="endpoint")
        self._thread.start()
        self._emulator: Emulator | None = None
        self._port = 0
        self.start()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Have something done on the thread's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)

    @property
    def emulator(self) -> Emulator:
        assert self._emulator is not None
        return self._emulator

    def start(self) -> None:
        """Listen, where it listened before."""
        emulator = Emulator(EmulatorSettings(port=self._port, partitions=2, data=self._file))
        self.call(emulator.start())
        self._emulator = emulator
        self._port = int(emulator.url.rpartition(":")[2])

    def stop(self) -> None:
        """Be gone, if it is not."""
        if self._emulator is not None:
            self.call(self._emulator.stop())
            self._emulator = None

    def close(self) -> None:
        """For good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def documents(self, sensor: str | None = None) -> list[dict[str, Any]]:
        """Everything it has, or what it has of a sensor."""

        async def read() -> list[dict[str, Any]]:
            try:
                found = self.emulator.documents(DATABASE, CONTAINER)
            except KeyError:
                return []
            return [each for each in found if sensor in {None, each.get("sensorId")}]

        found: list[dict[str, Any]] = self.call(read())
        return found


class Stage:
    """An endpoint, and a service over a data folder of its own; left with nothing running.

    `interval` is how many seconds pass between two looks at the files. Those of `sensors` are there from the
    beginning, with one reading, since a service takes seconds to find a new one.
    """

    def __init__(self, *, interval: float = 0.1, serve: bool = True, sensors: Sequence[int] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="live", dir="/tmp"))
        self.root = self.folder / "data"
        self.config = self.folder / "sensor-tui.yaml"
        self.options = (f"--sqlite={self.root}", f"--config={self.config}")
        self.request = SyncRequest(self.root)
        self.clock = SystemClock()
        self._interval = interval
        self._serve = serve
        self._sensors = sensors

    def __enter__(self) -> Self:
        self.root.mkdir()
        (self.folder / "home").mkdir()
        self.endpoint = Endpoint(self.folder / "cosmos.db")
        text = _CONFIG.format(
            endpoint=self.endpoint.emulator.url,
            key=self.endpoint.emulator.key,
            database=DATABASE,
            container=CONTAINER,
            interval=self._interval,
        )
        self.config.write_text(text)
        for number in self._sensors:
            self.write(number, 1)
        if self._serve:
            self.endpoint.call(self.start())
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.endpoint.call(self._clear())
        finally:
            left = self.endpoint.call(self._left())
            self.endpoint.close()
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            shutil.rmtree(self.folder)
        assert not left, f"still running: {left}"

    async def _clear(self) -> None:
        client = self.find()
        if client is None and (self.root / ".sensor-tui" / "units").is_dir():
            await self.start()  # units outlive a service, and only a service ends them
            client = self.find()
        if client is not None:
            async with client:
                units = [unit.id for unit in (await client.status()).units]
                if units:
                    await self.done(ActionKind.REMOVE, units, drain=False, grace=2.0, batch=8)
        await self.stop(drain=False)

    async def _left(self) -> dict[int, str]:
        """Processes that do not go away by themselves; what was told to end takes a moment."""
        with suppress(AssertionError):
            await until(lambda: not self.processes(), within=5.0)
        return self.processes()

    @property
    def environment(self) -> dict[str, str]:
        """What processes of this stage get, so that they can be told from all others."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        home = str(self.folder / "home")
        return {**kept, "HOME": home, "XDG_RUNTIME_DIR": home, "TERM": "xterm-256color"}

    def processes(self) -> dict[int, str]:
        """Processes of this stage and what they are, whoever their parent is."""
        mark = os.fsencode(self.folder) + b"/"
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes()
                if mark in (process / "environ").read_bytes() + command:
                    found[int(process.name)] = command.replace(b"\0", b" ").decode()
        found.pop(os.getpid(), None)
        return found

    # the service

    def services(self) -> Embedding:
        """Where a dashboard gets its service from."""
        return Embedding(self.request, self.options, self.clock, environment=self.environment)

    def find(self) -> ServiceClient | None:
        return self.services().find()

    def client(self) -> ServiceClient:
        """Of the service that runs."""
        client = self.find()
        assert client is not None, "no service runs"
        return client

    async def start(self) -> None:
        """Start a service, from elsewhere than the dashboard."""
        await (await self.services().start()).close()

    async def stop(self, *, drain: bool = True) -> None:
        await stop_service(self.request, self.clock, drain=drain)

    @property
    def service_pid(self) -> int | None:
        """Of the service that runs, if one does."""
        about = holder(self.root / ".sensor-tui")
        return None if about is None else int(about["pid"])

    async def kill_service(self) -> None:
        """As the kernel would, when there is no memory left."""
        process = self.service_pid
        assert process is not None
        os.kill(process, signal.SIGKILL)
        await until(lambda: self.service_pid is None)

    async def status(self) -> StatusReport:
        async with self.client() as client:
            return await client.status()

    async def command(self, *arguments: str) -> Answer:
        """What the installed command says about this stage."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sensor_tui",
            *arguments,
            *self.options,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Answer(process.returncode, out.decode(), err.decode())

    # units

    async def add(self, name: str, *, rate: float = 10.0, number: int = 1) -> Unit:
        """A sensor as a unit, not started; its sensor id is made of the number."""
        sensor = f"LON_{number:06}"
        where = f"{CITY}/{sensor}"
        place = ("--city", CITY, "--sensor-id", sensor, "--db", f"{where}/sensor_data.db")
        command = (sys.executable, "-m", "sensor_tui", "simulate", *place, "--rate", str(rate))
        return await self.add_spec(UnitSpec(name, command, city=CITY, sensor_id=sensor, data=where))

    async def add_shell(self, name: str, script: str) -> Unit:
        """Something that is no sensor."""
        return await self.add_spec(UnitSpec(name, ("/bin/sh", "-c", script), role=Role.OTHER))

    async def add_spec(self, spec: UnitSpec) -> Unit:
        async with self.client() as client:
            return await client.add_unit(spec)

    async def done(self, kind: ActionKind, units: Sequence[str], **options: Any) -> ActionRun:
        """Do it behind the dashboard's back, and wait for its end."""
        async with self.client() as client, asyncio.timeout(60):
            begun = await client.act(kind, units, ActionOptions(**options))
            async for update in client.events():
                for run in update.report.actions if update.report is not None else ():
                    if run.id == begun.id and run.ended is not None:
                        return run
        raise AssertionError("the events ended")

    async def started(self, name: str, *, number: int, rate: float = 10.0) -> Unit:
        """A sensor that runs and whose readings arrive."""
        unit = await self.add(name, rate=rate, number=number)
        run = await self.done(ActionKind.START, [unit.id])
        assert not run.failed, run
        return next(each for each in (await self.status()).units if each.id == unit.id)

    # files

    def file(self, number: int = 1) -> Path:
        """The readings of a sensor by its number."""
        return self.root / CITY / f"LON_{number:06}" / "sensor_data.db"

    def write(self, number: int, rows: int, *, start: float = 1_754_000_000.0) -> Path:
        """Add readings of a sensor, as if it had written them since then."""
        path = self.file(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sample(
            path, rows=rows, generation="2025-08", sensor_id=f"LON_{number:06}", city=CITY, start=start
        )
        return path

    def query(self, path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            found = connection.execute(sql, values).fetchall()
            connection.commit()
            return found

    def count(self, path: Path) -> int:
        return int(self.query(path, "SELECT count(*) FROM sensor_readings")[0][0])

    def synced(self, path: Path) -> dict[Any, int]:
        return dict(self.query(path, "SELECT synced, count(*) FROM sensor_readings GROUP BY synced"))

"""Sensor files, sensors that write them in other processes, and a running service to ask."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.config import load
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.process import run_service
from sensor_tui.service.request import SyncRequest
from sensor_tui.simulator.sample import write_sample

START = 1_755_000_000.0

SENSOR = """
import json, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
db.execute("PRAGMA journal_mode=DELETE")
print("ready", flush=True)
took = []
for line in sys.stdin:
    if line == "told\\n":
        print(json.dumps(took), flush=True)
        continue
    for number in range(int(line)):
        began = time.perf_counter()
        db.execute("INSERT INTO sensor_readings (timestamp, sensor_id, temperature) VALUES (?, 'W', ?)",
                   (time.time(), number))
        took.append(time.perf_counter() - began)
        time.sleep(0.002)
    print("done", flush=True)
"""


class Writer:
    """A sensor in another process, in rollback mode, which measures its inserts."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SENSOR, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def start(self, rows: int) -> None:
        self._say(str(rows))

    async def finish(self) -> list[float]:
        """Seconds of every insert so far."""
        assert await asyncio.to_thread(self._line) == "done"
        self._say("told")
        return json.loads(await asyncio.to_thread(self._line))

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def writer() -> Iterator[Callable[[Path], Writer]]:
    started: list[Writer] = []

    def start(path: Path) -> Writer:
        started.append(Writer(path))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sensor(root: Path) -> Callable[..., Path]:
    """Write a sensor's database."""

    def make(name: str = "A", *, city: str = "London", rows: int = 100, **options: Any) -> Path:
        path = root / city / name / "sensor_data.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        given = {"generation": "2025-08", "start": START, "seed": sum(name.encode())} | options
        write_sample(path, rows=rows, city=city, **given)
        return path

    return make


@pytest.fixture
def change() -> Callable[..., list[tuple[Any, ...]]]:
    """Run statements on a database."""

    def run(path: Path, *statements: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as db:
            found: list[tuple[Any, ...]] = []
            for sql in statements:
                found = db.execute(sql, values).fetchall()
            return found

    return run


@pytest.fixture
def plain(root: Path, change: Callable[..., Any]) -> Callable[..., Path]:
    """A database with a table of one's own columns and rows."""

    def make(columns: str, rows: list[tuple[Any, ...]], name: str = "P") -> Path:
        path = root / "London" / name / "sensor_data.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(f"CREATE TABLE sensor_readings ({columns})")
            for row in rows:
                db.execute(f"INSERT INTO sensor_readings VALUES ({', '.join('?' * len(row))})", row)
        return path

    return make


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Any]:
    """The configuration for an endpoint."""

    def make(emulator: Emulator | None = None, /, **cosmos: Any) -> Any:
        given = {"endpoint": emulator.url, "key": emulator.key} if emulator is not None else {}
        path = tmp_path / "sensor-tui.yaml"
        performance = {"upload_interval_seconds": 0.1, "upload_jitter_seconds": 0}
        path.write_text(json.dumps({"cosmos": given | cosmos, "performance": performance}))
        return load(path, env={}, cwd=tmp_path)

    return make


@pytest.fixture
def serve(settings_for: Callable[..., Any], emulator: Emulator, root: Path) -> Callable[..., Any]:
    """A service on this loop, and a client of it."""

    @asynccontextmanager
    async def running(**options: Any) -> AsyncIterator[ServiceClient]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        work = run_service(
            settings_for(emulator), SyncRequest(root), clock=SystemClock(), ready=ready.set_result, **options
        )
        task = asyncio.ensure_future(work)
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            task.result()
        async with ServiceClient(Path(ready.result())) as client:
            try:
                yield client
            finally:
                if not task.done():
                    await client.drain(stop=True)
                await task

    return running

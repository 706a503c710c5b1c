"""Sensor files with acknowledged rows, rounds over them, sensors in other processes, and a service."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
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
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.ledger_db import state_folder
from sensor_tui.storage.pruning import Bounds
from sensor_tui.storage.pruning_files import LooseFiles
from sensor_tui.storage.pruning_memory import Memory
from sensor_tui.storage.pruning_round import ANY_ROW, Pruned, Round

KEY = "London/A/sensor_data.db"
START = 1_754_000_000.0

SENSOR = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        db.execute("INSERT INTO sensor_readings(timestamp, sensor_id) VALUES ('2096-10-02T07:06:40Z', 'W')")
        time.sleep(0.002)
    print("done", flush=True)
"""


class Sensor:
    """A sensor in another process: it appends when told, and gives up on a lock as SQLite does, after 5 s."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SENSOR, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def start(self, rows: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{rows}\n")
        self._process.stdin.flush()

    async def finish(self) -> None:
        assert await asyncio.to_thread(self._line) == "done"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Rows:
    """What a test does to a database and asks of it, beside the product."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=10)) as db:
            return db.execute(sql, values).fetchall()

    def grow(self, which: str = "1") -> None:
        """The sensor appends the readings of these rows once more."""
        self.run(
            "INSERT INTO sensor_readings (timestamp, sensor_id)"
            f" SELECT timestamp, sensor_id FROM sensor_readings WHERE {which}"
        )

    @property
    def ids(self) -> list[int]:
        return [row for (row,) in self.run("SELECT id FROM sensor_readings ORDER BY id")]

    @property
    def count(self) -> int:
        return int(self.run("SELECT count(*) FROM sensor_readings")[0][0])

    @property
    def tracked(self) -> dict[Any, int]:
        return dict(self.run("SELECT synced, count(*) FROM sensor_readings GROUP BY synced"))

    @property
    def used(self) -> int:
        pages = self.run("PRAGMA page_count")[0][0] - self.run("PRAGMA freelist_count")[0][0]
        return int(pages * self.run("PRAGMA page_size")[0][0])

    @property
    def sound(self) -> bool:
        return self.run("PRAGMA integrity_check") == [("ok",)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def sample(data: Path) -> Callable[..., Rows]:
    """A sensor's database; its first `closed` rows are acknowledged. Row 1 is of START, one row a second."""

    def write(where: str = "London/A", *, rows: int = 100, closed: int | None = None, **facts: Any) -> Rows:
        path = data / where / "sensor_data.db"
        given = {"generation": "2025-08", "start": START, "city": where.partition("/")[0]} | facts
        write_sample(path, rows=rows, **given)
        made = Rows(path)
        made.run("UPDATE sensor_readings SET synced = 1 WHERE id <= ?", rows if closed is None else closed)
        return made

    return write


@pytest.fixture
async def files(data: Path) -> AsyncIterator[Callable[..., Awaitable[LooseFiles]]]:
    """Open the files under the data folder, as the command does."""
    opened: list[LooseFiles] = []

    async def find(*, write: bool = True) -> LooseFiles:
        async with Ledger(state_folder(data), clock=SystemClock(), read_only=True) as ledger:
            loose = LooseFiles(data, ledger, SystemClock(), write=write, place=None)
            opened.append(loose)
            await loose.find()
        return loose

    yield find
    for each in opened:
        await each.close()


@pytest.fixture
def prune(files: Callable[..., Awaitable[LooseFiles]]) -> Callable[..., Awaitable[Pruned]]:
    """One round over one file."""

    async def run(
        *,
        key: str = KEY,
        memory: Memory | None = None,
        start: Any = ANY_ROW,
        dry: bool = False,
        **bounds: Any,
    ) -> Pruned:
        loose = await files(write=not dry)
        return await Round(loose, key, memory or Memory(), Bounds(**bounds), start=start, dry=dry).run()

    return run


@pytest.fixture
def sensor() -> Iterator[Callable[[Path], Sensor]]:
    """Start a sensor on a file."""
    with ExitStack() as stack:

        def start(path: Path) -> Sensor:
            return stack.enter_context(closing(Sensor(path)))

        yield start


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def configure(tmp_path: Path, emulator: Emulator) -> Callable[..., Any]:
    """Write the configuration, with sections of one's own, and load it."""

    def make(**sections: Any) -> Any:
        path = tmp_path / "sensor-tui.yaml"
        given = {
            "cosmos": {"endpoint": emulator.url, "key": emulator.key},
            "performance": {"upload_interval_seconds": 0.1, "upload_jitter_seconds": 0},
            "config_watch": {"poll_interval_seconds": 0.1},
        }
        new = path.with_suffix(".new")
        new.write_text(json.dumps(given | sections))
        new.rename(path)
        return load(path, env={}, cwd=tmp_path)

    return make


@pytest.fixture
def serve(data: Path) -> Callable[..., Any]:
    """A service on this loop, drained at the end."""

    @asynccontextmanager
    async def running(loaded: Any) -> AsyncIterator[ServiceClient]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        work = run_service(loaded, SyncRequest(data), clock=SystemClock(), ready=ready.set_result)
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


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for something that will be so."""

    async def wait(look: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not look():
                await asyncio.sleep(0.02)

    return wait

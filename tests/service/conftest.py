import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from sensor_tui.config import Loaded, Settings, load
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.progress import EngineState
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.board import Board, View
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.process import run_service
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.server import Server
from sensor_tui.service.sockets import claim
from sensor_tui.service.wire import EngineReport, TotalsReport
from sensor_tui.service.wire_asks import Done, Letter, LetterFilter, LetterPage, LettersChanged, Throughput
from sensor_tui.simulator.sample import write_sample

CONFIG = """\
cosmos:
  endpoint: {endpoint}
  key: {key}
performance:
  upload_interval_seconds: 0.1
  upload_jitter_seconds: 0
config_watch:
  poll_interval_seconds: 0.1
"""


class Fleet:
    """Sensor files in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def sensor(self, name: str, *, city: str = "London", rows: int = 20, **options: Any) -> Path:
        path = self.root / city / name / "sensor_data.db"
        path.parent.mkdir(parents=True)
        options.setdefault("generation", "2025-08")
        write_sample(path, rows=rows, city=city, seed=sum(name.encode()), **options)
        return path

    def more(self, path: Path, rows: int) -> None:
        """What the sensor of a file adds to it."""
        generation = "2025-08" if "instance_id" in self.columns(path) else "2025-04"
        write_sample(path, rows=rows, city=path.parent.parent.name, seed=sum(path.parent.name.encode()),
                     generation=generation, start=1_755_000_000.0)  # fmt: skip

    def columns(self, path: Path) -> set[str]:
        return {name for _, name, *_ in self.query(path, "PRAGMA table_info(sensor_readings)")}

    def query(self, path: Path, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            found = connection.execute(sql, values).fetchall()
            connection.commit()
            return found

    def synced(self, path: Path) -> dict[Any, int]:
        return dict(self.query(path, "SELECT synced, count(*) FROM sensor_readings GROUP BY synced"))


class Running:
    """A service in this process, and a client of it."""

    def __init__(self, client: ServiceClient, task: "asyncio.Task[Any]") -> None:
        self.client = client
        self.task = task

    async def until(self, look: Callable[[Any], Any]) -> Any:
        """The first status that `look` finds true, from the events."""
        async with asyncio.timeout(20):
            async for update in self.client.events():
                if update.report is not None and look(update.report):
                    return update.report
        raise AssertionError("the events ended")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "data")


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, emulator: Emulator) -> Path:
    path = tmp_path / "sensor-tui.yaml"
    path.write_text(CONFIG.format(endpoint=emulator.url, key=emulator.key))
    return path


@pytest.fixture
def loaded(config: Path, tmp_path: Path) -> Loaded:
    return load(config, env={}, cwd=tmp_path)


@pytest.fixture
def settings(loaded: Loaded) -> Settings:
    return loaded.settings


@pytest.fixture
def request_for(fleet: Fleet) -> Callable[..., SyncRequest]:
    return lambda **options: SyncRequest(fleet.root, **options)


@pytest.fixture
def documents(emulator: Emulator) -> Callable[[], dict[str, dict[str, Any]]]:
    """Everything in the container, by id."""

    def read(container: str = "SensorReadings") -> dict[str, dict[str, Any]]:
        return {each["id"]: each for each in emulator.documents("SensorData", container)}

    return read


@pytest.fixture
def serve(loaded: Loaded, fleet: Fleet) -> Callable[..., Any]:
    """Run the service on this loop; it is drained and stopped at the end."""

    @asynccontextmanager
    async def running(request: SyncRequest | None = None, **options: Any) -> AsyncIterator[Running]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        work: Awaitable[Any] = run_service(
            options.pop("loaded", loaded),
            request or SyncRequest(fleet.root),
            clock=SystemClock(),
            ready=ready.set_result,
            **options,
        )
        task = asyncio.ensure_future(work)
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            ready.cancel()
            task.result()
        async with ServiceClient(Path(ready.result())) as client:
            try:
                yield Running(client, task)
            finally:
                if not task.done():
                    await client.drain(stop=True)
                await task

    return running


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is short enough for a socket, whatever the test is called."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="st", dir="/tmp") as name:
        yield Path(name)


class ScriptedActions:
    """Actions that only note who asked for what; the board shows two sensors."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.engine = EngineReport(
            state=EngineState.IDLE, version="1", attached=True, in_flight=3, totals=TotalsReport(accepted=7)
        )
        self.feeds = [
            FeedStatus("a.db", 'LON_"1\n', "London", 2, 1_700_000_000.0, 1_700_000_005.0),
            FeedStatus("b.db", None, "", 0, None, None, problem="broken"),
        ]
        self.board = Board(lambda: View(self.engine, self.feeds, 4), clock=SystemClock())
        self.fails: Exception | None = None

    async def _note(self, *words: Any) -> Done:
        self.asked.append(words)
        if self.fails is not None:
            raise self.fails
        return Done(state=self.engine.state, message="done")

    async def pause(self, who: str) -> Done:
        return await self._note("pause", who)

    async def resume(self, who: str) -> Done:
        return await self._note("resume", who)

    async def sync(self, who: str, *, quiet: bool = False) -> Done:
        return await self._note("sync", who)

    async def drain(self, who: str, *, stop: bool, now: bool) -> Done:
        return await self._note("drain", stop, now)

    async def letters(self, which: LetterFilter, *, offset: int, limit: int) -> LetterPage:
        await self._note("letters", which, offset, limit)
        return LetterPage(letters=(), total=0)

    async def letter(self, letter_id: int) -> Letter | None:
        await self._note("letter", letter_id)
        return None

    async def retry(self, who: str, ids: Any) -> LettersChanged:
        await self._note("retry", ids)
        return LettersChanged(changed=1)

    async def drop(self, who: str, ids: Any) -> LettersChanged:
        await self._note("drop", ids)
        return LettersChanged(changed=1)

    async def throughput(self, since: float) -> Throughput:
        await self._note("throughput", since)
        return Throughput(points=())


@pytest.fixture
def actions() -> ScriptedActions:
    return ScriptedActions()


@pytest.fixture
async def socket_path(actions: ScriptedActions, short_path: Path) -> AsyncIterator[Path]:
    """The API of `actions` on a Unix socket."""
    claimed = claim(short_path / "state")
    server = Server(actions)
    await server.serve_socket(claimed.listener)
    yield claimed.path
    await server.close()
    claimed.release()


@pytest.fixture
async def client(socket_path: Path) -> AsyncIterator[ServiceClient]:
    async with ServiceClient(socket_path) as one:
        yield one


@pytest.fixture
async def http(socket_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP to the API of `actions`."""
    transport = httpx.AsyncHTTPTransport(uds=str(socket_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as one:
        yield one

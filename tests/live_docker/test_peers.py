"""An uploader in a container beside the engine on the host: same files, other paths, other processes."""

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from sensor_tui.config import load
from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.overview import PeerLink
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.process import run_service
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.wire import PeerReport, StatusReport
from sensor_tui.simulator.sample import write_sample
from tests.support.components import require_component
from tests.support.docker import engine_client
from tests.support.docker_product import product_image

SECONDS = 45
CONFIG = """\
cosmos: {{endpoint: "{endpoint}", key: "{key}"}}
performance: {{upload_interval_seconds: 0.2, upload_jitter_seconds: 0}}
fleet: {{hosts: ["unix:///run/no-docker-for-this-test.sock"]}}
"""


class Sensor:
    """A sensor's file, which grows."""

    def __init__(self, root: Path, city: str) -> None:
        self.path = root / city / "one" / "sensor_data.db"
        self.path.parent.mkdir(parents=True)
        self.rows = 0
        self._city = city

    def write(self, rows: int) -> None:
        start = 1_750_000_000.0 + 1000 * self.rows
        write_sample(self.path, rows=rows, city=self._city, generation="2025-08", start=start)
        self.rows += rows

    def open_rows(self) -> int:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            sql = "SELECT count(*) FROM sensor_readings WHERE synced IS NOT 1"
            return int(connection.execute(sql).fetchone()[0])

    async def closed(self) -> None:
        """Wait until every reading is acknowledged."""
        async with asyncio.timeout(SECONDS):
            while self.open_rows():
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    require_component("docker")
    client = engine_client()
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(engine: Any) -> str:
    return product_image(engine)


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stp", dir="/tmp") as name:
        yield Path(name) / "data"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator(EmulatorSettings(port=0, partitions=2)) as running:
        yield running


@pytest.fixture
def uploader(engine: Any, image: str, root: Path, emulator: Emulator) -> Iterator[Any]:
    """The container of London, made and not started."""
    (root / "London").mkdir(parents=True, exist_ok=True)
    made = engine.containers.create(
        image,
        ["uploader", "--sqlite", "/app/data", "--continuous", "--interval", "0.2"],
        name=f"sensor-tui-test-peer-{uuid4().hex[:8]}",
        user=f"{os.getuid()}:{os.getgid()}",
        network_mode="host",
        read_only=True,
        tmpfs={"/tmp": ""},
        volumes={str(root / "London"): {"bind": "/app/data", "mode": "rw"}},
        environment={"REGION": "London", "COSMOS_ENDPOINT": emulator.url, "COSMOS_KEY": emulator.key},
        labels={"sensor-tui.test": "peers"},
    )
    yield made
    made.remove(force=True, v=True)


@pytest.fixture
def serve(root: Path, emulator: Emulator, tmp_path: Path) -> Callable[[], Any]:
    """The service on the host, over all of the data folder."""
    path = tmp_path / "sensor-tui.yaml"
    path.write_text(CONFIG.format(endpoint=emulator.url, key=emulator.key))

    @asynccontextmanager
    async def running() -> AsyncIterator[ServiceClient]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(
            run_service(load(path, env={}, cwd=tmp_path), SyncRequest(root), ready=ready.set_result)
        )
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        async with ServiceClient(Path(ready.result())) as client:
            nudging = asyncio.ensure_future(_nudge(client))
            try:
                yield client
            finally:
                nudging.cancel()
                await client.drain(stop=True)
                await task

    return running


async def _nudge(client: ServiceClient) -> None:
    """Have everybody look for files sooner than they would."""
    while True:
        await client.sync()
        await asyncio.sleep(0.5)


async def until(client: ServiceClient, look: Callable[[StatusReport], Any]) -> StatusReport:
    """The first report of which this is true."""
    last: Any = None
    try:
        async with asyncio.timeout(SECONDS):
            async for update in client.events():
                last = update.report
                if last is not None and look(last):
                    return last
    except TimeoutError:
        raise AssertionError(f"not so: {last and (last.peers, last.sensors, last.engine)}") from None
    raise AssertionError("the events ended")


def london(report: StatusReport) -> PeerReport | None:
    return next((peer for peer in report.peers if peer.name == "London"), None)


def has_it(report: StatusReport) -> bool:
    """Whether the container has the file, and says so."""
    peer = london(report)
    live = peer is not None and peer.link is PeerLink.LIVE
    return live and any(sensor.engine == "London" for sensor in report.sensors)


def accepted(report: StatusReport) -> int:
    totals = report.engine.totals
    return 0 if totals is None else totals.accepted


async def test_no_reading_is_sent_by_two_engines(
    root: Path, emulator: Emulator, uploader: Any, serve: Callable[[], Any]
) -> None:
    one, two = Sensor(root, "London"), Sensor(root, "Paris")
    one.write(60)
    two.write(40)
    await asyncio.to_thread(uploader.start)
    await one.closed()

    async with serve() as host:
        # Paris alone is the host's
        await until(host, lambda report: has_it(report) and report.backlog == 0 and accepted(report) == 40)
        for _ in range(5):
            one.write(7)
            two.write(3)
        report = await until(host, lambda report: accepted(report) == 55 and report.backlog == 0)
        await one.closed()
        owner = next(sensor.owner for sensor in report.sensors if sensor.engine)
        assert owner is not None
        assert "which reads /app/data" in owner

        # the container is killed: the host takes over
        await asyncio.to_thread(uploader.kill)
        gone = await until(host, lambda report: (peer := london(report)) and peer.link is not PeerLink.LIVE)
        assert london(gone).since is not None  # type: ignore[union-attr]
        one.write(11)
        await until(host, lambda report: accepted(report) == 66 and report.backlog == 0)

        # it comes back: its files go back to it
        await asyncio.to_thread(uploader.start)
        await until(host, has_it)
        one.write(5)
        await until(host, lambda report: report.backlog == 0 and has_it(report))
        await one.closed()
        report = await host.status()
        assert accepted(report) == 66

    # the host is gone: the container goes on
    one.write(9)
    await one.closed()

    documents = emulator.documents("SensorData", "SensorReadings")
    assert len(documents) == one.rows + two.rows == 60 + 40 + 35 + 15 + 11 + 5 + 9
    assert emulator.totals().ops == len(documents)  # not one was sent a second time
    assert {each["city"] for each in documents} == {"London", "Paris"}


async def test_what_is_killed_in_the_middle_costs_and_doubles_nothing(
    root: Path, emulator: Emulator, uploader: Any, serve: Callable[[], Any]
) -> None:
    one = Sensor(root, "London")
    one.write(3000)
    await asyncio.to_thread(uploader.start)
    async with asyncio.timeout(SECONDS):
        while emulator.totals().accepted < 300:
            await asyncio.sleep(0.005)
    await asyncio.to_thread(uploader.kill)
    async with serve() as host:
        await until(host, lambda report: report.sensors and report.backlog == 0)
    documents = emulator.documents("SensorData", "SensorReadings")
    assert len(documents) == len({each["id"] for each in documents}) == 3000

"""Services below a service: what they upload is seen here, and what is asked here is done there."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from sensor_tui.config import load
from sensor_tui.model.action import ActionKind, ActionOptions
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Role, UnitSpec
from sensor_tui.service import peers
from sensor_tui.service.peers_find import find_peers, reachable
from sensor_tui.service.peers_letters import STRIDE
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.wire_asks import LetterFilter
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.store import SqliteStore

OPEN = "UPDATE sensor_readings SET sensor_id = NULL WHERE id = 3"


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Look for files and peers more often than usual."""
    monkeypatch.setattr(peers, "LOOK_SECONDS", 0.3)
    monkeypatch.setitem(SqliteStore.__init__.__kwdefaults__, "rescan_seconds", 0.3)


@pytest.fixture
def uploader(fleet, serve):
    """A service of one city's folder."""

    @asynccontextmanager
    async def running(city="London", **options):
        async with serve(SyncRequest(fleet.root / city, place=city), **options) as one:
            await one.until(lambda report: report.engine.state is not EngineState.STARTING)
            yield one

    return running


def of(report, name):
    """A peer in a report, by its folder."""
    return next((peer for peer in report.peers if peer.name == name), None)


def live(report, *names):
    return all((peer := of(report, name)) is not None and peer.link is PeerLink.LIVE for name in names)


async def test_what_peers_upload_stands_in_the_report(fleet, serve, uploader, documents):
    one, two = fleet.sensor("a", rows=30), fleet.sensor("b", city="Paris", rows=20)
    async with uploader(), serve() as host:
        report = await host.until(
            lambda report: live(report, "London") and len(report.sensors) == 2 and report.backlog == 0
        )
        london, paris = sorted(report.sensors, key=lambda sensor: sensor.city)
        assert (london.engine, paris.engine) == ("London", "")
        assert (london.source, london.backlog) == ("London/a/sensor_data.db", 0)
        assert "which reads" in london.owner
        assert london.values  # as if it were read here
        assert london.newest
        peer = of(report, "London")
        assert (peer.sensors, peer.backlog, peer.engine.totals.accepted) == (1, 0, 30)
        assert report.engine.totals.accepted == 20

        fleet.more(one, 4)
        fleet.more(two, 5)
        await host.until(
            lambda report: (
                of(report, "London").engine.totals.accepted == 34 and report.engine.totals.accepted == 25
            )
        )
    assert len(documents()) == 59
    assert {each["city"] for each in documents().values()} == {"London", "Paris"}


async def test_its_backlog_and_lag_are_those_of_the_peer(fleet, serve, uploader):
    path = fleet.sensor("a", rows=3)
    async with uploader() as london, serve() as host:
        await host.until(lambda report: live(report, "London") and report.backlog == 0)
        await london.client.pause()
        fleet.more(path, 7)
        report = await host.until(lambda report: report.backlog == 7)
        (sensor,) = report.sensors
        assert (sensor.backlog, sensor.engine) == (7, "London")
        assert report.lag_seconds > 0
        assert of(report, "London").engine.state is EngineState.PAUSED


async def test_a_peer_that_ends_is_said_and_its_files_are_taken_over(fleet, serve, uploader, documents):
    path = fleet.sensor("a", rows=3)
    async with AsyncExitStack() as stack:
        london = await stack.enter_async_context(uploader())
        host = await stack.enter_async_context(serve())
        await host.until(lambda report: live(report, "London") and report.backlog == 0)
        await london.client.drain(stop=True)
        gone = await host.until(lambda report: of(report, "London").link is PeerLink.GONE)
        assert (of(gone, "London").problem, of(gone, "London").since is None) == ("was stopped", False)
        fleet.more(path, 4)
        await host.until(lambda report: report.engine.totals.accepted == 4 and report.backlog == 0)
        report = await host.until(lambda report: report.sensors[0].engine == "")
        assert report.sensors[0].owner is None
        assert of(report, "London").backlog == 0
    assert len(documents()) == 7


async def test_one_that_comes_back_gets_its_files_back(fleet, serve, uploader, documents, emulator):
    """Whoever is closest to the files has them, and each reading is sent once."""
    path = fleet.sensor("a", rows=3)
    async with serve() as host:
        await host.until(lambda report: report.engine.totals.accepted == 3)
        async with uploader() as london:
            report = await host.until(
                lambda report: report.sensors[0].engine == "London" and live(report, "London")
            )
            assert report.sensors[0].backlog == 0
            fleet.more(path, 6)
            report = await host.until(lambda report: of(report, "London").engine.totals.accepted == 6)
            assert report.engine.totals.accepted == 3
            assert (await london.client.status()).sensors[0].owner is None
        fleet.more(path, 2)
        await host.until(lambda report: report.engine.totals.accepted == 5)
    assert len(documents()) == 11
    assert emulator.totals().ops == 11  # nothing was sent a second time


async def test_a_peer_that_comes_later_is_found(fleet, serve, uploader):
    fleet.sensor("a", rows=3)
    (fleet.root / "Rome").mkdir()
    async with serve() as host:
        await host.until(lambda report: report.engine.totals.accepted == 3)
        fleet.sensor("b", city="Oslo", rows=5)
        async with uploader("Oslo"):
            await host.client.sync()
            report = await host.until(
                lambda report: (
                    live(report, "Oslo")
                    and any(sensor.engine == "Oslo" and sensor.backlog == 0 for sensor in report.sensors)
                )
            )
            assert of(report, "Rome") is None


async def test_what_is_asked_here_goes_to_all_of_them(fleet, serve, uploader):
    fleet.sensor("a", rows=3)
    fleet.sensor("b", city="Paris", rows=3)
    async with uploader() as london, serve() as host:
        await host.until(lambda report: live(report, "London"))
        assert (await host.client.pause()).message.endswith("; also by London")
        assert (await london.client.status()).engine.state is EngineState.PAUSED
        assert (await host.client.resume()).message.endswith("; also by London")
        await london.until(lambda report: report.engine.state is EngineState.IDLE)
        assert "also by London" in (await host.client.sync()).message
        assert (await host.client.drain()).message == "drained; reading is paused; also by London"
        await host.client.resume()
    async with Ledger(fleet.root / "London" / ".sensor-tui", clock=SystemClock()) as ledger:
        done = [entry.action for entry in await ledger.actions()]
    assert done == ["drain and stop", "resume", "drain", "sync", "resume", "pause"]


async def test_dead_letters_are_one_list(fleet, serve, uploader, documents):
    here, there = fleet.sensor("b", city="Paris", rows=4), fleet.sensor("a", rows=4)
    for path in (here, there):
        fleet.query(path, OPEN)
    async with uploader(), serve() as host:
        await host.until(lambda report: live(report, "London") and report.dead_letters == 2)
        page = await host.client.letters()
        own, theirs = page.letters
        assert (page.total, page.next_offset) == (2, None)
        assert (own.engine, own.source, own.id < STRIDE) == ("", "Paris/b/sensor_data.db", True)
        assert (theirs.engine, theirs.source) == ("London", "London/a/sensor_data.db")
        assert (await host.client.letter(theirs.id)).document

        first = await host.client.letters(limit=1)
        assert (first.letters, first.next_offset) == ((own,), 1)
        second = await host.client.letters(offset=1, limit=1)
        assert (second.letters, second.next_offset) == ((theirs,), None)

        for path in (here, there):
            fleet.query(path, "UPDATE sensor_readings SET sensor_id = 'X_1' WHERE id = 3")
        outcome = await host.client.retry([theirs.id, STRIDE * 7 + 1])
        assert (outcome.changed, outcome.missing) == (1, (STRIDE * 7 + 1,))
        assert (await host.client.retry(None)).changed == 1
        # what was opened again is counted with the next look at its file, so the documents tell
        await host.until(
            lambda report: report.dead_letters == 0 and report.backlog == 0 and len(documents()) == 8
        )


async def test_a_letter_of_a_peer_is_found_by_its_file(fleet, serve, uploader):
    fleet.query(fleet.sensor("a", rows=4), OPEN)
    fleet.query(fleet.sensor("b", city="Paris", rows=4), OPEN)
    async with uploader(), serve() as host:
        await host.until(lambda report: live(report, "London") and report.dead_letters == 2)
        for source in ("London/a/sensor_data.db", "Paris/b/sensor_data.db"):
            page = await host.client.letters(LetterFilter(source=source))
            assert [letter.source for letter in page.letters] == [source]


async def test_draining_a_sensor_asks_the_peer(fleet, serve, uploader, loaded, tmp_path):
    """The peer's next round is a minute away; a stop with drain does not wait for it."""
    path = fleet.sensor("a", rows=3)
    slow = tmp_path / "slow.yaml"
    slow.write_text(loaded_text(tmp_path).replace("seconds: 0.1\n  upload", "seconds: 60\n  upload"))
    calm = load(slow, env={}, cwd=tmp_path)
    async with uploader(loaded=calm), serve() as host:
        await host.until(lambda report: live(report, "London") and report.backlog == 0)
        sleep = (sys.executable, "-c", "import time; time.sleep(60)")
        unit = await host.client.add_unit(
            UnitSpec("a", sleep, Role.SENSOR, city="London", data="London/a", restart=False)
        )
        await host.client.act(ActionKind.START, [unit.id], ActionOptions(prove=False))
        await host.until(lambda report: report.actions and report.actions[-1].ended)
        fleet.more(path, 6)
        await host.until(lambda report: report.backlog == 6)
        plan = await host.client.plan(ActionKind.STOP, [unit.id], ActionOptions())
        assert plan.items[0].unsent == 6
        run = await host.client.act(ActionKind.STOP, [unit.id], ActionOptions(drain_timeout=20))
        report = await host.until(
            lambda report: any(each.id == run.id and each.ended for each in report.actions)
        )
        (outcome,) = report.actions[-1].outcomes
        assert outcome.step == "done", outcome
        assert fleet.synced(path) == {1: 9}
        await host.client.act(ActionKind.REMOVE, [unit.id], ActionOptions(wipe_data=True))
        await host.until(
            lambda report: report.actions[-1].kind is ActionKind.REMOVE and report.actions[-1].ended
        )
        assert not path.exists()


def loaded_text(tmp_path):
    return (tmp_path / "sensor-tui.yaml").read_text()


async def test_a_peer_of_another_version_says_so(fleet, serve):
    fleet.sensor("a", rows=3)
    state = fleet.root / "London" / ".sensor-tui"
    store = SqliteStore(fleet.root / "London", clock=SystemClock())
    await store.open()
    await store.scan()

    async def answer(_, writer):
        head = "HTTP/1.1 200 OK", "Sensor-Tui-Protocol: 9", "Sensor-Tui-Version: 7.0", "Content-Length: 0"
        writer.write("\r\n".join((*head, "", "")).encode())
        writer.close()

    with reachable(state / "service.sock") as path:
        listening = await asyncio.start_unix_server(answer, path)
    try:
        async with listening, serve() as host:
            report = await host.until(
                lambda report: "protocol 9" in getattr(of(report, "London"), "problem", "")
            )
    finally:
        await store.close()
    assert of(report, "London").link is PeerLink.REFUSED
    assert "sensor-tui 7.0 with protocol 9" in of(report, "London").problem
    assert report.sensors[0].backlog is None


class Process:
    """The service of a folder, in a process of its own."""

    def __init__(self, root: Path, config: Path) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sensor_tui",
                "sync",
                "--continuous",
                "--data-dir",
                root,
                "--config",
                config,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "REGION": root.name},
        )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def process(fleet, config):
    begun = []

    def start(city):
        begun.append(Process(fleet.root / city, config))
        return begun[-1]

    yield start
    for each in begun:
        each.end()


async def test_a_killed_one_is_said_and_its_files_are_taken_over(fleet, serve, process, documents, emulator):
    path = fleet.sensor("a", rows=10)
    fleet.sensor("b", city="Paris", rows=1)
    london = process("London")
    async with asyncio.timeout(30):
        while emulator.totals().accepted < 10:
            await asyncio.sleep(0.05)
    async with serve() as host:
        await host.until(
            lambda report: live(report, "London") and of(report, "London").engine.totals.accepted == 10
        )
        london.end()
        report = await host.until(lambda report: of(report, "London").link is PeerLink.LOST)
        assert of(report, "London").problem.startswith("does not answer")
        fleet.more(path, 5)
        await host.until(lambda report: report.engine.totals.accepted == 6 and report.backlog == 0)
        outcome = await host.client.retry(None)
        assert outcome.notices == ()  # it had none
        assert "not by London" in (await host.client.sync()).message
    assert len(documents()) == emulator.totals().ops == 16  # nothing was sent a second time


async def test_a_socket_deeper_than_a_name_can_say_is_reached(tmp_path, fleet, serve, loaded):
    deep = tmp_path.joinpath(*["d" * 40] * 3)
    city = deep / "London"
    city.mkdir(parents=True)
    fleet.sensor("a", rows=3)
    short = tmp_path / "c"
    short.symlink_to(city)
    (fleet.root / "London" / "a").rename(city / "a")
    async with serve(SyncRequest(short, place="London")), serve(SyncRequest(deep)) as host:
        await host.until(lambda report: report.sensors and report.sensors[0].engine == "London")


def test_only_folders_with_a_service_of_their_own_are_peers(fleet, tmp_path):
    own = fleet.root / ".sensor-tui"
    for folder in (own, fleet.root / "London/.sensor-tui", fleet.root / ".hidden/.sensor-tui"):
        folder.mkdir(parents=True)
    (fleet.root / "loop").symlink_to(fleet.root)
    (fleet.root / "twice").symlink_to(fleet.root / "London")
    (found,) = find_peers(fleet.root, own)
    assert (found.name, found.socket, found.barred) == ("London", None, False)
    assert find_peers(tmp_path / "nothing", own) == []
    with reachable(tmp_path / "s") as path:
        assert path == tmp_path / "s"


async def test_the_place_of_an_uploader_is_the_city_of_its_files(fleet):
    fleet.sensor("a", rows=1, city="Rome")
    for place, city in (("Roma", "Roma"), (None, "Rome")):
        store = SqliteStore(fleet.root / "Rome", clock=SystemClock(), place=place, read_only=True)
        await store.open()
        (file,) = (await store.scan()).changed
        await store.close()
        assert file.city == city

"""How units stand with the engine, and what stands between an operator and a reading that would be lost."""

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sensor_tui.errors import FleetError, StorageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.progress import EngineState
from sensor_tui.model.source import FeedStatus
from sensor_tui.model.unit import Role, Unit, UnitState
from sensor_tui.service.fleet_readings import LOOK_SECONDS, FleetReadings
from sensor_tui.service.peers import Peers
from sensor_tui.service.peers_find import Found
from sensor_tui.service.peers_link import Peer
from sensor_tui.storage.ledger import Ledger
from tests.support.clock import JumpingClock


class Host:
    """An engine host that only says how it stands."""

    def __init__(self):
        self.state = EngineState.IDLE
        self.reason = ""
        self.files = []
        self.dead = {}
        self.looks = 0
        self.synced = 0
        self.peers = Peers(Path("none"), Path("none/state"), SystemClock())
        polled = asyncio.Event()
        polled.set()
        self.pipeline = SimpleNamespace(
            store=SimpleNamespace(dead_letters=self._dead_letters),
            source=SimpleNamespace(polled=polled),
        )

    async def _dead_letters(self):
        if isinstance(self.dead, Exception):
            raise self.dead
        return self.dead

    def sync_now(self):
        self.synced += 1

    def progress(self):
        return SimpleNamespace(state=self.state, reason=self.reason)

    def feeds(self):
        self.looks += 1
        return self.files


UNIT = Unit(
    "h/process/a", "h", "process", "a", Role.SENSOR, UnitState.STOPPED,
    sensor_id="LON_1", city="London", data="London/one",
)  # fmt: skip


def feed(source="London/one/sensor_data.db", sensor="LON_1", backlog=0, **changes):
    values = {"oldest_open": None, "newest": 100.0}
    return FeedStatus(source, sensor, "London", backlog, **values | changes)


@pytest.fixture
def host():
    return Host()


@pytest.fixture
def units():
    return [UNIT]


@pytest.fixture
def clock():
    return JumpingClock()


@pytest.fixture
def readings(host, fleet, units, clock):
    return FleetReadings(host, fleet.root, fleet.root / ".sensor-tui", clock, lambda: units)


async def test_all_files_of_a_unit_count(readings, host):
    host.files = [
        feed(backlog=2, oldest_open=50.0),
        feed("London/one/old/b.db", backlog=3, oldest_open=40.0, newest=90.0),
        feed("London/one-more/sensor_data.db", backlog=100, oldest_open=1.0),
    ]
    host.dead = {"London/one/sensor_data.db": 4, "London/one-more/sensor_data.db": 9}

    found = await readings.standing(UNIT)

    assert (found.backlog, found.oldest_open, found.newest, found.dead_letters) == (5, 40.0, 100.0, 4)
    assert (found.problem, found.uploads, found.held) == ("", "", False)


async def test_a_unit_whose_data_is_elsewhere_is_known_by_its_sensor(readings, host):
    host.files = [feed("x/y.db", backlog=2), feed("z.db", sensor="LON_2", backlog=9)]

    assert (await readings.standing(UNIT)).backlog == 2
    assert (await readings.standing(replace(UNIT, data=None))).backlog == 2
    assert (await readings.standing(replace(UNIT, city="Paris"))).backlog == 0


async def test_a_unit_that_names_neither_has_no_readings(readings):
    assert await readings.standing(replace(UNIT, data=None, sensor_id=None)) is None
    assert (await readings.standing(replace(UNIT, sensor_id=None))).backlog == 0


async def test_what_is_not_known_is_said(readings, host):
    host.pipeline.source.polled.clear()
    found = await readings.standing(UNIT)
    assert (found.backlog, found.held) == (None, False)
    assert "not been looked at yet" in found.problem


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"owner": "process 5"}, "London/one/sensor_data.db belongs to another engine: process 5"),
        ({"problem": "it is corrupt"}, "it is corrupt"),
    ],
)
async def test_a_file_that_is_not_read_here_is_not_waited_for(readings, host, changes, problem):
    host.files = [feed(sensor=None, newest=None, **changes)]

    found = await readings.standing(UNIT)

    assert (found.backlog, found.held, found.problem) == (None, True, problem)


async def test_a_file_with_a_passing_problem_keeps_its_counts(readings, host):
    host.files = [feed(backlog=3, problem="it is locked")]

    found = await readings.standing(UNIT)

    assert (found.backlog, found.held, found.problem) == (3, False, "it is locked")


@pytest.mark.parametrize(
    ("state", "reason", "uploads", "held"),
    [
        (EngineState.RUNNING, "", "", False),
        (EngineState.PAUSED, "", "uploads are paused", True),
        (EngineState.DRAINING, "", "the service is stopping", True),
        (EngineState.REFUSED, "the key is wrong", "the key is wrong", False),
        (EngineState.UNREACHABLE, "", "the sink is unreachable", False),
    ],
)
async def test_why_nothing_is_uploaded(readings, host, state, reason, uploads, held):
    host.state, host.reason = state, reason

    found = await readings.standing(UNIT)

    assert (found.uploads, found.held) == (uploads, held)


async def test_one_look_serves_everybody_for_a_moment(readings, host, clock):
    await asyncio.gather(*(readings.standing(UNIT) for _ in range(50)))
    assert host.looks == 1

    await clock.sleep(LOOK_SECONDS)
    await readings.standing(UNIT)
    assert host.looks == 2


async def test_dead_letters_that_cannot_be_counted_are_not_known(readings, host):
    host.dead = StorageError("the ledger is gone")

    assert (await readings.standing(UNIT)).dead_letters is None


async def test_asking_often_for_a_round_is_asking_now_and_then(readings, host, clock):
    for _ in range(10):
        readings.sync_now()
    assert host.synced == 1
    await clock.sleep(1)
    readings.sync_now()
    assert host.synced == 2


class TestWiping:
    """What is deleted, and what is not."""

    @pytest.fixture
    def path(self, fleet):
        return fleet.sensor("one", rows=5)

    @pytest.fixture
    def clock(self):
        return SystemClock()

    def settle(self, fleet, path):
        fleet.query(path, "UPDATE sensor_readings SET synced = 1")

    async def test_what_is_sent_is_deleted_with_its_folder(self, readings, fleet, path):
        self.settle(fleet, path)
        (path.parent / "notes").mkdir()
        assert await readings.unsent(UNIT) == 0

        await readings.wipe(UNIT, keep_folder=False)

        assert not path.parent.exists()
        assert path.parent.parent.exists()

    async def test_a_folder_that_is_used_again_is_only_emptied(self, readings, fleet, path):
        self.settle(fleet, path)
        (path.parent / "notes").mkdir()
        (path.parent / "link").symlink_to(fleet.root)

        await readings.wipe(UNIT, keep_folder=True)

        assert list(path.parent.iterdir()) == []
        assert fleet.root.exists()

    async def test_what_is_unsent_is_kept(self, readings, fleet, path):
        self.settle(fleet, path)
        fleet.query(path, "UPDATE sensor_readings SET synced = NULL WHERE id > 3")

        assert await readings.unsent(UNIT) == 2
        with pytest.raises(FleetError, match="2 readings are unsent"):
            await readings.wipe(UNIT, keep_folder=False)
        assert path.exists()

        await readings.wipe(UNIT, keep_folder=False, destroy=True)
        assert not path.exists()

    async def test_what_the_engine_still_counts_is_kept(self, readings, host, fleet, path):
        self.settle(fleet, path)
        host.files = [feed(backlog=1)]

        assert await readings.unsent(UNIT) == 1

    async def test_a_file_without_tracking_counts_from_its_position(self, readings, fleet, path, clock):
        fleet.query(path, "ALTER TABLE sensor_readings DROP COLUMN synced")
        assert await readings.unsent(UNIT) == 5

        async with Ledger(fleet.root / ".sensor-tui", clock=clock) as ledger:
            await ledger.save_positions({("London/one/sensor_data.db", "cosmos"): 4})

        assert await readings.unsent(UNIT) == 1

    async def test_a_single_database_goes_with_what_is_beside_it(self, readings, fleet, path):
        self.settle(fleet, path)
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        (path.parent / "sensor_data.db-wal").touch()
        unit = replace(UNIT, data="London/one/sensor_data.db")
        assert await readings.unsent(unit) == 0

        await readings.wipe(unit, keep_folder=True)

        assert list(path.parent.iterdir()) == []

    async def test_a_file_that_cannot_be_read_is_kept(self, readings, path):
        (path.parent / "other.db").write_bytes(b"no database" * 100)

        assert await readings.unsent(UNIT) is None
        with pytest.raises(FleetError, match="not known whether all of it is sent"):
            await readings.wipe(UNIT, keep_folder=False)
        assert path.exists()

    async def test_where_nothing_is_there_is_nothing_to_lose(self, readings):
        assert await readings.unsent(UNIT) == 0
        await readings.wipe(UNIT, keep_folder=True)

    async def test_what_cannot_be_deleted_is_said(self, readings, fleet, path, monkeypatch):
        self.settle(fleet, path)

        def refuse(*_, **__):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("sensor_tui.service.fleet_readings._delete", refuse)
        with pytest.raises(FleetError, match=r"sensor_data\.db: cannot be deleted: Permission denied"):
            await readings.wipe(UNIT, keep_folder=False)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"role": Role.UPLOADER}, "it is no sensor"),
            ({"data": None}, "its data folder is not known"),
            ({"data": "../x"}, "is not inside the data folder"),
            ({"data": "/tmp"}, "is not inside the data folder"),
            ({"data": "."}, "is not inside the data folder"),
            ({"data": ".sensor-tui"}, "holds the state of the service"),
            ({"data": ".sensor-tui/units"}, "holds the state of the service"),
            ({"data": "link"}, "is a link that leads elsewhere"),
            ({"data": "link/London"}, "is a link that leads elsewhere"),
        ],
    )
    async def test_what_must_not_be_wiped(self, readings, fleet, path, changes, reason):
        self.settle(fleet, path)
        (fleet.root / "link").symlink_to(Path("/"))
        unit = replace(UNIT, **changes)

        assert reason in await readings.why_keep(unit)
        with pytest.raises(FleetError, match=reason):
            await readings.wipe(unit, keep_folder=False)
        assert path.exists()

    async def test_what_a_peer_remembers_is_kept(self, readings, host, fleet, path, clock):
        self.settle(fleet, path)
        state = fleet.root / "London" / ".sensor-tui"
        state.mkdir()
        place = Found("London", state.parent, state, (1, 1), None)
        host.peers._peers["London"] = Peer(place, clock, lambda: None)
        for data in ("London", "London/.sensor-tui", "London/.sensor-tui/units"):
            with pytest.raises(FleetError, match="holds the state of the uploader of London"):
                await readings.wipe(replace(UNIT, data=data), keep_folder=True, destroy=True)
        assert state.exists()
        assert path.exists()
        assert await readings.why_keep(UNIT) == ""

    @pytest.mark.parametrize("data", [".", "London", "London/one", "London/one/", "London/one/deeper"])
    async def test_what_another_unit_uses_is_kept(self, readings, units, data):
        units.append(replace(UNIT, id="h/process/b", name="b", data=data))

        assert await readings.why_keep(UNIT) == "London/one is used by b too"

    async def test_what_another_unit_beside_it_uses_is_no_hindrance(self, readings, units):
        units.append(replace(UNIT, id="h/process/b", name="b", data="London/one-more"))
        units.append(replace(UNIT, id="h/process/c", name="c", role=Role.UPLOADER, data="London"))

        assert await readings.why_keep(UNIT) == ""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"sensor": "LON_2"}, "has readings of LON_2"),
            ({"sensor": None, "newest": None, "owner": "process 5"}, "belongs to another engine: process 5"),
        ],
    )
    async def test_what_others_wrote_or_read_is_kept(self, readings, host, changes, reason):
        host.files = [feed(), feed("London/one/other.db", **changes)]

        assert reason in await readings.why_keep(UNIT)

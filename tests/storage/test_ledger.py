"""The ledger: what it keeps, across versions and crashes, and what it says when it cannot."""

import sqlite3
import stat
from contextlib import closing

import pytest

from sensor_tui.errors import StorageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.source import DeadLetter
from sensor_tui.storage.history import RETENTION_SECONDS, OperatorAction, ThroughputPoint
from sensor_tui.storage.ledger import FileRecord, Ledger
from sensor_tui.storage.ledger_db import state_folder
from sensor_tui.storage.migrations import MIGRATIONS


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


def ledger(folder, **options):
    return Ledger(folder, clock=SystemClock(), **options)


def letter(row_id, *, source="a.db", sink="cosmos", sensor="S1", document="{}", event_time="t", reason="bad"):
    return DeadLetter(source, row_id, sink, sensor, event_time, 400, reason, document, 1.5)


async def test_folder_and_file_are_for_their_owner_alone(folder):
    async with ledger(folder) as opened:
        await opened.save_positions({("a.db", "cosmos"): 1})
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
        assert (folder / "ledger.db-wal").exists()


async def test_positions_are_kept_per_file_and_sink(folder):
    async with ledger(folder) as opened:
        await opened.save_positions({("a.db", "cosmos"): 5, ("a.db", "archive"): 3, ("b.db", "cosmos"): 9})
        await opened.save_positions({("a.db", "cosmos"): 6})
    async with ledger(folder) as opened:
        assert await opened.positions("a.db") == {"cosmos": 6, "archive": 3}
        assert await opened.positions("c.db") == {}


async def test_dead_letters_come_back_as_they_were_and_burying_twice_is_once(folder):
    async with ledger(folder) as opened:
        await opened.bury([letter(1, sensor=None, event_time=None), letter(2, document="x" * 65536)])
        await opened.bury([letter(2, reason="worse")])
        found = await opened.letters()
        assert [each.letter.row_id for each in found] == [1, 2]
        assert found[0].letter == letter(1, sensor=None, event_time=None)
        assert found[1].letter == letter(2, reason="worse")
        assert await opened.dead_letters() == {"a.db": 2}


async def test_the_same_row_id_of_a_recreated_file_is_another_letter(folder):
    async with ledger(folder) as opened:
        await opened.bury([letter(1, event_time="before")])
        await opened.bury([letter(1, event_time="after")])
        assert await opened.dead_letters() == {"a.db": 2}


async def test_letters_are_filtered_and_paged(folder):
    async with ledger(folder) as opened:
        await opened.bury(
            [letter(n, source=f"{n % 2}.db", sensor=f"S{n % 3}", sink="cosmos") for n in range(12)]
        )
        await opened.bury([letter(1, source="0.db", sink="archive")])
        rows = [each.letter.row_id for each in await opened.letters(source="0.db", sensor="S0")]
        assert rows == [0, 6]
        assert [each.id for each in await opened.letters(limit=3, offset=4)] == [5, 6, 7]
        assert [each.letter.sink for each in await opened.letters(sink="archive")] == ["archive"]
        assert [each.id for each in await opened.letters(ids=[3, 99, 1])] == [1, 3]


async def test_letters_are_dropped_by_number_or_all(folder):
    async with ledger(folder) as opened:
        await opened.bury([letter(n) for n in range(5)])
        assert await opened.drop([2, 3, 77]) == 2
        assert await opened.dead_letters() == {"a.db": 3}
        assert await opened.drop() == 3
        assert await opened.dead_letters() == {}


async def test_rewinds_are_taken_once_and_lower_the_positions_with_them(folder):
    async with ledger(folder) as opened:
        await opened.save_positions({("a.db", "cosmos"): 50, ("a.db", "archive"): 3, ("b.db", "cosmos"): 7})
        await opened.bury([letter(20), letter(10)])
        await opened.reopened(await opened.letters())
        assert await opened.dead_letters() == {}
    async with ledger(folder) as opened:
        assert await opened.rewinds() == {"a.db": 10}
        assert await opened.rewinds() == {}
        assert await opened.positions("a.db") == {"cosmos": 9, "archive": 3}
        assert await opened.positions("b.db") == {"cosmos": 7}


async def test_text_with_lone_surrogates_can_be_buried(folder):
    async with ledger(folder) as opened:
        await opened.bury([letter(1, reason="bad \udcff", document="\ud800", sensor="\udcfe")])
        assert (await opened.letters())[0].letter.reason == "bad \\udcff"


async def test_throughput_is_kept_for_a_while_and_read_from_a_moment_on(folder):
    async with ledger(folder) as opened:
        await opened.record_throughput(ThroughputPoint(1000.0, 1, 0, 0, 5.5, 9, None))
        for step in range(61):
            at = 1000.0 + RETENTION_SECONDS + step
            await opened.record_throughput(ThroughputPoint(at, step, 0, 0, 5.5, 9, 0.5))
        points = await opened.throughput(0.0)
        assert len(points) == 61
        assert await opened.throughput(points[-2].at) == [points[-1]]
        assert points[-1] == ThroughputPoint(1060.0 + RETENTION_SECONDS, 60, 0, 0, 5.5, 9, 0.5)


async def test_actions_are_listed_newest_first(folder):
    async with ledger(folder) as opened:
        done = [OperatorAction(float(n), "me", "stop", f"sensor-{n}", "done") for n in range(4)]
        for action in done:
            await opened.record_action(action)
        assert await opened.actions(limit=2) == [done[3], done[2]]


async def test_registered_files_come_back_with_times_as_stored(folder):
    record = FileRecord("a.db", 1, 2, (1, 1.25), (9, "2025-08-01T00:00:00+00:00"), "London", 5.0)
    odd = FileRecord("b.db", 1, 3, (4, b"\xff"), None, "Paris", 6.0)
    async with ledger(folder) as opened:
        await opened.register([record, odd], moved={}, started_again=[])
    async with ledger(folder) as opened:
        assert await opened.files() == [record, odd]


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
async def test_a_ledger_of_every_older_version_is_brought_up_to_date(folder, version):
    folder.mkdir()
    with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as db:
        db.execute(
            "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL)"
        )
        for number, (name, statements) in enumerate(MIGRATIONS[:version], start=1):
            for statement in statements:
                db.execute(statement)
            db.execute("INSERT INTO migrations VALUES (?, ?, 1.0)", (number, name))
        if version:
            db.execute("INSERT INTO positions VALUES ('a.db', 'cosmos', 77)")
    async with ledger(folder) as opened:
        assert await opened.positions("a.db") == ({"cosmos": 77} if version else {})
        await opened.bury([letter(1)])
        await opened.record_action(OperatorAction(1.0, "me", "stop", "x", "done"))
        recorded = await opened.fetch("SELECT version, name FROM migrations ORDER BY version")
        assert recorded == [(number, name) for number, (name, _) in enumerate(MIGRATIONS, start=1)]


async def test_a_migration_that_fails_leaves_nothing_of_itself(folder, monkeypatch):
    from sensor_tui.storage import migrations

    broken = (*MIGRATIONS[:1], ("broken", ("CREATE TABLE half (x)", "CREATE TABLE half (x)")))
    monkeypatch.setattr(migrations, "MIGRATIONS", broken)
    with pytest.raises(StorageError, match="half"):
        await ledger(folder).open()
    monkeypatch.undo()
    async with ledger(folder) as opened:
        assert await opened.fetch("SELECT name FROM sqlite_master WHERE name = 'half'") == []
        assert len(await opened.fetch("SELECT * FROM migrations")) == len(MIGRATIONS)


@pytest.mark.parametrize("read_only", [False, True])
async def test_a_ledger_newer_than_this_version_is_refused(folder, read_only):
    async with ledger(folder) as opened:
        await opened.write("INSERT INTO migrations VALUES (?, 'future', 1.0)", [(99,)])
    with pytest.raises(StorageError, match="version 99, newer than"):
        await ledger(folder, read_only=read_only).open()


async def test_a_ledger_that_is_no_database_is_one_clear_line(folder):
    folder.mkdir()
    (folder / "ledger.db").write_text("not a database, and long enough to be looked at as one " * 20)
    with pytest.raises(StorageError, match=r"ledger.db: the ledger is not an SQLite database\. Move it away"):
        await ledger(folder).open()


async def test_a_state_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageError, match="cannot keep the ledger here"):
        await ledger(tmp_path / "state").open()


async def test_a_full_disk_is_one_clear_line_and_nothing_is_half_done(folder):
    async with ledger(folder) as opened:
        await opened.bury([letter(1)])
        pages = (await opened.fetch("PRAGMA page_count"))[0][0]
        await opened.fetch(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StorageError, match=r"no space left for the ledger\. Free some space") as failure:
            await opened.bury([letter(n, document="x" * 60_000) for n in range(2, 50)])
        assert "\n" not in str(failure.value)
        assert await opened.dead_letters() == {"a.db": 1}
        await opened.fetch("PRAGMA max_page_count=100000")
        await opened.bury([letter(2, document="x" * 60_000)])
        assert await opened.dead_letters() == {"a.db": 2}


async def test_a_ledger_locked_for_long_is_one_clear_line(folder, monkeypatch):
    from sensor_tui.storage import ledger_db

    monkeypatch.setattr(ledger_db, "_BUSY_SECONDS", 0.01)
    async with ledger(folder) as opened:
        with closing(sqlite3.connect(folder / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StorageError, match="locked by another process"):
                await opened.save_positions({("a.db", "cosmos"): 1})
        await opened.save_positions({("a.db", "cosmos"): 1})


async def test_two_processes_share_a_ledger(folder):
    async with ledger(folder) as one, ledger(folder) as other:
        await one.bury([letter(1)])
        assert await other.dead_letters() == {"a.db": 1}
        await other.drop()
        assert await one.dead_letters() == {}


async def test_a_ledger_only_looked_at_is_neither_made_nor_changed(folder):
    async with ledger(folder, read_only=True) as opened:
        assert await opened.dead_letters() == {}
    assert not folder.exists()
    async with ledger(folder) as opened:
        await opened.bury([letter(1)])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    async with ledger(folder, read_only=True) as opened:
        assert await opened.dead_letters() == {"a.db": 1}
        with pytest.raises(StorageError, match="may not be written"):
            await opened.drop()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


async def test_a_cancelled_write_is_undone_and_the_next_goes_through(folder):
    import asyncio

    async with ledger(folder) as opened:

        async def write():
            async with opened.transaction() as db:
                await db.execute("INSERT INTO rewinds VALUES ('a.db', 1)")
                inside.set()
                await asyncio.Event().wait()

        inside = asyncio.Event()
        task = asyncio.ensure_future(write())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await opened.rewinds() == {}
        await opened.bury([letter(1)])


def test_state_lies_in_the_data_folder_or_elsewhere_when_that_cannot_be_written(
    data, tmp_path, monkeypatch, read_only_view
):
    assert state_folder(data) == data / ".sensor-tui"
    assert state_folder(data, tmp_path / "mine") == tmp_path / "mine"
    (data / "x.db").touch()
    assert state_folder(data / "x.db") == data / ".sensor-tui"
    view = read_only_view(data)
    assert state_folder(view, tmp_path / "mine") == tmp_path / "mine"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    elsewhere = state_folder(view)
    assert elsewhere.parent == tmp_path / "xdg" / "sensor-tui"
    assert elsewhere.name != state_folder(tmp_path / "other").name

"""Looking at the tree: only what changed, and every file that cannot be used with its reason."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from sensor_tui.errors import SourceFileError, StorageError
from sensor_tui.storage import signatures

KEY = "London/A/sensor_data.db"


@pytest.fixture(autouse=True)
def _files_settle_at_once(monkeypatch, request):
    """File times are told apart without waiting for the clock that stamps them."""
    if "young" not in request.keywords:
        monkeypatch.setattr(signatures, "_GRAIN_NS", -1)


def sql(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            result = db.execute(statement)
        return result.fetchall()


def changed(scan):
    return [file.key for file in scan.changed]


@pytest.mark.parametrize("wal", [False, True])
async def test_only_what_changed_is_reported(sample, open_store, wal):
    path = sample(wal=wal)
    sample("London/B", wal=wal)
    store = await open_store()
    assert changed(await store.scan()) == [KEY, "London/B/sensor_data.db"]
    assert changed(await store.scan()) == []
    with closing(sqlite3.connect(path, isolation_level=None)) as sensor:
        sensor.execute("INSERT INTO sensor_readings(timestamp, sensor_id) VALUES (9e9, 'S')")
        assert changed(await store.scan()) == [KEY]
        sensor.execute("INSERT INTO sensor_readings(timestamp, sensor_id) VALUES (9e9, 'S')")
        assert changed(await store.scan()) == [KEY]
        assert changed(await store.scan()) == []


async def test_reading_a_wal_file_and_closing_it_is_no_change_for_ever(sample, open_store):
    for name in "ABCD":
        sample(f"London/{name}", wal=True)
    store = await open_store(max_open=1)
    looked = 0
    for _ in range(4):
        scan = await store.scan()
        looked = len(scan.changed)
        for file in scan.changed:
            await store.peek(file.key, after=0)
    assert looked == 0


async def test_a_file_written_this_instant_is_reported_once_more(sample, open_store, monkeypatch):
    monkeypatch.setattr(signatures, "_GRAIN_NS", 10**18)
    sample()
    store = await open_store()
    assert changed(await store.scan()) == [KEY]
    assert changed(await store.scan()) == [KEY]
    monkeypatch.setattr(signatures, "_GRAIN_NS", -1)
    assert changed(await store.scan()) == [KEY]
    assert changed(await store.scan()) == []


async def test_the_tree_is_searched_only_now_and_then_but_files_are_watched_always(sample, open_store):
    sample()
    store = await open_store(rescan_seconds=3600.0)
    assert changed(await store.scan()) == [KEY]
    sample("London/B")
    sample(rows=1, start=1_760_000_000.0)
    assert changed(await store.scan()) == [KEY]


async def test_a_search_that_was_asked_for_comes_at_once(sample, open_store):
    sample()
    store = await open_store(rescan_seconds=3600.0)
    await store.scan()
    sample("London/B")
    store.search_soon()
    assert changed(await store.scan()) == ["London/B/sensor_data.db"]


async def test_a_file_that_vanishes_is_gone_and_comes_back(sample, open_store, tmp_path):
    path = sample()
    sample("London/B")
    store = await open_store()
    await store.scan()
    path.rename(tmp_path / "away.db")
    with pytest.raises(SourceFileError, match="is gone"):
        await store.peek(KEY, after=0)
    scan = await store.scan()
    assert (list(scan.gone), changed(scan), scan.problems) == ([KEY], [], {})
    assert [file.key for file in store.files()] == ["London/B/sensor_data.db"]
    (tmp_path / "away.db").rename(path)
    assert changed(await store.scan()) == [KEY]
    assert not (await store.peek(KEY, after=0)).restarted


async def test_a_folder_that_vanishes_takes_its_files_along(sample, open_store, data):
    sample()
    sample("Paris/B")
    store = await open_store()
    await store.scan()
    shutil.rmtree(data / "London")
    scan = await store.scan()
    assert list(scan.gone) == [KEY]
    assert changed(await store.scan()) == []


async def test_a_replaced_file_is_read_from_its_start(sample, open_store, drain, tmp_path, data):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    await store.save_positions({(KEY, "cosmos"): 100})
    sample("elsewhere", rows=150, start=1_760_000_000.0)
    (data / "elsewhere" / "sensor_data.db").replace(path)
    with pytest.raises(SourceFileError, match="was replaced by another file"):
        await store.peek(KEY, after=100)
    assert changed(await store.scan()) == [KEY]
    peek = await store.peek(KEY, after=100)
    assert peek.restarted
    assert peek.open_rows == 150
    assert dict(await store.positions(KEY)) == {}
    assert len(await drain(store, KEY)) == 150


async def test_a_write_to_a_replaced_file_marks_nothing(sample, open_store, mark, data):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=100)
    sample("elsewhere", rows=100)
    (data / "elsewhere" / "sensor_data.db").replace(path)
    with pytest.raises(SourceFileError, match="was replaced"):
        await store.close_rows(KEY, [mark(batch)])
    assert sql(path, "SELECT DISTINCT synced FROM sensor_readings") == [(0,)]
    assert not path.with_name("sensor_data.db-journal").exists()


async def test_a_copy_put_back_in_its_place_is_the_same_file(sample, open_store, drain, tmp_path):
    path = sample(rows=40)
    store = await open_store()
    await store.scan()
    await drain(store, KEY, mark=False)
    await store.save_positions({(KEY, "cosmos"): 40})
    shutil.copy(path, tmp_path / "copy.db")
    (tmp_path / "copy.db").replace(path)
    await store.scan()
    assert dict(await store.positions(KEY)) == {"cosmos": 40}
    assert not (await store.peek(KEY, after=40)).restarted


async def look_and_read(store):
    await store.peek(KEY, after=0)
    await store.read(KEY, after=0, limit=10_000)


@pytest.mark.parametrize("size", [0, 50, 5000])
async def test_a_truncated_file_is_called_that_and_the_others_go_on(sample, open_store, drain, size):
    path = sample(rows=900)
    whole = path.read_bytes()
    sample("London/B")
    store = await open_store()
    await store.scan()
    await store.peek(KEY, after=0)
    whole = path.read_bytes()
    os.truncate(path, size)
    problem = None
    for _ in range(3):
        scan = await store.scan()
        problem = scan.problems.get(KEY)
        if problem is None:
            with pytest.raises(SourceFileError, match="truncated"):
                await look_and_read(store)
    assert problem.startswith(f"{KEY}: was truncated from ")
    assert f" to {size} bytes" in problem
    assert len(await drain(store, "London/B/sensor_data.db")) == 50
    path.write_bytes(whole)
    assert KEY in changed(await store.scan())
    assert (await store.peek(KEY, after=0)).open_rows == 900
    assert (await store.scan()).problems == {}


async def test_a_file_that_is_not_sqlite_is_a_problem_until_it_is(sample, open_store, data, tmp_path):
    sample()
    path = data / "London" / "notes.db"
    path.write_text("These are notes on London, and no database at all.")
    store = await open_store()
    scan = await store.scan()
    assert changed(scan) == [KEY]
    assert "London/notes.db: is not an SQLite database" in scan.problems["London/notes.db"]
    assert (await store.scan()).problems == scan.problems
    shutil.copy(data / KEY, path)
    assert changed(await store.scan()) == ["London/notes.db"]
    assert (await store.scan()).problems == {}


async def test_garbage_behind_a_good_header_is_a_problem(sample, open_store, data):
    path = sample()
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 8000)
    store = await open_store()
    scan = await store.scan()
    assert scan.changed == ()
    assert "corrupt" in scan.problems[KEY]


async def test_an_empty_file_becomes_a_sensors_when_it_has_the_table(sample, open_store, data):
    path = data / KEY
    path.parent.mkdir(parents=True)
    path.touch()
    store = await open_store()
    assert "is empty" in (await store.scan()).problems[KEY]
    sample(rows=3)
    scan = await store.scan()
    assert changed(scan) == [KEY]
    assert scan.problems == {}


async def test_a_locked_file_holds_nothing_else_up_and_is_read_when_it_is_free(
    sample, open_store, holder, drain
):
    class Impatient:
        """Waits as long as asked, but not really."""

        def __init__(self):
            self.time = 0.0

        def now(self):
            return 1.0

        def monotonic(self):
            return self.time

        async def sleep(self, seconds):
            self.time += 10 * seconds

    path = sample()
    sample("London/B")
    other = holder("database", path)
    store = await open_store(clock=Impatient())
    scan = await store.scan()
    assert changed(scan) == ["London/B/sensor_data.db"]
    assert "has been locked by another process for" in scan.problems[KEY]
    assert len(await drain(store, "London/B/sensor_data.db")) == 50
    other.let_go()
    scan = await store.scan()
    assert changed(scan) == [KEY, "London/B/sensor_data.db"]
    assert scan.problems == {}
    other.close()
    again = holder("database", path)
    with pytest.raises(SourceFileError, match=r"has been locked by another process for \d+ s"):
        await store.peek(KEY, after=0)
    assert KEY in (await store.scan()).problems
    again.let_go()
    assert changed(await store.scan()) == [KEY]
    assert len(await drain(store, KEY)) == 50


async def test_a_short_lock_is_waited_for(sample, open_store, holder):
    class Releasing:
        def __init__(self):
            self.time = 0.0

        def now(self):
            return 1.0

        def monotonic(self):
            return self.time

        async def sleep(self, seconds):
            self.time += seconds
            other.let_go()

    path = sample()
    store = await open_store(clock=Releasing())
    await store.scan()
    other = holder("database", path)
    assert (await store.peek(KEY, after=0)).open_rows == 50


async def test_a_link_to_a_file_is_not_read_twice(sample, open_store, data):
    path = sample()
    (data / "London" / "latest.db").symlink_to(path)
    (data / "Again").symlink_to(data / "London")
    store = await open_store()
    scan = await store.scan()
    assert len(scan.changed) == 1
    assert scan.problems == {}


async def test_a_second_hard_link_is_a_problem_and_not_read_twice(sample, open_store, data):
    path = sample()
    os.link(path, data / "London" / "twin.db")
    store = await open_store()
    scan = await store.scan()
    assert len(scan.changed) == 1
    assert "is the same file as" in next(iter(scan.problems.values()))


@pytest.mark.parametrize("wal", [False, True])
async def test_a_read_only_folder_is_read_by_position_with_the_ledger_elsewhere(
    sample, data, open_store, drain, read_only_view, tmp_path, wal
):
    path = sample(wal=wal)
    view = read_only_view(data)
    store = await open_store(view, state_dir=tmp_path / "state")
    (file,) = (await store.scan()).changed
    assert (file.marks, file.rollback) == (False, not wal)
    assert len(await drain(store, KEY)) == 50
    await store.save_positions({(KEY, "cosmos"): 50})
    assert (await store.peek(KEY, after=50)).open_rows == 0
    assert (tmp_path / "state" / "ledger.db").exists()
    assert not (data / ".sensor-tui").exists()
    sample(rows=4, start=1_760_000_000.0)
    assert changed(await store.scan()) == [KEY]
    assert len((await store.read(KEY, after=50, limit=9)).rows) == 4
    assert sql(path, "SELECT DISTINCT synced FROM sensor_readings") == [(0,)]


async def test_a_live_wal_on_a_read_only_folder_is_read_with_what_is_in_it(
    sample, data, open_store, read_only_view, tmp_path
):
    path = sample(wal=True)
    view = read_only_view(data)
    with closing(sqlite3.connect(path, isolation_level=None)) as sensor:
        sensor.execute("INSERT INTO sensor_readings(timestamp, sensor_id) VALUES (9e9, 'S')")
        store = await open_store(view, state_dir=tmp_path / "state")
        await store.scan()
        assert (await store.peek(KEY, after=0)).open_rows == 51


async def test_a_file_whose_folder_turns_read_only_is_read_on_without_marks(
    sample, open_store, mark, frozen_folder
):
    path = sample()
    store = await open_store()
    await store.scan()
    await store.peek(KEY, after=0)
    batch = await store.read(KEY, after=0, limit=10)
    with frozen_folder(path.parent):
        await store.close_rows(KEY, [mark(batch)])
        assert [file.marks for file in (await store.scan()).changed] == [False]
        assert len((await store.read(KEY, after=10, limit=100)).rows) == 40
    assert sql(path, "SELECT DISTINCT synced FROM sensor_readings") == [(0,)]


async def test_a_journal_mode_that_changes_is_noticed(sample, open_store):
    path = sample()
    store = await open_store(max_open=1)
    await store.scan()
    await store.peek(KEY, after=0)
    sample("London/B")
    await store.scan()
    await store.peek("London/B/sensor_data.db", after=0)
    sql(path, "PRAGMA journal_mode=WAL")
    await store.scan()
    await store.peek(KEY, after=0)
    assert [file.rollback for file in store.files() if file.key == KEY] == [False]
    assert [file.rollback for file in (await store.scan()).changed if file.key == KEY] == [False]


async def test_a_root_that_is_missing_is_said_so(open_store, tmp_path):
    with pytest.raises(StorageError, match="no such file or folder"):
        await open_store(tmp_path / "missing")


async def test_a_file_as_root_is_read_alone(sample, open_store):
    path = sample()
    sample("London/B")
    store = await open_store(path)
    scan = await store.scan()
    assert [(file.key, file.city) for file in scan.changed] == [("sensor_data.db", "London")]
    assert store.state_folder == path.parent / ".sensor-tui"


async def test_a_table_that_is_dropped_and_made_again_is_read_again(sample, open_store):
    path = sample()
    store = await open_store()
    await store.scan()
    sql(path, "DROP TABLE sensor_readings")
    await store.scan()
    with pytest.raises(SourceFileError, match="has no table"):
        await store.peek(KEY, after=0)
    assert "has no table" in (await store.scan()).problems[KEY]
    sql(
        path,
        "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, synced)",
        "INSERT INTO sensor_readings VALUES (1, 7.0, 0)",
    )
    scan = await store.scan()
    assert (changed(scan), scan.problems) == ([KEY], {})
    assert (await store.peek(KEY, after=50)).restarted

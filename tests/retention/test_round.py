"""A round of pruning: what goes, what stays, and what the product still knows of the file afterwards."""

import sqlite3
from contextlib import closing

import pytest

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import SystemClock
from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.pruning import Bounds
from sensor_tui.storage.pruning_memory import Memory
from sensor_tui.storage.pruning_round import Round
from sensor_tui.storage.store import SqliteStore
from sensor_tui.storage.tracked import Pace

from .conftest import KEY, START

GENERATIONS = pytest.mark.parametrize("generation", ["2025-04", "2025-08"])


@GENERATIONS
@pytest.mark.parametrize("wal", [False, True])
async def test_by_age_acknowledged_rows_go_and_nothing_else(sample, prune, generation, wal):
    rows = sample(rows=1000, closed=800, generation=generation, wal=wal)
    rows.run("UPDATE sensor_readings SET synced = -1 WHERE id = 7")
    rows.run("UPDATE sensor_readings SET synced = NULL WHERE id = 9")
    rows.run("UPDATE sensor_readings SET synced = 2 WHERE id = 11")
    done = await prune(before=START + 600.25)
    assert rows.ids == [7, 9, 11, *range(602, 1001)]
    assert (done.rows, round(done.oldest), round(done.newest)) == (598, START, START + 600)
    assert done.after < done.before
    assert rows.sound


@GENERATIONS
async def test_each_row_goes_by_its_own_time_whatever_its_neighbours_have(sample, prune, generation):
    rows = sample(rows=50, generation=generation)
    young = "4e9" if generation == "2025-04" else "'2090-01-01T00:00:00+00:00'"
    rows.run(f"UPDATE sensor_readings SET timestamp = {young} WHERE id <= 10 OR id % 2 = 0")
    await prune(before=START + 1e6)
    assert rows.ids == [*range(1, 11), *range(12, 51, 2)]


async def test_a_row_without_a_usable_time_has_no_age(sample, prune):
    rows = sample(rows=10)
    rows.run("UPDATE sensor_readings SET timestamp = 'yesterday' WHERE id = 3")
    rows.run("UPDATE sensor_readings SET timestamp = x'00' WHERE id = 4")
    await prune(before=START + 1e6)
    assert rows.ids == [3, 4, 10]


async def test_the_newest_row_stays_so_that_row_ids_do_not_begin_again(data, prune):
    path = data / KEY
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, synced INTEGER)")
        db.executemany("INSERT INTO sensor_readings VALUES (?, 1, 1)", [(each,) for each in range(1, 21)])
    await prune(before=START)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO sensor_readings (timestamp) VALUES (2)")
        assert db.execute("SELECT id FROM sensor_readings").fetchall() == [(20,), (21,)]


async def test_ids_far_apart_are_no_matter(sample, prune):
    rows = sample(rows=6)
    for old, new in ((6, 2**62), (5, 10**12), (4, 10**9), (3, 10**6)):
        rows.run("UPDATE sensor_readings SET id = ? WHERE id = ?", new, old)
    plan = await prune(before=START + 1e6, dry=True)
    done = await prune(before=START + 1e6)
    assert (plan.rows, done.rows) == (5, 5)
    assert rows.ids == [2**62]


async def test_by_size_the_oldest_acknowledged_rows_go_until_it_is_kept(sample, prune):
    rows = sample(rows=5000, closed=4000)
    rows.run("UPDATE sensor_readings SET synced = -1 WHERE id = 2")
    limit = rows.used // 2
    size = rows.path.stat().st_size
    plan = await prune(most_bytes=limit, dry=True)
    assert rows.count == 5000
    done = await prune(most_bytes=limit)
    assert limit - 40_000 < rows.used <= limit
    assert done.after == rows.used
    assert rows.ids == [2, *range(done.rows + 2, 5001)]
    assert abs(plan.rows - done.rows) < 300
    assert abs(plan.after - done.after) < 60_000
    # the room is used again: the file does not grow
    rows.grow()
    assert rows.path.stat().st_size == size
    assert (await prune(most_bytes=10**9)).rows == 0


@pytest.mark.parametrize("generation", ["2025-04", "2025-08"])
@pytest.mark.parametrize("share", [0.97, 0.5, 0.3, 0.1])
async def test_a_plan_by_size_counts_whole_transactions(sample, prune, share, generation):
    def steady():
        """What each transaction may do, whatever the machine's speed."""
        made = Memory()
        made.looks = Pace(1000, least=1000, most=1000, target=1e9)
        made.removals = Pace(200, least=200, most=200, target=1e9)
        return made

    rows = sample(rows=5000, generation=generation)
    limit = int(rows.used * share)
    plan = await prune(most_bytes=limit, memory=steady(), dry=True)
    done = await prune(most_bytes=limit, memory=steady())
    assert done.rows <= plan.rows <= done.rows + 200
    assert not plan.rows % 200


async def test_a_plan_by_size_takes_no_more_than_may_go(sample, prune):
    sample(rows=2000, closed=500)
    assert (await prune(most_bytes=1, dry=True)).rows == 500


async def test_by_size_what_is_open_stays_however_much_that_is(sample, prune):
    rows = sample(rows=2000, closed=500)
    done = await prune(most_bytes=1)
    assert done.rows == 500
    assert rows.ids == list(range(501, 2001))
    assert done.after > 1


async def test_both_bounds_together_take_what_either_takes(sample, prune):
    rows = sample(rows=3000)
    limit = rows.used // 2
    plan = await prune(before=START + 500, most_bytes=limit, dry=True)
    done = await prune(before=START + 500, most_bytes=limit)
    assert rows.used <= limit
    assert done.rows > 1000
    assert abs(plan.rows - done.rows) < 300


async def test_a_plan_says_exactly_what_goes_by_age_and_writes_nothing(sample, prune):
    rows = sample(rows=3000, closed=2000)
    before = rows.path.read_bytes()
    plan = await prune(before=START + 1234.25, dry=True)
    assert rows.path.read_bytes() == before
    assert plan.after < plan.before
    done = await prune(before=START + 1234.25)
    assert (plan.rows, plan.oldest, plan.newest) == (done.rows, done.oldest, done.newest)
    assert done.rows == 1235


async def test_rows_up_to_where_the_archive_begins_stay(sample, prune):
    rows = sample(rows=100)
    time = rows.run("SELECT timestamp FROM sensor_readings WHERE id = 40")[0][0]
    assert (await prune(before=START + 1e6, archived=True, start=(40, time))).rows == 59
    assert rows.ids == [*range(1, 41), 100]
    assert (await prune(before=START + 1e6, start=(40, time))).rows == 40


async def test_a_later_round_looks_only_where_something_is_due(sample, files, monkeypatch):
    rows = sample(rows=8000, closed=0)
    rows.run("UPDATE sensor_readings SET synced = 1 WHERE id > 7000")
    memory, loose = Memory(), await files()
    looks = []
    run = SensorConnection.run

    def noted(self, purpose, sql, values=()):
        if purpose == "prune look":
            looks.append((values["low"], values["high"]))
        return run(self, purpose, sql, values)

    monkeypatch.setattr(SensorConnection, "run", noted)
    await Round(loose, KEY, memory, Bounds(before=START - 1)).run()
    assert (looks[0][0], looks[-1][1]) == (0, 8000)
    looks.clear()
    await Round(loose, KEY, memory, Bounds(before=START - 1)).run()
    assert looks == []
    # new rows are looked at, and what has become old since
    rows.run("UPDATE sensor_readings SET synced = 1 WHERE id > 20")
    rows.run(
        "INSERT INTO sensor_readings (timestamp, synced) SELECT timestamp, 1 FROM sensor_readings LIMIT 5"
    )
    await Round(loose, KEY, memory, Bounds(before=START - 1)).run()
    assert looks == [(8000, 8005)]
    looks.clear()
    done = await Round(loose, KEY, memory, Bounds(before=START + 100)).run()
    assert done.rows == 80 + 4
    assert looks[0][0] == 0
    assert max(high for _, high in looks) == 8005
    assert rows.ids[:22] == [*range(1, 21), 101, 102]


async def test_another_file_at_its_place_is_left_alone(sample, files, data):
    rows = sample(rows=1000)
    loose = await files()
    other = sample("Paris/B", rows=1000, start=START - 5000)
    other.path.rename(rows.path)
    with pytest.raises(SourceFileError, match="replaced by another file"):
        await Round(loose, KEY, Memory(), Bounds(before=START + 1e6)).run()
    assert rows.count == 1000


async def test_a_file_written_anew_at_its_place_is_left_alone(sample, files, data):
    """Its rows may be acknowledged as well; what is known of its archive and its bounds is another file's."""
    rows = sample(rows=1000, closed=0)
    store = SqliteStore(data, clock=SystemClock())
    await store.open()
    await store.scan()
    batch = await store.read(KEY, after=0, limit=500)
    await store.save_positions({(KEY, "cosmos"): batch.through})
    await store.close()
    loose = await files()
    rows.run("UPDATE sensor_readings SET synced = 1, timestamp = '2020-01-01T00:00:00Z'")
    assert (await Round(loose, KEY, Memory(), Bounds(before=START)).run()).rows == 0
    assert rows.count == 1000


async def test_a_file_that_becomes_another_between_look_and_removal_loses_nothing(
    sample, files, data, monkeypatch
):
    rows = sample(rows=1000, closed=0)
    store = SqliteStore(data, clock=SystemClock())
    await store.open()
    await store.scan()
    await store.read(KEY, after=0, limit=500)
    await store.save_positions({(KEY, "cosmos"): 500})
    await store.close()
    rows.run("UPDATE sensor_readings SET synced = 1")
    loose = await files()
    run = SensorConnection.run

    def replaced(self, purpose, sql, values=()):
        if purpose == "prune":
            rows.run("UPDATE sensor_readings SET timestamp = '2020-01-01T00:00:00Z'")
        return run(self, purpose, sql, values)

    monkeypatch.setattr(SensorConnection, "run", replaced)
    assert (await Round(loose, KEY, Memory(), Bounds(before=START + 1e6)).run()).rows == 0
    assert rows.count == 1000


async def test_files_that_cannot_say_what_is_acknowledged_are_refused(data, files):
    path = data / KEY
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL)")
        db.execute("INSERT INTO sensor_readings VALUES (1, 1), (2, 2)")
    loose = await files()
    with pytest.raises(SourceFileError, match="no column `synced`"):
        await Round(loose, KEY, Memory(), Bounds(before=START)).run()


@pytest.mark.parametrize("wal", [False, True])
async def test_the_engine_knows_the_file_again_and_goes_on(sample, prune, data, wal):
    rows = sample(rows=1000, closed=0, wal=wal)

    async def upload(store):
        after = (await store.positions(KEY)).get("cosmos", 0)
        peek = await store.peek(KEY, after=after)
        assert not peek.restarted
        batch = await store.read(KEY, after=after, limit=10_000)
        rows.run("UPDATE sensor_readings SET synced = 1 WHERE id <= ?", batch.through)
        await store.save_positions({(KEY, "cosmos"): batch.through})
        return [row[0] for row in batch.rows]

    for first, last in ((1, 1000), (1001, 1300), (1301, 1310)):
        store = SqliteStore(data, clock=SystemClock())
        await store.open()
        await store.scan()
        assert await upload(store) == list(range(first, last + 1))
        assert (await prune(before=START + 1e6)).rows
        assert rows.ids == [last]
        assert (await store.peek(KEY, after=last)).open_rows == 0
        for _ in range({1000: 300, 1300: 10}.get(last, 1)):
            rows.grow(f"id = {last}")
        assert [file.city for file in store.files()] == ["London"]
        await store.close()
    moved = data / "Paris" / "A"
    moved.parent.mkdir()
    (data / "London" / "A").rename(moved)
    store = SqliteStore(data, clock=SystemClock())
    await store.open()
    await store.scan()
    assert [(file.key, file.city) for file in store.files()] == [("Paris/A/sensor_data.db", "London")]
    await store.close()

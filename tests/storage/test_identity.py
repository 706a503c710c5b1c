"""Knowing files again: moved folders keep their city and positions, copies and successors do not."""

import shutil
import sqlite3
from contextlib import closing

KEY = "London/A/sensor_data.db"


async def city_of(store, key):
    (city,) = [file.city for file in store.files() if file.key == key]
    return city


async def read_and_save(store, drain, key, position):
    await drain(store, key)
    await store.save_positions({(key, "cosmos"): position})


async def test_a_moved_city_folder_keeps_its_city_and_positions(sample, open_store, drain, data):
    sample(rows=30)
    store = await open_store()
    await store.scan()
    await read_and_save(store, drain, KEY, 30)
    (data / "London").rename(data / "Londres")
    scan = await store.scan()
    assert list(scan.gone) == [KEY]
    assert [(file.key, file.city) for file in scan.changed] == [("Londres/A/sensor_data.db", "London")]
    assert dict(await store.positions("Londres/A/sensor_data.db")) == {"cosmos": 30}
    assert (await store.read("Londres/A/sensor_data.db", after=0, limit=1)).city == "London"


async def test_a_folder_moved_while_nobody_looked_keeps_its_city(sample, open_store, drain, data):
    sample(rows=30)
    store = await open_store()
    await store.scan()
    await read_and_save(store, drain, KEY, 30)
    await store.close()
    (data / "London").rename(data / "Londres")
    again = await open_store()
    await again.scan()
    assert await city_of(again, "Londres/A/sensor_data.db") == "London"
    (data / "Londres").rename(data / "London2")
    await again.scan()
    assert await city_of(again, "London2/A/sensor_data.db") == "London"


async def test_dead_letters_and_rewinds_move_along(sample, open_store, drain, data):
    from sensor_tui.model.source import DeadLetter

    sample(rows=3)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    await store.bury([DeadLetter(KEY, 2, "cosmos", "S", None, 0, "bad", "", 1.0)])
    (data / "London").rename(data / "Londres")
    await store.scan()
    assert dict(await store.dead_letters()) == {"Londres/A/sensor_data.db": 1}
    assert (await store.reopen()).problems == {}


async def test_a_copy_in_another_folder_is_a_new_file(sample, open_store, drain, data):
    sample(rows=30)
    store = await open_store()
    await store.scan()
    await read_and_save(store, drain, KEY, 30)
    shutil.copytree(data / "London", data / "Paris")
    await store.scan()
    assert await city_of(store, "Paris/A/sensor_data.db") == "Paris"
    assert await city_of(store, KEY) == "London"
    assert dict(await store.positions("Paris/A/sensor_data.db")) == {}


async def test_an_inode_that_is_used_again_is_not_the_old_file(sample, open_store, drain, data):
    path = sample(rows=30)
    store = await open_store()
    await store.scan()
    await read_and_save(store, drain, KEY, 30)
    await store.close()
    # The same inode under another path with other rows: what a file system does when it reuses numbers.
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM sensor_readings")
        db.execute(
            "INSERT INTO sensor_readings(id, timestamp, sensor_id) VALUES (1, 9e8, 'S'), (30, 9e8, 'S')"
        )
    (data / "Paris").mkdir()
    path.parent.rename(data / "Paris" / "B")
    again = await open_store()
    await again.scan()
    assert await city_of(again, "Paris/B/sensor_data.db") == "Paris"
    assert dict(await again.positions("Paris/B/sensor_data.db")) == {}


async def test_a_file_moved_onto_the_place_of_another_brings_its_own_positions(
    sample, open_store, drain, data
):
    sample(rows=30)
    sample("Paris/B", rows=20, start=1_700_000_000.0)
    store = await open_store()
    await store.scan()
    await read_and_save(store, drain, KEY, 30)
    await read_and_save(store, drain, "Paris/B/sensor_data.db", 20)
    (data / KEY).replace(data / "Paris/B/sensor_data.db")
    await store.scan()
    assert dict(await store.positions("Paris/B/sensor_data.db")) == {"cosmos": 30}
    assert await city_of(store, "Paris/B/sensor_data.db") == "London"
    assert dict(await store.positions(KEY)) == {}


async def test_a_store_that_only_looks_knows_files_again_and_writes_nothing(sample, open_store, drain, data):
    sample(rows=30)
    store = await open_store()
    await store.scan()
    await read_and_save(store, drain, KEY, 30)
    await store.close()
    (data / "London").rename(data / "Londres")
    before = {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}
    looking = await open_store(read_only=True)
    await looking.scan()
    assert await city_of(looking, "Londres/A/sensor_data.db") == "London"
    await looking.peek("Londres/A/sensor_data.db", after=0)
    await looking.close()
    assert {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()} == before

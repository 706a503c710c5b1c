"""How files stand without an engine."""

import sqlite3
from contextlib import closing

from sensor_tui.model.clock import SystemClock
from sensor_tui.model.source import DeadLetter
from sensor_tui.storage.survey import survey

KEY = "London/A/sensor_data.db"


def snapshot(data):
    return {path: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}


async def test_a_survey_says_how_every_file_stands_and_writes_nothing(sample, data):
    path = sample(rows=20)
    sample("Paris/B", rows=5, generation="2025-08", wal=True)
    (data / "junk.db").write_text("x" * 200)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE sensor_readings SET synced = 1 WHERE id <= 15")
    before = snapshot(data)
    found = await survey(data, clock=SystemClock())
    assert [(each.source, each.city, each.backlog, each.owner) for each in found.files] == [
        (KEY, "London", 5, None),
        ("Paris/B/sensor_data.db", "Paris", 5, None),
    ]
    assert found.files[0].newest > found.files[0].oldest_open
    assert list(found.problems) == ["junk.db"]
    assert snapshot(data) == before


async def test_a_survey_beside_an_engine_says_who_owns_what_and_counts_dead_letters(
    sample, open_store, data, drain
):
    sample(rows=20)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    sample(rows=3, start=1_760_000_000.0)
    await store.save_positions({(KEY, "cosmos"): 20})
    await store.bury([DeadLetter(KEY, 4, "cosmos", "S", None, 400, "bad", "{}", 1.0)])
    (status,) = (await survey(data, clock=SystemClock())).files
    assert (status.backlog, status.dead_letters, status.problem) == (3, 1, None)
    assert "process" in status.owner
    assert len(await drain(store, KEY, after=20)) == 3

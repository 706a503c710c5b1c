"""The cheap facts of a file, and counts that are kept rather than made anew."""

import sqlite3
from contextlib import closing

import pytest

from sensor_tui.storage.counting import OpenCounts, Step

KEY = "London/A/sensor_data.db"


def sql(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in statements:
            result = db.execute(statement)
        return result.fetchall()


async def test_ends_sensor_newest_and_oldest_open(sample, open_store):
    path = sample(rows=40, generation="2025-08")
    sensor = sql(path, "SELECT sensor_id FROM sensor_readings")[0][0]
    sql(path, "UPDATE sensor_readings SET synced = 1 WHERE id <= 10")
    store = await open_store()
    await store.scan()
    peek = await store.peek(KEY, after=0)
    assert (peek.max_id, peek.open_rows, peek.sensor_id, peek.restarted) == (40, 30, sensor, False)
    assert peek.oldest_open == pytest.approx(1_754_000_010.0, abs=0.001)
    assert peek.newest == pytest.approx(1_754_000_039.0, abs=0.001)


async def test_an_empty_table_has_nothing_to_say(sample, open_store):
    sample(rows=0)
    store = await open_store()
    await store.scan()
    peek = await store.peek(KEY, after=0)
    assert (peek.max_id, peek.open_rows, peek.sensor_id, peek.newest, peek.oldest_open) == (
        0,
        0,
        None,
        None,
        None,
    )


async def test_open_rows_are_those_above_the_position_asked_about(sample, open_store):
    sample(rows=9000)
    store = await open_store()
    await store.scan()
    for after in (0, 8999, 100, 4000, 9000, 3999):
        peek = await store.peek(KEY, after=after)
        assert peek.open_rows == 9000 - after
        if after < 9000:
            assert peek.oldest_open == pytest.approx(1_754_000_000 + after, abs=0.001)
        else:
            assert peek.oldest_open is None


async def test_counts_follow_what_is_written_marked_and_pruned(sample, open_store, drain, mark):
    path = sample(rows=3000)
    store = await open_store()
    await store.scan()
    assert (await store.peek(KEY, after=0)).open_rows == 3000
    batch = await store.read(KEY, after=0, limit=500)
    await store.close_rows(KEY, [mark(batch)])
    assert (await store.peek(KEY, after=0)).open_rows == 2500
    sample(rows=70, start=1_755_000_000.0)
    assert (await store.peek(KEY, after=500)).open_rows == 2570
    sql(path, "DELETE FROM sensor_readings WHERE id <= 1000")
    assert (await store.peek(KEY, after=500)).open_rows == 2070
    await drain(store, KEY, after=500)
    assert (await store.peek(KEY, after=0)).open_rows == 0


async def test_a_second_look_counts_only_what_is_new(sample, open_store):
    sample(rows=60_000)
    spans = []
    store = await open_store(observer=lambda path, purpose, wall, cpu: spans.append(purpose))
    await store.scan()
    await store.peek(KEY, after=0)
    first = spans.count("count")
    assert first > 1
    sample(rows=10, start=1_756_000_000.0)
    spans.clear()
    assert (await store.peek(KEY, after=0)).open_rows == 60_010
    assert spans.count("count") == 1


async def test_row_ids_that_began_again_are_noticed_by_the_largest(sample, open_store, drain):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    await store.save_positions({(KEY, "cosmos"): 100})
    sql(path, "DELETE FROM sensor_readings", "DELETE FROM sqlite_sequence")
    sample(rows=20, start=1_760_000_000.0)
    peek = await store.peek(KEY, after=100)
    assert peek.restarted
    assert (peek.max_id, peek.open_rows) == (20, 20)
    assert dict(await store.positions(KEY)) == {}
    assert len(await drain(store, KEY)) == 20
    assert not (await store.peek(KEY, after=20)).restarted


async def test_row_ids_that_began_again_and_passed_the_position_are_noticed_by_a_row(
    sample, open_store, drain
):
    path = sample(rows=10)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    sql(path, "DELETE FROM sensor_readings", "DELETE FROM sqlite_sequence")
    sample(rows=50, start=1_760_000_000.0)
    assert (await store.read(KEY, after=10, limit=100)).rows == []
    assert (await store.scan()).changed
    assert (await store.peek(KEY, after=10)).restarted


async def test_a_restart_is_said_until_somebody_asks_from_the_start(sample, open_store, drain):
    path = sample(rows=10)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    sql(path, "DELETE FROM sensor_readings", "DELETE FROM sqlite_sequence")
    sample(rows=50, start=1_760_000_000.0)
    assert (await store.peek(KEY, after=10)).restarted
    assert (await store.read(KEY, after=10, limit=100)).rows == []
    await store.save_positions({(KEY, "cosmos"): 10})
    assert dict(await store.positions(KEY)) == {}
    assert (await store.peek(KEY, after=10)).restarted
    assert (await store.peek(KEY, after=0)).restarted
    assert not (await store.peek(KEY, after=0)).restarted
    assert len((await store.read(KEY, after=10, limit=100)).rows) == 40


async def test_a_restart_while_nobody_looked_is_noticed_by_the_next_store(sample, open_store, drain):
    path = sample(rows=10)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    await store.save_positions({(KEY, "cosmos"): 10})
    await store.close()
    sql(path, "DELETE FROM sensor_readings", "DELETE FROM sqlite_sequence")
    sample(rows=50, start=1_760_000_000.0)
    again = await open_store()
    await again.scan()
    assert dict(await again.positions(KEY)) == {}
    assert (await again.peek(KEY, after=0)).restarted
    assert len(await drain(again, KEY)) == 50


async def test_pruning_what_was_read_is_no_restart(sample, open_store, drain):
    path = sample(rows=100)
    store = await open_store()
    await store.scan()
    await drain(store, KEY)
    await store.save_positions({(KEY, "cosmos"): 100})
    sql(path, "DELETE FROM sensor_readings WHERE id < 100")
    assert not (await store.peek(KEY, after=100)).restarted


def count_all(counts, rows, after, last, span):
    steps = 0
    while (step := counts.next_step(after, last, span)) is not None:
        assert 0 < step.high - step.low <= span
        found = sorted(row for row in rows if step.low < row <= step.high)
        counts.record(step, len(found), found[0] if found else None)
        counts.merge(span)
        steps += 1
        assert steps < 1000
    return counts.total(after)


def test_counts_are_right_whatever_is_asked_and_changed_in_between():
    from random import Random

    random = Random(7)
    for _ in range(50):
        rows = set(random.sample(range(1, 400), 150))
        counts, last = OpenCounts(), 400
        for _ in range(30):
            after = random.randrange(0, last)
            expected = sorted(row for row in rows if row > after)
            span = random.choice([1, 7, 50, 1000])
            counts.drop_below(after + 1)
            assert count_all(counts, rows, after, last, span) == (
                len(expected),
                expected[0] if expected else None,
            )
            low = random.randrange(0, last)
            high = low + random.randrange(1, 60)
            rows -= {row for row in rows if low < row <= high}
            counts.forget(low, high)
            rows |= {last + offset for offset in range(1, 6)}
            last += 5


def test_a_step_never_goes_past_the_end():
    counts = OpenCounts()
    assert counts.next_step(5, 5, 10) is None
    assert counts.next_step(3, 5, 10) == Step(3, 5)

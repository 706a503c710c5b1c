"""The engine on a source and a sink in memory: what is sent, settled, retried, buried, and when it stops."""

import asyncio
from itertools import pairwise

import pytest

from sensor_tui.errors import SinkRefused, SinkUnreachable, SourceFileError, StorageError
from sensor_tui.model.progress import EngineState
from sensor_tui.sync.contract import Answer, Judgement, Limits, RequestFailed, RequestRefused, Verdict
from sensor_tui.sync.engine import Engine, EngineOptions
from tests.support.clock import JumpingClock
from tests.support.fakes import MemoryFeed, MemorySink, MemorySource


def engine_of(sink, *feeds, **options):
    clock = JumpingClock()
    return Engine(MemorySource(*feeds), [sink], clock=clock, options=EngineOptions(**options)), clock


def every(feed, rows):
    assert sorted(feed.settled) == rows, "each reading settled exactly once"


async def test_everything_is_sent_once_and_settled_once():
    feeds = [MemoryFeed(f"S{number}", 1234, city=f"City{number % 3}") for number in range(5)]
    sink = MemorySink()
    engine, _ = engine_of(sink, *feeds)
    await engine.run(continuous=False)
    for feed in feeds:
        every(feed, list(range(1, 1235)))
    assert len(sink.documents) == 5 * 1234
    totals = engine.progress().totals
    assert (totals.read, totals.accepted, totals.rejected, totals.retried) == (6170, 6170, 0, 0)
    assert totals.request_units == pytest.approx(5.0 * 6170)
    assert engine.progress().state is EngineState.STOPPED


async def test_requests_are_full_and_never_over_the_limits():
    sink = MemorySink(limits=Limits(documents=100, size=9000, concurrency=4, overhead=20))
    engine, _ = engine_of(sink, MemoryFeed("S", 5000))
    await engine.run(continuous=False)
    assert max(sink.sizes) <= 9000
    assert sum(count for _, count in sink.requests) / len(sink.requests) > 40


async def test_documents_of_one_request_share_a_lane():
    feeds = [MemoryFeed(f"S{number}", 50, city=f"City{number}") for number in range(20)]
    sink = MemorySink(lane_of=lambda key: str(len(str(key))))

    def same_lane(this, lane, documents):
        assert {str(len(document["city"])) for document in documents} == {lane}

    sink.script = same_lane
    engine, _ = engine_of(sink, *feeds)
    await engine.run(continuous=False)
    assert len(sink.documents) == 1000


async def test_readings_the_sink_had_before_count_as_accepted():
    sink = MemorySink()
    first, _ = engine_of(sink, MemoryFeed("S", 300))
    await first.run(continuous=False)
    again = MemoryFeed("S", 300)
    second, _ = engine_of(sink, again)
    await second.run(continuous=False)
    totals = second.progress().totals
    assert (totals.accepted, totals.already_there) == (300, 300)
    every(again, list(range(1, 301)))


async def test_a_poisoned_reading_leaves_ninety_nine_accepted_and_one_dead_letter():
    def poisoned(sink, lane, documents):
        bad = {
            position: Judgement(Verdict.REJECTED, code=400, reason="temperature is odd")
            for position, document in enumerate(documents)
            if document["sqlite_id"] == 42
        }
        return sink.store(documents, bad)

    feed = MemoryFeed("S", 100)
    sink = MemorySink(script=poisoned)
    engine, _ = engine_of(sink, feed)
    await engine.run(continuous=False)
    every(feed, [number for number in range(1, 101) if number != 42])
    assert feed.dead == {42: "temperature is odd"}
    assert engine.progress().totals.rejected == 1


async def test_a_request_refused_as_a_whole_is_halved_until_the_bad_ones_are_alone():
    def refuse(sink, lane, documents):
        if any(document["sqlite_id"] in (7, 77) for document in documents):
            raise RequestRefused(413, "too large")

    feed = MemoryFeed("S", 100)
    engine, _ = engine_of(MemorySink(script=refuse), feed)
    await engine.run(continuous=False)
    assert feed.dead == {7: "too large", 77: "too large"}
    every(feed, [number for number in range(1, 101) if number not in (7, 77)])


async def test_a_thousand_poisoned_rows_in_a_row_hold_nothing_up():
    def poisoned(sink, lane, documents):
        bad = {
            position: Judgement(Verdict.REJECTED, code=400, reason="bad")
            for position, document in enumerate(documents)
            if document["sensorId"] == "P" and document["sqlite_id"] <= 1000
        }
        return sink.store(documents, bad)

    poisoned_feed, good = MemoryFeed("P", 1500), MemoryFeed("G", 1500)
    engine, _ = engine_of(MemorySink(script=poisoned), poisoned_feed, good)
    await engine.run(continuous=False)
    assert len(poisoned_feed.dead) == 1000
    every(poisoned_feed, list(range(1001, 1501)))
    every(good, list(range(1, 1501)))


async def test_rows_that_become_no_document_are_dead_letters_with_their_reason():
    def spoil(number, row):
        if number % 10 == 0:
            row[3] = float("inf")

    feed = MemoryFeed("S", 100, change=spoil)
    engine, _ = engine_of(MemorySink(), feed)
    await engine.run(continuous=False)
    assert sorted(feed.dead) == list(range(10, 101, 10))
    assert all("infinity" in reason for reason in feed.dead.values())
    every(feed, [number for number in range(1, 101) if number % 10])
    assert engine.progress().totals.rejected == 10


async def test_throttled_readings_wait_as_long_as_asked_and_the_lane_rests():
    times = []

    def throttle(sink, lane, documents):
        times.append((clock.elapsed, len(documents)))
        if len(times) == 1:
            return sink.store(
                documents,
                {
                    position: Judgement(Verdict.THROTTLED, delay=2.5, code=429)
                    for position in range(40, len(documents))
                },
            )
        return None

    feed = MemoryFeed("S", 100)
    sink = MemorySink(script=throttle)
    engine, clock = engine_of(sink, feed)
    await engine.run(continuous=False)
    every(feed, list(range(1, 101)))
    assert times[1][0] >= times[0][0] + 2.5
    totals = engine.progress().totals
    assert totals.throttled == totals.retried == 60
    assert totals.accepted == 100


async def test_a_throttled_lane_does_not_hold_up_the_others():
    done_at = {}

    def slow_lane(sink, lane, documents):
        if lane == "Slow" and clock.elapsed < 60:
            raise RequestFailed(Judgement(Verdict.THROTTLED, delay=1.0, code=429))
        done_at[lane] = clock.elapsed

    feeds = [MemoryFeed("A", 5000, city="Slow"), MemoryFeed("B", 5000, city="Fast")]
    engine, clock = engine_of(MemorySink(script=slow_lane), *feeds)
    await engine.run(continuous=False)
    assert done_at["Fast"] < 5
    assert done_at["Slow"] >= 60
    for feed in feeds:
        every(feed, list(range(1, 5001)))


@pytest.mark.parametrize("code", [449, 408, 503, 500])
async def test_transient_failures_are_sent_again_after_a_random_back_off(code):
    def sometimes(sink, lane, documents):
        if len(sink.requests) <= 6:
            if len(sink.requests) % 2:
                raise RequestFailed(Judgement(Verdict.TRANSIENT, code=code, reason=str(code)))
            bad = {
                position: Judgement(Verdict.TRANSIENT, code=code) for position in range(0, len(documents), 2)
            }
            return sink.store(documents, bad)
        return None

    feed = MemoryFeed("S", 400)
    engine, _ = engine_of(MemorySink(script=sometimes), feed)
    await engine.run(continuous=False)
    every(feed, list(range(1, 401)))
    assert engine.progress().totals.retried > 0


async def test_an_answer_that_was_lost_is_sent_again_and_doubles_nothing():
    def lose(sink, lane, documents):
        if len(sink.requests) <= 3:
            sink.store(documents)
            raise RequestFailed(Judgement(Verdict.TRANSIENT, reason="reset"), unreachable=True)

    feed = MemoryFeed("S", 500)
    sink = MemorySink(script=lose)
    engine, _ = engine_of(sink, feed)
    await engine.run(continuous=False)
    every(feed, list(range(1, 501)))
    assert len(sink.documents) == 500
    assert engine.progress().totals.already_there > 0


@pytest.mark.parametrize("whole", [True, False])
async def test_a_lane_that_moved_is_asked_anew_and_its_readings_go_where_they_belong(whole):
    def moved(sink, lane, documents):
        if lane == "old":
            gone = Judgement(Verdict.MOVED, code=410, reason="split")
            if whole:
                raise RequestFailed(gone)
            return sink.store(documents, dict.fromkeys(range(len(documents)), gone))
        return None

    sink = MemorySink(script=moved)
    sink.lane_of = lambda key: "new" if sink.reroutes else "old"
    feeds = [MemoryFeed("A", 1000), MemoryFeed("B", 1000, city="Paris")]
    engine, _ = engine_of(sink, *feeds)
    await engine.run(continuous=False)
    for feed in feeds:
        every(feed, list(range(1, 1001)))
    assert [lane.lane for lane in engine.progress().lanes] == ["new"]


async def test_a_lane_that_moved_to_the_same_name_is_sent_again():
    def once(sink, lane, documents):
        if len(sink.requests) <= 2:
            raise RequestFailed(Judgement(Verdict.MOVED, code=410, reason="1008"))

    sink = MemorySink(script=once)
    feed = MemoryFeed("A", 600)
    engine, _ = engine_of(sink, feed)
    await engine.run(continuous=False)
    every(feed, list(range(1, 601)))
    assert sink.reroutes >= 1


async def test_a_refusal_ends_a_single_run_with_what_to_do_and_keeps_the_backlog():
    def refuse(sink, lane, documents):
        if len(sink.requests) > 3:
            raise SinkRefused("the key is not accepted", fix="Check COSMOS_KEY")

    feed = MemoryFeed("S", 5000)
    engine, _ = engine_of(MemorySink(script=refuse), feed)
    with pytest.raises(SinkRefused, match="Check COSMOS_KEY"):
        await engine.run(continuous=False)
    assert 0 < len(feed.settled) < 5000
    assert len(set(feed.settled)) == len(feed.settled)


async def test_a_refusal_in_continuous_mode_is_tried_again_every_minute():
    opened = []

    def opening(number):
        opened.append(clock.elapsed)
        if number in (2, 3):
            raise SinkRefused("still not")

    def refuse(sink, lane, documents):
        if sink.opened == 1:
            raise SinkRefused("the container is gone")

    feed = MemoryFeed("S", 500)
    sink = MemorySink(script=refuse)
    sink.on_open = opening
    engine, clock = engine_of(sink, feed, interval=1.0)
    running = asyncio.ensure_future(engine.run(continuous=True))
    while len(feed.settled) < 500:
        await asyncio.sleep(0)
        if opened and len(opened) == 2:
            assert engine.progress().state is EngineState.REFUSED
    engine.drain()
    await running
    assert [round(later - earlier) for earlier, later in pairwise(opened)][1:] == [60, 60]
    every(feed, list(range(1, 501)))


async def test_a_single_run_gives_up_on_a_silent_sink_after_its_patience():
    def silent(sink, lane, documents):
        raise RequestFailed(Judgement(Verdict.TRANSIENT, reason="connection refused"), unreachable=True)

    feed = MemoryFeed("S", 100)
    engine, clock = engine_of(MemorySink(script=silent), feed, patience=30.0)
    with pytest.raises(SinkUnreachable, match="connection refused"):
        await engine.run(continuous=False)
    assert 30 <= clock.elapsed < 70
    assert feed.settled == []


async def test_drain_settles_what_is_under_way_and_reads_no_more():
    feed = MemoryFeed("S", 100_000)
    sink = MemorySink()
    sink.hold = asyncio.Event()
    engine, _ = engine_of(sink, feed)
    running = asyncio.ensure_future(engine.run(continuous=True))
    while not sink.requests:
        await asyncio.sleep(0)
    engine.drain()
    sink.hold.set()
    await running
    assert 0 < len(feed.settled) < 100_000
    assert len(feed.settled) == len(sink.documents)


async def test_what_an_unfinished_window_had_accepted_is_settled_when_the_drain_time_is_over():
    def stuck(sink, lane, documents):
        if lane == "Stuck":
            raise RequestFailed(Judgement(Verdict.TRANSIENT, reason="503"))

    feed = MemoryFeed(
        "S", 100, change=lambda number, row: row.__setitem__(4, "Stuck" if number % 4 == 0 else "Fine")
    )
    engine, _ = engine_of(MemorySink(script=stuck), feed, drain_timeout=10.0)
    running = asyncio.ensure_future(engine.run(continuous=True))
    while engine.meter.accepted < 75:
        await asyncio.sleep(0)
    engine.drain()
    await running
    every(feed, [number for number in range(1, 101) if number % 4])


async def test_paused_it_reads_nothing_and_resumed_it_goes_on():
    feed = MemoryFeed("S", 300)
    engine, _ = engine_of(MemorySink(), feed, interval=1.0)
    engine.pause()
    running = asyncio.ensure_future(engine.run(continuous=True))
    for _ in range(300):
        await asyncio.sleep(0)
    assert feed.reads == []
    assert engine.progress().state is EngineState.PAUSED
    engine.resume()
    while len(feed.settled) < 300:
        await asyncio.sleep(0)
    engine.drain()
    await running


async def test_what_is_under_way_is_bounded_whatever_the_backlog():
    sink = MemorySink()
    sink.hold = asyncio.Event()
    feeds = [MemoryFeed(f"S{number}", 50_000) for number in range(4)]
    engine, _ = engine_of(sink, *feeds, max_in_flight=4000)
    running = asyncio.ensure_future(engine.run(continuous=False))
    for _ in range(2000):
        await asyncio.sleep(0)
    assert engine.progress().in_flight <= 4000 + 4 * 500
    assert all(sum(feed.reads) >= 500 for feed in feeds), "every feed has its share"
    sink.hold.set()
    await running
    for feed in feeds:
        every(feed, list(range(1, 50_001)))


async def test_settling_that_fails_is_tried_again_and_nothing_is_lost():
    feed = MemoryFeed("S", 700)
    feed.fail_settling = 3
    engine, _ = engine_of(MemorySink(), feed)
    await engine.run(continuous=False)
    every(feed, list(range(1, 701)))


async def test_two_sinks_must_both_have_a_reading_before_it_is_settled():
    def rejects(sink, lane, documents):
        bad = {
            position: Judgement(Verdict.REJECTED, reason="not here")
            for position, document in enumerate(documents)
            if document["sqlite_id"] == 5
        }
        return sink.store(documents, bad)

    first, second = MemorySink(), MemorySink(key_field="sensorId", script=rejects)
    second.name = "other"
    feed = MemoryFeed("S", 250)
    clock = JumpingClock()
    engine = Engine(MemorySource(feed), [first, second], clock=clock)
    await engine.run(continuous=False)
    assert feed.dead == {5: "not here"}
    every(feed, [number for number in range(1, 251) if number != 5])
    assert (len(first.documents), len(second.documents)) == (250, 249)


async def test_the_budget_holds_over_all_lanes_and_every_lane_gets_its_turn():
    spent = []

    def note(sink, lane, documents):
        spent.append((clock.elapsed, 5.0 * len(documents), lane))

    feeds = [MemoryFeed(f"S{number}", 400, city=f"City{number}") for number in range(4)]
    engine, clock = engine_of(MemorySink(script=note), *feeds, max_ru_per_second=500.0)
    await engine.run(continuous=False)
    assert clock.elapsed >= 1600 * 5 / 500 * 0.9
    for second in range(2, int(clock.elapsed)):
        assert sum(units for at, units, _ in spent if second <= at < second + 1) <= 500 * 1.05
    middle = [lane for at, _, lane in spent if 2 <= at < 6]
    assert {middle.count(f"City{number}") * 4 // max(1, len(middle)) for number in range(4)} <= {0, 1}
    assert set(middle) == {f"City{number}" for number in range(4)}


async def test_an_answer_for_no_request_counts_nothing():
    engine, _ = engine_of(MemorySink(script=lambda sink, lane, documents: Answer()), MemoryFeed("S", 0))
    await engine.run(continuous=False)
    assert engine.progress().totals.requests == 0


async def test_a_single_run_does_not_wait_for_ever_for_a_file_that_cannot_be_marked():
    feed, other = MemoryFeed("S", 300), MemoryFeed("T", 300)
    feed.fail_settling = 1000
    feed.settling_error = SourceFileError("S is corrupt")
    engine, clock = engine_of(MemorySink(), feed, other)
    await engine.run(continuous=False)
    assert clock.elapsed < 10
    assert feed.settled == []
    every(other, list(range(1, 301)))


async def test_a_ledger_that_cannot_be_written_ends_a_single_run_with_its_reason():
    feed = MemoryFeed("S", 300)
    feed.fail_settling = 1000
    engine, clock = engine_of(MemorySink(), feed)
    with pytest.raises(StorageError, match="no space left"):
        await engine.run(continuous=False)
    assert clock.elapsed < 10

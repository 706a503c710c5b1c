"""Each row of the retry table, on the wire: engine, Cosmos sink and local endpoint over loopback HTTP."""

from itertools import pairwise

import pytest

from sensor_tui.sync.engine import EngineOptions
from tests.wire.tap import Whole

RANGES = ("0", "1", "2", "3")


def writes_to(pipeline, range_id):
    return [write for write in pipeline.tap.writes if write.range_id == range_id]


async def test_without_faults_every_reading_arrives_once_over_all_ranges(wire):
    feeds = [wire.feed(f"S{number}", 250, range_id=RANGES[number % 4]) for number in range(8)]
    pipeline = wire.start(*feeds, once=True)
    await pipeline.running
    pipeline.every_reading_once()
    assert {write.range_id for write in pipeline.tap.writes} == set(RANGES)
    assert pipeline.totals.retried == 0


async def test_a_throttled_range_rests_as_long_as_asked_and_the_others_go_on(wire):
    feeds = [wire.feed(f"S{range_id}", 300, range_id=range_id) for range_id in RANGES]
    fault = wire.emulator.faults.throttle(kind="bulk", range_id="0", retry_after_ms=60_000)
    pipeline = wire.start(*feeds)
    await pipeline.until(lambda: all(len(feed.settled) == 300 for feed in feeds[1:]))
    assert fault.hits == 1
    lane = pipeline.lane("0")
    assert lane.in_flight == 0, "resting holds no slot"
    assert lane.queued == 300
    assert 50.0 < lane.blocked_for <= 60.0
    wire.clock.hop(lane.blocked_for - 1.0)
    await pipeline.turns()
    assert len(writes_to(pipeline, "0")) == 1
    assert feeds[0].settled == []
    wire.clock.hop(1.0)
    await pipeline.finish()
    pipeline.every_reading_once()
    assert (pipeline.totals.throttled, pipeline.totals.retried) == (100, 100)


async def test_operations_throttled_within_a_request_go_again_alone_and_later(wire):
    feed = wire.feed("S", 100)
    wire.emulator.faults.throttle(kind="bulk", operations=[3, 50, 99], retry_after_ms=60_000)
    pipeline = wire.start(feed)
    await pipeline.until(lambda: pipeline.stored == 97)
    await pipeline.until(lambda: pipeline.totals.accepted == 97)
    (lane,) = pipeline.engine.progress().lanes
    assert (lane.in_flight, lane.queued) == (0, 3)
    wire.clock.hop(lane.blocked_for - 1.0)
    await pipeline.turns()
    assert len(pipeline.tap.writes) == 1
    wire.clock.hop(1.0)
    await pipeline.finish()
    assert [write.row_ids for write in pipeline.tap.writes[1:]] == [[4, 51, 100]]
    pipeline.every_reading_once()
    assert pipeline.totals.throttled == 3


async def test_what_is_throttled_does_not_hold_up_what_other_sensors_send_to_the_same_account(wire):
    slow = wire.feed("slow", 5000, range_id="0")
    fast = [wire.feed(f"fast{number}", 2000, range_id=RANGES[1 + number % 3]) for number in range(6)]
    wire.emulator.faults.throttle(kind="bulk", range_id="0", retry_after_ms=3_600_000, times=None)
    pipeline = wire.start(slow, *fast, engine=EngineOptions(interval=1.0, max_in_flight=4000))
    await pipeline.until(lambda: all(len(feed.settled) == 2000 for feed in fast))
    assert slow.settled == []
    wire.emulator.faults.clear()
    wire.clock.hop(3_600.0)
    await pipeline.finish()
    pipeline.every_reading_once()


@pytest.mark.parametrize("status", [408, 449, 500, 502, 503])
async def test_a_request_that_fails_for_now_is_sent_again(wire, status):
    feed = wire.feed("S", 100)
    fault = wire.emulator.faults.answer(status, kind="bulk", times=3)
    pipeline = wire.start(feed)
    await pipeline.finish(hop=0.05)
    assert fault.hits == 3
    pipeline.every_reading_once()
    assert (pipeline.totals.retried, pipeline.totals.already_there) == (300, 0)


@pytest.mark.parametrize("status", [408, 449, 500, 503])
async def test_an_operation_that_fails_for_now_is_sent_again_alone(wire, status):
    failures = {7: 2, 42: 1}

    def meddle(write):
        return {
            position: {"statusCode": status, "requestCharge": 1.0}
            for position, row_id in enumerate(write.row_ids)
            if failures.get(row_id, 0) > 0 and failures.update({row_id: failures[row_id] - 1}) is None
        }

    feed = wire.feed("S", 100)
    wire.tap.meddle = meddle
    pipeline = wire.start(feed)
    await pipeline.finish(hop=0.05)
    pipeline.every_reading_once()
    again = [write.row_ids for write in pipeline.tap.writes[1:]]
    assert sorted(row_id for row_ids in again for row_id in row_ids) == [7, 7, 42]
    assert pipeline.totals.retried == 3


async def test_back_off_is_random_grows_to_thirty_seconds_at_most_and_never_ends(wire):
    feed = wire.feed("S", 1)
    fault = wire.emulator.faults.answer(503, kind="bulk", times=25)
    pipeline = wire.start(feed)
    await pipeline.finish(hop=0.5)
    assert fault.hits == 25
    pauses = [after.at - before.at for before, after in pairwise(pipeline.tap.writes)]
    assert len(pauses) == 25
    assert max(pauses) <= 30.0 + 5.0, "the cap, and what a hop of the clock may add"
    assert max(pauses[8:]) > 10.0
    assert pauses[0] <= 0.5 + 5.0
    assert len({round(pause, 1) for pause in pauses[8:]}) > 5
    pipeline.every_reading_once()


async def test_a_reset_before_the_request_was_processed_loses_nothing(wire):
    feeds = [wire.feed(f"S{range_id}", 300, range_id=range_id) for range_id in RANGES]
    fault = wire.emulator.faults.reset("before", kind="bulk", nth=2, times=3)
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.05)
    assert fault.hits == 3
    pipeline.every_reading_once()
    assert pipeline.totals.already_there == 0
    assert pipeline.totals.retried == 300


@pytest.mark.parametrize("cut", ["reset after the commit", "half the answer"])
async def test_an_answer_that_was_lost_doubles_nothing(wire, cut):
    feeds = [wire.feed(f"S{range_id}", 300, range_id=range_id) for range_id in RANGES]
    faults = wire.emulator.faults
    if cut == "half the answer":
        fault = faults.truncate(kind="bulk", nth=2, times=3)
    else:
        fault = faults.reset("after", kind="bulk", nth=2, times=3)
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.05)
    assert fault.hits == 3
    pipeline.every_reading_once()
    assert pipeline.totals.already_there == 300, "what had been committed is counted as already there"


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"<html>busy</html>", b'{"message":"no list"}', b'[{"statusCode":201}]', b"[{}, 5, null]"],
    ids=["empty", "half", "html", "object", "short", "nonsense"],
)
async def test_an_answer_that_cannot_be_read_is_no_answer(wire, body):
    garbled = []

    def meddle(write):
        if garbled:
            return None
        garbled.append(write)
        return Whole(207, body)

    wire.tap.meddle = meddle
    pipeline = wire.start(wire.feed("S", 100))
    await pipeline.finish(hop=0.05)
    pipeline.every_reading_once()
    assert len(garbled[0].documents) == 100
    assert sum(len(write.documents) for write in pipeline.tap.writes) == 200


async def test_a_slow_answer_is_waited_for_and_nothing_is_sent_twice(wire):
    feeds = [wire.feed(f"S{range_id}", 300, range_id=range_id) for range_id in RANGES]
    fault = wire.emulator.faults.delay(20.0, kind="bulk", range_id="2")
    pipeline = wire.start(*feeds)
    await pipeline.until(lambda: sum(len(feed.settled) for feed in feeds) == 900)
    await fault.reached.wait()
    assert pipeline.lane("2").in_flight == 100
    wire.clock.hop(20.0)
    await pipeline.finish()
    pipeline.every_reading_once()
    assert pipeline.totals.retried == 0


async def test_an_answer_that_never_comes_is_given_up_and_the_late_commit_doubles_nothing(wire):
    feed = wire.feed("S", 100)
    fault = wire.emulator.faults.hold("before", kind="bulk")
    pipeline = wire.start(feed, read_timeout=0.2)
    await pipeline.settled(hop=0.05)
    fault.release.set()
    await pipeline.turns()
    await pipeline.finish()
    pipeline.every_reading_once()
    assert sum(len(write.documents) for write in pipeline.tap.writes) == 200


async def test_after_a_split_every_reading_lands_in_the_child_that_holds_its_key(wire):
    feeds = [wire.feed(f"S{number}", 100, range_id="1") for number in range(24)]
    feeds += [wire.feed(f"T{range_id}", 300, range_id=range_id) for range_id in ("0", "2", "3")]
    fault = wire.emulator.faults.split(kind="bulk", range_id="1", nth=4)
    asked = wire.emulator.faults.delay(0.0, kind="pkranges", times=None)
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.01)
    assert fault.hits == 1
    ranges = wire.emulator.ranges("SensorData", "SensorReadings")
    children = [one for one in ranges if one.parents]
    assert {one.id for one in ranges} == {"0", "2", "3", *(child.id for child in children)}
    assert len(children) == 2
    pipeline.every_reading_once()
    container = wire.emulator.container("SensorData", "SensorReadings")
    shares = [wire.emulator.store.shelf(container, child).count() for child in children]
    assert sum(shares) == 2400
    assert all(shares), "both children took some"
    # two pages as the sink opens, two for the split, and a look for each request that was late to hear of it
    assert asked.hits <= 4 + 3


async def test_splits_of_all_ranges_at_once_are_followed(wire):
    feeds = [wire.feed(f"S{number}", 400, range_id=RANGES[number % 4]) for number in range(16)]
    for range_id in RANGES:
        wire.emulator.faults.split(kind="bulk", range_id=range_id, nth=3)
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.01)
    assert len(wire.emulator.ranges("SensorData", "SensorReadings")) == 8
    pipeline.every_reading_once()
    assert {lane.lane for lane in pipeline.engine.progress().lanes}.isdisjoint(RANGES), "dead lanes are gone"


async def test_a_range_that_moves_and_keeps_its_id_is_sent_to_again(wire):
    feeds = [wire.feed(f"S{range_id}", 300, range_id=range_id) for range_id in RANGES]
    fault = wire.emulator.faults.migrating(kind="bulk", range_id="3", times=5)
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.05)
    assert fault.hits == 5
    pipeline.every_reading_once()


async def test_operations_of_a_moved_range_within_an_answer_are_routed_anew_alone(wire):
    moved = []

    def meddle(write):
        if moved:
            return None
        moved.append(write)
        gone = {"statusCode": 410, "subStatusCode": 1002, "requestCharge": 0.0}
        return dict.fromkeys((0, 10, 20), gone)

    wire.tap.meddle = meddle
    pipeline = wire.start(wire.feed("S", 100))
    await pipeline.finish(hop=0.05)
    assert [write.row_ids for write in pipeline.tap.writes[1:]] == [[1, 11, 21]]
    pipeline.every_reading_once()


def _key_too_long(number, row):
    if number == 50:
        row[4] = "x" * 2100


async def test_a_poisoned_reading_leaves_ninety_nine_accepted_and_one_dead_letter_with_its_reason(wire_with):
    wire = await wire_with(partitions=1)
    feed = wire.feed("S", 100, change=_key_too_long)
    pipeline = wire.start(feed, once=True)
    await pipeline.running
    pipeline.every_reading_once(dead=1)
    (letter,) = feed.letters
    assert (letter.row_id, letter.sensor_id, letter.sink, letter.code) == (50, "S", "cosmos", 400)
    assert "Partition key is larger" in letter.reason
    assert '"sqlite_id":50' in letter.document


@pytest.mark.parametrize("status", [400, 413])
async def test_a_rejected_operation_is_a_dead_letter_with_its_code(wire, status):
    def meddle(write):
        result = {"statusCode": status, "requestCharge": 1.0, "message": "Nothing but trouble"}
        return {position: result for position, row_id in enumerate(write.row_ids) if row_id == 50}

    feed = wire.feed("S", 100)
    wire.tap.meddle = meddle
    pipeline = wire.start(feed, once=True)
    await pipeline.running
    pipeline.every_reading_once(dead=1)
    (letter,) = feed.letters
    assert (letter.row_id, letter.code) == (50, status)
    assert "Nothing but trouble" in letter.reason
    assert [len(write.documents) for write in pipeline.tap.writes] == [100]


def refuse_whole(status, bad):
    """Refuse every request with a bad reading in it, without a word which one it is."""

    def meddle(write):
        return Whole(status) if bad.intersection(write.row_ids) else None

    return meddle


@pytest.mark.parametrize("status", [400, 413])
async def test_a_request_refused_as_a_whole_is_halved_until_the_bad_reading_is_alone(wire, status):
    feed = wire.feed("S", 100)
    wire.tap.meddle = refuse_whole(status, {77})
    pipeline = wire.start(feed, once=True)
    await pipeline.running
    pipeline.every_reading_once(dead=1)
    (letter,) = feed.letters
    assert (letter.row_id, letter.code) == (77, status)
    assert "so the test wants it" in letter.reason
    assert len(pipeline.tap.writes) <= 2 * 7 + 2, "halves, and the bad one once more by itself"


async def test_a_document_over_the_limit_of_the_service_is_a_dead_letter_and_its_neighbours_arrive(wire):
    def change(number, row):
        if number == 20:
            row[3] = "x" * (2 * 1024 * 1024 - 300)

    feed = wire.feed("S", 40, change=change)
    pipeline = wire.start(feed, once=True)
    await pipeline.running
    pipeline.every_reading_once(dead=1)
    (letter,) = feed.letters
    assert (letter.row_id, letter.code) == (20, 413)


async def test_a_thousand_poisoned_readings_in_a_row_hold_nothing_up(wire):
    def poison(number, row):
        if 1000 < number <= 2000:
            row[4] = "x" * 2100

    sick = wire.feed("sick", 3000, range_id="0", change=poison)
    well = [wire.feed(f"well{number}", 1000, range_id=RANGES[number]) for number in range(4)]
    pipeline = wire.start(sick, *well, once=True)
    await pipeline.running
    pipeline.every_reading_once(dead=1000)
    assert set(sick.dead) == set(range(1001, 2001))
    assert pipeline.totals.retried == 0, "each was refused alone, at the first attempt"


async def test_a_run_of_readings_that_spoil_whole_requests_is_isolated_one_by_one(wire):
    bad = set(range(101, 301))
    feed = wire.feed("S", 500)
    wire.tap.meddle = refuse_whole(400, bad)
    pipeline = wire.start(feed, once=True)
    await pipeline.running
    pipeline.every_reading_once(dead=200)
    assert set(feed.dead) == bad

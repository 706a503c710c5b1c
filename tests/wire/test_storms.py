"""Many faults at once, at random: whatever happens, every reading arrives once and is settled once."""

import random

import pytest

from tests.wire.tap import Whole

RANGES = ("0", "1", "2", "3")
ROWS = 400
FEEDS = 8
SEEDS = (1, 2, 3, 5, 8)


def stir(faults, dice):
    """A few dozen faults, each for some request to some range, now and then for several in a row."""
    kinds = [
        lambda **match: faults.throttle(retry_after_ms=dice.randint(1, 5000), **match),
        lambda **match: faults.throttle(
            retry_after_ms=dice.randint(1, 5000), operations=dice.sample(range(100), 20), **match
        ),
        lambda **match: faults.answer(dice.choice([408, 449, 500, 503]), **match),
        lambda **match: faults.reset("before", **match),
        lambda **match: faults.reset("after", **match),
        faults.truncate,
        lambda **match: faults.delay(dice.uniform(0.1, 5.0), **match),
        faults.migrating,
    ]
    for _ in range(40):
        match = {
            "range_id": dice.choice([None, *RANGES]),
            "nth": dice.randint(1, 12),
            "times": dice.randint(1, 2),
        }
        dice.choice(kinds)(kind="bulk", **match)
    for range_id in dice.sample(RANGES, 2):
        faults.split(kind="bulk", range_id=range_id, nth=dice.randint(1, 4))
    for _ in range(4):
        faults.reset("before", kind="pkranges", nth=dice.randint(3, 8))


def meddling(dice):
    """Now and then an answer in which some operations have not been done, or no answer to speak of."""

    def meddle(write):
        if write.range_id is None or dice.random() > 0.2:
            return None
        if dice.random() < 0.2:
            return Whole(dice.choice([429, 502, 410, 207]), b"[]", {"x-ms-retry-after-ms": "700"})
        count = len(write.documents)
        victims = dice.sample(range(count), min(count, dice.randint(1, 10)))
        return {
            victim: {
                "statusCode": dice.choice([408, 410, 429, 449, 500, 503]),
                "requestCharge": 1.0,
                "retryAfterMilliseconds": dice.randint(0, 900),
            }
            for victim in victims
        }

    return meddle


@pytest.mark.parametrize("seed", SEEDS)
async def test_in_a_storm_of_faults_every_reading_arrives_once_and_is_settled_once(wire, seed):
    dice = random.Random(seed)
    feeds = [wire.feed(f"S{number}", ROWS, range_id=RANGES[number % 4]) for number in range(FEEDS)]
    stir(wire.emulator.faults, dice)
    wire.tap.meddle = meddling(dice)
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.05)
    pipeline.every_reading_once()
    struck = {fault.action for fault in wire.emulator.faults if fault.hits}
    assert len(struck) >= 6, "a storm in name only"
    assert pipeline.totals.retried > ROWS
    assert len(wire.emulator.ranges("SensorData", "SensorReadings")) >= 5


@pytest.mark.parametrize("seed", SEEDS)
async def test_in_a_storm_of_throttles_nothing_is_lost_and_every_range_comes_through(wire_with, seed):
    wire = await wire_with(ru_per_second=4000)
    dice = random.Random(seed)
    feeds = [wire.feed(f"S{number}", ROWS, range_id=RANGES[number % 4]) for number in range(FEEDS)]
    for range_id in RANGES:
        for nth in range(1, 20, 3):
            wire.emulator.faults.throttle(
                kind="bulk",
                range_id=range_id,
                nth=nth,
                retry_after_ms=dice.randint(1, 2000),
                operations=None if dice.random() < 0.5 else dice.sample(range(100), 50),
            )
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.02)
    pipeline.every_reading_once()
    totals = pipeline.totals
    assert totals.throttled == totals.retried > 0
    assert wire.emulator.totals().accepted == FEEDS * ROWS


async def test_poison_in_a_storm_is_buried_once_and_nothing_else_is(wire):
    dice = random.Random(13)
    bad = set(dice.sample(range(1, ROWS + 1), 25))
    meddle = meddling(dice)

    def spoil(write):
        return Whole(400) if bad.intersection(write.row_ids) else meddle(write)

    feeds = [wire.feed(f"S{number}", ROWS, range_id=RANGES[number % 4]) for number in range(4)]
    stir(wire.emulator.faults, dice)
    wire.tap.meddle = spoil
    pipeline = wire.start(*feeds)
    await pipeline.finish(hop=0.05)
    pipeline.every_reading_once(dead=4 * len(bad))
    assert all(set(feed.dead) == bad for feed in feeds)

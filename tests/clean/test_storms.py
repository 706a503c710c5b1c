"""Many faults at once, and limits far too low: whatever happens, everything meant goes, and no more."""

import asyncio
import random
import time

import pytest

from tests.clean.places import CONTAINER, DATABASE, documents
from tests.wire.clock import HoppingClock
from tests.wire.test_storms import stir

PATIENCE = 60.0


@pytest.fixture(autouse=True)
def _same_dice():
    random.seed(20250801)


async def cleaned(place, hop):
    """Clean everything, moving time at every turn."""
    running = asyncio.ensure_future(place.clean())
    deadline = time.monotonic() + PATIENCE
    while not running.done():
        assert time.monotonic() < deadline, "it never ended"
        await asyncio.sleep(0.001)
        place.clock.hop(hop)
    return running.result()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_in_a_storm_of_faults_everything_goes_and_the_neighbour_stays(place_with, seed):
    place = await place_with(HoppingClock())
    await place.fill(documents(3000))
    await place.fill(documents(50), container="Neighbour")
    dice = random.Random(seed)
    stir(place.emulator.faults, dice)
    faults = place.emulator.faults
    for nth in (14, 17, 21):
        dice.choice([faults.throttle, faults.truncate, faults.migrating])(kind="query", nth=nth)
    outcome = await cleaned(place, 0.02)
    assert outcome.problem is None
    assert outcome.deleted + outcome.already_gone == 3000
    assert (outcome.left, place.left(), len(place.left("Neighbour"))) == (0, [], 50)
    assert len({fault.action for fault in faults if fault.hits}) >= 4
    assert len(place.emulator.ranges(DATABASE, CONTAINER)) >= 5


@pytest.mark.parametrize("limit", [400.0, 2000.0])
async def test_under_a_low_limit_throttles_slow_it_down_and_nothing_is_missed(place_with, limit):
    place = await place_with(HoppingClock())
    await place.fill(documents(800))
    place.emulator.set_ru(None, limit)
    outcome = await cleaned(place, 0.02)
    assert (outcome.deleted, outcome.already_gone, outcome.left) == (800, 0, 0)
    assert outcome.throttled > 0
    assert place.left() == []

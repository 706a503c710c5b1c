"""Pacing: every range is used to its limit and not beyond, and what is slow is slow by itself.

In simulated time, against ranges that count request units as the endpoint does; one run is for real.
"""

import asyncio
from functools import partial

import pytest
from pydantic import SecretStr

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.emulator.budget import Second
from sensor_tui.sync.engine import Engine, EngineOptions
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from tests.wire.clock import FastClock
from tests.wire.model import EndlessFeed, EndlessSource, RefillingMeter, simulate

OTHERS = ("1", "2", "3")
WARM, HALVED, SETTLED, RESTORED, AGAIN, END = 4, 10, 20, 26, 36, 40


def limit_of(range_id, units):
    def change(sink):
        sink.meters[range_id].per_second = units

    return change


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("limit", [400.0, 1000.0, 5000.0])
async def test_a_range_whose_limit_is_halved_slows_down_by_itself_and_comes_back(limit, latency):
    run = await simulate(
        END,
        ranges=4,
        limit=limit,
        latency=latency,
        changes={HALVED: limit_of("0", limit / 2), RESTORED: limit_of("0", limit)},
    )
    for lane in OTHERS:
        before = run.units(lane, WARM, HALVED)
        for second in range(HALVED, END):
            assert run.units(lane, second, second + 1) >= 0.9 * before, (lane, second)
    assert run.units("0", SETTLED, RESTORED) >= 0.95 * limit / 2
    assert run.throttled_share("0", SETTLED, RESTORED) < 0.1
    assert run.units("0", AGAIN, END) >= 0.95 * limit
    assert run.window("0", AGAIN, END) >= 1.3 * run.window("0", SETTLED, RESTORED), "it grows again"
    for second in range(HALVED, RESTORED):
        assert run.units("0", second, second + 1) <= 1.05 * limit / 2
    for second in range(END):
        assert run.all_units(second) <= 1.05 * 4 * limit


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("limit", [400.0, 700.0, 1000.0, 2500.0, 5000.0, 10_000.0])
async def test_a_range_is_used_to_its_limit_with_few_operations_turned_away(limit, latency):
    run = await simulate(20, limit=limit, latency=latency)
    assert run.units("0", 5, 20) >= 0.95 * limit
    assert run.throttled_share("0", 5, 20) < 0.1


async def test_fifty_ranges_are_each_used_to_their_limit():
    run = await simulate(9, ranges=50, limit=400.0)
    for lane in run.sink.meters:
        assert run.units(lane, 4, 9) >= 0.95 * 400.0
        assert run.throttled_share(lane, 4, 9) < 0.12


@pytest.mark.parametrize("limit", [1000.0, 10_000.0])
async def test_a_budget_that_refills_continuously_is_used_as_well(limit):
    run = await simulate(20, limit=limit, latency=0.05, make_meter=partial(RefillingMeter, burst=0.3))
    assert run.units("0", 5, 20) >= 0.95 * limit
    assert run.throttled_share("0", 5, 20) < 0.1


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("ranges", [1, 4, 50])
@pytest.mark.parametrize("budget", [400.0, 4000.0])
async def test_no_second_exceeds_the_budget_by_more_than_five_per_cent(budget, ranges, latency):
    run = await simulate(15, ranges=ranges, budget=budget, latency=latency)
    for second in range(15):
        assert run.all_units(second) <= 1.05 * budget, second
    assert sum(run.all_units(second) for second in range(2, 15)) / 13 >= 0.95 * budget
    if ranges <= 4:
        shares = [run.units(lane, 2, 15) for lane in run.sink.meters]
        assert min(shares) >= 0.9 * max(shares), "every range gets its turn"


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("budget", [400.0, 4000.0])
async def test_the_budget_holds_when_readings_already_there_and_new_ones_take_turns(budget, latency):
    run = await simulate(
        15, ranges=4, budget=budget, latency=latency, known=lambda n: int(n / (budget / 6)) % 2 == 0
    )
    for second in range(15):
        assert run.all_units(second) <= 1.05 * budget, second
    assert sum(run.all_units(second) for second in range(5, 15)) / 10 >= 0.6 * budget


async def test_under_a_budget_a_range_whose_limit_is_halved_leaves_its_share_to_the_others():
    limit, budget = 1000.0, 3200.0
    run = await simulate(
        END,
        ranges=4,
        limit=limit,
        budget=budget,
        changes={HALVED: limit_of("0", limit / 2), RESTORED: limit_of("0", limit)},
    )
    for lane in OTHERS:
        assert run.units(lane, HALVED, RESTORED) >= 0.9 * run.units(lane, WARM, HALVED)
        assert run.units(lane, SETTLED, RESTORED) >= 0.95 * (budget - limit / 2) / 3
    assert run.units("0", SETTLED, RESTORED) == pytest.approx(limit / 2, rel=0.15)
    assert run.throttled_share("0", SETTLED, RESTORED) < 0.1
    for second in range(END):
        assert run.all_units(second) <= 1.05 * budget, second
    assert run.units("0", AGAIN, END) >= 0.95 * budget / 4


async def test_an_outage_costs_a_few_attempts_and_soon_after_it_every_range_is_at_its_limit_again():
    def switch(*, down):
        def change(sink):
            sink.down = down

        return change

    run = await simulate(140, ranges=4, limit=1000.0, changes={5: switch(down=True), 95: switch(down=False)})
    assert 8 <= run.sink.refused <= 80, "in a minute and a half, on four ranges"
    back = next(second for second in range(95, 140) if run.all_units(second))
    assert back - 95 <= 30
    for second in range(back + 1, back + 10):
        assert run.all_units(second) >= 0.95 * 4000.0, second


async def test_for_real_a_halved_range_slows_down_by_itself_and_the_budgets_hold():
    """Four ranges over loopback HTTP, three seconds of the clock in each real one."""
    limit, budget = 600.0, 2200.0
    clock = FastClock(3.0)
    async with Emulator(EmulatorSettings(port=0, ru_per_second=4 * limit), clock=clock) as emulator:
        sink = CosmosSink(CosmosOptions(endpoint=emulator.url, key=SecretStr(emulator.key)), clock)
        feeds = [EndlessFeed(number) for number in range(16)]
        options = EngineOptions(max_ru_per_second=budget, drain_timeout=0.0)
        engine = Engine(EndlessSource(feeds), [sink], clock=clock, options=options)
        running = asyncio.ensure_future(engine.run(continuous=True))
        start = int(clock.now()) + 3
        windows = {}

        async def until(second):
            while clock.now() < start + second:
                await clock.sleep(min(1.0, start + second - clock.now()))
                windows[int(clock.now()) - start] = {
                    lane.lane: lane.concurrency * lane.batch_size for lane in engine.progress().lanes
                }

        await until(8)
        emulator.set_ru("0", limit / 2)
        await until(26)
        emulator.set_ru("0", limit)
        await until(40)
        counted = emulator.seconds("SensorData", "SensorReadings")
        engine.drain()
        await running

    assert set(counted) == {"0", *OTHERS}
    seconds = {
        lane: [found.get(start + second, Second()) for second in range(40)] for lane, found in counted.items()
    }

    def units(lane, first, after):
        return sum(second.request_units for second in seconds[lane][first:after]) / (after - first)

    for lane in OTHERS:
        assert units(lane, 8, 26) >= 0.9 * units(lane, 0, 8)
    assert units("0", 18, 26) == pytest.approx(limit / 2, rel=0.15)
    assert units("0", 32, 40) >= 0.9 * budget / 4
    slow = seconds["0"][18:26]
    assert sum(each.throttled for each in slow) < 0.15 * sum(each.ops for each in slow)
    for second in range(40):
        total = sum(seconds[lane][second].request_units for lane in seconds)
        assert total <= 1.05 * budget, second
        assert seconds["0"][second].request_units <= 1.05 * (limit / 2 if 9 <= second < 26 else limit)
    during = [windows[second]["0"] for second in range(18, 26) if second in windows]
    afterwards = [windows[second]["0"] for second in range(32, 40) if second in windows]
    assert sum(afterwards) / len(afterwards) >= 1.3 * sum(during) / len(during)

"""The budget of request units holds for deletions and the queries between them, in simulated time."""

import asyncio

import pytest

from tests.clean.model import DELETE, Simulation


@pytest.mark.parametrize("latency", [0.005, 0.05])
@pytest.mark.parametrize("ranges", [1, 4, 20])
@pytest.mark.parametrize("budget", [400.0, 4000.0])
async def test_no_second_exceeds_the_budget_by_more_than_five_per_cent(budget, ranges, latency):
    documents = int(12 * budget / DELETE / ranges)
    run = Simulation(ranges=ranges, documents=documents, budget=budget, latency=latency)
    await run.finish()
    assert run.left == 0
    assert run.run.deleted == documents * ranges
    for second, units in enumerate(run.units):
        assert units <= 1.05 * budget, second
    middle = run.units[2:11]
    assert sum(middle) / len(middle) >= 0.93 * budget


@pytest.mark.parametrize("limit", [400.0, 1000.0, 5000.0])
async def test_ranges_are_used_to_their_limit_with_few_operations_turned_away(limit):
    run = Simulation(documents=int(15 * limit / DELETE), limit=limit)
    await run.finish()
    assert (run.left, run.run.already_gone) == (0, 0)
    middle = run.units[4:13]
    assert sum(middle) / len(middle) >= 0.9 * 4 * limit
    seconds = [second for known in run.sink.seconds.values() for second in known.values()]
    assert sum(each.throttled for each in seconds) < 0.2 * sum(each.ops for each in seconds)


async def test_it_stops_after_what_is_under_way():
    run = Simulation(documents=5000, budget=1000.0, latency=0.05)
    stop = asyncio.Event()
    seen = []

    def tell(progress):
        seen.append(progress)
        if progress.deleted >= 400:
            stop.set()

    await run.finish(stop=stop, tell=tell)
    assert 400 <= run.run.deleted == 20_000 - run.left < 2000
    assert seen[-1].state == "stopping"
    again = Simulation(documents=0)
    again.sink.there = run.sink.there
    said = []
    await again.finish(tell=said.append)
    assert again.left == 0
    assert said[-1].state == "done"
    assert "stopping" not in {each.state for each in said}
    assert again.run.deleted == 20_000 - run.run.deleted


async def test_pages_are_few_where_nothing_limits_them():
    run = Simulation(documents=5000)
    await run.finish()
    assert run.left == 0
    assert run.sink.queries <= 4 * (5 + 3)

"""Request units: what is charged, what fits into a second, and what the statistics say."""

import pytest

from sensor_tui.emulator import budget


def per_second(wire):
    """Request units by range and second."""
    return {
        range_id: {second: did.request_units for second, did in seconds.items()}
        for range_id, seconds in wire.emulator.seconds("d", "c").items()
    }


def operations(create_operation, names, start, count):
    return [create_operation({"id": str(start + n), "city": names[n % len(names)]}) for n in range(count)]


def test_prices_rise_with_size():
    assert budget.create_charge(300) == budget.create_charge(1024) == 5.33
    assert budget.create_charge(1025) == pytest.approx(7.23)
    assert budget.replace_charge(300) == pytest.approx(10.39)
    assert [budget.read_charge(size) for size in (0, 1024, 1025, 4096)] == [1, 1, 2, 4]
    assert budget.query_charge(100, 2048) > budget.query_charge(10, 2048) > budget.query_charge(10, 0)


async def test_what_does_not_fit_into_the_second_is_throttled_and_not_written(
    start, cities_of, create_operation, clock
):
    wire = await start(ru_per_second=400)
    mine = cities_of(wire)["0"]
    answer = await wire.bulk(operations(create_operation, mine, 0, 30))
    codes = [one["statusCode"] for one in answer.json]
    assert codes == [201] * 18 + [429] * 12
    throttled = answer.json[-1]
    assert throttled["subStatusCode"] == 3200
    assert throttled["retryAfterMilliseconds"] == 750
    assert throttled["requestCharge"] == 0
    assert wire.emulator.count("d", "c") == 18

    whole = await wire.bulk(operations(create_operation, mine, 100, 5))
    assert (whole.status, whole.substatus, whole.headers["x-ms-retry-after-ms"]) == (429, 3200, "750")
    assert "Request rate is large" in whole.json["message"]

    clock.time += 0.75
    assert [
        one["statusCode"] for one in (await wire.bulk(operations(create_operation, mine, 200, 5))).json
    ] == [201] * 5


async def test_one_throttled_range_leaves_the_others(start, cities_of, create_operation):
    wire = await start(ru_per_second=None)
    cities = cities_of(wire)
    assert wire.emulator.set_ru("1", 20.0) == 1
    slow = await wire.bulk(operations(create_operation, cities["1"], 0, 10), "1")
    fast = await wire.bulk(operations(create_operation, cities["2"], 0, 100), "2")
    assert [one["statusCode"] for one in slow.json] == [201] * 3 + [429] * 7
    assert {one["statusCode"] for one in fast.json} == {201}


async def test_no_second_exceeds_the_budget(start, cities_of, create_operation, clock):
    wire = await start(ru_per_second=800)
    cities = cities_of(wire)
    for step in range(40):
        for range_id, names in cities.items():
            await wire.bulk(operations(create_operation, names, 1000 * step, 25), range_id)
        if step == 20:
            wire.emulator.set_ru("3", 50.0)
        clock.time += 0.3
    limits = {"0": 200, "1": 200, "2": 200, "3": 200}
    for range_id, seconds in per_second(wire).items():
        assert len(seconds) >= 10
        assert max(seconds.values()) <= limits[range_id] * 1.05
    late = [units for second, units in per_second(wire)["3"].items() if second > clock.time - 5]
    assert max(late) <= 50 * 1.05
    assert max(late) > 40


async def test_an_operation_larger_than_the_budget_goes_through_alone_and_is_paid_off(
    start, cities_of, clock
):
    wire = await start(ru_per_second=40)
    city = cities_of(wire)["0"][0]
    big = {"id": "big", "city": city, "text": "x" * 15_000}
    made = await wire.create(big)
    assert made.status == 201
    assert made.charge > 30
    clock.time += 1
    refused = await wire.create({"id": "next", "city": city})
    assert (refused.status, refused.headers["x-ms-retry-after-ms"]) == (429, "1750")
    clock.time += 1.75
    assert (await wire.create({"id": "next", "city": city})).status == 201


async def test_a_conflict_is_charged_as_one(start, cities_of):
    wire = await start(ru_per_second=4000)
    city = cities_of(wire)["0"][0]
    await wire.create({"id": "1", "city": city})
    refused = await wire.create({"id": "1", "city": city})
    assert refused.charge == pytest.approx(budget.CONFLICT)
    (spent,) = per_second(wire)["0"].values()
    assert spent == pytest.approx(5.33 + budget.CONFLICT)


async def test_halving_the_budget_while_running(start):
    wire = await start(ru_per_second=400)
    container = wire.emulator.container("d", "c")
    assert {wire.emulator.range_budget(container, one) for one in container.ranges} == {100}
    assert wire.emulator.set_ru(None, 200.0) == 4
    assert {wire.emulator.range_budget(container, one) for one in container.ranges} == {50}
    assert wire.emulator.set_ru("2", 10.0) == 1
    assert [wire.emulator.range_budget(container, one) for one in container.ranges] == [50, 50, 10, 50]
    assert wire.emulator.set_ru("none", 10.0) == 0
    assert wire.emulator.set_ru(None, None) == 4
    assert wire.emulator.range_budget(container, container.ranges[2]) is None


async def test_a_split_divides_the_budget(start):
    wire = await start(ru_per_second=400)
    wire.emulator.set_ru("2", 60.0)
    wire.emulator.split("d", "c", "2")
    wire.emulator.split("d", "c", "0")
    container = wire.emulator.container("d", "c")
    shares = {one.id: wire.emulator.range_budget(container, one) for one in container.ranges}
    share = pytest.approx(400 / 6)
    assert shares == {"6": share, "7": share, "1": share, "4": 30, "5": 30, "3": share}


async def test_replacing_the_throughput_changes_a_limited_budget(start):
    wire = await start(ru_per_second=4000)
    (offer,) = (await wire("GET", "/offers")).json["Offers"]
    offer["content"]["offerThroughput"] = 800
    await wire("PUT", f"/offers/{offer['id']}", offer)
    container = wire.emulator.container("d", "c")
    assert wire.emulator.range_budget(container, container.ranges[0]) == 200


async def test_queries_are_throttled_and_their_debt_is_paid_off(start, clock):
    wire = await start(ru_per_second=80, partitions=1)
    wire.emulator.set_ru(None, None)
    for number in range(50):
        await wire.create({"id": str(number), "city": "London", "text": "x" * 2000})
    wire.emulator.set_ru(None, 10.0)
    clock.time += 1
    text = "SELECT * FROM c WHERE c.city = 'London'"
    first = await wire.query(text)
    assert first.status == 200
    assert first.charge > 40
    assert (await wire.query(text)).status == 429
    clock.time += 1
    assert (await wire.query(text)).status == 429
    clock.time += 5
    assert (await wire.query(text)).status == 200


async def test_the_statistics_count_requests_and_operations(start, cities_of, create_operation):
    wire = await start(ru_per_second=400)
    cities = cities_of(wire)
    await wire.bulk(operations(create_operation, cities["0"], 0, 30), "0")
    (second,) = wire.emulator.seconds("d", "c")["0"].values()
    assert (second.requests, second.ops, second.accepted, second.throttled) == (1, 30, 18, 12)
    assert wire.emulator.totals().accepted == 18

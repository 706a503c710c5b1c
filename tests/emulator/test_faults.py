"""Scripted faults strike the requests they are for, as often as they say, and are counted."""

import asyncio

import aiohttp
import pytest


async def test_a_status_strikes_as_often_as_asked(wire):
    fault = wire.emulator.faults.answer(449, kind="create", nth=2, times=2)
    codes = [(await wire.create({"id": str(n), "city": "London"})).status for n in range(5)]
    assert codes == [201, 449, 449, 201, 201]
    assert (fault.seen, fault.hits, fault.spent) == (3, 2, True)
    assert wire.emulator.count("d", "c") == 3


@pytest.mark.parametrize(
    ("status", "substatus"), [(408, 0), (449, 0), (500, 0), (503, 0), (410, 1008), (403, 3)]
)
async def test_every_status_has_its_words(wire, status, substatus):
    wire.emulator.faults.answer(status, substatus=substatus)
    refused = await wire.create({"id": "1", "city": "London"})
    assert (refused.status, refused.substatus) == (status, substatus)
    assert {"code", "message"} <= refused.json.keys()


async def test_a_migrating_range_keeps_its_id(wire, cities, create_operation):
    wire.emulator.faults.migrating(kind="bulk")
    operation = create_operation({"id": "1", "city": cities["0"][0]})
    refused = await wire.bulk([operation])
    assert (refused.status, refused.substatus) == (410, 1008)
    assert (await wire.bulk([operation])).json[0]["statusCode"] == 201


async def test_a_whole_request_is_throttled_with_its_delay(wire, cities, create_operation):
    wire.emulator.faults.throttle(kind="bulk", retry_after_ms=1234)
    refused = await wire.bulk([create_operation({"id": "1", "city": cities["0"][0]})])
    assert (refused.status, refused.substatus, refused.headers["x-ms-retry-after-ms"]) == (429, 3200, "1234")


async def test_chosen_operations_are_throttled(wire, cities, create_operation):
    wire.emulator.faults.throttle(kind="bulk", operations=[1, 3], retry_after_ms=77)
    answer = await wire.bulk([create_operation({"id": str(n), "city": cities["0"][0]}) for n in range(5)])
    assert [one["statusCode"] for one in answer.json] == [201, 429, 201, 429, 201]
    assert answer.json[1]["retryAfterMilliseconds"] == 77
    assert {one["id"] for one in wire.emulator.documents("d", "c")} == {"0", "2", "4"}


async def test_a_fault_is_for_one_range(wire, cities, create_operation):
    fault = wire.emulator.faults.answer(503, kind="bulk", range_id="2", times=None)
    for range_id, names in cities.items():
        answer = await wire.bulk([create_operation({"id": "1", "city": names[0]})], range_id)
        assert answer.status == (503 if range_id == "2" else 207)
    assert (await wire.create({"id": "2", "city": cities["2"][0]})).status == 201
    assert fault.hits == 1


async def test_a_fault_finds_the_range_of_a_single_document(wire, cities):
    wire.emulator.faults.answer(503, range_id="1")
    assert (await wire.create({"id": "1", "city": cities["0"][0]})).status == 201
    assert (await wire.create({"id": "1", "city": cities["1"][0]})).status == 503


async def test_a_split_in_the_middle(wire, cities, create_operation):
    operation = create_operation({"id": "1", "city": cities["0"][0]})
    await wire.bulk([operation])
    wire.emulator.faults.split(kind="bulk")
    refused = await wire.bulk([operation])
    assert (refused.status, refused.substatus) == (410, 1002)
    assert [one["id"] for one in await wire.ranges()][:2] == ["4", "5"]
    assert (await wire.bulk([operation])).status == 410
    assert wire.emulator.count("d", "c") == 1


async def test_a_reset_before_leaves_nothing_and_one_after_leaves_the_document(wire):
    wire.emulator.faults.reset(kind="create")
    with pytest.raises(aiohttp.ClientError):
        await wire.create({"id": "1", "city": "London"})
    assert wire.emulator.count("d", "c") == 0
    fault = wire.emulator.faults.reset("after", kind="create")
    with pytest.raises(aiohttp.ClientError):
        await wire.create({"id": "1", "city": "London"})
    assert fault.hits == 1
    assert (await wire.create({"id": "1", "city": "London"})).status == 409


async def test_a_truncated_answer_was_done(wire, cities, create_operation):
    wire.emulator.faults.truncate(kind="bulk")
    with pytest.raises(aiohttp.ClientPayloadError):
        await wire.bulk([create_operation({"id": "1", "city": cities["0"][0]})])
    assert wire.emulator.count("d", "c") == 1
    assert (await wire.read("1", cities["0"][0])).status == 200


async def test_a_delay_is_waited_on_the_clock(wire, clock):
    wire.emulator.faults.delay(12.5, kind="read")
    assert (await wire.read("1", "London")).status == 404
    assert clock.slept == [12.5]


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
async def test_a_held_request_waits_before_or_after_its_commit(wire, when, written):
    fault = wire.emulator.faults.hold(when, kind="create")
    request = asyncio.create_task(wire.create({"id": "1", "city": "London"}))
    await fault.reached.wait()
    if when == "after":
        async with asyncio.timeout(10):
            while wire.emulator.count("d", "c") == 0:
                await asyncio.sleep(0)
    assert wire.emulator.count("d", "c") == written
    assert not request.done()
    fault.release.set()
    assert (await request).status == 201
    assert wire.emulator.count("d", "c") == 1


async def test_a_container_dropped_while_a_request_is_held_is_not_found(wire):
    fault = wire.emulator.faults.hold(kind="create")
    request = asyncio.create_task(wire.create({"id": "1", "city": "London"}))
    await fault.reached.wait()
    assert (await wire("DELETE", "/dbs/d/colls/c")).status == 204
    fault.release.set()
    assert (await request).status == 404


async def test_stopping_breaks_off_what_is_held(start):
    wire = await start()
    fault = wire.emulator.faults.hold(kind="create")
    request = asyncio.create_task(wire.create({"id": "1", "city": "London"}))
    await fault.reached.wait()
    await wire.emulator.stop()
    with pytest.raises(aiohttp.ClientError):
        await request


async def test_clearing_forgets_the_script(wire):
    wire.emulator.faults.answer(500, times=None)
    wire.emulator.faults.clear()
    assert list(wire.emulator.faults) == []
    assert (await wire.create({"id": "1", "city": "London"})).status == 201


async def test_the_first_rule_that_strikes_is_the_only_one(wire):
    first = wire.emulator.faults.answer(500, kind="create")
    second = wire.emulator.faults.answer(503, kind="create")
    codes = [(await wire.create({"id": "1", "city": "London"})).status for _ in range(3)]
    assert codes == [500, 503, 201]
    assert (first.hits, second.hits) == (1, 1)


@pytest.mark.parametrize("kind", ["account", "databases", "containers", "pkranges", "offers"])
async def test_the_control_plane_has_faults_too(wire, kind):
    paths = {"account": "/", "databases": "/dbs/d", "containers": "/dbs/d/colls/c",
    "pkranges": "/dbs/d/colls/c/pkranges",
             "offers": "/offers"}  # fmt: skip
    wire.emulator.faults.answer(503, kind=kind)
    for name, path in paths.items():
        if name != kind:
            assert (await wire("GET", path)).status == 200
    assert (await wire("GET", paths[kind])).status == 503
    assert (await wire("GET", paths[kind])).status == 200

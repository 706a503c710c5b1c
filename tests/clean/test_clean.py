"""What is deleted, and what is not: selections, keys, neighbours, ranges; in bulk and without it."""

import asyncio

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

from sensor_tui.emulator.faults import Fault
from sensor_tui.errors import SinkRefused, SinkUnreachable, UsageError
from sensor_tui.service.clean import Cleaner
from sensor_tui.service.clean_query import Selection
from sensor_tui.sync.contract import MISSING
from tests.clean.places import CITIES, CONTAINER, DATABASE, documents


async def test_ten_thousand_documents_go_in_bulk_and_the_neighbour_stays(place):
    await place.fill(documents(10_000))
    await place.fill(documents(300), container="Neighbour")
    before = place.emulator.totals().requests
    outcome = await place.clean()
    assert (outcome.counted, outcome.deleted, outcome.already_gone) == (10_000, 10_000, 0)
    assert (outcome.left, outcome.newer, outcome.rejected, outcome.problem) == (0, 0, 0, None)
    assert place.left() == []
    assert len(place.left("Neighbour")) == 300
    assert outcome.requests <= place.emulator.totals().requests - before < 10_000 / 20
    assert outcome.request_units >= 5.33 * 10_000


@pytest.mark.parametrize(
    ("selection", "stays"),
    [
        ({"city": "London"}, lambda d: d["city"] != "London"),
        ({"city": 'Quote "City"'}, lambda d: d["city"] != 'Quote "City"'),
        ({"city": "東京", "sensor": "S3"}, lambda d: d["city"] != "東京" or d["sensorId"] != "S3"),
        ({"sensor": "S1"}, lambda d: d["sensorId"] != "S1"),
        ({"condition": "c.anomalyFlag = 1"}, lambda d: d["anomalyFlag"] != 1),
        ({"condition": "c.anomalyFlag = 1 OR c.city = 'Accra'", "sensor": "S2"},
         lambda d: d["sensorId"] != "S2" or (d["anomalyFlag"] != 1 and d["city"] != "Accra")),
        ({"condition": "c.city = \"A/B\" AND c.note != ')('"}, lambda d: d["city"] != "A/B"),
        ({"since": 1_755_043_200.0}, lambda d: d["timestamp"] < "2025-08-13"),
        ({"until": 1_755_043_200.0}, lambda d: d["timestamp"] > "2025-08-13T00:00:00.000000Z"),
    ],
)  # fmt: skip
async def test_exactly_what_is_meant_is_deleted(place, selection, stays):
    made = [document | {"note": "-"} for document in documents(700)]
    await place.fill(made)
    expected = {document["id"] for document in made if stays(document)}
    outcome = await place.clean(**selection)
    assert place.ids() == expected
    assert outcome.counted == outcome.deleted == 700 - len(expected)


@pytest.mark.parametrize(
    "condition",
    ["1 = 1) OR (1 = 1", ")(", "(", "", "  ", "c.a = 'x", 'c.a = "x', "true -- and no more", "true /* ) */"],
)
async def test_a_condition_that_is_more_or_less_than_one_is_refused(condition, place):
    with pytest.raises(UsageError, match="--filter"):
        place.cleaner(condition=condition)


@pytest.mark.parametrize("city", ['" OR true OR "', "accra"])
async def test_a_city_that_is_not_there_is_refused_with_those_that_are(place, city):
    await place.fill(documents(20))
    with pytest.raises(UsageError, match="Accra"):
        await place.clean(city=city)
    with pytest.raises(UsageError, match="Accra"):
        async with place.cleaner(city=city) as cleaner:
            await cleaner.preview()
    assert len(place.ids()) == 20


async def test_a_condition_that_cosmos_does_not_understand_deletes_nothing(place):
    await place.fill(documents(20))
    async with place.cleaner(condition="c.city ~~ 3") as cleaner:
        with pytest.raises(UsageError, match="does not understand the condition"):
            await cleaner.bound()
    assert len(place.left()) == 20


KEYS = (None, MISSING, 0, 7, -2.5, 1e20, 2**53, True, False, "", " ", "null", "7", "é\u202e\n", "x" * 1500)


async def test_keys_of_every_kind_are_found_and_told_apart(place):
    made = []
    for number, key in enumerate(KEYS):
        for copy in range(3):
            document = {"id": f"{number}-{copy}", "sensorId": "S"}
            made.append(document if key is MISSING else document | {"city": key})
    await place.fill(made)
    async with place.cleaner() as cleaner:
        preview = await cleaner.preview()
    assert preview.count == 3 * len(KEYS)
    assert [each.count for each in preview.cities] == [3] * len(KEYS)
    assert sum(each.absent for each in preview.cities) == 1
    outcome = await place.clean(city="7")
    assert outcome.deleted == 3
    assert {d.get("city") for d in place.left() if d["id"].startswith("3-")} == {7}
    outcome = await place.clean()
    assert (outcome.deleted, outcome.already_gone, outcome.left) == (3 * len(KEYS) - 3, 0, 0)
    assert place.left() == []


async def test_ids_that_need_quoting_are_found(place):
    names = ["a b", 'quote"d', "per%20cent", "日本", "semi;colon&=+", "tab\there", "'", "..", "."]
    await place.fill([{"id": name, "city": "London"} for name in names])
    place.emulator.faults.answer(400, kind="bulk", times=1)
    assert (await place.clean()).deleted == len(names)
    assert place.left() == []


async def test_an_empty_container_is_nothing_to_do(place):
    await place.fill([])
    async with place.cleaner() as cleaner:
        assert await cleaner.bound() == (0, 0)
        assert (await cleaner.preview()).count == 0


async def test_documents_written_meanwhile_stay_and_are_told(place):
    await place.fill(documents(1000))
    hold = place.emulator.faults.hold(kind="bulk", nth=1, times=None)
    async with place.cleaner() as cleaner:
        counted, until_ts = await cleaner.bound()
        running = asyncio.ensure_future(cleaner.clean(counted, until_ts))
        await hold.reached.wait()
        place.emulator.faults.clear()
        await place.fill(documents(40, prefix="new"))
        outcome = await running
    assert (outcome.counted, outcome.deleted, outcome.newer, outcome.left) == (1000, 1000, 40, 0)
    assert place.ids() == {f"new{number:06}" for number in range(40)}


async def test_a_range_that_splits_in_the_middle_costs_nothing_but_a_second_look(place):
    await place.fill(documents(4000))
    for kind, nth in (("bulk", 4), ("query", 9), ("bulk", 12)):
        place.emulator.faults.split(kind=kind, nth=nth)
    outcome = await place.clean()
    assert len(place.emulator.ranges(DATABASE, CONTAINER)) >= 6
    assert (outcome.deleted, outcome.already_gone, outcome.left) == (4000, 0, 0)
    assert place.left() == []


async def test_answers_that_are_lost_are_found_again_and_counted_once(place):
    await place.fill(documents(2000))
    place.emulator.faults.reset("after", kind="bulk", nth=3)
    place.emulator.faults.truncate(kind="bulk", nth=6)
    place.emulator.faults.reset("before", kind="query", nth=8)
    outcome = await place.clean()
    assert place.left() == []
    assert outcome.deleted + outcome.already_gone == 2000
    assert outcome.left == 0


async def test_what_passes_is_waited_for(place):
    await place.fill(documents(3000))
    faults = place.emulator.faults
    for status in (408, 449, 500, 503):
        faults.answer(status, kind="bulk", nth=3)
    faults.migrating(kind="bulk", nth=5)
    faults.throttle(kind="bulk", nth=6, retry_after_ms=30)
    faults.throttle(kind="bulk", nth=8, retry_after_ms=30, operations=range(0, 100, 2))
    faults.throttle(kind="query", nth=7, retry_after_ms=30)
    faults.answer(503, kind="query", nth=9)
    outcome = await place.clean()
    assert (outcome.deleted, outcome.already_gone, outcome.left) == (3000, 0, 0)
    assert all(fault.hits for fault in faults)
    assert outcome.throttled >= 100


@pytest.mark.parametrize("status", [401, 403])
async def test_an_account_that_refuses_ends_it_with_what_is_gone_and_left(place, status):
    await place.fill(documents(3000))
    place.emulator.faults.answer(status, kind="bulk", nth=6, times=None)
    outcome = await place.clean()
    assert isinstance(outcome.problem, SinkRefused)
    assert outcome.deleted == 3000 - len(place.left())
    assert outcome.left == len(place.left()) > 0
    place.emulator.faults.clear()
    assert (await place.clean()).left == 0


async def test_an_account_that_is_silent_for_long_ends_it(place, monkeypatch):
    monkeypatch.setattr("sensor_tui.service.clean.PATIENCE", 0.2)
    await place.fill(documents(500))
    place.emulator.faults.reset("before", kind="bulk", times=None)
    outcome = await place.clean()
    assert isinstance(outcome.problem, SinkUnreachable)
    assert (outcome.deleted, outcome.left) == (0, 500)


async def _replace_container(place, path="/city", made=()):
    async with CosmosClient(place.url, place.key) as client:
        database = client.get_database_client(DATABASE)
        await database.delete_container(CONTAINER)
        container = await database.create_container(CONTAINER, PartitionKey(path))
        for document in made:
            await container.create_item(document)


@pytest.mark.parametrize("when", ["counted", "under way", "in batches"])
async def test_a_container_made_anew_in_the_middle_is_left_alone(place, when):
    await place.fill(documents(2000))
    faults = place.emulator.faults
    if when == "in batches":
        faults.answer(400, kind="bulk", times=None)
    hold = faults.hold(kind={"under way": "bulk", "in batches": "batch"}.get(when, "none"), nth=2, times=None)
    async with place.cleaner() as cleaner:
        counted, until_ts = await cleaner.bound()
        running = None
        if when != "counted":
            running = asyncio.ensure_future(cleaner.clean(counted, until_ts))
            await hold.reached.wait()
        await _replace_container(place, made=documents(60))
        hold.release.set()
        outcome = await (running or cleaner.clean(counted, until_ts))
    assert isinstance(outcome.problem, SinkRefused)
    # asked between its end and its new beginning, the account says that there is none
    gone = () if when == "counted" else ("does not exist",)
    assert any(words in outcome.problem.message for words in ("not the one it was", *gone))
    assert len(place.left()) == 60


async def test_a_container_made_anew_behind_a_question_is_refused(place):
    await place.fill(documents(100))
    async with place.cleaner() as cleaner:
        held = cleaner.identity
    async with Cleaner(place.settings(), Selection(), place.clock, held) as cleaner:
        assert cleaner.identity == held
    await _replace_container(place, made=documents(5))
    with pytest.raises(SinkRefused, match="not the one it was"):
        await Cleaner(place.settings(), Selection(), place.clock, held).__aenter__()
    assert len(place.left()) == 5


async def test_a_container_that_is_missing_or_partitioned_otherwise_is_refused(place):
    await place.fill([])
    place.cosmos["container"] = "Other"
    with pytest.raises(SinkRefused, match="does not exist"):
        await place.clean()
    assert list(place.emulator.store.containers) == [(DATABASE, CONTAINER)]
    place.cosmos["container"] = CONTAINER
    await _replace_container(place, "/sensorId")
    with pytest.raises(SinkRefused, match="partitioned by /sensorId"):
        await place.clean()


async def test_where_bulk_is_refused_batches_of_a_key_do_it(place):
    await place.fill(documents(900))
    bulk = place.emulator.faults.answer(400, kind="bulk", times=None)
    outcome = await place.clean()
    assert (outcome.deleted, outcome.left) == (900, 0)
    assert place.left() == []
    assert bulk.hits < 60
    assert outcome.requests < 120


async def test_where_batches_are_refused_too_it_goes_one_by_one(place):
    await place.fill(documents(300))
    place.emulator.faults.answer(400, kind="bulk", times=None)
    batch = place.emulator.faults.answer(400, kind="batch", times=None)
    outcome = await place.clean()
    assert (outcome.deleted, outcome.left) == (300, 0)
    assert batch.hits


async def test_in_an_old_container_keys_that_are_not_text_go_in_batches(place):
    await place.fill([])
    async with CosmosClient(place.url, place.key) as client:
        database = client.get_database_client(DATABASE)
        await database.create_container("Old", PartitionKey("/city", version=1))
    made = documents(120, cities=["London", 7, None, True, "Oslo"])
    await place.fill(made, container="Old")
    place.cosmos["container"] = "Old"
    assert (await place.clean(city="London")).deleted == 24
    assert (await place.clean()).deleted == 96
    assert place.left("Old") == []


async def test_a_document_that_cannot_be_deleted_is_told_and_ends_nothing(place):
    await place.fill(documents(150))
    fault = Fault("answer", kind="bulk", status=400, times=None)
    # from the second request on, every bulk request and then every single deletion in it is refused
    fault.nth = 3
    place.emulator.faults.add(fault)
    place.emulator.faults.answer(400, kind="delete", times=None)
    place.emulator.faults.answer(400, kind="batch", times=None)
    outcome = await place.clean()
    assert outcome.left == len(place.left()) == 150 - outcome.deleted
    assert outcome.rejected == outcome.left > 0
    assert all(reason.startswith("400") for reason in outcome.reasons)


@pytest.mark.component("cosmosdb-server")
async def test_a_server_written_by_others(peer):
    await peer.fill(documents(1500))
    await peer.fill(documents(30), container="Neighbour")
    async with peer.cleaner() as cleaner:
        preview = await cleaner.preview()
    assert preview.count == 1500
    assert {each.city for each in preview.cities} == set(CITIES)
    outcome = await peer.clean(condition="c.anomalyFlag = 1")
    assert outcome.deleted == sum(document["anomalyFlag"] for document in documents(1500))
    outcome = await peer.clean(city="東京")
    assert outcome.left == 0
    outcome = await peer.clean()
    assert (outcome.left, outcome.problem) == (0, None)
    peer.cosmos["container"] = "Neighbour"
    async with peer.cleaner() as cleaner:
        assert (await cleaner.preview()).count == 30

"""Bulk requests, answered one by one; transactional batches, done whole or not at all."""

import asyncio

import orjson
import pytest

from sensor_tui.emulator.hashing import effective_key
from sensor_tui.emulator.operations import parse_key


def statuses(answer):
    return [one["statusCode"] for one in answer.json]


async def test_bulk_answers_each_operation_in_order(wire, cities, create_operation):
    one, other = cities["0"][:2]
    await wire.create({"id": "there", "city": one})
    answer = await wire.bulk(
        [
            create_operation({"id": "a", "city": one}),
            create_operation({"id": "there", "city": one}),
            create_operation({"id": "a", "city": other}),
            create_operation({"id": "there", "city": one, "n": 1}, "Upsert"),
            {"operationType": "Read", "id": "a", "partitionKey": f'["{one}"]'},
            {"operationType": "Delete", "id": "a", "partitionKey": f'["{one}"]'},
            {"operationType": "Read", "id": "a", "partitionKey": f'["{one}"]'},
            {"operationType": "Patch", "id": "there", "partitionKey": f'["{one}"]',
             "resourceBody": {"operations": [{"op": "set", "path": "/n", "value": 7}]}},
            {"operationType": "Replace", "id": "a", "partitionKey": f'["{other}"]',
             "resourceBody": {"id": "a", "city": other, "n": 9}},
        ]
    )  # fmt: skip
    assert answer.status == 207
    assert statuses(answer) == [201, 409, 201, 200, 200, 204, 404, 200, 200]
    assert answer.json[4]["resourceBody"]["id"] == "a"
    assert answer.json[7]["resourceBody"]["n"] == 7
    assert all(one["requestCharge"] > 0 for one in answer.json)
    assert answer.charge == pytest.approx(sum(one["requestCharge"] for one in answer.json), abs=0.01)
    assert answer.json[0]["eTag"] == answer.json[0]["resourceBody"]["_etag"]
    assert wire.emulator.count("d", "c") == 2


async def test_the_same_id_twice_in_one_request_conflicts_with_itself(wire, cities, create_operation):
    operation = create_operation({"id": "a", "city": cities["0"][0]})
    assert statuses(await wire.bulk([operation, operation])) == [201, 409]
    assert statuses(await wire.bulk([operation, operation])) == [409, 409]


async def test_an_operation_of_another_range_is_gone_alone(wire, cities, create_operation):
    answer = await wire.bulk(
        [
            create_operation({"id": "1", "city": cities["0"][0]}),
            create_operation({"id": "2", "city": cities["1"][0]}),
        ]
    )
    assert statuses(answer) == [201, 410]
    assert answer.json[1]["subStatusCode"] == 1002


@pytest.mark.parametrize("range_id", ["9", "x", ""])
async def test_a_range_that_is_not_there_is_gone_whole(wire, create_operation, range_id):
    answer = await wire.bulk([create_operation({"id": "1", "city": "London"})], range_id)
    assert (answer.status, answer.substatus, answer.json["code"]) == (410, 1002, "Gone")


async def test_a_poisoned_operation_leaves_the_others(wire, cities, create_operation):
    city = cities["0"][0]
    operations = [create_operation({"id": str(number), "city": city}) for number in range(10)]
    operations[1] = {"operationType": "Create", "partitionKey": f'["{city}"]', "resourceBody": {"city": city}}
    operations[3] = {"operationType": "Create", "partitionKey": f'["{city}"]', "resourceBody": "text"}
    operations[5] = {"operationType": "Create", "resourceBody": {"id": "5", "city": city}}
    operations[7] = {
        "operationType": "Create",
        "partitionKey": "[[]]",
        "resourceBody": {"id": "7", "city": city},
    }
    operations[9] = create_operation({"id": "9", "city": city}) | {
        "resourceBody": {"id": "9", "city": "elsewhere"}
    }
    answer = await wire.bulk(operations)
    assert statuses(answer) == [201, 400] * 5
    assert answer.json[9]["subStatusCode"] == 1001
    assert all(one["message"] for one in answer.json if one["statusCode"] == 400)
    assert wire.emulator.count("d", "c") == 5


async def test_a_document_over_two_megabytes_is_413_for_the_request(wire, cities, create_operation):
    operations = [create_operation({"id": "1", "city": cities["0"][0], "text": "x" * (2 * 1024 * 1024)})]
    assert (await wire.bulk(operations)).status == 413


@pytest.mark.parametrize("count", [0, 101])
async def test_a_request_holds_one_to_a_hundred_operations(wire, cities, create_operation, count):
    operations = [create_operation({"id": str(number), "city": cities["0"][0]}) for number in range(count)]
    refused = await wire.bulk(operations)
    assert (refused.status, refused.json["code"]) == (400, "BadRequest")
    assert wire.emulator.count("d", "c") == 0


@pytest.mark.parametrize(
    "body", [{}, "x", [1], [{}], [{"operationType": "Fly"}], [{"operationType": []}], b"[{", b""]
)
async def test_a_body_that_is_no_list_of_operations_is_refused(wire, body):
    refused = await wire.bulk(body)
    assert (refused.status, refused.json["code"]) == (400, "BadRequest")


async def test_a_hundred_documents_in_one_request(wire, cities, create_operation):
    operations = [create_operation({"id": str(n), "city": cities["0"][n % 9], "n": n}) for n in range(100)]
    answer = await wire.bulk(operations, prefer="return=minimal")
    assert statuses(answer) == [201] * 100
    assert all("resourceBody" not in one and one["eTag"] for one in answer.json)
    assert {one["n"] for one in wire.emulator.documents("d", "c")} == set(range(100))


async def test_bulk_needs_a_range_id(wire, create_operation):
    headers = {"x_ms_cosmos_is_batch_request": "true", "x_ms_cosmos_batch_atomic": "false"}
    operations = [create_operation({"id": "1", "city": "London"})]
    refused = await wire("POST", "/dbs/d/colls/c/docs", operations, **headers)
    assert refused.status == 400
    assert "x-ms-documentdb-partitionkeyrangeid" in refused.json["message"]


async def test_a_batch_is_done_whole(wire):
    answer = await wire.batch(
        [
            {"operationType": "Create", "resourceBody": {"id": "1", "city": "London", "n": 1}},
            {"operationType": "Upsert", "resourceBody": {"id": "1", "city": "London", "n": 2}},
            {"operationType": "Read", "id": "1"},
        ]
    )
    assert answer.status == 200
    assert statuses(answer) == [201, 200, 200]
    assert answer.json[2]["resourceBody"]["n"] == 2


async def test_a_batch_that_fails_leaves_nothing(wire):
    await wire.create({"id": "there", "city": "London"})
    answer = await wire.batch(
        [
            {"operationType": "Create", "resourceBody": {"id": "1", "city": "London"}},
            {"operationType": "Delete", "id": "there"},
            {"operationType": "Create", "resourceBody": {"id": "1", "city": "London"}},
            {"operationType": "Create", "resourceBody": {"id": "2", "city": "London"}},
        ]
    )
    assert answer.status == 207
    assert statuses(answer) == [424, 424, 409, 424]
    assert [one["id"] for one in wire.emulator.documents("d", "c")] == ["there"]


async def test_a_batch_has_one_key(wire):
    assert statuses(
        await wire.batch([{"operationType": "Create", "resourceBody": {"id": "1", "city": "Paris"}}])
    ) == [400]
    other = {
        "operationType": "Create",
        "partitionKey": '["Paris"]',
        "resourceBody": {"id": "1", "city": "Paris"},
    }
    assert (await wire.batch([other])).status == 400
    headers = {"x_ms_cosmos_is_batch_request": "true", "x_ms_cosmos_batch_atomic": "true"}
    unkeyed = await wire("POST", "/dbs/d/colls/c/docs", [other], **headers)
    assert unkeyed.status == 400
    assert wire.emulator.count("d", "c") == 0


async def test_an_answer_of_more_than_four_megabytes_leaves_bodies_out(wire, cities):
    city = cities["0"][0]
    for number in range(5):
        await wire.create({"id": str(number), "city": city, "text": "x" * 1_000_000})
    key = f'["{city}"]'
    answer = await wire.bulk(
        [{"operationType": "Read", "id": str(number), "partitionKey": key} for number in range(5)]
    )
    assert statuses(answer) == [200, 200, 200, 200, 413]
    assert answer.json[4]["subStatusCode"] == 3402


async def test_documents_of_one_key_lie_in_one_range(wire, cities):
    for range_id, names in cities.items():
        for name in names[:3]:
            key = effective_key(f'"{name}', 2)
            assert wire.emulator.container("d", "c").range_of(key).id == range_id


def _delete(document_id, key='["London"]'):
    return {"operationType": "Delete", "id": document_id, "partitionKey": key}


async def test_bulk_deletes_what_is_there_and_says_what_is_not(wire, cities, create_operation):
    one, other = cities["0"][:2]
    await wire.bulk([create_operation({"id": str(n), "city": one}) for n in range(50)])
    await wire.create({"id": "1", "city": other})
    key = f'["{one}"]'
    answer = await wire.bulk([_delete(str(n), key) for n in range(60)] + [_delete("1", key)])
    assert statuses(answer) == [204] * 50 + [404] * 11
    assert all("resourceBody" not in each for each in answer.json)
    assert [each["requestCharge"] for each in answer.json[:50]] == [5.33] * 50
    assert [one["city"] for one in wire.emulator.documents("d", "c")] == [other]


@pytest.mark.parametrize("kind", ["Delete", "Read", "Patch"])
@pytest.mark.parametrize("given", [None, 7, {"a": 1}, ["1"], True])
async def test_an_operation_whose_id_is_no_text_is_refused_alone(wire, cities, create_operation, kind, given):
    city = cities["0"][0]
    operation = {"operationType": kind, "id": given, "partitionKey": f'["{city}"]', "resourceBody": []}
    answer = await wire.bulk([operation, create_operation({"id": "1", "city": city})])
    assert statuses(answer) == [400, 201]


@pytest.mark.parametrize(
    "key", ["[null]", "[{}]", "[]", "[7]", "[-2.5]", "[true]", "[false]", '[""]', '["7"]']
)
async def test_keys_of_every_kind_are_deleted_by(wire, key):
    value = orjson.loads(key)
    document = {"id": "1"} | ({} if value in ([], [{}]) else {"city": value[0]})
    made = await wire("POST", "/dbs/d/colls/c/docs", document, x_ms_documentdb_partitionkey=key)
    assert made.status == 201
    await wire.create({"id": "1", "city": "London"})
    home = wire.emulator.container("d", "c").range_of(parse_key(key, 2).epk)
    assert statuses(await wire.bulk([_delete("1", key), _delete("1", key)], home.id)) == [204, 404]
    assert [one["city"] for one in wire.emulator.documents("d", "c")] == ["London"]


async def test_a_request_that_was_held_does_nothing_to_a_container_made_anew(wire, cities, create_operation):
    city = cities["0"][0]
    rid = wire.emulator.container("d", "c").rid
    hold = wire.emulator.faults.hold(kind="bulk")
    given = {"x_ms_cosmos_intended_collection_rid": rid}
    held = asyncio.ensure_future(wire.bulk([_delete("1", f'["{city}"]')], **given))
    await hold.reached.wait()
    await wire("DELETE", "/dbs/d/colls/c")
    await wire.container()
    await wire.create({"id": "1", "city": city})
    hold.release.set()
    refused = await held
    assert (refused.status, refused.substatus) == (400, 1024)
    assert wire.emulator.count("d", "c") == 1

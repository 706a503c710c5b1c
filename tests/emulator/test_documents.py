"""Single documents: what is accepted, what is refused, and in which words."""

import pytest

from sensor_tui.emulator.hashing import effective_key


async def test_a_created_document_is_read_back_with_the_services_fields(wire):
    made = await wire.create({"id": "1", "city": "Zürich", "n": 1.5})
    assert made.status == 201
    read = await wire.read("1", "Zürich")
    assert read.json == made.json
    assert {"_rid", "_self", "_etag", "_attachments", "_ts"} <= read.json.keys()
    assert read.headers["etag"] == read.json["_etag"]


async def test_the_same_id_is_taken_in_its_logical_partition_only(wire):
    assert (await wire.create({"id": "1", "city": "London"})).status == 201
    again = await wire.create({"id": "1", "city": "London"})
    assert (again.status, again.json["code"]) == (409, "Conflict")
    assert (await wire.create({"id": "1", "city": "Paris"})).status == 201


async def test_upsert_makes_and_replaces(wire):
    upsert = {"x_ms_documentdb_is_upsert": "true"}
    first = await wire.create({"id": "1", "city": "London", "n": 1}, **upsert)
    second = await wire.create({"id": "1", "city": "London", "n": 2}, **upsert)
    assert (first.status, second.status) == (201, 200)
    assert first.json["_etag"] != second.json["_etag"]
    assert first.json["_rid"] == second.json["_rid"]
    assert (await wire.read("1", "London")).json["n"] == 2


async def test_replace_and_delete_need_the_document(wire):
    key = {"x_ms_documentdb_partitionkey": '["London"]'}
    path = "/dbs/d/colls/c/docs/1"
    assert (await wire("PUT", path, {"id": "1", "city": "London"}, **key)).status == 404
    assert (await wire("DELETE", path, **key)).status == 404
    await wire.create({"id": "1", "city": "London"})
    assert (await wire("PUT", path, {"id": "1", "city": "London", "n": 3}, **key)).json["n"] == 3
    assert (await wire("PUT", path, {"id": "2", "city": "London"}, **key)).status == 400
    assert (await wire("DELETE", path, **key)).status == 204
    assert (await wire.read("1", "London")).status == 404


async def test_if_match_guards_a_write(wire):
    made = await wire.create({"id": "1", "city": "London"})
    key = {"x_ms_documentdb_partitionkey": '["London"]'}
    path, body = "/dbs/d/colls/c/docs/1", {"id": "1", "city": "London"}
    stale = await wire("PUT", path, body, **key, if_match='"stale"')
    assert (stale.status, stale.json["code"]) == (412, "PreconditionFailed")
    assert (await wire("PUT", path, body, **key, if_match=made.json["_etag"])).status == 200
    assert (await wire("DELETE", path, **key, if_match=made.json["_etag"])).status == 412


async def test_reading_what_is_unchanged_answers_304(wire):
    made = await wire.create({"id": "1", "city": "London"})
    read = await wire.read("1", "London", if_none_match=made.json["_etag"])
    assert (read.status, read.raw) == (304, b"")


async def test_patch_changes_parts(wire):
    await wire.create({"id": "1", "city": "London", "n": 1, "tags": ["a"], "old": 0})
    steps = [
        {"op": "incr", "path": "/n", "value": 2},
        {"op": "add", "path": "/tags/0", "value": "z"},
        {"op": "set", "path": "/new", "value": {"x": 1}},
        {"op": "move", "from": "/old", "path": "/moved"},
        {"op": "replace", "path": "/new/x", "value": 5},
    ]
    key = {"x_ms_documentdb_partitionkey": '["London"]'}
    done = await wire("PATCH", "/dbs/d/colls/c/docs/1", {"operations": steps}, **key)
    assert done.status == 200, done.raw
    kept = {name: value for name, value in done.json.items() if not name.startswith("_")}
    assert kept == {"id": "1", "city": "London", "n": 3, "tags": ["z", "a"], "new": {"x": 5}, "moved": 0}


@pytest.mark.parametrize(
    "steps",
    [
        [],
        "no",
        [{"op": "fly", "path": "/n", "value": 1}],
        [{"op": "remove", "path": "/nothing"}],
        [{"op": "set", "path": "/city", "value": "Paris"}],
        [{"op": "set", "path": "/id", "value": "2"}],
        [{"op": "incr", "path": "/s", "value": 1}],
        [{"op": "set", "path": "n", "value": 1}],
        [{"op": "set", "path": "/n", "value": 1}] * 11,
        [{"op": "set"}],
    ],
)
async def test_a_wrong_patch_changes_nothing(wire, steps):
    await wire.create({"id": "1", "city": "London", "n": 1, "s": "text"})
    key = {"x_ms_documentdb_partitionkey": '["London"]'}
    refused = await wire("PATCH", "/dbs/d/colls/c/docs/1", {"operations": steps}, **key)
    assert refused.status == 400
    assert (await wire.read("1", "London")).json["n"] == 1


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"city": "London"}, "required properties - 'id; ' - are missing"),
        ({"id": 5, "city": "London"}, "required properties - 'id; ' - are missing"),
        ({"id": "", "city": "London"}, "are empty"),
        ({"id": "a/b", "city": "London"}, "without any of the following characters"),
        ({"id": "a\\b", "city": "London"}, "without any of the following characters"),
        ({"id": "a?b", "city": "London"}, "without any of the following characters"),
        ({"id": "a#b", "city": "London"}, "without any of the following characters"),
        ({"id": "x" * 1024, "city": "London"}, "longer than 1023 bytes"),
        ({"id": "é" * 512, "city": "London"}, "longer than 1023 bytes"),
        ({"id": "a ", "city": "London"}, "ends with a space"),
    ],
)
async def test_an_id_that_is_none_is_refused(wire, document, words):
    refused = await wire.create(document)
    assert refused.status == 400
    assert refused.json["code"] == "BadRequest"
    assert words in refused.json["message"]


async def test_the_longest_id_is_accepted(wire):
    assert (await wire.create({"id": "x" * 1023, "city": "London"})).status == 201


async def test_the_key_in_the_header_must_be_the_documents(wire):
    refused = await wire(
        "POST", "/dbs/d/colls/c/docs", {"id": "1", "city": "London"}, x_ms_documentdb_partitionkey='["Paris"]'
    )
    assert (refused.status, refused.substatus) == (400, 1001)
    assert "PartitionKey extracted from document doesn't match" in refused.json["message"]
    missing = await wire("POST", "/dbs/d/colls/c/docs", {"id": "1", "city": "London"})
    assert (missing.status, missing.json["code"]) == (400, "BadRequest")
    assert "PartitionKey value must be supplied" in missing.json["message"]


@pytest.mark.parametrize(
    ("header", "document"),
    [
        ("[5.0]", {"city": 5}),
        ("[true]", {"city": True}),
        ("[null]", {"city": None}),
        ("[{}]", {}),
        ("[]", {}),
        ('["\\u00fc"]', {"city": "ü"}),
    ],
)
async def test_every_type_of_key_routes_and_reads(wire, header, document):
    made = await wire(
        "POST", "/dbs/d/colls/c/docs", {"id": "1", **document}, x_ms_documentdb_partitionkey=header
    )
    assert made.status == 201, made.raw
    read = await wire("GET", "/dbs/d/colls/c/docs/1", x_ms_documentdb_partitionkey=header)
    assert read.status == 200


async def test_a_key_of_true_is_not_a_key_of_one(wire):
    refused = await wire(
        "POST", "/dbs/d/colls/c/docs", {"id": "1", "city": True}, x_ms_documentdb_partitionkey="[1]"
    )
    assert refused.status == 400


@pytest.mark.parametrize("header", ["London", "{}", '["a","b"]', "[[1]]", "[", ""])
async def test_a_key_header_that_is_none_is_refused(wire, header):
    refused = await wire(
        "POST", "/dbs/d/colls/c/docs", {"id": "1", "city": "London"}, x_ms_documentdb_partitionkey=header
    )
    assert refused.status == 400
    assert refused.json["code"] == "BadRequest"


async def test_a_document_over_two_megabytes_is_413(wire):
    refused = await wire.create({"id": "1", "city": "London", "text": "x" * (2 * 1024 * 1024)})
    assert (refused.status, refused.json["code"]) == (413, "RequestEntityTooLarge")
    assert "Request size is too large" in refused.json["message"]
    assert wire.emulator.count("d", "c") == 0


async def test_a_document_nested_too_deeply_is_refused_and_braces_in_text_are_not(wire):
    deep: dict[str, object] = {"id": "1", "city": "London"}
    inner: object = 1
    for _ in range(130):
        inner = [inner]
    assert (await wire.create(deep | {"x": inner})).status == 400
    very: bytes = b'{"id":"1","city":"London","x":' + b"[" * 900 + b"]" * 900 + b"}"
    assert (
        await wire("POST", "/dbs/d/colls/c/docs", very, x_ms_documentdb_partitionkey='["London"]')
    ).status == 400
    assert (await wire.create(deep | {"x": "[{" * 500})).status == 201


async def test_a_feed_pages_through_every_range_in_order_of_creation(wire):
    for number in range(60):
        await wire.create({"id": str(number), "city": f"c{number % 9}"})
    found, token = [], ""
    while True:
        page = await wire(
            "GET",
            "/dbs/d/colls/c/docs",
            x_ms_max_item_count="7",
            **({"x_ms_continuation": token} if token else {}),
        )
        assert len(page.json["Documents"]) <= 7
        found += [one["id"] for one in page.json["Documents"]]
        token = page.headers.get("x-ms-continuation")
        if token is None:
            break
    assert sorted(found, key=int) == [str(number) for number in range(60)]
    container = wire.emulator.container("d", "c")
    ranges = [container.range_of(effective_key(f'"c{int(one) % 9}', 2)).id for one in found]
    assert ranges == sorted(ranges)


async def test_a_feed_goes_on_after_its_range_split(wire, cities):
    city = cities["2"]
    for number in range(40):
        await wire.create({"id": str(number), "city": city[number % len(city)]})
    first = await wire("GET", "/dbs/d/colls/c/docs", x_ms_max_item_count="15")
    wire.emulator.split("d", "c", "2")
    rest = await wire(
        "GET",
        "/dbs/d/colls/c/docs",
        x_ms_max_item_count="100",
        x_ms_continuation=first.headers["x-ms-continuation"],
    )
    found = [one["id"] for answer in (first, rest) for one in answer.json["Documents"]]
    assert sorted(found, key=int) == [str(number) for number in range(40)]
    assert "x-ms-continuation" not in rest.headers


async def test_a_feed_of_one_logical_partition(wire):
    for number in range(12):
        await wire.create({"id": str(number), "city": "London" if number % 2 else "Paris"})
    key = {"x_ms_documentdb_partitionkey": '["London"]', "x_ms_max_item_count": "4"}
    first = await wire("GET", "/dbs/d/colls/c/docs", **key)
    token = first.headers["x-ms-continuation"]
    second = await wire("GET", "/dbs/d/colls/c/docs", **key, x_ms_continuation=token)
    found = {one["id"] for answer in (first, second) for one in answer.json["Documents"]}
    assert found == {"1", "3", "5", "7", "9", "11"}
    assert "x-ms-continuation" not in second.headers


@pytest.mark.parametrize("token", ["nonsense", "WzFd", "e30=", "\x80"])
async def test_a_foreign_continuation_is_refused(wire, token):
    refused = await wire("GET", "/dbs/d/colls/c/docs", x_ms_continuation=token)
    assert refused.status == 400
    assert "Invalid Continuation Token" in refused.json["message"]


async def test_return_minimal_leaves_the_body_out(wire):
    made = await wire.create({"id": "1", "city": "London"}, prefer="return=minimal")
    assert (made.status, made.raw) == (201, b"")
    assert made.headers["etag"]


async def test_a_request_for_a_recreated_container_is_told_so(wire):
    refused = await wire.create(
        {"id": "1", "city": "London"}, x_ms_cosmos_intended_collection_rid="AQAAEIAAAAk="
    )
    assert (refused.status, refused.substatus) == (400, 1024)


async def test_a_document_for_a_range_it_is_not_in_is_gone(wire):
    home = wire.emulator.container("d", "c").range_of(effective_key('"London', 2)).id
    other = next(one.id for one in wire.emulator.ranges("d", "c") if one.id != home)
    refused = await wire.create({"id": "1", "city": "London"}, x_ms_documentdb_partitionkeyrangeid=other)
    assert (refused.status, refused.substatus) == (410, 1002)

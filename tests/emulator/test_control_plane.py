"""Account, databases, containers, throughput and partition key ranges."""

import pytest

from sensor_tui.emulator.hashing import V1, effective_key


async def test_the_account_echoes_the_host_it_was_asked_by(wire):
    answer = await wire("GET", "/", host="cosmos.example:9999")
    (location,) = answer.json["writableLocations"]
    assert location["databaseAccountEndpoint"] == "http://cosmos.example:9999/"
    assert answer.json["readableLocations"] == answer.json["writableLocations"]
    assert answer.json["userConsistencyPolicy"]["defaultConsistencyLevel"] == "Session"


async def test_databases_are_made_listed_queried_and_dropped(start):
    wire = await start(made=False)
    assert (await wire("POST", "/dbs", {"id": "one"})).status == 201
    assert (await wire("POST", "/dbs", {"id": "one"})).status == 409
    assert (await wire("POST", "/dbs", {"id": "two"})).status == 201
    assert [one["id"] for one in (await wire("GET", "/dbs")).json["Databases"]] == ["one", "two"]
    found = await wire(
        "POST", "/dbs", {"query": "SELECT * FROM root r WHERE r.id = @id", "parameters": [{"name": "@id",
        "value": "two"}]},
        x_ms_documentdb_isquery="True",
    )  # fmt: skip
    assert [one["id"] for one in found.json["Databases"]] == ["two"]
    assert (await wire("DELETE", "/dbs/one")).status == 204
    gone = await wire("GET", "/dbs/one")
    assert (gone.status, gone.json["code"]) == (404, "NotFound")
    assert (await wire("GET", "/dbs/two")).json["id"] == "two"


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": 5}, {"id": "a/b"}, [], "x"])
async def test_a_database_needs_a_proper_id(start, body):
    wire = await start(made=False)
    assert (await wire("POST", "/dbs", body)).status == 400


async def test_dropping_a_database_drops_its_containers(wire):
    await wire.create({"id": "1", "city": "London"})
    assert (await wire("DELETE", "/dbs/d")).status == 204
    await wire.container()
    assert wire.emulator.count("d", "c") == 0


async def test_a_container_keeps_what_it_was_made_with(wire):
    body = {
        "id": "x", "partitionKey": {"paths": ["/a/b"], "kind": "Hash", "version": 2}, "defaultTtl": 60,
        "indexingPolicy": {"indexingMode": "none", "automatic": False},
    }  # fmt: skip
    assert (await wire("POST", "/dbs/d/colls", body)).status == 201
    read = (await wire("GET", "/dbs/d/colls/x")).json
    assert {name: read[name] for name in body} == body


async def test_what_can_be_replaced_of_a_container_is(wire):
    read = (await wire("GET", "/dbs/d/colls/c")).json
    changed = await wire("PUT", "/dbs/d/colls/c", read | {"defaultTtl": 30})
    assert (changed.status, changed.json["defaultTtl"]) == (200, 30)
    other = read | {"partitionKey": {"paths": ["/other"], "kind": "Hash", "version": 2}}
    refused = await wire("PUT", "/dbs/d/colls/c", other)
    assert refused.status == 400
    assert "partition key cannot be changed" in refused.json["message"]


@pytest.mark.parametrize(
    "definition",
    [
        None, "x", {}, {"paths": []}, {"paths": ["/a", "/b"]}, {"paths": ["a"]}, {"paths": ["/"]},
        {"paths": ["/a/"]},
        {"paths": [5]}, {"paths": ["/a"], "kind": "Range"}, {"paths": ["/a"], "version": 7},
        {"paths": ["/a", "/b"], "kind": "MultiHash", "version": 2},
    ],
)  # fmt: skip
async def test_a_wrong_partition_key_definition_is_refused(wire, definition):
    refused = await wire("POST", "/dbs/d/colls", {"id": "x", "partitionKey": definition})
    assert (refused.status, refused.json["code"]) == (400, "BadRequest")


async def test_a_missing_database_is_told_from_a_missing_container(wire):
    assert (await wire("GET", "/dbs/d/colls/none")).substatus == 0
    orphan = await wire("GET", "/dbs/none/colls/c")
    assert (orphan.status, orphan.substatus) == (404, 1003)
    document = await wire("GET", "/dbs/d/colls/none/docs/1", x_ms_documentdb_partitionkey='["x"]')
    assert (document.status, document.substatus) == (404, 1003)


async def test_ranges_span_the_space_without_gap_or_overlap(start):
    wire = await start(partitions=7)
    ranges = await wire.ranges()
    assert [one["id"] for one in ranges] == [str(number) for number in range(7)]
    assert ranges[0]["minInclusive"] == ""
    assert ranges[-1]["maxExclusive"] == "FF"
    assert [one["maxExclusive"] for one in ranges[:-1]] == [one["minInclusive"] for one in ranges[1:]]


async def test_unchanged_ranges_answer_304_to_an_incremental_read(wire):
    first = await wire("GET", "/dbs/d/colls/c/pkranges", a_im="Incremental feed")
    etag = first.headers["etag"]
    again = await wire("GET", "/dbs/d/colls/c/pkranges", a_im="Incremental feed", if_none_match=etag)
    assert (again.status, again.raw) == (304, b"")
    assert again.headers["etag"] == etag
    plain = await wire("GET", "/dbs/d/colls/c/pkranges", if_none_match=etag)
    assert len(plain.json["PartitionKeyRanges"]) == 4


async def test_an_incremental_read_after_a_split_gives_the_children(wire):
    first = await wire("GET", "/dbs/d/colls/c/pkranges", a_im="Incremental feed")
    wire.emulator.split("d", "c", "1")
    etag = first.headers["etag"]
    changed = await wire("GET", "/dbs/d/colls/c/pkranges", a_im="Incremental feed", if_none_match=etag)
    assert [(one["id"], one["parents"]) for one in changed.json["PartitionKeyRanges"]] == [
        ("4", ["1"]),
        ("5", ["1"]),
    ]
    assert [one["id"] for one in await wire.ranges()] == ["0", "4", "5", "2", "3"]
    wire.emulator.split("d", "c", "5")
    assert (await wire.ranges())[2]["parents"] == ["1", "5"]


async def test_a_split_moves_every_document_and_its_id_is_gone(wire):
    for number in range(80):
        await wire.create({"id": str(number), "city": f"c{number}"})
    wire.emulator.split("d", "c", "0")
    assert wire.emulator.count("d", "c") == 80
    container = wire.emulator.container("d", "c")
    for one in container.ranges:
        for _, pk, _ in wire.emulator.store.shelf(container, one).scan(0, -1):
            assert one.holds(effective_key(pk, 2))
    refused = await wire.bulk([{"operationType": "Read", "id": "1", "partitionKey": '["c1"]'}], "0")
    assert (refused.status, refused.substatus) == (410, 1002)
    assert (await wire.read("7", "c7")).status == 200


async def test_a_container_without_a_version_is_version_1(start):
    wire = await start(made=False)
    await wire.container(version=None)
    assert "version" not in (await wire("GET", "/dbs/d/colls/c")).json["partitionKey"]
    ranges = await wire.ranges()
    assert all(one["minInclusive"].startswith("05C1") for one in ranges[1:])
    counts = dict.fromkeys((one["id"] for one in ranges), 0)
    for number in range(200):
        await wire.create({"id": "1", "city": f"sensor-{number}"})
        key = effective_key(f'"sensor-{number}', V1)
        home = next(one for one in ranges if one["minInclusive"] <= key < one["maxExclusive"])
        counts[home["id"]] += 1
    container = wire.emulator.container("d", "c")
    for one in container.ranges:
        assert wire.emulator.store.shelf(container, one).count() == counts[one.id] > 20
    wire.emulator.split("d", "c", "3")
    assert (await wire.read("1", "sensor-7")).status == 200


async def test_throughput_is_read_and_replaced(wire):
    made = await wire(
        "POST", "/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}}, x_ms_offer_throughput="1000"
    )
    (offer,) = [
        one for one in (await wire("GET", "/offers")).json["Offers"] if one["resource"] == made.json["_self"]
    ]
    assert offer["content"]["offerThroughput"] == 1000
    offer["content"]["offerThroughput"] = 2000
    replaced = await wire("PUT", f"/offers/{offer['id']}", offer)
    assert replaced.json["content"]["offerThroughput"] == 2000
    assert (await wire("GET", f"/offers/{offer['id']}")).json["content"]["offerThroughput"] == 2000
    offer["content"]["offerThroughput"] = 5
    assert (await wire("PUT", f"/offers/{offer['id']}", offer)).status == 400


@pytest.mark.parametrize("throughput", ["399", "450", "many", "-400"])
async def test_a_throughput_that_is_none_is_refused(wire, throughput):
    refused = await wire(
        "POST",
        "/dbs/d/colls",
        {"id": "x", "partitionKey": {"paths": ["/a"]}},
        x_ms_offer_throughput=throughput,
    )
    assert refused.status == 400


async def test_autoscale_is_kept(wire):
    made = await wire(
        "POST", "/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}},
        x_ms_cosmos_offer_autopilot_settings='{"maxThroughput": 4000}',
    )  # fmt: skip
    (offer,) = [
        one for one in (await wire("GET", "/offers")).json["Offers"] if one["resource"] == made.json["_self"]
    ]
    assert offer["content"]["offerAutopilotSettings"] == {"maxThroughput": 4000}


async def test_a_serverless_account_has_no_throughput(start):
    wire = await start(serverless=True)
    assert (await wire("GET", "/offers")).json["Offers"] == []
    refused = await wire(
        "POST", "/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}}, x_ms_offer_throughput="400"
    )
    assert refused.status == 400
    assert "not supported for serverless accounts" in refused.json["message"]

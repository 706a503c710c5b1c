"""What our writer puts on the wire, beside what `executeBulkOperations` of @azure/cosmos puts there."""

import random
import string

import orjson
import pytest

pytestmark = pytest.mark.component("node")

ALIKE = (
    "accept",
    "cache-control",
    "content-type",
    "prefer",
    "x-ms-cosmos-allow-tentative-writes",
    "x-ms-cosmos-batch-atomic",
    "x-ms-cosmos-batch-continue-on-error",
    "x-ms-cosmos-is-batch-request",
    "x-ms-cosmos-sdk-supportedcapabilities",
    "x-ms-documentdb-partitionkeyrangeid",
    "x-ms-version",
)
THEIRS_ALONE = {
    # How queries are to be answered, and who asks: they go out with every request of that SDK.
    "x-ms-documentdb-query-enablecrosspartition",
    "x-ms-documentdb-responsecontinuationtokenlimitinkb",
    "x-ms-useragent",
}
KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="


async def both(scripted, make_sink, upload, peer, documents):
    """The bulk requests of their writer and of ours, for the same documents."""
    where = {"database": "SensorData", "container": "SensorReadings", "keyField": "city"}
    answers = await peer("bulk", where | {"endpoint": scripted.url, "key": KEY, "documents": documents})
    assert set(answers) == {201}
    theirs = scripted.bulk()
    scripted.requests.clear()
    sink = make_sink(scripted.options())
    await sink.open()
    await upload(sink, documents)
    return theirs, scripted.bulk()


async def test_path_headers_and_body_are_alike(scripted, make_sink, upload, peer, document):
    del scripted.ranges[1:]
    scripted.ranges[0]["maxExclusive"] = "FF"
    documents = [document(1), document(2, city='Nu"uk'), document(3, city="São Paulo"), document(4, city=7)]
    (theirs,), (ours,) = await both(scripted, make_sink, upload, peer, documents)
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert {name: ours.headers.get(name) for name in ALIKE} == {
        name: theirs.headers.get(name) for name in ALIKE
    }
    named = {name for name in theirs.headers if name.startswith("x-ms-")} - THEIRS_ALONE
    assert named == {name for name in ours.headers if name.startswith("x-ms-")}
    assert orjson.loads(ours.body) == orjson.loads(theirs.body)


async def test_the_signature_of_their_request_is_the_one_we_would_give(
    scripted, make_sink, upload, peer, document
):
    from email.utils import parsedate_to_datetime

    from sensor_tui.sync.sinks.cosmos.auth import KeySigner
    from tests.support.clock import JumpingClock

    theirs, ours = await both(scripted, make_sink, upload, peer, [document(1)])
    for request in (*theirs, *ours):
        then = parsedate_to_datetime(request.headers["x-ms-date"]).timestamp()
        signed = KeySigner(KEY, JumpingClock(then)).sign(
            "post", "docs", "dbs/SensorData/colls/SensorReadings"
        )
        assert signed == (request.headers["authorization"], request.headers["x-ms-date"])


async def test_three_thousand_keys_go_to_the_same_ranges(scripted, make_sink, upload, peer, document):
    source = random.Random(20250803)
    letters = string.ascii_letters + "éß漢🌡 "
    keys = ["".join(source.choices(letters, k=source.randrange(1, 40))) for _ in range(2600)]
    keys += [source.randrange(-(2**40), 2**40) for _ in range(200)]
    keys += [source.uniform(-1e4, 1e4) for _ in range(197)] + [True, False, None]
    documents = [document(number, city=key) for number, key in enumerate(keys)]
    theirs, ours = await both(scripted, make_sink, upload, peer, documents)

    def ranges(requests):
        return {
            operation["resourceBody"]["id"]: request.headers["x-ms-documentdb-partitionkeyrangeid"]
            for request in requests
            for operation in orjson.loads(request.body)
        }

    assert len(ranges(theirs)) == 3000
    assert len(set(ranges(theirs).values())) == 3
    assert ranges(ours) == ranges(theirs)

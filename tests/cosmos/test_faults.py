"""Faults on the wire: our writer against our endpoint, which does as it is told."""

import asyncio

import pytest
from aiohttp import web

from sensor_tui.errors import SinkRefused
from sensor_tui.sync.contract import RequestFailed, RequestRefused, Verdict


@pytest.fixture
async def sink(endpoint, make_sink):
    made = make_sink(endpoint.options(read_timeout=2.0))
    await made.open()
    return made


@pytest.fixture
def faults(endpoint):
    return endpoint.emulator.faults


async def failed(sink, upload, documents) -> RequestFailed:
    with pytest.raises(RequestFailed) as caught:
        await upload(sink, documents)
    return caught.value


def count(endpoint) -> int:
    return endpoint.emulator.count("SensorData", "SensorReadings")


async def test_throttled_operations_alone_wait(endpoint, sink, faults, upload, document):
    faults.throttle(kind="bulk", operations=[1, 3], retry_after_ms=250)
    (answer,) = (await upload(sink, [document(n) for n in range(5)])).values()
    assert {index: each.verdict for index, each in answer.exceptions.items()} == dict.fromkeys(
        [1, 3], Verdict.THROTTLED
    )
    assert {each.delay for each in answer.exceptions.values()} == {0.25}
    assert count(endpoint) == 3


async def test_a_throttled_request_waits_whole(endpoint, sink, faults, upload, document):
    faults.throttle(kind="bulk", retry_after_ms=750)
    error = await failed(sink, upload, [document(n) for n in range(5)])
    assert (error.judgement.verdict, error.judgement.delay, error.unreachable) == (
        Verdict.THROTTLED,
        0.75,
        False,
    )
    assert count(endpoint) == 0


@pytest.mark.parametrize(
    ("status", "substatus"), [(449, 0), (503, 0), (500, 0), (408, 0), (413, 3402), (403, 3)]
)
async def test_what_passes_is_sent_again(sink, faults, upload, document, status, substatus):
    faults.answer(status, substatus=substatus, kind="bulk")
    error = await failed(sink, upload, [document(1)])
    assert error.judgement.verdict is Verdict.TRANSIENT
    assert (await upload(sink, [document(1)]))["3"].exceptions is None


@pytest.mark.parametrize("status", [400, 413])
async def test_a_refused_request_is_to_be_halved(sink, faults, upload, document, status):
    faults.answer(status, kind="bulk")
    with pytest.raises(RequestRefused) as caught:
        await upload(sink, [document(1), document(2)])
    assert caught.value.code == status


async def test_after_a_split_the_request_is_routed_anew(endpoint, sink, faults, upload, document):
    before = sink.route("London").lane
    faults.split(kind="bulk")
    assert (await failed(sink, upload, [document(1)])).judgement.verdict is Verdict.MOVED
    await sink.reroute()
    assert sink.route("London").lane != before
    await upload(sink, [document(1)])
    assert count(endpoint) == 1


async def test_a_range_that_moves_and_keeps_its_id_is_sent_to_again(endpoint, sink, faults, upload, document):
    before = sink.route("London").lane
    faults.migrating(kind="bulk")
    assert (await failed(sink, upload, [document(1)])).judgement.verdict is Verdict.MOVED
    await sink.reroute()
    assert sink.route("London").lane == before
    await upload(sink, [document(1)])
    assert count(endpoint) == 1


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
async def test_a_broken_connection_is_no_answer(endpoint, sink, faults, upload, document, when, arrived):
    faults.reset(when, kind="bulk")
    error = await failed(sink, upload, [document(1)])
    assert error.unreachable
    assert error.judgement.verdict is Verdict.TRANSIENT
    assert "connection" in error.judgement.reason
    assert count(endpoint) == arrived
    (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.already_there == arrived


async def test_half_an_answer_is_none(endpoint, sink, faults, upload, document):
    faults.truncate(kind="bulk")
    error = await failed(sink, upload, [document(n) for n in range(20)])
    assert error.unreachable
    assert error.judgement.verdict is Verdict.TRANSIENT
    assert count(endpoint) == 20


async def test_an_answer_that_takes_too_long_is_given_up(endpoint, make_sink, upload, document):
    sink = make_sink(endpoint.options(read_timeout=0.1))
    await sink.open()
    endpoint.emulator.faults.hold(kind="bulk")
    error = await failed(sink, upload, [document(1)])
    assert error.unreachable
    assert "no answer in time" in error.judgement.reason


async def test_nobody_listening_is_no_answer(endpoint, sink, upload, document):
    await endpoint.emulator.stop()
    error = await failed(sink, upload, [document(1)])
    assert error.unreachable
    assert "127.0.0.1" in error.judgement.reason


async def test_a_key_that_no_longer_holds_stops_the_pipeline(sink, faults, upload, document):
    faults.answer(401, kind="bulk")
    with pytest.raises(SinkRefused, match="does not accept the key"):
        await upload(sink, [document(1)])


async def test_a_request_that_is_cancelled_leaves_the_connections_usable(
    endpoint, sink, faults, upload, document
):
    held = faults.hold(kind="bulk")
    sending = asyncio.create_task(upload(sink, [document(1)]))
    await held.reached.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    held.release.set()
    await upload(sink, [document(2)])
    assert {each["id"] for each in endpoint.emulator.documents("SensorData", "SensorReadings")} >= {
        "doc-00002"
    }


async def test_when_the_region_stops_writing_the_account_is_asked_for_another(
    scripted, make_sink, upload, document
):
    sink = make_sink(scripted.options())
    await sink.open()
    elsewhere = scripted.url.replace("127.0.0.1", "localhost")

    def move(request):
        if request.path.endswith("/docs") and request.headers["host"].startswith("127."):
            scripted.account["writableLocations"] = [{"name": "B", "databaseAccountEndpoint": elsewhere}]
            return web.json_response({"message": "no"}, status=403, headers={"x-ms-substatus": "3"})
        return None

    scripted.script = move
    assert (await failed(sink, upload, [document(1)])).judgement.verdict is Verdict.TRANSIENT
    await upload(sink, [document(1)])
    assert scripted.bulk()[-1].headers["host"].startswith("localhost")


async def test_a_container_replaced_by_another_is_noticed_before_readings_are_buried(
    scripted, make_sink, upload, document
):
    sink = make_sink(scripted.options())
    await sink.open()
    scripted.container["partitionKey"]["paths"] = ["/sensorId"]
    mismatch = [{"statusCode": 400, "subStatusCode": 1001}] * 2
    scripted.script = lambda request: (
        web.json_response(mismatch, status=207) if request.path.endswith("/docs") else None
    )
    for _ in range(2):
        with pytest.raises(SinkRefused, match="partitioned by /sensorId"):
            await upload(sink, [document(1), document(2)])


async def test_a_document_whose_own_key_is_wrong_is_rejected(scripted, make_sink, upload, document):
    sink = make_sink(scripted.options())
    await sink.open()
    mismatch = [{"statusCode": 400, "subStatusCode": 1001}]
    scripted.script = lambda request: (
        web.json_response(mismatch, status=207) if request.path.endswith("/docs") else None
    )
    (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.exceptions[0].verdict is Verdict.REJECTED


async def test_a_container_made_anew_has_its_ranges_read_whole(scripted, make_sink):
    sink = make_sink(scripted.options())
    await sink.open()
    scripted.container["_rid"] = "BBBBBB=="
    scripted.ranges = [{"id": "0", "minInclusive": "", "maxExclusive": "FF", "parents": []}]
    await sink.reroute()
    assert sink.lanes == ["0"]

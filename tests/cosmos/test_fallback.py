"""Where bulk cannot be used: transactional batches, one key at a time."""

import logging

import pytest
from aiohttp import web

from sensor_tui.errors import SinkRefused
from sensor_tui.sync.contract import MISSING, RequestFailed, RequestRefused, Verdict
from sensor_tui.sync.sinks.cosmos.sink import UNROUTED


async def old_container(endpoint) -> None:
    """A container as accounts made them years ago: partition key version 1."""
    from azure.cosmos.aio import CosmosClient

    async with CosmosClient(endpoint.url, endpoint.key) as client:
        database = await client.create_database("SensorData")
        key = {"paths": ["/city"], "kind": "Hash", "version": 1}
        await database.create_container("SensorReadings", key)


@pytest.fixture
async def old(endpoint, make_sink):
    await old_container(endpoint)
    sink = make_sink(endpoint.options())
    sink.notices = await sink.open()
    return sink


def stored(endpoint) -> set[str]:
    return {each["id"] for each in endpoint.emulator.documents("SensorData", "SensorReadings")}


async def test_an_old_container_is_announced(old):
    assert any("partition key version 1" in notice for notice in old.notices)


async def test_text_keys_of_an_old_container_still_go_in_bulk(endpoint, old, upload, document):
    answers = await upload(old, [document(n, city=f"city {n}") for n in range(40)])
    assert UNROUTED not in answers
    assert all(answer.exceptions is None for answer in answers.values())
    assert len(stored(endpoint)) == 40


async def test_other_keys_of_an_old_container_go_in_batches(endpoint, old, upload, document):
    documents = [document(n, city=key) for n, key in enumerate([5, 5, -1, 2.5, True, None])]
    keyless = document(9)
    del keyless["city"]
    answers = await upload(old, [*documents, keyless], missing=MISSING)
    assert list(answers) == [UNROUTED]
    assert answers[UNROUTED].exceptions is None
    assert answers[UNROUTED].cost > 0
    assert len(stored(endpoint)) == 7


async def test_a_batch_with_documents_already_there_is_done_singly(endpoint, old, upload, document):
    await upload(old, [document(1, city=5)])
    answers = await upload(old, [document(n, city=5) for n in range(3)])
    assert answers[UNROUTED].already_there == 1
    assert answers[UNROUTED].exceptions is None
    assert len(stored(endpoint)) == 3


async def test_a_bad_document_of_a_batch_is_rejected_alone(endpoint, old, parcels, document):
    documents = [document(n, city=n // 3) for n in range(6)]
    del documents[4]["id"]
    answer = await old.send(UNROUTED, parcels(old, documents)[UNROUTED])
    assert {index: each.verdict for index, each in answer.exceptions.items()} == {4: Verdict.REJECTED}
    assert len(stored(endpoint)) == 5


async def test_a_batch_that_is_throttled_waits_as_asked(endpoint, old, upload, document):
    endpoint.emulator.faults.throttle(kind="batch", retry_after_ms=10, times=None)
    answers = await upload(old, [document(n, city=5) for n in range(3)])
    found = answers[UNROUTED].exceptions
    assert {each.verdict for each in found.values()} == {Verdict.THROTTLED}
    assert sorted(found) == [0, 1, 2]


async def test_a_batch_without_an_answer_is_sent_again(endpoint, old, upload, document):
    await upload(old, [document(0, city=5)])
    await endpoint.emulator.stop()
    with pytest.raises(RequestFailed) as caught:
        await upload(old, [document(1, city=5)])
    assert caught.value.unreachable


async def test_a_batch_to_a_container_that_is_gone_stops_the_pipeline(endpoint, old, upload, document):
    endpoint.emulator.faults.answer(404, substatus=1003, kind="batch", times=None)
    with pytest.raises(SinkRefused, match="does not exist"):
        await upload(old, [document(1, city=5)])


@pytest.fixture
def no_bulk(scripted):
    """An account that takes single documents and transactional batches, but nothing in bulk."""

    def answer(request):
        if request.headers.get("x-ms-cosmos-batch-atomic") == "false":
            return web.json_response({"message": "Bulk is not supported"}, status=400)
        return None

    scripted.script = answer
    return scripted


async def test_an_account_that_takes_no_bulk_is_found_out_and_said(
    no_bulk, make_sink, upload, document, caplog
):
    sink = make_sink(no_bulk.options())
    await sink.open()
    with pytest.raises(RequestRefused):
        await upload(sink, [document(1), document(2)])
    with caplog.at_level(logging.WARNING):
        (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.exceptions is None
    assert "takes no bulk requests (400: Bulk is not supported)" in caplog.text
    assert sink.route("London").lane == UNROUTED


async def test_what_was_bound_for_a_range_is_then_routed_anew(no_bulk, make_sink, upload, parcels, document):
    sink = make_sink(no_bulk.options())
    await sink.open()
    ((lane, waiting),) = parcels(sink, [document(2), document(3)]).items()
    await upload(sink, [document(1)])
    with pytest.raises(RequestFailed) as caught:
        await sink.send(lane, waiting)
    assert caught.value.judgement.verdict is Verdict.MOVED
    await sink.reroute()
    answers = await upload(sink, [document(2), document(3)])
    assert answers[UNROUTED].exceptions is None


async def test_a_bad_document_does_not_turn_bulk_off(scripted, make_sink, upload, document):
    sink = make_sink(scripted.options())
    await sink.open()
    scripted.script = lambda request: (
        web.json_response({"message": "bad"}, status=400) if request.path.endswith("/docs") else None
    )
    (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.exceptions[0].verdict is Verdict.REJECTED
    assert answer.exceptions[0].reason == "400: bad"
    assert sink.route("London").lane != UNROUTED


async def test_bulk_that_has_worked_is_not_given_up_for_one_document(scripted, make_sink, upload, document):
    sink = make_sink(scripted.options())
    await sink.open()
    await upload(sink, [document(1)])
    scripted.script = lambda request: (
        web.json_response({"message": "odd"}, status=400)
        if "x-ms-documentdb-partitionkeyrangeid" in request.headers
        else None
    )
    (answer,) = (await upload(sink, [document(2)])).values()
    assert answer.exceptions is None
    assert sink.route("London").lane != UNROUTED

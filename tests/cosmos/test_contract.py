"""One suite over every Cosmos server; what a server cannot do is named in its `can`."""

import asyncio

import pytest

from sensor_tui.errors import SinkRefused
from sensor_tui.model.clock import SystemClock
from sensor_tui.sync.contract import MISSING, Verdict
from sensor_tui.sync.sinks.cosmos.query import CosmosQuery


def needs(server, ability: str) -> None:
    if ability not in server.can:
        pytest.skip(f"this server has no {ability}")


async def stored(server) -> dict[str, dict]:
    async with CosmosQuery(server.options(), SystemClock()) as query:
        found = [each async for each in query.documents()]
    return {each["id"]: {name: value for name, value in each.items() if name[0] != "_"} for each in found}


async def test_what_is_missing_is_created_and_said(server, make_sink):
    notices = await make_sink(server.options()).open()
    assert any("Created the database SensorData" in notice for notice in notices)
    assert any("Created the container SensorReadings" in notice for notice in notices)


async def test_what_is_there_is_opened_without_a_word(server, make_sink):
    await make_sink(server.options()).open()
    assert not await make_sink(server.options()).open()


async def test_opening_again_is_allowed(server, make_sink, upload, document):
    sink = make_sink(server.options())
    await sink.open()
    await sink.open()
    answers = await upload(sink, [document(1)])
    assert [answer.exceptions for answer in answers.values()] == [None]


async def test_documents_arrive_as_they_were_sent(server, make_sink, upload, document):
    sink = make_sink(server.options())
    await sink.open()
    sent = [
        document(n, city=city, note='é"\\\n🌡') for n, city in enumerate(["London", "São Paulo", 'Nu"uk'] * 20)
    ]
    answers = await upload(sink, sent)
    assert all(answer.exceptions is None for answer in answers.values())
    assert await stored(server) == {each["id"]: each for each in sent}


async def test_sending_twice_changes_nothing(server, make_sink, upload, document):
    sink = make_sink(server.options())
    await sink.open()
    documents = [document(n) for n in range(50)]
    await upload(sink, documents)
    again = await upload(sink, [*documents, document(50)])
    assert sum(answer.already_there for answer in again.values()) == 50
    assert all(answer.exceptions is None for answer in again.values())
    assert len(await stored(server)) == 51


@pytest.mark.parametrize("key", ["text", "", 7, -2.5, True, False, None, MISSING])
async def test_every_kind_of_key_is_taken(server, make_sink, upload, document, key):
    sink = make_sink(server.options())
    await sink.open()
    made = document(1)
    del made["city"]
    if key is not MISSING:
        made["city"] = key
    (answer,) = (await upload(sink, [made], missing=MISSING)).values()
    assert answer.exceptions is None
    assert await stored(server) == {made["id"]: made}


async def test_a_bad_document_is_rejected_and_its_neighbours_are_accepted(
    server, make_sink, parcels, document
):
    sink = make_sink(server.options())
    await sink.open()
    documents = [document(n) for n in range(100)]
    del documents[41]["id"]
    ((lane, sent),) = parcels(sink, documents).items()
    answer = await sink.send(lane, sent)
    assert list(answer.exceptions) == [41]
    assert answer.exceptions[41].verdict is Verdict.REJECTED
    assert answer.exceptions[41].reason.startswith("400")
    assert len(await stored(server)) == 99


async def test_a_large_document_travels_alone(server, make_sink, upload, document):
    sink = make_sink(server.options())
    await sink.open()
    (answer,) = (await upload(sink, [document(1, note="x" * 300_000)])).values()
    assert answer.exceptions is None
    assert answer.bytes_sent > sink.limits.size


async def test_many_requests_at_once(server, make_sink, upload, document):
    sink = make_sink(server.options())
    await sink.open()
    chunks = [[document(n) for n in range(first, first + 20)] for first in range(0, 800, 20)]
    answers = await asyncio.gather(*(upload(sink, chunk) for chunk in chunks))
    assert all(answer.exceptions is None for each in answers for answer in each.values())
    assert len(await stored(server)) == 800


async def test_names_that_need_quoting_work(server, make_sink, upload, document):
    options = server.options(database="Sensor Data", container="Größe 1")
    sink = make_sink(options)
    await sink.open()
    (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.exceptions is None
    async with CosmosQuery(options, SystemClock()) as query:
        assert await query.count() == 1


async def test_another_field_may_be_the_key(server, make_sink, upload, document):
    sink = make_sink(server.options(partition_key="/sensorId"))
    await sink.open()
    assert sink.key_field == "sensorId"
    (answer,) = (await upload(sink, [document(1)])).values()
    assert answer.exceptions is None


async def test_a_missing_container_is_not_created_unless_allowed(server, make_sink):
    with pytest.raises(SinkRefused, match="database SensorData does not exist") as caught:
        await make_sink(server.options(create_if_missing=False)).open()
    assert "create_if_missing" in caught.value.fix
    await make_sink(server.options(container="Other")).open()
    with pytest.raises(SinkRefused, match="container SensorData/SensorReadings does not exist"):
        await make_sink(server.options(create_if_missing=False)).open()


async def test_another_partition_key_is_refused_with_both_names(server, make_sink):
    await make_sink(server.options(partition_key="/sensorId")).open()
    with pytest.raises(SinkRefused) as caught:
        await make_sink(server.options()).open()
    assert "/sensorId" in caught.value.message
    assert "/city" in caught.value.message
    assert "cosmos.partition_key" in caught.value.fix


async def test_health_says_where_and_changes_nothing(server, make_sink):
    health = await make_sink(server.options()).health()
    assert not health.ok
    assert "does not exist" in health.message
    await make_sink(server.options()).open()
    health = await make_sink(server.options()).health()
    assert health.ok
    assert "SensorData/SensorReadings" in health.message


async def test_a_container_removed_meanwhile_stops_the_pipeline(server, make_sink, upload, document):
    sink = make_sink(server.options())
    await sink.open()
    async with CosmosQuery(server.options(), SystemClock()) as query:
        await query._control._client.get_database_client("SensorData").delete_container("SensorReadings")
    with pytest.raises(SinkRefused, match="does not exist"):
        await upload(sink, [document(1)])
    assert not (await sink.health()).ok


async def test_a_wrong_key_is_refused(server, make_sink):
    from pydantic import SecretStr

    needs(server, "signatures")
    with pytest.raises(SinkRefused, match="does not accept the key"):
        await make_sink(server.options(key=SecretStr("d3Jvbmc="))).open()


async def test_the_charge_is_that_of_the_documents(server, make_sink, upload, document):
    needs(server, "charges")
    sink = make_sink(server.options())
    await sink.open()
    (one,) = (await upload(sink, [document(1)])).values()
    (ten,) = (await upload(sink, [document(n) for n in range(2, 12)])).values()
    assert 0 < one.cost < ten.cost


async def test_the_throughput_is_told(server, make_sink):
    needs(server, "throughput")
    sink = make_sink(server.options(throughput=4000))
    await sink.open()
    assert sink.throughput == 4000


async def test_the_most_of_autoscale_is_told(server, make_sink):
    needs(server, "throughput")
    sink = make_sink(server.options(autoscale_max=10_000))
    await sink.open()
    assert sink.throughput == 10_000


async def test_keys_are_spread_over_ranges(server, make_sink, upload, document):
    needs(server, "ranges")
    sink = make_sink(server.options())
    await sink.open()
    answers = await upload(sink, [document(n, city=f"city {n}") for n in range(60)])
    assert set(answers) == set(sink.lanes)
    assert len(sink.lanes) == 4

"""Reading a container back."""

import pytest

from sensor_tui.errors import SinkRefused, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.sync.sinks.cosmos.query import CosmosQuery


@pytest.fixture
async def query(endpoint, make_sink, upload, document):
    sink = make_sink(endpoint.options())
    await sink.open()
    cities = ("London", "Paris", "Osaka")
    await upload(sink, [document(n, city=cities[n % 3], sensorId=f"S{n % 2}") for n in range(30)])
    async with CosmosQuery(endpoint.options(), SystemClock()) as opened:
        yield opened


async def test_everything_is_counted(query):
    assert await query.count() == 30


async def test_conditions_on_key_and_field_are_counted(query):
    assert await query.count({"city": "Paris"}) == 10
    assert await query.count({"sensorId": "S1"}) == 15
    assert await query.count({"city": "Paris", "sensorId": "S1"}) == 5


async def test_the_newest_come_first_over_all_cities(query):
    assert [each["id"] for each in await query.newest(4)] == [f"doc-{n:05}" for n in (29, 28, 27, 26)]


async def test_the_newest_of_a_city_and_a_sensor(query):
    found = await query.newest(2, {"city": "London", "sensorId": "S1"})
    assert [each["id"] for each in found] == ["doc-00027", "doc-00021"]


async def test_every_document_comes_once(query):
    assert sorted([each["id"] async for each in query.documents()]) == [f"doc-{n:05}" for n in range(30)]


async def test_a_query_that_is_wrong_is_said_so(query):
    with pytest.raises(UsageError, match="not understood"):
        _ = [each async for each in query.select("SELEKT everything")]


async def test_a_container_that_is_missing_is_said_so(endpoint):
    async with CosmosQuery(endpoint.options(container="Nowhere"), SystemClock()) as opened:
        with pytest.raises(SinkRefused, match="does not exist"):
            await opened.count()

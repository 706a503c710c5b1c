"""The writer as a whole, against our endpoint and against a Cosmos server written by others.

What a server cannot do is not in its `can`, and what needs it is skipped by that name.
"""

import asyncio
import json
import os
import random
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path

import pytest
import trustme
from azure.cosmos.aio import CosmosClient
from pydantic import SecretStr

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.sync.engine import Engine, EngineOptions
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from tests.support.components import node_modules
from tests.support.fakes import MemoryFeed, MemorySource
from tests.wire.tap import Tap

LAUNCHER = Path(__file__).parents[1] / "cosmos" / "cosmosdb_server.cjs"
ANY_KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="
CITIES = ("London", "São Paulo", "Nu'uk", "東京", 'Quote "City"', "Ciudad de México", "A/B", "Zürich")
ROWS, FEEDS = 200, 12


@dataclass
class Server:
    """A Cosmos server, and what it can do."""

    url: str
    key: str
    can: frozenset[str]
    ca_file: Path | None = None

    def needs(self, ability):
        if ability not in self.can:
            pytest.skip(f"this server has no {ability}")

    async def documents(self):
        """Everything in the container, as Microsoft's SDK reads it, without the server's own fields."""
        trust = {} if self.ca_file is None else {"connection_verify": str(self.ca_file)}
        async with CosmosClient(self.url, self.key, **trust) as client:
            container = client.get_database_client("SensorData").get_container_client("SensorReadings")
            return [
                {name: value for name, value in document.items() if not name.startswith("_")}
                async for document in container.query_items("SELECT * FROM c")
            ]


@asynccontextmanager
async def ours():
    async with Emulator(EmulatorSettings(port=0)) as emulator:
        yield Server(emulator.url, emulator.key, frozenset({"limit on keys", "charges"}))


@asynccontextmanager
async def theirs(folder):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    ca_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(ca_file)
    process = await asyncio.create_subprocess_exec(
        "node",
        LAUNCHER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"SENSOR_TUI_NODE_MODULES": str(node_modules())},
    )
    try:
        pem = {
            "cert": b"".join(each.bytes() for each in certificate.cert_chain_pems).decode(),
            "key": certificate.private_key_pem.bytes().decode(),
        }
        process.stdin.write(json.dumps(pem).encode())
        process.stdin.close()
        port = int(await process.stdout.readline())
        yield Server(f"https://127.0.0.1:{port}", ANY_KEY, frozenset(), ca_file)
    finally:
        process.kill()
        await process.wait()
        process._transport.close()


@pytest.fixture(
    params=[
        pytest.param("ours", id="our-endpoint"),
        pytest.param("theirs", id="cosmosdb-server", marks=pytest.mark.component("cosmosdb-server")),
    ]
)
async def server(request, tmp_path):
    async with ours() if request.param == "ours" else theirs(tmp_path) as started:
        yield started


@pytest.fixture
async def tap(server, clock):
    """A tap before the server, for what no server does when asked."""
    made = Tap(server.url, clock, ca_file=server.ca_file)
    await made.start()
    yield made
    await made.stop()


def values(number, row):
    row[1] += number / 7
    row[3] = None if number % 10 == 0 else number / 7 - 12


def feeds_of(rows=ROWS, change=values):
    return [
        MemoryFeed(f"S{number:02}", rows, city=CITIES[number % len(CITIES)], change=change)
        for number in range(FEEDS)
    ]


def documents_of(feeds):
    """The documents these feeds have to become, but for their ids."""
    expected = {}
    for feed in feeds:
        for row_id, at, sensor_id, temperature, city in feed._rows:
            document = {
                "sqlite_id": row_id,
                "sensorId": sensor_id,
                "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "temperature": temperature,
                "city": city,
                "location": city,
                "processingStage": "Raw",
            }
            expected[sensor_id, row_id] = {k: v for k, v in document.items() if v is not None}
    return expected


async def upload(server, clock, feeds, *, endpoint=None, hop=0.0):
    """One run of the engine; gives its totals."""
    options = CosmosOptions(
        endpoint=endpoint or server.url,
        key=SecretStr(server.key),
        ca_file=None if endpoint else server.ca_file,
        endpoint_discovery=endpoint is None,
    )
    engine = Engine(MemorySource(*feeds), [CosmosSink(options, clock)], clock=clock, options=EngineOptions())
    running = asyncio.ensure_future(engine.run(continuous=False))
    while hop and not running.done():
        await asyncio.sleep(0.001)
        clock.hop(hop)
    await running
    return engine.progress().totals


async def test_what_is_read_back_equals_the_rows_one_for_one(server, clock):
    feeds = feeds_of()
    totals = await upload(server, clock, feeds)
    found = await server.documents()
    assert len(found) == ROWS * FEEDS
    assert len({document.pop("id") for document in found}) == ROWS * FEEDS
    assert {(d["sensorId"], d["sqlite_id"]): d for d in found} == documents_of(feeds)
    assert all(sorted(feed.settled) == list(range(1, ROWS + 1)) for feed in feeds)
    assert (totals.accepted, totals.already_there, totals.rejected) == (ROWS * FEEDS, 0, 0)
    assert totals.requests >= ROWS * FEEDS / 100


async def test_a_second_upload_finds_everything_already_there_and_changes_nothing(server, clock):
    await upload(server, clock, feeds_of())
    before = await server.documents()
    feeds = feeds_of()
    totals = await upload(server, clock, feeds)
    assert (totals.accepted, totals.already_there) == (ROWS * FEEDS, ROWS * FEEDS)
    assert all(sorted(feed.settled) == list(range(1, ROWS + 1)) for feed in feeds)
    key = itemgetter("id")
    assert sorted(await server.documents(), key=key) == sorted(before, key=key)


async def test_rows_that_become_no_document_are_dead_letters_and_the_rest_arrives(server, clock):
    def spoil(number, row):
        if number == 17:
            row[2] = None
        if number == 18:
            row[3] = float("inf")
        if number == 19:
            row[1] = "yesterday"

    feeds = feeds_of(rows=100, change=spoil)
    totals = await upload(server, clock, feeds)
    assert all(sorted(feed.dead) == [17, 18, 19] for feed in feeds)
    assert all(len(feed.settled) == 97 for feed in feeds)
    assert (totals.accepted, totals.rejected) == (97 * FEEDS, 3 * FEEDS)
    assert len(await server.documents()) == 97 * FEEDS


async def test_a_reading_the_server_refuses_is_a_dead_letter_and_the_rest_arrives(server, clock):
    server.needs("limit on keys")

    def spoil(number, row):
        if number == 50:
            row[4] = "x" * 2100

    feeds = feeds_of(rows=100, change=spoil)
    await upload(server, clock, feeds)
    assert all(list(feed.dead) == [50] and len(feed.settled) == 99 for feed in feeds)
    assert all(feed.dead[50].startswith("400") for feed in feeds)
    assert len(await server.documents()) == 99 * FEEDS


async def test_the_request_units_are_those_of_the_documents(server, clock):
    server.needs("charges")
    totals = await upload(server, clock, feeds_of())
    assert totals.request_units == pytest.approx(5.33 * ROWS * FEEDS)


async def test_a_document_damaged_on_the_way_is_refused_alone(server, tap, clock):
    def damage(write):
        for document in write.documents:
            if document["sqlite_id"] == 50:
                document.pop("id", None)

    tap.meddle = damage
    feeds = feeds_of(rows=100)
    await upload(server, clock, feeds, endpoint=tap.url)
    assert all(list(feed.dead) == [50] and len(feed.settled) == 99 for feed in feeds)
    assert all(feed.dead[50].startswith("400") for feed in feeds)
    assert len(await server.documents()) == 99 * FEEDS
    assert max(len(write.documents) for write in tap.writes) == 100


async def test_answers_that_are_lost_double_nothing(server, tap, clock):
    tap.lose_answers = 5
    feeds = feeds_of()
    totals = await upload(server, clock, feeds, endpoint=tap.url, hop=0.05)
    assert tap.lose_answers == 0
    assert len(await server.documents()) == ROWS * FEEDS
    assert all(sorted(feed.settled) == list(range(1, ROWS + 1)) for feed in feeds)
    assert totals.already_there >= 5, "what the lost answers were about"


async def test_operations_that_fail_for_now_go_again_until_all_are_there(server, tap, clock):
    dice = random.Random(4)

    def meddle(write):
        if dice.random() < 0.6:
            return None
        count = len(write.documents)
        return {
            position: {"statusCode": dice.choice([408, 429, 449, 503]), "retryAfterMilliseconds": 300}
            for position in dice.sample(range(count), (count + 1) // 2)
        }

    tap.meddle = meddle
    feeds = feeds_of()
    totals = await upload(server, clock, feeds, endpoint=tap.url, hop=0.2)
    found = {(d["sensorId"], d["sqlite_id"]) for d in await server.documents()}
    assert found == documents_of(feeds).keys()
    assert all(sorted(feed.settled) == list(range(1, ROWS + 1)) for feed in feeds)
    assert totals.retried > ROWS * FEEDS / 10
    assert totals.already_there == 0

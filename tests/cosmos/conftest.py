"""Endpoints for the tests of the Cosmos sink: our own, one written by others, and one that is scripted."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme
from aiohttp import web
from pydantic import SecretStr

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.model.clock import SystemClock
from sensor_tui.sync.contract import Answer, Parcel
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from tests.support.components import node_modules

KEY = "YSBrZXkgdGhhdCBvcGVucyBub3RoaW5nIGF0IGFsbA=="
HERE = Path(__file__).parent


@dataclass
class Server:
    """A Cosmos endpoint to test against, and what it can do."""

    url: str
    key: str
    can: frozenset[str]
    ca_file: Path | None = None
    emulator: Emulator | None = None

    def options(self, **changes: Any) -> CosmosOptions:
        given = {"endpoint": self.url, "key": SecretStr(self.key), "ca_file": self.ca_file}
        return CosmosOptions(**(given | changes))


@asynccontextmanager
async def our_endpoint(**settings: Any):
    async with Emulator(EmulatorSettings(**({"port": 0} | settings))) as emulator:
        can = frozenset({"signatures", "charges", "ranges", "throughput", "batch", "key mismatch"})
        yield Server(emulator.url, emulator.key, can, emulator=emulator)


@asynccontextmanager
async def foreign_server(folder: Path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    process = await asyncio.create_subprocess_exec(
        "node",
        HERE / "cosmosdb_server.cjs",
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
        yield Server(f"https://127.0.0.1:{port}", KEY, frozenset(), ca_file=folder / "authority.pem")
    finally:
        process.kill()
        await process.wait()
        process._transport.close()


@pytest.fixture
async def endpoint():
    """Our endpoint, with four partition key ranges."""
    async with our_endpoint() as server:
        yield server


@pytest.fixture
async def endpoint_with():
    """Our endpoint, with settings of one's own."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Server:
            return await stack.enter_async_context(our_endpoint(**settings))

        yield start


@pytest.fixture(
    params=[
        pytest.param("ours", id="our-endpoint"),
        pytest.param("foreign", id="cosmosdb-server", marks=pytest.mark.component("cosmosdb-server")),
    ]
)
async def server(request, tmp_path):
    """Every Cosmos server there is."""
    async with our_endpoint() if request.param == "ours" else foreign_server(tmp_path) as started:
        yield started


@pytest.fixture
async def make_sink():
    """Sinks that are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(options: CosmosOptions) -> CosmosSink:
            sink = CosmosSink(options, SystemClock())
            stack.push_async_callback(sink.close)
            return sink

        yield make


@pytest.fixture
def document() -> Callable[..., dict[str, Any]]:
    """A document as the engine encodes it."""

    def make(number: int, **fields: Any) -> dict[str, Any]:
        made = {
            "id": f"doc-{number:05}",
            "sensorId": "LON_100001",
            "city": "London",
            "temperature": 20 + number / 7,
        }
        return made | {"timestamp": f"2025-08-01T00:{number // 60 % 60:02}:{number % 60:02}.000000Z"} | fields

    return make


def parcels_of(
    sink: CosmosSink, documents: Sequence[dict[str, Any]], missing: object = None
) -> dict[str, list[Parcel]]:
    """Parcels by lane, in the order of the documents."""
    lanes: dict[str, dict[Any, Parcel]] = {}
    for index, document in enumerate(documents):
        route = sink.route(document.get(sink.key_field, missing))
        parcel = lanes.setdefault(route.lane, {}).setdefault(route, Parcel(route, [], [], 0))
        body = orjson.dumps(document)
        parcel.indexes.append(index)
        parcel.bodies.append(body)
        parcel.size += len(route.prefix) + len(body) + sink.limits.overhead
    return {lane: list(parcels.values()) for lane, parcels in lanes.items()}


@pytest.fixture
def parcels():
    """Parcels by lane of documents."""
    return parcels_of


@pytest.fixture
def upload():
    """Send documents, at most a request for each lane, and give the answers by lane."""

    async def send(sink: CosmosSink, documents: Sequence[dict[str, Any]], **more: Any) -> dict[str, Answer]:
        lanes = parcels_of(sink, documents, **more)
        answers = await asyncio.gather(*(sink.send(lane, parcels) for lane, parcels in lanes.items()))
        return dict(zip(lanes, answers, strict=True))

    return send


@pytest.fixture
def peer():
    """Ask Microsoft's JavaScript SDK."""

    async def ask(work: str, question: dict[str, Any]) -> Any:
        process = await asyncio.create_subprocess_exec(
            "node",
            HERE / "peer.cjs",
            work,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"SENSOR_TUI_NODE_MODULES": str(node_modules())},
        )
        answer, _ = await process.communicate(json.dumps(question).encode())
        assert process.returncode == 0
        return json.loads(answer)

    return ask


@dataclass
class Recorded:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Script = Callable[[Recorded], web.StreamResponse | None]


@dataclass
class Scripted:
    """An account with one container that answers as told, and keeps what it was sent."""

    url: str = ""
    ranges: list[dict[str, Any]] = field(default_factory=list)
    container: dict[str, Any] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)
    requests: list[Recorded] = field(default_factory=list)
    script: Script = lambda _: None

    def bulk(self) -> list[Recorded]:
        return [each for each in self.requests if "x-ms-documentdb-partitionkeyrangeid" in each.headers]

    def options(self, **changes: Any) -> CosmosOptions:
        given = {"endpoint": self.url, "key": SecretStr(KEY), "read_timeout": 5.0}
        return CosmosOptions(**(given | changes))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.path.rstrip("/") or "/"
        recorded = Recorded(request.method, path, headers, await request.read())
        self.requests.append(recorded)
        return self.script(recorded) or self.answer(recorded)

    def answer(self, request: Recorded) -> web.StreamResponse:
        if request.path.endswith("/docs"):
            return self.written(request)
        if request.path.endswith("/pkranges"):
            known = request.headers.get("if-none-match") == "1"
            body = None if known else {"PartitionKeyRanges": self.ranges}
            return web.json_response(body, status=304 if known else 200, headers={"etag": "1"})
        fixed = {"/": self.account, "/offers": {"Offers": []}}
        return web.json_response(fixed.get(request.path, self.container))

    def written(self, request: Recorded) -> web.StreamResponse:
        if "x-ms-cosmos-is-batch-request" not in request.headers:
            return web.json_response(orjson.loads(request.body), status=201)
        results = [{"statusCode": 201, "requestCharge": 5.5} for _ in orjson.loads(request.body)]
        return web.json_response(results, status=207, headers={"x-ms-request-charge": "5.5"})


@pytest.fixture
async def scripted():
    """An account that answers as told."""
    started = Scripted()
    runner = web.ServerRunner(web.Server(started.handle), shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    started.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    bounds = ["", "0FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "1FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "FF"]
    started.ranges = [
        {"id": str(number), "minInclusive": low, "maxExclusive": high, "parents": [], "status": "online"}
        for number, (low, high) in enumerate(pairwise(bounds))
    ]
    started.container = {
        "id": "SensorReadings",
        "_rid": "AAAAAA==",
        "_self": "dbs/AAAA/colls/AAAAAA==/",
        "partitionKey": {"paths": ["/city"], "kind": "Hash", "version": 2},
    }
    region = [{"name": "Local", "databaseAccountEndpoint": f"{started.url}/"}]
    started.account = {
        "id": "local",
        "writableLocations": region,
        "readableLocations": region,
        "enableMultipleWriteLocations": False,
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
    }
    yield started
    await runner.cleanup()

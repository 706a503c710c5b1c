"""What the endpoint's tests share: a clock to turn by hand, endpoints, a client of the bare wire."""

import asyncio
import base64
import hmac
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest

from sensor_tui.emulator import Emulator, EmulatorSettings
from sensor_tui.emulator.hashing import effective_key

BULK = {
    "x-ms-cosmos-is-batch-request": "true",
    "x-ms-cosmos-batch-atomic": "false",
    "x-ms-cosmos-batch-continue-on-error": "true",
}
BATCH = {"x-ms-cosmos-is-batch-request": "True", "x-ms-cosmos-batch-atomic": "True"}
QUERY = {"x-ms-documentdb-isquery": "true", "content-type": "application/query+json"}


class HandClock:
    """A clock that stands until it is turned; sleeping on it turns it."""

    def __init__(self) -> None:
        self.time = 1_750_000_000.25
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


@dataclass
class Reply:
    """An answer on the wire."""

    status: int
    headers: Any
    raw: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def substatus(self) -> int:
        return int(self.headers.get("x-ms-substatus", 0))

    @property
    def charge(self) -> float:
        return float(self.headers["x-ms-request-charge"])


class Wire:
    """Requests as the protocol describes them, signed by hand."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession, clock: Any) -> None:
        self.emulator = emulator
        self.session = session
        self.clock = clock
        self.key = emulator.key

    def sign(self, verb: str, kind: str, link: str, date: str) -> str:
        text = f"{verb.lower()}\n{kind}\n{link}\n{date.lower()}\n\n"
        digest = hmac.digest(base64.b64decode(self.key), text.encode(), "sha256")
        return quote(f"type=master&ver=1.0&sig={base64.b64encode(digest).decode()}", "-_.!~*'()")

    async def __call__(self, verb: str, path: str, body: Any = None, **headers: str) -> Reply:
        parts = [part for part in path.split("/") if part]
        kind = parts[-1 if len(parts) % 2 else -2] if parts else ""
        link = "/".join(parts[: len(parts) - len(parts) % 2])
        if kind == "offers":
            link = parts[-1].lower() if len(parts) == 2 else ""
        date = formatdate(self.clock.now(), usegmt=True)
        sent = {
            "x-ms-date": date,
            "x-ms-version": "2020-07-15",
            "authorization": self.sign(verb, kind, link, date),
        }
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        data = None if raw is None else io.BytesIO(raw)
        url = f"{self.emulator.url}/{'/'.join(quote(part, safe='') for part in parts)}"
        async with self.session.request(verb, url, data=data, headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def container(self, name: str = "c", path: str = "/city", version: int | None = 2) -> None:
        """Make database "d" and a container in it."""
        await self("POST", "/dbs", {"id": "d"})
        definition: dict[str, Any] = {"paths": [path], "kind": "Hash"}
        if version is not None:
            definition["version"] = version
        made = await self("POST", "/dbs/d/colls", {"id": name, "partitionKey": definition})
        assert made.status == 201, made.raw

    async def create(self, document: dict[str, Any], **headers: str) -> Reply:
        key = orjson.dumps([document.get("city")]).decode()
        return await self(
            "POST", "/dbs/d/colls/c/docs", document, x_ms_documentdb_partitionkey=key, **headers
        )

    async def read(self, name: str, city: Any, **headers: str) -> Reply:
        key = orjson.dumps([city]).decode()
        return await self("GET", f"/dbs/d/colls/c/docs/{name}", x_ms_documentdb_partitionkey=key, **headers)

    async def bulk(self, operations: Any, range_id: str = "0", **headers: str) -> Reply:
        return await self(
            "POST",
            "/dbs/d/colls/c/docs",
            operations,
            **BULK,
            x_ms_documentdb_partitionkeyrangeid=range_id,
            **headers,
        )

    async def batch(self, operations: Any, city: str = "London") -> Reply:
        key = orjson.dumps([city]).decode()
        return await self(
            "POST", "/dbs/d/colls/c/docs", operations, **BATCH, x_ms_documentdb_partitionkey=key
        )

    async def query(self, text: str, parameters: Any = None, **headers: str) -> Reply:
        body = {"query": text, "parameters": parameters or []}
        return await self("POST", "/dbs/d/colls/c/docs", body, **(QUERY | headers))

    async def ranges(self, **headers: str) -> list[dict[str, Any]]:
        answer = await self("GET", "/dbs/d/colls/c/pkranges", **headers)
        found: list[dict[str, Any]] = answer.json["PartitionKeyRanges"]
        return found


def _create(document: dict[str, Any], kind: str = "Create") -> dict[str, Any]:
    key = orjson.dumps([document.get("city")]).decode()
    return {"operationType": kind, "partitionKey": key, "resourceBody": document}


@pytest.fixture
def create_operation() -> Callable[..., dict[str, Any]]:
    """Makes one operation of a bulk request from a document."""
    return _create


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


Starter = Callable[..., Awaitable[Wire]]


@pytest.fixture
async def start(clock: HandClock) -> AsyncIterator[Starter]:
    """Starts an endpoint with a container "d"/"c" and gives its wire; keyword arguments are settings."""
    running: list[tuple[Emulator, aiohttp.ClientSession]] = []

    async def begin(*, made: bool = True, by: Any = clock, **options: Any) -> Wire:
        settings = replace(EmulatorSettings(port=0), **options)
        emulator = Emulator(settings, clock=by)
        await emulator.start()
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        running.append((emulator, session))
        wire = Wire(emulator, session, by or clock)
        if made:
            await wire.container()
        return wire

    yield begin
    for emulator, session in running:
        await session.close()
        await emulator.stop()


@pytest.fixture
async def wire(start: Starter) -> Wire:
    """An endpoint in memory with container "d"/"c" (key /city, 4 ranges), unlimited."""
    return await start()


def _cities(wire: Wire) -> dict[str, list[str]]:
    container = wire.emulator.container("d", "c")
    found: dict[str, list[str]] = {one.id: [] for one in container.ranges}
    for number in range(200):
        name = f"city-{number}"
        found[container.range_of(effective_key(f'"{name}', 2)).id].append(name)
    return found


@pytest.fixture
def cities_of() -> Callable[[Wire], dict[str, list[str]]]:
    """Gives partition keys by the range they lie in: {range id: ["city-…", …]}."""
    return _cities


@pytest.fixture
def cities(wire: Wire) -> dict[str, list[str]]:
    """The same for `wire`."""
    return _cities(wire)

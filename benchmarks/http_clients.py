"""What one HTTP client costs per document: bulk-sized POSTs to a null endpoint in another process.

Run it with `python -m benchmarks.http_clients [--requests N] [--concurrency N]`. The figure is the client
process's own CPU time (user and system) per document, which does not depend on the endpoint's speed.
`sink` is the whole of `CosmosSink.send`: body put together, signed, sent, answer read.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import httpx
import orjson
from multidict import CIMultiDict
from pydantic import SecretStr
from yarl import URL

from sensor_tui.model.clock import SystemClock
from sensor_tui.sync.contract import Parcel, Route
from sensor_tui.sync.sinks.cosmos.auth import KeySigner
from sensor_tui.sync.sinks.cosmos.connection import Connection
from sensor_tui.sync.sinks.cosmos.options import CosmosOptions
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from sensor_tui.sync.sinks.cosmos.wire import BULK_HEADERS, RANGE_HEADER, bulk_body, prefix_of

DOCUMENTS = 100
PATH = "/dbs/SensorData/colls/SensorReadings/docs"
KEY = "a2V5IGZvciBhIG51bGwgZW5kcG9pbnQ="
RESULT = {"statusCode": 201, "requestCharge": 5.9, "eTag": '"00000000-0000-0000-0000-000000000000"'}
HEADERS = {
    **BULK_HEADERS,
    RANGE_HEADER: "0",
    "authorization": "type%3Dmaster%26ver%3D1.0%26sig%3D" + "x" * 44,
    "x-ms-date": "Fri, 01 Aug 2025 00:00:00 GMT",
    "x-ms-version": "2020-07-15",
    "accept": "application/json",
    "user-agent": "sensor-tui",
}
Post = Callable[[], Awaitable[int]]


class NullEndpoint(asyncio.Protocol):
    """Answers every POST with a fixed 207, and throws the body away."""

    answer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = bytearray()
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        while data:
            if self.missing:
                taken = min(self.missing, len(data))
                self.missing -= taken
                data = data[taken:]
                if not self.missing:
                    self.transport.write(self.answer)
                continue
            self.buffer += data
            head, found, rest = bytes(self.buffer).partition(b"\r\n\r\n")
            if not found:
                return
            self.buffer.clear()
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            self.missing = int(length)
            data = rest


async def serve() -> None:
    body = orjson.dumps([RESULT] * DOCUMENTS)
    NullEndpoint.answer = (
        b"HTTP/1.1 207 Multi-Status\r\ncontent-type: application/json\r\nx-ms-request-charge: 590\r\n"
        b"x-ms-activity-id: 00000000-0000-0000-0000-000000000000\r\ndate: Fri, 01 Aug 2025 00:00:00 GMT\r\n"
        b"x-ms-session-token: 0:-1#1\r\ncontent-length: " + str(len(body)).encode() + b"\r\n\r\n" + body
    )
    server = await asyncio.get_running_loop().create_server(NullEndpoint, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def documents() -> list[bytes]:
    return [
        orjson.dumps(
            {
                "id": f"{number:032x}",
                "sensorId": "LON_100001",
                "timestamp": "2025-08-01T00:00:00.000000Z",
                "city": "London",
                "location": "London",
                "temperature": 21.0625 + number / 7,
                "humidity": 55.1 + number / 3,
                "pressure": 1013.25,
                "vibration": 0.1 * number,
                "voltage": 12.01,
                "statusCode": 0,
                "anomalyFlag": False,
                "firmwareVersion": "1.4.2",
                "model": "EnviroSense-3000",
                "manufacturer": "SensorTech",
                "latitude": 51.5074,
                "longitude": -0.1278,
                "sqlite_id": number,
                "serialNumber": "ST-1234-5678",
                "deploymentType": "fixed",
                "originalTimezone": "+00:00",
                "installationDate": "2024-03-15",
                "processingStage": "Raw",
            }
        )
        for number in range(DOCUMENTS)
    ]


class BareProtocol(asyncio.Protocol):
    """The least that HTTP/1.1 can cost: one request at a time on one connection, no error handling."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.pieces: list[bytes] = []
        self.have = 0
        self.need = 0
        self.waiter: asyncio.Future[bytes] | None = None

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)
        self.have += len(data)
        if not self.need:
            head, found, _ = b"".join(self.pieces).partition(b"\r\n\r\n")
            if not found:
                return
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            self.need = len(head) + 4 + int(length)
        if self.have == self.need and self.waiter is not None:
            answer = b"".join(self.pieces)
            self.pieces.clear()
            self.have = self.need = 0
            self.waiter.set_result(answer)

    async def post(self, head: bytes, body: bytes) -> bytes:
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.writelines((head, body))
        return await self.waiter


async def bare(port: int, body: bytes, _stack: AsyncExitStack) -> Post:
    head = f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items()) + "\r\n"
    pool: list[BareProtocol] = []
    loop = asyncio.get_running_loop()

    async def post() -> int:
        if pool:
            connection = pool.pop()
        else:
            _, connection = await loop.create_connection(BareProtocol, "127.0.0.1", port)
        answer = await connection.post(head.encode(), body)
        pool.append(connection)
        return len(answer)

    return post


async def aiohttp_plain(port: int, body: bytes, stack: AsyncExitStack) -> Post:
    session = await stack.enter_async_context(aiohttp.ClientSession())
    url = f"http://127.0.0.1:{port}{PATH}"

    async def post() -> int:
        async with session.post(url, data=body, headers=HEADERS) as response:
            return len(await response.read())

    return post


async def aiohttp_tuned(port: int, body: bytes, stack: AsyncExitStack) -> Post:
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=65),
            auto_decompress=False,
        )
    )
    url = URL(f"http://127.0.0.1:{port}{PATH}", encoded=True)
    headers = CIMultiDict(HEADERS)

    async def post() -> int:
        async with session.post(
            url, data=body, headers=headers, skip_auto_headers=("Accept-Encoding",), allow_redirects=False
        ) as response:
            return len(await response.read())

    return post


async def httpx_h11(port: int, body: bytes, stack: AsyncExitStack) -> Post:
    client = await stack.enter_async_context(httpx.AsyncClient(limits=httpx.Limits(), timeout=65))
    url = f"http://127.0.0.1:{port}{PATH}"

    async def post() -> int:
        return len((await client.post(url, content=body, headers=HEADERS)).content)

    return post


async def connection(port: int, body: bytes, stack: AsyncExitStack) -> Post:
    options = CosmosOptions(endpoint=f"http://127.0.0.1:{port}", key=SecretStr(KEY))
    ours = Connection(options, KeySigner(KEY, SystemClock()))
    await ours.open()
    stack.push_async_callback(ours.close)

    async def post() -> int:
        return len((await ours.post_documents({**BULK_HEADERS, RANGE_HEADER: "0"}, body)).body)

    return post


async def sink(port: int, _body: bytes, stack: AsyncExitStack) -> Post:
    ours = CosmosSink(CosmosOptions(endpoint=f"http://127.0.0.1:{port}", key=SecretStr(KEY)), SystemClock())
    await ours._connection.open()  # noqa: SLF001 - there is no account to open here
    stack.push_async_callback(ours.close)
    parcels = [parcel()]

    async def post() -> int:
        answer = await ours.send("0", parcels)
        assert answer.cost == 590
        assert answer.exceptions is None
        return 1

    return post


def parcel() -> Parcel:
    return Parcel(Route("0", prefix_of("London")), range(DOCUMENTS), documents(), 0)


CLIENTS: dict[str, Callable[[int, bytes, AsyncExitStack], Awaitable[Post]]] = {
    "bare": bare,
    "aiohttp, as it comes": aiohttp_plain,
    "aiohttp, tuned": aiohttp_tuned,
    "httpx": httpx_h11,
    "connection": connection,
    "sink": sink,
}


async def measure(client: str, port: int, requests: int, concurrency: int) -> dict[str, float]:
    body = bulk_body([parcel()])
    async with AsyncExitStack() as stack:
        post = await CLIENTS[client](port, body, stack)

        async def worker(count: int) -> None:
            for _ in range(count):
                await post()

        await asyncio.gather(*(worker(10) for _ in range(concurrency)))
        cpu, wall = time.process_time(), time.perf_counter()
        await asyncio.gather(*(worker(requests // concurrency) for _ in range(concurrency)))
        done = requests // concurrency * concurrency * DOCUMENTS
        return {
            "cpu_us_per_document": (time.process_time() - cpu) / done * 1e6,
            "documents_per_second": done / (time.perf_counter() - wall),
            "request_bytes": len(body),
        }


def run(loop: str, work: Any) -> Any:
    if loop == "uvloop":
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1600)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--only", choices=list(CLIENTS))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=3, metavar=("CLIENT", "LOOP", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        run("uvloop", serve())
        return
    if options.measure:
        client, loop, port = options.measure
        print(json.dumps(run(loop, measure(client, int(port), options.requests, options.concurrency))))
        return
    me = [sys.executable, "-m", "benchmarks.http_clients"]
    endpoint = subprocess.Popen([*me, "--serve"], stdout=subprocess.PIPE, text=True)
    try:
        assert endpoint.stdout is not None
        port = endpoint.stdout.readline().strip()
        print(f"{'client':<24}{'loop':<10}{'CPU us/document':>16}{'documents/s':>14}")
        for client in [options.only] if options.only else CLIENTS:
            for loop in ("asyncio", "uvloop"):
                one = [*me, "--measure", client, loop, port]
                one += ["--requests", str(options.requests), "--concurrency", str(options.concurrency)]
                found = json.loads(subprocess.run(one, check=True, capture_output=True, text=True).stdout)
                cpu, rate = found["cpu_us_per_document"], found["documents_per_second"]
                print(f"{client:<24}{loop:<10}{cpu:>16.2f}{rate:>14,.0f}")
        print(f"request: {DOCUMENTS} documents, {found['request_bytes']:,} bytes")
    finally:
        endpoint.terminate()
        endpoint.wait()


if __name__ == "__main__":
    main()

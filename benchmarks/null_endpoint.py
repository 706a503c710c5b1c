"""An endpoint that answers every write with success and keeps nothing: what is left is the client's cost.

Run as `python -m benchmarks.null_endpoint`; prints its port. It speaks just enough of the Cosmos DB REST
API for every writer measured here: account, database, container, key ranges, create, batch, bulk.
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Final

RANGES: Final = 4
_CREATED: Final = b'{"statusCode":201,"subStatusCode":0,"requestCharge":5.71,"eTag":"\\"0000\\""}'
_ANSWERS: Final = {count: b"[" + b",".join([_CREATED] * count) + b"]" for count in range(101)}
_COMMON: Final = "x-ms-request-charge: 5.71\r\nx-ms-activity-id: 0\r\nx-ms-session-token: 0:-1#1\r\n"

_OFFER: Final = {
    "id": "null",
    "_rid": "null",
    "_self": "offers/null/",
    "resource": "dbs/AAAAAA==/colls/AAAAAKXQAAA=/",
    "offerResourceId": "AAAAAKXQAAA=",
    "offerVersion": "V2",
    "content": {"offerThroughput": 100_000},
}


def _account(port: int) -> dict[str, object]:
    here = [{"name": "here", "databaseAccountEndpoint": f"http://127.0.0.1:{port}/"}]
    return {
        "_self": "",
        "id": "null",
        "_rid": "null",
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": here,
        "readableLocations": here,
        "enableMultipleWriteLocations": False,
        "userReplicationPolicy": {"asyncReplication": False, "minReplicaSetSize": 1, "maxReplicasetSize": 4},
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "systemReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 4},
        "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
        "queryEngineConfiguration": "{}",
    }


def _container() -> dict[str, object]:
    return {
        "id": "SensorReadings",
        "_rid": "AAAAAKXQAAA=",
        "_self": "dbs/AAAAAA==/colls/AAAAAKXQAAA=/",
        "_etag": '"0"',
        "_ts": 0,
        "partitionKey": {"paths": ["/city"], "kind": "Hash", "version": 2},
        "indexingPolicy": {"indexingMode": "none", "automatic": False},
    }


def _ranges() -> dict[str, object]:
    step = 0x40 // RANGES
    bounds = ["", *(f"{number * step:02X}" + "0" * 30 for number in range(1, RANGES)), "FF"]
    each = [
        {
            "id": str(number),
            "_rid": f"range{number}",
            "minInclusive": bounds[number],
            "maxExclusive": bounds[number + 1],
            "status": "online",
            "parents": [],
        }
        for number in range(RANGES)
    ]
    return {"_rid": "AAAAAKXQAAA=", "PartitionKeyRanges": each, "_count": RANGES}


class NullEndpoint(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, by hand: the server must not be what is measured."""

    port = 0
    documents = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            length = 0
            if (at := head.find(b"content-length:")) >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.answer(head, body)

    def answer(self, head: bytes, body: bytes) -> None:
        method, path, _ = head.split(b"\r\n", 1)[0].split(b" ")
        path = path.split(b"?")[0].strip(b"/")
        if method == b"post" and path.endswith(b"/docs"):
            self.write(head, body)
        elif path.endswith(b"pkranges"):
            if b"if-none-match" in head:
                self.send("304 Not Modified", b"", 'etag: "1"\r\n')
            else:
                self.send("200 OK", json.dumps(_ranges()).encode(), 'etag: "1"\r\n')
        elif path == b"":
            self.send("200 OK", json.dumps(_account(NullEndpoint.port)).encode())
        elif path == b"offers":
            self.send("200 OK", json.dumps({"_rid": "", "Offers": [_OFFER], "_count": 1}).encode())
        elif b"/colls/" in path:
            self.send("200 OK", json.dumps(_container()).encode())
        else:
            self.send("200 OK", b'{"id":"SensorData","_rid":"AAAAAA==","_self":"dbs/AAAAAA==/"}')

    def write(self, head: bytes, body: bytes) -> None:
        if b"x-ms-cosmos-is-batch-request: true" in head:
            count = body.count(b'"operationType"')
            NullEndpoint.documents += count
            status = "200 OK" if b"x-ms-cosmos-batch-atomic: true" in head else "207 Multi-Status"
            self.send(status, _ANSWERS[count])
        else:
            NullEndpoint.documents += 1
            self.send("201 Created", body)

    def send(self, status: str, body: bytes, extra: str = "") -> None:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n{_COMMON}{extra}\r\n"
        )
        self.transport.write(head.encode() + body)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(NullEndpoint, "127.0.0.1", 0)
    NullEndpoint.port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"{NullEndpoint.port}\n")
    sys.stdout.flush()
    # the parent's end of the pipe closing is the word to stop
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve())

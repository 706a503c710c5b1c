"""A tap on the wire: passes requests on, keeps what was sent, and meddles with what writes documents."""

import asyncio
import io
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from sensor_tui.model.clock import Clock

Result = dict[str, Any]
"""What became of one operation, as the service writes it into a bulk answer."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer to a whole request, which is then not passed on."""

    status: int
    body: bytes = b'{"code":"Meddled","message":"so the test wants it"}'
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Write:
    """One request that writes documents: when it came (monotonic seconds), to which range, with what."""

    at: float
    range_id: str | None
    documents: list[dict[str, Any]]

    @property
    def row_ids(self) -> list[int]:
        """Which readings it carried."""
        return [document["sqlite_id"] for document in self.documents]


Meddle = Callable[[Write], Whole | dict[int, Result] | None]
"""What to do to a request: answer it, answer some of its operations (by position), or (None) leave it alone.

Documents of a bulk request may also be damaged on the way, in place.
"""


class Tap:
    """`writes` holds every request that carried documents, in order of arrival."""

    def __init__(self, target: str, clock: Clock, *, ca_file: Path | None = None) -> None:
        self.lose_answers = 0
        """So many answers to come are lost: the request is carried out, and the connection breaks."""
        self._ca_file = ca_file
        self.writes: list[Write] = []
        self.meddle: Meddle = lambda _: None
        self.url = ""
        self._target = target
        self._clock = clock
        self._runner = web.ServerRunner(
            web.Server(self._handle, request_factory=_request), shutdown_timeout=0.1
        )
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        trust = ssl.create_default_context(cafile=self._ca_file)
        connector = aiohttp.TCPConnector(limit=0, ssl=trust)
        self._session = aiohttp.ClientSession(auto_decompress=False, connector=connector)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        answered: dict[int, Result] = {}
        if request.method == "POST" and request.path.rstrip("/").endswith("/docs"):
            content = orjson.loads(body)
            bulk = isinstance(content, list)
            documents = [each["resourceBody"] for each in content] if bulk else [content]
            range_id = request.headers.get("x-ms-documentdb-partitionkeyrangeid")
            write = Write(self._clock.monotonic(), range_id, documents)
            self.writes.append(write)
            verdict = self.meddle(write)
            if isinstance(verdict, Whole):
                return web.Response(status=verdict.status, body=verdict.body, headers=verdict.headers)
            if bulk:
                answered = verdict or {}
                left = [each for position, each in enumerate(content) if position not in answered]
                if not left:
                    return _bulk_response([answered[position] for position in range(len(content))])
                body = orjson.dumps(left)
            if self.lose_answers:
                self.lose_answers -= 1
                await self._pass_on(request, body, {})
                _cut(request)
                return web.Response()
        return await self._pass_on(request, body, answered)

    async def _pass_on(
        self, request: web.BaseRequest, body: bytes, answered: dict[int, Result]
    ) -> web.StreamResponse:
        assert self._session is not None
        headers = request.headers.copy()
        headers["Content-Length"] = str(len(body))
        try:
            async with self._session.request(
                request.method,
                self._target + request.path_qs,
                data=io.BytesIO(body),
                headers=headers,
                allow_redirects=False,
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, asyncio.IncompleteReadError):
            _cut(request)
            return web.Response()
        if answered and response.status in {200, 207}:
            results = iter(orjson.loads(content))
            count = len(answered) + len(orjson.loads(body))
            return _bulk_response(
                [answered[position] if position in answered else next(results) for position in range(count)]
            )
        kept = {name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP}
        return web.Response(status=response.status, body=content, headers=kept)


_MOST_BYTES = 4 * 1024 * 1024
_HOP_BY_HOP = {"content-length", "transfer-encoding", "connection", "date", "server"}


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _request(*parts: Any) -> web.BaseRequest:
    return web.BaseRequest(*parts, asyncio.get_running_loop(), client_max_size=_MOST_BYTES)


def _bulk_response(results: list[Result]) -> web.Response:
    charge = sum(result.get("requestCharge", 0.0) for result in results)
    headers = {"x-ms-request-charge": f"{charge:.2f}", "content-type": "application/json"}
    return web.Response(status=207, body=orjson.dumps(results), headers=headers)

"""HTTP: from a request on the wire to an answer on it, with authorization and scripted faults between."""

import asyncio
import logging
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiohttp import ClientPayloadError, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from sensor_tui.emulator.answers import (
    JSON,
    TOO_LARGE,
    Answer,
    CosmosError,
    bad_request,
    range_gone,
    throttled,
)
from sensor_tui.emulator.auth import Gate
from sensor_tui.emulator.batch import MAX_REQUEST
from sensor_tui.emulator.budget import Budgets
from sensor_tui.emulator.catalog import Container, Range
from sensor_tui.emulator.documents import KEY, RANGE_ID, Documents, check_intended
from sensor_tui.emulator.faults import Fault, Faults
from sensor_tui.emulator.operations import parse_key
from sensor_tui.emulator.query.service import Queries
from sensor_tui.emulator.requests import Request, parse_path
from sensor_tui.emulator.resources import Resources, method_not_allowed
from sensor_tui.emulator.store import Store
from sensor_tui.model.clock import Clock

_ACTIVITY = re.compile(r"[0-9A-Za-z-]{1,64}").fullmatch

log = logging.getLogger(__name__)

MAX_BODY = 2 * MAX_REQUEST
MAX_FIELD = 64 * 1024
SERVICE_VERSION = "version=2.14.0"

ITEM_KINDS = {"GET": "read", "PUT": "replace", "DELETE": "delete", "PATCH": "patch"}
RESOURCE_KINDS = {"dbs": "databases", "colls": "containers", "offers": "offers", "pkranges": "pkranges"}


class Dispatcher:
    """Answers requests.

    The kinds a fault can name: account, databases, containers, pkranges, offers, create, upsert, replace,
    read, delete, patch, feed, query, plan, batch, bulk.
    """

    def __init__(
        self, store: Store, budgets: Budgets, faults: Faults, gate: Gate, resources: Resources, clock: Clock
    ) -> None:
        self._store = store
        self._budgets = budgets
        self._faults = faults
        self._gate = gate
        self._resources = resources
        self._clock = clock
        self._documents = Documents(store, budgets)
        self._queries = Queries(store, budgets, self._documents)

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request; whatever is wrong with it, the answer is JSON."""
        activity_id = http.headers.get("x-ms-activity-id", "")
        if _ACTIVITY(activity_id) is None:
            activity_id = str(uuid4())
        fault: Fault | None = None
        try:
            request = await self._read(http, activity_id)
            kind, container = self._kind(request)
            fault = self._faults.find(kind, self._range_id(container, request))
            if fault is not None:
                await self._before(fault, http, container, request)
            answer = await self._dispatch(kind, request)
            if fault is not None and fault.action == "hold" and fault.when == "after":
                await self._held(fault, http)
        except CosmosError as error:
            answer = error.answer(activity_id)
        except _Reset:
            return web.Response()
        if fault is not None:
            if fault.action == "reset":
                _reset(http)
                return web.Response()
            if fault.action == "truncate":
                return await self._truncated(http, answer, activity_id)
        return web.Response(
            status=answer.status, body=answer.body, headers=self._headers(answer, activity_id)
        )

    def _headers(self, answer: Answer, activity_id: str) -> dict[str, str]:
        headers = answer.headers
        headers["x-ms-request-charge"] = f"{answer.charge:.2f}"
        headers["x-ms-activity-id"] = activity_id
        headers["x-ms-serviceversion"] = SERVICE_VERSION
        headers["x-ms-gatewayversion"] = SERVICE_VERSION
        if answer.body:
            headers.setdefault("content-type", JSON)
        return headers

    async def _read(self, http: web.BaseRequest, activity_id: str) -> Request:
        kind, names, item, links = parse_path(http.rel_url.raw_path)
        headers = http.headers
        if (http.content_length or 0) > MAX_BODY:
            raise CosmosError(413, TOO_LARGE)
        try:
            body = await http.read() if http.body_exists else b""
        except web.HTTPRequestEntityTooLarge:
            raise CosmosError(413, TOO_LARGE) from None
        except (web.RequestPayloadError, ClientPayloadError, ConnectionError):
            raise bad_request("The request body did not arrive whole") from None
        now = self._clock.now()
        self._gate.check(headers, http.method, kind, links, now)
        origin = f"{http.scheme}://{http.host}"
        return Request(http.method, kind, names, item, headers, body, origin, activity_id, links, now)

    def _kind(self, request: Request) -> tuple[str, Container | None]:
        """What a request does, in the words a fault uses, and the container it does it to."""
        if request.kind == "":
            return "account", None
        if request.kind != "docs":
            container = None
            if request.kind == "pkranges" or (
                request.kind == "colls" and request.item and request.verb != "GET"
            ):
                container = self._resources.container(request)
            return RESOURCE_KINDS[request.kind], container
        container = self._resources.container(request)
        check_intended(container, request)
        return _document_kind(request), container

    def _range_id(self, container: Container | None, request: Request) -> str | None:
        """The range a request addresses, by id or by key, where that can be said."""
        given = request.headers.get(RANGE_ID)
        if given is None and container is not None:
            text = request.headers.get(KEY)
            if text is not None:
                try:
                    return container.range_of(parse_key(text, container.version).epk).id
                except CosmosError:
                    return None
        return given

    async def _before(
        self, fault: Fault, http: web.BaseRequest, container: Container | None, request: Request
    ) -> None:
        """What a fault does to a request before it is done.

        Raises:
            CosmosError: it is not to be done at all.
            _Reset: nor answered.
        """
        if fault.action == "answer":
            words = f"Scripted fault: {fault.status}/{fault.substatus}"
            raise CosmosError(
                fault.status, words, substatus=fault.substatus, retry_after_ms=fault.retry_after_ms
            )
        if fault.action == "throttle":
            if fault.operations is None:
                raise throttled(fault.retry_after_ms or 0)
            request.fault_operations = frozenset(fault.operations)
            request.fault_retry_after_ms = fault.retry_after_ms or 0
        elif fault.action == "split":
            one = self._addressed(container, request)
            if container is not None and one is not None:
                self.split(container, one)
                raise range_gone(one.id)
        elif fault.action == "reset" and fault.when == "before":
            _reset(http)
            raise _Reset
        elif fault.action == "delay":
            await self._clock.sleep(fault.seconds)
        elif fault.action == "hold" and fault.when == "before":
            await self._held(fault, http)

    async def _held(self, fault: Fault, http: web.BaseRequest) -> None:
        """Wait until a held request is let go; when the endpoint stops instead, break it off.

        Raises:
            _Reset: it stops.
        """
        await fault.release.wait()
        if self._faults.closed:
            _reset(http)
            raise _Reset

    def _addressed(self, container: Container | None, request: Request) -> Range | None:
        if container is None:
            return None
        range_id = self._range_id(container, request)
        return container.ranges[0] if range_id is None else container.range_by_id(range_id)

    def split(self, container: Container, one: Range) -> tuple[Range, Range]:
        """Split a range, and its budget with it."""
        children = self._store.split(container, one)
        self._budgets.split(container, one, children)
        return children

    async def _dispatch(self, kind: str, request: Request) -> Answer:
        if request.kind != "docs":
            return self._resources.handle(request, self._queries.select)
        # While a fault held this request the container may have gone, or been made anew.
        container = self._resources.container(request)
        check_intended(container, request)
        if kind in {"bulk", "batch"}:
            return self._documents.many(container, request)
        if kind == "feed":
            return self._documents.feed(container, request)
        if kind == "plan":
            return self._queries.plan(container, request)
        if kind == "query":
            return await self._queries.run(container, request)
        return self._documents.single(container, request)

    async def _truncated(self, http: web.BaseRequest, answer: Answer, activity_id: str) -> web.StreamResponse:
        """Send the head, half of the body, and break off."""
        response = web.StreamResponse(status=answer.status, headers=self._headers(answer, activity_id))
        response.content_length = max(2, len(answer.body))
        await response.prepare(http)
        await response.write(answer.body[: len(answer.body) // 2] or b"[")
        if http.transport is not None:
            http.transport.close()
        return response


def _document_kind(request: Request) -> str:
    """What a request to documents does.

    Raises:
        CosmosError: 405, nothing.
    """
    if request.item:
        kind = ITEM_KINDS.get(request.verb, "")
    elif request.verb == "POST":
        kind = _post_kind(request)
    else:
        kind = "feed" if request.verb == "GET" else ""
    if not kind:
        raise method_not_allowed(request)
    return kind


def _post_kind(request: Request) -> str:
    if request.flag("x-ms-cosmos-is-batch-request"):
        return "batch" if request.flag("x-ms-cosmos-batch-atomic") else "bulk"
    if request.flag("x-ms-cosmos-is-query-plan-request"):
        return "plan"
    if request.is_query:
        return "query"
    return "upsert" if request.flag("x-ms-documentdb-is-upsert") else "create"


class _Reset(Exception):
    """The connection was broken on purpose; there is nobody to answer."""


def _reset(http: web.BaseRequest) -> None:
    """Break a connection with a TCP reset."""
    transport = http.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


class _Connection(RequestHandler):
    """A connection whose protocol errors are answered in JSON, like every other error."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500:  # noqa: PLR2004
            log.error("A request could not be answered", exc_info=exc)
            message = "The endpoint failed to answer this request; its log says why"
        answer = CosmosError(status, message or "The request is not valid HTTP").answer("")
        response = web.Response(status=status, body=answer.body, content_type=JSON)
        response.force_close()
        return response


class HttpServer(web.Server):
    """aiohttp's low-level server: one handler, no router."""

    def __init__(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> None:
        def make(
            message: RawRequestMessage,
            payload: StreamReader,
            protocol: RequestHandler,
            writer: AbstractStreamWriter,
            task: "asyncio.Task[None]",
        ) -> web.BaseRequest:
            loop = asyncio.get_running_loop()
            return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)

        super().__init__(handler, request_factory=make)

    def __call__(self) -> RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            max_field_size=MAX_FIELD,
            max_line_size=MAX_FIELD,
            keepalive_timeout=300,
        )

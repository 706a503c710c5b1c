"""The HTTP API: on the service's socket, and on TCP where that was asked for.

Whatever is wrong with a request, the answer is JSON (`wire.Problem`). Nothing a peer sends is trusted:
bodies are small and validated, and a browser's request is refused, since no page of ours sends one.
"""

import asyncio
import hmac
import ipaddress
import logging
import os
import pwd
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from aiohttp import web
from pydantic import SecretStr, ValidationError

from sensor_tui import __version__
from sensor_tui.errors import SensorTuiError, ServiceError, UsageError
from sensor_tui.model.progress import EngineState
from sensor_tui.service.actions import Actions
from sensor_tui.service.caller import adapter
from sensor_tui.service.letters import LIST_FIX
from sensor_tui.service.merge import epoch
from sensor_tui.service.wire import PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER, HealthReport, Problem, Wire
from sensor_tui.service.wire_asks import DrainChoice, LetterChoice, LetterFilter, SyncChoice

log = logging.getLogger(__name__)

W = TypeVar("W", bound=Wire)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LARGEST_BODY: Final = 256 * 1024
_LONGEST_LINE: Final = 64 * 1024
"""The logs of a thousand units are asked for in one line."""
_LARGEST_PAGE: Final = 1000
_USUAL_PAGE: Final = 100
_PEER_CREDENTIALS: Final = struct.Struct("3i")
_HEALTHY: Final = frozenset({EngineState.RUNNING, EngineState.IDLE, EngineState.PAUSED})
_HEADERS: Final = {PROTOCOL_HEADER: str(PROTOCOL), VERSION_HEADER: __version__}
_CLOSE_SECONDS: Final = 2.0


class RouteTable(Protocol):
    """Further paths of the API."""

    def table(self) -> list[web.RouteDef]:
        """Every path there is."""
        ...


class Server:
    """Serves the actions until closed, and whatever else it is given."""

    def __init__(self, actions: Actions, *further: RouteTable) -> None:
        self._actions = actions
        self._further = further
        self._runners: list[web.AppRunner] = []

    async def serve_socket(self, listener: socket.socket) -> None:
        """Answer on a Unix socket that is bound already; its permissions say who may ask."""
        runner = await self._runner(token=None, loopback=False)
        await web.SockSite(runner, listener).start()

    async def serve_tcp(self, address: tuple[str, int], token: SecretStr | None) -> tuple[str, int]:
        """Answer on TCP as well; the address it became.

        Raises:
            UsageError: others could reach it and there is no token.
            ServiceError: the address cannot be had.
        """
        host, port = address
        loopback = is_loopback(host)
        if token is None and not loopback:
            raise UsageError(
                f"--listen {host}:{port} can be reached from other machines, and there is no token",
                fix="Set service.token (SERVICE_TOKEN), or listen on 127.0.0.1",
            )
        runner = await self._runner(token=token, loopback=loopback)
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ServiceError(
                f"Cannot listen on {host}:{port}: {error.strerror}", fix="Choose another address"
            ) from error
        bound = runner.addresses[0]
        return str(bound[0]), int(bound[1])

    async def close(self) -> None:
        """Say goodbye to who listens to events, and stop answering."""
        self._actions.board.close()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()

    async def _runner(self, *, token: SecretStr | None, loopback: bool) -> web.AppRunner:
        gate = _Gate(token, loopback=loopback)
        app = web.Application(middlewares=[_answer_in_json, gate.check], client_max_size=_LARGEST_BODY)
        for routes in (Routes(self._actions), *self._further):
            app.add_routes(routes.table())
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_CLOSE_SECONDS,
            handle_signals=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        await runner.setup()
        self._runners.append(runner)
        return runner


class Routes:
    """Requests turned into actions, and what came of them into answers."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def table(self) -> list[web.RouteDef]:
        """Every path there is."""
        return [
            web.get("/healthcheck", self.healthcheck),
            web.get("/metrics", self.metrics),
            web.get("/v1/status", self.status),
            web.get("/v1/events", self.events),
            web.get("/v1/throughput", self.throughput),
            web.post("/v1/pause", self.pause),
            web.post("/v1/resume", self.resume),
            web.post("/v1/sync", self.sync),
            web.post("/v1/drain", self.drain),
            web.get("/v1/deadletters", self.letters),
            web.post("/v1/deadletters/retry", self.retry),
            web.post("/v1/deadletters/drop", self.drop),
            web.get("/v1/deadletters/{id}", self.letter),
        ]

    async def healthcheck(self, _: web.Request) -> web.Response:
        engine = self._actions.board.head().engine
        ok = engine.state in _HEALTHY
        report = HealthReport(ok=ok, state=engine.state, reason=engine.reason, version=__version__)
        return json_answer(report, status=200 if ok else 503)

    async def metrics(self, _: web.Request) -> web.Response:
        from sensor_tui.service.metrics import CONTENT_TYPE, render

        text = self._actions.board.metrics(render)
        return web.Response(body=text, headers={**_HEADERS, "Content-Type": CONTENT_TYPE})

    async def status(self, _: web.Request) -> web.Response:
        return _answer(self._actions.board.status_json())

    async def events(self, request: web.Request) -> web.StreamResponse:
        since = number_of(request, "since", default=None, most=2**63 - 1)
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "application/x-ndjson"})
        response.headers["Cache-Control"] = "no-store"
        await response.prepare(request)
        try:
            async for line in self._actions.board.events(since=since, instance=request.query.get("instance")):
                await response.write(line)
        except ConnectionResetError:
            return response
        await response.write_eof()
        return response

    async def throughput(self, request: web.Request) -> web.Response:
        text = request.query.get("since")
        try:
            since = epoch(text) or 0.0
        except (ValueError, OverflowError):
            raise BadRequest("since: a time in ISO 8601 is expected") from None
        return json_answer(await self._actions.throughput(since))

    async def pause(self, request: web.Request) -> web.Response:
        return json_answer(await self._actions.pause(who_asks(request)))

    async def resume(self, request: web.Request) -> web.Response:
        return json_answer(await self._actions.resume(who_asks(request)))

    async def sync(self, request: web.Request) -> web.Response:
        choice = await read_body(request, SyncChoice)
        return json_answer(await self._actions.sync(who_asks(request), quiet=choice.quiet))

    async def drain(self, request: web.Request) -> web.Response:
        choice = await read_body(request, DrainChoice)
        return json_answer(await self._actions.drain(who_asks(request), stop=choice.stop, now=choice.now))

    async def letters(self, request: web.Request) -> web.Response:
        limit = number_of(request, "limit", default=_USUAL_PAGE, least=1, most=_LARGEST_PAGE)
        offset = number_of(request, "offset", default=0, most=2**31)
        query = {name: value for name, value in request.query.items() if name in LetterFilter.model_fields}
        return json_answer(
            await self._actions.letters(LetterFilter(**query), offset=offset or 0, limit=limit or _USUAL_PAGE)
        )

    async def letter(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
            raise BadRequest("the id of a dead letter is a number")
        found = await self._actions.letter(int(text))
        if found is None:
            raise BadRequest(f"There is no dead letter {text}", status=404, fix=LIST_FIX)
        return json_answer(found)

    async def retry(self, request: web.Request) -> web.Response:
        choice = await read_body(request, LetterChoice)
        return json_answer(await self._actions.retry(who_asks(request), choice.ids))

    async def drop(self, request: web.Request) -> web.Response:
        choice = await read_body(request, LetterChoice)
        return json_answer(await self._actions.drop(who_asks(request), choice.ids))


class BadRequest(Exception):
    """A request that is answered with a problem."""

    def __init__(self, message: str, *, status: int = 400, fix: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.fix = fix


class _Gate:
    """Who may ask: the token where there is one, the same protocol, and no browser."""

    def __init__(self, token: SecretStr | None, *, loopback: bool) -> None:
        self._token = None if token is None else token.get_secret_value().encode()
        self._loopback = loopback

    @property
    def check(self) -> Any:
        """The middleware."""

        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._admit(request.headers, request.host)
            return await handler(request)

        return check

    def _admit(self, headers: Mapping[str, str], host: str) -> None:
        if self._token is not None:
            kind, _, given = headers.get("Authorization", "").partition(" ")
            fits = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), self._token)
            if kind.lower() != "bearer" or not fits:
                raise BadRequest("A valid bearer token is needed", status=401, fix="Give service.token")
        elif self._loopback and not is_loopback(_host_name(host)):
            # a page whose name was made to point here would come with its own name
            raise BadRequest("This port answers to the name of this machine alone", status=403)
        if "Origin" in headers:
            raise BadRequest("Requests of web pages are not answered", status=403)
        theirs = headers.get(PROTOCOL_HEADER)
        if theirs is not None and theirs != str(PROTOCOL):
            version = headers.get(VERSION_HEADER, "unknown")
            raise BadRequest(
                f"This is sensor-tui {__version__} with protocol {PROTOCOL}; the client is {version[:40]!r}"
                f" with protocol {theirs[:20]!r}",
                status=426,
                fix="Use the same version on both sides, or restart the service with this one",
            )


@web.middleware
async def _answer_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except BadRequest as error:
        return _problem(str(error), error.status, fix=error.fix, usage=error.status in {400, 404})
    except web.HTTPException as error:
        status = error.status
        reason = {404: "There is no such path", 405: f"{request.method} is not for this path"}.get(status)
        return _problem(reason or error.reason, status)
    except SensorTuiError as error:
        answer = Problem(
            error=error.message,
            fix=error.fix,
            title=error.title,
            exit_code=error.exit_code,
            version=__version__,
        )
        return json_answer(answer, status=409 if not isinstance(error, UsageError) else 400)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return _problem("The service failed to answer this; its log says why", 500)


async def read_body(request: web.Request, model: type[W]) -> W:
    """The body as a model; no body at all is an empty one."""
    raw = await request.read()
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"{where + ': ' if where else ''}{first['msg']}") from None


def number_of(
    request: web.Request, name: str, *, default: int | None, least: int = 0, most: int
) -> int | None:
    """A number in the query, within bounds; raises BadRequest."""
    text = request.query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,19}", text, re.ASCII) or not least <= int(text) <= most:
        raise BadRequest(f"{name}: a number from {least} to {most} is expected")
    return int(text)


def json_answer(answer: Any, *, kind: Any = None, status: int = 200) -> web.Response:
    """A response with a wire model or a value of `model`; `kind` is the type of a collection."""
    if not isinstance(answer, Wire):
        return _answer(adapter(kind or type(answer)).dump_json(answer), status=status)
    return _answer(answer.model_dump_json().encode(), status=status)


def _answer(body: bytes, *, status: int = 200) -> web.Response:
    headers = {**_HEADERS, "Content-Type": "application/json", "Cache-Control": "no-store"}
    return web.Response(status=status, body=body, headers=headers)


def _problem(text: str, status: int, *, fix: str = "", usage: bool = False) -> web.Response:
    kind = UsageError if usage else ServiceError
    problem = Problem(
        error=text, fix=fix, title=kind.title, exit_code=int(kind.exit_code), version=__version__
    )
    return json_answer(problem, status=status)


def who_asks(request: web.Request) -> str:
    """Who asks: the user at the other end of a Unix socket, or the address of a TCP connection."""
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is not None and connection.family == socket.AF_UNIX:
        return _user_of(connection)
    return f"tcp {request.remote or 'unknown'}"


def _user_of(connection: Any) -> str:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return "local user"
    raw = connection.getsockopt(socket.SOL_SOCKET, option, _PEER_CREDENTIALS.size)
    process, user, _ = _PEER_CREDENTIALS.unpack(raw)
    return f"{user_name(user)} (process {process})"


def user_name(user_id: int | None = None) -> str:
    """Name of a user, of ours by default; the number where it has none."""
    number = os.getuid() if user_id is None else user_id
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(given: str) -> str:
    name, _, port = given.rpartition(":")
    bare = name if name and port.isdigit() else given
    return bare.strip("[]").lower()

"""The web server: a gate before everything, a page, and a WebSocket for each dashboard."""

import asyncio
import errno
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from multidict import MultiMapping
from yarl import URL

from sensor_tui.errors import SensorTuiError
from sensor_tui.web.gate import Gate, Refused, Visit, token_in
from sensor_tui.web.page import ASSETS, PAGE, headers_for
from sensor_tui.web.session import QUIT_SECONDS, Session

USUAL_SESSIONS: Final = 4

_HEARTBEAT_SECONDS: Final = 15.0
"""A browser that does not answer for so long is gone."""
_CLOSE_SECONDS: Final = 2.0
"""How long a browser may take to say that it has closed its end."""
_SHUTDOWN_SECONDS: Final = 4 * QUIT_SECONDS
_LARGEST_MESSAGE: Final = 2**20
"""Bytes; the largest is a text that is pasted."""
_CELLS: Final = re.compile(r"[0-9]{1,4}", re.ASCII)
_WIDTHS: Final = (20, 500)
_HEIGHTS: Final = (5, 200)

_COOKIE: Final = "sensor-tui-{port}"
"""Cookies do not know ports: two servers on one machine must not share a name."""

_NO_ENTRY: Final = (
    "This dashboard is private. Open the address that `sensor-tui serve` printed, with its token,"
    " or add ?token=… with the token it was given."
)
_WRONG_TOKEN: Final = (
    "That is not the token of this server. It makes a new one at each start unless given one."  # noqa: S105 - a sentence
)

_log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CannotListen(SensorTuiError):
    """The address cannot be listened on."""

    title = "Server"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What is served, and to whom."""

    command: Sequence[str]
    """A program that is a dashboard where its environment says so."""
    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes any free one."""
    hosts: tuple[str, ...] = ()
    """Names it goes by beside those of the loopback."""
    sessions: int = USUAL_SESSIONS


class WebServer:
    """Serves from `async with` on; leaving it ends every dashboard."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self._gate = Gate(settings.token, hosts=settings.hosts)
        self._sessions: dict[Session, web.WebSocketResponse] = {}
        self._full = False
        self._failed = False
        self._runner: web.AppRunner | None = None
        self.port = settings.port

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._guard])
        app.on_response_prepare.append(self._dress)
        app.on_shutdown.append(self._end_all)
        app.router.add_get("/", self._page)
        app.router.add_get("/ws", self._window)
        app.router.add_get("/state", self._state)
        app.router.add_get("/static/{name:.+}", self._asset)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._settings.host, self._settings.port)
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise _cannot_listen(self._settings, error) from None
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        try:
            await self._runner.cleanup()
        finally:
            self.kill()

    @property
    def open(self) -> int:
        """Dashboards that run."""
        return len(self._sessions)

    def kill(self) -> None:
        """End every dashboard at once."""
        for session in self._sessions:
            session.kill()

    @property
    def _cookie(self) -> str:
        return _COOKIE.format(port=self.port)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            visit = self._gate.visit(request.headers, from_page=request.path == "/ws")
            token = token_in(request.query)
            if token is not None:
                return self._let_in(request, visit, token)
            self._recognise(request)
        except Refused as refused:
            _log.debug("refused %s %s: %s", request.method, request.path, refused)
            return _text(str(refused), 403)
        return await handler(request)

    def _recognise(self, request: web.Request) -> None:
        if not self._gate.knows(request.cookies.get(self._cookie)):
            raise Refused(_NO_ENTRY)

    def _let_in(self, request: web.Request, visit: Visit, token: str) -> web.StreamResponse:
        """Exchange the token for a cookie, and send the browser to an address without it."""
        if request.path != "/" or not self._gate.is_token(token):
            raise Refused(_WRONG_TOKEN)
        response = web.Response(status=303, text="")
        kept = request.rel_url.without_query_params("token").query
        response.headers["Location"] = str(URL.build(path="/", query=kept))
        response.set_cookie(
            self._cookie,
            self._gate.admit(),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=visit.secure is True,
        )
        return response

    async def _dress(self, request: web.Request, response: web.StreamResponse) -> None:
        try:
            host = self._gate.visit(request.headers, from_page=False).host
        except Refused:
            host = None
        response.headers.update(headers_for(host))

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(body=PAGE.read(), content_type=PAGE.content_type, charset="utf-8")

    async def _asset(self, request: web.Request) -> web.Response:
        asset = ASSETS.get(request.match_info["name"])
        if asset is None:
            return _text("There is nothing of that name.", 404)
        return web.Response(body=asset.read(), content_type=asset.content_type)

    async def _state(self, _: web.Request) -> web.Response:
        """Why a window has closed, for the page to show."""
        if self._full:
            return _text(self._too_many())
        if self._failed:
            return _text("The dashboard could not start. Why is written where `sensor-tui serve` runs.")
        return _text("The dashboard has ended.")

    async def _window(self, request: web.Request) -> web.StreamResponse:
        self._full = len(self._sessions) >= self._settings.sessions
        if self._full:
            return _text(self._too_many(), 503)
        socket = web.WebSocketResponse(
            timeout=_CLOSE_SECONDS, heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_LARGEST_MESSAGE
        )
        if not socket.can_prepare(request).ok:
            return _text("This is for the page, by WebSocket.", 400)
        session = Session(self._settings.command, write=socket.send_bytes, close=_closing(socket))
        self._sessions[session] = socket
        try:
            await socket.prepare(request)
            await self._attend(session, socket, request.query)
        finally:
            try:
                await session.stop()
            finally:
                del self._sessions[session]
                self._failed = session.failed
        return socket

    async def _attend(
        self, session: Session, socket: web.WebSocketResponse, query: MultiMapping[str]
    ) -> None:
        """One window from beginning to end."""
        width, height = _cells(query.get("width"), _WIDTHS), _cells(query.get("height"), _HEIGHTS)
        try:
            await session.start(width, height)
        except OSError as error:
            session.failed = True
            _log.error("a dashboard could not be started: %s", error)
            return
        async for message in socket:
            if not await _hear(message, session, socket):
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)

    def _too_many(self) -> str:
        most = self._settings.sessions
        are = "dashboard is" if most == 1 else "dashboards are"
        return f"{most} {are} open already, and no more are allowed. Close one, then open this again."

    async def _end_all(self, _: web.Application) -> None:
        sessions = dict(self._sessions)
        await asyncio.gather(
            *(socket.close(code=WSCloseCode.GOING_AWAY) for socket in sessions.values()),
            *(session.stop() for session in sessions),
            return_exceptions=True,
        )


async def _hear(message: WSMessage, session: Session, socket: web.WebSocketResponse) -> bool:
    """Do what a window says; False where it says something no window of ours does."""
    if message.type is not WSMsgType.TEXT:
        return False
    try:
        match json.loads(message.data):
            case ["stdin", str(text)]:
                await session.send_bytes(text.encode(errors="replace"))
            case ["resize", {"width": int(width), "height": int(height)}]:
                await session.set_terminal_size(_within(width, _WIDTHS), _within(height, _HEIGHTS))
            case ["ping", str(text)]:
                await socket.send_json(["pong", text])
            case ["blur"]:
                await session.blur()
            case ["focus"]:
                await session.focus()
            case _:
                return False
    except (ValueError, RecursionError):
        return False
    return True


def _closing(socket: web.WebSocketResponse) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        await socket.close()

    return close


def _within(value: int, bounds: tuple[int, int]) -> int:
    least, most = bounds
    return min(max(value, least), most)


def _cells(text: str | None, bounds: tuple[int, int]) -> int:
    return _within(int(text) if text and _CELLS.fullmatch(text) else 0, bounds)


def _text(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f"{text}\n", status=status)


def _cannot_listen(settings: WebSettings, error: OSError) -> CannotListen:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return CannotListen(
            f"{where} is in use already", fix="Give another port with --listen HOST:PORT, 0 for any free one"
        )
    return CannotListen(
        f"{where} cannot be listened on: {error.strerror or error}", fix="Give another --listen HOST:PORT"
    )

"""A web server inside the test, over stand-ins for dashboards that leave their process ids in a folder."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sensor_tui.web.server import WebServer, WebSettings

TOKEN = "a-token-of-more-than-sixteen-characters"
HERE = Path(__file__).parent


class Served:
    """A server, and requests to it as a browser makes them."""

    def __init__(self, server: WebServer, client: aiohttp.ClientSession, folder: Path) -> None:
        self.server = server
        self.client = client
        self.folder = folder

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def get(self, path: str, **headers: str) -> aiohttp.ClientResponse:
        async with self.client.get(f"{self.url}{path}", headers=headers, allow_redirects=False) as response:
            await response.read()
            return response

    async def login(self) -> str:
        """Use the token as the first request does; the cookie as it is sent from then on."""
        response = await self.get(f"/?token={TOKEN}")
        assert response.status == 303, await response.text()
        (cookie,) = response.cookies.values()
        return f"{cookie.key}={cookie.value}"

    async def window(self, cookie: str, **headers: str) -> aiohttp.ClientWebSocketResponse:
        """Open a dashboard as the page does."""
        given = {"Cookie": cookie, "Origin": self.url} | headers
        return await self.client.ws_connect(f"{self.url}/ws?width=100&height=30", headers=given)

    def processes(self) -> list[int]:
        """Stand-ins that were started and are still there."""
        return [int(path.name) for path in self.folder.iterdir() if alive(int(path.name))]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Look often until it is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def read(window: aiohttp.ClientWebSocketResponse, text: str, seconds: float = 20.0) -> str:
    """Read what is drawn until this is there."""
    drawn = ""
    async with asyncio.timeout(seconds):
        while text not in drawn:
            message = await window.receive()
            assert message.type is aiohttp.WSMsgType.BINARY, (message, drawn)
            drawn += message.data.decode()
    return drawn


async def say(window: aiohttp.ClientWebSocketResponse, *what: Any) -> None:
    await window.send_str(json.dumps(what))


def stand_in(folder: Path, *how: str) -> tuple[str, ...]:
    """A command that behaves like a dashboard, or as badly as asked."""
    return (sys.executable, "-S", str(HERE / "stand_in.py"), str(folder), *how)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """Start a server over stand-ins that behave like that."""
    folder = tmp_path / "running"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        # cookies are sent by hand: that is what is tested
        client = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))

        async def begin(*how: str, **settings: Any) -> Served:
            given = {"command": stand_in(folder, *how), "token": TOKEN, "port": 0} | settings
            server = await stack.enter_async_context(WebServer(WebSettings(**given)))
            return Served(server, client, folder)

        yield begin
    assert not [path for path in folder.iterdir() if alive(int(path.name))], "a dashboard is left behind"

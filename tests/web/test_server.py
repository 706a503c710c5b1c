"""Requests and WebSockets as browsers, and others, make them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from sensor_tui.web.server import CannotListen, WebServer, WebSettings
from tests.web.conftest import TOKEN, Served, read

Serve = Callable[..., Awaitable[Served]]


async def refused(opening: Awaitable[aiohttp.ClientWebSocketResponse]) -> int:
    """The status a WebSocket is refused with."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await opening
    return caught.value.status


async def test_the_token_is_exchanged_for_a_cookie_and_an_address_without_it(serve: Serve) -> None:
    served = await serve()
    response = await served.get(f"/?token={TOKEN}&fontsize=20")
    assert (response.status, response.headers["Location"]) == (303, "/?fontsize=20")
    (cookie,) = response.cookies.values()
    assert cookie.key == f"sensor-tui-{served.server.port}"
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert not cookie["secure"]
    assert not cookie["max-age"]
    assert not cookie["expires"]
    assert TOKEN not in str(response.headers)
    page = await served.get("/", Cookie=f"{cookie.key}={cookie.value}")
    assert page.status == 200
    assert 'id="terminal"' in await page.text()


async def test_behind_tls_the_cookie_never_travels_without_it(serve: Serve) -> None:
    served = await serve(hosts=("sensors.example.org",))
    headers = {"Host": "sensors.example.org", "X-Forwarded-Proto": "https"}
    response = await served.get(f"/?token={TOKEN}", **headers)
    (cookie,) = response.cookies.values()
    assert cookie["secure"]


@pytest.mark.parametrize(
    "path", ["/", "/state", "/static/js/page.js", "/static/js/textual.js", "/nothing", "/ws"]
)
async def test_nothing_is_shown_without_token_or_cookie(serve: Serve, path: str) -> None:
    served = await serve()
    for headers in (
        {},
        {"Cookie": f"sensor-tui-{served.server.port}={TOKEN}"},
        {"Cookie": "sensor-tui=x; ;=;"},
    ):
        response = await served.get(path, Origin=served.url, **headers)
        assert response.status == 403
        assert response.content_type == "text/plain"
        assert "sensor-tui serve" in await response.text()


@pytest.mark.parametrize("given", ["", "wrong", TOKEN[:-1], TOKEN + "x", f"{TOKEN}&token={TOKEN}", "%ff%00"])
async def test_a_wrong_token_is_refused_also_with_a_cookie(serve: Serve, given: str) -> None:
    served = await serve()
    cookie = await served.login()
    for headers in ({}, {"Cookie": cookie}):
        response = await served.get(f"/?token={given}", **headers)
        assert response.status == 403
        assert not response.cookies
        assert TOKEN not in await response.text()


async def test_the_token_is_taken_at_the_front_door_only(serve: Serve) -> None:
    served = await serve()
    for path in ("/ws", "/state", "/static/js/page.js", "//example.org"):
        assert (await served.get(f"{path}?token={TOKEN}", Origin=served.url)).status == 403


async def test_a_name_that_was_pointed_here_is_refused_with_the_right_cookie(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    for host in ("evil.example", f"evil.example:{served.server.port}", f"0.0.0.0:{served.server.port}"):
        for path in ("/", f"/?token={TOKEN}"):
            response = await served.get(path, Host=host, Cookie=cookie)
            assert response.status == 403
            assert not response.cookies
        assert await refused(served.window(cookie, Host=host, Origin=f"http://{host}")) == 403
    assert served.processes() == []


async def test_a_window_opens_for_our_page_only(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://evil.example"):
        assert await refused(served.window(cookie, Origin=origin)) == 403
    bare = served.client.ws_connect(f"{served.url}/ws", headers={"Cookie": cookie})
    assert await refused(bare) == 403
    assert served.processes() == []
    window = await served.window(cookie)
    await read(window, "hello")
    await window.close()


async def test_cookies_of_another_server_open_nothing(serve: Serve) -> None:
    first, second = await serve(), await serve()
    name, value = (await first.login()).split("=")
    for stolen in (f"{name}={value}", f"sensor-tui-{second.server.port}={value}"):
        assert (await second.get("/", Cookie=stolen)).status == 403
        assert await refused(second.window(stolen)) == 403


async def test_every_answer_forbids_what_is_not_needed(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    for path, status in (
        ("/", 200),
        ("/static/css/page.css", 200),
        ("/static/../page.html", 404),
        ("/x", 404),
    ):
        response = await served.get(path, Cookie=cookie)
        assert response.status == status
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "http:" not in policy
        assert "unsafe-eval" not in policy
        assert f"connect-src 'self' ws://{served.host} wss://{served.host};" in policy
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    strange = await served.get("/", Host="evil.example")
    assert strange.headers["Content-Security-Policy"] == "default-src 'none'"
    assert strange.headers["X-Frame-Options"] == "DENY"


async def test_the_page_names_nothing_outside(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    page = await (await served.get("/", Cookie=cookie)).text()
    assert "//" not in page
    assert "<script>" not in page
    for line in page.splitlines():
        for attribute in ('src="', 'href="'):
            if attribute in line:
                name = line.partition(attribute)[2].partition('"')[0]
                assert (await served.get(f"/{name}", Cookie=cookie)).status == 200, name


async def test_only_get_is_answered(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        async with served.client.request(method, f"{served.url}/", headers={"Cookie": cookie}) as response:
            assert response.status == 405
    assert (await served.get("/ws", Cookie=cookie, Origin=served.url)).status == 400


async def test_no_more_windows_than_allowed_and_it_says_so(serve: Serve) -> None:
    served = await serve(sessions=2)
    cookie = await served.login()
    windows = [await served.window(cookie) for _ in range(2)]
    assert await refused(served.window(cookie)) == 503
    assert "2 dashboards are open already" in await (await served.get("/state", Cookie=cookie)).text()
    await windows[0].close()
    async with asyncio.timeout(20):
        while served.server.open == 2:
            await asyncio.sleep(0.02)
    windows[0] = await served.window(cookie)
    await read(windows[0], "hello")
    assert await (await served.get("/state", Cookie=cookie)).text() == "The dashboard has ended.\n"


async def test_a_port_in_use_is_an_error_with_a_fix(serve: Serve) -> None:
    served = await serve()
    again = WebServer(WebSettings(command=("true",), token=TOKEN, port=served.server.port))
    with pytest.raises(CannotListen, match="in use") as caught:
        await again.__aenter__()
    assert "--listen" in caught.value.fix
    with pytest.raises(CannotListen):
        await WebServer(WebSettings(command=("true",), token=TOKEN, host="192.0.2.1")).__aenter__()


async def test_hostile_bytes_are_refused_without_a_window(serve: Serve) -> None:
    served = await serve()

    def talk(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", served.server.port), timeout=10) as connection:
            connection.sendall(data)
            return connection.recv(65536)

    requests: list[Any] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: \xff\xfe\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ]
    for request in requests:
        answer = await asyncio.to_thread(talk, request)
        assert answer.split(b" ")[1] in {b"400", b"403"}, answer
    assert served.server.open == 0

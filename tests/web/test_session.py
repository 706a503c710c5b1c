"""A dashboard for a window: what passes between them, and that none outlives its window or its server."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sensor_tui.web import server as server_module
from sensor_tui.web import session as session_module
from tests.web.conftest import HERE, TOKEN, Served, alive, read, say, stand_in, until

Serve = Callable[..., Awaitable[Served]]
ROOT = HERE.parents[1]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "QUIT_SECONDS", 0.2)


async def test_keys_and_sizes_reach_the_dashboard_and_pictures_the_window(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSOR_TUI_WEB_TOKEN", "secret")
    served = await serve()
    window = await served.window(await served.login())
    hello = await read(window, "hello")
    assert '"SENSOR_TUI_WEB": "1", "SENSOR_TUI_WEB_TOKEN": null' in hello
    assert '"COLUMNS": "100", "ROWS": "30"' in hello
    await say(window, "stdin", "qü\x1b[A")
    await read(window, "<D qü\x1b[A>")
    await say(window, "resize", {"width": 120, "height": 40})
    await read(window, '<M {"type": "resize", "width": 120, "height": 40}>')
    await say(window, "blur")
    await read(window, '<M {"type": "blur"}>')
    await say(window, "focus")
    await read(window, '<M {"type": "focus"}>')
    await say(window, "ping", "17")
    assert (await window.receive()).data == '["pong", "17"]'


async def test_sizes_no_window_has_are_bounded(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    window = await served.window(cookie)
    await say(window, "resize", {"width": 10**9, "height": -5})
    await read(window, '<M {"type": "resize", "width": 500, "height": 5}>')
    headers = {"Cookie": cookie, "Origin": served.url}
    for query, size in (("width=99999&height=x", '"20", "ROWS": "5"'), ("width=9999", '"500", "ROWS": "5"')):
        other = await served.client.ws_connect(f"{served.url}/ws?{query}", headers=headers)
        assert f'"COLUMNS": {size}' in await read(other, "hello")


@pytest.mark.parametrize(
    "said",
    ["{", "null", "[]", '["unknown"]', '["stdin", 1]', '["resize", {"width": 1}]', "[" * 10_000, b"\x00"],
)
async def test_a_window_that_talks_nonsense_is_closed(serve: Serve, said: str | bytes) -> None:
    served = await serve()
    window = await served.window(await served.login())
    await read(window, "hello")
    await (window.send_bytes(said) if isinstance(said, bytes) else window.send_str(said))
    async with asyncio.timeout(20):
        while (message := await window.receive()).type is aiohttp.WSMsgType.BINARY:
            pass
    assert (message.type, window.close_code) == (aiohttp.WSMsgType.CLOSE, 1003)
    await until(lambda: served.processes() == [])


async def test_a_dashboard_cannot_open_addresses_or_deliver_files(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    window = await served.window(cookie)
    await read(window, "hello")
    await say(window, "stdin", "links")
    await read(window, "<D links>")  # nothing came before it
    assert (await served.get("/download/k", Cookie=cookie)).status == 404


async def test_a_closed_window_ends_its_dashboard_and_no_other(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    first, second = await served.window(cookie), await served.window(cookie)
    for window in (first, second):
        await read(window, "hello")
    assert len(served.processes()) == 2
    await first.close()
    await until(lambda: len(served.processes()) == 1)
    await say(second, "stdin", "still here")
    await read(second, "still here")


async def test_a_lost_connection_ends_its_dashboard(serve: Serve) -> None:
    served = await serve()
    window = await served.window(await served.login())
    await read(window, "hello")
    transport: Any = window._response.connection.transport
    transport.abort()
    await until(lambda: served.processes() == [])
    await until(lambda: served.server.open == 0)


@pytest.mark.parametrize("how", ["deaf", "stubborn", "flood", "left-behind", "silent"])
@pytest.mark.usefixtures("hasty")
async def test_a_dashboard_that_does_not_quit_is_ended(serve: Serve, how: str) -> None:
    served = await serve(how)
    window = await served.window(await served.login())
    if how == "silent":
        await until(served.processes)
    else:
        await read(window, "hello")
    transport: Any = window._response.connection.transport
    transport.abort()
    await until(lambda: served.processes() == [])
    await until(lambda: served.server.open == 0)


async def test_a_dashboard_that_quits_or_dies_closes_its_window(serve: Serve) -> None:
    served = await serve()
    cookie = await served.login()
    window = await served.window(cookie)
    await read(window, "hello")
    await say(window, "stdin", "die")
    assert (await window.receive()).type is aiohttp.WSMsgType.CLOSE
    assert await (await served.get("/state", Cookie=cookie)).text() == "The dashboard has ended.\n"


@pytest.mark.parametrize(("how", "told"), [("broken", "exit code 3"), ("garbage", "no picture")])
async def test_a_dashboard_that_cannot_start_is_reported(
    serve: Serve, how: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(how)
    cookie = await served.login()
    with caplog.at_level(logging.WARNING):
        window = await served.window(cookie)
        async with asyncio.timeout(20):
            while (await window.receive()).type is aiohttp.WSMsgType.BINARY:
                pass
        await until(lambda: told in caplog.text)
    await until(lambda: served.server.open == 0)
    state = await (await served.get("/state", Cookie=cookie)).text()
    assert ("could not start" in state) == (how == "broken")


async def test_a_command_that_is_not_there_is_reported(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(command=("/nonexistent/sensor-tui",))
    window = await served.window(await served.login())
    assert (await window.receive()).type is aiohttp.WSMsgType.CLOSE
    await until(lambda: served.server.open == 0)
    assert "could not be started" in caplog.text


async def test_stopping_the_server_ends_every_dashboard(serve: Serve, tmp_path: Path) -> None:
    settings = server_module.WebSettings(command=stand_in(tmp_path / "running"), token=TOKEN, port=0)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
        async with server_module.WebServer(settings) as server:
            served = Served(server, client, tmp_path / "running")
            cookie = await served.login()
            windows = [await served.window(cookie) for _ in range(3)]
            for window in windows:
                await read(window, "hello")
        assert served.processes() == []
        for window in windows:
            message = await window.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)


async def test_a_tethered_module_ends_with_whoever_holds_the_tether(tmp_path: Path) -> None:
    theirs, ours = os.pipe()
    (tmp_path / "waits.py").write_text("import sys, time\nprint(sys.argv[1:], flush=True)\ntime.sleep(600)\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sensor_tui.web.tether", "waits", "--one", "two"),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"SENSOR_TUI_WEB_TETHER": str(theirs), "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        pass_fds=[theirs],
        start_new_session=True,
    )
    os.close(theirs)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"['--one', 'two']\n"
    assert alive(process.pid)
    os.close(ours)
    assert await asyncio.wait_for(process.wait(), 20) == -signal.SIGTERM

"""A real browser, which can reach nothing but this server."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.web.chromium import Tab, chromium
from tests.web.conftest import HERE, TOKEN, Served, until

pytestmark = pytest.mark.component("chromium")

Serve = Callable[..., Awaitable[Served]]
Open = Callable[[str], Awaitable[Tab]]

TEXT = "document.querySelector('.xterm-rows').innerText"
"""Where there is no WebGL the terminal is drawn as text, which can be read."""
EXPECTED_COMPLAINTS = ("allow-scripts and allow-same-origin",)


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Open]:
    async with chromium(tmp_path, "--disable-3d-apis") as open_tab:
        yield open_tab


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A Textual app as the dashboard."""
    monkeypatch.setenv("PYTHONPATH", str(HERE.parents[1]))
    return (sys.executable, "-m", "sensor_tui.web.tether", "tests.web.tiny")


async def shown(tab: Tab, text: str) -> str:
    """Wait until it is on the page, and return all that is."""
    await tab.until(lambda: text in tab.drawn)
    script = f"""(async () => {{
      const shown = () => {TEXT}.replaceAll("\u00a0", " ");
      for (let i = 0; i < 200 && !shown().includes({text!r}); i++)
        await new Promise((r) => setTimeout(r, 50));
      return shown();
    }})()"""
    return str(await tab.value(script))


async def test_the_dashboard_is_shown_and_nothing_is_loaded_from_outside(
    serve: Serve, browser: Open, tiny: Any
) -> None:
    served = await serve(command=tiny)
    tab = await browser(f"{served.url}/?token={TOKEN}")
    assert "Sensors of Manila ● ▲ ▌ ─┼─" in await shown(tab, "Sensors of Manila")
    assert await tab.value("location.href") == f"{served.url}/"
    assert await tab.value("document.cookie") == ""
    assert TOKEN not in await tab.value("document.documentElement.outerHTML")
    assert len(tab.requested) >= 8
    assert not [url for url in tab.requested if url.split("/")[2] != served.host]
    assert not [text for text in tab.complaints if not any(part in text for part in EXPECTED_COMPLAINTS)]


async def test_the_real_dashboard_is_shown(
    serve: Serve, browser: Open, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.chdir(tmp_path)
    dashboard = ("sensor_tui", "dashboard", "--read-only", "--data-dir", str(data))
    served = await serve(command=(*tiny[:-1], *dashboard))
    tab = await browser(f"{served.url}/?token={TOKEN}")
    text = await shown(tab, "No service runs")
    assert "READ-ONLY" in text
    assert "Unit" in text
    await tab.type("?")
    assert "Every unit on every host" in await shown(tab, "Every unit on every host")
    assert not [url for url in tab.requested if url.split("/")[2] != served.host]
    assert not [text for text in tab.complaints if not any(part in text for part in EXPECTED_COMPLAINTS)]


async def test_keys_work_at_once_and_quitting_says_so(serve: Serve, browser: Open, tiny: Any) -> None:
    served = await serve(command=tiny)
    tab = await browser(f"{served.url}/?token={TOKEN}")
    await shown(tab, "Sensors of Manila")
    await tab.type("x")
    assert "pressed x" in await shown(tab, "pressed x")
    await tab.type("q")
    await until(lambda: served.server.open == 0)
    why = "(async () => { const why = document.getElementById('closed');"
    why += " for (let i = 0; i < 200 && !why.offsetHeight; i++) await new Promise((r) => setTimeout(r, 50));"
    why += " return why.innerText; })()"
    assert "The dashboard has ended." in await tab.value(why)


async def test_the_page_can_go_nowhere(serve: Serve, browser: Open, tiny: Any) -> None:
    served = await serve(command=tiny)
    tab = await browser(f"{served.url}/?token={TOKEN}")
    await shown(tab, "Sensors of Manila")
    assert await tab.value("window.open('http://127.0.0.1:9/') === null")
    for attempt in (
        "fetch('http://127.0.0.1:9/', {mode: 'no-cors'}).then(() => 'out', () => 'blocked')",
        "fetch('http://localhost:9/', {mode: 'no-cors'}).then(() => 'out', () => 'blocked')",
        (
            "new Promise((r) => { const i = new Image(); i.src = 'http://127.0.0.1:9/x.png';"
            " i.onload = i.onerror = () => r(i.width ? 'out' : 'blocked'); })"
        ),
    ):
        assert await tab.value(attempt) == "blocked"
    assert [text for text in tab.complaints if "Content Security Policy" in text]


async def test_a_page_of_another_server_gets_no_window_in_the_same_browser(
    serve: Serve, browser: Open, tiny: Any
) -> None:
    served = await serve(command=tiny)
    await shown(await browser(f"{served.url}/?token={TOKEN}"), "Sensors of Manila")
    asked: list[str] = []

    async def attack(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Cookie", ""))
        script = f"""<script>
          const socket = new WebSocket("ws://{served.host}/ws");
          socket.onopen = () => document.title = "open";
          socket.onclose = () => document.title = "refused";
        </script><iframe src="{served.url}/"></iframe>"""
        return web.Response(text=script, content_type="text/html")

    app = web.Application()
    app.router.add_get("/attack", attack)
    async with TestServer(app, host="127.0.0.1") as evil:
        tab = await browser(f"http://127.0.0.1:{evil.port}/attack")
        title = "(async () => { while (!document.title) await new Promise((r) => setTimeout(r, 50));"
        assert await tab.value(f"{title} return document.title; }})()") == "refused"
    assert asked[0]  # a browser does send our cookie to every port: the origin is what keeps this page out
    assert served.server.open == 1

"""A headless Chromium, driven by its debugging protocol."""

import asyncio
import base64
import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp


class Tab:
    """One page: what it asked for, what it drew, what it complained of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.drawn = ""

    async def send(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        return await asyncio.wait_for(answer, 30)

    async def value(self, expression: str) -> Any:
        answer = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value", answer)

    async def until(self, condition: Callable[[], Any], seconds: float = 40.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)

    async def picture(self) -> bytes:
        answer = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def type(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else ""
            )

    async def close(self) -> None:
        await self._socket.close()
        await self._reader

    async def _read(self) -> None:
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                answer = self._answers.pop(said["id"])
                if "error" in said:
                    answer.set_exception(RuntimeError(said["error"]["message"]))
                else:
                    answer.set_result(said["result"])
            else:
                self._hear(said["method"], said["params"])

    def _hear(self, method: str, said: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requested.append(said["request"]["url"])
            case "Network.webSocketCreated":
                self.requested.append(said["url"])
            case "Network.webSocketFrameReceived":
                data = said["response"]["payloadData"]
                with suppress(ValueError):
                    self.drawn += base64.b64decode(data).decode(errors="replace")
            case "Log.entryAdded":
                self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
            case "Runtime.exceptionThrown":
                details = said["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])


@asynccontextmanager
async def chromium(folder: Path, *options: str) -> AsyncIterator[Callable[[str], Any]]:
    """A browser with no past that can resolve no name; yields a function that opens an address in a tab."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program is not None
    browser = await asyncio.create_subprocess_exec(
        program,
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1280,800",
        *options,
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    tabs: list[Tab] = []
    try:
        port_file = folder / "profile" / "DevToolsActivePort"
        async with asyncio.timeout(60):
            while not (port_file.exists() and port_file.read_text().strip()):
                await asyncio.sleep(0.05)
        port = int(port_file.read_text().split()[0])
        async with aiohttp.ClientSession() as client:

            async def open_tab(address: str) -> Tab:
                async with client.put(f"http://127.0.0.1:{port}/json/new?about:blank") as response:
                    url = (await response.json())["webSocketDebuggerUrl"]
                tab = Tab(await client.ws_connect(url, max_msg_size=0))
                tabs.append(tab)
                for domain in ("Network", "Page", "Runtime", "Log"):
                    await tab.send(f"{domain}.enable")
                await tab.send("Page.navigate", url=address)
                return tab

            yield open_tab
            for tab in tabs:
                await tab.close()
    finally:
        with suppress(ProcessLookupError):
            browser.terminate()
        await browser.wait()

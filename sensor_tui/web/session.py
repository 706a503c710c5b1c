"""One dashboard process for one browser window, and its end in every case."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from sensor_tui.web.tether import TETHER_VARIABLE

WEB_VARIABLE: Final = "SENSOR_TUI_WEB"
"""Set to 1 for a dashboard in a browser: it offers no shell."""
TOKEN_VARIABLE: Final = "SENSOR_TUI_WEB_TOKEN"  # noqa: S105 - a name

QUIT_SECONDS: Final = 5.0
"""How long a dashboard may take to quit when asked, and again when told."""

_PRELUDE: Final = b"__GANGLION__\n"
_PRELUDE_LINES: Final = 10
_LARGEST_PACKET: Final = 16 * 2**20
_ERROR_BYTES: Final = 4000
_LAST_WORDS_SECONDS: Final = 1.0
"""How long to wait for the rest of them; a process it left behind may hold that pipe open."""
_FRAMES_PER_SECOND: Final = "30"

_log = logging.getLogger(__name__)


class Session(AppService):
    """A dashboard process in a process group of its own, which speaks to textual-serve's page.

    Only what is drawn reaches the browser: a dashboard cannot make it open addresses or fetch files.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        write: Callable[[bytes], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            command[0],
            write_bytes=write,
            write_str=_nothing,
            close=close,
            download_manager=DownloadManager(),
        )
        self._arguments = tuple(command)
        self._tether: int | None = None
        self._ending: asyncio.Task[None] | None = None
        self.failed = False
        """Whether it ended by itself before it drew anything."""

    async def start(self, width: int, height: int) -> None:
        """Start the process, for a window of so many cells."""
        await self._open_app_process(width, height)
        self._ending = None  # an end that came before there was a process ended none
        self._task = asyncio.create_task(self.run())

    async def stop(self) -> None:
        """End the process: ask, then tell, then kill. Whoever calls again waits for the same end."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        await asyncio.shield(self._ending)

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self._process.returncode is None:
            self._signal(signal.SIGKILL)

    async def run(self) -> None:
        """Pass on what the process draws until it ends, then close the window; `start` calls it."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        assert process.stderr is not None
        errors = asyncio.create_task(_tail(process.stderr))
        try:
            self.failed = not await _begins(process.stdout) and self._ending is None
            if self.failed or not await self._pass_on(process.stdout):
                self._signal(signal.SIGTERM)
        finally:
            with suppress(ConnectionError):
                await self.remote_close()
            code = await process.wait()
            await asyncio.wait([errors], timeout=_LAST_WORDS_SECONDS)
            self._report(code, errors.result() if errors.done() else b"")
            errors.cancel()

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        theirs, self._tether = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._build_environment(width, height) | {TETHER_VARIABLE: str(theirs)},
                pass_fds=[theirs],
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self._stdin = self._process.stdin
        return self._process

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(width, height)
        environment.pop(TOKEN_VARIABLE, None)
        environment.pop("TMUX", None)  # what is copied goes to the browser, not to a tmux around the server
        environment["TERM"] = "xterm-256color"
        environment["TEXTUAL_FPS"] = os.environ.get("TEXTUAL_FPS", _FRAMES_PER_SECOND)
        environment["PYTHONIOENCODING"] = "utf-8"  # what it draws on is a browser, whatever the locale here
        environment[WEB_VARIABLE] = "1"
        return environment

    async def _pass_on(self, stream: asyncio.StreamReader) -> bool:
        """Read until the process ends, also when nobody looks any more: a full pipe would hold it up.

        False where it sends what no dashboard does.
        """
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind = await stream.readexactly(1)
                size = int.from_bytes(await stream.readexactly(4), "big")
                if size > _LARGEST_PACKET:
                    _log.error("a dashboard sent something that is no picture")
                    return False
                payload = await stream.readexactly(size)
                if kind == b"D":
                    with suppress(ConnectionError):
                        await self.remote_write_bytes(payload)
                elif kind == b"M" and json.loads(payload).get("type") == "exit":
                    with suppress(ConnectionError):
                        await self.remote_close()
        return True

    async def _end(self) -> None:
        if self._task is None:
            self._let_go()
            return
        try:
            for ask in (self._quit, self._terminate):
                await ask()
                done, _ = await asyncio.wait([self._task], timeout=QUIT_SECONDS)
                if done:
                    break
        finally:
            self._signal(signal.SIGKILL)
            await asyncio.wait([self._task], timeout=QUIT_SECONDS)
            self._task.cancel()
            self._let_go()

    async def _quit(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIT_SECONDS):
                await self.send_meta({"type": "quit"})

    async def _terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        """To the process and whatever it started, except what began a session of its own."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _let_go(self) -> None:
        if self._stdin is not None:
            self._stdin.close()
        if self._tether is not None:
            os.close(self._tether)
            self._tether = None

    def _report(self, code: int, errors: bytes) -> None:
        said = " / ".join(filter(None, map(str.strip, errors.decode(errors="replace").splitlines()[-3:])))
        if self.failed:
            _log.error("a dashboard did not start (exit code %s): %s", code, said or "it said nothing")
        elif code > 0:
            _log.warning("a dashboard ended with exit code %s: %s", code, said or "it said nothing")


async def _begins(stream: asyncio.StreamReader) -> bool:
    """Whether what starts there is an app for a browser."""
    try:
        for _ in range(_PRELUDE_LINES):
            line = await stream.readline()
            if not line or line == _PRELUDE:
                return bool(line)
    except ValueError:
        pass
    return False


async def _tail(stream: asyncio.StreamReader) -> bytes:
    """The last of what it writes."""
    kept = b""
    while some := await stream.read(_ERROR_BYTES):
        kept = (kept + some)[-_ERROR_BYTES:]
    return kept


async def _nothing(_: Any) -> None:
    """What a dashboard tells the page beside its picture."""

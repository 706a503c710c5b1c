"""An answer of an engine that goes on, read in a thread and ended at once from another."""

import asyncio
import http.client
import os
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    import docker

CHUNK: Final = 64 * 1024

_BROKEN: Final = (OSError, ValueError, AttributeError, http.client.HTTPException)
"""What a read raises where the connection is gone, or was closed meanwhile."""


class ByteStream:
    """The body of an answer, as it comes. `read` and `__init__` block; `close` is for any thread."""

    def __init__(
        self, client: "docker.DockerClient", path: tuple[str, ...], query: Mapping[str, str]
    ) -> None:
        """Ask; returns once the engine has begun to answer.

        Raises:
            docker.errors.DockerException, OSError: it does not, or refuses.
        """
        import requests
        from docker.errors import create_api_error_from_http_exception

        api = client.api
        place = "/".join(quote(part, safe="") for part in path)
        self._answer = api.get(
            f"{api.base_url}/v{api.api_version}/{place}", params=query, stream=True, timeout=api.timeout
        )
        try:
            self._answer.raise_for_status()
        except requests.HTTPError as error:
            create_api_error_from_http_exception(error)
        # Below requests and urllib3, which cannot read what there is without waiting for more.
        body: Any = self._answer.raw._fp  # noqa: SLF001
        self._body: http.client.HTTPResponse = body
        self._connection: Any = self._answer.raw.connection
        self._handle = socket.socket(fileno=os.dup(self._body.fileno()))
        # The time allowed was that of the beginning; from now on silence is no fault.
        body.fp.raw._sock.settimeout(None)  # noqa: SLF001
        self._closing = threading.Lock()
        self._closed = False

    def read(self) -> bytes:
        """What has come, waiting where there is nothing yet; empty at the end, however that came."""
        try:
            return self._body.read1(CHUNK)
        except _BROKEN:
            return b""

    def close(self) -> None:
        """End it; a `read` under way returns."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            # A handle of our own: the reader may close its own at any moment, and the number be used again.
            with suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)
            self._handle.close()

    def release(self) -> None:
        """Let go of all of it; for the reading thread."""
        self.close()
        with suppress(*_BROKEN):
            self._answer.close()
        # Once a body has come to its end, closing the answer leaves this one open.
        with suppress(*_BROKEN):
            self._connection.close()


class Pump:
    """A thread that reads a stream and hands on what it makes of it, never more than `ahead` unasked for.

    `make` turns bytes into a list, `end` gives what is left at the end. `put` and `over` are called in the
    event loop; each `put` has to be answered by `taken` once there is room again.
    """

    def __init__(
        self,
        name: str,
        stream: ByteStream,
        make: Callable[[bytes], list[Any]],
        put: Callable[[list[Any]], None],
        over: Callable[[], None],
        *,
        ahead: int,
        end: Callable[[], list[Any]] = list,
    ) -> None:
        self._stream = stream
        self._make = make
        self._put = put
        self._over = over
        self._end = end
        self._room = threading.Semaphore(ahead)
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def taken(self) -> None:
        """What was put has been used."""
        self._room.release()

    def close(self) -> None:
        """End the thread; nothing is put any more, and `over` is not called."""
        self._closed = True
        self._stream.close()
        self._room.release()

    def _run(self) -> None:
        try:
            while data := self._stream.read():
                self._hand(self._make(data))
                if self._closed:
                    return
            self._hand(self._end())
        finally:
            self._stream.release()
            self._tell(self._over)

    def _hand(self, made: list[Any]) -> None:
        if made and not self._closed:
            self._room.acquire()
            self._tell(lambda: self._put(made))

    def _tell(self, what: Callable[[], None]) -> None:
        def unless_closed() -> None:
            if not self._closed:
                what()

        with suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(unless_closed)

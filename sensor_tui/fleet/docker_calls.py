"""Calls that block, on threads of one host's own: one that hangs delays no other host, and no exit."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from sensor_tui.errors import FleetError

T = TypeVar("T")

_STOP: Final = None


class Calls:
    """A few daemon threads, started when they are needed."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._most = threads
        self._work: SimpleQueue[_Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._closed = False

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """What `work` returns or raises; it runs to its end also where nobody waits any more."""
        return await asyncio.shield(self.give(work, *arguments))

    def give(self, work: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
        """Have it done, at once or when its turn comes.

        Raises:
            FleetError: nothing is done here any more.
        """
        if self._closed:
            raise FleetError("this host is let go of")
        loop = asyncio.get_running_loop()
        call = _Call(loop, loop.create_future(), work, arguments)
        self._busy += 1
        if self._busy > len(self._threads) < self._most:
            thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put(call)
        call.ended.add_done_callback(self._done)
        return call.ended

    def close(self) -> None:
        """Take no more; what is under way ends by itself, and nobody hears of it."""
        self._closed = True
        for _ in self._threads:
            self._work.put(_STOP)

    def _done(self, ended: "asyncio.Future[Any]") -> None:
        self._busy -= 1
        if not ended.cancelled():
            ended.exception()  # whoever asked may be gone

    def _serve(self) -> None:
        while (call := self._work.get()) is not _STOP:
            call.do()


class _Call:
    """One call, its loop, and what becomes of it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ended: "asyncio.Future[Any]",
        work: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> None:
        self.ended = ended
        self._loop = loop
        self._work = work
        self._arguments = arguments

    def do(self) -> None:
        """Make the call, on a thread, and tell the loop."""
        try:
            result = self._work(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - whoever asked is told
            self._tell(self._failed, error)
        else:
            self._tell(self._succeeded, result)

    def _tell(self, how: Callable[[Any], None], what: object) -> None:
        with suppress(RuntimeError):  # the loop may be closed by now
            self._loop.call_soon_threadsafe(how, what)

    def _succeeded(self, result: object) -> None:
        if not self.ended.done():
            self.ended.set_result(result)

    def _failed(self, error: BaseException) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)

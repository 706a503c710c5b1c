"""Noticing that a process ended, whether we started it or found it running."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sensor_tui.fleet import process_table
from sensor_tui.model.clock import Clock

_LOOK_SECONDS: Final = 0.2


class ExitWatch:
    """Sets `ended` and calls back once a process is over; in the kernel's words, else by looking often."""

    def __init__(
        self, leader: process_table.Leader, clock: Clock, on_end: Callable[["ExitWatch"], None]
    ) -> None:
        self.leader = leader
        self.pid = leader.pid
        self.ended = asyncio.Event()
        self._clock = clock
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._descriptor: int | None = None
        self._poll: asyncio.Task[None] | None = None
        try:
            self._descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self._loop.call_soon(self._over)
        except (AttributeError, OSError):
            self._poll = self._loop.create_task(self._look())
        else:
            if process_table.birth(self.pid) == leader.birth:
                self._loop.add_reader(self._descriptor, self._over)
            else:  # the number went to another before it could be watched
                self._loop.call_soon(self._over)

    def close(self) -> None:
        """Stop watching."""
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None

    def collect(self) -> int | None:
        """Exit code of a process that ended, negative for a signal; None where it was no child of ours."""
        with suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if pid else None
        return None

    async def within(self, seconds: float) -> bool:
        """Wait so long for its end; whether it came."""
        if self.ended.is_set():
            return True
        ended = self._loop.create_task(self.ended.wait())
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait([ended, pause], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ended, pause):
                task.cancel()
            await asyncio.gather(ended, pause, return_exceptions=True)
        return self.ended.is_set()

    def _over(self) -> None:
        if self.ended.is_set():
            return
        self.close()
        self.ended.set()
        self._on_end(self)

    async def _look(self) -> None:
        while True:
            found = process_table.entry(self.pid)
            if found is None or found.birth != self.leader.birth:
                self._poll = None
                return self._over()
            await self._clock.sleep(_LOOK_SECONDS)

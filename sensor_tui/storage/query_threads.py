"""Threads of their own for work on files that somebody waits for."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sensor_tui.errors import SourceFileError
from sensor_tui.model.clock import Clock
from sensor_tui.storage.files import FileBusy

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds a file may be locked by another process before that is a problem."""
_AGAIN_SECONDS: Final = 0.05


class FileThreads:
    """A few threads, made when they are first needed."""

    def __init__(self, clock: Clock, *, threads: int, name: str) -> None:
        self._clock = clock
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, job: Callable[[], T], cancel: Callable[[], None] | None = None) -> T:
        """Do a job; when cancelled, call `cancel`, and leave only after the job has ended."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if cancel is not None:
                cancel()
            await asyncio.wait([future])
            raise

    async def patiently(self, job: Callable[[], T], cancel: Callable[[], None] | None = None) -> T:
        """Do a job, again and again while another process has the file locked.

        Raises:
            SourceFileError: it is locked for too long.
        """
        deadline = self._clock.monotonic() + PATIENCE
        while True:
            try:
                return await self.run(job, cancel)
            except FileBusy as error:
                if self._clock.monotonic() >= deadline:
                    raise SourceFileError(
                        f"{error}: is locked by another process",
                        fix="Ask again, or find who holds it with `fuser`",
                    ) from None
            await self._clock.sleep(_AGAIN_SECONDS)

    def close(self) -> None:
        """End the threads; jobs under way are finished."""
        self._executor.shutdown(wait=False)

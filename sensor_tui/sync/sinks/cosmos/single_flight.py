"""One piece of work for all who ask for it while it runs."""

import asyncio
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Call it: the work starts, or the one under way is waited for; all get its outcome."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Wait for the outcome. Whoever stops waiting does not stop the work."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(_looked_at)
        await asyncio.shield(self._task)

    async def close(self) -> None:
        """Stop work under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            await self._work()
        finally:
            self._task = None


def _looked_at(task: "asyncio.Task[None]") -> None:
    """Nobody may be waiting any more; an error then is no news."""
    if not task.cancelled():
        task.exception()

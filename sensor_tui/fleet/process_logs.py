"""The logs of all units: kept small and timed while the runtime is open, and read by those who ask."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from sensor_tui.fleet.process_lines import LineReader
from sensor_tui.fleet.process_logfile import KEPT, LARGEST, UnitLog
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import LogLine

T = TypeVar("T")

log = logging.getLogger(__name__)

FOLLOW_SECONDS: Final = 0.25
"""Between two looks at the logs while somebody follows one."""
IDLE_SECONDS: Final = 0.75
QUIET_SECONDS: Final = 1.0
"""After which the beginning of a line is shown though its end is missing."""
ALIVE_SECONDS: Final = 15.0
"""After which one who follows a quiet log is told that there is nothing."""

_THREADS: Final = 4


class LogKeeper:
    """Looks at the logs again and again, in threads of its own."""

    def __init__(self, folder: Path, clock: Clock, *, largest: int = LARGEST, kept: int = KEPT) -> None:
        self._folder = folder
        self._clock = clock
        self._largest = largest
        self._kept = kept
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="unit-logs")
        self._logs: dict[str, UnitLog] = {}
        self._followers: dict[str, set[_Follower]] = {}
        self._look: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._closed = False
        self._failing: set[str] = set()

    def open(self, names: Iterable[str]) -> None:
        """Begin with these units."""
        for name in names:
            self.add(name)
        self._look = asyncio.get_running_loop().create_task(self._keep_looking())

    def add(self, name: str) -> None:
        """Look after this unit's log too."""
        path = self._folder / f"{name}.log"
        self._logs[name] = UnitLog(path, largest=self._largest, kept=self._kept)

    async def remove(self, name: str) -> None:
        """Delete this unit's log; those who follow it come to an end."""
        found = self._logs.pop(name, None)
        if found is not None:
            await self._run(found.remove)
        for follower in self._followers.pop(name, ()):
            follower.end()

    async def close(self) -> None:
        """Write what is known, and let everyone who follows come to an end."""
        self._closed = True
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        for followers in self._followers.values():
            for follower in followers:
                follower.end()
        await self._run(self._save, list(self._logs.values()))
        self._pool.shutdown(wait=False)

    async def lines(
        self, name: str, unit: str, *, since: float | None, tail: int | None, follow: bool
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        """Lines of a unit in batches, as `Runtime.logs` says."""
        found = self._logs.get(name)
        if found is None or self._closed:
            return
        follower = _Follower()
        self._followers.setdefault(name, set()).add(follower)
        self._wake.set()
        try:
            reader = await self._run(lambda: LineReader(found, unit, since=since, tail=tail))
            place, quiet_since, told = -1, 0.0, False
            while not follower.is_over():
                follower.some.clear()
                batch = await self._run(reader.take)
                if follower.is_over():  # the threads may be gone by now
                    if batch:
                        yield batch
                    return
                now = self._clock.monotonic()
                if reader.place != place:
                    place, quiet_since = reader.place, now
                if not batch and reader.partial and (not follow or now - quiet_since >= QUIET_SECONDS):
                    batch = await self._run(reader.rest)
                if batch:
                    told = False
                    yield batch
                    continue
                if not follow:
                    return
                if not told or now - quiet_since >= ALIVE_SECONDS:
                    told, quiet_since = True, now
                    yield ()
                follower.due = quiet_since + (QUIET_SECONDS if reader.partial else ALIVE_SECONDS)
                await follower.some.wait()
        finally:
            self._forget(name, follower)

    def _forget(self, name: str, follower: "_Follower") -> None:
        followers = self._followers.get(name, set())
        followers.discard(follower)
        if not followers:
            self._followers.pop(name, None)

    async def _keep_looking(self) -> None:
        while True:
            grew = await self._run(self._look_at, list(self._logs.items()), self._clock.now())
            now = self._clock.monotonic()
            for name, followers in self._followers.items():
                for follower in followers:
                    follower.look(now, grew=name in grew)
            if self._followers:
                await self._clock.sleep(FOLLOW_SECONDS)
                continue
            self._wake.clear()
            pause = asyncio.ensure_future(self._clock.sleep(IDLE_SECONDS))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait([pause, woken], return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                woken.cancel()
                await asyncio.gather(pause, woken, return_exceptions=True)

    def _look_at(self, logs: list[tuple[str, UnitLog]], now: float) -> set[str]:
        grew = set()
        for name, each in logs:
            try:
                if each.look(now):
                    grew.add(name)
                self._failing.discard(name)
            except OSError as error:
                if name not in self._failing:
                    self._failing.add(name)
                    log.warning("the log of %s cannot be looked after: %s", name, error)
        return grew

    def _save(self, logs: list[UnitLog]) -> None:
        for each in logs:
            with suppress(OSError):
                each.save()

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


class _Follower:
    """One who follows a log, woken when it grew, when it has been quiet long enough, or at the end."""

    def __init__(self) -> None:
        self.some = asyncio.Event()
        self._over = False
        self.due = float("inf")

    def is_over(self) -> bool:
        """Whether there is no more to come."""
        return self._over

    def look(self, now: float, *, grew: bool) -> None:
        """What a look at the log brought."""
        if grew or now >= self.due:
            self.some.set()

    def end(self) -> None:
        """No more from now on."""
        self._over = True
        self.some.set()

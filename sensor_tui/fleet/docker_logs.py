"""The log of a unit as its engine keeps it: read to its end, or followed, whatever is restarted meanwhile."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from enum import Enum, auto
from typing import Final, Protocol

from sensor_tui.fleet.docker_calls import Calls
from sensor_tui.fleet.docker_engine import Engine
from sensor_tui.fleet.docker_errors import EngineAway, NotThere
from sensor_tui.fleet.docker_lines import LineMaker, since_words
from sensor_tui.fleet.docker_stream import ByteStream, Pump
from sensor_tui.fleet.docker_unit import Container
from sensor_tui.fleet.process_events import Listener
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import LogLine

DRY_SECONDS: Final = 0.25
"""Without a line for so long there is no more for now."""
ALIVE_SECONDS: Final = 15.0
"""After which one who follows a quiet log is told that there is nothing."""
AGAIN_SECONDS: Final = 1.0
"""Before a log that ended though its container runs is looked at again."""

_AHEAD: Final = 4
_THREADS: Final = 4
_Batch = list[tuple[bytes, LogLine]]


class Ground(Protocol):
    """What a log needs of its runtime."""

    @property
    def epoch(self) -> int:
        """Number of the connection; another one after each loss."""
        ...

    @property
    def online(self) -> bool:
        """Whether what is known of containers is up to date."""
        ...

    def connected(self) -> Engine:
        """The engine; raises FleetError while it is away."""
        ...


class _Standing(Enum):
    """Whether there is more to read of a log that came to its end."""

    GONE = auto()
    QUIET = auto()
    AGAIN = auto()
    """Its container runs on as before, and the engine is there: odd, and not to be tried too often."""
    MORE = auto()


class LogTaps:
    """All logs that are read now, each in a thread of its own."""

    def __init__(
        self,
        ground: Ground,
        host: str,
        clock: Clock,
        find: Callable[[str], Container | None],
        listen: Callable[[], Listener],
    ) -> None:
        self._ground = ground
        self._calls = Calls(f"docker logs {host}", _THREADS)
        self._clock = clock
        self._find = find
        self._listen = listen
        self._taps: set[_Tap] = set()
        self._closed = False

    def close(self) -> None:
        """End all of them at once."""
        self._closed = True
        self._calls.close()
        for tap in tuple(self._taps):
            tap.close()

    async def lines(
        self, name: str, unit: str, *, since: float | None, tail: int | None, follow: bool
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        """Lines of a unit in batches, as `Runtime.logs` says.

        Raises:
            FleetError: its log cannot be read: its driver keeps none.
        """
        place = _Place(since, tail)
        changes = self._listen()
        while not self._closed and (container := self._find(name)) is not None:
            run = self._run(container)
            async with aclosing(self._once(container, unit, place, follow=follow)) as batches:
                async for lines in batches:
                    yield lines
            if not follow:
                return
            place.again()
            yield ()
            async with aclosing(self._pause(name, run, changes)) as quiet:
                async for nothing in quiet:
                    yield nothing

    async def _once(
        self, container: Container, unit: str, place: "_Place", *, follow: bool
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        """What one answer of the engine has."""
        try:
            tap = await self._open(container, unit, place, follow=follow)
        except NotThere:
            return  # another one is being made in its place
        except EngineAway as error:
            if not follow:
                yield [LogLine(unit, None, str(error), "note")]
            return
        try:
            while (batch := await tap.next(self._clock)) is not None:
                if (lines := place.new(batch)) or (not batch and follow):
                    yield lines
        finally:
            self._taps.discard(tap)
            tap.close()

    async def _pause(
        self, name: str, run: tuple[object, ...], changes: Listener
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        """Wait until there may be more, or never will; now and then there is nothing."""
        while (standing := self._standing(name, run)) in {_Standing.QUIET, _Standing.AGAIN}:
            seconds = AGAIN_SECONDS if standing is _Standing.AGAIN else ALIVE_SECONDS
            if await self._change(changes, seconds):
                continue
            if standing is _Standing.AGAIN:
                return
            yield ()

    def _run(self, container: Container) -> tuple[object, ...]:
        return self._ground.epoch, container.id, container.unit.started_at

    def _standing(self, name: str, run: tuple[object, ...]) -> _Standing:
        container = self._find(name)
        if self._closed or (container is None and self._ground.online):
            return _Standing.GONE
        if container is None or not self._ground.online or not container.unit.state.up:
            return _Standing.QUIET
        return _Standing.AGAIN if self._run(container) == run else _Standing.MORE

    async def _open(self, container: Container, unit: str, place: "_Place", *, follow: bool) -> "_Tap":
        engine = self._ground.connected()

        def begin() -> ByteStream:
            return engine.logs(
                container.id, container.name, since=place.since, tail=place.tail, follow=follow
            )

        opening = self._calls.give(begin)
        try:
            stream = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        tap = _Tap(unit, stream, tty=container.tty)
        self._taps.add(tap)
        if self._closed:
            tap.close()
        return tap

    async def _change(self, changes: Listener, seconds: float) -> bool:
        """Whether something changes before so many seconds are over."""
        changed = asyncio.ensure_future(anext(changes, None))
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({changed, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            return changed.done()
        finally:
            changed.cancel()
            sleeping.cancel()


class _Place:
    """How far a log was read, so that it can be read on from there."""

    def __init__(self, since: float | None, tail: int | None) -> None:
        self.since = f"{since:.9f}" if since is not None and since > 0 else None
        self.tail = tail
        self._at = b""
        self._count = 0
        """Lines given out that bear that time."""
        self._known = 0
        """Of those that come now, how many were given out before."""

    def new(self, batch: _Batch) -> list[LogLine]:
        """Lines that were not given out yet."""
        lines = []
        for at, line in batch:
            if at and at == self._at:
                if self._known:
                    self._known -= 1
                    continue
                self._count += 1
            elif at:
                self._at, self._count, self._known = at, 1, 0
            lines.append(line)
        return lines

    def again(self) -> None:
        """It will be read on."""
        if since := since_words(self._at):
            self.since, self.tail, self._known = since, None, self._count


class _Tap:
    """One answer of the engine, read in a thread a little ahead."""

    def __init__(self, unit: str, stream: ByteStream, *, tty: bool) -> None:
        maker = LineMaker(unit, tty=tty)
        self._batches: deque[tuple[_Batch, bool]] = deque()
        self._some = asyncio.Event()
        self._over = False
        self._told = False
        self._pump = Pump(
            f"log {unit}", stream, maker.feed, self._put, self._end, ahead=_AHEAD, end=maker.end
        )

    async def next(self, clock: Clock) -> _Batch | None:
        """Some lines; none where there is no more for now; None at the end."""
        while not self._batches:
            if self._over:
                return None
            self._some.clear()
            if not await self._within(clock, ALIVE_SECONDS if self._told else DRY_SECONDS):
                self._told = True
                return []
        batch, last = self._batches.popleft()
        if last:
            self._pump.taken()
        self._told = False
        return batch

    def close(self) -> None:
        """End it."""
        self._pump.close()
        self._end()

    def _put(self, batches: list[_Batch]) -> None:
        self._batches.extend((batch, False) for batch in batches[:-1])
        self._batches.append((batches[-1], True))
        self._some.set()

    def _end(self) -> None:
        self._over = True
        self._some.set()

    async def _within(self, clock: Clock, seconds: float) -> bool:
        waking = asyncio.ensure_future(self._some.wait())
        sleeping = asyncio.ensure_future(clock.sleep(seconds))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            return waking.done()
        finally:
            waking.cancel()
            sleeping.cancel()


def _close_unwanted(opening: "asyncio.Future[ByteStream]") -> None:
    """Close a stream that nobody waited for."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().release()

"""Logs of several units as one stream, merged by time as well as it is known."""

import asyncio
import heapq
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Final

from sensor_tui.errors import SensorTuiError
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import LogLine

log = logging.getLogger(__name__)

WINDOW_SECONDS: Final = 0.3
"""How long a new line waits for an older one of another unit."""
PATIENCE_SECONDS: Final = 2.0
"""How long the lines of all units wait for one that has not begun to tell its own."""
ALIVE_SECONDS: Final = 15.0
"""Longest silence, after which an empty batch says that there is nothing new."""
BATCH: Final = 500

Batches = AsyncIterator[Sequence[LogLine]]


async def merged(
    logs: Mapping[str, Batches], clock: Clock, *, follow: bool = True
) -> AsyncGenerator[list[LogLine], None]:
    """Lines of these units in batches of at most 500; an empty batch for every quiet while.

    A line without a time stays behind the one before it of its unit. No unit is read further than one of its
    batches ahead, so whoever reads slowly holds up the reading, and nothing is lost. Without `follow` every
    log comes to its end, and all are waited for, however long one takes: the order is strictly that of times.
    """
    merge = _Merge(logs, clock, patience=PATIENCE_SECONDS if follow else math.inf)
    try:
        sent = clock.monotonic()
        while True:
            lines = merge.take()
            if lines or clock.monotonic() - sent >= ALIVE_SECONDS:
                yield lines
                sent = clock.monotonic()
            elif merge.over:
                return
            else:
                await merge.wait(sent + ALIVE_SECONDS - clock.monotonic())
    finally:
        await merge.close()


class _Log:
    """One unit's log: the batch that was read of it, and how it stands."""

    def __init__(self, unit: str, batches: Batches, now: float, patience: float) -> None:
        self.unit = unit
        self.batches = batches
        self.lines: deque[LogLine] = deque()
        self.taken = asyncio.Event()
        """Set when the batch was used up, and the next may be read."""
        self.told = False
        """It said that there is no more for now: the others wait for it but a moment."""
        self.ended = False
        self.arrived = now
        self.patient_until = now + patience
        self._patience = patience
        self._begun = False
        self._at = float("-inf")

    @property
    def idle(self) -> bool:
        """It has no line, and may have one later."""
        return not self.lines and not self.ended

    def next_time(self) -> float:
        """Time of the next line; as the one before where nobody knows."""
        at = self.lines[0].at
        if at is not None:
            self._at = at
        return self._at

    def say_so(self) -> None:
        """There is no more for now."""
        self.told = self._begun = True

    def use_up(self, now: float) -> None:
        """Its last line was taken; there may be more at once."""
        self.told = False
        self.patient_until = now + (WINDOW_SECONDS if self._begun else self._patience)
        self.taken.set()


class _Merge:
    """Reads every log in a task of its own, a batch ahead, and takes lines in the order of their times."""

    def __init__(self, logs: Mapping[str, Batches], clock: Clock, *, patience: float) -> None:
        self._clock = clock
        self._changed = asyncio.Event()
        self._patience = patience
        self._logs = [_Log(unit, batches, clock.monotonic(), patience) for unit, batches in logs.items()]
        self._fresh: list[int] = []
        """Logs with a batch that is not in the heap yet."""
        self._heap: list[tuple[float, int]] = []
        """Time of the next line of every log that has one."""
        self._due: float | None = None
        """When lines that are held may go."""
        self._tasks = [asyncio.ensure_future(self._read(index)) for index in range(len(self._logs))]

    @property
    def over(self) -> bool:
        """Whether every log has come to its end."""
        return not self._heap and not self._fresh and all(each.ended for each in self._logs)

    def take(self) -> list[LogLine]:
        """Lines whose turn it is, at most a batch; afterwards `wait` knows how long there is none."""
        self._changed.clear()
        for index in self._fresh:
            heapq.heappush(self._heap, (self._logs[index].next_time(), index))
        self._fresh.clear()
        now = self._clock.monotonic()
        idle = [each for each in self._logs if each.idle]
        self._due = _patience(idle, now)
        others = len(idle)
        lines: list[LogLine] = []
        while self._heap and len(lines) < BATCH and self._due is None:
            index = self._heap[0][1]
            each = self._logs[index]
            if others and self._patience < math.inf and each.arrived + WINDOW_SECONDS > now:
                self._due = each.arrived + WINDOW_SECONDS
                break
            lines.append(each.lines.popleft())
            if each.lines:
                heapq.heapreplace(self._heap, (each.next_time(), index))
                continue
            heapq.heappop(self._heap)
            each.use_up(now)
            if not each.ended:
                others += 1
                self._due = each.patient_until
        return lines

    async def wait(self, seconds: float) -> None:
        """Until there may be more to take, or so many seconds."""
        if self._due is not None:
            seconds = min(seconds, self._due - self._clock.monotonic())
        if self._heap and all(each.told or not each.idle for each in self._logs):
            # a line is held for its window, however many others come meanwhile
            await self._clock.sleep(seconds)
            return
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({sleeping, changed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            changed.cancel()

    async def close(self) -> None:
        """Let go of every log."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, index: int) -> None:
        each = self._logs[index]
        try:
            async for batch in each.batches:
                if not batch:
                    each.say_so()
                    self._changed.set()
                    continue
                each.taken.clear()
                self._take_in(index, batch)
                await each.taken.wait()
        except Exception as error:
            if not isinstance(error, SensorTuiError):
                log.exception("the log of %s cannot be read", each.unit)
            reason = str(error) or type(error).__name__
            self._take_in(index, [LogLine(each.unit, None, f"the log cannot be read: {reason}", "note")])
        finally:
            if isinstance(each.batches, AsyncGenerator):
                await each.batches.aclose()
            each.ended = True
            self._changed.set()

    def _take_in(self, index: int, batch: Sequence[LogLine]) -> None:
        each = self._logs[index]
        each.lines.extend(batch)
        each.arrived = self._clock.monotonic()
        self._fresh.append(index)
        self._changed.set()


def _patience(idle: Sequence[_Log], now: float) -> float | None:
    """When to go on without those that have not told yet what they have; None where that is now."""
    waiting = [each.patient_until for each in idle if not each.told and each.patient_until > now]
    return min(waiting, default=None)

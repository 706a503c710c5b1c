"""Reading log lines into a book for as long as they are wanted, whatever becomes of the stream."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from typing import Final

from sensor_tui.app.format import plain
from sensor_tui.app.logbook import NOTE, LogBook, merged
from sensor_tui.app.port import Port
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import LogLine

SLICE: Final = 100
"""Lines taken in before others get their turn: about a millisecond's work."""
REST: Final = 0.002
"""Seconds left to others after that, so that a key press passes through in between."""
OVERLAP: Final = 5.0
"""Seconds read again after a break, since lines of several units come about in order only."""
LONGEST_WAIT: Final = 15.0
_TAIL_MOST: Final = 1000
_TAIL_LEAST: Final = 20


class FeedState(StrEnum):
    """How the stream of lines stands."""

    IDLE = "idle"
    """Nothing is asked for."""
    OPENING = "opening"
    READING = "reading"
    BROKEN = "broken"
    """It broke or never began; tried again soon."""


class LogFeed:
    """Reads the lines of some units into a book; `took` is called after every few of them."""

    def __init__(self, port: Port, clock: Clock, book: LogBook, took: Callable[[], None]) -> None:
        self._port = port
        self._clock = clock
        self._book = book
        self._took = took
        self.state = FeedState.IDLE
        self.problem = ""
        """Why it is broken, plain."""
        self._floor: float | None = None

    def clear(self) -> None:
        """Forget every line; they do not come back after a break either."""
        self._floor = self._book.last_at
        self._book.clear()

    def begin_anew(self) -> None:
        """Forget every line, and let them come again."""
        self._floor = None
        self._book.clear()

    async def run(self, units: Sequence[str], *, since: float | None = None, resume: bool = False) -> None:
        """Read until cancelled: the last lines, those since a time, or (`resume`) from the book's end."""
        wait = 1.0
        said = False
        tail = None if since is not None else tail_for(len(units), self._book.most_lines)
        self.state = FeedState.OPENING
        while True:
            seen: Counter[tuple[str, float, str]] = Counter()
            if resume and (last := self._book.last_at) is not None:
                since, tail = last - OVERLAP, None
                seen = self._book.since(since)
            try:
                async for batch in _closing(self._port, units, since, tail):
                    if said:
                        self._say("lines come again")
                    self.state, said, wait, resume = FeedState.READING, False, 1.0, True
                    await self._take(batch, seen)
                problem = "the stream of lines ended"
            except SensorTuiError as error:
                problem = plain(str(error))
            if self.state is FeedState.READING and not said:
                self._say(f"the stream of lines broke: {problem}; trying again")
                said = True
            self.state, self.problem = FeedState.BROKEN, problem
            self._took()
            await self._clock.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    async def _take(self, batch: Sequence[LogLine], seen: Counter[tuple[str, float, str]]) -> None:
        book = self._book
        lines = merged(batch)
        if not lines:
            self._took()
        for start in range(0, len(lines), SLICE):
            part = lines[start : start + SLICE]
            if seen or self._floor is not None:
                part = [line for line in part if not self._is_old(line, seen)]
            book.extend(part)
            self._took()
            await self._clock.sleep(REST)

    def _is_old(self, line: LogLine, seen: Counter[tuple[str, float, str]]) -> bool:
        if self._floor is not None and line.at is not None and line.at <= self._floor:
            return True
        return self._book.known(line, seen)

    def _say(self, text: str) -> None:
        self._book.extend([LogLine("", self._clock.now(), text, NOTE)])
        self._took()


async def _closing(
    port: Port, units: Sequence[str], since: float | None, tail: int | None
) -> AsyncIterator[Sequence[LogLine]]:
    """The port's batches; its stream is closed at once when nobody reads any more."""
    stream = port.logs(units, since=since, tail=tail, follow=True)
    try:
        async for batch in stream:
            yield batch
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


def tail_for(units: int, most_lines: int) -> int:
    """How many last lines of each unit to begin with, so that all of them fit."""
    return max(_TAIL_LEAST, min(_TAIL_MOST, most_lines // 2 // max(1, units)))

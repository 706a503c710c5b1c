"""From the bytes of a unit's log to lines: bounded, decoded, and with their times."""

from collections import deque
from typing import Final

from sensor_tui.fleet.process_logfile import UnitLog
from sensor_tui.fleet.process_times import time_in
from sensor_tui.model.unit import LogLine

MOST: Final = 500
"""Lines of one batch."""
LONGEST: Final = 16 * 1024
"""Bytes kept of one line."""

_CHUNK: Final = 64 * 1024
_LARGEST: Final = 512 * 1024
"""Bytes of one batch, about."""


class LineReader:
    """Reads on from one place of a log. Methods block; for one reader at a time."""

    def __init__(
        self, log: UnitLog, unit: str, *, since: float | None = None, tail: int | None = None
    ) -> None:
        self._log = log
        self._unit = unit
        self._since = since
        place = 0 if since is None else log.place_since(since)
        self.place = place if tail is None else max(place, log.place_of_last(tail))
        self._turns = log.turns
        self._ready: deque[tuple[bytes, int, int]] = deque()
        self._partial = bytearray()
        self._over = 0
        self._broken = False
        """Whether the beginning of the line under way was given out already."""
        self._headless = False
        """Whether the beginning of the line under way is lost, so that none of it is given out."""
        self._given = 0
        """Bytes of lines in the batch under way."""
        self._begun = False
        """Whether a jump in places is a loss; the oldest lines may be gone before anybody asked."""

    @property
    def partial(self) -> bool:
        """Whether there is the beginning of a line."""
        return bool(self._partial)

    def take(self) -> list[LogLine]:
        """The next lines, as many as there are and fit in a batch."""
        lines: list[LogLine] = []
        if self._log.turns != self._turns:
            self._turns = self._log.turns
            lines.append(self._note("log rotated"))
        self._given = 0
        while not self._is_full(lines):
            while self._ready and not self._is_full(lines):
                self._give(lines, *self._ready.popleft())
            if self._is_full(lines) or not self._read(lines):
                break
        return lines

    def _is_full(self, lines: list[LogLine]) -> bool:
        return len(lines) >= MOST or self._given >= _LARGEST

    def rest(self) -> list[LogLine]:
        """The line that has no end yet."""
        lines: list[LogLine] = []
        if self._partial:
            self._give(lines, bytes(self._partial), self._over, self.place)
            self._partial.clear()
            self._over = 0
            self._broken = True
        return lines

    def _read(self, lines: list[LogLine]) -> bool:
        start, data = self._log.read(self.place, _CHUNK)
        if not data:
            return False
        lost = start - self.place if self._begun else 0
        if lost:
            lines += self.rest()
            lines.append(self._note(f"{lost:,} bytes are gone: the log was rotated or emptied meanwhile"))
        self._begun = True
        self.place = start + len(data)
        *whole, last = data.split(b"\n")
        place = start
        if lost:
            self._broken, self._headless = False, True
        if self._headless and whole:
            place += len(whole.pop(0)) + 1
            self._headless = False
        for piece in whole:
            place += len(piece) + 1
            self._add(piece)
            if self._partial or not self._broken:
                self._ready.append((bytes(self._partial), self._over, place))
            self._partial.clear()
            self._over = 0
            self._broken = False
        if not self._headless:
            self._add(last)
        return True

    def _add(self, piece: bytes) -> None:
        room = LONGEST - len(self._partial)
        self._partial += piece[:room]
        self._over += max(0, len(piece) - room)

    def _give(self, lines: list[LogLine], raw: bytes, over: int, end: int) -> None:
        self._given += len(raw)
        text = raw.decode("utf-8", "replace").removesuffix("\r")
        at = time_in(text)
        if at is None:
            at = self._log.time_of(end)
        if self._since is not None:
            # What has no time goes with the lines before it.
            if at is None or at < self._since:
                return
            self._since = None
        lines.append(LogLine(self._unit, at, text))
        if over:
            lines.append(self._note(f"the line before was cut: {over:,} more bytes", at))

    def _note(self, text: str, at: float | None = None) -> LogLine:
        return LogLine(self._unit, at, text, "note")

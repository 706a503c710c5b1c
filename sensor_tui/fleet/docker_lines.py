"""From the bytes of a container's log to lines, with the engine's times and their streams.

Without a terminal each message has a header of eight bytes: the stream, three zeros, the length (Docker
Engine API, "Stream format"). Each message begins with its time; a line of more than 16 KiB comes as several,
of which only the last has an end.
"""

from collections.abc import Callable
from typing import Final

from sensor_tui.fleet.docker_unit import time_of
from sensor_tui.model.unit import LogLine

MOST: Final = 500
"""Lines of one batch."""
LARGEST: Final = 512 * 1024
"""Bytes of one batch, about."""
LONGEST: Final = 16 * 1024
"""Bytes kept of one line."""

_HEADER: Final = 8
_PIECE: Final = 16 * 1024
"""Bytes of a message, but for its time."""
_STREAMS: Final = {1: "out", 2: "err"}
_LONGEST_TIME: Final = 40
_LARGEST_MESSAGE: Final = 4 * 1024 * 1024
_EMPTY: Final = b""


class LineMaker:
    """Takes bytes as they come, gives batches of lines; `tty` where the container has a terminal."""

    def __init__(self, unit: str, *, tty: bool) -> None:
        self._unit = unit
        self._split: Callable[[], None] = self._terminal if tty else self._messages
        self._rest = b""
        self._partial: dict[str, _Line] = {}
        self._lines: list[tuple[bytes, LogLine]] = []

    def feed(self, data: bytes) -> list[list[tuple[bytes, LogLine]]]:
        """Batches of the lines that are whole now, each with the engine's words for its time."""
        self._rest += data
        self._split()
        return self._batches()

    def end(self) -> list[list[tuple[bytes, LogLine]]]:
        """What is left, though it has no end."""
        if self._split == self._terminal and self._rest:
            self._rest += b"\n"
            self._terminal()
        for stream in list(self._partial):
            self._finish(stream)
        return self._batches()

    def _batches(self) -> list[list[tuple[bytes, LogLine]]]:
        batches: list[list[tuple[bytes, LogLine]]] = [[]]
        size = 0
        for entry in self._lines:
            if len(batches[-1]) >= MOST or size >= LARGEST:
                batches.append([])
                size = 0
            batches[-1].append(entry)
            size += len(entry[1].text)
        self._lines = []
        return [batch for batch in batches if batch]

    def _messages(self) -> None:
        rest, place = self._rest, 0
        while len(rest) - place >= _HEADER:
            length = int.from_bytes(rest[place + 4 : place + _HEADER], "big")
            kind = rest[place]
            if kind > len(_STREAMS) + 1 or length > _LARGEST_MESSAGE:
                # No log in this form: what follows cannot be told from headers any more.
                self._note("what the engine sent of the log cannot be read, and is left out")
                place = len(rest)
                break
            if len(rest) - place - _HEADER < length:
                break
            start = place + _HEADER
            place = start + length
            self._message(_STREAMS.get(kind, "err"), rest[start:place])
        self._rest = rest[place:]

    def _message(self, stream: str, message: bytes) -> None:
        at, data = _timed(message)
        whole = data.endswith(b"\n")
        data = data[:-1].removesuffix(b"\r") if whole else data
        line = self._partial.get(stream)
        if line is None and whole and len(data) <= LONGEST:
            self._add(at, data, stream)
            return
        if line is None:
            line = self._partial[stream] = _Line(at)
        line.add(data)
        if whole:
            self._finish(stream)

    def _terminal(self) -> None:
        *lines, rest = self._rest.split(b"\n")
        if len(rest) > _LARGEST_MESSAGE:
            lines.append(rest)
            rest = b""
        self._rest = rest
        for raw in lines:
            at, data = _timed(raw.removesuffix(b"\r"))
            line = self._partial.setdefault("out", _Line(at))
            # The time comes again where a long line was cut into pieces.
            while at and data[_PIECE:].startswith(at + b" "):
                line.add(data[:_PIECE])
                data = data[_PIECE + len(at) + 1 :]
            line.add(data)
            self._finish("out")

    def _finish(self, stream: str) -> None:
        line = self._partial.pop(stream)
        at = self._add(line.at, line.kept, stream)
        if line.over:
            cut = LogLine(self._unit, at, f"the line before was cut: {line.over:,} more bytes", "note")
            self._lines.append((_EMPTY, cut))

    def _add(self, words: bytes, data: bytes | bytearray, stream: str) -> float | None:
        at = time_of(words.decode("ascii", "replace")) if words else None
        self._lines.append((words, LogLine(self._unit, at, data.decode("utf-8", "replace"), stream)))
        return at

    def _note(self, text: str) -> None:
        self._lines.append((_EMPTY, LogLine(self._unit, None, text, "note")))


class _Line:
    """A line under way, and the time of its first piece."""

    __slots__ = ("at", "kept", "over")

    def __init__(self, at: bytes) -> None:
        self.at = at
        self.kept = bytearray()
        self.over = 0

    def add(self, piece: bytes) -> None:
        room = LONGEST - len(self.kept)
        self.kept += piece[:room]
        self.over += max(0, len(piece) - room)


def _timed(message: bytes) -> tuple[bytes, bytes]:
    """The time a message begins with, as the engine wrote it, and the rest."""
    end = message.find(b" ", 0, _LONGEST_TIME)
    if end < 0 or not message[:4].isdigit():
        return _EMPTY, message
    return message[:end], message[end + 1 :]


def since_words(at: bytes) -> str | None:
    """A time of the engine's as it takes it back: seconds, a point, nine digits. None where it is none."""
    text = at.decode("ascii", "replace")
    head, point, fraction = text.partition(".")
    seconds = time_of(f"{head}Z" if point else text)
    digits = fraction.rstrip("Z")[:9] if point else ""
    return None if seconds is None or not (digits.isdigit() or not digits) else f"{int(seconds)}.{digits:0<9}"

"""Log lines as the dashboard keeps them: a bounded book, and the level guessed from a line."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, NamedTuple

from sensor_tui.model.unit import LogLine

MOST_LINES: Final = 20_000
MOST_BYTES: Final = 16 * 1024 * 1024
KEPT: Final = 8192
"""Characters kept of a line."""
SHOWN: Final = 1000
"""Characters of a line shown in a list."""

_OVERHEAD: Final = 200
"""Bytes a line costs beside its text."""
SLACK: Final = 4096
"""Dead places at the front of a list before they are cut off."""

NOTE: Final = "note"
"""Stream of what a reader itself has to say."""


class Level(IntEnum):
    """How much a line matters, guessed from its text."""

    NONE = 0
    """Nothing in it says so."""
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4

    @property
    def letter(self) -> str:
        """One letter, a space where nothing is known."""
        return " DIWE"[self]


class Entry(NamedTuple):
    """A line in the book. Times in seconds since the epoch."""

    number: int
    """Counts up from 0 and is never used again."""
    unit: str
    at: float | None
    when: float
    """`at`, or the time of the line before where nobody knows."""
    text: str
    """Plain, at most KEPT characters."""
    lost: int
    """Characters that were cut off."""
    stream: str
    level: Level
    stamp: int = 0
    """Characters at its beginning that say no more than `at`: a time of its own."""


_STAMP: Final = re.compile(
    r"[\[(]?(?:(?P<date>\d{4}[-/]\d\d[-/]\d\d)[T ])?(?P<clock>[0-2]\d:[0-5]\d:[0-5]\d)(?:[.,]\d{1,9})?"
    r"(?: ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d))?[\])]?(?: ?[|:-])?\s+(?=\S)",
    re.ASCII,
)
_CLOSE: Final = 2
"""Seconds by which the time in a line and that of the line may differ and still be the same."""
_QUARTER: Final = 900
"""Seconds of which all time zones are multiples."""
_FARTHEST: Final = 14 * 3600


_WORDS: Final = {
    Level.ERROR: "fatal|critical|crit|error|err|severe|panic|emerg|alert",
    Level.WARN: "warning|warn|wrn",
    Level.INFO: "info|inf|notice|information",
    Level.DEBUG: "debug|dbg|trace|verbose",
}
_LEVELS: Final = {word: level for level, words in _WORDS.items() for word in words.split("|")}
_ANY: Final = "|".join(sorted(_LEVELS, key=len, reverse=True))
_SAID: Final = re.compile(
    rf"\b(?P<upper>{_ANY.upper()})\b"  # 12:00:00 ERROR …
    rf"|\b(?:level|lvl|severity)\W{{1,4}}(?P<key>(?i:{_ANY}))\b"  # level=error, "level": "error"
    rf"|[\[<(](?P<box>(?i:{_ANY}))[\])>]"  # [error]
    rf"|^(?P<start>(?i:{_ANY})):|(?P<glog>^[EWIDF])\d{{4}} "  # error: …, and E0131 12:00:00
    r"|(?P<raised>^Traceback \(most|^[\w.]*(?:Error|Exception)\b)"
)
_GLOG: Final = {"E": Level.ERROR, "F": Level.ERROR, "W": Level.WARN, "I": Level.INFO, "D": Level.DEBUG}
_LOOKED_AT: Final = 240
"""Characters of a line in which its level is looked for."""


def guess(text: str) -> Level:
    """The level a line says it has, the first word for one counts."""
    found = _SAID.search(text, 0, _LOOKED_AT)
    if found is None:
        return Level.NONE
    kind = found.lastgroup
    if kind == "raised":
        return Level.ERROR
    word = found[kind] if kind else ""
    return _GLOG[word] if kind == "glog" else _LEVELS[word.lower()]


def stamp_length(text: str, at: float | None) -> int:
    """Characters at the beginning of a line that repeat when it was written; 0 where it says another time."""
    found = None if at is None else _STAMP.match(text)
    if found is None or at is None:
        return 0
    date, zone = found["date"], found["zone"]
    try:
        said = datetime.fromisoformat(f"{(date or '1970-01-01').replace('/', '-')}T{found['clock']}+00:00")
        if zone and zone[0] in "+-":
            said = datetime.fromisoformat(f"{said:%Y-%m-%dT%H:%M:%S}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return 0
    differs = said.timestamp() - at
    if date and zone:
        close = abs(differs) <= _CLOSE
    else:  # where its clock is, nobody says
        close = min(differs % _QUARTER, -differs % _QUARTER) <= _CLOSE
        close = close and (not date or abs(differs) <= _FARTHEST)
    return found.end() if close else 0


class LogBook:
    """The last lines that came, bounded by their number and by what they take; `clean` makes text plain."""

    def __init__(
        self, clean: Callable[[str], str], *, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES
    ) -> None:
        self._clean = clean
        self.most_lines = max(1, most_lines)
        self.most_bytes = most_bytes
        self.bytes = 0
        """What the lines take, about."""
        self.first = 0
        """Number of the oldest line kept; equal to `next` where there is none."""
        self.next = 0
        """Number the next line will get."""
        self.dropped = 0
        """Lines dropped because there was no room, since the last clearing."""
        self._kept: list[Entry | None] = []
        self._dead = 0
        self._levels: dict[str, Level] = {}
        self._when = 0.0

    def __len__(self) -> int:
        return self.next - self.first

    def __getitem__(self, number: int) -> Entry:
        entry = self._kept[number - self.first + self._dead] if self.first <= number < self.next else None
        if entry is None:
            raise IndexError(number)
        return entry

    @property
    def last_at(self) -> float | None:
        """Time of the newest line that has one."""
        return self._when or None

    def extend(self, lines: Iterable[LogLine]) -> None:
        """Take lines in and drop as many old ones as there is no room for."""
        for line in lines:
            text = line.text
            lost = max(0, len(text) - KEPT)
            if lost:
                text = text[:KEPT]
            if not (text.isascii() and text.isprintable()):
                text = self._clean(text)
            if line.at is not None:
                self._when = line.at
            entry = Entry(
                self.next,
                line.unit,
                line.at,
                self._when,
                text,
                lost,
                line.stream,
                self._level(line.unit, text, line.stream),
                0 if line.stream == NOTE else stamp_length(text, line.at),
            )
            self._kept.append(entry)
            self.next += 1
            self.bytes += _cost(text)
        self._make_room()

    def clear(self) -> None:
        """Forget every line; numbers go on."""
        self._kept.clear()
        self._dead = self.bytes = self.dropped = 0
        self.first = self.next

    def since(self, moment: float) -> Counter[tuple[str, float, str]]:
        """Lines from that time on, to tell what comes again after a stream broke from what is new."""
        found: Counter[tuple[str, float, str]] = Counter()
        for number in range(self.next - 1, self.first - 1, -1):
            entry = self[number]
            if entry.when < moment:
                break
            if entry.at is not None and entry.stream != NOTE:
                found[entry.unit, entry.at, entry.text] += 1
        return found

    def known(self, line: LogLine, seen: Counter[tuple[str, float, str]]) -> bool:
        """Whether this line is one of those, which it then no longer is."""
        if line.at is None or line.stream == NOTE:
            return False
        text = line.text[:KEPT]
        key = (line.unit, line.at, text if text.isascii() and text.isprintable() else self._clean(text))
        if seen[key] <= 0:
            return False
        seen[key] -= 1
        return True

    def _level(self, unit: str, text: str, stream: str) -> Level:
        if stream == NOTE:
            return Level.NONE
        level = guess(text)
        if level is Level.NONE and text[:1].isspace():
            # a line that is indented belongs to the one before, as those of a traceback do
            return self._levels.get(unit, Level.NONE)
        self._levels[unit] = level
        return level

    def _make_room(self) -> None:
        kept, dead = self._kept, self._dead
        while self.next - self.first > self.most_lines or (
            self.bytes > self.most_bytes and self.next - self.first > 1
        ):
            entry = kept[dead]
            if entry is not None:
                self.bytes -= _cost(entry.text)
            kept[dead] = None
            dead += 1
            self.first += 1
            self.dropped += 1
        if dead > SLACK:
            del kept[:dead]
            dead = 0
        self._dead = dead


def _cost(text: str) -> int:
    return _OVERHEAD + (len(text) if text.isascii() else 4 * len(text))


def merged(lines: Sequence[LogLine]) -> Sequence[LogLine]:
    """Lines by time; one without a time stays behind the line before it, and equals keep their order."""
    latest = float("-inf")
    for line in lines:
        if line.at is not None:
            if line.at < latest:
                break
            latest = line.at
    else:
        return lines
    timed: list[tuple[float, LogLine]] = []
    latest = float("-inf")
    for line in lines:
        latest = latest if line.at is None else line.at
        timed.append((latest, line))
    return [line for _, line in sorted(timed, key=lambda pair: pair[0])]

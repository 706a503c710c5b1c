"""Lines of logs as they are shown: filtered, with their times and units, as text or JSON."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.model.unit import LogLine

SEARCH_SECONDS: Final = 1.0
"""What a regular expression may take for one line."""
NOTE: Final = "note"

_COLORS: Final = (
    "cyan",
    "yellow",
    "green",
    "magenta",
    "blue",
    "bright_cyan",
    "bright_yellow",
    "bright_green",
)


def filter_of(pattern: str | None, *, invert: bool) -> Callable[[str], bool]:
    """Whether a line is wanted; raises UsageError where the regular expression is none, or takes too long."""
    if pattern is None:
        return lambda _: True
    import regex  # `re` cannot be told to stop

    try:
        search = regex.compile(pattern).search
    except (regex.error, RecursionError, OverflowError) as error:
        raise UsageError(f"--grep {pattern!r} is no regular expression: {error}", fix="Mend it") from None

    def wanted(text: str) -> bool:
        try:
            return (search(text, timeout=SEARCH_SECONDS) is None) == invert
        except TimeoutError:
            raise UsageError(
                f"--grep {pattern!r} takes more than {SEARCH_SECONDS:g} s on a line of {len(text):,}"
                " characters",
                fix="Make it simpler: repetitions within repetitions are what takes so long",
            ) from None

    return wanted


class Shown:
    """Which lines are shown.

    Args:
        wanted: whether a text is.
        until: seconds since the epoch, after which lines are left out; None where it does not matter.
    """

    def __init__(self, wanted: Callable[[str], bool], until: float | None) -> None:
        self._wanted = wanted
        self._until = until
        self._late: set[str] = set()
        """Units whose last line with a time was too late: lines without one stay behind it."""

    def choose(self, lines: "Iterable[LogLine]") -> "list[LogLine]":
        """Those of these lines that are shown."""
        return [line for line in self.in_time(lines) if line.stream == NOTE or self._wanted(line.text)]

    def in_time(self, lines: "Iterable[LogLine]") -> "list[LogLine]":
        """Those of these lines that are not too late."""
        return [line for line in lines if self._in_time(line)]

    def _in_time(self, line: "LogLine") -> bool:
        if self._until is None:
            return True
        if line.at is not None:
            if line.at > self._until:
                self._late.add(line.unit)
            else:
                self._late.discard(line.unit)
        return line.unit not in self._late


class Last:
    """The last lines of each unit, in the order they came in."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lines: list[LogLine] = []
        self._held: Counter[str] = Counter()

    def add(self, lines: "Iterable[LogLine]") -> None:
        """Take in more."""
        for line in lines:
            self._lines.append(line)
            self._held[line.unit] += 1
        if sum(self._held.values()) > 2 * self._count * max(1, len(self._held)):
            self._lines = self.lines()
            self._held = Counter(line.unit for line in self._lines)

    def lines(self) -> "list[LogLine]":
        """What is left."""
        left: Counter[str] = Counter()
        kept = []
        for line in reversed(self._lines):
            if left[line.unit] < self._count:
                left[line.unit] += 1
                kept.append(line)
        kept.reverse()
        return kept


class Printer:
    """Writes lines to standard output.

    Args:
        names: a short name for every unit by its id; added to as units appear.
        several: put the unit before each line.
        timestamps: put the time before each line.
        as_json: one JSON document a line instead of text.
        plain: no colours, whatever standard output is.
    """

    def __init__(
        self, names: dict[str, str], *, several: bool, timestamps: bool, as_json: bool, plain: bool
    ) -> None:
        from sensor_tui.cli.output import clean, is_terminal, no_color

        self.names = names
        self._several = several
        self._timestamps = timestamps
        self._json = as_json
        self._colored = is_terminal(sys.stdout) and not no_color(asked=plain)
        self._clean = clean
        self._width = 0
        self._places: dict[str, int] = {}

    def put(self, lines: "Sequence[LogLine]") -> None:
        """Write lines at once."""
        if not lines:
            return
        from sensor_tui.cli.output import emit

        self._width = max(self._width, *(len(self._name(line.unit)) for line in lines))
        emit("\n".join(map(self._as_json if self._json else self._as_text, lines)))
        sys.stdout.flush()

    def widen(self, units: Iterable[str]) -> None:
        """Make room for the names of these units."""
        self._width = max([self._width, *(len(self._name(unit)) for unit in units)])

    def _name(self, unit: str) -> str:
        return self._clean(self.names.get(unit, unit))

    def _as_text(self, line: "LogLine") -> str:
        text = self._clean(f"-- {line.text}" if line.stream == NOTE else line.text)
        if self._colored and line.stream == NOTE:
            text = click.style(text, dim=True)
        parts = [f"{_stamp(line.at) or '-':<24}"] if self._timestamps else []
        if self._several:
            name = f"{self._name(line.unit):<{self._width}} |"
            parts.append(click.style(name, fg=self._color(line.unit)) if self._colored else name)
        return " ".join([*parts, text])

    def _color(self, unit: str) -> str:
        return _COLORS[self._places.setdefault(unit, len(self._places)) % len(_COLORS)]

    def _as_json(self, line: "LogLine") -> str:
        facts = {
            "at": _stamp(line.at),
            "unit": line.unit,
            "name": self.names.get(line.unit, line.unit),
            "stream": line.stream,
            "text": line.text,
        }
        return json.dumps(facts).replace("\x7f", "\\u007f")


def _stamp(at: float | None) -> str | None:
    if at is None:
        return None
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

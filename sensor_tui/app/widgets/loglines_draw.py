"""How log lines look: their colours, and one row of a line as styled pieces."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from sensor_tui.app.format import fit
from sensor_tui.app.logbook import Level
from sensor_tui.app.widgets.loglines_text import rows_of, spans

HUES: Final = 5
"""Colours that tell units apart."""
LEVELS: Final[Mapping[Level, str]] = {
    Level.NONE: "info",
    Level.DEBUG: "debug",
    Level.INFO: "info",
    Level.WARN: "warn",
    Level.ERROR: "error",
}
"""Component class of a level, without what all of them begin with."""
_PARTS: Final = ("time", "note", "found", "cursor", "mark", "thumb", "rail", "empty")
CLASSES: Final = (
    *(f"loglines--{name}" for name in (*_PARTS, *set(LEVELS.values()))),
    *(f"loglines--unit-{hue}" for hue in range(HUES)),
)
CSS: Final = """
LogLines {
    width: 1fr; height: 1fr;
    .loglines--time { color: $text-muted; }
    .loglines--error { color: $text-error; text-style: bold; }
    .loglines--warn { color: $text-warning; }
    .loglines--info { color: $foreground; }
    .loglines--debug { color: $text-muted; }
    .loglines--note { color: $text-accent; text-style: italic; }
    .loglines--found { text-style: reverse; }
    .loglines--cursor { background: $surface-lighten-2; }
    .loglines--mark { color: $text-accent; text-style: bold; }
    .loglines--thumb { color: $text-accent; }
    .loglines--rail { color: $text-disabled; }
    .loglines--empty { color: $text-muted; }
    .loglines--unit-0 { color: $text-primary; }
    .loglines--unit-1 { color: $text-secondary; }
    .loglines--unit-2 { color: $text-accent; }
    .loglines--unit-3 { color: $text-success; }
    .loglines--unit-4 { color: $foreground; text-style: bold; }
}
"""


@dataclass(frozen=True, slots=True)
class Label:
    """A unit's name, plain, and which colour it has."""

    text: str
    hue: int


@dataclass(frozen=True, slots=True)
class Body:
    """The text of a line, and which part of it a row shows in so many cells."""

    text: str
    width: int
    row: int | None
    """Of the wrapped line; None where it is not wrapped."""
    shift: int
    """Characters left out at the beginning, where it is not wrapped."""


def clock_of(at: float | None) -> str:
    """`HH:MM:SS ` where the operator is."""
    if at is None:
        return " " * 9
    try:
        return time.strftime("%H:%M:%S ", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return " " * 9


def pieces(
    body: Body, pattern: re.Pattern[str] | None, style: Style, found: Style, ellipsis: str
) -> list[Segment]:
    """Segments of exactly the width, with what is looked for in the style `found`."""
    start, row, cut = _row(body)
    segments: list[Segment] = []
    at = 0
    room = body.width - (1 if cut else 0)
    end = start + len(row)
    for begins, ends in spans(pattern, body.text):
        first, last = max(begins, start) - start, min(ends, end) - start
        if last <= first or first < at:
            continue
        segments += [Segment(row[at:first], style), Segment(row[first:last], style + found)]
        at = last
    segments.append(Segment(row[at:], style))
    used = cell_len(row)
    if used > room:
        segments = list(Segment.adjust_line_length(segments, room, style))
        used = room
    if used < room:
        segments.append(Segment(fit("", room - used), style))
    if cut:
        segments.append(Segment(ellipsis, style))
    return [segment for segment in segments if segment.text]


def _row(body: Body) -> tuple[int, str, bool]:
    """Where the row begins in the text, the row, and whether the line goes on beyond it."""
    if body.row is not None:
        rows = rows_of(body.text, body.width)
        place = min(body.row, len(rows) - 1)
        return sum(map(len, rows[:place])), rows[place], False
    rest = body.text[body.shift : body.shift + 2 * body.width]
    cut = cell_len(rest) > body.width
    return body.shift, rest, cut

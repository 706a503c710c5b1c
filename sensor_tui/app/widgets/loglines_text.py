"""How a log line is cut into rows, and where in it is what somebody looks for."""

import re
from functools import lru_cache
from typing import Final

from rich.cells import cell_len, chop_cells

from sensor_tui.app.logbook import SHOWN, Entry

_TOKEN: Final = re.compile(
    r"(?P<inverse>!?)(?:(?P<field>[A-Za-z_][\w.-]*):)?"
    r"(?:/(?P<regex>(?:\\.|[^\\])+?)/(?=\s|\Z)|(?P<word>(?:\"[^\"]*\"|\S)+))"
)
_LINE_FIELD: Final = "line"


def shown(entry: Entry) -> str:
    """The line as a list shows it: without the time, which stands beside it, and with what is missing."""
    text = entry.text[entry.stamp :] if entry.stamp else entry.text
    more = max(0, len(text) - SHOWN) + entry.lost
    return f"{text[:SHOWN]}…(+{more:,})" if more else text


@lru_cache(maxsize=2048)
def rows_of(text: str, width: int) -> tuple[str, ...]:
    """The text in rows of so many cells; at least one."""
    width = max(1, width)
    if text.isascii():
        return tuple(text[start : start + width] for start in range(0, max(1, len(text)), width))
    return tuple(chop_cells(text, width)) or ("",)


@lru_cache(maxsize=2048)
def fit_end(text: str, width: int, ellipsis: str) -> str:
    """The text in exactly so many cells; its end is kept, since that is where names differ."""
    over = cell_len(text) - width
    if over <= 0:
        return text + " " * -over
    kept = text
    while kept and cell_len(kept) > width - 1:
        kept = kept[1:]
    return ellipsis + kept + " " * (width - 1 - cell_len(kept))


def height(entry: Entry, width: int) -> int:
    """Rows the line takes."""
    text = shown(entry)
    if text.isascii() or cell_len(text) == len(text):
        return max(1, -(-len(text) // max(1, width)))
    return len(rows_of(text, width))


def pattern_of(wanted: str) -> re.Pattern[str] | None:
    """What a filter's text looks for in a line itself; None where there is nothing to point at."""
    parts = []
    for token in _TOKEN.finditer(wanted):
        if token["inverse"] or (token["field"] or _LINE_FIELD).lower() != _LINE_FIELD:
            continue
        if token["regex"]:
            parts.append(f"(?:{token['regex']})")
        else:
            word = token["word"].lstrip("=" if token["field"] else "").replace('"', "")
            parts.append(re.escape(word))
    found = "|".join(part for part in parts if part)
    try:
        return re.compile(found, re.IGNORECASE) if found else None
    except (re.error, RecursionError, OverflowError):
        return None


def spans(pattern: re.Pattern[str] | None, text: str) -> list[tuple[int, int]]:
    """Where it is found, in characters; what is empty is left out."""
    if pattern is None:
        return []
    return [found.span() for found in pattern.finditer(text) if found.end() > found.start()]

"""Values as text. Whatever others wrote (names, labels, log lines, errors) becomes safe text here."""
# ruff: noqa: PLR2004 - the figures are code points, and where one digit more or less is shown

import math
import re
import time
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from sensor_tui.app.glyphs import ASCII, UNICODE, Glyphs, glyphs

__all__ = [
    "UNKNOWN",
    "Glyphs",
    "age",
    "block",
    "clock_minutes",
    "content",
    "count",
    "fit",
    "fit_middle",
    "glyphs",
    "in_signs",
    "number",
    "percent",
    "plain",
    "rate",
    "size",
    "sparkline",
    "stamp",
]

UNKNOWN: Final = UNICODE.dash
"""What stands where nothing is known."""
_PLAIN_SIGNS: Final = str.maketrans({UNICODE.dash: ASCII.dash, UNICODE.ellipsis: ASCII.ellipsis})
LIMIT: Final = 1000
BLOCK_LIMIT: Final = 20_000
TAB: Final = "    "
MARKS_PER_CHARACTER: Final = 3
"""Combining marks kept on one character; scripts in use need no more."""

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_AGE_STEP: Final = 5
_STEP_FROM: Final = 10
_EXACT_BELOW: Final = 1_000_000
_NUMBER_WIDTH: Final = 8
_BINARY: Final = ("KiB", "MiB", "GiB", "TiB")
_DECIMAL: Final = ("M", "G", "T")

_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, modes
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x90\x98-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, …
    r"|\x1b[ -/]*[0-~]"  # anything else an escape begins
)
_CUT_SEQUENCE: Final = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*\Z|\x1b[ -/]*\Z")
"""What a cut in the middle of a CSI sequence leaves at the end."""
_LINE_END: Final = re.compile(r"\r?\n|[\x0b\x0c\x85\u2028\u2029]")

_INVISIBLE: Final = frozenset(
    {
        0x034F,  # grapheme joiner
        0x115F,
        0x1160,
        0x17B4,
        0x17B5,
        0x2800,  # Braille with no dot
        0x3164,
        0xFFA0,
        0xFFFC,
        *range(0x180B, 0x1810),  # Mongolian selectors
        *range(0xFE00, 0xFE10),  # variation selectors
        *range(0x1F3FB, 0x1F400),  # skin tones
        *range(0xE0100, 0xE01F0),  # more variation selectors
    }
)
"""Drawn as nothing or not at all alike by terminals, though they are not in a category for it."""


class _Replacements(dict[int, str]):
    """What stands for a character, asked for by `str.translate` and kept."""

    def __missing__(self, code: int) -> str:
        self[code] = shown = _shown(code)
        return shown


def _shown(code: int) -> str:
    character = chr(code)
    category = unicodedata.category(character)
    if code == 0x09:
        shown = TAB
    elif code in _INVISIBLE or category == "Cf":
        shown = ""
    elif category == "Cc":
        shown = chr(0x2400 + code) if code < 0x20 else ("␡" if code == 0x7F else "·")
    elif category in {"Cs", "Co", "Cn"}:
        shown = "·"
    elif category in {"Zl", "Zp", "Zs"}:
        shown = " "
    else:
        shown = character
    return shown


_REPLACEMENTS: Final = _Replacements({code: chr(code) for code in range(0x20, 0x7F)})


def plain(text: str, *, limit: int = LIMIT) -> str:
    """One line that is safe to show: no control characters, no sequences, nothing that reorders or hides.

    More than `limit` characters are cut off, and how many is said: `…(+99,000)`.
    """
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    return _plain(text[:limit], len(text) - limit)


@lru_cache(maxsize=8192)
def _plain(text: str, more: int) -> str:
    if "\x1b" in text or not text.isprintable():
        if more > 0:
            text = _CUT_SEQUENCE.sub("", text)
        text = _SEQUENCE.sub("", text)
        text = _LINE_END.sub(" ", text.rstrip("\r\n"))
    if not text.isascii():
        text = _bounded(text.translate(_REPLACEMENTS))
    elif not text.isprintable():
        text = text.translate(_REPLACEMENTS)
    return f"{text}…(+{more:,})" if more > 0 else text


def shown(text: str) -> str:
    """Text of which each character is safe to show by itself, for lines that are drawn in pieces."""
    return text.translate(_REPLACEMENTS)


def _bounded(text: str) -> str:
    """Text with few combining marks on a character, and none with nothing to stand on."""
    if cell_len(text) == len(text):
        return text
    kept: list[str] = []
    marks = MARKS_PER_CHARACTER
    for character in text:
        if cell_len(character):
            marks = 0
        else:
            marks += 1
            if marks > MARKS_PER_CHARACTER:
                continue
        kept.append(character)
    return "".join(kept)


def block(text: str, *, limit: int = BLOCK_LIMIT) -> str:
    """Several lines, each safe as `plain` makes it; `limit` characters in all."""
    lines = [plain(line, limit=limit) for line in _LINE_END.split(text[:limit])]
    if len(text) > limit:
        lines[-1] += f"…(+{len(text) - limit:,})"
    return "\n".join(lines)


def content(text: str, style: str = "") -> Content:
    """Safe text for a widget; nothing in it is markup."""
    return Content.styled(plain(text), style)


@lru_cache(maxsize=16_384)
def fit(text: str, width: int, right: bool = False, ellipsis: str = "…") -> str:
    """Plain text in exactly so many cells: padded, or cut with an ellipsis."""
    if width <= 0:
        return ""
    cells = cell_len(text)
    if cells > width:
        text = set_cell_size(text, width - 1) + ellipsis if width > 1 else ellipsis
        cells = cell_len(text)
    gap = " " * (width - cells)
    return gap + text if right else text + gap


@lru_cache(maxsize=4096)
def fit_middle(text: str, width: int, ellipsis: str = "…") -> str:
    """Plain text in exactly so many cells, cut in the middle: names differ at their ends."""
    cells = cell_len(text)
    if cells <= width or width < 5:
        return fit(text, width, ellipsis=ellipsis)
    end = text[-(width // 2) :]
    while cell_len(end) > width // 2:
        end = end[1:]
    return fit(set_cell_size(text, width - 1 - cell_len(end)) + ellipsis + end, width)


def in_signs(text: Content, signs: Glyphs) -> Content:
    """Text with dashes and ellipses as these signs have them; its styles stay."""
    if signs.dash == UNKNOWN or text.plain.isascii():
        return text
    return Content(text.plain.translate(_PLAIN_SIGNS), list(text.spans))


def age(seconds: float | None) -> str:
    """A duration in one coarse step (`3 s`, `45 s`, `2 min`, `5 h`, `9 d`), `in 4 s` when negative."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = math.floor(seconds)
    if whole < 0:
        return f"in {age(-seconds)}"
    if whole >= 2 * _DAY:
        return f"{whole // _DAY} d"
    if whole >= 2 * _HOUR:
        return f"{whole // _HOUR} h"
    if whole >= _MINUTE:
        return f"{whole // _MINUTE} min"
    return f"{whole if whole < _STEP_FROM else whole - whole % _AGE_STEP} s"


def count(n: int | None) -> str:
    """A number of things: exact below a million (`12,345`), then `1.23M`."""
    if n is None:
        return UNKNOWN
    return f"{n:,}" if abs(n) < _EXACT_BELOW else _scaled(n)


def rate(x: float | None) -> str:
    """Things a second, without the unit: `0`, `0.12`, `3.4`, `34`, `1,234`, `1.23M`."""
    if x is None or not math.isfinite(x):
        return UNKNOWN
    if abs(x) < 0.005:
        return "0"
    if abs(x) >= 9.95:
        return count(round(x))
    return f"{x:.1f}" if abs(x) >= 1 else f"{x:.2f}"


def size(bytes_: float | None) -> str:
    """Bytes: `512 B`, `3.4 KiB`, `1.2 GiB`."""
    if bytes_ is None or not math.isfinite(bytes_):
        return UNKNOWN
    if abs(bytes_) < 999.5:
        return f"{bytes_:.0f} B"
    power = 0
    while abs(bytes_) >= 999.5 and power < len(_BINARY):
        bytes_ /= 1024
        power += 1
    unit = _BINARY[power - 1]
    return f"{bytes_:.1f} {unit}" if abs(bytes_) < 99.95 else f"{bytes_:,.0f} {unit}"


def percent(x: float | None) -> str:
    """Per cent as given, 0 to 100 or more: `0.4%`, `12%`."""
    if x is None or not math.isfinite(x):
        return UNKNOWN
    return f"{x:.1f}%" if 0.05 <= abs(x) < 9.95 else f"{x:.0f}%"


@lru_cache(maxsize=8192, typed=True)
def number(x: float | None) -> str:
    """A measured value in at most eight cells: `21.37`, `1013.25`, `-1.2e+30`."""
    if x is None:
        return UNKNOWN
    if isinstance(x, int) and -10_000_000 < x < 100_000_000:
        return str(x)
    try:
        x = float(x)
    except OverflowError:
        x = math.inf if x > 0 else -math.inf
    if not math.isfinite(x):
        return str(x)
    if x == 0 or 0.01 <= abs(x) < 100_000:
        shown = f"{x:.2f}"
    elif 0.0001 <= abs(x) < 0.01:
        shown = f"{x:.5f}"
    else:
        shown = f"{x:.1e}"
    return shown if len(shown) <= _NUMBER_WIDTH else f"{x:.0e}"


def clock_minutes(epoch: float) -> str:
    """The time of day where the operator is, `HH:MM`, of seconds since the epoch."""
    return _local(epoch, "%H:%M")


def stamp(epoch: float) -> str:
    """Date and time where the operator is, `YYYY-MM-DD HH:MM:SS`, of seconds since the epoch."""
    return _local(epoch, "%Y-%m-%d %H:%M:%S")


def _local(epoch: float, form: str) -> str:
    try:
        return time.strftime(form, time.localtime(epoch))
    except (OverflowError, ValueError, OSError):
        return UNKNOWN


def sparkline(values: Sequence[float | None], width: int, *, ascii: bool = False) -> str:  # noqa: A002
    """The course of some values in so many cells, the newest at the right; blank where there is none."""
    if width <= 0:
        return ""
    steps = (ASCII if ascii else UNICODE).spark
    points = _thinned(values, width)
    known = [point for point in points if point is not None]
    if not known:
        return " " * width
    low, high = min(known), max(known)
    scale = (len(steps) - 1) / (high - low) if math.isfinite(high - low) and high > low else 0.0
    middle = steps[len(steps) // 2 - 1]
    drawn = (
        " " if point is None else (steps[round((point - low) * scale)] if scale else middle)
        for point in points
    )
    return "".join(drawn).rjust(width)


def _thinned(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most `width` points, each the mean of its share of the values; None where none is a number."""
    shares = min(width, len(values))
    points: list[float | None] = []
    for share in range(shares):
        part = values[share * len(values) // shares : (share + 1) * len(values) // shares]
        known = [value for value in part if value is not None and math.isfinite(value)]
        points.append(math.fsum(value / len(known) for value in known) if known else None)
    return points


def _scaled(n: int) -> str:
    value, power = n / _EXACT_BELOW, 0
    while abs(value) >= 999.5 and power < len(_DECIMAL) - 1:
        value /= 1000
        power += 1
    digits = 2 if abs(value) < 9.995 else (1 if abs(value) < 99.95 else 0)
    return f"{value:,.{digits}f}{_DECIMAL[power]}"

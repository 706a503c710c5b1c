"""The signs the dashboard draws with, and their plain ASCII versions."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One cell each, but for `spark`, the steps of a sparkline from low to high."""

    running: str = "●"
    starting: str = "◐"
    stopping: str = "◑"
    paused: str = "‖"
    stopped: str = "○"
    failed: str = "✗"
    backoff: str = "↻"
    unknown: str = "?"
    good: str = "✓"
    warning: str = "▲"
    bad: str = "✗"
    marked: str = "▌"
    up: str = "▲"
    down: str = "▼"
    right: str = "→"
    ellipsis: str = "…"
    dash: str = "–"  # noqa: RUF001 - an en dash is meant
    bullet: str = "·"
    bar: str = "█"
    bar_empty: str = "░"
    rule: str = "─"
    spark: str = "▁▂▃▄▅▆▇█"


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs(
    running="*",
    starting="/",
    stopping="\\",
    paused="=",
    stopped="o",
    failed="x",
    backoff="~",
    good="+",
    warning="!",
    bad="x",
    marked=">",
    up="^",
    down="v",
    right=">",
    ellipsis="~",
    dash="-",
    bullet=".",
    bar="#",
    bar_empty=".",
    rule="-",
    spark="_.,-=+*#",
)


def glyphs(ascii: bool) -> Glyphs:  # noqa: A002 - the word operators know
    """The signs to draw with."""
    return ASCII if ascii else UNICODE

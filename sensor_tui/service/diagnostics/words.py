"""Counts, ages and lists, as evidence has them."""

from collections.abc import Sequence
from typing import Final

_SHOWN: Final = 4


def some(texts: Sequence[str], shown: int = _SHOWN) -> list[str]:
    """The first few, and how many more there are."""
    more = len(texts) - shown
    return [*texts[:shown], *([f"and {more} more"] if more > 0 else [])]


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 file`, `12,345 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def age(seconds: float) -> str:
    """A duration in one coarse step."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"

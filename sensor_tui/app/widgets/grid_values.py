"""What a grid shows: columns, rows and the tone of a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Tone(StrEnum):
    """How a cell is coloured; its text says the same without colour."""

    NORMAL = "normal"
    DIM = "dim"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    ACCENT = "accent"
    BOLD = "bold"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of fixed width in cells; one that grows takes what is left."""

    key: str
    title: str
    width: int
    right: bool = False
    shown: bool = True
    grow: bool = False
    help: str = ""
    middle: bool = False
    """Text that is too long is cut in its middle, for its end tells it from others."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a row and column; the text is safe already. `sort` None sorts last."""

    text: str = ""
    tone: Tone = Tone.NORMAL
    sort: float | str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line; `fields` is what a filter looks at, the texts of the cells where there are none."""

    key: str
    cells: Mapping[str, Cell]
    fields: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    stale: bool = False
    """What it says is old; it is dimmed."""


EMPTY_CELL = Cell()


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above the rows of a group."""

    group: str
    count: int

"""Where the columns of a grid stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sensor_tui.app.widgets.grid_values import Column

MARK_WIDTH: Final = 1
"""Cells at the left edge for the sign of a marked row."""
LEAST_WIDTH: Final = 4
"""A column cut off at the right edge is shown where this much of it is left."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column begins, and how many cells it has."""

    column: Column
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that are visible at a width."""

    places: tuple[Place, ...] = ()
    gap: int = 1
    width: int = 0
    before: int = 0
    """Columns hidden at the left, behind the first."""
    after: int = 0
    """Columns hidden at the right."""

    def at(self, x: int) -> Place | None:
        """The column at a cell."""
        for place in self.places:
            if place.x <= x < place.x + place.width + self.gap:
                return place
        return None


def lay_out(columns: Sequence[Column], width: int, skip: int) -> Layout:
    """Put columns side by side; the first stays, `skip` of the others are passed over where not all fit."""
    if not columns or width <= MARK_WIDTH:
        return Layout(width=width)
    room = width - MARK_WIDTH
    wanted = sum(column.width for column in columns)
    gaps = len(columns) - 1
    gap = 2 if wanted + 2 * gaps <= room else 1
    if wanted + gap * gaps <= room:
        skip = 0
    visible = [columns[0], *columns[1 + skip :]]
    widths = _fit(visible, room, gap)
    if len(widths) < len(visible):
        widths = _fit(visible, room - 1, gap)  # the last cell is for the sign that there are more
    after, used = len(visible) - len(widths), sum(widths) + gap * (len(widths) - 1)
    if not after and used < room:
        _grow(visible, widths, room - used)
    places = []
    x = MARK_WIDTH
    for column, cells in zip(visible, widths, strict=False):
        places.append(Place(column, x, cells))
        x += cells + gap
    return Layout(tuple(places), gap, width, skip, after)


def _fit(columns: Sequence[Column], room: int, gap: int) -> list[int]:
    """Widths of as many columns as there is room for; the last may be cut."""
    widths: list[int] = []
    used = 0
    for column in columns:
        left = room - used - (gap if widths else 0)
        cut = left < column.width
        if cut and widths and (left < LEAST_WIDTH or column.right):
            break  # half a number is a wrong number
        widths.append(min(column.width, max(left, 1)))
        used = room - left + widths[-1]
        if used >= room:
            break
    return widths


def _grow(columns: Sequence[Column], widths: list[int], room: int) -> None:
    growing = [number for number, column in enumerate(columns) if column.grow]
    for turn, number in enumerate(growing):
        share = room // (len(growing) - turn)
        widths[number] += share
        room -= share


def last_skip(columns: Sequence[Column], width: int) -> int:
    """How many columns have to be passed over until the last one is whole."""
    for skip in range(len(columns)):
        layout = lay_out(columns, width, skip)
        if not layout.places:
            return 0
        last = layout.places[-1]
        if not layout.after and last.width >= last.column.width:
            return skip
    return max(0, len(columns) - 2)

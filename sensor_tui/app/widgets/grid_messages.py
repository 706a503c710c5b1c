"""What a grid says to the screen around it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from sensor_tui.app.widgets.grid_view import GridView


@dataclass
class GridMessage(Message):
    """Something of one grid."""

    grid: "GridView"

    @property
    def control(self) -> "GridView":
        """The grid, for `@on` with a selector."""
        return self.grid


@dataclass
class Highlighted(GridMessage, namespace="grid"):
    """The cursor is on another row, on none where `key` is None."""

    key: str | None


@dataclass
class Chosen(GridMessage, namespace="grid"):
    """Enter was pressed on a row, or it was clicked twice."""

    key: str


@dataclass
class MarksChanged(GridMessage, namespace="grid"):
    """Other rows are marked than before."""

    marks: frozenset[str]


@dataclass
class Sorted(GridMessage, namespace="grid"):
    """Rows are sorted by another column, in another direction, or by none."""

    column: str | None
    reverse: bool


@dataclass
class Unfiltered(GridMessage, namespace="grid"):
    """The operator took the filter away with escape."""

"""What a query brought, as a grid that keeps the values for export."""

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from sensor_tui.app.format import plain
from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row, Tone
from sensor_tui.model.table import Cell as Value
from sensor_tui.model.table import Table

_LOOKED_AT: Final = 200
"""Rows from which widths are taken."""
_WIDEST: Final = 40
_SHOWN: Final = 300
"""Characters of a value shown in a cell."""
_NULL: Final = "NULL"


class ResultGrid(Grid):
    """A table whose export has the values themselves, in the order shown."""

    DEFAULT_CSS = "ResultGrid { height: 1fr; }"

    def __init__(self, result: Table, *, empty: str) -> None:
        super().__init__(columns(result), id="result", empty=empty)
        self.result = result

    def table(self) -> Table:
        rows = [self.result.rows[int(row.key)] for row in self.rows_shown]
        return Table(
            self.result.columns, rows, self.result.complete, self.result.seconds, self.result.request_units
        )

    def whole(self, key: str) -> str:
        """All of a row as text, a column a line."""
        values = self.result.rows[int(key)]
        names = [plain(name) for name in self.result.columns]
        width = max(map(cell_len, names), default=0)
        pairs = zip(names, values, strict=False)
        return "\n".join(f"{name}{' ' * (width - cell_len(name))}  {text_of(value)}" for name, value in pairs)


def text_of(value: Value) -> str:
    """A value as it is written in a cell; not made plain."""
    if value is None:
        return _NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def columns(result: Table) -> list[Column]:
    """Headings with widths after what is in them; numbers stand at the right."""
    sample = result.rows[:_LOOKED_AT]
    made = []
    for place, name in enumerate(result.columns):
        title = plain(name, limit=_WIDEST)
        values = [row[place] for row in sample if place < len(row)]
        widest = max((cell_len(plain(text_of(value), limit=_SHOWN)) for value in values), default=0)
        width = max(4, cell_len(title), min(widest, _WIDEST))
        made.append(Column(str(place), title, width, right=_is_number(values)))
    return made


def rows(result: Table) -> list[Row]:
    """One row for each, its key its place; for a thread where there are many."""
    return [
        Row(
            str(place),
            {str(column): _cell(value) for column, value in enumerate(values)},
            _fields(result, values),
        )
        for place, values in enumerate(result.rows)
    ]


def _cell(value: Value) -> Cell:
    if value is None:
        return Cell(_NULL, Tone.DIM)
    text = plain(text_of(value), limit=_SHOWN)
    number = isinstance(value, int | float)
    return Cell(text, sort=float(value) if number and _is_small(value) else text.lower())


def _is_small(value: Value) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (OverflowError, TypeError, ValueError):
        return False
    return True


def _fields(result: Table, values: Sequence[Value]) -> dict[str, str]:
    return {
        str(name).lower(): plain(text_of(value)) for name, value in zip(result.columns, values, strict=False)
    }


def _is_number(values: Sequence[Value]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )

"""Which rows of a grid are shown, and in what order."""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final

from sensor_tui.app.filter import Filter, parse
from sensor_tui.app.widgets.grid_values import EMPTY_CELL, Heading, Row

CALM_SECONDS: Final = 3.0
"""Rows change places by themselves no more often than this."""


class Rows:
    """Every row by its key, and the lines that filter, sort and grouping make of them.

    Rows change places because values did at most every `CALM_SECONDS`, and at once where the operator asks.
    """

    def __init__(self, *, grouped: bool) -> None:
        self.all: dict[str, Row] = {}
        self.lines: list[str | Heading] = []
        """Row keys, and a heading before each group where rows are grouped."""
        self.line_of: dict[str, int] = {}
        """Where in `lines` a shown row is."""
        self.shown: list[Row] = []
        self.wanted: Filter = parse("")
        self.column: str | None = None
        self.reverse = False
        self.grouped = grouped
        self._settled_at = float("-inf")
        self._order: list[str] = []
        """Keys of all rows, sorted."""
        self._values: list[float | str | None] = []
        """What the rows were sorted by, in the order they came."""
        self._arranged: object = None
        """What the lines were made of."""

    def replace(self, rows: Sequence[Row], now: float) -> bool:
        """Take new rows; returns whether some are out of place and wait for `settle`."""
        before, self.all = self.all, {row.key: row for row in rows}
        waits = False
        if self.column is None:
            self._order = list(self.all)
        else:
            same = before.keys() == self.all.keys()
            if not same or self._sort_values() != self._values:
                waits = now - self._settled_at < CALM_SECONDS and bool(before)
                if not waits:
                    self.settle(now)
                elif not same:
                    self._order = [key for key in self._order if key in self.all]
                    self._order += [key for key in self.all if key not in before]
        self.arrange()
        return waits

    def settle(self, now: float) -> None:
        """Put all rows in their places; call `arrange` afterwards."""
        self._settled_at = now
        if self.column is None:
            self._order = list(self.all)
            return
        self._values = self._sort_values()
        ranked = [(_rank(value), key) for value, key in zip(self._values, self.all, strict=True)]
        known = [(rank, key) for rank, key in ranked if rank is not None]
        known.sort(key=itemgetter(0), reverse=self.reverse)
        self._order = [key for _, key in known] + [key for rank, key in ranked if rank is None]

    def arrange(self) -> None:
        """Make the lines anew where rows come, go, change places or are wanted no more."""
        rows = [self.all[key] for key in self._order]
        if not self.wanted.empty:
            matches = self.wanted.matches
            rows = [row for row in rows if matches(fields_of(row))]
        keys = [row.key for row in rows]
        groups = [row.group for row in rows] if self.grouped else None
        if (keys, groups) == self._arranged:
            self.shown = [self.all[row.key] for row in self.shown] if self.grouped else rows
            return
        self._arranged = (keys, groups)
        if self.grouped:
            rows = self._by_group(rows)
        else:
            self.lines = [*keys]
        self.shown = rows
        self.line_of = {line: at for at, line in enumerate(self.lines) if isinstance(line, str)}

    def _by_group(self, rows: list[Row]) -> list[Row]:
        groups: dict[str, list[Row]] = {row.group: [] for row in self.all.values()}
        for row in rows:
            groups[row.group].append(row)
        self.lines = []
        for group, members in groups.items():
            if members:
                self.lines.append(Heading(group, len(members)))
                self.lines.extend(row.key for row in members)
        return [row for members in groups.values() for row in members]

    def _sort_values(self) -> list[float | str | None]:
        column = self.column or ""
        return [row.cells.get(column, EMPTY_CELL).sort for row in self.all.values()]


def _rank(value: float | str | None) -> tuple[int, float, str] | None:
    """Numbers before text; what is not known has no rank."""
    if isinstance(value, str):
        return (1, 0.0, value)
    return None if value is None or math.isnan(value) else (0, value, "")


def fields_of(row: Row) -> Mapping[str, str]:
    """What a filter looks at."""
    return row.fields or {key: cell.text for key, cell in row.cells.items()}

"""Rows that somebody asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """The result of a query; values that are neither text nor number are shown as text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    complete: bool = True
    """False where there was more than was asked for."""
    seconds: float = 0.0
    request_units: float | None = None
    """What a query over Cosmos cost."""


@dataclass(frozen=True, slots=True)
class QueryTarget:
    """Where to ask: one SQLite file by its path relative to the data root, or Cosmos where None."""

    source: str | None

"""Pieces of one line that has to fit: what matters least is shortened first, then left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len
from textual.content import Content

from sensor_tui.app.format import fit

GAP: Final = 2
KEPT: Final = 100
"""Weight from which on a piece is never left out."""
ELASTIC: Final = 30
"""Cells an elastic piece gets before others are thought of, or a third of the line."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of plain text; where room is short, so is it, or it is left out, the least weight first."""

    text: str
    style: str = ""
    weight: int = 0
    short: str | None = None
    elastic: bool = False
    """Longer than `short`, it is cut to what room there is."""


def lay_out(left: Sequence[Part], right: Sequence[Part], width: int, *, ellipsis: str) -> Content:
    """One line of exactly `width` cells with parts at both ends."""
    fitting = _Fitting((*left, *right), len(left), width, ellipsis)
    fitting.fill()
    first, second = (_joined(side) for side in fitting.sides)
    space = max(0, width - first.cell_length - second.cell_length)
    whole = Content.assemble(first, " " * space, second)
    return whole if whole.cell_length <= width else whole.truncate(width)


def _joined(parts: Sequence[Part]) -> Content:
    return Content(" " * GAP).join(Content.styled(part.text, part.style) for part in parts)


class _Fitting:
    """Which parts are shown, and how: what is kept at its shortest, then the others while there is room."""

    def __init__(self, wanted: Sequence[Part], left: int, width: int, ellipsis: str) -> None:
        self._wanted, self._left, self._width, self._ellipsis = wanted, left, width, ellipsis
        self._parts = [_least(part) if part.weight >= KEPT else None for part in wanted]

    @property
    def sides(self) -> tuple[list[Part], list[Part]]:
        """What is shown at either end."""
        parts = self._parts
        return [part for part in parts[: self._left] if part], [part for part in parts[self._left :] if part]

    def fill(self) -> None:
        """Use the room there is, the greatest weight first."""
        for place, part in sorted(enumerate(self._wanted), key=lambda each: -each[1].weight):
            if part.elastic:
                self._attempt(place, self._cut(part, max(ELASTIC, self._width // 3)))
            elif part.weight < KEPT and not self._attempt(place, part):
                self._attempt(place, _least(part))
        for place, part in enumerate(self._wanted):
            if part.weight >= KEPT and not part.elastic:
                self._attempt(place, part)
            shown = self._parts[place]
            if part.elastic and shown is not None:
                self._attempt(place, self._cut(part, cell_len(shown.text) + max(0, self._room())))

    def _cut(self, part: Part, cells: int) -> Part:
        if cell_len(part.text) <= cells:
            return part
        if cells <= cell_len(_least(part).text):
            return _least(part)
        return replace(part, text=fit(part.text, cells, False, self._ellipsis))

    def _room(self) -> int:
        sides = self.sides
        used = sum(cell_len(part.text) + GAP for side in sides for part in side)
        return self._width - max(0, used - GAP)

    def _attempt(self, place: int, part: Part) -> bool:
        before, self._parts[place] = self._parts[place], part
        if self._room() >= 0:
            return True
        self._parts[place] = before
        return False


def _least(part: Part) -> Part:
    return part if part.short is None else replace(part, text=part.short)

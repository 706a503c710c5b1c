"""Lines of a grid as strips, kept until what they show changes."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from sensor_tui.app.format import fit, fit_middle, plain
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.widgets.grid_layout import MARK_WIDTH, Layout
from sensor_tui.app.widgets.grid_values import EMPTY_CELL, Heading, Row, Tone

KEPT_LINES: Final = 400

CLASSES: Final = frozenset(
    {
        "grid--header",
        "grid--sorted",
        "grid--title",
        "grid--heading",
        "grid--empty",
        "grid--marked",
        "grid--cursor",
        *(f"grid--{tone}" for tone in Tone),
    }
)


class Painter:
    """Makes strips; forgets them all when columns, width or styles change."""

    def __init__(self, style: Callable[..., Style]) -> None:
        self.layout = Layout()
        self.glyphs = Glyphs()
        self._find_style = style
        self._styles: dict[tuple[str, ...], Style] = {}
        self._lines: dict[str, tuple[Row, bool, bool, Strip]] = {}

    def forget(self) -> None:
        """Make everything anew."""
        self._styles.clear()
        self._lines.clear()

    def row(self, row: Row, *, cursor: bool, marked: bool) -> Strip:
        """A row, as wide as the layout."""
        kept = self._lines.get(row.key)
        if kept is not None and kept[0] is row and kept[1:3] == (cursor, marked):
            return kept[3]
        flags = (*(("grid--marked",) if marked else ()), *(("grid--cursor",) if cursor else ()))
        parts: list[tuple[str, Style]] = []
        base = self._style("grid--normal", *flags)
        parts.append(((self.glyphs.marked if marked else " ").ljust(MARK_WIDTH), base))
        gap = " " * self.layout.gap
        cells = row.cells
        for number, place in enumerate(self.layout.places):
            cell = cells.get(place.column.key, EMPTY_CELL)
            tone = Tone.DIM if row.stale else cell.tone
            if place.column.middle:
                text = fit_middle(cell.text, place.width, self.glyphs.ellipsis)
            else:
                text = fit(cell.text, place.width, place.column.right, self.glyphs.ellipsis)
            parts.append((gap + text if number else text, self._style(f"grid--{tone}", *flags)))
        strip = self._strip(parts, base)
        if len(self._lines) >= KEPT_LINES:
            self._lines.clear()
        self._lines[row.key] = (row, cursor, marked, strip)
        return strip

    def heading(self, heading: Heading) -> Strip:
        """The line above a group."""
        style = self._style("grid--heading")
        name = plain(heading.group) or "no group"
        return self._strip([(f" {name} ({heading.count:,})", style)], style)

    def header(self, sorted_by: str | None, chosen: str | None, *, reverse: bool) -> Strip:
        """The titles; an arrow at the column rows are sorted by."""
        base = self._style("grid--header")
        parts = [(" " * MARK_WIDTH, base)]
        layout = self.layout
        for number, place in enumerate(layout.places):
            title = plain(place.column.title)
            names = ["grid--header"]
            if place.column.key == sorted_by:
                arrow = self.glyphs.down if reverse else self.glyphs.up
                names.append("grid--sorted")
                title = fit(title, min(len(title), place.width - 1), ellipsis=self.glyphs.ellipsis) + arrow
            if place.column.key == chosen:
                names.append("grid--title")
            text = fit(title, place.width, place.column.right, self.glyphs.ellipsis)
            if number:
                hidden = number == 1 and layout.before
                parts.append((("<" if hidden else " ").rjust(layout.gap), base))
            parts.append((text, self._style(*names)))
        strip = self._strip(parts, base)
        if layout.after and layout.width > MARK_WIDTH:
            strip = Strip.join(
                [strip.crop(0, layout.width - 1), Strip([Segment(">", self._style("grid--header"))])]
            )
        return strip

    def words(self, text: str) -> Strip:
        """A line in the middle of a grid with no rows."""
        style = self._style("grid--empty")
        width = self.layout.width
        shown = fit(text, min(width, Segment(text).cell_length), ellipsis=self.glyphs.ellipsis)
        return self._strip([(" " * ((width - Segment(shown).cell_length) // 2) + shown, style)], style)

    def blank(self) -> Strip:
        """A line with nothing."""
        return Strip.blank(self.layout.width, self._style("grid--normal"))

    def _style(self, *names: str) -> Style:
        found = self._styles.get(names)
        if found is None:
            self._styles[names] = found = self._find_style(*names)
        return found

    def _strip(self, parts: Sequence[tuple[str, Style]], base: Style) -> Strip:
        """Neighbours of one style together, in as many cells as the grid is wide."""
        segments: list[Segment] = []
        text, style = parts[0]
        for more, other in parts[1:]:
            if other is style:
                text += more
            else:
                segments.append(Segment(text, style))
                text, style = more, other
        segments.append(Segment(text, style))
        return Strip(segments).adjust_cell_length(self.layout.width, base)

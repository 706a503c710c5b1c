"""The table of the dashboard: it paints what changed, and keeps cursor and marks on their rows."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from textual import events
from textual.binding import BindingType

from sensor_tui.app.commands import Command, bindings
from sensor_tui.app.filter import Filter, parse
from sensor_tui.app.widgets import grid_messages as messages
from sensor_tui.app.widgets.grid_layout import MARK_WIDTH
from sensor_tui.app.widgets.grid_values import EMPTY_CELL, Cell, Column, Row, Tone
from sensor_tui.app.widgets.grid_view import HEADER_LINES, GridView
from sensor_tui.model.table import Table

__all__ = ["GRID_KEYS", "Cell", "Column", "Grid", "Row", "Tone"]


def _key(name: str, keys: str, title: str, action: str, text: str) -> Command:
    return Command(f"grid.{name}", keys, title, action, text, palette=False)


GRID_KEYS: Final = (
    _key("up", "up,k", "Up", "move(-1)", "Go to the row above."),
    _key("down", "down,j", "Down", "move(1)", "Go to the row below."),
    _key("page_up", "pageup", "Page up", "page(-1)", "Go up a screenful."),
    _key("page_down", "pagedown", "Page down", "page(1)", "Go down a screenful."),
    _key("top", "home,g", "Top", "end(-1)", "Go to the first row."),
    _key("bottom", "end,G", "Bottom", "end(1)", "Go to the last row."),
    _key("left", "left", "Left", "sideways(-1)", "Show the columns hidden at the left."),
    _key("right", "right", "Right", "sideways(1)", "Show the columns hidden at the right."),
    _key("choose", "enter", "Choose", "choose", "Open the row."),
    _key("mark", "space", "Mark", "mark", "Mark the row, or take its mark away, and go to the next."),
    _key("mark_all", "ctrl+a", "Mark all", "mark_all", "Mark every row shown."),
    _key("sort", "o", "Sort", "sort", "Choose a column with left and right; o or enter sorts, escape ends."),
    _key("unsort", "O", "Unsorted", "unsort", "Show the rows in the order they come in."),
    _key("clear", "escape", "Clear", "clear", "End sorting; else take all marks away; else the filter."),
)
"""What can be done in every grid."""


class Grid(GridView):
    """Rows under fixed headings. `show` replaces them all, and costs what changed.

    A filter, a sort, groups, marks and the cursor stay what they are when rows change. Rows that are sorted
    by something that changes keep their places for some seconds, so that they can be read.
    """

    Highlighted = messages.Highlighted
    Chosen = messages.Chosen
    MarksChanged = messages.MarksChanged
    Sorted = messages.Sorted
    Unfiltered = messages.Unfiltered

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(GRID_KEYS)]
    DEFAULT_CSS = """
    Grid {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        background: $surface;
        color: $foreground;
        & > .grid--normal { color: $foreground; }
        & > .grid--header { color: $foreground; background: $panel; text-style: bold; }
        & > .grid--sorted { color: $accent; }
        & > .grid--title { text-style: bold reverse; }
        & > .grid--heading { color: $primary; text-style: bold; }
        & > .grid--empty { color: $text-muted; }
        & > .grid--dim { color: $text-muted; }
        & > .grid--good { color: $success; }
        & > .grid--warn { color: $warning; }
        & > .grid--bad { color: $error; text-style: bold; }
        & > .grid--accent { color: $accent; }
        & > .grid--bold { color: $foreground; text-style: bold; }
        & > .grid--marked { background: $accent 20%; }
        & > .grid--cursor { background: $block-cursor-blurred-background; }
        &:focus > .grid--cursor {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
            text-style: $block-cursor-text-style;
        }
        &:ansi > .grid--dim, &:ansi > .grid--empty { text-style: dim; }
    }
    """

    @property
    def rows_shown(self) -> Sequence[Row]:
        """What filter and sort make of the rows."""
        return self._rows.shown

    @property
    def row_count(self) -> int:
        """All rows, also those a filter hides."""
        return len(self._rows.all)

    @property
    def cursor_row(self) -> Row | None:
        """The row the cursor is on."""
        return None if self._cursor is None else self._rows.all.get(self._cursor)

    def move_to(self, key: str) -> bool:
        """Put the cursor on a row; returns whether it is shown."""
        if key not in self._rows.line_of:
            return False
        self._set_cursor(key)
        return True

    def set_empty(self, text: str) -> None:
        """What to say where there is no row: why, and what to do next."""
        if text != self._empty:
            self._empty = text
            if not self._rows.shown:
                self.refresh()

    def table(self) -> Table:
        """The rows shown, with all columns, for export."""
        rows = [
            tuple(row.cells.get(column.key, EMPTY_CELL).text for column in self.columns)
            for row in self._rows.shown
        ]
        return Table(tuple(column.title for column in self.columns), rows)

    @property
    def marks(self) -> frozenset[str]:
        """Keys of the marked rows, also of those a filter hides."""
        return self._marks

    @property
    def chosen(self) -> tuple[str, ...]:
        """The marked rows in the order shown, hidden ones last; where there are none, the cursor's."""
        if not self._marks:
            return () if self._cursor is None else (self._cursor,)
        shown = [row.key for row in self._rows.shown if row.key in self._marks]
        hidden = self._marks.difference(shown)
        return (*shown, *(key for key in self._rows.all if key in hidden))

    def mark(self, keys: Iterable[str]) -> None:
        """Mark these rows and no others."""
        self._set_marks(frozenset(keys) & self._rows.all.keys())

    @property
    def filter(self) -> Filter:
        """Only what matches is shown."""
        return self._rows.wanted

    @filter.setter  # noqa: A003 - the word operators know
    def filter(self, wanted: Filter) -> None:
        if wanted != self._rows.wanted:
            self._rows.wanted = wanted
            self._rearrange()

    @property
    def sorting(self) -> tuple[str, bool] | None:
        """The column rows are sorted by and whether backwards; None in the order they came."""
        return None if self._rows.column is None else (self._rows.column, self._rows.reverse)

    def sort_by(self, column_key: str | None, *, reverse: bool | None = None) -> None:
        """Sort by a column, upwards first, the other way when asked again; None is the order they come in."""
        rows = self._rows
        if reverse is None:
            reverse = column_key is not None and rows.column == column_key and not rows.reverse
        rows.column, rows.reverse = column_key, reverse
        rows.settle(self._clock.monotonic())
        self._rearrange()
        self._repaint_header()
        self._tell(messages.Sorted(self, column_key, reverse))

    @property
    def grouped(self) -> bool:
        """Whether rows stand under the name of their group."""
        return self._rows.grouped

    @grouped.setter
    def grouped(self, grouped: bool) -> None:
        if grouped != self._rows.grouped:
            self._rows.grouped = grouped
            self._rearrange()

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave escape to others where there is nothing to clear."""
        if action == "clear":
            return bool(self._title is not None or self._marks or not self._rows.wanted.empty)
        return super().check_action(action, parameters)

    def action_move(self, by: int) -> None:
        """Go so many rows down."""
        self._end_menu()
        keys = self._rows.shown
        if keys:
            at = self._at() + by
            self._set_cursor(keys[max(0, min(at, len(keys) - 1))].key)
            if at <= 0:
                self.scroll_to(y=0, animate=False)

    def action_page(self, by: int) -> None:
        """Go so many screenfuls down."""
        self.action_move(by * max(1, self.size.height - HEADER_LINES - 1))

    def action_end(self, by: int) -> None:
        """Go to the first row or the last."""
        self.action_move(by * len(self._rows.shown))

    def action_sideways(self, by: int) -> None:
        """Choose the next column while sorting; else show columns there was no room for."""
        if self._title is not None:
            self._title = (self._title + by) % len(self.shown_columns)
            self._skip_to(self._title)
            self._repaint_header()
        else:
            self._skip = max(0, self._skip + by)
            self._lay_out()

    def action_choose(self) -> None:
        """Sort by the chosen column and end sorting; else say that a row was chosen."""
        if self._title is not None:
            self.sort_by(self.shown_columns[self._title])
            self._end_menu()
        elif self._cursor is not None:
            self._tell(messages.Chosen(self, self._cursor))

    def action_mark(self) -> None:
        """Mark the row, or take its mark away."""
        if self._cursor is not None:
            self._set_marks(self._marks ^ {self._cursor})
            self.action_move(1)

    def action_mark_all(self) -> None:
        """Mark every row shown."""
        self._set_marks(self._marks | {row.key for row in self._rows.shown})

    def action_sort(self) -> None:
        """Begin to choose a column; sort by it when asked again."""
        if self._title is None:
            sorted_by, columns = self._rows.column, self.shown_columns
            self._title = columns.index(sorted_by) if sorted_by in columns else 0
            self._skip_to(self._title)
            self._repaint_header()
        else:
            self.sort_by(self.shown_columns[self._title])

    def action_unsort(self) -> None:
        """Show the rows in the order they come in."""
        self.sort_by(None)

    def action_clear(self) -> None:
        """End sorting; else take all marks away; else the filter."""
        if self._title is not None:
            self._end_menu()
        elif self._marks:
            self._set_marks(frozenset())
        else:
            self.filter = parse("")
            self._tell(messages.Unfiltered(self))

    def _end_menu(self) -> None:
        if self._title is not None:
            self._title = None
            self._repaint_header()

    def _skip_to(self, title: int) -> None:
        """Bring a column into view."""
        shown = {place.column.key for place in self._layout.places}
        if self.shown_columns[title] not in shown:
            self._skip = max(0, title - 1)
            self._lay_out()

    def _at(self) -> int:
        """Where the cursor is among the rows shown."""
        shown = self._rows.shown
        return next((at for at, row in enumerate(shown) if row.key == self._cursor), 0)

    # mouse

    def on_click(self, event: events.Click) -> None:
        """Sort by a heading, go to a row, open it with the second click, mark it at the left edge."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        event.stop()
        if offset.y < HEADER_LINES:
            if place := self._layout.at(offset.x):
                self.sort_by(place.column.key)
            return
        at = self.scroll_offset.y + offset.y - HEADER_LINES
        line = self._rows.lines[at] if at < len(self._rows.lines) else None
        if isinstance(line, str):
            self._set_cursor(line)
            if offset.x < MARK_WIDTH:
                self._set_marks(self._marks ^ {line})
            elif event.chain == 2:  # noqa: PLR2004 - a double click
                self._tell(messages.Chosen(self, line))

"""What a grid shows and how it is painted: changed cells only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

from rich.style import Style
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from sensor_tui.app.format import block
from sensor_tui.app.glyphs import glyphs
from sensor_tui.app.widgets import grid_messages as messages
from sensor_tui.app.widgets.grid_layout import Layout, last_skip, lay_out
from sensor_tui.app.widgets.grid_paint import CLASSES, Painter
from sensor_tui.app.widgets.grid_rows import CALM_SECONDS, Rows
from sensor_tui.app.widgets.grid_values import EMPTY_CELL, Column, Heading, Row
from sensor_tui.model.clock import Clock, SystemClock

HEADER_LINES: Final = 1


class GridView(ScrollView, can_focus=True):
    """Rows, cursor and marks, and the lines on screen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CLASSES)

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        id: str | None = None,  # noqa: A002 - Textual's word
        group_by_default: bool = False,
        empty: str = "Nothing yet.",
        clock: Clock | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns: tuple[Column, ...] = tuple(columns)
        self._wanted_columns = frozenset(column.key for column in columns if column.shown)
        self._rows = Rows(grouped=group_by_default)
        self._painter = Painter(self._component_style)
        self._empty = empty
        self._clock: Clock = clock or SystemClock()
        self._marks: frozenset[str] = frozenset()
        self._cursor: str | None = None
        self._skip = 0
        self._title: int | None = None
        """Which of the visible columns is chosen in the sort menu."""
        self._settling: Timer | None = None

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, each with a key of its own. Paints only what differs from before."""
        before, lines = self._rows.all, self._rows.lines
        waits = self._rows.replace(rows, self._clock.monotonic())
        if waits and self._settling is None and self.is_running:
            self._settling = self.set_timer(CALM_SECONDS, self._settle)
        self._set_marks(self._marks & self._rows.all.keys())
        self._lines_changed(lines, before)

    @property
    def cursor_key(self) -> str | None:
        """The key of the row the cursor is on."""
        return self._cursor

    @property
    def shown_columns(self) -> tuple[str, ...]:
        """Keys of the columns that are shown, or would be with more room."""
        return tuple(column.key for column in self._columns_shown())

    def show_columns(self, keys: Iterable[str]) -> None:
        """Show these columns; the first of all where there is none among them."""
        self._wanted_columns = frozenset(keys)
        self._skip, self._title = 0, None
        self._lay_out()

    # painting

    def render_line(self, y: int) -> Strip:
        """One line of the screen; the header is the first."""
        rows = self._rows
        if y < HEADER_LINES:
            title = None if self._title is None else self.shown_columns[self._title]
            return self._painter.header(rows.column, title, reverse=rows.reverse)
        if not rows.lines:
            return self._line_of_words(y)
        at = self.scroll_offset.y + y - HEADER_LINES
        if at >= len(rows.lines):
            return self._painter.blank()
        line = rows.lines[at]
        if isinstance(line, Heading):
            return self._painter.heading(line)
        return self._painter.row(rows.all[line], cursor=line == self._cursor, marked=line in self._marks)

    def _line_of_words(self, y: int) -> Strip:
        text = self._empty
        if self._rows.all:
            many = len(self._rows.all)
            text = f"None of {many:,} matches {self._rows.wanted.text}\nPress escape to see all again."
        lines = block(text).split("\n")
        at = y - HEADER_LINES - max(0, (self.size.height - HEADER_LINES - len(lines)) // 2)
        return self._painter.words(lines[at]) if 0 <= at < len(lines) else self._painter.blank()

    def _component_style(self, *names: str) -> Style:
        return self.get_visual_style(*names).rich_style

    def notify_style_update(self) -> None:
        """Colours or focus have changed."""
        super().notify_style_update()
        self._painter.forget()

    def on_mount(self) -> None:
        """Take clock and signs from the dashboard."""
        self._clock = getattr(self.app, "clock", self._clock)
        self._painter.glyphs = glyphs(ascii=getattr(getattr(self.app, "look", None), "ascii", False))
        self._lay_out()
        if self._cursor is not None:
            self._tell(messages.Highlighted(self, self._cursor))

    def on_resize(self) -> None:
        """Give the columns their room."""
        self._lay_out()

    # what follows from a change

    def _columns_shown(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.key in self._wanted_columns) or self.columns[:1]

    def _lay_out(self) -> None:
        columns, width = self._columns_shown(), self.scrollable_content_region.width
        self._skip = min(self._skip, last_skip(columns, width))
        layout = lay_out(columns, width, self._skip)
        if layout != self._painter.layout:
            self._painter.layout = layout
            self._painter.forget()
            self.refresh()

    @property
    def _layout(self) -> Layout:
        return self._painter.layout

    def _rearrange(self) -> None:
        lines = self._rows.lines
        self._rows.arrange()
        self._lines_changed(lines, self._rows.all)

    def _settle(self) -> None:
        self._settling = None
        self._rows.settle(self._clock.monotonic())
        self._rearrange()

    def _lines_changed(self, before: Sequence[str | Heading], rows_before: Mapping[str, Row]) -> None:
        """Paint what differs between the lines there were and those there are."""
        lines = self._rows.lines
        if len(lines) != len(before):
            self._resize(len(before), len(lines))
        if not (lines and before):
            if lines or before or len(rows_before) != len(self._rows.all):
                self.refresh()
        else:
            self._repaint(before, rows_before)
        self._keep_cursor(before)
        self._follow_cursor(before)

    def _resize(self, before: int, now: int) -> None:
        """Have room for so many lines; all is laid out again where the scroll bar is concerned."""
        size = Size(0, now + HEADER_LINES)
        if max(before, now) + HEADER_LINES <= self.size.height:
            self.set_reactive(GridView.virtual_size, size)
        else:
            self.virtual_size = size
            # the scroll bar takes its column once it is there
            self.call_after_refresh(self._lay_out)

    def _repaint(self, before: Sequence[str | Heading], rows_before: Mapping[str, Row]) -> None:
        lines, rows = self._rows.lines, self._rows.all
        top, width = self.scroll_offset.y, self.size.width
        regions: list[Region] = []
        for y in range(HEADER_LINES, self.size.height):
            at = top + y - HEADER_LINES
            line = lines[at] if at < len(lines) else None
            if line != (before[at] if at < len(before) else None):
                regions.append(Region(0, y, width, 1))
            elif isinstance(line, str) and (row := rows[line]) is not (old := rows_before.get(line)):
                if old is None or old.stale is not row.stale:
                    regions.append(Region(0, y, width, 1))
                elif changed := self._changed_cells(old, row):
                    regions.append(Region(changed[0], y, changed[1] - changed[0], 1))
        if regions:
            self.refresh(*regions)

    def _changed_cells(self, old: Row, row: Row) -> tuple[int, int] | None:
        """From where to where a row differs on screen; not at all where None."""
        was, now = old.cells, row.cells
        if was is now:
            return None
        first: int | None = None
        end = 0
        for place in self._layout.places:
            key = place.column.key
            a, b = was.get(key, EMPTY_CELL), now.get(key, EMPTY_CELL)
            if a is not b and (a.text != b.text or a.tone is not b.tone):
                first = place.x if first is None else first
                end = place.x + place.width
        return None if first is None else (first, end)

    def _repaint_line(self, key: str | None) -> None:
        at = self._rows.line_of.get(key) if key is not None else None
        y = -1 if at is None else at - self.scroll_offset.y + HEADER_LINES
        if HEADER_LINES <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _repaint_header(self) -> None:
        self.refresh(Region(0, 0, self.size.width, HEADER_LINES))

    # cursor and marks

    def _keep_cursor(self, before: Sequence[str | Heading]) -> None:
        """Leave the cursor on its row; where that is gone, the one that came next, or before."""
        line_of = self._rows.line_of
        if self._cursor in line_of:
            return
        keys = [line for line in before if isinstance(line, str)]
        at = keys.index(self._cursor) if self._cursor in keys else 0
        nearby = (*keys[at:], *reversed(keys[:at])) if self._cursor is not None else ()
        self._set_cursor(
            next((key for key in nearby if key in line_of), next(iter(line_of), None)), scroll=False
        )

    def _follow_cursor(self, before: Sequence[str | Heading]) -> None:
        """Keep the row of the cursor in view where it was and its place has changed."""
        at = self._rows.line_of.get(self._cursor) if self._cursor is not None else None
        top = self.scroll_offset.y
        if at is not None and self._cursor in before[top : top + self.size.height - HEADER_LINES]:
            self._scroll_to_line(at)

    def _set_cursor(self, key: str | None, *, scroll: bool = True) -> None:
        if key == self._cursor:
            return
        self._repaint_line(self._cursor)
        self._cursor = key
        self._repaint_line(key)
        if scroll and key is not None:
            self._scroll_to_line(self._rows.line_of[key])
        self._tell(messages.Highlighted(self, key))

    def _scroll_to_line(self, at: int) -> None:
        page = max(1, self.size.height - HEADER_LINES)
        top = self.scroll_offset.y
        if at < top:
            # the heading of a group comes with its first row
            at -= at > 0 and isinstance(self._rows.lines[at - 1], Heading)
            self.scroll_to(y=at, animate=False, force=True)
        elif at >= top + page:
            self.scroll_to(y=at - page + 1, animate=False, force=True)

    def _set_marks(self, marks: frozenset[str]) -> None:
        if marks == self._marks:
            return
        changed, self._marks = marks ^ self._marks, marks
        for key in changed:
            self._repaint_line(key)
        self._tell(messages.MarksChanged(self, marks))

    def _tell(self, message: Message) -> None:
        if self.is_running:
            self.post_message(message)

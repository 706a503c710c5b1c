"""Log lines on the screen: only those in sight are drawn, however many there are."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from sensor_tui.app.format import fit
from sensor_tui.app.glyphs import UNICODE, Glyphs
from sensor_tui.app.logbook import NOTE, Entry
from sensor_tui.app.widgets.loglines_draw import CLASSES, CSS, HUES, LEVELS, Body, Label, clock_of, pieces
from sensor_tui.app.widgets.loglines_text import fit_end, height, pattern_of, shown
from sensor_tui.app.widgets.loglines_view import LogView

SHIFT: Final = 16
"""Characters a step to the side."""
WHEEL: Final = 3
"""Rows a turn of the wheel."""
NAME_MOST: Final = 20
_NAME_SHARE: Final = 5
_MARK: Final = 1
_TIME: Final = 9
_LEVEL: Final = 2
_BAR: Final = 1


class LogLines(Widget, can_focus=True):
    """The lines of a view, cut or wrapped; follows the newest or stays where the operator reads."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = set(CLASSES)
    DEFAULT_CSS = CSS

    class Moved(Message):
        """The cursor is elsewhere, or following began or ended."""

    def __init__(self, view: LogView, *, glyphs: Glyphs = UNICODE, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.view = view
        self.glyphs = glyphs
        self.follows = True
        """Whether the newest line is kept in sight."""
        self.paused_at = 0
        """Number of the first line that came after following ended."""
        self.cursor: int | None = None
        """Number of the line the operator is on; None while following."""
        self.began: int | None = None
        """Number of the line where a selection began."""
        self.empty = ""
        """What to say where there are no lines; plain, may have several lines."""
        self.named = True
        """Whether the column of unit names is shown."""
        self.wraps = False
        self.shift = 0
        """Characters the lines are moved to the left."""
        self._labels: Mapping[str, Label] = {}
        self._name_width = 0
        self._pattern = pattern_of("")
        self._top = 0
        self._gone = view.gone
        self._drawn: tuple[int, ...] = ()
        self._styles: dict[str, Style] = {}

    # what is shown

    def label(self, labels: Mapping[str, Label]) -> None:
        """Names of units by id."""
        if labels != self._labels:
            self._labels = labels
            self.measure()

    def look_for(self, wanted: str) -> None:
        """Point at what a filter's text looks for."""
        self._pattern = pattern_of(wanted)
        self.refresh()

    def say(self, empty: str) -> None:
        """What to say where there are no lines."""
        if empty != self.empty:
            self.empty = empty
            if not len(self.view):
                self.refresh()

    def measure(self) -> None:
        """Lay everything out anew, after the size, the names or what is wanted changed."""
        width = self.content_size.width
        longest = max((len(label.text) for label in self._labels.values()), default=0)
        most = min(NAME_MOST, max(8, width // _NAME_SHARE))
        self._name_width = min(longest, most) if self.named else 0
        view, body = self.view, self.body_width
        reading = self._reading()
        if self.wraps:
            view.height = lambda entry: height(entry, body)
        else:
            view.height = None
        view.rebuild()
        self._gone = view.gone
        if reading is not None and len(view):
            number, row = reading
            self._top = view.row_of(view.index_of(number)) - row
        self.sync(force=True)

    def sync(self, *, force: bool = False) -> bool:
        """Draw what came and went since the last time; whether anything did."""
        view = self.view
        gone = view.gone - self._gone
        self._gone = view.gone
        before = self._top
        if self.follows:
            self._top = self._bottom
        else:
            self._top = max(0, min(self._top - gone, self._bottom))
        state = (view.gone, len(view), view.rows, self._top)
        if not force and state == self._drawn:
            return False
        was, self._drawn = self._drawn, state
        # lines that came below what is in sight move nothing but the thumb
        quiet = not self.follows and not gone and before == self._top and was and was[2] >= self.size.height
        if force or not quiet:
            self.refresh()
        return True

    @property
    def body_width(self) -> int:
        """Cells for the text of a line."""
        name = self._name_width + 1 if self._name_width else 0
        return max(10, self.content_size.width - _MARK - _TIME - _LEVEL - name - _BAR)

    @property
    def _bottom(self) -> int:
        return max(0, self.view.rows - self.content_size.height)

    # where the operator is

    @property
    def index(self) -> int:
        """The line the operator is on, the last one while following; 0 where there is none."""
        if self.cursor is None:
            return max(0, len(self.view) - 1)
        return self.view.index_of(self.cursor)

    @property
    def entry(self) -> Entry | None:
        """The line the operator is on."""
        return self.view[self.index] if len(self.view) else None

    @property
    def newer(self) -> int:
        """Lines that came since following ended."""
        return 0 if self.follows else self.view.since(self.paused_at)

    @property
    def selected(self) -> Sequence[Entry]:
        """The lines of the selection, else the one the operator is on."""
        if not len(self.view):
            return ()
        here = self.index
        there = here if self.began is None else self.view.index_of(self.began)
        return [self.view[index] for index in range(min(here, there), max(here, there) + 1)]

    def follow(self) -> None:
        """Keep the newest line in sight."""
        self.follows = True
        self.cursor = self.began = None
        self.sync(force=True)
        self.post_message(self.Moved())

    def pause(self) -> None:
        """Stay where the operator reads."""
        if self.follows and len(self.view):
            self.cursor = self.view[len(self.view) - 1].number
            self.follows = False
            self.paused_at = self.view.book.next
            self.refresh()
            self.post_message(self.Moved())

    def go(self, index: int, *, select: bool = False) -> None:
        """Go to a line and stay there; with `select` everything in between is selected."""
        if not len(self.view):
            return
        self.pause()
        index = max(0, min(index, len(self.view) - 1))
        if select and self.began is None:
            self.began = self.cursor
        elif not select:
            self.began = None
        self.cursor = self.view[index].number
        self._reveal(index)
        self.refresh()
        self.post_message(self.Moved())

    def page(self, step: int) -> None:
        """A page up (-1) or down (1)."""
        here = self.view.row_of(self.index) if len(self.view) else 0
        row = max(0, min(here + step * max(1, self.content_size.height - 1), self.view.rows - 1))
        if len(self.view):
            self.go(self.view.line_at(row)[0])

    def sideways(self, step: int) -> None:
        """Move the lines to the side, where they are not wrapped."""
        if not self.wraps:
            self.shift = max(0, self.shift + step * SHIFT)
            self.refresh()

    def begin_selection(self) -> None:
        """Select from the line the operator is on."""
        self.pause()
        self.began = None if self.began is not None else self.cursor
        self.refresh()
        self.post_message(self.Moved())

    def end_selection(self) -> bool:
        """Select nothing; whether something was selected."""
        had, self.began = self.began is not None, None
        if had:
            self.refresh()
            self.post_message(self.Moved())
        return had

    def _reading(self) -> tuple[int, int] | None:
        """Number of the line at the cursor and how far down it is, to stay there while all else changes."""
        if self.follows or self.cursor is None or not len(self.view):
            return None
        index = self.view.index_of(self.cursor)
        return self.cursor, max(0, self.view.row_of(index) - self._top)

    def _reveal(self, index: int) -> None:
        top = self.view.row_of(index)
        rows = self.view.row_of(index + 1) - top if index + 1 < len(self.view) else self.view.rows - top
        size = max(1, self.content_size.height)
        if top < self._top:
            self._top = top
        elif top + min(rows, size) > self._top + size:
            self._top = top + min(rows, size) - size

    # drawing

    def notify_style_update(self) -> None:
        """Colours changed."""
        super().notify_style_update()
        self._styles.clear()

    def _style(self, name: str) -> Style:
        found = self._styles.get(name)
        if found is None:
            found = self._styles[name] = self.get_component_rich_style(f"loglines--{name}", partial=True)
        return found

    @property
    def _base(self) -> Style:
        found = self._styles.get("")
        if found is None:
            found = self._styles[""] = self.rich_style
        return found

    def render_line(self, y: int) -> Strip:
        size, base = self.content_size, self._base
        if not len(self.view):
            return self._empty_line(y, base)
        row = self._top + y
        if not 0 <= row < self.view.rows:
            return Strip([Segment(" " * size.width, base)], size.width)
        index, part = self.view.line_at(row)
        strip = self._line(index, part, base)
        return Strip([*strip, Segment(*self._rail(y, base))], size.width)

    def _empty_line(self, y: int, base: Style) -> Strip:
        lines = self.empty.splitlines()
        text = lines[y - 1] if 0 < y <= len(lines) else ""
        width = self.content_size.width
        return Strip([Segment(fit(f"  {text}", width), base + self._style("empty"))], width)

    def _rail(self, y: int, base: Style) -> tuple[str, Style]:
        rows, size = self.view.rows, self.content_size.height
        if rows <= size:
            return " ", base
        length = max(1, size * size // rows)
        start = round((size - length) * self._top / max(1, self._bottom))
        on = start <= y < start + length
        return (self.glyphs.bar if on else " "), base + self._style("thumb" if on else "rail")

    def _line(self, index: int, part: int, base: Style) -> list[Segment]:
        entry = self.view[index]
        level = self._style("note" if entry.stream == NOTE else LEVELS[entry.level])
        here = not self.follows and entry.number == self.cursor
        chosen = here or self._is_selected(entry.number)
        if chosen:
            base += self._style("cursor")
        segments = [Segment(self.glyphs.marked if chosen else " ", base + self._style("mark"))]
        if part:
            segments.append(Segment(" " * (_TIME + _LEVEL), base))
        else:
            segments.append(Segment(clock_of(entry.at), base + self._style("time")))
            letter = "-" if entry.stream == NOTE else entry.level.letter
            segments.append(Segment(f"{letter} ", base + level))
        if self._name_width:
            label = self._labels.get(entry.unit)
            text = "" if part or label is None else label.text
            hue = self._style(f"unit-{0 if label is None else label.hue % HUES}")
            segments.append(Segment(fit_end(text, self._name_width, self.glyphs.ellipsis) + " ", base + hue))
        body = Body(shown(entry), self.body_width, part if self.wraps else None, self.shift)
        pattern = None if entry.stream == NOTE else self._pattern
        segments += pieces(body, pattern, base + level, self._style("found"), self.glyphs.ellipsis)
        return segments

    def _is_selected(self, number: int) -> bool:
        if self.began is None or self.cursor is None:
            return False
        return min(self.began, self.cursor) <= number <= max(self.began, self.cursor)

    # mouse and size

    def on_resize(self) -> None:
        self.measure()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._roll(-WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._roll(WHEEL)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None or not len(self.view):
            return
        if offset.x >= self.content_size.width - _BAR and self._bottom:
            self.pause()
            self._top = round(self._bottom * offset.y / max(1, self.content_size.height - 1))
            self.go(self.view.line_at(self._top)[0])
        elif self._top + offset.y < self.view.rows:
            self.go(self.view.line_at(self._top + offset.y)[0], select=event.shift)

    def _roll(self, rows: int) -> None:
        if not len(self.view) or (self.follows and rows > 0):
            return
        self.pause()
        self._top = max(0, min(self._top + rows, self._bottom))
        last = min(self._top + self.content_size.height, self.view.rows) - 1
        index = max(self.view.line_at(self._top)[0], min(self.index, self.view.line_at(last)[0]))
        self.cursor = self.view[index].number
        self.refresh()
        self.post_message(self.Moved())

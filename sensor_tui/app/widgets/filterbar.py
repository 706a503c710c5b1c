"""The filter of a screen: typed, live, with its history; shown for as long as it hides anything."""

import asyncio
import contextlib
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from sensor_tui.app.filter import Filter, FilterError, parse
from sensor_tui.app.format import count as shown_count
from sensor_tui.app.format import plain
from sensor_tui.app.widgets.textfield import TextField

HISTORY: Final = 50
_SETTLE_SECONDS: Final = 0.2


class FilterInput(TextField):
    """The line a filter is typed into."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # before the next key is looked at, which is meant for the screen again
        Binding("escape", "leave", "Close", show=True, priority=True),
        Binding("enter", "leave", "Close", show=False, priority=True),
        Binding("up", "history(-1)", "Earlier", show=True),
        Binding("down", "history(1)", "Later", show=False),
    ]

    def action_leave(self) -> None:
        """Close the line and keep what is typed."""
        self.query_ancestor(FilterBar).close()

    def action_history(self, step: int) -> None:
        """Take an earlier or a later filter."""
        bar = self.query_ancestor(FilterBar)
        self.value = bar.recall(step, self.value)
        self.cursor_position = len(self.value)


class FilterBar(Horizontal):
    """One line above the footer; away while there is no filter and none is typed."""

    DEFAULT_CSS = """
    FilterBar {
        height: 1; width: 100%; padding: 0 1; display: none; background: $surface;
        &.-open, &.-set { display: block; }
        FilterInput { width: 1fr; height: 1; border: none; padding: 0; background: $surface; }
        #filter-label { width: auto; height: 1; color: $text-accent; }
        #filter-note { width: auto; max-width: 60%; height: 1; padding-left: 1; color: $text-muted;
            text-wrap: nowrap; text-overflow: ellipsis; }
        &.-wrong #filter-note { color: $text-error; }
    }
    """

    class Changed(Message):
        """Another filter is wanted; `wanted` is parsed."""

        def __init__(self, wanted: Filter) -> None:
            super().__init__()
            self.wanted = wanted

    class Closed(Message):
        """The line was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        """What filters now."""
        self._wanted = Filter()
        self._slow = False
        self._counts: tuple[int, int] | None = None
        self._history: list[str] = []
        self._back = 0
        self._draft = ""

    def compose(self) -> ComposeResult:
        yield Static("filter: ", id="filter-label", markup=False)
        field = FilterInput(compact=True, select_on_focus=False)
        field.can_focus = False
        field.styles.display = "none"
        yield field
        yield Static("", id="filter-note", markup=False)

    @property
    def is_open(self) -> bool:
        """Whether it is being typed into."""
        return self.has_class("-open")

    def open(self) -> None:
        """Begin to type."""
        self.add_class("-open")
        field = self.query_one(FilterInput)
        field.can_focus = True
        field.value = self.text
        field.cursor_position = len(self.text)
        self._back = 0
        self._label()
        # at once, and not as Widget.focus does after the keys that have come meanwhile
        field.styles.display = "block"
        self.screen.set_focus(field)

    def close(self) -> None:
        """Keep what filters and go back to where the keys were."""
        if self.text and (not self._history or self._history[-1] != self.text):
            self._history = [*self._history, self.text][-HISTORY:]
        self.remove_class("-open", "-wrong")
        field = self.query_one(FilterInput)
        field.can_focus = False
        field.styles.display = "none"
        self._label()
        self.screen.set_focus(None)
        self.post_message(self.Closed())

    async def settled(self) -> None:
        """Wait until every key so far has had its effect, for a moment at most."""
        for widget in (self.query_one(FilterInput), self):
            done = asyncio.Event()
            widget.call_later(done.set)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), _SETTLE_SECONDS)

    def clear(self) -> None:
        """No filter any more."""
        self._take("")
        self.query_one(FilterInput).value = ""

    def recall(self, step: int, typed: str) -> str:
        """What was filtered by before, a step further back or forth from what is typed."""
        if not self._back:
            self._draft = typed
        self._back = max(0, min(len(self._history), self._back - step))
        return self._history[-self._back] if self._back else self._draft

    def count(self, counts: tuple[int, int] | None) -> None:
        """How many are shown of how many."""
        if (counts, self._wanted.slow) != (self._counts, self._slow):
            self._counts, self._slow = counts, self._wanted.slow
            self._label()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while typing."""
        event.stop()
        if self.is_open:
            self._take(event.value)

    def _take(self, text: str) -> None:
        try:
            wanted = parse(text)
        except FilterError as error:
            self.add_class("-wrong")
            self.query_one("#filter-note", Static).update(Content(plain(str(error))))
            return
        self.remove_class("-wrong")
        if text != self.text:
            self.text, self._wanted = text, wanted
            self.post_message(self.Changed(wanted))
        self._label()

    def _label(self) -> None:
        self.set_class(bool(self.text), "-set")
        if self.has_class("-wrong"):
            return
        shown = (
            ""
            if self._counts is None
            else f"({shown_count(self._counts[0])} of {shown_count(self._counts[1])})"
        )
        if self._slow:
            shown = f"too slow a regular expression: it finds nothing {shown}".rstrip()
        note = shown if self.is_open else " ".join(filter(None, (plain(self.text), shown)))
        self.query_one("#filter-note", Static).update(Content(note))

"""Dialogs: yes or no, one of several, a line of text, and a longer text to read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Generic, TypeVar, cast

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from sensor_tui.app.base import Dash
from sensor_tui.app.format import block, plain
from sensor_tui.app.widgets.textfield import TextField
from sensor_tui.model.overview import Overview

Result = TypeVar("Result")

WIDEST: Final = 92
FRAME: Final = 6
"""Cells of a box's border, padding and scroll bar."""
LEAST_LINES: Final = 3
DIGITS: Final = 9


class Words(Static):
    """Text that is drawn again only when it is another."""

    DEFAULT_CSS = """
    Words { width: 1fr; height: auto; }
    """

    def __init__(self, text: Content | str = "", *, id: str | None = None) -> None:  # noqa: A002 - as Textual has it
        self._shown = Content(text) if isinstance(text, str) else text
        super().__init__(self._shown, id=id, markup=False)

    def show(self, text: Content) -> None:
        """Show another text."""
        if not text.is_same(self._shown):
            self._shown = text
            self.update(text)


class Check(Static, can_focus=True):
    """Something that is on or off, and says so without colour: `[x] drain first`."""

    DEFAULT_CSS = """
    Check { width: auto; height: 1; margin-right: 3; color: $foreground; }
    Check:focus { background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space,enter", "turn", "Change", show=False)]

    @dataclass
    class Changed(Message):
        """It is the other now."""

        check: "Check"
        value: bool

    def __init__(self, label: str, ident: str, *, value: bool) -> None:
        self.label, self.value = plain(label), value
        super().__init__(self._words(), id=ident, markup=False)

    def _words(self) -> Content:
        return Content(f"[{'x' if self.value else ' '}] {self.label}")

    def action_turn(self) -> None:
        """Turn it."""
        self.value = not self.value
        self.update(self._words())
        self.post_message(self.Changed(self, self.value))

    def on_click(self) -> None:
        """Turn it."""
        self.action_turn()


class Dialog(ModalScreen[Result], Generic[Result]):
    """A box over a screen. `compose_box` says what is in it, `HINT` which keys it knows."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > .box {
        width: 90%; max-width: 92; height: auto; max-height: 94%; padding: 0 1;
        background: $surface; color: $foreground; border: round $primary;
        border-title-color: $text-accent; border-title-style: bold; border-subtitle-color: $text-muted;
    }
    Dialog.-danger > .box { border: round $error; border-title-color: $text-error; }
    Dialog .buttons { height: 1; width: 1fr; margin-top: 1; }
    Dialog .buttons Button {
        margin-right: 2; width: auto; min-width: 10; border: none; text-style: none;
        background: $panel; color: $foreground;
        &.dangerous { color: $text-error; text-style: bold; }
        &:focus {
            background: $block-cursor-background; color: $block-cursor-foreground; text-style: bold;
            background-tint: $foreground 0%;
        }
        &:disabled {
            background: $surface; color: $text-disabled; text-style: strike;
            opacity: 100%; text-opacity: 100%;
        }
    }
    Dialog Input { height: 1; border: none; padding: 0 1; background: $panel; color: $foreground; }
    Dialog OptionList {
        height: auto; max-height: 1fr; border: none; padding: 0; background: $surface; overflow-x: hidden;
    }
    Dialog .scrolled { height: auto; max-height: 60vh; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "Back")]
    HINT: ClassVar[str] = "esc back"
    """Keys, for the line at the bottom of the box."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.heading = plain(title, limit=120)
        self._hint = self.HINT

    @property
    def dash(self) -> Dash:
        """The app."""
        return cast("Dash", self.app)

    def compose(self) -> ComposeResult:
        box = Vertical(classes="box")
        box.border_title = Content(self.heading)
        box.border_subtitle = Content(self.HINT)
        with box:
            yield from self.compose_box()

    def compose_box(self) -> ComposeResult:
        """What is in the box."""
        raise NotImplementedError

    def fit_pane(self, pane: VerticalScroll, text: Content, others: int) -> None:
        """Make a pane as high as its text, as far as the box and `others`, its other lines, leave room."""
        size = self.app.size
        width = min(WIDEST, size.width * 9 // 10) - FRAME
        pane.styles.height = min(len(text.wrap(max(1, width))), max(LEAST_LINES, size.height - others))

    def say(self, hint: str) -> None:
        """Other keys at the bottom of the box."""
        if hint == self._hint:
            return
        self._hint = hint
        self.query_one(".box", Vertical).border_subtitle = Content(hint)

    def action_back(self) -> None:
        """Close it as if nothing had been asked."""
        self.dismiss(None)


class LiveDialog(Dialog[Result], Generic[Result]):
    """A dialog that shows how something goes on; it takes every overview while it is on top."""

    def on_screen_resume(self) -> None:
        self.dash.redraw()

    def take(self, overview: Overview, now: float) -> None:
        """Show how it goes; `now` in seconds since the epoch."""
        raise NotImplementedError


def button(label: str, ident: str, *, dangerous: bool = False) -> Button:
    """A button one line high; the label is no markup."""
    return Button(Content(plain(label)), id=ident, classes="dangerous" if dangerous else None, compact=True)


class AskDialog(Dialog[bool]):
    """Yes or no; `n` and escape are no. Where it is dangerous, enter is no as well."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]
    AUTO_FOCUS = ""
    HINT = "y yes   n no   tab other button"

    def __init__(self, title: str, text: str, *, yes: str = "Yes", dangerous: bool = False) -> None:
        super().__init__(title)
        self._text, self._yes, self._dangerous = block(text), yes, dangerous
        self.set_class(dangerous, "-danger")

    def compose_box(self) -> ComposeResult:
        with VerticalScroll(classes="scrolled", can_focus=False):
            yield Words(self._text)
        with Horizontal(classes="buttons"):
            yield button(self._yes, "yes", dangerous=self._dangerous)
            yield button("No", "no")

    def on_mount(self) -> None:
        self.query_one("#no" if self._dangerous else "#yes", Button).focus()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Say it."""
        self.dismiss(yes)


class ChooseDialog(Dialog[str | None]):
    """One of several; enter takes it, a digit as well."""

    HINT = "enter choose   esc back"

    def __init__(
        self, title: str, options: Sequence[tuple[str, str]], *, text: str = "", danger: bool = False
    ) -> None:
        super().__init__(title)
        self._options, self._text = tuple(options), block(text)
        self.set_class(danger, "-danger")

    def compose_box(self) -> ComposeResult:
        if self._text:
            yield Words(f"{self._text}\n")
        numbered = len(self._options) <= DIGITS
        yield OptionList(
            *(
                Option(Content(f"{place}  {plain(words)}" if numbered else plain(words)))
                for place, (_, words) in enumerate(self._options, 1)
            ),
            compact=True,
        )

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._options[event.option_index][0])

    def on_key(self, event: events.Key) -> None:
        """A digit takes the option of that number."""
        if (
            event.character
            and event.character.isdecimal()
            and 0 < int(event.character) <= len(self._options) <= DIGITS
        ):
            event.stop()
            self.dismiss(self._options[int(event.character) - 1][0])


class InputDialog(Dialog[str | None]):
    """A line of text; enter takes it."""

    HINT = "enter take it   esc back"

    def __init__(self, title: str, text: str = "", *, value: str = "", yes: str = "OK") -> None:
        super().__init__(title)
        self._text, self._value, self._yes = block(text), plain(value), yes

    def compose_box(self) -> ComposeResult:
        if self._text:
            yield Words(self._text)
        yield TextField(self._value, compact=True, select_on_focus=False)
        with Horizontal(classes="buttons"):
            yield button(self._yes, "yes")
            yield button("Cancel", "no")

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.dismiss(self.query_one(Input).value)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss(self.query_one(Input).value if event.button.id == "yes" else None)


class TextDialog(Dialog[None]):
    """A longer text, scrollable, as plain as it can be."""

    DEFAULT_CSS = """
    TextDialog > .box { height: 94%; max-width: 140; }
    TextDialog VerticalScroll { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "back", "Close"),
        Binding("y,ctrl+y", "copy", "Copy"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
        Binding("g", "end(-1)", show=False),
        Binding("G", "end(1)", show=False),
    ]
    HINT = "arrows scroll   y copy   esc close"

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self._text = text

    def compose_box(self) -> ComposeResult:
        with VerticalScroll():
            yield self.text_shown()

    def text_shown(self) -> Words:
        """The text as it is shown."""
        return Words(block(self._text, limit=200_000))

    def action_copy(self) -> None:
        """Copy all of it."""
        self.dash.copy(self._text, self.heading)

    def action_scroll(self, lines: int) -> None:
        """Go down so many lines."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_end(self, way: int) -> None:
        """Go to one end."""
        pane = self.query_one(VerticalScroll)
        if way < 0:
            pane.scroll_home(animate=False)
        else:
            pane.scroll_end(animate=False)

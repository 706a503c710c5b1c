"""The line at the bottom: what can be done here, cut to the width, with help always in sight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

HELP: Final = "app.help"


@dataclass(frozen=True, slots=True)
class Hint:
    """One key and what it does."""

    key: str
    shown: str
    title: str
    enabled: bool = True

    @property
    def width(self) -> int:
        """Cells, with the gap after it."""
        return cell_len(self.shown) + 1 + cell_len(self.title) + 2


class FooterBar(Widget):
    """Keys of the current screen and of what has the focus; a click is the key."""

    DEFAULT_CSS = """
    FooterBar {
        height: 1; width: 100%; padding: 0 1;
        background: $panel; color: $foreground; text-wrap: nowrap;
    }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._hints: tuple[Hint, ...] = ()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._changed(self.screen)

    def _changed(self, screen: Screen[Any]) -> None:
        if screen is not self.screen or not self.is_attached:
            return
        hints = tuple(collect(screen))
        if hints != self._hints:
            self._hints = hints
            self.refresh()

    @property
    def shown(self) -> Sequence[Hint]:
        """What fits, in order."""
        return cut(self._hints, self.content_size.width)

    def render(self) -> Content:
        pieces: list[tuple[str, str]] = []
        shown = self.shown
        for place, hint in enumerate(shown):
            if place == len(shown) - 1:
                used = sum(each.width for each in shown[:-1])
                pieces.append((" " * max(0, self.content_size.width - used - hint.width + 2), ""))
            faint = "" if hint.enabled else "$text-disabled"
            pieces += [(hint.shown, faint or "bold $text-accent"), (f" {hint.title}", faint)]
            if place < len(shown) - 1:
                pieces.append(("  ", ""))
        return Content.assemble(*(piece for piece in pieces if piece[0]))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        at = 0
        shown = self.shown
        for hint in shown[:-1]:
            if at <= offset.x < at + hint.width - 2:
                self.app.simulate_key(hint.key)
                return
            at += hint.width
        if shown and offset.x >= self.content_size.width - shown[-1].width + 2:
            self.app.simulate_key(shown[-1].key)


def collect(screen: Screen[Any]) -> list[Hint]:
    """Keys to show: those of the focused widget, of the screen, of the app, then help."""
    found: dict[str, tuple[int, Hint]] = {}
    app = screen.app
    typing = screen.focused is not None and screen.focused.check_consume_key("a", "a")
    for node, binding, enabled, _ in screen.active_bindings.values():
        if not (binding.show or binding.id == HELP) or binding.action in found:
            continue
        shown = app.get_key_display(binding)
        if typing and len(shown) == 1:
            continue
        rank = 3 if binding.id == HELP else (2 if node is app else (1 if node is screen else 0))
        title = str(binding.description)
        found[binding.action] = (rank, Hint(binding.key, shown, title, enabled))
    return [hint for _, hint in sorted(found.values(), key=lambda each: each[0])]


def cut(hints: Sequence[Hint], width: int) -> Sequence[Hint]:
    """As many as fit; the last one always stays."""
    if not hints:
        return ()
    *first, last = hints
    room = width - last.width + 2
    kept = []
    for hint in first:
        if hint.width > room:
            break
        room -= hint.width
        kept.append(hint)
    return (*kept, last)

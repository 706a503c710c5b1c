"""Between Textual and the terminal: takes what is drawn, gives what has to be sent."""

from typing import Final

from sensor_tui.app.driver_diff import Shown
from sensor_tui.app.driver_screen import Screen

SYNC_START: Final = "\x1b[?2026h"
SYNC_END: Final = "\x1b[?2026l"
SYNC_FROM: Final = 1024
"""Shorter updates are drawn at once anyhow."""
MOST_WAITING: Final = 1_000_000
"""Characters that wait in order for a terminal that takes nothing."""

_SYNC_MODE: Final = "2026"
_CURSOR_MODE: Final = "25"
_NO_CHANGE_TO_CELLS: Final = ("\x1b[?7h", "\x1b[?7l", "\x1b[?1048h")


class Core:
    """A screen, what the terminal shows of it, and what waits to be sent. Not safe for threads."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = Screen(width, height, self._control)
        self._shown = Shown(self.screen)
        self._waiting: list[str] = []
        """To be sent in this order, before anything newer."""
        self._soft: dict[str, str] = {}
        """To be sent when convenient; of each kind the last."""
        self._sync = False
        self._cursor_visible = True
        self._left = False
        """The screen was given back to the shell, whose cursor is not ours to place."""

    def feed(self, data: str) -> None:
        """Take what Textual writes."""
        self.screen.feed(data)
        if self.screen.pens.full:
            self.screen.renew_pens()
            self._shown.renew_pens()

    def resize(self, width: int, height: int) -> None:
        """The terminal has another size."""
        self.screen.resize(width, height)
        self._shown.forget()

    def forget(self) -> None:
        """Send everything again."""
        self._shown.forget()

    def take(self) -> str:
        """Everything that has to be sent now."""
        update = self._shown.update()
        if self._sync and len(update) >= SYNC_FROM:
            update = f"{SYNC_START}{update}{SYNC_END}"
        if not self._left and (self._cursor_visible or (self.screen.x, self.screen.y) != (0, 0)):
            update += self._shown.place(self.screen.x, self.screen.y)
        out = "".join((*self._waiting, *self._soft.values(), update))
        self._waiting.clear()
        self._soft.clear()
        return out

    def _control(self, sequence: str, kind: str | None) -> None:
        if kind is not None:
            if kind == _SYNC_MODE:
                self._sync = True
                return
            if kind == _CURSOR_MODE:
                self._cursor_visible = sequence.endswith("h")
            self._soft.pop(kind, None)
            self._soft[kind] = sequence
            return
        screens = sequence.startswith("\x1b[?") and sequence[3:-1] in {"47", "1047", "1049"}
        if screens and sequence.endswith("l"):
            self.screen.clear()
        self._waiting += (*self._soft.values(), self._shown.update(), sequence)
        self._soft.clear()
        if screens:
            self._left = sequence.endswith("l")
            self.screen.clear()
        if sequence in _NO_CHANGE_TO_CELLS:
            self._shown.lose_cursor()
        else:
            self._shown.forget()
        if sum(map(len, self._waiting)) > MOST_WAITING:
            self._waiting = [sequence]
            self._shown.forget()

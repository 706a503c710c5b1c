"""A few lines of a terminal that are drawn in place: what changed, and nothing else."""

import os
import sys
from collections.abc import Sequence
from typing import Final

import click

from sensor_tui.cli.monitor_text import Line
from sensor_tui.cli.output import ReaderGone

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[J"
_LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_STYLES: Final[dict[str, dict[str, object]]] = {
    "head": {"bold": True},
    "bad": {"fg": "red"},
    "old": {"dim": True},
}


def styled(line: Line, *, plain: bool) -> str:
    """A line with its colours, where there are to be some."""
    style = {} if plain else _STYLES.get(line.look, {})
    return click.style(line.text, **style) if style and line.text else line.text  # type: ignore[arg-type]


class Screen:
    """The alternate screen of the terminal on standard output, so that what was there comes back."""

    def __init__(self, *, plain: bool) -> None:
        """`plain` means without colours."""
        self._plain = plain
        self._drawn: list[str] | None = None
        self._size = (0, 0)

    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except (OSError, ValueError):
            return 80, 24
        return found.columns or 80, found.lines or 24

    def open(self) -> None:
        """Take the terminal; to be called again after something else had it."""
        self._drawn = None
        self._put(_ENTER)

    def close(self) -> None:
        """Give it back."""
        self._put(_LEAVE)

    def draw(self, lines: Sequence[Line]) -> None:
        """Show these lines; those that were there already are left alone.

        Raises:
            ReaderGone: the terminal is gone.
        """
        shown = [styled(line, plain=self._plain) for line in lines]
        size = self.size()
        before = self._drawn if self._drawn is not None and size == self._size else None
        parts = [] if before is not None else ["\x1b[H\x1b[J"]
        for at, text in enumerate(shown):
            if before is None or at >= len(before) or before[at] != text:
                parts.append(f"\x1b[{at + 1};1H{text}\x1b[K")
        if before is not None and len(shown) < len(before):
            parts.append(f"\x1b[{len(shown) + 1};1H\x1b[J")
        self._drawn, self._size = shown, size
        if parts:
            self._put("".join(parts))

    @staticmethod
    def _put(text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            raise ReaderGone from None

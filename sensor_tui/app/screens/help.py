"""Help for where the operator is: what is shown, every key, every column."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final

from rich.cells import cell_len
from textual import events
from textual.content import Content

from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.format import fit, plain
from sensor_tui.app.keymap import APP_KEYS, shown_keys
from sensor_tui.app.screens.dialogs import TextDialog, Words
from sensor_tui.app.widgets.grid import GRID_KEYS, Column

KEY_WIDTH: Final = 13
TITLE_WIDTH: Final = 15
_LEAST: Final = 20
_WIDEST: Final = 140
_FRAME: Final = 6
"""Border, padding and scroll bar."""
SIGNS: Final = (
    "Colour is never the only sign. What is dim is stale; the header says since when and why.",
    "Stopped, unreachable and no data are three different things, and say so.",
)
FILTER: Final = (
    ("word", "in any column; several words must all be there"),
    ("column:word", "in that column; column:=word exactly; column:>3 and column:<3 by number"),
    ("!word", "not there"),
    ("/regex/", "a regular expression"),
    ('"two words"', "with its blank"),
)


class HelpScreen(TextDialog):
    """Everything about the screen it was opened on."""

    HINT = "arrows scroll   y copy   esc close"

    def __init__(self, screen: DashboardScreen, keymap: Mapping[str, str], *, read_only: bool) -> None:
        super().__init__(f"Help: {screen.TITLE or screen.NAME}", "")
        grid = screen.current_grid()
        self._screen = screen
        self._columns = None if grid is None else tuple(grid.columns)
        self._keymap, self._read_only = keymap, read_only
        self._width = 0

    def on_resize(self, event: events.Resize) -> None:
        """Lay it out for this width."""
        width = min(_WIDEST, event.size.width * 9 // 10) - _FRAME
        if width != self._width:
            self._width = width
            page = _Page(width, self._keymap, read_only=self._read_only)
            lines = page.lines(self._screen.HELP_TEXT, self._screen.KEYS, self._columns)
            shown = Content("\n").join(lines)
            self._text = shown.plain
            self.query_one(Words).show(shown)


class _Page:
    """Help of a width, in cells."""

    def __init__(self, width: int, keymap: Mapping[str, str], *, read_only: bool) -> None:
        self._width = max(width, KEY_WIDTH + TITLE_WIDTH + _LEAST)
        self._keymap = keymap
        self._read_only = read_only

    def lines(
        self, text: str, commands: Sequence[Command], columns: Sequence[Column] | None
    ) -> Iterator[Content]:
        """All of it, line by line."""
        yield from map(Content, wrap(" ".join(text.split()), self._width))
        yield from self._keys("Here", commands)
        if columns is not None:
            yield from self._keys("In the table", GRID_KEYS)
        yield from self._keys("Everywhere", APP_KEYS)
        if columns:
            yield from self._section(
                "Columns", ((column.title, column.help) for column in columns if column.help)
            )
        yield from self._section("Filter", FILTER)
        yield from _head("Signs")
        for sign in SIGNS:
            yield from map(Content, wrap(sign, self._width))

    def _keys(self, title: str, commands: Sequence[Command]) -> Iterator[Content]:
        if not commands:
            return
        yield from _head(title)
        for command in commands:
            off = command.changes and self._read_only
            style = "$text-disabled" if off else ""
            heads = [(shown_keys(command, self._keymap), KEY_WIDTH, style or "bold $text-accent")]
            heads.append((command.title, TITLE_WIDTH, style))
            yield self._row(
                heads, f"{command.help}{' (off: read-only)' if off else ''}", style or "$text-muted"
            )

    def _section(self, title: str, rows: Iterable[tuple[str, str]]) -> Iterator[Content]:
        yield from _head(title)
        for name, words in rows:
            yield self._row([(plain(name), KEY_WIDTH, "bold")], plain(words), "$text-muted")

    def _row(self, heads: Sequence[tuple[str, int, str]], words: str, style: str) -> Content:
        """Heads in their columns, then words that stay in theirs when they take several lines."""
        pieces: list[tuple[str, str]] = []
        for head, width, look in heads:
            pieces.append((fit(head, max(width - 1, cell_len(head))) + " ", look))
        used = sum(width for _, width, _ in heads)
        first = used - sum(cell_len(text) for text, _ in pieces)
        lines = wrap(words, self._width - used, initial_indent=" " * max(0, -first)) or [""]
        lines[0] = lines[0].removeprefix(" " * max(0, -first))
        return Content.assemble(*pieces, (f"\n{' ' * used}".join(lines), style))


def _head(title: str) -> tuple[Content, Content]:
    return Content(""), Content.styled(title, "bold $text-accent")

"""Choosing from a long list: marks, a filter, and the table's own keys."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from sensor_tui.app.filter import FilterError, parse
from sensor_tui.app.screens.dialogs import Dialog
from sensor_tui.app.widgets.grid import Column, Grid, Row
from sensor_tui.app.widgets.textfield import TextField

ALL = ""
"""What stands for everything, now and later."""


class PickDialog(Dialog[tuple[str, ...] | None]):
    """Gives the keys of the rows chosen, `(ALL,)` where all are wanted, None where the operator went back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", priority=True),
        Binding("slash", "find", "Filter"),
        Binding("a", "all", "All"),
    ]
    DEFAULT_CSS = """
    PickDialog > .box { height: 90%; max-width: 110; }
    PickDialog Grid { height: 1fr; }
    """

    def __init__(
        self,
        title: str,
        columns: Sequence[Column],
        rows: Sequence[Row],
        *,
        several: bool,
        marked: Sequence[str] = (),
    ) -> None:
        super().__init__(title)
        self._columns, self._rows, self._several, self._marked = columns, rows, several, marked
        marks = "space marks   a all   " if several else ""
        self._keys = f"{marks}/ filter   enter takes   esc back"

    def compose_box(self) -> ComposeResult:
        yield TextField(placeholder="/ filters by any word", compact=True)
        yield Grid(self._columns, empty="There is nothing to choose from.")

    def on_mount(self) -> None:
        self.say(self._keys)
        grid = self.query_one(Grid)
        grid.show(self._rows)
        if self._several:
            grid.mark(self._marked)
        for key in self._marked[:1]:
            grid.move_to(key)
        grid.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what matches, as soon as it can be understood."""
        try:
            self.query_one(Grid).filter = parse(event.value)
        except FilterError:
            return

    def on_input_submitted(self) -> None:
        """Done typing."""
        self.query_one(Grid).focus()

    def on_grid_chosen(self) -> None:
        """Take the marked rows, else the one at the cursor."""
        grid = self.query_one(Grid)
        here = (grid.cursor_key,) if grid.cursor_key is not None else ()
        self.dismiss(grid.chosen if self._several else here)

    def action_find(self) -> None:
        """Type a filter."""
        self.query_one(Input).focus()

    def action_all(self) -> None:
        """Take everything there is and will be."""
        if self._several:
            self.dismiss((ALL,))

    def action_back(self) -> None:
        """Leave the filter, else change nothing."""
        if self.query_one(Input).has_focus:
            self.query_one(Grid).focus()
        else:
            self.dismiss(None)

"""What was done, when, by whom, and what came of it."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerState

from sensor_tui.app.format import plain, stamp
from sensor_tui.app.port import Port
from sensor_tui.app.screens.dialogs import Dialog
from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row, Tone
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import LoggedAction

LIMIT: Final = 500
COLUMNS: Final = (
    Column("at", "When", 19, help="Local time."),
    Column("who", "Who", 8, help="Who asked for it."),
    Column("action", "Action", 9, help="What was done."),
    Column("target", "Target", 15, grow=True, help="To what."),
    Column("result", "Result", 15, grow=True, help="What came of it."),
)
BAD: Final = ("fail", "not proven", "cannot", "error")


class ActionLog(Dialog[None]):
    """The newest entries of the action log; `r` reads them again."""

    DEFAULT_CSS = """
    ActionLog > .box { width: 96%; max-width: 160; height: 94%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,A,q", "back", "Close", priority=True),
        Binding("r", "again", "Read again"),
        Binding("y,ctrl+y", "copy", "Copy"),
        Binding("ctrl+s", "export", "Export"),
        Binding("enter", "open", "Whole"),
    ]
    HINT = "arrows move   enter whole entry   r read again   y copy   ctrl+s export   esc close"

    def __init__(self, port: Port) -> None:
        super().__init__("Action log")
        self._port = port
        self._entries: Sequence[LoggedAction] = ()

    def compose_box(self) -> ComposeResult:
        yield Grid(COLUMNS, empty="Reading it.")

    def on_mount(self) -> None:
        self.action_again()

    def action_again(self) -> None:
        """Read it from the service."""
        self.run_worker(self._read(), group="action-log", exclusive=True, exit_on_error=False)

    async def _read(self) -> Sequence[LoggedAction]:
        return await self._port.action_log(LIMIT)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show what was read, or why nothing was."""
        if event.worker.group != "action-log":
            return
        event.stop()
        grid = self.query_one(Grid)
        if event.state is WorkerState.SUCCESS and event.worker.result is not None:
            self._entries = tuple(event.worker.result)
            grid.set_empty(
                "Nothing was done yet. Start, stop, restart, reset and remove are written down here."
            )
            grid.show([_row(place, entry) for place, entry in enumerate(self._entries)])
        elif event.state is WorkerState.ERROR:
            error = event.worker.error
            text = str(error) if isinstance(error, SensorTuiError) else repr(error)
            grid.set_empty(f"The log cannot be read: {plain(text)} (r tries again)")

    def _chosen(self) -> LoggedAction | None:
        key = self.query_one(Grid).cursor_key
        return None if key is None else self._entries[int(key)]

    def on_grid_chosen(self) -> None:
        """Show the whole entry."""
        self.action_open()

    def action_open(self) -> None:
        """Show the whole entry."""
        entry = self._chosen()
        if entry is not None:
            self.dash.show_text(f"{entry.action}, {stamp(entry.at)}", _whole(entry))

    def action_copy(self) -> None:
        """Copy the entry."""
        entry = self._chosen()
        if entry is not None:
            self.dash.copy(_whole(entry), "an entry of the action log")

    def action_export(self) -> None:
        """Write the log to a file."""
        self.dash.export("action-log", self.query_one(Grid).table())


def _whole(entry: LoggedAction) -> str:
    return (
        f"when    {stamp(entry.at)}\nwho     {entry.who}\naction  {entry.action}\n"
        f"target  {entry.target}\nresult  {entry.result}"
    )


def _name_first(target: str) -> str:
    """A unit's name before its host and runtime, since the end of a cell is what is cut."""
    host, slash, name = target.rpartition("/")
    return f"{name} {host}" if slash else target


def _row(place: int, entry: LoggedAction) -> Row:
    bad = any(word in entry.result.lower() for word in BAD)
    return Row(
        str(place),
        {
            "at": Cell(stamp(entry.at), Tone.DIM, entry.at),
            "who": Cell(plain(entry.who), sort=entry.who),
            "action": Cell(plain(entry.action), Tone.BOLD, entry.action),
            "target": Cell(plain(_name_first(entry.target)), sort=entry.target),
            "result": Cell(plain(entry.result), Tone.WARN if bad else Tone.NORMAL, entry.result),
        },
    )

"""Dialogs of the tools: export, columns, themes, and stopping the service."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input, OptionList
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from sensor_tui.app.exporting import FORMATS, Format
from sensor_tui.app.format import count, fit, glyphs, plain
from sensor_tui.app.screens.dialogs import Dialog, LiveDialog, Words, button
from sensor_tui.app.widgets.grid import Column
from sensor_tui.app.widgets.textfield import TextField
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.progress import EngineState

TITLE_WIDTH: Final = 14

Export = tuple[Path, Format, bool]
"""Where to, as what, and whether a file that is there is replaced."""


class ExportDialog(Dialog[Export | None]):
    """Where to write a table, and as what. A file that is there is replaced only when that was said."""

    DEFAULT_CSS = """
    ExportDialog Input { margin: 1 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+t", "other", "CSV or JSON")]
    HINT = "enter write   ctrl+t CSV or JSON   esc cancel"

    def __init__(self, what: str, paths: Mapping[Format, Path]) -> None:
        super().__init__(f"Export {what}")
        self._paths = paths
        self._format: Format = FORMATS[0]
        self._warned: Path | None = None

    def compose_box(self) -> ComposeResult:
        yield Words(self._as(), id="form")
        yield TextField(str(self._paths[self._format]), compact=True, select_on_focus=False)
        yield Words(id="warning")
        with Horizontal(classes="buttons"):
            yield button("Write", "yes")
            yield button("Cancel", "no")

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @property
    def path(self) -> Path:
        """What is typed; `~` is the home folder."""
        return Path(self.query_one(Input).value.strip()).expanduser()

    def action_other(self) -> None:
        """The other format."""
        form = FORMATS[(FORMATS.index(self._format) + 1) % len(FORMATS)]
        field = self.query_one(Input)
        if field.value == str(self._paths[self._format]):
            field.value = str(self._paths[form])
        elif self.path.suffix == f".{self._format}":
            field.value = str(self.path.with_suffix(f".{form}"))
        field.cursor_position = len(field.value)
        self._format = form
        self.query_one("#form", Words).show(Content(self._as()))

    def _as(self) -> str:
        other = FORMATS[(FORMATS.index(self._format) + 1) % len(FORMATS)]
        return f"as {self._format.upper()} (ctrl+t: {other.upper()}), to:"

    @on(Input.Changed)
    def _typed(self) -> None:
        if self._warned not in {None, self.path}:
            self._warned = None
            self._say("", danger=False)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self._go()

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._go()
        else:
            self.dismiss(None)

    def _go(self) -> None:
        path = self.path
        try:
            there, folder = path.exists(), path.is_dir()
        except (OSError, ValueError) as error:
            self._say(str(error), danger=True)
            return
        if folder or not self.query_one(Input).value.strip():
            self._say("Name a file, not a folder.", danger=True)
        elif there and self._warned != path:
            self._warned = path
            self._say("This file exists. Enter again replaces it; or type another name.", danger=True)
        else:
            self.dismiss((path, self._format, there))

    def _say(self, text: str, *, danger: bool) -> None:
        self.set_class(danger, "-danger")
        self.query_one("#warning", Words).show(Content.styled(plain(text), "bold $text-error"))
        self.query_one("#yes", Button).label = Content("Replace" if self._warned else "Write")


class ColumnsDialog(Dialog[tuple[str, ...] | None]):
    """Which columns a table shows; at least one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "turn", "Show or hide"),
        Binding("a", "all", "All"),
    ]
    HINT = "space show or hide   a all   enter done   esc cancel"

    def __init__(self, columns: Sequence[Column], shown: Sequence[str]) -> None:
        super().__init__("Columns")
        self._columns = tuple(columns)
        self._shown = set(shown)

    def compose_box(self) -> ComposeResult:
        yield OptionList(*map(self._option, self._columns), compact=True)

    def _option(self, column: Column) -> Option:
        mark = "x" if column.key in self._shown else " "
        words = f"[{mark}] {fit(plain(column.title), TITLE_WIDTH)}"
        return Option(Content(f"{words}  {plain(column.help)}".rstrip()))

    def action_turn(self) -> None:
        """Show or hide the column under the cursor."""
        place = self.query_one(OptionList).highlighted
        if place is not None:
            key = self._columns[place].key
            if self._shown != {key}:
                self._shown ^= {key}
                self._again(place)

    def action_all(self) -> None:
        """Show every column."""
        self._shown = {column.key for column in self._columns}
        for place in range(len(self._columns)):
            self._again(place)

    def _again(self, place: int) -> None:
        self.query_one(OptionList).replace_option_prompt_at_index(
            place, self._option(self._columns[place]).prompt
        )

    @on(OptionList.OptionSelected)
    def _done(self) -> None:
        self.dismiss(tuple(column.key for column in self._columns if column.key in self._shown))


class ThemeDialog(Dialog[str | None]):
    """A theme, tried out while it is under the cursor."""

    DEFAULT_CSS = """
    ThemeDialog { align: right middle; background: $background 0%; }
    ThemeDialog > .box { width: 44; }
    """
    HINT = "arrows try   enter keep   esc back"

    def __init__(self, names: Sequence[str], current: str, attempt: Callable[[str], None]) -> None:
        super().__init__("Theme")
        self._names = tuple(names)
        self._current = current
        self._try = attempt

    def compose_box(self) -> ComposeResult:
        yield OptionList(*(Option(Content(plain(name))) for name in self._names), compact=True)
        yield Words(
            Content.assemble(
                ("\ngood", "$text-success"),
                ("  warning", "$text-warning"),
                ("  bad", "$text-error"),
                ("  accent", "$text-accent"),
                ("  muted", "$text-muted"),
            )
        )

    def on_mount(self) -> None:
        if self._current in self._names:
            self.query_one(OptionList).highlighted = self._names.index(self._current)

    @on(OptionList.OptionHighlighted)
    def _preview(self, event: OptionList.OptionHighlighted) -> None:
        self._try(self._names[event.option_index])

    @on(OptionList.OptionSelected)
    def _keep(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._names[event.option_index])

    def action_back(self) -> None:
        """As it was."""
        self._try(self._current)
        self.dismiss(None)


class StopDialog(LiveDialog[str | None]):
    """Drains and stops the service, and shows how far it is; ends with a line for the operator."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q", "leave", "Do not wait")]
    HINT = ""

    def __init__(self, stop: Callable[[], Awaitable[str]]) -> None:
        super().__init__("Stopping the service")
        self._stop = stop
        self._failed = False
        self._asked = False
        """The service has taken it in, so that it needs nobody any more."""

    def compose_box(self) -> ComposeResult:
        yield Words(id="how")

    def on_mount(self) -> None:
        self.run_worker(self._wait(), group="stop", exit_on_error=False)

    async def _wait(self) -> str:
        return await self._stop()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """It is done, or could not be."""
        if event.worker.group != "stop":
            return
        event.stop()
        if event.state is WorkerState.SUCCESS:
            self.dismiss(str(event.worker.result))
        elif event.state is WorkerState.ERROR:
            self._failed = True
            error = event.worker.error
            text = str(error) if isinstance(error, SensorTuiError) else repr(error)
            self.query_one("#how", Words).show(Content.styled(plain(text), "$text-error"))
            self.say("esc back to the dashboard")
            self.add_class("-danger")

    def take(self, overview: Overview, now: float) -> None:  # noqa: ARG002 - as every live dialog has it
        if self._failed or not self.query("#how"):
            return
        working = {EngineState.RUNNING, EngineState.IDLE, EngineState.PAUSED, EngineState.STARTING}
        self._asked = overview.link is not Link.LIVE or overview.engine.state not in working
        if self._asked:
            self.say("esc do not wait: it drains and stops by itself")
        marks = glyphs(self.dash.look.ascii)
        unsent = "" if overview.backlog is None else f", {count(overview.backlog)} readings not yet uploaded"
        text = f"{marks.starting} {overview.engine.state}{unsent}"
        self.query_one("#how", Words).show(Content(f"What is under way is finished, at most 30 s.\n{text}"))

    def action_leave(self) -> None:
        """Leave it to itself, once it knows what to do."""
        if self._failed:
            self.dismiss(None)
        elif self._asked:
            self.dismiss("The service drains and stops by itself.")

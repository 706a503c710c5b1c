"""The dashboard: one app over one port."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.messages import InBandWindowResize
from textual.screen import Screen
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from sensor_tui.app import keymap as keys
from sensor_tui.app.app_actions import READ_ONLY, Actions
from sensor_tui.app.app_themes import ThemeKeeper
from sensor_tui.app.app_tools import Tools
from sensor_tui.app.base import DashboardScreen, Look, Severity
from sensor_tui.app.commands import Command, bindings
from sensor_tui.app.footprint import Footprint, own_footprint
from sensor_tui.app.format import block, plain
from sensor_tui.app.keymap import APP_KEYS, PLACES
from sensor_tui.app.palette import DashboardCommands
from sensor_tui.app.port import Port
from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog, InputDialog, LiveDialog, TextDialog
from sensor_tui.app.widgets.filterbar import FilterBar, FilterInput
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import ActionKind
from sensor_tui.model.clock import Clock
from sensor_tui.model.overview import Overview
from sensor_tui.model.table import Table

DRAW_SECONDS: Final = 1.0
SLOW_DRAW_SECONDS: Final = 5.0
TICK_SECONDS: Final = 5.0
SLOW_TICK_SECONDS: Final = 30.0
THEME_SECONDS: Final = 2.0
MERGE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
NOTE_SECONDS: Final = {"information": 6.0, "warning": 10.0, "error": 15.0}
NOTE_LIMIT: Final = 600


class PlainScrollBar(ScrollBarRender):
    """A scroll bar of blanks in two colours; the usual one has eighths of a block at its ends."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.VERTICAL_BARS)
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * len(ScrollBarRender.HORIZONTAL_BARS)


class DashboardApp(App[str | None], inherit_bindings=False):
    """The dashboard. It ends with a line for the operator, or None."""

    CSS = """
    .-ascii Toast { border-left: ascii $primary; }
    .-ascii Dialog > .box { border: ascii $primary; }
    .-ascii Dialog.-danger > .box { border: ascii $error; }
    CommandPalette SearchIcon { display: none; }
    CommandPalette > Vertical { background: $surface; }
    CommandPalette #--input, CommandPalette OptionList { border: none; }
    Toast { max-width: 80%; background: $panel; color: $foreground; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(APP_KEYS)]
    KEYS: ClassVar[tuple[Command, ...]] = APP_KEYS
    SCREENS: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {place.name: place.load for place in PLACES}
    COMMANDS: ClassVar[set[Any]] = {DashboardCommands}
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    ENABLE_SELECT_AUTO_SCROLL = False

    def __init__(
        self,
        port: Port,
        *,
        clock: Clock,
        look: Look,
        theme: str = "dark",
        keymap: Mapping[str, str] | None = None,
        theme_dirs: Sequence[Path] = (),
        quit_text: str | None = None,
        title: str = "sensor-tui",
        start: str = "fleet",
        driver_class: type[Driver] | None = None,
        footprint: Callable[[], Footprint] | None = None,
    ) -> None:
        """`footprint` says what the dashboard uses, where the driver alone cannot."""
        super().__init__(driver_class=driver_class)
        self.port = port
        self.clock = clock
        self.look = look
        self.overview = Overview()
        self.title = title
        self.quit_text = quit_text
        self.draw_seconds = SLOW_DRAW_SECONDS if look.low_bandwidth else DRAW_SECONDS
        self.tick_seconds = SLOW_TICK_SECONDS if look.low_bandwidth else TICK_SECONDS
        """0 means never; so does it in `theme_seconds`."""
        self.theme_seconds = THEME_SECONDS
        self.redraws = 0
        """How often a screen took an overview."""
        self.animation_level = "none"
        self.set_class(look.ascii, "-ascii")
        ScrollBar.renderer = PlainScrollBar if look.ascii else ScrollBarRender
        self.set_class(look.low_bandwidth, "-low-bandwidth")
        self.actions = Actions(self)
        self.tools = Tools(self)
        self.themes = ThemeKeeper(self, theme_dirs)
        self.themes.begin("mono" if look.no_color else theme)
        self.keymap: Mapping[str, str] = {}
        """Other keys that are in use, by command id."""
        self._footprint = footprint
        self._wanted_keys = dict(keymap or {})
        self._first = start if start in self.SCREENS else PLACES[0].name
        self._pending: Timer | None = None
        self._drawn: float | None = None
        self._noted: dict[tuple[str, str], float] = {}

    def on_mount(self) -> None:
        """Show the first screen and begin to listen."""
        self.push_screen(self._first)
        self.run_worker(self._listen(), group="updates", exit_on_error=False)
        if self.tick_seconds:
            self.set_interval(self.tick_seconds, self.redraw)
        if self.theme_seconds:
            self.run_worker(self.themes.watch(self.theme_seconds), group="themes", exit_on_error=False)
        if self._wanted_keys:
            self.call_after_refresh(self._use_keys)

    def _use_keys(self) -> None:
        """Other keys are checked against every screen, so it waits until the first one is drawn."""
        from sensor_tui.app.widgets.grid import GRID_KEYS

        screens = {
            name: cast("type[DashboardScreen]", type(self.get_screen(name))).KEYS for name in self.SCREENS
        }
        wanted, problem = keys.resolve(self._wanted_keys, APP_KEYS, screens, GRID_KEYS)
        if problem:
            self.note(f"{problem} The usual keys are used.", "warning", title="Keymap")
        else:
            self.keymap = wanted
            self.set_keymap(wanted)

    # how everything stands

    async def _listen(self) -> None:
        while True:
            try:
                async for overview in self.port.updates():
                    self._hear(overview)
            except SensorTuiError as error:
                self.note(str(error), "error", title=error.title)
            except Exception as error:  # noqa: BLE001 - whatever ends the stream, the dashboard reads on and says so
                self.note(
                    f"{type(error).__name__}: {error}", "error", title="Reading from the service failed"
                )
            await self.clock.sleep(RETRY_SECONDS)

    def _hear(self, overview: Overview) -> None:
        self.overview = overview
        self.actions.follow(overview)
        if self._pending is not None:
            return
        wait = 0.0 if self._drawn is None else self._drawn + self.draw_seconds - self.clock.monotonic()
        if wait > 0:
            self._pending = self.set_timer(wait, self.redraw)
        else:
            self._drawn = self.clock.monotonic()
            self.call_next(self.redraw)

    def redraw(self) -> None:
        """Have what is on top take the overview now, and what shows around a dialog as well."""
        if self._pending is not None:
            self._pending.stop()
            self._pending = None
        if not self.is_running:
            return
        self._drawn = self.clock.monotonic()
        now = self.clock.now()
        for screen in reversed(self.screen_stack):
            if not screen.is_mounted:
                continue
            if isinstance(screen, DashboardScreen):
                self.redraws += 1
                screen.draw(self.overview, now)
                return
            if isinstance(screen, LiveDialog) and screen is self.screen:
                screen.take(self.overview, now)

    def footprint(self) -> Footprint:
        """What the dashboard uses."""
        found = own_footprint() if self._footprint is None else self._footprint()
        screens = [
            screen for screen in self._installed_screens.values() if isinstance(screen, DashboardScreen)
        ]
        return replace(
            found, redraws=self.redraws, dropped_lines=sum(screen.dropped_lines for screen in screens)
        )

    def on_in_band_window_resize(self, message: InBandWindowResize) -> None:
        """Scrolling by pixels costs many frames; where bytes count, it is done by lines."""
        if self.look.low_bandwidth:
            message.prevent_default()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A worker that died is spoken of; the dashboard goes on."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            known = isinstance(error, SensorTuiError)
            self.note(
                str(error) if known else f"{type(error).__name__}: {error}", "error", title=event.worker.group
            )

    # what screens ask

    def get_key_display(self, binding: Binding) -> str:
        """A key as help and footer show it."""
        return binding.key_display or keys.format_key(binding.key)

    def note(
        self, text: str, severity: Severity = "information", *, title: str = "", seconds: float | None = None
    ) -> None:
        """Tell the operator something, for so many seconds; the same within five is told once."""
        now = self.clock.monotonic()
        self._noted = {key: at for key, at in self._noted.items() if now - at < MERGE_SECONDS}
        if (title, text) in self._noted:
            return
        self._noted[title, text] = now
        self.notify(
            block(text, limit=NOTE_LIMIT),
            title=plain(title, limit=80),
            severity=severity,
            timeout=NOTE_SECONDS[severity] if seconds is None else seconds,
            markup=False,
        )

    def act(self, kind: ActionKind, units: Sequence[str]) -> None:
        """Plan an action, ask, run it and show how it goes; refused in read-only mode."""
        self.actions.act(kind, units)

    async def ask(self, title: str, text: str, *, yes: str = "Yes", dangerous: bool = False) -> bool:
        """Ask a yes-or-no question; call it from a worker."""
        dialog: Screen[bool] = AskDialog(title, text, yes=yes, dangerous=dangerous)
        return await self.push_screen_wait(dialog)

    async def choose(self, title: str, options: Sequence[tuple[str, str]], *, text: str = "") -> str | None:
        """Have one of `(key, words)` chosen; call it from a worker."""
        return await self.push_screen_wait(ChooseDialog(title, options, text=text))

    async def ask_text(self, title: str, text: str = "", *, value: str = "", yes: str = "OK") -> str | None:
        """Ask for a line of text; call it from a worker."""
        return await self.push_screen_wait(InputDialog(title, text, value=value, yes=yes))

    def show_text(self, title: str, text: str) -> None:
        """Show a longer text, plainly and scrollable."""
        self.push_screen(TextDialog(title, text))

    def copy(self, text: str, what: str) -> None:
        """Copy to the operator's clipboard and say how."""
        self.tools.copy(text, what)

    def export(self, name: str, table: Table) -> None:
        """Ask where to and write a table as CSV or JSON."""
        self.tools.export(name, table)

    def show_unit(self, unit: str) -> None:
        """Switch to a unit, by its id."""
        self._show("fleet", (unit,))

    def show_logs(self, units: Sequence[str]) -> None:
        """Switch to the logs of these units."""
        self._show("logs", tuple(units))

    def show_sensor(self, sensor: str) -> None:
        """Switch to a sensor, by its key."""
        self._show("sensors", (sensor,))

    def show_query(self, source: str) -> None:
        """Switch to Query over this file."""
        self._show("query", (source,))

    def _show(self, place: str, names: tuple[str, ...]) -> None:
        self.run_worker(self._go(place, names), group="go", exit_on_error=False)

    async def _go(self, place: str, names: tuple[str, ...] = ()) -> None:
        while not isinstance(self.screen, DashboardScreen):
            await self.pop_screen()
        await self.switch_screen(place)
        screen = self.screen
        if names and isinstance(screen, DashboardScreen):
            screen.look_at(names)

    # keys that work everywhere

    async def run_action(self, action: Any, default_namespace: Any = None, namespaces: Any = None) -> bool:
        """Run an action, unless it changes something and nothing may be changed."""
        if self.look.read_only and isinstance(action, str):
            commands = getattr(default_namespace, "KEYS", ())
            if any(command.changes and command.action == action for command in commands):
                self.note(READ_ONLY, "warning")
                return True
        return await super().run_action(action, default_namespace, namespaces)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A slash that is typed into a text is a slash, and a dialog has keys of its own."""
        if action == "filter":
            typing = self.focused is not None and self.focused.check_consume_key("slash", "/")
            if typing or not isinstance(self.screen, DashboardScreen):
                return False
        return super().check_action(action, parameters)

    async def on_event(self, event: events.Event) -> None:
        """Keys that come in one go, as over a slow line, are taken one after the other."""
        if isinstance(event, events.Key) and isinstance(self.focused, FilterInput):
            await self.focused.query_ancestor(FilterBar).settled()
        await super().on_event(event)

    async def action_go(self, place: str) -> None:
        """Switch to a screen."""
        await self._go(place)

    def action_filter(self) -> None:
        """Type a filter for this screen."""
        screen = self.screen
        if not isinstance(screen, DashboardScreen):
            return
        if screen.current_grid() is None and type(screen).apply_filter is DashboardScreen.apply_filter:
            self.note("There is nothing to filter here.", "warning")
        else:
            screen.query_one(FilterBar).open()

    def action_help(self) -> None:
        """What is shown here, and every key."""
        from sensor_tui.app.screens.help import HelpScreen

        if isinstance(self.screen, DashboardScreen):
            self.push_screen(HelpScreen(self.screen, self.keymap, read_only=self.look.read_only))

    def action_export_table(self) -> None:
        """Write the table to a file."""
        self.tools.export_grid()

    def action_copy_rows(self) -> None:
        """Copy the chosen rows."""
        self.tools.copy_rows()

    def action_columns(self) -> None:
        """Choose columns."""
        self.tools.columns()

    def action_themes(self) -> None:
        """Choose colours."""
        self.themes.choose()

    def action_footprint(self) -> None:
        """What the dashboard itself uses."""
        from sensor_tui.app.screens.footprint import FootprintDialog

        self.push_screen(FootprintDialog(self.footprint, self.clock))

    def action_action_log(self) -> None:
        """What was done."""
        from sensor_tui.app.screens.action_log import ActionLog

        self.push_screen(ActionLog(self.port))

    def action_running(self) -> None:
        """The action that runs."""
        self.actions.show()

    def action_start_service(self) -> None:
        """Start a service where none runs."""
        self.tools.start_service()

    def action_repaint(self) -> None:
        """Draw everything again, whatever the terminal shows now."""
        forget = getattr(self._driver, "forget", None)
        if callable(forget):
            forget()
        self.screen.refresh(layout=True)

    async def action_quit(self) -> None:
        """Ask what there is to ask, then leave."""
        self.tools.quit()

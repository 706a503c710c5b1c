"""Every binding there is, and what it takes to drive each of them in a running app."""

import inspect
import pkgutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widget import Widget

import sensor_tui.app
from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.keymap import APP_KEYS, PLACES, keys_of
from sensor_tui.app.screens.dialogs import Dialog, LiveDialog
from sensor_tui.app.widgets.filterbar import FilterBar
from sensor_tui.app.widgets.grid import GRID_KEYS, Grid

CHANGING = frozenset(
    {"act", "cancel", "pause", "resume", "sync_now", "retry", "drop", "start_service", "stop_service"}
)
"""Calls of the port that change something outside the dashboard."""


@dataclass(frozen=True)
class Bound:
    """One binding; `keys` are all that do the same."""

    owner: str
    ident: str
    keys: tuple[str, ...]
    changes: bool = False


@dataclass
class Row:
    """How a binding is driven: from which screen, and what is to be seen then."""

    case: Callable[["Drive"], Awaitable[None]]
    start: str = "fleet"
    options: dict[str, Any] = field(default_factory=dict)
    """Of `make_dash`."""
    port: dict[str, Any] = field(default_factory=dict)
    """Attributes of the fake port."""


ROWS: dict[str, Row] = {}


def row(*idents: str, **options: Any) -> Callable[[Any], Any]:
    """Enter a case for these bindings."""

    def enter(case: Any) -> Any:
        start, port = options.pop("start", "fleet"), options.pop("port", {})
        for ident in idents:
            assert ident not in ROWS, f"{ident} has two rows"
            ROWS[ident] = Row(case, start, dict(options), port)
        return case

    return enter


@dataclass
class Drive:
    """What a case has at hand: the app, the binding, and the key of it that is under test."""

    dash: Any
    bound: Bound
    key: str
    patch: Any

    async def press(self) -> None:
        """Press the key under test, and wait until all is drawn."""
        await self.dash.press(self.key)

    @property
    def app(self) -> Any:
        return self.dash.app

    @property
    def screen(self) -> Any:
        return self.dash.screen

    @property
    def port(self) -> Any:
        return self.dash.port

    @property
    def grid(self) -> Any:
        return self.dash.screen.query_one(Grid)

    async def open(self, dialog: Any) -> list[Any]:
        """Put a dialog on top; what it ends with is entered in the list that is returned."""
        answers: list[Any] = []
        await self.app.push_screen(dialog, answers.append)
        await self.dash.settle()
        return answers

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait for what a thread does."""
        for _ in range(400):
            if true():
                return
            await self.dash.pilot.pause(0.005)
        raise AssertionError(f"never so:\n{self.dash.text()}")


def screens() -> dict[str, type[DashboardScreen]]:
    """The numbered screens by name."""
    found = {}
    for place in PLACES:
        module = import_module(f"sensor_tui.app.screens.{place.name}")
        found[place.name] = getattr(module, f"{place.title}Screen")
    return found


def classes() -> list[type]:
    """Every class of the dashboard."""
    found: dict[str, type] = {}
    for info in pkgutil.walk_packages(sensor_tui.app.__path__, "sensor_tui.app."):
        members = inspect.getmembers(import_module(info.name), inspect.isclass)
        found |= {name: each for name, each in members if each.__module__ == info.name}
    return [found[name] for name in sorted(found)]


def dialogs() -> list[type]:
    """Every dialog that is shown, as a class."""
    return [each for each in classes() if issubclass(each, ModalScreen) and each not in {Dialog, LiveDialog}]


def _declared(owner: type) -> list[Bound]:
    """Bindings of a class and of what it is made of, those of this project."""
    actions: dict[str, list[str]] = {}
    taken: set[str] = set()
    for base in owner.__mro__:
        if not base.__module__.startswith("sensor_tui.app"):
            continue
        for made in Binding.make_bindings(base.__dict__.get("BINDINGS", ())):
            if made.key not in taken:
                taken.add(made.key)
                actions.setdefault(made.action, []).append(made.key)
    return [
        Bound(owner.__name__, f"{owner.__name__}.{action}", tuple(keys)) for action, keys in actions.items()
    ]


def bindings() -> list[Bound]:
    """All of them."""
    found = []
    commands = {"app": APP_KEYS, "grid": GRID_KEYS, **{name: each.KEYS for name, each in screens().items()}}
    for owner, several in commands.items():
        found += [Bound(owner, each.id, keys_of(each.keys), each.changes) for each in several]
    for each in dialogs():
        found += _declared(each)
    for each in classes():
        own = "BINDINGS" in each.__dict__ and each.__dict__["BINDINGS"]
        known = issubclass(each, DashboardScreen | ModalScreen | Grid)
        if own and issubclass(each, Widget) and not known:
            found += _declared(each)
    return found


async def begin_again(dash: Any, start: str) -> None:
    """Back to the first screen with nothing open, marked, asked or said."""
    for gate in dash.port.gates.values():
        gate.set()
    dash.port.gates.clear()
    dash.port.failures.clear()
    while not isinstance(dash.screen, DashboardScreen):
        dash.screen.dismiss(None)
        await dash.settle()
    bar = dash.screen.query_one(FilterBar)
    if bar.is_open:
        bar.close()
    bar.clear()
    await dash.settle()
    if start != dash.screen.NAME:
        await dash.app.action_go(start)
    for grid in dash.screen.query(Grid):
        grid.mark(())
    grid = dash.screen.current_grid()
    if grid is not None:
        grid.focus()
    with suppress(AttributeError):
        dash.app._clipboard = ""
    dash.app.clear_notifications()
    dash.app._noted.clear()
    await dash.settle()
    dash.port.calls.clear()

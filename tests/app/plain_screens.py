"""Screens with as little in them as a screen can have, for tests of what is around them."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.filter import Filter
from sensor_tui.app.format import plain
from sensor_tui.app.keymap import PLACES
from sensor_tui.app.widgets.grid import Cell, Column, Grid, Row
from sensor_tui.model.overview import Overview

COLUMNS = (
    Column("name", "UNIT", 24, help="What it is called."),
    Column("state", "STATE", 10, help="What it is doing."),
    Column("why", "WHY", 20, grow=True, shown=False),
)


class PlainScreen(DashboardScreen):
    """Records what it is told."""

    NAME = "fleet"
    TITLE = "Plain"
    HELP_TEXT = "A screen for tests. It lists the units by name."
    KEYS = (
        Command("fleet.stop", "x", "Stop", "stop", "Stop the unit.", footer=True, changes=True),
        Command("fleet.look", "v", "Look", "look", "Look closer.", footer=True),
    )

    def __init__(self, name: str = "fleet") -> None:
        super().__init__(name=name)
        self.taken: list[tuple[Overview, float]] = []
        self.looked_at: list[tuple[str, ...]] = []
        self.done: list[str] = []
        self.wanted: Filter | None = None

    def compose_body(self) -> ComposeResult:
        yield Static("", markup=False)

    def take(self, overview: Overview, now: float) -> None:
        self.taken.append((overview, now))
        self.query_one("#body Static", Static).update("\n".join(unit.id for unit in overview.units.values()))

    def apply_filter(self, wanted: Filter) -> None:
        super().apply_filter(wanted)
        self.wanted = wanted

    def look_at(self, names: Any) -> None:
        self.looked_at.append(tuple(names))

    def action_stop(self) -> None:
        self.done.append("stop")

    def action_look(self) -> None:
        self.done.append("look")


class GridScreen(PlainScreen):
    """The units in a grid."""

    def compose_body(self) -> ComposeResult:
        yield Grid(COLUMNS, empty="No unit yet: press s to start one.")

    def take(self, overview: Overview, now: float) -> None:
        self.taken.append((overview, now))
        self.query_one(Grid).show(
            [
                Row(
                    unit.id,
                    {
                        "name": Cell(plain(unit.name)),
                        "state": Cell(unit.state.value),
                        "why": Cell(plain(unit.reason)),
                    },
                )
                for unit in overview.units.values()
            ]
        )

    def current_grid(self) -> Grid:
        return self.query_one(Grid)


class PlainApp(DashboardApp):
    """The app with plain screens."""

    SCREENS: ClassVar[dict[str, Callable[[], Screen[Any]]]] = {
        place.name: partial(GridScreen if place.name == "sensors" else PlainScreen, place.name)
        for place in PLACES
    }

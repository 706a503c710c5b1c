"""Everything that can be found by name: commands, screens, themes, units and sensors."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.style import Style

from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.format import plain
from sensor_tui.app.keymap import shown_keys

if TYPE_CHECKING:
    from sensor_tui.app.app import DashboardApp

MOST: Final = 60
"""Units and sensors offered for one search, the best first."""


class Offer(NamedTuple):
    """One thing to choose; `text` is safe to show."""

    text: str
    help: str
    run: Callable[[], Any]


class DashboardCommands(Provider):
    """What the palette offers on the screen it was opened over."""

    @property
    def _dashboard(self) -> "DashboardApp":
        return cast("DashboardApp", self.app)

    async def discover(self) -> Hits:
        for offer in self._commands():
            yield DiscoveryHit(Content(offer.text), offer.run, text=offer.text, help=offer.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for offer in self._commands():
            score, places = matcher.fuzzy_search.match(query, offer.text)
            if score:
                shown = highlighted(offer.text, places, matcher.match_style)
                yield Hit(score, shown, offer.run, text=offer.text, help=offer.help)
        found = []
        for offer in self._things():
            score, places = matcher.fuzzy_search.match(query, offer.text)
            if score:
                found.append((score, offer, places))
        found.sort(key=lambda each: -each[0])
        for score, offer, places in found[:MOST]:
            yield Hit(
                score,
                highlighted(offer.text, places, matcher.match_style),
                offer.run,
                text=offer.text,
                help=offer.help,
            )

    def _commands(self) -> Iterator[Offer]:
        app, screen = self._dashboard, self.screen
        if isinstance(screen, DashboardScreen):
            for command in screen.KEYS:
                if command.palette:
                    yield self._offer(command, screen)
        for command in app.KEYS:
            if command.palette:
                yield self._offer(command, app)
        for name in app.themes.names:
            yield Offer(f"Theme: {plain(name)}", "Use these colours.", partial(app.themes.use, name))

    def _offer(self, command: Command, node: DOMNode) -> Offer:
        app = self._dashboard
        key = shown_keys(command, app.keymap)
        refused = " (read-only)" if command.changes and app.look.read_only else ""
        return Offer(
            f"{command.title}{refused}",
            f"{command.help}  {key}",
            partial(app.run_action, command.action, node),
        )

    def _things(self) -> Iterator[Offer]:
        app = self._dashboard
        for unit in app.overview.units.values():
            yield Offer(f"Unit: {plain(unit.id, limit=120)}", "", partial(app.show_unit, unit.id))
        for sensor in app.overview.sensors.values():
            name = ", ".join(filter(None, (sensor.sensor_id or sensor.source, sensor.city)))
            yield Offer(f"Sensor: {plain(name, limit=120)}", "", partial(app.show_sensor, sensor.key))


def highlighted(text: str, places: Iterable[int], style: Style) -> Content:
    """Safe text with what matched made visible; Textual's own way takes the text for markup."""
    shown = Content(text)
    for place in places:
        if not text[place].isspace():
            shown = shown.stylize(style, place, place + 1)
    return shown

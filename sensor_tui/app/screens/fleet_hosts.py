"""The line above the units: which hosts answer, which do not and since when, and what is marked."""

from collections.abc import Iterator, Sequence
from typing import Final

from textual.content import Content
from textual.widget import Widget

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.fleet_words import unreachable_words
from sensor_tui.app.screens.sensors_link import link_words
from sensor_tui.app.widgets.line import KEPT, Part, lay_out
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.unit import HostState

GOOD: Final = "$text-success"
WARN: Final = "$text-warning"
BAD: Final = "$text-error"
DIM: Final = "$text-muted"

DOCKER: Final = "docker"


class HostsLine(Widget):
    """One line; drawn again only when its text changes."""

    DEFAULT_CSS = """
    HostsLine { height: 1; width: 100%; padding: 0 1; text-wrap: nowrap; }
    """
    ALLOW_SELECT = False

    def __init__(self, glyphs: Glyphs, *, id: str) -> None:  # noqa: A002 - as in every widget
        super().__init__(id=id)
        self._glyphs = glyphs
        self._left: Sequence[Part] = ()
        self._right: Sequence[Part] = ()

    def take(self, overview: Overview, now: float, *, group: str, marks: int) -> None:
        """Show how the hosts stand; `marks` is how many units are marked."""
        left = tuple(host_parts(overview, now, self._glyphs))
        right = tuple(choice_parts(overview, group, marks, self._glyphs))
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    def render(self) -> Content:
        return lay_out(self._left, self._right, self.content_size.width, ellipsis=self._glyphs.ellipsis)


def host_parts(overview: Overview, now: float, glyphs: Glyphs) -> Iterator[Part]:
    """Why nothing is live; else hosts that do not answer, then those that do."""
    words = link_words(overview, now) if overview.units else ""
    if words:  # what is known of hosts is as old
        short = f"{glyphs.warning} {words.partition('.')[0]}"
        yield Part(f"{glyphs.warning} {words}", WARN, KEPT, short=short, elastic=True)
        return
    first = True
    for host in overview.hosts:
        if not host.reachable:
            name = f"{glyphs.bad} {fmt.plain(host.host, limit=60)}"
            words = f"{name} {unreachable_words(host, why=first)}"
            yield Part(words, BAD, KEPT if first else 60, short=f"{name} unreachable", elastic=first)
            first = False
    weight = 50
    for host in overview.hosts:
        if host.reachable:
            yield Part(_answers(host, glyphs), GOOD, weight, short=f"{glyphs.running} {_name(host)}")
            weight -= 1
    if overview.link is Link.LIVE and not any(host.runtime == DOCKER for host in overview.hosts):
        text = "No Docker host is configured: processes only"
        yield Part(text, DIM, 20, short="processes only")


def choice_parts(overview: Overview, group: str, marks: int, glyphs: Glyphs) -> Iterator[Part]:
    """What is marked, and how units are grouped."""
    if marks:
        yield Part(f"{glyphs.marked} {fmt.count(marks)} marked", "$text-accent bold", 95)
    if overview.units:
        yield Part(f"by {group}", DIM, 10)


def _answers(host: HostState, glyphs: Glyphs) -> str:
    what = (
        host.runtime if host.runtime == "process" else f"{fmt.plain(host.runtime)} {_version(host)}".rstrip()
    )
    units = "1 unit" if host.units == 1 else f"{fmt.count(host.units)} units"
    return f"{glyphs.running} {_name(host)} {what} {units}"


def _name(host: HostState) -> str:
    return fmt.plain(host.host, limit=40)


def _version(host: HostState) -> str:
    """Its number, without the distribution's own: `20.10.24` of `Docker 20.10.24+dfsg1`."""
    return fmt.plain(host.version.removeprefix("Docker ").partition("+")[0], limit=20)

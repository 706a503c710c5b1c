"""What the Logs screen says about its lines: a line above them, and a text where there are none."""

from dataclasses import dataclass
from typing import Final

from textual.content import Content
from textual.widget import Widget

from sensor_tui.app.format import count
from sensor_tui.app.glyphs import UNICODE, Glyphs
from sensor_tui.app.logbook import Level
from sensor_tui.app.screens.logs_feed import FeedState
from sensor_tui.app.screens.sensors_link import MORE, reason_lines
from sensor_tui.app.widgets.line import KEPT, Part, lay_out
from sensor_tui.model.overview import Link

_SERVICE: Final = {
    Link.CONNECTING: "connecting to the service",
    Link.LOST: "the service does not answer",
    Link.STOPPED: "the service is stopped",
    Link.REFUSED: "no service to speak to",
}


@dataclass(frozen=True, slots=True)
class LogsState:
    """Everything that is said about the lines."""

    link: Link = Link.CONNECTING
    link_problem: str = ""
    feed: FeedState = FeedState.IDLE
    problem: str = ""
    """Why the stream is broken, plain."""
    follows: bool = True
    newer: int = 0
    """Lines that came since following ended."""
    units: int = 0
    """Units that are read."""
    known: int = 0
    """Units there are."""
    name: str = ""
    """The unit's name where one is read, plain."""
    chosen: bool = False
    """Whether units were chosen, rather than all."""
    lines: int = 0
    kept: int = 0
    """Lines in the book, also those that are hidden."""
    dropped: int = 0
    found: int | None = None
    """Lines that match without hiding the others."""
    wanted: str = ""
    """The filter's text, plain."""
    at_least: Level = Level.NONE
    wraps: bool = False
    cleared: bool = False
    day: str = ""
    """Day of the line the operator is on, where it is not today."""


def parts(state: LogsState, glyphs: Glyphs) -> tuple[list[Part], list[Part]]:
    """Left: how it stands, and whose lines. Right: how many, and what hides some."""
    left = [_standing(state, glyphs), Part(_whose(state), weight=60)]
    lines = f"{count(state.lines)} of {count(state.kept)} lines" if state.lines != state.kept else ""
    right = [Part(lines or f"{count(state.kept)} lines", weight=50)]
    if state.dropped:
        right.append(Part(f"{count(state.dropped)} dropped", "$text-warning", 70))
    if state.found is not None:
        right.append(Part(f"{count(state.found)} found", "$text-accent", 65))
    if state.at_least:
        right.append(
            Part(f"{state.at_least.letter} and worse", "$text-accent", 55, short=f">={state.at_least.letter}")
        )
    if state.wraps:
        right.append(Part("wrapped", "$text-muted", 10))
    if state.day:
        right.append(Part(state.day, "$text-muted", 40))
    return left, right


def _standing(state: LogsState, glyphs: Glyphs) -> Part:
    newer = f", {count(state.newer)} new" if state.newer else ""
    paused = f"{glyphs.paused} paused{newer}"
    if state.link is not Link.LIVE:
        said = f"{glyphs.warning} {_SERVICE[state.link]}"
        return Part(said if state.follows else f"{said}; {paused[2:]}", "$text-warning", KEPT)
    if state.feed is FeedState.BROKEN:
        return Part(
            f"{glyphs.backoff} broken: {state.problem}",
            "$text-warning",
            KEPT,
            short=f"{glyphs.backoff} broken",
        )
    if not state.follows:
        return Part(paused, "bold $text-accent", KEPT)
    if state.feed is FeedState.READING:
        return Part(f"{glyphs.running} following", "$text-success", KEPT)
    return Part(
        f"{glyphs.starting} reading" if state.known else f"{glyphs.stopped} nothing to read", "", KEPT
    )


def _whose(state: LogsState) -> str:
    if not state.known:
        return "no units"
    if state.name:
        return state.name
    if state.chosen:
        return f"{count(state.units)} of {count(state.known)} units"
    return f"all {count(state.known)} units"


def empty_text(state: LogsState) -> str:
    """Why there is no line, and what to do next."""
    if state.kept:
        return _hidden(state)
    if state.link is not Link.LIVE:
        return _without_service(state)
    if not state.known:
        return (
            "There is no unit, so there are no lines.\n\n"
            "Start a sensor, and its lines show here; 1 shows Fleet."
        )
    if state.chosen and not state.units:
        return "The chosen units are gone.\n\nu chooses others, or all."
    return _waiting(state)


def _hidden(state: LogsState) -> str:
    reasons = [f"is {state.at_least.name} or worse"] if state.at_least else []
    if state.wanted:
        reasons.append(f"matches {state.wanted}")
    return (
        f"None of {count(state.kept)} lines {' and '.join(reasons)}.\n\n"
        "/ changes the filter, L the level, escape shows all lines."
    )


def _waiting(state: LogsState) -> str:
    whose = state.name or (f"{count(state.units)} units" if state.units != 1 else "1 unit")
    if state.feed is FeedState.BROKEN:
        return f"Log lines cannot be read:\n{state.problem}\n\nTrying again. 5 shows Diagnostics."
    if state.feed is not FeedState.READING:
        return f"Reading the last lines of {whose}."
    if state.cleared:
        return "Cleared. New lines show here."
    return f"Nothing was written by {whose} so far. New lines show here.\n\nu chooses other units."


def _without_service(state: LogsState) -> str:
    why = reason_lines(state.link_problem)
    if state.link is Link.CONNECTING:
        return "Connecting to the service."
    if state.link is Link.LOST:
        said = "The service does not answer, so no lines can be read."
        return f"{said}\n{why}\n\nTrying again. 5 shows Diagnostics."
    if state.link is Link.STOPPED:
        return f"The service is stopped, so nobody reads lines.\n{why}\n\nPress S to start it."
    return f"There is no service to read lines from.\n{why}\n\n{MORE}"


class LogsBar(Widget):
    """One line, drawn again only where what it says changed."""

    DEFAULT_CSS = "LogsBar { height: 1; width: 100%; padding: 0 1; background: $panel; }"
    ALLOW_SELECT = False

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self._glyphs = glyphs
        self.state = LogsState()

    def say(self, state: LogsState) -> None:
        """How things stand."""
        if state != self.state:
            self.state = state
            self.refresh()

    def render(self) -> Content:
        left, right = parts(self.state, self._glyphs)
        return lay_out(left, right, self.content_size.width, ellipsis=self._glyphs.ellipsis)

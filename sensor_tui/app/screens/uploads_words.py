"""How the uploads do, in words: the engine, what is behind, how fast it goes, and when it is done."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from textual.content import Content

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_facts import STYLES, styled
from sensor_tui.app.screens.sensors_link import link_words, stale
from sensor_tui.app.screens.sensors_words import age_of, spelled
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.model.letter import Minute
from sensor_tui.model.overview import Link, Overview, PeerLink, PeerView
from sensor_tui.model.progress import EngineState, Totals

WINDOW: Final = 60.0
"""Seconds over which the backlog's course is looked at."""
LEAST_SPAN: Final = 10.0
"""Seconds that have to be known before anything is said about it."""
KEEPING_UP: Final = 10.0
"""Seconds of present throughput: a backlog below is what is under way."""
_OLD_MINUTE: Final = 200.0

_STATES: Final = {
    EngineState.STARTING: ("Starting", Tone.WARN),
    EngineState.RUNNING: ("Uploading", Tone.GOOD),
    EngineState.IDLE: ("Up to date, waiting for readings", Tone.GOOD),
    EngineState.PAUSED: ("Paused: nothing is read, r resumes", Tone.WARN),
    EngineState.DRAINING: ("Draining: what was read is sent, then it stops", Tone.WARN),
    EngineState.REFUSED: ("The sink refuses", Tone.BAD),
    EngineState.UNREACHABLE: ("The sink cannot be reached", Tone.BAD),
    EngineState.STOPPED: ("Not running: nobody uploads", Tone.BAD),
}

_BETWEEN: Final = "Waiting for the next round; n starts it"


class Drain:
    """Watches the backlog, and says when it will be gone at the rate of the last minute."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()
        self._minutes: Sequence[Minute] = ()

    def seed(self, minutes: Sequence[Minute]) -> None:
        """History, for before this was watched."""
        self._minutes = minutes[-2:]

    def take(self, now: float, backlog: int | None) -> None:
        """The backlog as it is now; None where nobody knows, which begins anew."""
        if backlog is None:
            self._points.clear()
            return
        if self._points and self._points[-1][0] >= now:
            self._points.pop()
        self._points.append((now, backlog))
        while self._points[0][0] < now - WINDOW:
            self._points.popleft()

    def seconds(self, rate: float | None, lag: float | None) -> float | None:
        """Until the backlog is gone: infinite where it grows or stays, None where not known.

        `rate` is what is uploaded a second now; with a `lag` of seconds, what is open is under way, and 0.
        """
        if not self._points:
            return None
        now, backlog = self._points[-1]
        if backlog == 0 or (rate and backlog <= rate * KEEPING_UP and (lag or 0.0) <= WINDOW):
            return 0.0
        first = self._points[0]
        if now - first[0] < LEAST_SPAN:
            if not self._minutes or now - self._minutes[0].at > _OLD_MINUTE:
                return None
            first = (self._minutes[0].at, self._minutes[0].backlog)
            if now - first[0] < LEAST_SPAN:
                return None
        net = (first[1] - backlog) / (now - first[0])
        return backlog / net if net > 0 else math.inf


def drain_words(seconds: float | None, backlog: int | None) -> tuple[str, Tone]:
    """When the backlog will be gone."""
    if seconds is None:
        return fmt.age(None), Tone.NORMAL
    if math.isinf(seconds):
        return "never at this rate", Tone.BAD
    if seconds == 0:
        return ("nothing to send" if backlog == 0 else "keeping up"), Tone.GOOD
    return fmt.age(seconds), Tone.NORMAL


def engine_mark(state: EngineState, glyphs: Glyphs) -> str:
    """The sign of what the engine does."""
    return {
        EngineState.STARTING: glyphs.starting,
        EngineState.RUNNING: glyphs.running,
        EngineState.IDLE: glyphs.good,
        EngineState.PAUSED: glyphs.paused,
        EngineState.DRAINING: glyphs.stopping,
        EngineState.REFUSED: glyphs.failed,
        EngineState.UNREACHABLE: glyphs.failed,
        EngineState.STOPPED: glyphs.stopped,
    }[state]


def engine_words(overview: Overview, now: float, glyphs: Glyphs) -> Content:
    """What the engine does and why; why nobody knows, where the service is not there."""
    words = link_words(overview, now)
    if words:
        tone = Tone.WARN if overview.link in {Link.CONNECTING, Link.LOST} else Tone.BAD
        mark = glyphs.warning if tone is Tone.WARN else glyphs.stopped
        return styled(f"{mark} {words}", tone)
    engine = overview.engine
    text, tone = _STATES[engine.state]
    if engine.state is EngineState.IDLE and overview.backlog:
        text = _BETWEEN
    if engine.reason:
        text += f": {fmt.plain(engine.reason, limit=400)}"
    return styled(f"{engine_mark(engine.state, glyphs)} {text}", tone)


def peers_words(overview: Overview, glyphs: Glyphs) -> Content:
    """The other engines: first those that do not answer and since when, then how the others do."""
    old = stale(overview)
    parts: list[Content] = []
    for peer in sorted(overview.peers, key=lambda peer: (peer.live, peer.name)):
        text, tone = _peer(peer, overview.engine.version, glyphs)
        parts += [Content("   "), styled(text, Tone.DIM if old else tone)]
    return Content("").join([Content.styled("Uploaders", STYLES[Tone.DIM]), *parts])


def _peer(peer: PeerView, version: str, glyphs: Glyphs) -> tuple[str, Tone]:
    name = fmt.plain(peer.name, limit=40)
    if not peer.live:
        since = "" if peer.since is None else f" since {fmt.clock_minutes(peer.since)}"
        why = fmt.plain(peer.problem, limit=160) or "does not answer"
        tone = Tone.WARN if peer.link is PeerLink.GONE else Tone.BAD
        return f"{glyphs.bad} {name}{since}: {why}", tone
    engine = peer.engine
    _, tone = _STATES[engine.state]
    other = f" (version {fmt.plain(engine.version, limit=20)})" if engine.version != version else ""
    at_work = engine.state in {EngineState.RUNNING, EngineState.IDLE}
    words = f"{fmt.rate(engine.docs_per_second)} docs/s" if at_work else str(engine.state)
    if not at_work and engine.reason:
        words += f": {fmt.plain(engine.reason, limit=100)}"
    return f"{engine_mark(engine.state, glyphs)} {name} {words}{other}", tone


def summary(overview: Overview, now: float, drain: float | None, glyphs: Glyphs) -> Iterator[Content]:
    """Line by line, the most important first; dim where it is from before."""
    yield engine_words(overview, now, glyphs)
    if overview.peers:
        yield peers_words(overview, glyphs)
    old = stale(overview)
    engine = overview.engine
    if engine.config_problem:
        yield styled(f"{glyphs.warning} {fmt.plain(engine.config_problem, limit=400)}", Tone.BAD)
    lag = age_of(overview.oldest_open, now) if overview.backlog else None
    when, tone = drain_words(None if old else drain, overview.backlog)
    dead = Tone.WARN if overview.dead_letters else Tone.NORMAL
    yield _figures(
        [
            ("Backlog", fmt.count(overview.backlog), Tone.NORMAL),
            ("Lag", fmt.age(lag), Tone.NORMAL),
            ("To drain", when, tone),
            ("Dead letters", fmt.count(overview.dead_letters), dead),
        ],
        glyphs,
        old=old,
    )
    throttled = Tone.WARN if overview.throttled_per_second else Tone.NORMAL
    yield _figures(
        [
            ("Docs/s", fmt.rate(overview.docs_per_second), Tone.NORMAL),
            ("RU/s", fmt.rate(overview.request_units_per_second), Tone.NORMAL),
            ("Throttled/s", fmt.rate(overview.throttled_per_second), throttled),
            ("Docs in flight", fmt.count(overview.in_flight), Tone.NORMAL),
        ],
        glyphs,
        old=old,
    )
    totals = overview.totals
    if totals is not None:
        yield styled(_totals(totals), Tone.DIM)


def _figures(figures: Sequence[tuple[str, str, Tone]], glyphs: Glyphs, *, old: bool) -> Content:
    parts: list[Content] = []
    for label, value, tone in figures:
        style = STYLES[Tone.DIM] if old else f"{STYLES[tone]} bold".strip()
        parts += [
            Content.styled(f"{label} ", STYLES[Tone.DIM]),
            Content.styled(spelled(value, glyphs), style),
            Content("   "),
        ]
    return Content("").join(parts[:-1])


def _totals(totals: Totals) -> str:
    there = f" ({fmt.count(totals.already_there)} there before)" if totals.already_there else ""
    why = f" ({fmt.count(totals.throttled)} throttled)" if totals.throttled else ""
    return (
        f"Since start: {fmt.count(totals.accepted)} accepted{there}, {fmt.count(totals.rejected)} rejected, "
        f"{fmt.count(totals.retried)} retried{why}, {fmt.count(round(totals.request_units))} RU, "
        f"{fmt.count(totals.requests)} requests, {fmt.size(totals.bytes_sent)}"
    )

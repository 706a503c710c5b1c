"""The line at the top: how the fleet does, how far behind it is, and whether what is seen is live."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from textual.content import Content
from textual.widget import Widget

from sensor_tui.app.base import Look
from sensor_tui.app.format import age, clock_minutes, count, glyphs, plain, rate
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.widgets.line import KEPT, Part, lay_out
from sensor_tui.model.overview import EngineView, Link, Overview, PeerLink
from sensor_tui.model.progress import EngineState
from sensor_tui.model.sensor import Verdict
from sensor_tui.model.unit import Health, Unit, UnitState

GOOD: Final = "$text-success"
WARN: Final = "$text-warning"
BAD: Final = "$text-error"
DIM: Final = "$text-muted"
BADGE: Final = "$text-accent bold"


class HeaderBar(Widget):
    """One line; drawn again only when its text changes."""

    DEFAULT_CSS = """
    HeaderBar {
        height: 1; width: 100%; padding: 0 1;
        background: $panel; color: $foreground; text-wrap: nowrap;
    }
    """
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._left: Sequence[Part] = ()
        self._right: Sequence[Part] = ()
        self._ellipsis = "…"

    def take(self, overview: Overview, now: float, look: Look, title: str) -> None:
        """Show how everything stands; `now` in seconds since the epoch."""
        marks = glyphs(look.ascii)
        left: tuple[Part, ...] = (
            Part(plain(title), "bold", 83),
            *fleet_parts(overview, now, marks),
            *upload_parts(overview, now, marks),
        )
        if overview.link in {Link.LOST, Link.STOPPED}:
            left = tuple(replace(part, style=DIM) for part in left)
        right = (*badges(look), *link_parts(overview, now, marks), Part(clock_minutes(now), "", KEPT))
        if (left, right) != (self._left, self._right):
            self._left, self._right, self._ellipsis = left, right, marks.ellipsis
            self.refresh()

    def render(self) -> Content:
        return lay_out(self._left, self._right, self.content_size.width, ellipsis=self._ellipsis)


def fleet_parts(overview: Overview, now: float, marks: Glyphs) -> Iterator[Part]:
    """Units up of all, and what is wrong, the worst first."""
    units = overview.units.values()
    if units:
        up = sum(unit.state.up for unit in units)
        yield Part(f"{marks.running if up else marks.stopped} {up}/{len(units)} up", GOOD if up else WARN, 90)
    troubles = Counter(filter(None, map(_trouble, units)))
    weight = 87
    for trouble, mark, style in (
        ("failed", marks.failed, BAD),
        ("unhealthy", marks.bad, BAD),
        ("backoff", marks.backoff, WARN),
        ("unknown", marks.unknown, WARN),
    ):
        if troubles[trouble]:
            yield Part(f"{mark} {troubles[trouble]} {trouble}", style, weight)
            weight = 30
    # nobody expects readings of a unit that was stopped on purpose
    silent = {unit.sensor_id for unit in units if unit.state in {UnitState.STOPPED, UnitState.CREATED}}
    verdicts = Counter(
        sensor.verdict(now) for sensor in overview.sensors.values() if sensor.sensor_id not in silent
    )
    weight = 84
    for verdict, mark, style in (
        (Verdict.UNREADABLE, marks.bad, BAD),
        (Verdict.SILENT, marks.bad, BAD),
        (Verdict.LATE, marks.warning, WARN),
        (Verdict.ANOMALOUS, marks.warning, WARN),
        (Verdict.FLAT, marks.warning, WARN),
    ):
        if verdicts[verdict]:
            yield Part(f"{mark} {verdicts[verdict]} {verdict}", style, weight)
            weight = 20


def _trouble(unit: Unit) -> str | None:
    if unit.state in {UnitState.FAILED, UnitState.BACKOFF, UnitState.UNKNOWN}:
        return unit.state.value
    return "unhealthy" if unit.health is Health.UNHEALTHY and unit.state.up else None


def upload_parts(overview: Overview, now: float, marks: Glyphs) -> Iterator[Part]:
    """Backlog, lag and throughput, or why nothing is uploaded."""
    if overview.backlog is not None:
        yield Part(f"backlog {count(overview.backlog)}", "", 88)
        if overview.backlog and overview.oldest_open is not None:
            yield Part(f"lag {age(max(0.0, now - overview.oldest_open))}", "", 86)
    if overview.dead_letters:
        yield Part(f"{count(overview.dead_letters)} dead", WARN, 25)
    yield from _engine(overview.engine, overview.docs_per_second, marks)
    away = [peer.name for peer in overview.peers if peer.link in {PeerLink.LOST, PeerLink.REFUSED}]
    if away:
        names = plain(away[0], limit=30) if len(away) == 1 else f"{len(away)} uploaders"
        words = f"{marks.bad} {names} away" if len(away) > 1 else f"{marks.bad} uploader {names} away"
        yield Part(words, BAD, 90, short=f"{marks.bad} {names}")


def _engine(engine: EngineView, docs: float | None, marks: Glyphs) -> Iterator[Part]:
    match engine.state:
        case EngineState.PAUSED:
            yield Part(f"{marks.paused} paused", WARN, 95)
        case EngineState.REFUSED:
            yield Part(f"{marks.bad} sink refuses", BAD, 95)
        case EngineState.UNREACHABLE:
            yield Part(f"{marks.bad} sink unreachable", BAD, 95, short=f"{marks.bad} sink")
        case EngineState.DRAINING:
            yield Part(f"{marks.stopping} draining", WARN, 95)
        case EngineState.STARTING | EngineState.STOPPED:
            pass
        case EngineState.RUNNING | EngineState.IDLE:
            if docs is not None:
                shown = rate(docs)
                yield Part(f"{shown} docs/s", "", 85, short=f"{shown}/s")


def badges(look: Look) -> Iterator[Part]:
    """What the dashboard was told to leave out."""
    if look.read_only:
        yield Part("READ-ONLY", BADGE, KEPT)
    if look.low_bandwidth:
        yield Part("LOW-BANDWIDTH", BADGE, KEPT, short="LOW-BW")


def link_parts(overview: Overview, now: float, marks: Glyphs) -> Iterator[Part]:
    """Whether what is seen is live, and why not."""
    why = plain(overview.problem, limit=200)
    match overview.link:
        case Link.LIVE:
            yield Part(f"{marks.running} LIVE", GOOD, KEPT)
        case Link.CONNECTING:
            yield _elastic(f"{marks.starting} connecting", why, WARN)
        case Link.LOST:
            since = "" if overview.at is None else f" {age(max(0.0, now - overview.at))}"
            yield _elastic(f"{marks.warning} stale{since}", why, f"{WARN} bold")
        case Link.STOPPED:
            yield Part(f"{marks.stopped} no service: nobody uploads", f"{WARN} bold", KEPT)
        case Link.REFUSED:
            why = why.removeprefix("The service did not start: ").removeprefix("Configuration: ")
            yield _elastic(f"{marks.bad} no service", why, f"{BAD} bold")


def _elastic(head: str, why: str, style: str) -> Part:
    return Part(f"{head}: {why}" if why else head, style, KEPT, short=head, elastic=True)

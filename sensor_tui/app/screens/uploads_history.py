"""What the last hours brought, minute by minute, as curves."""

from collections.abc import Sequence
from typing import Final

from sensor_tui.app import format as fmt
from sensor_tui.app.screens.sensors_link import stale
from sensor_tui.app.screens.sensors_words import age_of
from sensor_tui.app.widgets.chart_draw import SECONDS, Curve, begin
from sensor_tui.model.letter import Minute
from sensor_tui.model.overview import Overview

RANGES: Final = (("1 h", 3600.0), ("6 h", 21_600.0), ("24 h", 86_400.0))
LONGEST: Final = 86_400.0
_MINUTE: Final = 60.0
_GAP: Final = 150.0
"""Seconds without a minute that are a gap: nobody kept the history then."""


class History:
    """The minutes of the last day, the oldest first."""

    def __init__(self) -> None:
        self.minutes: list[Minute] = []

    def since(self, now: float) -> float:
        """From when on minutes are missing, in seconds since the epoch."""
        return max(now - LONGEST, self.minutes[-1].at if self.minutes else 0.0)

    def add(self, minutes: Sequence[Minute], now: float) -> None:
        """Take what came after `since`; what is older than a day goes."""
        last = self.minutes[-1].at if self.minutes else float("-inf")
        self.minutes += [minute for minute in minutes if minute.at > last]
        oldest = now - LONGEST
        if self.minutes and self.minutes[0].at < oldest:
            self.minutes = [minute for minute in self.minutes if minute.at >= oldest]

    def curves(self, overview: Overview, now: float, place: int, note: str) -> tuple[Curve, Curve, Curve]:
        """Lag, backlog and throughput over a range, each with how it is now as its last point."""
        name, seconds = RANGES[place]
        since = now - seconds
        minutes = [minute for minute in self.minutes if since <= minute.at <= now]
        live = None if stale(overview) else overview
        note = note or f"No history of the last {name} yet."
        return (
            _lag(minutes, live, since, now, note),
            _backlog(minutes, live, since, now, note),
            _throughput(minutes, live, since, now, note),
        )


def _points(
    minutes: Sequence[Minute], values: Sequence[float | None], live: float | None, now: float
) -> tuple[list[float], list[float]]:
    points = [(minute.at, value) for minute, value in zip(minutes, values, strict=True) if value is not None]
    if live is not None and (not points or now > points[-1][0]):
        points.append((now, live))
    return [at for at, _ in points], [value for _, value in points]


def _lag(minutes: Sequence[Minute], live: Overview | None, since: float, now: float, note: str) -> Curve:
    newest = None
    if live is not None and live.backlog is not None:
        newest = (age_of(live.oldest_open, now) or 0.0) if live.backlog else 0.0
    times, values = _points(minutes, [minute.lag or 0.0 for minute in minutes], newest, now)
    since, late = begin(since, now, times)
    title = "Lag" if not values else f"Lag {fmt.age(values[-1])}, at most {fmt.age(max(values))}{late}"
    return Curve(title, times, values, (), since, now, fmt.age, SECONDS, 0.0, _GAP, note)


def _backlog(minutes: Sequence[Minute], live: Overview | None, since: float, now: float, note: str) -> Curve:
    newest = None if live is None or live.backlog is None else float(live.backlog)
    times, values = _points(minutes, [float(minute.backlog) for minute in minutes], newest, now)
    since, late = begin(since, now, times)
    title = "Backlog"
    if values:
        title = f"Backlog {fmt.count(round(values[-1]))}, at most {fmt.count(round(max(values)))}{late}"
    return Curve(title, times, values, (), since, now, _whole, (), 0.0, _GAP, note)


def _throughput(
    minutes: Sequence[Minute], live: Overview | None, since: float, now: float, note: str
) -> Curve:
    newest = None if live is None else live.engine.docs_per_second
    times, values = _points(minutes, [minute.accepted / _MINUTE for minute in minutes], newest, now)
    since, late = begin(since, now, times)
    marks = [minute.at for minute in minutes if minute.throttled]
    title = "Docs/s"
    if values:
        title = f"Docs/s {fmt.rate(values[-1])}, at most {fmt.rate(max(values))}{late}"
    if marks:
        title += f", {fmt.count(sum(minute.throttled for minute in minutes))} throttled"
    return Curve(title, times, values, marks, since, now, fmt.rate, (), 0.0, _GAP, note)


def _whole(value: float) -> str:
    return fmt.count(round(value)) if value == round(value) else fmt.number(value)

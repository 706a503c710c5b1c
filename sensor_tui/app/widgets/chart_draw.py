"""Values over time as lines of characters, drawn by plotext; no colours, so that a theme decides about them.

plotext takes a third of a second to import and keeps one figure for the whole process. `load` imports it
(in a thread, ahead of need) and one lock guards the figure.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

from sensor_tui.app import format as fmt

LEAST_WIDTH: Final = 28
"""Cells below which a chart says less than a sparkline does."""
LEAST_HEIGHT: Final = 5
MARK: Final = "✗"
ASCII_MARK: Final = "x"
_LABEL_WIDTH: Final = 7
_BARS: Final = str.maketrans("─│└┘┌┐├┤┬┴┼", "-|+++++|+++")
_GAP: Final = 4.0
"""Usual distances between two points that make a gap."""
_STEPS: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(86_400 * days for days in (1, 2, 7, 14, 28, 91, 182, 365)),
)
_MINUTE: Final = 60
_DAY: Final = 86_400
SECONDS: Final = _STEPS
"""Round durations, for the labels of a curve of seconds."""
_MONTHS: Final = 28 * _DAY
"""From this distance on, labels say year and month."""
_MOST: Final = 1e300
"""Differences of larger numbers are infinite."""
_LATEST: Final = 1e12
"""Seconds since the epoch; later times lose their seconds."""
_FINEST: Final = 1e-4
_ENOUGH: Final = 0.75
"""Share of a range from which on its points fill it."""
_LEAD: Final = 0.04
"""Share of the time shown that stands before the first point, where the range begins long before it."""
_LEAST_SPAN: Final = 10.0
"""Seconds."""
_LARGEST: Final = 1e6


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over time, the oldest first; times in seconds since the epoch."""

    title: str = ""
    times: Sequence[float] = ()
    values: Sequence[float] = ()
    marks: Sequence[float] = ()
    """Times of the points to be marked."""
    since: float | None = None
    """Where the time axis begins; at the first point where None."""
    until: float | None = None
    label: Callable[[float], str] | None = None
    """A value as text, at most seven cells wide; as a number where None."""
    steps: Sequence[float] = ()
    """Distances the labels may have; round numbers where there are none."""
    floor: float | None = None
    """The axis reaches down to this at least; 0 for counts."""
    gap: float | None = None
    """Seconds without a point that make a gap; four times the usual distance where None."""
    note: str = ""
    """What to say where there are no points."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Lines of one width. In the first `rows` of them, the curve is right of the first `left` cells."""

    lines: Sequence[str]
    left: int
    rows: int


_lock: Final = threading.Lock()
_plotext: Any = None
_missing = False


def ready() -> bool:
    """Whether charts can be drawn now."""
    return _plotext is not None


def missing() -> bool:
    """Whether plotext was looked for and cannot be used here."""
    return _missing


def load() -> bool:
    """Import plotext where that has not happened; False where it cannot be used."""
    global _plotext, _missing  # noqa: PLW0603 - one import for the process
    with _lock:
        if _plotext is None and not _missing:
            try:
                plotext: Any = import_module("plotext")
                plotext.terminal.limit(width=False, height=False)
                _plotext = plotext
            except (ImportError, OSError, AttributeError):
                # Its drawing is compiled: on a machine it was not built for, or in a version of another make.
                _missing = True
    return ready()


def begin(since: float, until: float, times: Sequence[float]) -> tuple[float, str]:
    """Where the axis of a range begins: a little before the first point, where that comes late in it.

    The second is what a title has to say then: ` since 14:05`; empty where the whole range is shown.
    """
    first = min((at for at in times if since <= at <= until), default=since)
    if until - first >= _ENOUGH * (until - since):
        return since, ""
    span = max(until - first, _LEAST_SPAN)
    text = fmt.clock_minutes(first)
    if until - first >= _DAY:
        text = fmt.stamp(first)[:10]
    return max(since, until - span * (1 + _LEAD)), f" since {text}"


def usable(curve: Curve) -> Curve:
    """The curve in order of time, without what cannot be drawn: no number, too large, before its time."""
    since = -_LATEST if curve.since is None else curve.since
    until = _LATEST if curve.until is None else curve.until
    points = [
        (at, value)
        for at, value in zip(curve.times, curve.values, strict=False)
        if since <= at <= until and abs(value) <= _MOST
    ]
    ordered = all(before[0] <= after[0] for before, after in itertools.pairwise(points))
    if ordered and len(points) == len(curve.times) == len(curve.values):
        return curve
    points.sort(key=lambda point: point[0])
    return replace(curve, times=[at for at, _ in points], values=[value for _, value in points])


def thin(times: Sequence[float], values: Sequence[float], limit: int) -> tuple[list[float], list[float]]:
    """At most about `limit` of the points; of each stretch of time the lowest and the highest are kept."""
    if len(times) <= limit:
        return list(times), list(values)
    size = max(2, math.ceil(2 * len(times) / limit))
    kept: list[int] = []
    for start in range(0, len(times), size):
        part = range(start, min(start + size, len(times)))
        low, high = min(part, key=values.__getitem__), max(part, key=values.__getitem__)
        kept.extend(sorted({low, high}))
    return [times[each] for each in kept], [values[each] for each in kept]


def segments(times: Sequence[float], gap: float | None = None) -> Iterator[tuple[int, int]]:
    """Ranges of points with no gap between them, as indexes from and to."""
    if not times:
        return
    limit = gap
    if limit is None:
        between = sorted(after - before for before, after in itertools.pairwise(times))
        limit = _GAP * between[len(between) // 2] if between else math.inf
    start = 0
    for index in range(1, len(times)):
        if times[index] - times[index - 1] > max(limit, 0.0):
            yield start, index
            start = index
    yield start, len(times)


def value_ticks(low: float, high: float, count: int, steps: Sequence[float] = ()) -> list[float]:
    """About `count` round values between two, the lowest first."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    raw = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    ladder = itertools.chain(steps, (factor * power for factor in (1, 2, 2.5, 5, 10)))
    step = next((each for each in ladder if each >= raw), 10 * power)
    first = math.ceil(low / step - 1e-9)
    ticks: list[float] = []
    while (at := first * step) <= high + step * 1e-9 and len(ticks) <= count:
        ticks.append(at)
        first += 1
    return ticks or [low]


def value_texts(ticks: Sequence[float], label: Callable[[float], str] | None) -> list[str]:
    """Texts of round values, all with as many decimals as their distance needs."""
    if label is not None:
        return [label(tick) for tick in ticks]
    largest = max(map(abs, ticks))
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 0.0
    if not (step > _FINEST and largest < _LARGEST):
        return [fmt.number(tick) for tick in ticks]
    decimals = next((n for n in range(4) if abs(round(step, n) - step) < step / 100), 4)
    return [f"{tick:.{decimals}f}" for tick in ticks]


def time_ticks(since: float, until: float, count: int) -> list[tuple[float, str]]:
    """At most `count` round local times between two, with their texts: `14:30`, `14:30:05`, `11-22`."""
    span = until - since
    step = next((each for each in _STEPS if span / each < count), span)
    offset = _offset(since)
    first = math.ceil((since + offset) / step) * step - offset
    ticks: list[tuple[float, str]] = []
    while first <= until and len(ticks) < count:
        ticks.append((first, _time_text(first, step)))
        first += step
    return ticks


def _offset(at: float) -> int:
    """Seconds by which clocks are ahead of UTC here at that time."""
    try:
        return time.localtime(at).tm_gmtoff
    except (OverflowError, ValueError, OSError):
        return 0


def _time_text(at: float, step: float) -> str:
    if step < _MINUTE:
        return fmt.stamp(at)[11:]
    if step < _DAY:
        return fmt.clock_minutes(at)
    date = fmt.stamp(at)[:10]
    return date[:7] if step >= _MONTHS else date[5:]


def value_range(values: Sequence[float], floor: float | None) -> tuple[float, float]:
    """Where the value axis begins and ends, so that a flat line is in the middle and not on the frame."""
    low, high = min(values), max(values)
    if floor is not None:
        low = min(low, floor)
    if high - low <= abs(high) * 1e-9:
        pad = abs(high) * 0.05 or 1.0
        return (low if floor is not None and low == floor else low - pad), high + pad
    return low, high


def draw(curve: Curve, width: int, height: int, *, ascii: bool) -> Drawing:  # noqa: A002 - as everywhere
    """A chart of that size in cells; `load` was True, and the curve is `usable` and has a point."""
    with _lock:
        return _draw(_plotext, curve, width, height, plain=ascii)


def _draw(plotext: Any, curve: Curve, width: int, height: int, *, plain: bool) -> Drawing:
    left, rows = _LABEL_WIDTH, height - 2
    columns = width - left - 1
    times, values = thin(curve.times, curve.values, 2 * columns)
    since = times[0] if curve.since is None else curve.since
    until = times[-1] if curve.until is None else curve.until
    if until <= since:
        since, until = since - 30.0, until + 30.0
    low, high = value_range(values, curve.floor)
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    figure.axes(False, axis="x", side="upper")
    figure.axes(False, axis="y", side="right")

    def draw(points: Iterable[tuple[float, float]], marker: str) -> None:
        # plotext draws natively, and does not survive every number: it gets places between 0 and 1.
        placed = [(_place(at, since, until), _place(value, low, high)) for at, value in points]
        signal = figure.signal([x for x, _ in placed], [y for _, y in placed], marker=marker)
        figure.draw(signal.lines() if marker == line and len(placed) > 1 else signal)

    line = "*" if plain else "braille"
    for start, end in segments(times, curve.gap):
        draw(zip(times[start:end], values[start:end], strict=True), line)
    marked = _marked(curve)
    if marked:
        draw(marked, ASCII_MARK if plain else MARK)
    stamps = time_ticks(since, until, max(2, columns // 10))
    levels = value_ticks(low, high, max(2, min(6, rows // 2)), curve.steps)
    texts = [fmt.fit(text, _LABEL_WIDTH, right=True) for text in value_texts(levels, curve.label)]
    figure.ruler("x").lim(0.0, 1.0)
    figure.ruler("x").ticks([_place(at, since, until) for at, _ in stamps], [text for _, text in stamps])
    figure.ruler("y").lim(0.0, 1.0)
    figure.ruler("y").ticks([_place(level, low, high) for level in levels], texts)
    text = figure.build().string(colorless=True)
    if plain:
        text = text.translate(_BARS)
    return Drawing(tuple(line.ljust(width)[:width] for line in text.split("\n")[:height]), left + 1, rows)


def _place(number: float, begin: float, end: float) -> float:
    """Where it is between two others, from 0 to 1."""
    return min(1.0, max(0.0, (number - begin) / (end - begin)))


def _marked(curve: Curve) -> list[tuple[float, float]]:
    """Where the marks go: on the point nearest in time."""
    found: list[tuple[float, float]] = []
    index = 0
    for at in sorted(curve.marks):
        if not curve.times[0] <= at <= curve.times[-1]:
            continue
        while index + 1 < len(curve.times) and curve.times[index + 1] <= at:
            index += 1
        after = min(index + 1, len(curve.times) - 1)
        nearest = index if at - curve.times[index] <= curve.times[after] - at else after
        found.append((at, curve.values[nearest]))
    return found

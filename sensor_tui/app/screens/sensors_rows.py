"""Sensors as rows of a grid: text, tone and rank of every cell, made when somebody looks at it.

With a thousand sensors that say something every second, a few dozen are on the screen. So a row holds what
is known, and a cell is made when it is asked for: for the rows seen, the column sorted by, an export.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final, TypeVar, overload

from sensor_tui.app import format as fmt
from sensor_tui.app.format import UNKNOWN
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_words import (
    MEASURES,
    SPARK_POINTS,
    SPARK_WIDTH,
    VERDICT_TONES,
    age_of,
    cadence_text,
    city_of,
    name_of,
    note_of,
    spelled,
    verdict_mark,
)
from sensor_tui.app.widgets.grid_values import Cell, Row, Tone
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Sensor, Verdict, order

T = TypeVar("T")


class Courses:
    """The last values of every sensor's first measure, for sparklines; bounded."""

    def __init__(self) -> None:
        self._values: dict[str, deque[float]] = {}
        self._newest: dict[str, float | None] = {}

    def start(self, recent: Mapping[str, Sequence[float]]) -> None:
        """Begin anew with values from before; what came since stays where nothing is known of before."""
        for key, values in recent.items():
            self._values[key] = deque(values, SPARK_POINTS)

    def take(self, sensors: Mapping[str, Sensor]) -> None:
        """Add what is new, forget who is gone."""
        newest = self._newest
        for key, sensor in sensors.items():
            if newest.get(key) != sensor.newest:
                newest[key] = sensor.newest
                value = next(iter(sensor.values.values()), None)
                if value is not None:
                    known = self._values.get(key)
                    if known is None:
                        known = self._values[key] = deque(maxlen=SPARK_POINTS)
                    known.append(value)
        if len(newest) > len(sensors):
            for key in newest.keys() - sensors.keys():
                del newest[key]
                self._values.pop(key, None)

    def of(self, key: str) -> Sequence[float]:
        """The last values of a sensor, the oldest first."""
        return tuple(self._values.get(key, ()))


class _Cells(Mapping[str, Cell]):
    """Cells of one sensor as it was at a moment, made when they are asked for, and kept."""

    __slots__ = ("_made", "fresh", "lag", "now", "rows", "sensor", "verdict")

    def __init__(
        self, rows: "SensorRows", sensor: Sensor, verdict: Verdict, now: float, fresh: int, lag: int
    ) -> None:
        self.rows = rows
        self.sensor = sensor
        self.verdict = verdict
        self.now = now
        self.fresh = fresh
        self.lag = lag
        self._made: dict[str, Cell] | None = None

    def __getitem__(self, key: str) -> Cell:
        if key == "verdict":
            return self.rows.verdict_cells[self.verdict]
        if self._made is None:
            self._made = {}
        cell = self._made.get(key)
        if cell is None:
            cell = _CELLS[key](self)
            if self.rows.glyphs.dash != UNKNOWN and UNKNOWN in cell.text:
                cell = replace(cell, text=spelled(cell.text, self.rows.glyphs))
            self._made[key] = cell
        return cell

    @overload
    def get(self, key: str, /) -> Cell | None: ...
    @overload
    def get(self, key: str, /, default: Cell | T) -> Cell | T: ...
    def get(self, key: str, /, default: Cell | T | None = None) -> Cell | T | None:
        """The cell, without an exception where there is none; a grid asks this for every row."""
        return self[key] if key in _CELLS else default

    def __iter__(self) -> Iterator[str]:
        return iter(_CELLS)

    def __len__(self) -> int:
        return len(_CELLS)

    # One row is as another only where it is the same: comparing cells would make them all.
    __eq__ = object.__eq__
    __hash__ = object.__hash__


class _Fields(Mapping[str, str]):
    """What a filter looks at, put together when there is one."""

    __slots__ = ("_cells", "_made")

    def __init__(self, cells: _Cells) -> None:
        self._cells = cells
        self._made: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._made is None:
            self._made = _fields(self._cells)
        return self._made

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return True


class SensorRows:
    """Makes rows of overviews; a row stays the same object while nothing it shows has changed."""

    def __init__(self, glyphs: Glyphs, *, ascii: bool) -> None:  # noqa: A002 - as everywhere
        self.courses = Courses()
        self.ascii = ascii
        self.glyphs = glyphs
        self.verdict_cells = {
            each: Cell(f"{verdict_mark(each, glyphs)} {each}", VERDICT_TONES[each], order(each))
            for each in Verdict
        }
        self.counts: dict[Verdict, int] = {}
        """Sensors by verdict as of the last rows, the worst first."""
        self._kept: dict[str, tuple[_Cells, Row]] = {}
        self._order: list[str] = []
        """Keys by city and id."""

    def rows(
        self, overview: Overview, now: float, *, stale: bool, groups: Mapping[str | None, str] | None = None
    ) -> list[Row]:
        """All sensors, by city; `groups` says what stands above a city's rows, its name where None."""
        before, kept = self._kept, {}
        away = overview.away
        counts = dict.fromkeys(Verdict, 0)
        cities: dict[str | None, str] = {}
        for key, sensor in overview.sensors.items():
            verdict = sensor.verdict(now)
            counts[verdict] += 1
            fresh, lag = _step(sensor.newest, now), _step(sensor.oldest_open, now)
            pair = before.get(key)
            old = stale or sensor.engine in away
            if pair is None or not (
                (cells := pair[0]).sensor is sensor
                and cells.verdict is verdict
                and cells.fresh == fresh
                and cells.lag == lag
                and pair[1].stale is old
            ):
                cells = _Cells(self, sensor, verdict, now, fresh, lag)
                group = (groups or cities).get(sensor.city)
                if group is None:
                    group = cities[sensor.city] = city_of(sensor)
                pair = (cells, Row(key, cells, _Fields(cells), group, old))
            elif groups is not None and pair[1].group != groups[sensor.city]:
                pair = (cells, Row(key, cells, pair[1].fields, groups[sensor.city], old))
            kept[key] = pair
        if kept.keys() != before.keys():
            self._order = sorted(kept, key=lambda key: _place(kept[key][0].sensor))
        self._kept, self.counts = kept, counts
        return [kept[key][1] for key in self._order]

    def forget(self) -> None:
        """Make all rows anew the next time."""
        self._kept = {}


def _place(sensor: Sensor) -> tuple[str, str]:
    return sensor.city or "", sensor.sensor_id or sensor.source


def _step(moment: float | None, now: float) -> int:
    """A number that changes when the age is shown differently: each second below ten, then coarser."""
    if moment is None:
        return -1
    age = int(now - moment)
    if age < 10:  # noqa: PLR2004 - as `format.age` steps
        return age
    return 100 + age // 5 if age < 60 else 1000 + age // 60  # noqa: PLR2004 - the same


def _fresh(cells: _Cells) -> Cell:
    sensor = cells.sensor
    age = age_of(sensor.newest, cells.now)
    if age is None:
        return Cell(fmt.age(None), Tone.DIM)
    tone = VERDICT_TONES[cells.verdict] if cells.verdict in {Verdict.SILENT, Verdict.LATE} else Tone.NORMAL
    return Cell(f"{fmt.age(age)} / {cadence_text(sensor.cadence)}", tone, age)


def _measure(name: str) -> Callable[[_Cells], Cell]:
    def cell(cells: _Cells) -> Cell:
        value = cells.sensor.values.get(name)
        if value is None:
            return Cell(fmt.number(None), Tone.DIM)
        old = cells.verdict in {Verdict.SILENT, Verdict.LATE, Verdict.UNREADABLE}
        return Cell(fmt.number(value), Tone.DIM if old else Tone.NORMAL, value)

    return cell


def _course(cells: _Cells) -> Cell:
    values = cells.rows.courses.of(cells.sensor.key)
    text = fmt.sparkline(values, SPARK_WIDTH, ascii=cells.rows.ascii) if values else ""
    old = cells.verdict in {Verdict.SILENT, Verdict.LATE, Verdict.UNREADABLE}
    return Cell(text, Tone.DIM if old else Tone.ACCENT, values[-1] if values else None)


def _anomalies(cells: _Cells) -> Cell:
    share = cells.sensor.anomalies
    text = fmt.percent(None if share is None else share * 100)
    return Cell(text, Tone.WARN if cells.verdict is Verdict.ANOMALOUS else Tone.NORMAL, share)


@lru_cache(maxsize=4096)
def _count(number: int | None, tone: Tone) -> Cell:
    return Cell(fmt.count(number), tone if number else Tone.DIM, number)


def _backlog(cells: _Cells) -> Cell:
    return _count(cells.sensor.backlog, Tone.NORMAL)


def _lag(cells: _Cells) -> Cell:
    age = age_of(cells.sensor.oldest_open, cells.now)
    return Cell(fmt.age(age), Tone.DIM if age is None else Tone.NORMAL, age)


def _dead(cells: _Cells) -> Cell:
    return _count(cells.sensor.dead_letters, Tone.WARN)


def _note(cells: _Cells) -> Cell:
    note = note_of(cells.sensor)
    return Cell(note, Tone.BAD if cells.sensor.problem else Tone.NORMAL, note or None)


_CELLS: Final[Mapping[str, Callable[[_Cells], Cell]]] = {
    "verdict": lambda cells: cells["verdict"],
    "sensor": lambda cells: Cell(name_of(cells.sensor), Tone.BOLD, cells.sensor.sensor_id),
    "fresh": _fresh,
    **{measure: _measure(measure) for measure in MEASURES},
    "course": _course,
    "rate": lambda cells: Cell(fmt.rate(cells.sensor.rate), Tone.NORMAL, cells.sensor.rate),
    "anomalies": _anomalies,
    "backlog": _backlog,
    "lag": _lag,
    "dead": _dead,
    "note": _note,
    "files": lambda cells: Cell(fmt.count(cells.sensor.files), Tone.NORMAL, cells.sensor.files),
    "city": lambda cells: Cell(city_of(cells.sensor), Tone.NORMAL, cells.sensor.city),
    "source": lambda cells: Cell(fmt.plain(cells.sensor.source), Tone.NORMAL, cells.sensor.source),
}


def _fields(cells: _Cells) -> dict[str, str]:
    sensor = cells.sensor
    numbers = {
        "fresh": age_of(sensor.newest, cells.now),
        "lag": age_of(sensor.oldest_open, cells.now),
        "backlog": sensor.backlog,
        "dead": sensor.dead_letters,
        "rate": sensor.rate,
        "cadence": sensor.cadence,
        "anomalies": None if sensor.anomalies is None else sensor.anomalies * 100,
    }
    return {
        **{fmt.plain(name, limit=60).lower(): f"{value:.12g}" for name, value in sensor.values.items()},
        **{name: f"{value:.12g}" for name, value in numbers.items() if value is not None},
        "sensor": name_of(sensor),
        "city": city_of(sensor),
        "verdict": str(cells.verdict),
        "note": note_of(sensor),
        "source": fmt.plain(sensor.source),
        "owner": fmt.plain(sensor.owner or ""),
        "engine": fmt.plain(sensor.engine),
    }

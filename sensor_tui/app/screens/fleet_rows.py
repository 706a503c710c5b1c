"""Units as rows of a grid: a cell is made when somebody looks at it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from rich.cells import cell_len

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.fleet_cells import (
    KEYS,
    LASTING_CELLS,
    MOVING_CELLS,
    Facts,
    Lasting,
    fields_of,
    since,
)
from sensor_tui.app.screens.fleet_words import (
    Running,
    Sensors,
    city_of,
    project_of,
    running_actions,
    unreachable,
)
from sensor_tui.app.widgets.grid_values import Cell, Column, Row
from sensor_tui.model.overview import Overview
from sensor_tui.model.unit import Unit, UnitState

LEAST_NAME: Final = 14
MOST_NAME: Final = 28
"""Cells the column of names takes, as the longest one needs."""
COLUMNS: Final = (
    Column("unit", "Unit", LEAST_NAME, grow=True, middle=True, help="Its name on its host."),
    Column("state", "State", 10, help="What it is doing, or the step of the action that is at work on it."),
    Column(
        "fresh", "Fresh", 8, right=True, help="Age of its sensor's newest reading; late or silent marked."
    ),
    Column("backlog", "Backlog", 7, right=True, help="Its readings neither acknowledged nor dead."),
    Column("health", "Health", 11, help="What its own health check says."),
    Column("cpu", "CPU", 5, right=True, help="Of one core; dim where it is older than five seconds."),
    Column("memory", "Memory", 8, right=True, help="Without what the system can take back at once."),
    Column("restarts", "Restarts", 8, right=True, help="By itself, since it was last started on purpose."),
    Column("uptime", "Up", 6, right=True, help="Since it was started."),
    Column("rate", "Rate/s", 6, right=True, help="Readings a second of late."),
    Column("role", "Role", 8, help="What it is for."),
    Column("host", "Host", 10, help="Where it runs."),
    Column("image", "Image", 22, help="Image and tag; flagged where it has none, or `latest`."),
    Column("why", "Why", 32, help="Why it is in this state."),
    Column("city", "City", 12, shown=False, help="Where its sensor is."),
    Column("project", "Project", 12, shown=False, help="The compose project it belongs to."),
    Column("sensor", "Sensor", 14, shown=False, help="The id of the sensor it is."),
)

GROUPS: Final[Mapping[str, Callable[[Unit], str]]] = {
    "city": city_of,
    "project": project_of,
    "host": lambda unit: fmt.plain(unit.host, limit=60),
    "role": lambda unit: str(unit.role),
    "nothing": lambda _: "",
}
"""What units are grouped by, in the order the key goes through them."""

STALE_STATS: Final = 5.0
"""Seconds after which what a unit uses is old."""


def name_width(units: Iterable[Unit]) -> int:
    """Cells for the names of these units."""
    longest = max((cell_len(fmt.plain(unit.name, limit=200)) for unit in units), default=0)
    return min(max(longest, LEAST_NAME), MOST_NAME)


class _Cells(Mapping[str, Cell]):
    """Cells made when they are asked for."""

    __slots__ = ("_facts", "_made", "_now")

    def __init__(self, facts: Facts, now: float) -> None:
        self._facts = facts
        self._now = now
        self._made: dict[str, Cell] = {}

    def __getitem__(self, key: str) -> Cell:
        make = LASTING_CELLS.get(key)
        if make is not None:
            cells = self._facts.lasting.cells
            found = cells.get(key)
            if found is None:
                found = cells[key] = make(self._facts.lasting)
            return found
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = MOVING_CELLS[key](self._facts, self._now)
        return found

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in KEYS else default

    def __iter__(self) -> Iterator[str]:
        return iter(KEYS)

    def __len__(self) -> int:
        return len(KEYS)


class _Fields(Mapping[str, str]):
    """What a filter looks at, made when there is one."""

    __slots__ = ("_facts", "_made", "_now")

    def __init__(self, facts: Facts, now: float) -> None:
        self._facts = facts
        self._now = now
        self._made: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._made is None:
            self._made = fields_of(self._facts, self._now)
        return self._made

    def __getitem__(self, key: str) -> str:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        return True


class FleetRows:
    """Makes rows of overviews; a row stays the same object while nothing it shows has changed."""

    def __init__(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        self._kept: dict[str, tuple[Facts, Row]] = {}
        self.group = next(iter(GROUPS))
        """What units are grouped by."""

    def rows(self, overview: Overview, now: float, *, stale: bool) -> list[Row]:
        """All units, group by group, sensors first; `stale` where all of it is from before."""
        kept, self._kept = self._kept, {}
        sensors = Sensors(overview)
        running = running_actions(overview)
        gone = unreachable(overview)
        made: list[tuple[Facts, Row]] = []
        for key, unit in overview.units.items():
            before = kept.get(key)
            stats = overview.stats.get(key)
            sensor = sensors.of(unit)
            facts = Facts(
                self._lasting(unit, running.get(key), before),
                stats,
                sensor,
                None if sensor is None else sensor.verdict(now),
                "" if sensor is None else fmt.age(since(sensor.newest, now)),
                fmt.age(since(unit.started_at, now)),
                stats is not None and now - stats.at > STALE_STATS,
                stale or unit.state is UnitState.UNKNOWN or (unit.host, unit.runtime) in gone,
            )
            if before is None or not before[0].alike(facts):
                row = Row(key, _Cells(facts, now), _Fields(facts, now), facts.lasting.group, facts.old)
                before = facts, row
            self._kept[key] = before
            made.append(before)
        made.sort(key=lambda each: each[0].lasting.order)
        return [row for _, row in made]

    def _lasting(self, unit: Unit, running: Running | None, before: tuple[Facts, Row] | None) -> Lasting:
        group = GROUPS[self.group]
        if before is not None:
            kept = before[0].lasting
            same = kept.unit is unit or kept.unit == unit
            if same and kept.running == running and kept.group == group(unit):
                return kept
        return Lasting(unit, running, group(unit), self._glyphs)

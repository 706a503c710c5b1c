"""A sensor among those of its city: the same measure, and who is far from the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Final

from sensor_tui.model.sensor import Sensor, Verdict

LEAST_OTHERS: Final = 4
"""Sensors a city needs before anybody in it can be called far from the rest."""
_FAR: Final = 3.0
"""Usual deviations from the median that are far."""
_DEVIATION: Final = 1.4826
"""From the median of the absolute deviations to what a standard deviation would be."""
_LEAST_SPREAD: Final = 0.005
"""Of the median: differences below are never far."""
_OLD: Final = frozenset({Verdict.SILENT, Verdict.UNREADABLE, Verdict.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A sensor's newest value of the measure compared, and its difference from the city's median."""

    sensor: Sensor
    verdict: Verdict
    value: float
    difference: float | None
    """None where it is too old to be compared."""
    far: bool = False


@dataclass(frozen=True, slots=True)
class Near:
    """A city's sensors by one measure; `median` is of those that send now."""

    measure: str
    median: float | None
    others: tuple[Neighbour, ...]
    """The sensor itself first, then the furthest."""
    total: int


def near(sensors: Iterable[Sensor], chosen: Sensor, measure: str, now: float, *, limit: int = 12) -> Near:
    """Compare a sensor with those of its city; `limit` is how many are returned."""
    members = [
        (each, each.verdict(now), each.values[measure])
        for each in sensors
        if each.city == chosen.city and measure in each.values
    ]
    current = [value for _, verdict, value in members if verdict not in _OLD]
    if not current:
        found = [Neighbour(each, verdict, value, None) for each, verdict, value in members]
        middle = None
    else:
        middle = median(current)
        spread = max(
            _DEVIATION * median(abs(value - middle) for value in current), abs(middle) * _LEAST_SPREAD
        )
        compared = len(current) > LEAST_OTHERS
        found = [
            Neighbour(each, verdict, value, None)
            if verdict in _OLD
            else Neighbour(
                each, verdict, value, value - middle, compared and abs(value - middle) > _FAR * spread
            )
            for each, verdict, value in members
        ]
    found.sort(
        key=lambda each: (each.sensor.key != chosen.key, -_distance(each), each.sensor.sensor_id or "")
    )
    return Near(measure, middle, tuple(found[:limit]), len(found))


def _distance(neighbour: Neighbour) -> float:
    return -1.0 if neighbour.difference is None else abs(neighbour.difference)

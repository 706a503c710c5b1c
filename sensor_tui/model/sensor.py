"""A sensor as a screen shows it, and the verdict about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

LATE_AFTER: Final = 3.0
"""Cadences without a reading after which a sensor is late."""
SILENT_AFTER: Final = 20.0
"""Cadences without a reading after which it is silent."""
LEAST_LATE: Final = 5.0
"""Seconds; nobody is late sooner, whatever the cadence."""
LEAST_SILENT: Final = 60.0
UNKNOWN_CADENCE: Final = 60.0
"""Seconds assumed between readings where no cadence is known yet."""


class Verdict(StrEnum):
    """What is to be thought of a sensor, the worst that is true of it first."""

    UNREADABLE = "unreadable"
    """Its file cannot be read; `Sensor.problem` says why."""
    SILENT = "silent"
    LATE = "late"
    ANOMALOUS = "anomalous"
    """Its newest reading is flagged as an anomaly, or a fifth of its recent ones are."""
    FLAT = "flat-lined"
    """It sends, and its values have stopped changing."""
    FRESH = "fresh"
    UNKNOWN = "unknown"
    """No reading was seen yet."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor in one city. Times in seconds since the epoch; what is not known is None."""

    key: str
    sensor_id: str | None
    city: str | None
    source: str
    """The file with its newest reading, relative to the data root."""
    backlog: int | None
    oldest_open: float | None
    newest: float | None
    dead_letters: int | None = 0
    files: int = 1
    problem: str | None = None
    owner: str | None = None
    """Another engine that has its files."""
    engine: str = ""
    """The other service that uploads them, by its folder, where it says what is known here of the sensor."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Measures of the newest reading, by column name."""
    anomaly: str | None = None
    """Type of the anomaly where the newest reading is flagged; empty text where the type is not said."""
    anomalies: float | None = None
    """Share of flagged ones among recent readings, 0 to 1."""
    rate: float | None = None
    """Readings a second of late."""
    cadence: float | None = None
    """Seconds usually between two of its readings."""
    flat: bool = False
    """Its recent values are all the same."""

    def verdict(self, now: float) -> Verdict:
        """What is to be thought of it at that moment."""
        return verdict_of(
            now,
            newest=self.newest,
            cadence=self.cadence,
            problem=self.problem,
            anomalous=self.anomaly is not None or (self.anomalies or 0.0) >= _MANY_ANOMALIES,
            flat=self.flat,
        )


_MANY_ANOMALIES: Final = 0.2


def verdict_of(
    now: float,
    *,
    newest: float | None,
    cadence: float | None,
    problem: str | None,
    anomalous: bool,
    flat: bool,
) -> Verdict:
    """The worst that is true of a sensor; times and cadence in seconds."""
    if newest is None:
        return Verdict.UNREADABLE if problem else Verdict.UNKNOWN
    usual = UNKNOWN_CADENCE if cadence is None else cadence
    age = now - newest
    if age > LEAST_LATE and age > LATE_AFTER * usual:
        silent = age > LEAST_SILENT and age > SILENT_AFTER * usual
        return Verdict.SILENT if silent else Verdict.LATE
    if problem:
        return Verdict.UNREADABLE
    if anomalous:
        return Verdict.ANOMALOUS
    return Verdict.FLAT if flat else Verdict.FRESH


def order(verdict: Verdict) -> int:
    """Rank for sorting, the worst first."""
    return _ORDER[verdict]


_ORDER: Final[Mapping[Verdict, int]] = {each: rank for rank, each in enumerate(Verdict)}


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one measure of one sensor over time, the oldest first; gaps are simply missing points."""

    sensor: str
    """Its key."""
    measure: str
    times: Sequence[float] = ()
    values: Sequence[float] = ()
    anomalies: Sequence[float] = ()
    """Times of flagged readings."""
    readings: int = 0
    """Readings the points stand for; more than there are points where it was thinned."""
    measures: Sequence[str] = ()
    """Measures this sensor has at all."""
    complete: bool = True
    """False where there were more readings than may be read: every so many were left out."""

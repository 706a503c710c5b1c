"""Files of the same sensor put together, and what they say about the whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from sensor_tui.model.source import FeedStatus
from sensor_tui.service.wire import SensorReport, SourceReport, sensor_key

_NO_VALUES: Final[Mapping[str, float]] = MappingProxyType({})
_NOT_COUNTED: Final[Mapping[str, float | None]] = MappingProxyType({})


class Sensor(NamedTuple):
    """One sensor in one city; times in seconds since the epoch, None where not known."""

    sensor_id: str | None
    city: str | None
    backlog: int | None
    oldest_open: float | None
    newest: float | None
    source: str
    files: int
    dead_letters: int | None
    problem: str | None
    owner: str | None
    values: Mapping[str, float] = _NO_VALUES
    anomaly: str | None = None
    anomalies: float | None = None
    rate: float | None = None
    cadence: float | None = None
    flat: bool = False
    engine: str = ""
    sources: tuple[str, ...] = ()
    """All its files, where there are several."""
    newest_counted: float | None = None
    """Its newest reading when the backlog was counted."""
    held: int = 0
    """Of the backlog: readings that wait for their window."""


@dataclass(frozen=True, slots=True)
class Sums:
    """All sensors together; None where nothing is known."""

    backlog: int | None
    oldest_open: float | None


def unseen(feed: FeedStatus) -> bool:
    """Whether nothing was ever read from this file, so that its counts say nothing."""
    return feed.sensor_id is None and feed.newest is None and bool(feed.problem or feed.owner)


def merge(
    feeds: Iterable[FeedStatus], counted: Mapping[str, float | None] = _NOT_COUNTED
) -> dict[str, Sensor]:
    """Sensors by key, in the order of their first file.

    Args:
        feeds: the files.
        counted: the newest reading of each, by its key, when its backlog was counted.
    """
    sensors: dict[str, Sensor] = {}
    for feed in feeds:
        key = key_of(feed)
        known, one = sensors.get(key), _one(feed, counted.get(feed.source))
        sensors[key] = one if known is None else _both(known, one)
    return sensors


def key_of(feed: FeedStatus) -> str:
    """Key of the sensor that writes this file."""
    return sensor_key(feed.sensor_id, feed.city or None, feed.source)


def sums(sensors: Mapping[str, Sensor]) -> Sums:
    """Totals over what is known."""
    backlogs = [sensor.backlog for sensor in sensors.values() if sensor.backlog is not None]
    times = [sensor.oldest_open for sensor in sensors.values() if sensor.oldest_open is not None]
    return Sums(
        backlog=None if sensors and not backlogs else sum(backlogs),
        oldest_open=min(times, default=None),
    )


def sensor_report(sensor: Sensor, now: float) -> SensorReport:
    """A sensor as others see it; `now` in seconds since the epoch."""
    return SensorReport(
        sensor_id=sensor.sensor_id,
        city=sensor.city,
        backlog=sensor.backlog,
        held=sensor.held,
        lag_seconds=age(sensor.oldest_open, now),
        freshness_seconds=age(sensor.newest, now),
        newest=iso(sensor.newest),
        oldest_open=iso(sensor.oldest_open),
        newest_counted=iso(sensor.newest_counted),
        source=sensor.source,
        files=sensor.files,
        dead_letters=sensor.dead_letters,
        problem=sensor.problem,
        owner=sensor.owner,
        values=dict(sensor.values),
        anomaly=sensor.anomaly,
        anomalies=sensor.anomalies,
        rate=sensor.rate,
        cadence_seconds=sensor.cadence,
        flat=sensor.flat,
        engine=sensor.engine,
        sources=sensor.sources,
    )


def source_report(feed: FeedStatus) -> SourceReport:
    """A file as others see it."""
    return SourceReport(
        source=feed.source,
        sensor_id=feed.sensor_id,
        city=feed.city or None,
        backlog=None if unseen(feed) else feed.backlog,
        held=feed.held,
        problem=feed.problem,
        owner=feed.owner,
    )


def age(moment: float | None, now: float) -> float | None:
    """Seconds since then, to the millisecond; negative where a sensor's clock is ahead."""
    return None if moment is None else round(now - moment, 3)


def iso(moment: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC with milliseconds."""
    if moment is None:
        return None
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def epoch(text: str | None) -> float | None:
    """The reverse of `iso`."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _one(feed: FeedStatus, newest_counted: float | None) -> Sensor:
    hidden = unseen(feed)
    return Sensor(
        sensor_id=feed.sensor_id,
        city=feed.city or None,
        backlog=None if hidden else feed.backlog,
        oldest_open=feed.oldest_open,
        newest=feed.newest,
        source=feed.source,
        files=1,
        dead_letters=None if hidden and feed.owner else feed.dead_letters,
        problem=feed.problem,
        owner=feed.owner,
        values=feed.values,
        anomaly=feed.anomaly,
        anomalies=feed.anomalies,
        rate=feed.rate,
        cadence=feed.cadence,
        flat=feed.flat,
        engine=feed.engine,
        newest_counted=newest_counted,
        held=feed.held,
    )


def _both(one: Sensor, other: Sensor) -> Sensor:
    latest = other if (other.newest or 0.0) > (one.newest or 0.0) else one
    return latest._replace(
        backlog=_add(one.backlog, other.backlog),
        oldest_open=_least(one.oldest_open, other.oldest_open),
        files=one.files + other.files,
        dead_letters=_add(one.dead_letters, other.dead_letters),
        problem=_texts(one.problem, other.problem),
        owner=_texts(one.owner, other.owner),
        engine=latest.engine or one.engine or other.engine,
        sources=(*(one.sources or (one.source,)), *(other.sources or (other.source,))),
        newest_counted=_most(one.newest_counted, other.newest_counted),
        held=one.held + other.held,
    )


def _add(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else min(one, other)


def _most(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _texts(one: str | None, other: str | None) -> str | None:
    return other if one is None or one == other else one if other is None else f"{one}; {other}"

"""A sensor's values over time, thinned so that a chart can hold them and no spike is lost."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import UsageError
from sensor_tui.model.clock import Clock
from sensor_tui.model.sensor import Series

if TYPE_CHECKING:
    from sensor_tui.storage.latest import Place
    from sensor_tui.storage.query_threads import FileThreads
    from sensor_tui.storage.series import SeriesReader

MOST_ROWS: Final = 200_000
"""Rows read for one series."""
MOST_POINTS: Final = 5000

_LEAST_REST: Final = 0.004
_MOST_REST: Final = 0.05


class SeriesReaders:
    """Reads series, a few at a time, in threads of its own."""

    def __init__(self, clock: Clock, *, most_rows: int = MOST_ROWS) -> None:
        self._clock = clock
        self._most_rows = most_rows
        self._threads: FileThreads | None = None

    async def read(
        self,
        sensor: str,
        places: Sequence["Place"],
        measure: str | None,
        *,
        since: float | None = None,
        until: float | None = None,
        points: int = 200,
    ) -> Series:
        """Values of a measure (the first there is where None) from the files of one sensor.

        Raises:
            SourceFileError: a file cannot be used.
            UsageError: there is no such measure.
        """
        first = -math.inf if since is None else since
        last = math.inf if until is None else until
        readers: list[SeriesReader] = []
        try:
            for place in places:
                reader = await self._open(place)
                readers.append(reader)
            measures = [await self._using().patiently(reader.measures) for reader in readers]
            every = tuple(dict.fromkeys(name for names in measures for name in names))
            chosen = _chosen(measure, every)
            using = [reader for reader, names in zip(readers, measures, strict=True) if chosen in names]
            for reader in using:
                await self._using().patiently(
                    partial(reader.seek, first, last, self._most_rows // len(using))
                )
                await self._read(reader, chosen)
            return await self._using().run(partial(_series, sensor, chosen, every, using, points))
        finally:
            for reader in readers:
                await self._using().run(reader.close)

    def close(self) -> None:
        """End the threads."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.close()

    async def _open(self, place: "Place") -> "SeriesReader":
        from sensor_tui.storage.series import SeriesReader

        return await self._using().patiently(partial(SeriesReader, place.key, place.path))

    async def _read(self, reader: "SeriesReader", measure: str) -> None:
        while (held := await self._using().patiently(partial(reader.step, measure))) is not None:
            if reader.rollback:
                await self._clock.sleep(min(_MOST_REST, max(_LEAST_REST, 2 * held)))

    def _using(self) -> "FileThreads":
        if self._threads is None:
            from sensor_tui.storage.query_threads import FileThreads

            self._threads = FileThreads(self._clock, threads=2, name="sensor-series")
        return self._threads


def _chosen(measure: str | None, measures: Sequence[str]) -> str:
    if measure is None:
        return measures[0] if measures else ""
    if measure not in measures:
        raise UsageError(
            f"This sensor has no measure {measure!r}", fix=f"It has {', '.join(measures) or 'none at all'}"
        )
    return measure


def _series(
    sensor: str, measure: str, measures: Sequence[str], readers: Sequence["SeriesReader"], points: int
) -> Series:
    """What was read, in the order of time and thinned; meant for a thread."""
    read = sorted(
        pair for each in readers for pair in zip(each.points.times, each.points.values, strict=True)
    )
    flagged = sorted(time for each in readers for time in each.points.flagged)
    kept = thinned(read, points)
    return Series(
        sensor=sensor,
        measure=measure,
        times=[time for time, _ in kept],
        values=[value for _, value in kept],
        anomalies=_spread(flagged, points),
        readings=len(read),
        measures=tuple(measures),
        complete=all(each.points.complete for each in readers),
    )


def thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many (time, value) of a sorted series: least and greatest of every stretch of time."""
    if len(points) <= most:
        return list(points)
    stretches = max(1, most // 2)
    start, end = points[0][0], points[-1][0]
    width = (end - start) / stretches or 1.0

    def stretch(point: tuple[float, float]) -> int:
        return min(stretches - 1, int((point[0] - start) / width))

    kept: list[tuple[float, float]] = []
    for _, group in groupby(points, stretch):
        members = list(group)
        ends = {min(members, key=_value), max(members, key=_value)}
        kept += sorted(ends)
    return kept


def _value(point: tuple[float, float]) -> float:
    return point[1]


def _spread(times: Sequence[float], most: int) -> list[float]:
    """At most so many of them, from first to last."""
    if len(times) <= most:
        return list(times)
    return [times[index * (len(times) - 1) // max(1, most - 1)] for index in range(most)]

"""What sensors say: the newest values of every file, how often they come, and whether they still change.

A look costs some 60 microseconds a file. Where more files change than a share of one core is enough for,
those that have waited longest go first and the others follow in the next round.
"""

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sensor_tui.model.clock import Clock
from sensor_tui.model.reading import UnusableReading, epoch_of
from sensor_tui.model.source import FeedStatus

if TYPE_CHECKING:
    from sensor_tui.storage.latest import LatestRows, Look, Place, Row
    from sensor_tui.storage.query_threads import FileThreads

T = TypeVar("T")

WATCHED_SECONDS: Final = 1.0
"""Time between two looks while somebody listens."""
UNWATCHED_SECONDS: Final = 10.0
UNWATCHED_FILES: Final = 64
"""Files that stay open between two looks while nobody listens."""
KEPT_READINGS: Final = 60
"""Readings of each file that are kept, the newest."""
SHARE: Final = 0.11
"""Of one core that looks may take, while somebody listens."""
UNWATCHED_SHARE: Final = 0.02
FLAT_READINGS: Final = 10
FLAT_SECONDS: Final = 30.0
LATELY_SECONDS: Final = 60.0
"""Readings within so many seconds before the newest count for the rate."""

_CADENCE_READINGS: Final = 5
_TURN: Final = 20
"""Files looked at before others get the thread, and the interpreter."""
_REST_SECONDS: Final = 0.005
_STOPPED_CADENCES: Final = 5.0
_STOPPED_SECONDS: Final = 10.0
"""Least time without a reading after which nothing comes any more."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one file's readings; as the fields of `FeedStatus` say."""

    newest: float | None
    values: dict[str, float]
    anomaly: str | None
    anomalies: float | None
    rate: float | None
    cadence: float | None
    flat: bool


class Samples:
    """The last readings of one file."""

    def __init__(self) -> None:
        self.facts: Facts | None = None
        """None while there is no reading."""
        self.recent: deque[float] = deque(maxlen=KEPT_READINGS)
        """Values of its first measure."""
        self.came = 0.0
        """Monotonic time at which the newest reading was seen, in seconds."""
        self._measure: str | None = None
        self._times: deque[float] = deque(maxlen=KEPT_READINGS)
        self._flags: deque[bool] = deque(maxlen=KEPT_READINGS)
        self._cadence: float | None = None
        self._since_cadence = 0
        self._same = 0
        self._same_since: float | None = None
        self._values: dict[str, float] = {}

    def take(self, rows: Iterable["Row"], now: float) -> None:
        """Take in new readings, ascending; `now` is monotonic."""
        row = None
        moment = None
        for row in rows:
            moment = _time_of(row.time)
            self._compare(row.values, moment)
            if moment is not None:
                self._times.append(moment)
                self._since_cadence += 1
            self._flags.append(row.flagged)
            self._keep(row.values)
        if row is None:
            return
        self.came = now
        self.facts = Facts(
            newest=moment if moment is not None or self.facts is None else self.facts.newest,
            values=row.values,
            anomaly=row.kind if row.flagged else None,
            anomalies=round(sum(self._flags) / len(self._flags), 3),
            rate=rate_of(self._times),
            cadence=self._usual(),
            flat=self._is_flat(moment),
        )

    def settle(self, now: float) -> bool:
        """Take note that nothing comes any more, where that is so; whether that is news."""
        facts = self.facts
        if facts is None or not facts.rate:
            return False
        patience = max(_STOPPED_SECONDS, _STOPPED_CADENCES * (facts.cadence or 0.0))
        if now - self.came < patience:
            return False
        self.facts = replace(facts, rate=0.0)
        return True

    def _usual(self) -> float | None:
        """The cadence, which is worked out again now and then only: it hardly changes."""
        if self._cadence is None or self._since_cadence >= _CADENCE_READINGS:
            self._cadence = cadence_of(self._times)
            self._since_cadence = 0
        return self._cadence

    def _compare(self, values: dict[str, float], moment: float | None) -> None:
        if values and values == self._values:
            self._same += 1
            if self._same_since is None:
                self._same_since = moment
        else:
            self._same, self._same_since = 1, moment
            self._values = values

    def _is_flat(self, moment: float | None) -> bool:
        if self._same < FLAT_READINGS or moment is None or self._same_since is None:
            return False
        return moment - self._same_since >= FLAT_SECONDS

    def _keep(self, values: dict[str, float]) -> None:
        if self._measure is None:
            self._measure = next(iter(values), None)
        if self._measure is not None and (value := values.get(self._measure)) is not None:
            self.recent.append(value)


class Sampler:
    """Looks at files that have changed, and tells what it has seen of each.

    Args:
        places: the files there are now.
        watched: whether somebody wants to know each second.
        clock: what tells the time.
        share: of one core, at most, for looking.
    """

    def __init__(
        self,
        places: Callable[[], Sequence["Place"]],
        *,
        watched: Callable[[], bool],
        clock: Clock,
        share: float = SHARE,
    ) -> None:
        self._places = places
        self._watched = watched
        self._clock = clock
        self._share = share
        self._samples: dict[str, Samples] = {}
        self._overlaid: dict[str, tuple[FeedStatus, Facts, FeedStatus]] = {}
        self._threads: FileThreads | None = None
        self._rows: LatestRows | None = None
        self.waiting = 0
        """Changed files that the last round had no time for."""

    async def run(self) -> None:
        """Look again and again, until cancelled; `close` it afterwards."""
        while True:
            began = self._clock.monotonic()
            watched = self._watched()
            await self.round()
            if not watched:
                await self._in_thread(partial(self._latest().release, UNWATCHED_FILES))
            await self._wait(began, watched=watched)

    async def round(self) -> None:
        """Look at every file that has changed since the last round, as far as time allows."""
        if self._watched():
            left = self._share * WATCHED_SECONDS
        else:
            left = min(self._share, UNWATCHED_SHARE) * UNWATCHED_SECONDS
        rows = self._latest()
        places = self._places()
        due = await self._in_thread(partial(rows.sweep, places))
        self._forget({place.key for place in places})
        at = 0
        while at < len(due) and (left > 0 or at == 0):
            turn = due[at : at + _TURN]
            now = self._clock.monotonic()
            looks, spent = await self._in_thread(partial(_look_at, rows, turn, now))
            left -= spent
            for key, look in looks:
                self._take(key, look, now)
            at += len(turn)
            if at < len(due):
                await self._clock.sleep(_REST_SECONDS)
        self.waiting = max(0, len(due) - at)
        now = self._clock.monotonic()
        for samples in self._samples.values():
            samples.settle(now)

    async def close(self) -> None:
        """Close every file; nothing where none was opened."""
        threads, self._threads = self._threads, None
        rows, self._rows = self._rows, None
        if threads is not None and rows is not None:
            await threads.run(rows.release)
            threads.close()

    def overlay(self, feed: FeedStatus) -> FeedStatus:
        """How a file stands, with what was seen of its readings."""
        samples = self._samples.get(feed.source)
        if samples is None or samples.facts is None:
            return feed
        facts = samples.facts
        known = self._overlaid.get(feed.source)
        if known is not None and known[1] is facts and known[0] == feed:
            return known[2]
        newest = feed.newest
        if facts.newest is not None and (newest is None or facts.newest > newest):
            newest = facts.newest
        shown = replace(
            feed,
            newest=newest,
            values=facts.values,
            anomaly=facts.anomaly,
            anomalies=facts.anomalies,
            rate=facts.rate,
            cadence=facts.cadence,
            flat=facts.flat,
        )
        self._overlaid[feed.source] = (feed, facts, shown)
        return shown

    def recent(self, source: str, points: int) -> list[float]:
        """The last values of a file's first measure, the oldest first."""
        samples = self._samples.get(source)
        return [] if samples is None else list(samples.recent)[-points:]

    def _take(self, key: str, look: "Look", now: float) -> None:
        samples = self._samples.get(key)
        if samples is None or look.again:
            samples = self._samples[key] = Samples()
            self._overlaid.pop(key, None)
        samples.take(look.rows, now)

    def _forget(self, keys: set[str]) -> None:
        for key in self._samples.keys() - keys:
            del self._samples[key]
            self._overlaid.pop(key, None)

    async def _wait(self, began: float, *, watched: bool) -> None:
        """Until the next round is due; sooner when somebody begins to listen."""
        while True:
            now_watched = self._watched()
            seconds = WATCHED_SECONDS if now_watched else UNWATCHED_SECONDS
            left = began + seconds - self._clock.monotonic()
            if left <= 0 or (now_watched and not watched):
                return
            await self._clock.sleep(min(left, WATCHED_SECONDS))

    def _latest(self) -> "LatestRows":
        if self._rows is None:
            from sensor_tui.storage.latest import LatestRows

            self._rows = LatestRows()
        return self._rows

    async def _in_thread(self, job: Callable[[], T]) -> T:
        if self._threads is None:
            from sensor_tui.storage.query_threads import FileThreads

            self._threads = FileThreads(self._clock, threads=1, name="sensor-samples")
        return await self._threads.run(job)


def _look_at(rows: "LatestRows", keys: Iterable[str], now: float) -> tuple[list[tuple[str, "Look"]], float]:
    """Looks at some files, and the processor seconds they took."""
    began = time.thread_time()
    looks = [(key, look) for key in keys if (look := rows.look(key, now)) is not None]
    return looks, time.thread_time() - began


def rate_of(times: Sequence[float] | deque[float]) -> float | None:
    """Readings a second by their event times, the newest last; None where they do not tell."""
    if len(times) < 2:  # noqa: PLR2004 - two times make one gap
        return None
    newest, first = times[-1], times[0]
    count = len(times)
    if not newest - LATELY_SECONDS <= first <= newest:
        lately = [time for time in times if newest - LATELY_SECONDS <= time <= newest]
        first, count = (lately[0], len(lately)) if len(lately) > 1 else (times[-2], 2)
    span = newest - first
    return _rounded((count - 1) / span) if span > 0 else None


def cadence_of(times: Sequence[float] | deque[float]) -> float | None:
    """Seconds usually between two readings: the median, which one gap does not move."""
    gaps = [after - before for before, after in pairwise(times) if after > before]
    return _rounded(statistics.median(gaps)) if gaps else None


def _rounded(value: float) -> float:
    """Two digits: what only trembles does not change."""
    return float(f"{value:.2g}")


def _time_of(raw: Any) -> float | None:
    try:
        return epoch_of(raw)
    except UnusableReading:
        return None

"""The status board of a service: snapshots, and a stream of what changed, numbered without gaps.

Nothing is computed while nobody looks, and only what changed is put together anew. Deltas are encoded
once for all who listen; who falls behind what is kept gets a snapshot instead, so that a slow reader
costs no memory.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import orjson

from sensor_tui.model.clock import Clock
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.merge import Sensor, age, iso, key_of, merge, sensor_report, sums
from sensor_tui.service.wire import PROTOCOL, Delta, EngineReport, Goodbye, Heartbeat, StatusReport

HEARTBEAT_SECONDS: Final = 15.0
TICK_SECONDS: Final = 1.0
_KEPT: Final = 120


@dataclass(frozen=True, slots=True)
class View:
    """One look at the engine, the files, and the number of all dead letters."""

    engine: EngineReport
    feeds: Sequence[FeedStatus]
    dead_letters: int | None


class Board:
    """Compares one look with the next; `look` says how engine and files stand now."""

    def __init__(self, look: Callable[[], View], *, clock: Clock) -> None:
        self.instance = uuid4().hex
        self.sequence = 0
        self._look = look
        self._clock = clock
        self._engine: EngineReport | None = None
        self._dead_letters: int | None = None
        self._feeds: dict[str, FeedStatus] = {}
        self._members: dict[str, set[str]] = {}
        """Files of each sensor, by its key."""
        self._sensors: dict[str, Sensor] = {}
        self._encoded: dict[str, bytes] = {}
        """JSON of each sensor but for its ages, made when first asked for."""
        self._kept: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._listeners: set[asyncio.Event] = set()
        self._closed = False

    def status(self) -> StatusReport:
        """Everything, now."""
        head = self.head()
        now = self._clock.now()
        sensors = tuple(sensor_report(sensor, now) for sensor in self._sensors.values())
        return head.model_copy(update={"sensors": sensors})

    def head(self) -> StatusReport:
        """The whole, now, without the single sensors."""
        self.refresh()
        assert self._engine is not None
        now = self._clock.now()
        total = sums(self._sensors)
        return StatusReport(
            instance=self.instance,
            sequence=self.sequence,
            at=iso(now) or "",
            backlog=total.backlog,
            lag_seconds=age(total.oldest_open, now),
            dead_letters=self._dead_letters,
            engine=self._engine,
            sensors=(),
        )

    def status_json(self) -> bytes:
        """`status` as JSON, put together from what was encoded before."""
        head = self.head().model_dump_json(exclude={"sensors"}).encode()
        now = self._clock.now()
        sensors = b",".join(self._sensor_json(key, sensor, now) for key, sensor in self._sensors.items())
        return b'%b,"sensors":[%b]}' % (head[:-1], sensors)

    def metrics(self, render: Callable[[StatusReport, Iterable[Sensor], float], bytes]) -> bytes:
        """Everything, now, as `render` writes it: given the whole, the sensors, and the time."""
        return render(self.head(), self._sensors.values(), self._clock.now())

    def refresh(self) -> None:
        """Look, and tell everybody who listens what changed."""
        view = self._look()
        touched = self._touched(view.feeds)
        engine = view.engine if view.engine != self._engine else None
        if engine is None and not touched and view.dead_letters == self._dead_letters:
            return
        first = self._engine is None
        self._engine, self._dead_letters = view.engine, view.dead_letters
        changed: list[Sensor] = []
        gone: list[str] = []
        for key in touched:
            self._encoded.pop(key, None)
            members = self._members.get(key)
            if members is None:
                self._sensors.pop(key, None)
                gone.append(key)
            else:
                sensor = merge(self._feeds[source] for source in sorted(members))[key]
                self._sensors[key] = sensor
                changed.append(sensor)
        self.sequence += 1
        if not first:
            self._kept.append((self.sequence, _line(self._delta(engine, changed, gone))))
            for listener in self._listeners:
                listener.set()

    async def watch(self) -> None:
        """Look once a second while somebody listens; until cancelled."""
        while True:
            await self._clock.sleep(TICK_SECONDS)
            if self._listeners:
                self.refresh()

    async def events(self, *, since: int | None = None, instance: str | None = None) -> AsyncIterator[bytes]:
        """Lines of JSON: a snapshot, or what came after `since` where that is known; then every change."""
        woken = asyncio.Event()
        self._listeners.add(woken)
        try:
            self.refresh()
            position = since if since is not None and instance == self.instance else None
            while True:
                woken.clear()
                for sequence, line in self._after(position):
                    position = sequence
                    yield line
                if self._closed:
                    yield _line(Goodbye(sequence=self.sequence))
                    return
                if not woken.is_set() and not await self._woken(woken):
                    now = iso(self._clock.now()) or ""
                    yield _line(Heartbeat(sequence=self.sequence, at=now))
        finally:
            self._listeners.discard(woken)

    def close(self) -> None:
        """Send what is left, and say goodbye to everybody who listens."""
        self.refresh()
        self._closed = True
        for listener in self._listeners:
            listener.set()

    def _touched(self, feeds: Sequence[FeedStatus]) -> dict[str, None]:
        """Take in the files as they are now; the keys of the sensors this changes, in order."""
        touched: dict[str, None] = {}
        for feed in feeds:
            known = self._feeds.get(feed.source)
            if known == feed:
                continue
            key = key_of(feed)
            if known is not None and (before := key_of(known)) != key:
                self._leave(before, feed.source)
                touched[before] = None
            self._feeds[feed.source] = feed
            self._members.setdefault(key, set()).add(feed.source)
            touched[key] = None
        if len(self._feeds) > len(feeds):
            for source in self._feeds.keys() - {feed.source for feed in feeds}:
                key = key_of(self._feeds.pop(source))
                self._leave(key, source)
                touched[key] = None
        return touched

    def _leave(self, key: str, source: str) -> None:
        members = self._members[key]
        members.discard(source)
        if not members:
            del self._members[key]

    def _sensor_json(self, key: str, sensor: Sensor, now: float) -> bytes:
        encoded = self._encoded.get(key)
        if encoded is None:
            report = sensor_report(sensor, now)
            text = report.model_dump_json(exclude={"lag_seconds", "freshness_seconds"})
            encoded = self._encoded[key] = text.encode()[:-1]
        lag, freshness = orjson.dumps(age(sensor.oldest_open, now)), orjson.dumps(age(sensor.newest, now))
        return b'%b,"lag_seconds":%b,"freshness_seconds":%b}' % (encoded, lag, freshness)

    def _delta(self, engine: EngineReport | None, changed: Sequence[Sensor], gone: Sequence[str]) -> Delta:
        now = self._clock.now()
        total = sums(self._sensors)
        return Delta(
            sequence=self.sequence,
            at=iso(now) or "",
            backlog=total.backlog,
            lag_seconds=age(total.oldest_open, now),
            dead_letters=self._dead_letters,
            engine=engine,
            sensors=tuple(sensor_report(sensor, now) for sensor in changed),
            gone=tuple(gone),
        )

    def _after(self, position: int | None) -> list[tuple[int, bytes]]:
        """What follows a position: deltas where all of them are kept, else a snapshot."""
        if position == self.sequence:
            return []
        if position is not None and self._kept and self._kept[0][0] <= position + 1 <= self.sequence:
            return [(sequence, line) for sequence, line in self._kept if sequence > position]
        status = self.status_json()
        head = b'{"kind":"snapshot","protocol":%d,"sequence":%d,"status":' % (PROTOCOL, self.sequence)
        return [(self.sequence, head + status + b"}\n")]

    async def _woken(self, event: asyncio.Event) -> bool:
        """Wait for a change; False when a heartbeat is due first."""
        waking = asyncio.ensure_future(event.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(HEARTBEAT_SECONDS))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            return waking.done()
        finally:
            waking.cancel()
            sleeping.cancel()


def _line(event: Delta | Heartbeat | Goodbye) -> bytes:
    return event.model_dump_json().encode() + b"\n"

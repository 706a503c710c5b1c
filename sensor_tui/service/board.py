"""The status board of a service: snapshots, and a stream of what changed, numbered without gaps.

Nothing is computed while nobody looks, and only what changed is put together anew. What is sent is encoded
once for all who listen; who falls behind what is kept gets a snapshot instead, so that a slow reader
costs no memory.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

import orjson

from sensor_tui.model.clock import Clock
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.fleet_board import FIELDS, FleetBoard, FleetView
from sensor_tui.service.merge import Sensor, age, iso, key_of, merge, sensor_report, sums
from sensor_tui.service.wire import (
    PROTOCOL,
    Delta,
    EngineReport,
    Goodbye,
    Heartbeat,
    PeerReport,
    StatusReport,
)

HEARTBEAT_SECONDS: Final = 15.0
TICK_SECONDS: Final = 1.0
NUDGE_SECONDS: Final = 0.25
"""Least time between two looks at the fleet that somebody asked for."""
_KEPT: Final = 120
_KEPT_BYTES: Final = 4 * 1024 * 1024
_ELSEWHERE: Final = {"sensors", *FIELDS}
"""What is encoded apart from the rest of a status report."""


@dataclass(frozen=True, slots=True)
class View:
    """One look at the engine, the files, and the number of all dead letters."""

    engine: EngineReport
    feeds: Sequence[FeedStatus]
    dead_letters: int | None
    peers: tuple[PeerReport, ...] = ()
    counted: Mapping[str, float | None] = field(default_factory=dict)
    """The newest reading of each file, by its key, when its backlog was counted."""


class Board:
    """Compares one look with the next; `look` says how engine and files stand now."""

    def __init__(self, look: Callable[[], View], *, clock: Clock) -> None:
        self.instance = uuid4().hex
        self.sequence = 0
        self._look = look
        self._clock = clock
        self._engine: EngineReport | None = None
        self._dead_letters: int | None = None
        self._peers: tuple[PeerReport, ...] = ()
        self._feeds: dict[str, FeedStatus] = {}
        self._counted: Mapping[str, float | None] = {}
        self._members: dict[str, set[str]] = {}
        """Files of each sensor, by its key."""
        self._sensors: dict[str, Sensor] = {}
        self._encoded: dict[str, bytes] = {}
        """JSON of each sensor but for its ages, made when first asked for."""
        self._fleet = FleetBoard()
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._listeners: set[asyncio.Event] = set()
        self._nudged = asyncio.Event()
        self._closed = False

    @property
    def watched(self) -> bool:
        """Whether somebody listens to events."""
        return bool(self._listeners)

    def show_fleet(self, look: Callable[[], FleetView]) -> None:
        """Show units as well; to be called before anybody asks."""
        self._fleet = FleetBoard(look)

    def nudge(self) -> None:
        """Something has changed in the fleet: do not wait for the next second to look at it."""
        self._nudged.set()

    def status(self) -> StatusReport:
        """Everything, now."""
        head = self.head()
        now = self._clock.now()
        sensors = tuple(sensor_report(sensor, now) for sensor in self._sensors.values())
        return head.model_copy(update={"sensors": sensors, **self._fleet.values()})

    def head(self) -> StatusReport:
        """The whole, now, without single sensors and units."""
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
            peers=self._peers,
        )

    def status_json(self) -> bytes:
        """`status` as JSON, put together from what was encoded before."""
        head = self.head().model_dump_json(exclude=_ELSEWHERE).encode()
        return b'%b,"sensors":%b%b}' % (
            head[:-1],
            self._sensors_json(self._sensors),
            self._fleet.everything(),
        )

    def metrics(self, render: Callable[[StatusReport, Iterable[Sensor], float], bytes]) -> bytes:
        """Everything, now, as `render` writes it: given the whole, the sensors, and the time."""
        return render(self.head(), self._sensors.values(), self._clock.now())

    def refresh(self) -> None:
        """Look, and tell everybody who listens what changed."""
        view = self._look()
        touched = self._touched(view.feeds, view.counted)
        engine = view.engine if view.engine != self._engine else None
        peers = view.peers if view.peers != self._peers else None
        fleet = self._fleet.refresh()
        same = engine is None and peers is None and view.dead_letters == self._dead_letters
        if same and not touched and not fleet:
            return
        first = self._engine is None
        self._engine, self._dead_letters, self._peers = view.engine, view.dead_letters, view.peers
        changed: list[str] = []
        gone: list[str] = []
        for key in touched:
            self._encoded.pop(key, None)
            members = self._members.get(key)
            if members is None:
                self._sensors.pop(key, None)
                gone.append(key)
            else:
                self._sensors[key] = merge(
                    (self._feeds[source] for source in sorted(members)), self._counted
                )[key]
                changed.append(key)
        self._tell(engine, changed, gone, fleet, peers=peers, first=first)

    def refresh_fleet(self) -> None:
        """Look at the fleet alone, and tell everybody who listens what changed."""
        if self._engine is None:
            self.refresh()
        elif fleet := self._fleet.refresh():
            self._tell(None, (), (), fleet)

    async def watch(self) -> None:
        """Look once a second while somebody listens, at the fleet sooner where asked to; until cancelled."""
        while True:
            due = self._clock.monotonic() + TICK_SECONDS
            while (left := due - self._clock.monotonic()) > NUDGE_SECONDS and await self._woken(
                self._nudged, left
            ):
                self._nudged.clear()
                if self._listeners:
                    self.refresh_fleet()
                await self._clock.sleep(NUDGE_SECONDS)
            await self._clock.sleep(due - self._clock.monotonic())
            self._nudged.clear()
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
                if not woken.is_set() and not await self._woken(woken, HEARTBEAT_SECONDS):
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

    def _touched(self, feeds: Sequence[FeedStatus], counted: Mapping[str, float | None]) -> dict[str, None]:
        """Take in the files as they are now; the keys of the sensors this changes, in order."""
        touched: dict[str, None] = {}
        before_counted, self._counted = self._counted, counted
        for feed in feeds:
            known = self._feeds.get(feed.source)
            if known == feed and before_counted.get(feed.source) == counted.get(feed.source):
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

    def _sensors_json(self, keys: Iterable[str]) -> bytes:
        now = self._clock.now()
        return b"[%b]" % b",".join(self._sensor_json(key, self._sensors[key], now) for key in keys)

    def _tell(
        self,
        engine: EngineReport | None,
        changed: Sequence[str],
        gone: Sequence[str],
        fleet: bytes,
        *,
        peers: tuple[PeerReport, ...] | None = None,
        first: bool = False,
    ) -> None:
        """Number what changed, and keep it for those who listen; the first look changes nothing."""
        self.sequence += 1
        if first:
            return
        now = self._clock.now()
        total = sums(self._sensors)
        delta = Delta(
            sequence=self.sequence,
            at=iso(now) or "",
            backlog=total.backlog,
            lag_seconds=age(total.oldest_open, now),
            dead_letters=self._dead_letters,
            engine=engine,
            gone=tuple(gone),
            peers=peers,
        )
        head = delta.model_dump_json(exclude={*_ELSEWHERE, "units_gone"}).encode()
        line = b'%b,"sensors":%b%b}\n' % (head[:-1], self._sensors_json(changed), fleet)
        self._kept.append((self.sequence, line))
        self._kept_bytes += len(line)
        while len(self._kept) > 1 and (len(self._kept) > _KEPT or self._kept_bytes > _KEPT_BYTES):
            self._kept_bytes -= len(self._kept.popleft()[1])
        for listener in self._listeners:
            listener.set()

    def _after(self, position: int | None) -> list[tuple[int, bytes]]:
        """What follows a position: deltas where all of them are kept, else a snapshot."""
        if position == self.sequence:
            return []
        if position is not None and self._kept and self._kept[0][0] <= position + 1 <= self.sequence:
            return [(sequence, line) for sequence, line in self._kept if sequence > position]
        status = self.status_json()
        head = b'{"kind":"snapshot","protocol":%d,"sequence":%d,"status":' % (PROTOCOL, self.sequence)
        return [(self.sequence, head + status + b"}\n")]

    async def _woken(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for an event; False when that much time passes first."""
        waking = asyncio.ensure_future(event.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            return waking.done()
        finally:
            waking.cancel()
            sleeping.cancel()


def _line(event: Heartbeat | Goodbye) -> bytes:
    return event.model_dump_json().encode() + b"\n"

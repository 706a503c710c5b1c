"""One lane of a sink: documents that wait for it, and how they are cut into requests."""

from collections import deque
from collections.abc import Iterable

from sensor_tui.model.progress import LaneProgress
from sensor_tui.sync.contract import Limits, Parcel
from sensor_tui.sync.pacing import Congestion, full_jitter


class Lane:
    """Queue and pacing of one partition key range."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name = name
        self.congestion = Congestion(limits.documents, limits.concurrency)
        self.queued = 0
        self.in_flight = 0
        self.requests = 0
        self.blocked_until = 0.0
        self.failures = 0
        """Times in a row that it rested because requests came to nothing."""
        self.accepted = 0
        self.throttled = 0
        self.request_units = 0.0
        self._limits = limits
        self._parcels: deque[Parcel] = deque()

    def put(self, parcel: Parcel) -> None:
        """Queue new documents."""
        self._parcels.append(parcel)
        self.queued += len(parcel.bodies)

    def put_back(self, parcels: Iterable[Parcel]) -> None:
        """Queue documents that were sent and have to go again, before the new ones."""
        for parcel in reversed(list(parcels)):
            self._parcels.appendleft(parcel)
            self.queued += len(parcel.bodies)

    def empty(self) -> list[Parcel]:
        """Take everything out of the queue."""
        parcels = list(self._parcels)
        self._parcels.clear()
        self.queued = 0
        return parcels

    def fail(self, sent_at: float, now: float, delay: float) -> None:
        """A request sent at `sent_at` came to nothing as a whole: rest, longer each time."""
        if sent_at >= self.blocked_until:
            self.failures += 1
            self.blocked_until = now + max(delay, full_jitter(self.failures))
        self.congestion.lost(sent_at, now)

    @property
    def has_room(self) -> bool:
        """Whether another request may be under way."""
        return self.in_flight < self.congestion.documents

    def take(self, most: int) -> list[Parcel]:
        """Documents for one request: at most `most`, within the sink's limits of count and size.

        A single document larger than the size limit travels alone.
        """
        most = min(most, self._limits.documents)
        taken: list[Parcel] = []
        count = size = 0
        while self._parcels and count < most:
            parcel = self._parcels[0]
            if count + len(parcel.bodies) <= most and size + parcel.size <= self._limits.size:
                self._parcels.popleft()
            else:
                parcel = self._split_front(most - count, self._limits.size - size, alone=count == 0)
                if not parcel.bodies:
                    break
            taken.append(parcel)
            count += len(parcel.bodies)
            size += parcel.size
            if size >= self._limits.size:
                break
        self.queued -= count
        return taken

    def _split_front(self, most: int, room: int, *, alone: bool) -> Parcel:
        parcel = self._parcels[0]
        each = len(parcel.route.prefix) + self._limits.overhead
        count = size = 0
        for body in parcel.bodies[:most]:
            if size + len(body) + each > room:
                break
            size += len(body) + each
            count += 1
        if count == 0 and alone:
            count, size = 1, len(parcel.bodies[0]) + each
        if count == len(parcel.bodies):
            return self._parcels.popleft()
        head, tail = split(parcel, count, size)
        if head.bodies:
            self._parcels[0] = tail
        return head

    def progress(self, sink: str, now: float) -> LaneProgress:
        """A snapshot; `now` in monotonic seconds."""
        return LaneProgress(
            sink=sink,
            lane=self.name,
            queued=self.queued,
            in_flight=self.in_flight,
            concurrency=self.congestion.concurrency,
            batch_size=self.congestion.batch_size,
            throttled=self.throttled,
            accepted=self.accepted,
            request_units=self.request_units,
            latency_ms=self.congestion.latency * 1000.0,
            blocked_for=max(0.0, self.blocked_until - now),
        )


def split(parcel: Parcel, count: int, size: int) -> tuple[Parcel, Parcel]:
    """A parcel cut after `count` documents, which weigh `size` bytes together."""
    head = Parcel(
        parcel.route, parcel.indexes[:count], parcel.bodies[:count], size, parcel.owner, parcel.attempts
    )
    tail = Parcel(
        parcel.route,
        parcel.indexes[count:],
        parcel.bodies[count:],
        parcel.size - size,
        parcel.owner,
        parcel.attempts,
    )
    return head, tail


def select(parcel: Parcel, positions: list[int], overhead: int) -> Parcel:
    """The documents of a parcel at these positions, as a parcel of their own with one attempt more."""
    bodies = [parcel.bodies[position] for position in positions]
    size = sum(map(len, bodies)) + len(bodies) * (len(parcel.route.prefix) + overhead)
    return Parcel(
        parcel.route,
        [parcel.indexes[position] for position in positions],
        bodies,
        size,
        parcel.owner,
        parcel.attempts + 1,
    )

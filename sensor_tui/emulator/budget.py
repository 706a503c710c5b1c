"""Request units: what an operation costs, what a range may spend in a second, and what was spent.

The price list follows the service's published rules of thumb: reading 1 KB by id costs 1, creating about 5
for a small document and more with its size, replacing twice that, and a query by what it loads and returns.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sensor_tui.emulator.catalog import Container, Range
from sensor_tui.model.clock import Clock

KB = 1024
CREATE = 5.33
CREATE_PER_KB = 1.9
REPLACE_FACTOR = 1.95
CONFLICT = 1.24
MISS = 1.0
METADATA = 1.0
QUERY_BASE = 2.3
QUERY_PER_SCANNED = 0.03
QUERY_PER_KB = 0.4

KEPT_SECONDS = 3600


def create_charge(size: int) -> float:
    """RU to create a document of `size` bytes: 5.33 up to 1 KB, 1.9 for each started KB more."""
    return CREATE if size <= KB else round(CREATE + CREATE_PER_KB * (math.ceil(size / KB) - 1), 2)


def replace_charge(size: int) -> float:
    """RU to replace a document of `size` bytes: 1.95 creates."""
    return round(create_charge(size) * REPLACE_FACTOR, 2)


def read_charge(size: int) -> float:
    """RU to read a document of `size` bytes by id and key: 1 for each started KB."""
    return float(max(1, math.ceil(size / KB)))


def query_charge(scanned: int, returned_bytes: int) -> float:
    """RU of one page of a query: 2.3, 0.03 for each document looked at, 0.4 for each KB returned."""
    return round(QUERY_BASE + QUERY_PER_SCANNED * scanned + QUERY_PER_KB * returned_bytes / KB, 2)


@dataclass(slots=True)
class Second:
    """What one range did in one second."""

    requests: int = 0
    ops: int = 0
    accepted: int = 0
    throttled: int = 0
    request_units: float = 0.0

    def add(self, other: "Second") -> None:
        """Count another second into this one."""
        self.requests += other.requests
        self.ops += other.ops
        self.accepted += other.accepted
        self.throttled += other.throttled
        self.request_units += other.request_units


class Meter:
    """The budget of one range. A request belongs to the second of wall time it starts in."""

    __slots__ = ("_clock", "_second", "_seconds", "_used", "_window", "per_second")

    def __init__(self, clock: Clock, per_second: float | None, seconds: dict[int, Second]) -> None:
        self._clock = clock
        self._seconds = seconds
        self.per_second = per_second
        self._window = -1
        self._used = 0.0
        self._second = Second()
        self._turn()

    def _turn(self) -> None:
        """Enter the running second; a debt of the seconds before is carried into it."""
        now = int(self._clock.now())
        if now == self._window:
            return
        if self.per_second is not None:
            self._used = max(0.0, self._used - self.per_second * max(1, now - self._window))
        self._window = now
        self._second = self._seconds.setdefault(now, Second())
        if len(self._seconds) > KEPT_SECONDS:
            del self._seconds[min(self._seconds)]

    def limit(self, per_second: float | None) -> None:
        """Change the budget; what was rightly spent under the old one is no debt under the new."""
        if per_second is not None:
            self._used = 0.0 if self.per_second is None else min(self._used, per_second)
        self.per_second = per_second

    def request(self) -> None:
        """Count one HTTP request, the operations of which follow."""
        self._turn()
        self._second.requests += 1

    def admit(self, charge: float) -> bool:
        """Spend `charge` if this second's budget holds it; an untouched second admits any one operation."""
        second = self._second
        second.ops += 1
        used = self._used
        if self.per_second is not None and used > 0 and used + charge > self.per_second:
            second.throttled += 1
            return False
        self._used = used + charge
        second.accepted += 1
        second.request_units += charge
        return True

    def spend(self, charge: float) -> bool:
        """Spend `charge` even beyond the budget, for what is priced once done; the next seconds pay."""
        self._second.ops += 1
        self._second.accepted += 1
        self._second.request_units += charge
        self._used += charge
        return True

    def refund(self, charge: float) -> None:
        """Give back what an admitted operation did not need."""
        self._used = max(0.0, self._used - charge)
        self._second.request_units -= charge

    def refuse(self) -> None:
        """Count an operation turned away without looking at it."""
        self._second.ops += 1
        self._second.throttled += 1

    def exhausted(self) -> bool:
        """Whether nothing is left of this second's budget."""
        self._turn()
        return self.per_second is not None and self._used >= self.per_second

    def retry_after_ms(self) -> int:
        """Milliseconds until the budget is positive again."""
        now = self._clock.now()
        wait = max(0.0, self._window + 1 - now)
        if self.per_second is not None:
            wait += max(0, int(self._used // self.per_second) - 1)
        return max(1, math.ceil(wait * 1000))


@dataclass(slots=True)
class Budgets:
    """Every range's meter: a container's budget is split evenly, unless a range has its own."""

    clock: Clock
    per_container: float | None = None
    seconds: dict[tuple[int, str], dict[int, Second]] = field(
        default_factory=lambda: defaultdict(dict),
    )
    _meters: dict[tuple[int, str], Meter] = field(default_factory=dict)
    _containers: dict[int, float | None] = field(default_factory=dict)
    _own: dict[tuple[int, str], float | None] = field(default_factory=dict)

    def meter(self, container: Container, one: Range) -> Meter:
        """The meter of a live range."""
        key = (container.number, one.id)
        meter = self._meters.get(key)
        if meter is None:
            meter = self._meters[key] = Meter(self.clock, self._share(container, one), self.seconds[key])
        return meter

    def _share(self, container: Container, one: Range) -> float | None:
        key = (container.number, one.id)
        if key in self._own:
            return self._own[key]
        total = self._containers.get(container.number, self.per_container)
        return None if total is None else total / len(container.ranges)

    def set(self, containers: Iterable[Container], range_id: str | None, per_second: float | None) -> int:
        """Change budgets while running: of one range, or of whole containers; how many ranges changed."""
        changed = 0
        for container in containers:
            if range_id is None:
                self._containers[container.number] = per_second
                for one in container.ranges:
                    self._own.pop((container.number, one.id), None)
            elif container.range_by_id(range_id) is not None:
                self._own[container.number, range_id] = per_second
            else:
                continue
            self.renew(container)
            changed += len(container.ranges) if range_id is None else 1
        return changed

    def renew(self, container: Container) -> None:
        """Apply the shares again, after a change of budget or ranges."""
        for one in container.ranges:
            self.meter(container, one).limit(self._share(container, one))

    def split(self, container: Container, parent: Range, children: Iterable[Range]) -> None:
        """Ranges changed: the children of a range with a budget of its own get half of it each."""
        key = (container.number, parent.id)
        if key in self._own:
            own = self._own.pop(key)
            for child in children:
                self._own[container.number, child.id] = None if own is None else own / 2
        self._meters.pop(key, None)
        self.renew(container)

    def forget(self, container: Container) -> None:
        """A container is gone; what it did stays in the statistics."""
        self._containers.pop(container.number, None)
        for key in [key for key in self._meters if key[0] == container.number]:
            del self._meters[key]
            self._own.pop(key, None)

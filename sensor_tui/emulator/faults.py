"""Scripted faults: what goes wrong, for which request, how often; counted, so that a test can tell."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypedDict, Unpack

from sensor_tui.emulator.answers import SUBSTATUS_MIGRATING

Action = Literal["answer", "throttle", "split", "reset", "truncate", "delay", "hold"]
When = Literal["before", "after"]


class Match(TypedDict, total=False):
    """Which requests a rule is for; see `Fault`."""

    kind: str | None
    range_id: str | None
    nth: int
    times: int | None


@dataclass(slots=True, eq=False)
class Fault:
    """One rule of the script, and how often it struck.

    It matches requests of `kind` (None: any; `server.Dispatcher` lists the kinds) to `range_id` (None: any),
    lets `nth - 1` of them pass and then strikes `times` times (None: for ever).

    Actions: `answer` (this status, nothing is done), `throttle` (429; with `operations` only those positions
    of a bulk request, the others are done), `split` (the range splits, the request gets 410/1002), `reset`
    (the connection breaks, `before` anything is done or `after` it was committed), `truncate` (done, then
    half an answer), `delay` (seconds, then as usual), `hold` (waits for `release`, `before` or `after` the
    commit).
    """

    action: Action
    kind: str | None = None
    range_id: str | None = None
    nth: int = 1
    times: int | None = 1
    status: int = 503
    substatus: int = 0
    retry_after_ms: int | None = None
    operations: Collection[int] | None = None
    seconds: float = 0.0
    when: When = "before"
    number: int = 0
    seen: int = 0
    hits: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    release: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def spent(self) -> bool:
        """Whether it will never strike again."""
        return self.times is not None and self.hits >= self.times

    def strikes(self, kind: str, range_id: str | None) -> bool:
        """Count a request, and say whether this rule strikes it."""
        if self.spent or (self.kind is not None and self.kind != kind):
            return False
        if self.range_id is not None and self.range_id != range_id:
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.hits += 1
        self.reached.set()
        return True


class Faults:
    """The script: rules in order; the first that strikes a request is the only one that does."""

    def __init__(self) -> None:
        self._rules: dict[int, Fault] = {}
        self._numbers = 0
        self.closed = False

    def __iter__(self) -> Iterator[Fault]:
        return iter(list(self._rules.values()))

    def add(self, fault: Fault) -> Fault:
        """Put a rule at the end of the script."""
        self._numbers += 1
        fault.number = self._numbers
        self._rules[fault.number] = fault
        return fault

    def get(self, number: int) -> Fault | None:
        """The rule of that number."""
        return self._rules.get(number)

    def clear(self) -> None:
        """Forget every rule; whoever is held goes on."""
        for fault in self._rules.values():
            fault.release.set()
        self._rules.clear()

    def close(self) -> None:
        """The endpoint stops: whoever is held is not answered any more."""
        self.closed = True
        self.clear()

    def find(self, kind: str, range_id: str | None) -> Fault | None:
        """The rule that strikes this request, if any."""
        for fault in self._rules.values():
            if fault.strikes(kind, range_id):
                return fault
        return None

    def answer(
        self, status: int, *, substatus: int = 0, retry_after_ms: int | None = None, **match: Unpack[Match]
    ) -> Fault:
        """The request gets this status; nothing is done."""
        return self.add(
            Fault("answer", status=status, substatus=substatus, retry_after_ms=retry_after_ms, **match)
        )

    def throttle(
        self, *, retry_after_ms: int = 100, operations: Collection[int] | None = None, **match: Unpack[Match]
    ) -> Fault:
        """429 for the request, or in bulk for the operations at those positions only."""
        return self.add(Fault("throttle", retry_after_ms=retry_after_ms, operations=operations, **match))

    def split(self, **match: Unpack[Match]) -> Fault:
        """The addressed range splits in two, and the request gets 410/1002."""
        return self.add(Fault("split", **match))

    def migrating(self, **match: Unpack[Match]) -> Fault:
        """410/1008: the range moves, and keeps its id."""
        return self.answer(410, substatus=SUBSTATUS_MIGRATING, **match)

    def reset(self, when: When = "before", **match: Unpack[Match]) -> Fault:
        """The connection breaks: before anything was done, or after it was committed."""
        return self.add(Fault("reset", when=when, **match))

    def truncate(self, **match: Unpack[Match]) -> Fault:
        """Done and committed, but only half of the answer arrives."""
        return self.add(Fault("truncate", when="after", **match))

    def delay(self, seconds: float, **match: Unpack[Match]) -> Fault:
        """The request waits that long before it is done."""
        return self.add(Fault("delay", seconds=seconds, **match))

    def hold(self, when: When = "before", **match: Unpack[Match]) -> Fault:
        """The request waits for `release`, before it is done or between its commit and its answer."""
        return self.add(Fault("hold", when=when, **match))

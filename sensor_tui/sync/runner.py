"""Runs one sink: opens it, and does what its verdicts ask for."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from orjson import loads

from sensor_tui.errors import SinkError, SinkRefused
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import DeadLetter
from sensor_tui.sync.aggregate import Prepared
from sensor_tui.sync.contract import (
    Answer,
    Judgement,
    Parcel,
    RequestFailed,
    RequestRefused,
    Sink,
    Verdict,
)
from sensor_tui.sync.dispatch import Dispatcher
from sensor_tui.sync.encode import Encoded
from sensor_tui.sync.lane import Lane, select, split
from sensor_tui.sync.pacing import Budget, full_jitter
from sensor_tui.sync.progress import Hindrance, Meter
from sensor_tui.sync.window import Window

log = logging.getLogger(__name__)

REOPEN_SECONDS: Final = 60.0
"""How often a sink that refuses us is asked again."""
_MOVES_BEFORE_BACK_OFF: Final = 2
_OUTAGE_SECONDS: Final = 1.0
"""No answer from any lane for longer is an outage of the whole sink."""

MakeLetter = Callable[[Window, int, str, int, str, bytes], DeadLetter]
"""Makes a dead letter: window, position in it, sink, code, reason, document."""


class SinkRunner:
    """Verdicts and retries of one sink. `on_done` is told of every window that has become settled."""

    def __init__(
        self,
        sink: Sink,
        *,
        clock: Clock,
        meter: Meter,
        budget: Budget,
        on_done: Callable[[Window], None],
        letter: MakeLetter,
    ) -> None:
        self.sink = sink
        self.ready = asyncio.Event()
        """Set once the sink has been opened; routes can be asked for from then on."""
        self.failure: SinkError | None = None
        """Why nothing is being sent; None while the sink takes readings."""
        self.unreachable_since: float | None = None
        self.unreachable_reason = ""
        self.hindrance = Hindrance(clock)
        self.owing = 0
        """Documents that were given to it, and that it has neither taken nor rejected."""
        self.dispatcher = Dispatcher(sink.name, sink.limits, clock=clock, budget=budget, send=self._attempt)
        self._budget = budget
        self._clock = clock
        self._meter = meter
        self._on_done = on_done
        self._letter = letter
        self._reopening: asyncio.Task[None] | None = None
        self._early: list[tuple[Window, Encoded]] = []
        """What was given to it before it was opened, and routes could be asked for."""

    @property
    def trouble(self) -> str:
        """Why it takes nothing now, or not all of it; empty while it does."""
        if self.failure is not None:
            return str(self.failure)
        return self.hindrance.trouble if self.unreachable_since is None else self.unreachable_reason

    @property
    def away(self) -> bool:
        """Whether it takes nothing at all now."""
        return self.failure is not None or self.unreachable_since is not None

    async def open(self) -> Sequence[str]:
        """Open the sink once; lines worth telling.

        Raises:
            SinkError: it cannot be used; `keep_opening` goes on trying.
        """
        try:
            notices = await self.sink.open()
        except SinkError as error:
            self.failure = error
            raise
        self.failure = None
        self.unreachable_since = None
        self.ready.set()
        early, self._early = self._early, []
        for window, encoded in early:
            self._route(window, encoded)
        self.dispatcher.open = True
        self.dispatcher.pump_all()
        return notices

    def keep_opening(self) -> None:
        """Try to open again in the background until it works."""
        if self._reopening is None or self._reopening.done():
            self._reopening = self.dispatcher.spawn(self._reopen())

    async def close(self) -> None:
        """End what is under way and close the sink; unsettled readings stay open in the source."""
        await self.dispatcher.cancel()
        await self.sink.close()

    def dispatch(self, window: Window, encoded: Encoded) -> None:
        """Queue a window's documents on their lanes; before the sink was opened, keep them until then."""
        self.owing += len(encoded.bodies) - encoded.bodies.count(None)
        if self.ready.is_set():
            self._route(window, encoded)
        else:
            self._early.append((window, encoded))

    def _route(self, window: Window, encoded: Encoded) -> None:
        bodies = encoded.bodies
        if encoded.one_key:
            self._enqueue(window, encoded.keys[0], range(len(bodies)), bodies)  # type: ignore[arg-type]
            return
        groups: dict[tuple[type, object], tuple[list[int], list[bytes]]] = {}
        for index, body in enumerate(bodies):
            if body is not None:
                key = encoded.keys[index]
                # the type keeps True, 1 and 1.0 apart, which are equal and go different ways
                indexes, group = groups.setdefault((type(key), key), ([], []))
                indexes.append(index)
                group.append(body)
        for (_, key), (indexes, group) in groups.items():
            self._enqueue(window, key, indexes, group)

    def _enqueue(self, window: Window, key: object, indexes: Sequence[int], bodies: list[bytes]) -> None:
        route = self.sink.route(key)
        each = len(route.prefix) + self.sink.limits.overhead
        size = sum(map(len, bodies)) + len(bodies) * each
        self.dispatcher.put(Parcel(route, indexes, bodies, size, window))

    async def _attempt(self, lane: Lane, parcels: list[Parcel], expected: float, limited: bool) -> None:
        """One request and what came of it."""
        sent_at = self._clock.monotonic()
        try:
            self._meter.requests += 1
            answer = await self.sink.send(lane.name, parcels)
        except RequestFailed as error:
            self._budget.correct(expected, error.cost, 0)
            if error.unreachable:
                self._lost(error.judgement.reason)
            self._again(lane, parcels, error.judgement, sent_at)
        except RequestRefused as error:
            self._budget.correct(expected, 0.0, 0)
            await self._halve(lane, parcels, error)
        except SinkRefused as error:
            self._budget.correct(expected, 0.0, 0)
            lane.put_back(parcels)
            self._refused(error)
        except Exception as error:
            # a connector's own mistake must not strand readings: they go again, and the log says why
            log.exception("the %s sink failed on lane %s", self.sink.name, lane.name)
            self._budget.correct(expected, 0.0, 0)
            self._again(lane, parcels, Judgement(Verdict.TRANSIENT, reason=repr(error)), sent_at)
        else:
            self._answered(lane, parcels, answer, expected, sent_at, limited=limited)

    def _answered(
        self,
        lane: Lane,
        parcels: list[Parcel],
        answer: Answer,
        expected: float,
        sent_at: float,
        *,
        limited: bool,
    ) -> None:
        now = self._clock.monotonic()
        self._reached(lane, now)
        count = sum(len(parcel.bodies) for parcel in parcels)
        exceptions = answer.exceptions or {}
        accepted = count - len(exceptions)
        # what was there before costs a fraction, and says nothing of what the next new reading costs
        self._budget.correct(expected, answer.cost, 0 if answer.already_there else accepted)
        lane.accepted += accepted
        lane.request_units += answer.cost
        meter = self._meter
        meter.accepted += accepted
        meter.already_there += answer.already_there
        meter.request_units += answer.cost
        meter.bytes_sent += answer.bytes_sent
        if not exceptions:
            lane.congestion.succeeded(count, now - sent_at, limited=limited)
            for parcel in parcels:
                self._accept(parcel.owner, parcel.indexes)
            return
        first = 0
        for parcel in parcels:
            after = first + len(parcel.bodies)
            self._sort_out(lane, parcel, first, exceptions, sent_at)
            first = after

    def _sort_out(
        self, lane: Lane, parcel: Parcel, first: int, exceptions: Mapping[int, Judgement], sent_at: float
    ) -> None:
        """A parcel of which some readings were not accepted."""
        fine: list[int] = []
        again: dict[Verdict, list[int]] = {}
        asked: dict[Verdict, Judgement] = {}
        for position, index in enumerate(parcel.indexes):
            judgement = exceptions.get(first + position)
            if judgement is None:
                fine.append(index)
            elif judgement.verdict is Verdict.REJECTED:
                self._reject(parcel, position, judgement.code, judgement.reason)
            else:
                again.setdefault(judgement.verdict, []).append(position)
                known = asked.get(judgement.verdict)
                if known is None or judgement.delay > known.delay:
                    asked[judgement.verdict] = judgement
        if fine:
            self._accept(parcel.owner, fine)
        for verdict, positions in again.items():
            part = select(parcel, positions, self.sink.limits.overhead)
            self._again(lane, [part], asked[verdict], sent_at, counted=True)

    def _again(
        self,
        lane: Lane,
        parcels: list[Parcel],
        judgement: Judgement,
        sent_at: float,
        *,
        counted: bool = False,
    ) -> None:
        """Send these again, as the judgement asks."""
        if not counted:
            for parcel in parcels:
                parcel.attempts += 1
        count = sum(len(parcel.bodies) for parcel in parcels)
        self._meter.retried += count
        now = self._clock.monotonic()
        if judgement.verdict is Verdict.THROTTLED:
            self.hindrance.throttled(judgement.delay)
            self._meter.throttled += count
            lane.throttled += count
            lane.congestion.throttled(sent_at, now)
            lane.blocked_until = max(lane.blocked_until, now + judgement.delay)
            self.dispatcher.put_back(lane, parcels)
            return
        if self.hindrance.again((parcel.owner for parcel in parcels), judgement.reason):
            log.info("%s lane %s: %s; trying again", self.sink.name, lane.name, judgement.reason)
        if judgement.verdict is Verdict.MOVED:
            self.dispatcher.spawn(self._reroute(lane, parcels))
        elif not counted:
            lane.fail(sent_at, now, judgement.delay)
            self.dispatcher.put_back(lane, parcels)
        else:
            delay = max(judgement.delay, full_jitter(max(parcel.attempts for parcel in parcels)))
            self.dispatcher.spawn(self._put_back_later(parcels, delay))

    async def _put_back_later(self, parcels: list[Parcel], delay: float) -> None:
        await self._clock.sleep(delay)
        self.dispatcher.route_anew(parcels, self.sink.route)

    async def _reroute(self, lane: Lane, parcels: list[Parcel]) -> None:
        attempts = max(parcel.attempts for parcel in parcels)
        if attempts > _MOVES_BEFORE_BACK_OFF:
            await self._clock.sleep(full_jitter(attempts - _MOVES_BEFORE_BACK_OFF))
        try:
            await self.sink.reroute()
        except RequestFailed as error:
            if error.unreachable:
                self._lost(error.judgement.reason)
            await self._put_back_later(parcels, full_jitter(attempts))
        except SinkError as error:
            lane.put_back(parcels)
            self._refused(error)
        else:
            self.dispatcher.route_anew(parcels + lane.empty(), self.sink.route)

    async def _halve(self, lane: Lane, parcels: list[Parcel], error: RequestRefused) -> None:
        """Find the bad reading: send the halves apart, until one is refused alone."""
        self.unreachable_since = None
        count = sum(len(parcel.bodies) for parcel in parcels)
        if count == 1:
            self._reject(parcels[0], 0, error.code, error.reason)
            return
        self._meter.retried += count
        for half in _halves(parcels, count // 2, self.sink.limits.overhead):
            size = sum(len(parcel.bodies) for parcel in half)
            expected = self._budget.charge(size, self._clock.monotonic())
            await self._attempt(lane, half, expected, limited=False)

    def _accept(self, window: Window, indexes: Sequence[int]) -> None:
        self.owing -= len(indexes)
        self._meter.covered += _readings(window, indexes)
        self.hindrance.moved(window)
        window.accept(self.sink.name, indexes)
        if window.remaining == 0:
            self._on_done(window)

    def _reject(self, parcel: Parcel, position: int, code: int, reason: str) -> None:
        window: Window = parcel.owner
        index = parcel.indexes[position]
        self.owing -= 1
        self._meter.rejected += 1
        self.hindrance.moved(window)
        letter = self._letter(window, index, self.sink.name, code, reason, parcel.bodies[position])
        window.reject(self.sink.name, index, letter)
        if window.remaining == 0:
            self._on_done(window)

    def _reached(self, lane: Lane, now: float) -> None:
        """There was an answer. After an outage of the whole sink, no lane has to rest any longer."""
        lane.failures = 0
        silent = 0.0 if self.unreachable_since is None else now - self.unreachable_since
        self.unreachable_since = None
        if silent > _OUTAGE_SECONDS:
            for other in self.dispatcher.lanes.values():
                if other.failures:
                    other.failures = 0
                    other.blocked_until = now
            self.dispatcher.pump_all()

    def _lost(self, reason: str) -> None:
        self.unreachable_reason = reason
        if self.unreachable_since is None:
            self.unreachable_since = self._clock.monotonic()

    def _refused(self, error: SinkError) -> None:
        if self.failure is None:
            log.error("%s; trying again every minute", error)
        self.failure = error
        self.dispatcher.open = False
        self.keep_opening()

    async def _reopen(self) -> None:
        attempt = 0
        while True:
            attempt += 1
            patient = isinstance(self.failure, SinkRefused)
            await self._clock.sleep(REOPEN_SECONDS if patient else 0.5 + full_jitter(attempt))
            try:
                notices = await self.open()
            except SinkError as error:
                log.warning("%s", error)
            else:
                for line in notices:
                    log.info("%s", line)
                log.info("the %s sink takes readings again", self.sink.name)
                return


def _readings(window: Window, indexes: Sequence[int]) -> int:
    """How many readings these documents are made of."""
    batch = window.batch
    if not isinstance(batch, Prepared):
        return len(indexes)
    return sum(loads(batch.documents[index])["count"] for index in indexes)


def _halves(parcels: list[Parcel], count: int, overhead: int) -> tuple[list[Parcel], list[Parcel]]:
    first: list[Parcel] = []
    rest = list(parcels)
    while count:
        parcel = rest.pop(0)
        if len(parcel.bodies) > count:
            each = len(parcel.route.prefix) + overhead
            size = sum(len(body) + each for body in parcel.bodies[:count])
            parcel, tail = split(parcel, count, size)
            rest.insert(0, tail)
        first.append(parcel)
        count -= len(parcel.bodies)
    return first, rest

"""How much may be under way: congestion control per lane, and the request-unit budget over all of them."""

import math
import random
from typing import Final

_START_DOCUMENTS: Final = 100.0
_SHRINK: Final = 0.7
_GROWTH: Final = 0.03
_LEAST_GROWTH: Final = 0.1
_LATENCY_SLACK: Final = 2.0
_LATENCY_FLOOR: Final = 0.01
_BASELINE_DRIFT: Final = 1.01
_UNIT_MEMORY: Final = 0.05
_BURST_SECONDS: Final = 0.02
_SHARE_PER_REQUEST: Final = 0.02
_FIRST_GUESS: Final = 10.0


class Congestion:
    """Additive increase, multiplicative decrease over the documents one lane may have under way.

    Above one request's worth it is concurrency that grows and shrinks, below it is the request's size:
    a lane that is throttled at concurrency one sends smaller requests instead of useless large ones.
    It grows only when it was the limit and latency has not risen to twice its baseline, and shrinks
    once per congestion episode: requests sent before the last decrease say nothing new.
    """

    def __init__(self, documents_per_request: int, concurrency: int) -> None:
        self._per_request = documents_per_request
        self._ceiling = float(documents_per_request * concurrency)
        self._window = min(_START_DOCUMENTS, self._ceiling)
        self._threshold = self._ceiling
        self._last_decrease = -math.inf
        self._baseline = math.inf
        self.latency = 0.0

    @property
    def documents(self) -> int:
        """Documents that may be under way at once."""
        return max(1, int(self._window))

    @property
    def concurrency(self) -> int:
        """Requests that may be under way at once."""
        return max(1, math.ceil(self._window / self._per_request))

    @property
    def batch_size(self) -> int:
        """Documents to put into one request."""
        return max(1, min(self._per_request, int(self._window)))

    def succeeded(self, documents: int, latency: float, *, limited: bool) -> None:
        """A request came back without a throttle; `limited` says the lane had more to send."""
        self.latency += 0.2 * (latency - self.latency) if self.latency else latency
        # the baseline drifts up slowly, so that one lucky answer does not hold growth back for ever
        self._baseline = min(self._baseline * _BASELINE_DRIFT, latency)
        calm = latency <= self._baseline * _LATENCY_SLACK + _LATENCY_FLOOR
        if not (limited and calm):
            return
        if self._window < self._threshold:
            self._window += documents
        else:
            # by what was accepted, so that the share that is throttled is the same at every limit
            self._window += max(_LEAST_GROWTH, documents * _GROWTH)
        self._window = min(self._window, self._ceiling)

    def throttled(self, sent_at: float, now: float) -> None:
        """A request sent at `sent_at` (monotonic seconds) was throttled, in part or whole."""
        if sent_at < self._last_decrease:
            return
        self._last_decrease = now
        self._window = max(1.0, self._window * _SHRINK)
        self._threshold = self._window

    def lost(self, sent_at: float, now: float) -> None:
        """A request sent at `sent_at` came to nothing: one full request at a time, then up again fast."""
        if sent_at < self._last_decrease:
            return
        self._last_decrease = now
        self._threshold = max(self._window * _SHRINK, _START_DOCUMENTS)
        self._window = min(self._window, _START_DOCUMENTS, self._ceiling)


class Budget:
    """Request units per second over all lanes: a leaky bucket that never lets a second exceed its share.

    Costs are charged when a request leaves, from the average of what documents cost so far, and
    corrected when its answer says what it was. None means unlimited.
    """

    def __init__(self, units_per_second: float | None) -> None:
        self.limit = units_per_second
        self._free_at = -math.inf
        self._per_document: float | None = None

    @property
    def per_document(self) -> float:
        """Request units one document costs, as far as known."""
        return self._per_document if self._per_document is not None else _FIRST_GUESS

    def documents_per_request(self, most: int) -> int:
        """Documents one request may carry so that it is a small share of a second's budget."""
        if self.limit is None:
            return most
        return max(1, min(most, int(self.limit * _SHARE_PER_REQUEST / self.per_document)))

    def wait(self, now: float) -> float:
        """Seconds until the next request may leave."""
        return 0.0 if self.limit is None else max(0.0, self._free_at - now - _BURST_SECONDS)

    def charge(self, documents: int, now: float) -> float:
        """Take the expected cost of a request; gives it back to `correct` with."""
        if self.limit is None:
            return 0.0
        expected = documents * self.per_document
        self._free_at = max(self._free_at, now) + expected / self.limit
        return expected

    def correct(self, expected: float, cost: float, accepted: int) -> None:
        """The answer's word: what the request cost, and how many documents that wrote."""
        if accepted:
            each = cost / accepted
            known = self._per_document
            if known is None or each > known:
                self._per_document = each
            else:
                self._per_document = known + _UNIT_MEMORY * (each - known)
        if self.limit is not None:
            self._free_at += (cost - expected) / self.limit


def full_jitter(attempt: int, *, base: float = 0.25, cap: float = 30.0) -> float:
    """Random back-off in seconds for the given attempt (1 is the first retry), capped at 30 s."""
    return random.uniform(0.0, min(cap, base * 2.0 ** min(attempt, 16)))

"""What is under way: room for more, in readings and bytes, and the settling of windows that are done."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final

from sensor_tui.errors import SourceFileError, StorageError
from sensor_tui.model.clock import Clock
from sensor_tui.sync.contract import Feed
from sensor_tui.sync.pacing import full_jitter
from sensor_tui.sync.window import Window

log = logging.getLogger(__name__)

_ROWS_PER_SETTLEMENT: Final = 1000
_LEAST_PER_FEED: Final = 50
_MOST_PER_FEED: Final = 4000
_SETTLE_BACK_OFF: Final = 5.0
_ATTEMPTS_IN_HASTE: Final = 4


@dataclass(slots=True)
class _FeedFlow:
    feed: Feed
    rows: int = 0
    windows: list[Window] = field(default_factory=list)
    """Under way, in reading order."""
    done: list[Window] = field(default_factory=list)
    settling: asyncio.Task[None] | None = None
    room: asyncio.Event = field(default_factory=asyncio.Event)


class Flow:
    """Bounds what is under way, whatever the backlog, and gives every active feed its share.

    A feed's share is what keeps a slow lane from filling the whole: feeds that go elsewhere have theirs.
    """

    def __init__(self, clock: Clock, *, max_in_flight: int, max_bytes: int) -> None:
        self.rows = 0
        self.active = 1
        """Feeds being read now; they share the room."""
        self.problem = ""
        """Why settling does not succeed; empty while it does."""
        self.patient = True
        """Settle for as long as it takes; otherwise give up after a few attempts: what was sent is then
        sent again some other time, and found there."""
        self.given_up: StorageError | None = None
        """Why nothing could be recorded any more, for any feed."""
        self.quiet = asyncio.Event()
        """Set while nothing is under way."""
        self.quiet.set()
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes
        self._bytes = 0
        self._light = asyncio.Event()
        self._light.set()
        self._feeds: dict[str, _FeedFlow] = {}

    def configure(self, max_in_flight: int, max_bytes: int) -> None:
        """Take new bounds."""
        self._max_in_flight = max_in_flight
        self._max_bytes = max_bytes

    async def room(self, key: str) -> int:
        """Wait until the feed may read on; how many rows it may read."""
        while True:
            await self._light.wait()
            share = max(_LEAST_PER_FEED, min(_MOST_PER_FEED, self._max_in_flight // max(1, self.active)))
            flow = self._feeds.get(key)
            if flow is None or flow.rows < share:
                # whole windows only: a feed that trickles back a few rows at a time reads few at a time
                return max(_LEAST_PER_FEED, share - (flow.rows if flow else 0))
            flow.room.clear()
            await flow.room.wait()

    def begin(self, window: Window) -> None:
        """A window is under way."""
        key = window.feed.key
        flow = self._feeds.get(key)
        if flow is None or flow.feed is not window.feed:
            flow = self._feeds[key] = _FeedFlow(window.feed)
        flow.rows += len(window.batch.rows)
        flow.windows.append(window)
        self.rows += len(window.batch.rows)
        self._bytes += window.size
        if self._bytes >= self._max_bytes:
            self._light.clear()
        self.quiet.clear()

    def done(self, window: Window) -> None:
        """Every sink has spoken on every reading of a window."""
        self._bytes -= window.size
        window.size = 0
        if self._bytes < self._max_bytes:
            self._light.set()
        flow = self._feeds[window.feed.key]
        flow.done.append(window)
        if flow.settling is None or flow.settling.done():
            flow.settling = asyncio.get_running_loop().create_task(self._settle(flow))

    async def close(self) -> None:
        """Settle what is finished and the settled part of what is not; the rest stays open in the source."""
        settling = [flow.settling for flow in self._feeds.values() if flow.settling is not None]
        _, late = await asyncio.wait(settling, timeout=_SETTLE_BACK_OFF) if settling else (None, set())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for flow in self._feeds.values():
            left = [window.settlement() for window in flow.windows]
            some = [each for each in left if each.accepted or each.dead or each.held is not None]
            for settlement in some if flow.feed.alive else ():
                try:
                    await flow.feed.settle([settlement])
                except StorageError as error:
                    log.warning("%s: sent but not marked, will be sent again: %s", flow.feed.key, error)

    async def _settle(self, flow: _FeedFlow) -> None:
        attempt = 0
        while flow.done:
            windows = _up_to(flow.done, _ROWS_PER_SETTLEMENT)
            try:
                if flow.feed.alive:
                    await flow.feed.settle([window.settlement() for window in windows])
            except StorageError as error:
                attempt += 1
                self._tell(flow, error)
                if self.patient or attempt < _ATTEMPTS_IN_HASTE:
                    await self._clock.sleep(full_jitter(attempt, base=0.05, cap=_SETTLE_BACK_OFF))
                    continue
                if not isinstance(error, SourceFileError):
                    self.given_up = error
                flow.feed.abandon([window.batch for window in windows])
            else:
                attempt = 0
                self.problem = ""
            self._release(flow, windows)
        if not flow.windows and self._feeds.get(flow.feed.key) is flow:
            del self._feeds[flow.feed.key]

    def _tell(self, flow: _FeedFlow, error: StorageError) -> None:
        """Say once why nothing is recorded; a feed says itself what is wrong with its file."""
        if not isinstance(error, SourceFileError):
            if self.problem != str(error):
                log.warning("%s: sent, but not recorded yet: %s", flow.feed.key, error)
            self.problem = str(error)

    def _release(self, flow: _FeedFlow, windows: list[Window]) -> None:
        del flow.done[: len(windows)]
        for window in windows:
            flow.windows.remove(window)
            flow.rows -= len(window.batch.rows)
            self.rows -= len(window.batch.rows)
        flow.room.set()
        if self.rows == 0:
            self.quiet.set()


def _up_to(windows: list[Window], rows: int) -> list[Window]:
    taken: list[Window] = []
    count = 0
    for window in windows:
        count += len(window.batch.rows)
        if taken and count > rows:
            break
        taken.append(window)
    return taken

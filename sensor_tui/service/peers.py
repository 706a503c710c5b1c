"""Other services below this one's data root: uploaders that each have one folder, in containers or not.

They are looked for as new sensor files are, followed for as long as they run, and what they say of files
that are left to them stands in for what cannot be known here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import SensorTuiError
from sensor_tui.model.clock import Clock
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import Totals
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.peers_find import find_peers
from sensor_tui.service.wire import PeerReport

if TYPE_CHECKING:
    from sensor_tui.service.client import ServiceClient
    from sensor_tui.service.peers_link import Peer

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""Between two looks for peers, as between two for sensor files."""
NUDGE_SECONDS: Final = 1.0
"""Least time between two rounds that actions ask of a peer."""
FORGET_SECONDS: Final = 900.0
"""How long one is remembered that is gone and has left its files to others."""
ANSWER_SECONDS: Final = 5.0
"""How long one may take to answer: it may accept what it is asked and be halted."""


class Peers:
    """Finds and follows them. `changed` is called when one comes or goes.

    Args:
        root: the data folder; a single file has no peers.
        state: our own state folder, which is no peer's.
        clock: what tells the time.
    """

    def __init__(self, root: Path, state: Path, clock: Clock) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._root = root
        self._state = state
        self._clock = clock
        self._peers: dict[str, Peer] = {}
        self._shown: dict[str, tuple[FeedStatus, FeedStatus, FeedStatus]] = {}
        self._owned: frozenset[str] = frozenset()
        """Folders with files that other engines have."""
        self._soon = asyncio.Event()
        self._nudged: dict[str, float] = {}
        self._nudges: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
        """See which there are now."""
        if not self._root.is_dir():
            return
        found = {each.name: each for each in await asyncio.to_thread(find_peers, self._root, self._state)}
        for name, peer in list(self._peers.items()):
            if name not in found:
                peer.lose()
                await peer.close()
                if not peer.found.folder.is_dir() or self._is_over(peer):
                    del self._peers[name]
        for name, each in found.items():
            known = self._peers.get(name)
            if known is None:
                if each.socket is None and not each.barred:
                    continue
                from sensor_tui.service.peers_link import Peer

                known = self._peers[name] = Peer(each, self._clock, self._tell)
            known.meet(each)
            if (
                not each.barred
                and not known.live
                and (each.socket is None or known.spoke)
                and self._is_over(known)
            ):
                await known.close()
                del self._peers[name]

    async def run(self) -> None:
        """Look again and again, until cancelled; `close` afterwards."""
        while True:
            await self._wait(LOOK_SECONDS)
            await self.look()

    async def close(self) -> None:
        """Follow nobody any more."""
        for task in self._nudges:
            task.cancel()
        await asyncio.gather(*self._nudges, return_exceptions=True)
        await asyncio.gather(*(peer.close() for peer in self._peers.values()))

    def search_soon(self) -> None:
        """Look at once."""
        self._soon.set()

    @property
    def attached(self) -> bool:
        """Whether there is one that is known to look after its files, or may be about to say so."""
        now = self._clock.now()
        return any(
            peer.spoke
            or peer.link is PeerLink.REFUSED
            or (peer.since is not None and now - peer.since < LOOK_SECONDS)
            for peer in self._peers.values()
        )

    @property
    def names(self) -> Sequence[str]:
        """Those that answer."""
        return [peer.name for peer in self._in_order() if peer.live]

    @property
    def spoken(self) -> Sequence[str]:
        """Those that ever did answer."""
        return [peer.name for peer in self._in_order() if peer.spoke]

    def of(self, name: str) -> "Peer | None":
        """One of them, by its folder."""
        return self._peers.get(name)

    def merged(self, feeds: Iterable[FeedStatus]) -> list[FeedStatus]:
        """Every file; of those that others have, what they say."""
        every = list(feeds)
        self._owned = frozenset(feed.source.partition("/")[0] for feed in every if feed.owner is not None)
        if not self._peers:
            return every
        said = {source: feed for peer in self._peers.values() for source, feed in peer.feeds.items()}
        shown: dict[str, tuple[FeedStatus, FeedStatus, FeedStatus]] = {}
        merged: list[FeedStatus] = []
        for feed in every:
            known = None if feed.owner is None else said.get(feed.source)
            if known is None:
                merged.append(feed)
                continue
            kept = self._shown.get(feed.source)
            if kept is None or kept[0] != feed or kept[1] is not known:
                kept = (feed, known, replace(known, owner=feed.owner))
            shown[feed.source] = kept
            merged.append(kept[2])
        self._shown = shown
        return merged

    def left_to(self, source: str) -> str | None:
        """Who is to have a file: the one closest to it, which waits for it. None where that is nobody."""
        peer = self._peers.get(source.partition("/")[0])
        if peer is None or not peer.live or source not in peer.waits_for:
            return None
        return f"the uploader of {peer.name}"

    def places(self) -> dict[str, str]:
        """Where the files are that stand merged, by key."""
        return {source: str(self._root / source) for source in self._shown}

    def reports(self) -> tuple[PeerReport, ...]:
        """Those that have spoken, and those that have files here and cannot be spoken to."""
        return tuple(peer.summary() for peer in self._in_order() if peer.spoke or peer.name in self._owned)

    def dead_letters(self) -> int:
        """Dead letters in their ledgers, as they last said."""
        reports = (peer.report for peer in self._peers.values())
        return sum(report.dead_letters or 0 for report in reports if report is not None)

    def totals(self) -> Totals:
        """What they did since each was first followed."""
        if not self._peers:
            return Totals()
        from sensor_tui.service.peers_link import added

        return added(peer.totals for peer in self._peers.values())

    def states(self) -> dict[str, Path]:
        """Their state folders, by their names."""
        return {name: peer.found.state for name, peer in self._peers.items()}

    async def ask(
        self, what: Callable[["ServiceClient"], Awaitable[object]], *, patience: float = 0.0
    ) -> tuple[list[str], list[str]]:
        """Have each of them do something: the names of those that did, and for the others why not.

        `patience` is how many seconds that may take besides the answer.
        """
        seconds = ANSWER_SECONDS + patience
        peers = [peer for peer in self._in_order() if peer.spoke]
        answers = await asyncio.gather(*(_asked(peer, what, seconds) for peer in peers))
        done = [peer.name for peer, problem in zip(peers, answers, strict=True) if not problem]
        return done, [problem for problem in answers if problem]

    def nudge(self, names: Iterable[str]) -> None:
        """Have those upload soon what is open; asking often costs nothing."""
        now = self._clock.monotonic()
        for name in names:
            peer = self._peers.get(name)
            if peer is None or not peer.live or now - self._nudged.get(name, -NUDGE_SECONDS) < NUDGE_SECONDS:
                continue
            self._nudged[name] = now
            task = asyncio.ensure_future(_nudged(peer))
            self._nudges.add(task)
            task.add_done_callback(self._nudges.discard)

    def _in_order(self) -> "list[Peer]":
        return [peer for _, peer in sorted(self._peers.items())]

    def _is_over(self, peer: "Peer") -> bool:
        """Whether it is gone for so long, and its files are so well looked after, that nobody asks for it."""
        if peer.name in self._owned:
            return False
        return not peer.spoke or (peer.since is not None and self._clock.now() - peer.since > FORGET_SECONDS)

    def _tell(self) -> None:
        self.changed()

    async def _wait(self, seconds: float) -> None:
        """Sleep, or until somebody wants to know."""
        waking = asyncio.ensure_future(self._soon.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waking.cancel()
            sleeping.cancel()
        self._soon.clear()


async def _asked(peer: "Peer", what: Callable[["ServiceClient"], Awaitable[object]], seconds: float) -> str:
    """Why it was not done in that many seconds; empty where it was."""
    try:
        async with asyncio.timeout(seconds), peer.client() as client:
            await what(client)
    except TimeoutError:
        return f"{peer.name}: does not answer"
    except SensorTuiError as error:
        return f"{peer.name}: {error.message}"
    return ""


async def _nudged(peer: "Peer") -> None:
    problem = await _asked(peer, lambda client: client.sync(quiet=True), ANSWER_SECONDS)
    if problem:
        log.debug("not nudged: %s", problem)

"""The readings of units, as actions need them: how they stand, and what goes with a unit's data."""

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import FleetError, SourceFileError, StorageError
from sensor_tui.fleet.actions import Standing
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import EngineState
from sensor_tui.model.source import FeedStatus
from sensor_tui.model.unit import Role, Unit
from sensor_tui.service.host import EngineHost
from sensor_tui.service.merge import unseen

if TYPE_CHECKING:
    from sensor_tui.service.peers_link import Peer

LOOK_SECONDS: Final = 0.2
"""How long one look at all files serves everybody who asks."""
NUDGE_SECONDS: Final = 0.5
"""Least time between two rounds that actions ask for."""

_HELD: Final = frozenset({EngineState.PAUSED, EngineState.DRAINING, EngineState.STOPPED})
_SIDE_FILES: Final = ("", "-wal", "-shm", "-journal")


@dataclass(slots=True)
class _Look:
    """All files at one moment; what the ledger says was asked after that, so that it knows no less."""

    at: float
    uploads: str
    held: bool
    polled: bool
    folders: dict[str, list[FeedStatus]] = field(default_factory=dict)
    """Files by their own key, and by every folder they are in."""
    sensors: dict[str, list[FeedStatus]] = field(default_factory=dict)
    writers: dict[str, list[Unit]] = field(default_factory=dict)
    """Units that write there, by their data and by every folder that is in."""
    dead: Mapping[str, int] | None = None


class FleetReadings:
    """Keeps the promises of `fleet.actions.Readings` for an engine host; `units` gives all there are."""

    def __init__(
        self, host: EngineHost, root: Path, state: Path, clock: Clock, units: Callable[[], Sequence[Unit]]
    ) -> None:
        self._host = host
        self._base = root if root.is_dir() else root.parent
        self._state = state
        self._clock = clock
        self._units = units
        self._turn = asyncio.Lock()
        self._look: _Look | None = None
        self._nudged = float("-inf")
        self._awaited: set[str] = set()
        """Peers that somebody has asked about since the last round."""

    async def standing(self, unit: Unit) -> Standing | None:
        if unit.sensor_id is None and unit.data is None:
            return None
        look = await self._latest()
        feeds = _feeds_of(unit, look)
        hidden = [feed for feed in feeds if unseen(feed)]
        problems = [
            feed.problem or f"{feed.source} belongs to another engine: {feed.owner}" for feed in hidden
        ]
        peers = self._peers_of(feeds)
        self._awaited.update(peer.name for peer in peers)
        problems += [peer.idle for peer in peers if not peer.live]
        alone = peers and all(feed.engine for feed in feeds)
        idle = [*([] if alone else [look.uploads]), *(peer.idle for peer in peers)]
        if not look.polled:
            problems.append("its files have not been looked at yet")
        opened = [feed.oldest_open for feed in feeds if feed.oldest_open is not None]
        dead = look.dead
        return Standing(
            backlog=None if problems else sum(feed.backlog for feed in feeds),
            waiting=sum(feed.held for feed in feeds),
            oldest_open=min(opened, default=None),
            newest=max((feed.newest for feed in feeds if feed.newest is not None), default=None),
            dead_letters=None if dead is None else sum(_dead_letters(feed, dead) for feed in feeds),
            problem="; ".join(
                [*problems, *(feed.problem for feed in feeds if feed.problem and not unseen(feed))]
            ),
            uploads="; ".join(filter(None, idle)),
            held=(look.held and not alone) or bool(hidden) or any(peer.held for peer in peers),
        )

    async def unsent(self, unit: Unit) -> int | None:
        standing = await self.standing(unit)
        if unit.data is None or standing is None or standing.backlog is None:
            return None
        found = await self._count(unit.data)
        return None if found is None else max(found, standing.backlog)

    def sync_now(self) -> None:
        now = self._clock.monotonic()
        if now - self._nudged >= NUDGE_SECONDS:
            self._nudged = now
            self._host.sync_now()
            self._host.peers.nudge(self._awaited)
            self._awaited.clear()

    async def why_keep(self, unit: Unit) -> str:
        if unit.role is not Role.SENSOR:
            return "it is no sensor"
        if unit.data is None:
            return "its data folder is not known"
        if problem := await asyncio.to_thread(self._misplaced, unit.data, self._host.peers.states()):
            return f"{unit.data} {problem}"
        return await self._shared(unit, unit.data)

    async def wipe(self, unit: Unit, *, keep_folder: bool, destroy: bool = False) -> None:
        reason = await self.why_keep(unit)
        if not reason and not destroy and (left := await self.unsent(unit)) != 0:
            reason = (
                "it is not known whether all of it is sent" if left is None else f"{left} readings are unsent"
            )
        if reason or unit.data is None:
            raise FleetError(f"its data is not wiped: {reason}")
        place = self._place(unit.data)
        try:
            await asyncio.to_thread(_delete, place, keep_folder=keep_folder)
        except OSError as error:
            raise FleetError(
                f"{error.filename or place}: cannot be deleted: {error.strerror}",
                fix="Delete what is left of it by hand",
            ) from error

    def _misplaced(self, data: str, theirs: Mapping[str, Path]) -> str:
        """Why nothing there may be deleted, whoever uses it."""
        parts = PurePosixPath(data).parts
        if not parts or ".." in parts or parts[0] == "/":
            return "is not inside the data folder"
        base, place, state = self._base.resolve(), self._place(data).resolve(), self._state.resolve()
        if place != base.joinpath(*parts):
            return "is a link that leads elsewhere"
        if _overlap(place, state):
            return "holds the state of the service"
        for name, each in theirs.items():
            if _overlap(place, each.resolve()):
                return f"holds the state of the uploader of {name}"
        return ""

    def _place(self, data: str) -> Path:
        return self._base / data

    async def _shared(self, unit: Unit, data: str) -> str:
        """Who else writes there, or reads for us."""
        look, name = await self._latest(), _normal(data)
        inside = look.writers.get(name, ())
        around = [each for folder in _folders(name) for each in look.writers.get(folder, ())]
        for other in (*inside, *(each for each in around if _normal(each.data or "") in _folders(name))):
            if other.id != unit.id:
                return f"{data} is used by {other.name} too"
        for feed in look.folders.get(name, ()):
            if feed.owner is not None and not any(peer.live for peer in self._peers_of([feed])):
                return f"{feed.source} belongs to another engine: {feed.owner}"
            if unit.sensor_id is not None and feed.sensor_id not in {None, unit.sensor_id}:
                return f"{feed.source} has readings of {feed.sensor_id}"
        return ""

    async def _latest(self) -> _Look:
        async with self._turn:
            look = self._look
            if look is None or not 0 <= self._clock.monotonic() - look.at < LOOK_SECONDS:
                look = self._look = await self._take_look()
            return look

    async def _take_look(self) -> _Look:
        pipeline, progress = self._host.pipeline, self._host.progress()
        look = _Look(
            at=self._clock.monotonic(),
            uploads=_why_idle(progress.state, progress.reason),
            held=progress.state in _HELD,
            polled=pipeline.source.polled.is_set(),
        )
        for feed in self._host.peers.merged(self._host.feeds()):
            for folder in (feed.source, *_folders(feed.source)):
                look.folders.setdefault(folder, []).append(feed)
            if feed.sensor_id is not None:
                look.sensors.setdefault(feed.sensor_id, []).append(feed)
        for unit in self._units():
            if unit.data is not None and unit.role not in {Role.UPLOADER, Role.SERVICE}:
                place = _normal(unit.data)
                for folder in (place, *_folders(place)):
                    look.writers.setdefault(folder, []).append(unit)
        try:
            look.dead = await pipeline.store.dead_letters()
        except StorageError:
            look.dead = None
        return look

    async def _count(self, data: str) -> int | None:
        """Readings open in the files under a folder, read anew; None where that cannot be told."""
        from sensor_tui.storage.store import SqliteStore

        place = self._place(data)
        if not place.exists():
            return 0
        state, base = await self._ledger_of(_normal(data))
        store = SqliteStore(place, clock=self._clock, state_dir=state, read_only=True)
        try:
            await store.open()
            scan = await store.scan()
            if scan.problems:
                return None
            total = 0
            for file in store.files():
                key = f"{_normal(data)}/{file.key}" if place.is_dir() else _normal(data)
                key = key.removeprefix(base)
                after = min((await store.positions(key)).values(), default=0)
                total += (await store.peek(file.key, after=after)).open_rows
        except (SourceFileError, StorageError):
            return None
        finally:
            await store.close()
        return total

    def _peers_of(self, feeds: Sequence[FeedStatus]) -> "list[Peer]":
        """The peers that upload these files."""
        names = dict.fromkeys(feed.engine for feed in feeds if feed.engine)
        return [peer for name in names if (peer := self._host.peers.of(name)) is not None]

    async def _ledger_of(self, data: str) -> tuple[Path, str]:
        """The state folder of the engine that has the files in a folder, and what its keys leave out."""
        peers = self._peers_of((await self._latest()).folders.get(data, ()))
        if len(peers) == 1:
            return peers[0].found.state, f"{peers[0].name}/"
        return self._state, ""


def _dead_letters(feed: FeedStatus, dead: Mapping[str, int]) -> int:
    """Those of our ledger, and those a peer has of the file."""
    return dead.get(feed.source, 0) + (feed.dead_letters if feed.engine else 0)


def _feeds_of(unit: Unit, look: _Look) -> Sequence[FeedStatus]:
    """Files of a unit: those in its data folder, or those with its sensor's id where there are none."""
    if unit.data is not None and (found := look.folders.get(_normal(unit.data))):
        return found
    if unit.sensor_id is None:
        return ()
    feeds = look.sensors.get(unit.sensor_id, ())
    return [feed for feed in feeds if unit.city is None or feed.city == unit.city]


@lru_cache(maxsize=4096)
def _folders(source: str) -> tuple[str, ...]:
    """Every folder a file is in."""
    return tuple(map(str, PurePosixPath(source).parents))


@lru_cache(maxsize=4096)
def _normal(data: str) -> str:
    """A path as the keys of files have it."""
    return str(PurePosixPath(data))


def _why_idle(state: EngineState, reason: str) -> str:
    """Why nothing is uploaded; empty where that goes on."""
    if state in {EngineState.REFUSED, EngineState.UNREACHABLE}:
        return reason or f"the sink is {state}"
    if state in _HELD:
        return "uploads are paused" if state is EngineState.PAUSED else "the service is stopping"
    return ""


def _overlap(one: Path, other: Path) -> bool:
    """Whether they are the same, or one is inside the other."""
    return one == other or one in other.parents or other in one.parents


def _delete(place: Path, *, keep_folder: bool) -> None:
    """Delete a folder, or all in it; or a database with what SQLite keeps beside it."""
    if not place.is_dir():
        for suffix in _SIDE_FILES:
            place.with_name(place.name + suffix).unlink(missing_ok=True)
        return
    if not keep_folder:
        shutil.rmtree(place)
        return
    for entry in list(place.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)

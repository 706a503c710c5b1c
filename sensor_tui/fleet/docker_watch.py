"""Staying connected to one engine: everything once on every connection, then what its events are about."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import FleetError
from sensor_tui.fleet.docker_calls import Calls
from sensor_tui.fleet.docker_engine import Engine, objects
from sensor_tui.fleet.docker_errors import EngineAway, told
from sensor_tui.fleet.docker_host import TIMEOUT_SECONDS, DockerAddress
from sensor_tui.fleet.docker_roster import Roster
from sensor_tui.fleet.docker_stream import Pump
from sensor_tui.fleet.docker_unit import Container, History, container_of, is_ours
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import UnitState

log = logging.getLogger(__name__)

PING_SECONDS: Final = 10.0
"""Between two questions to an engine that says nothing, so that one that hangs is noticed."""
CALL_SECONDS: Final = TIMEOUT_SECONDS
"""For the answer to anything else."""
ROUND_SECONDS: Final = 0.05
"""Least time between two rounds of looking, however many events there are."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = {"unix": 1.0, "tcp": 3.0, "ssh": 5.0}
"""Between two attempts to get back."""
CLOSE_SECONDS: Final = 2.0

_ENDING: Final = frozenset({2, 3, 15})
_AHEAD: Final = 64
_LONGEST_LINE: Final = 1024 * 1024
_THREADS: Final = 6


class Watch:
    """Keeps a roster right; `changed` is told which name and what happened, None for all of them."""

    def __init__(
        self,
        address: DockerAddress,
        project: str,
        data_root: Path,
        roster: Roster,
        clock: Clock,
        changed: Callable[[str | None, str], None],
    ) -> None:
        self._address = address
        self._project = project
        self._data_root = data_root if address.socket is not None else None
        self._roster = roster
        self._clock = clock
        self._changed = changed
        self._calls = Calls(f"docker {address.name}", _THREADS)
        self._histories: dict[str, History] = {}
        self._odd: set[str] = set()
        """Containers that the engine cannot tell of."""
        self._waiting: list[Mapping[str, Any]] = []
        self._some = asyncio.Event()
        self._closing: asyncio.Future[None] | None = None
        self._moved = False
        """Whether another project is to be shown."""
        self.engine: Engine | None = None
        self.online = False
        """Whether everything is known, and kept up to date."""
        self.epoch = 0
        """Number of the connection."""
        self.reason = ""
        """Why there is none; empty while nothing is known yet."""
        self.version = ""
        self.seen: float | None = None
        """When it last answered."""
        self.settled = asyncio.Event()
        """Set once it is known whether the engine answers."""

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        pause = FIRST_PAUSE
        while True:
            epoch = self.epoch
            try:
                await self._connection()
            except FleetError as error:
                self._leave(error, was_there=self.epoch != epoch)
            except Exception as error:
                # Whatever it is, the host is tried again.
                log.exception("units of %s/docker", self._address.name)
                self._leave(told(error, self._address), was_there=self.epoch != epoch)
            if self.epoch != epoch:
                pause = FIRST_PAUSE
            await self._clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE[self._address.scheme])

    async def close(self) -> None:
        """To be called once `run` has ended."""
        self.online = False
        self._calls.close()
        if self._closing is not None:
            await asyncio.wait({self._closing}, timeout=CLOSE_SECONDS)

    def show(self, project: str) -> None:
        """Look after the containers of this project instead."""
        if project != self._project:
            self._project = project
            self._moved = True
            self._some.set()

    def connected(self) -> Engine:
        """The engine, to be asked. Raises FleetError while it is away."""
        if self.engine is None:
            raise EngineAway(self.reason or f"the engine {self._address.url} was not reached yet")
        return self.engine

    async def look(self, container: str) -> Container | None:
        """Look at one container now; None where there is none of that id. Raises FleetError."""
        ticket = self._roster.ticket()
        facts = await self._calls.run(self.connected().inspect, container)
        if facts is None or not is_ours(facts.get("Config", {}).get("Labels") or {}, self._project):
            self._drop(container)
            return None
        history = self._histories.get(container, History())
        try:
            found = container_of(facts, self._address.name, data_root=self._data_root, history=history)
        except ValueError as error:
            log.warning("%s: %s", self._address.name, error)
            return None
        if self._roster.put(found, ticket):
            self._changed(found.unit.name, str(found.unit.state))
        return found

    def asked_to_end(self, container: str, *, asked: bool = True) -> None:
        """Whether its end, when it comes, is what somebody wanted."""
        self._histories[container] = replace(self._histories.get(container, History()), asked=asked)

    async def _connection(self) -> None:
        """From the beginning of a connection to its end. Raises FleetError once it is lost."""
        opening = self._calls.give(Engine.open, self._address, CALL_SECONDS)
        try:
            engine = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        pump: Pump | None = None
        try:
            # Events first: what happens while the list is read is looked at afterwards.
            over = asyncio.Event()
            pump = await self._listen(engine, over)
            self.version = engine.version
            await self._resync(engine)
            self.epoch += 1
            await self._follow(engine, over)
        finally:
            self.engine, self.online = None, False
            if pump is not None:
                pump.close()
            self._closing = self._calls.give(engine.close)

    async def _listen(self, engine: Engine, over: asyncio.Event) -> Pump:
        """Have events come in, until `over`."""
        self._waiting.clear()
        stream = await self._calls.run(engine.events)

        def put(events: list[Mapping[str, Any]]) -> None:
            self._waiting += events
            self._some.set()
            pump.taken()

        def ended() -> None:
            over.set()
            self._some.set()

        read = EventReader(self._is_ours).read
        pump = Pump(f"docker events {self._address.name}", stream, read, put, ended, ahead=_AHEAD)
        return pump

    async def _resync(self, engine: Engine) -> None:
        """List everything, look at all of it, and be back."""
        self._moved = False
        ids = await self._calls.run(engine.containers, self._project)
        self.engine = engine
        self._roster.only(ids)
        self._histories = {each: self._remembered(each) for each in ids}
        await self._look_at(engine, ids)
        self.reason = ""
        self.online = True
        self.seen = self._clock.now()
        self._roster.away(None)
        self.settled.set()
        log.info("the engine %s answers: %d containers", self._address.url, len(ids))
        self._changed(None, "resync")

    async def _look_at(self, engine: Engine, containers: Sequence[str]) -> None:
        """Look at these; one that the engine cannot tell of stays as it was known, and the others with it.

        Raises:
            FleetError: the engine itself is what does not answer.
        """
        found = await asyncio.gather(*map(self.look, containers), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and not isinstance(error, FleetError):
                raise error
        failed = {
            each: error
            for each, error in zip(containers, found, strict=True)
            if isinstance(error, FleetError)
        }
        if failed:
            await self._calls.run(engine.ping)
        for each in failed.keys() - self._odd:
            log.warning("%s: container %s: %s", self._address.name, each[:12], failed[each])
        self._odd = (self._odd - set(containers)) | failed.keys()

    def _remembered(self, container: str) -> History:
        """What is still known of a container's past; of one that was up, its end may have been missed."""
        history = self._histories.get(container, History())
        known = self._roster.container(container)
        was_up = known is None or known.unit.state.up or known.unit.state is UnitState.BACKOFF
        return History(exit_code=history.exit_code) if was_up else history

    async def _follow(self, engine: Engine, over: asyncio.Event) -> None:
        """Look at what events are about. Raises FleetError once there are no more."""
        while not over.is_set():
            if not self._some.is_set() and not await self._within(PING_SECONDS):
                await self._calls.run(engine.ping)
                self.seen = self._clock.now()
                continue
            self._some.clear()
            if self._moved:
                await self._resync(engine)
            events, self._waiting = self._waiting, []
            if dirty := self._take(events):
                self.seen = self._clock.now()
                await self._look_at(engine, dirty)
                await self._clock.sleep(ROUND_SECONDS)
        raise EngineAway(f"the engine {self._address.url} has closed the connection")

    def _take(self, events: Sequence[Mapping[str, Any]]) -> list[str]:
        """Remember what only events tell; the containers that are to be looked at."""
        dirty: dict[str, None] = {}
        for event in events:
            container = str(event["Actor"]["ID"])
            attributes = _attributes(event["Actor"])
            action = event.get("Action")
            history = self._histories.get(container, History())
            if action == "destroy":
                dirty.pop(container, None)
                self._drop(container)
                continue
            if action == "start":
                history = replace(history, asked=False, seen=False)
            elif action == "die":
                history = replace(history, exit_code=_number(attributes.get("exitCode")), seen=True)
            elif action == "stop" or (action == "kill" and self._ends(container, attributes)):
                history = replace(history, asked=True)
            self._histories[container] = history
            dirty[container] = None
        return list(dirty)

    def _drop(self, container: str) -> None:
        self._histories.pop(container, None)
        if (gone := self._roster.drop(container)) is not None:
            self._changed(gone.unit.name, "removed")

    def _ends(self, container: str, attributes: Mapping[str, Any]) -> bool:
        """Whether a signal asks for the end, as a stop does; SIGKILL is no question."""
        number = _number(attributes.get("signal"))
        known = self._roster.container(container)
        return number in _ENDING or (known is not None and number == known.stop_signal)

    def _is_ours(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is about a container of the project; on the thread that reads."""
        actor = event.get("Actor")
        if not isinstance(actor, dict) or not isinstance(actor.get("ID"), str):
            return False
        return actor["ID"] in self._roster or is_ours(_attributes(actor), self._project)

    def _leave(self, error: FleetError, *, was_there: bool) -> None:
        """There is no connection any more, or still none."""
        if was_there:
            self.seen = self._clock.now()
        self.settled.set()
        if self.reason == str(error):
            return
        self.reason = str(error)
        log.warning("units of %s/docker: %s", self._address.name, self.reason)
        self._roster.away(error.message)
        self._changed(None, "away")

    async def _within(self, seconds: float) -> bool:
        """Whether there is something to do before so many seconds are over."""
        waking = asyncio.ensure_future(self._some.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({waking, sleeping}, return_when=asyncio.FIRST_COMPLETED)
            return waking.done()
        finally:
            waking.cancel()
            sleeping.cancel()


def _close_unwanted(opening: "asyncio.Future[Engine]") -> None:
    """Close a connection that nobody waited for."""
    if not opening.cancelled() and opening.exception() is None:
        threading.Thread(target=opening.result().close, daemon=True).start()


class EventReader:
    """From the bytes of an event stream to the events that are wanted."""

    def __init__(self, wanted: Callable[[Mapping[str, Any]], bool]) -> None:
        self._wanted = wanted
        self._rest = b""

    def read(self, data: bytes) -> list[Mapping[str, Any]]:
        """Those that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        return [event for event in objects(lines) if self._wanted(event)]


def _attributes(actor: Mapping[str, Any]) -> Mapping[str, Any]:
    found = actor.get("Attributes")
    return found if isinstance(found, dict) else {}


def _number(text: object) -> int | None:
    try:
        return int(str(text))
    except ValueError:
        return None

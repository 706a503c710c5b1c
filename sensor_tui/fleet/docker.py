"""The Docker runtime: the containers of one project on one engine, as units.

What it knows is kept up to date by the engine's events. An engine that goes away leaves everything as it was
last seen, and is taken up again by itself.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sensor_tui.errors import FleetError
from sensor_tui.fleet.docker_calls import Calls
from sensor_tui.fleet.docker_cgroup import Cgroups
from sensor_tui.fleet.docker_host import DockerAddress
from sensor_tui.fleet.docker_logs import LogTaps
from sensor_tui.fleet.docker_meter import EngineMeter, KernelMeter
from sensor_tui.fleet.docker_roster import Roster
from sensor_tui.fleet.docker_unit import RUNTIME, Container
from sensor_tui.fleet.docker_watch import Watch
from sensor_tui.fleet.process_events import Events
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import HostState, LogLine, Unit, UnitEvent, UnitState, UnitStats, unit_id

_CHANGES: Final = 16
"""Units of one engine that are changed at once."""
_STATS: Final = 16
"""Questions for statistics under way at once, where the engine has to be asked."""


class DockerRuntime:
    """Implements `Runtime`.

    Args:
        address: the engine.
        clock: what tells the time.
        project: the project whose containers are units, by our label or by Compose's.
        data_root: the data folder that mounts are looked up in.
    """

    name = RUNTIME

    def __init__(self, address: DockerAddress, clock: Clock, *, project: str, data_root: Path) -> None:
        self.address = address
        self.host_name = address.name
        self._expected = address.expected
        self._clock = clock
        self._events = Events()
        self._roster = Roster()
        self._watch = Watch(address, project, data_root, self._roster, clock, self._tell)
        self._changes = Calls(f"docker changes {address.name}", _CHANGES)
        self._looks = Calls(f"docker stats {address.name}", _STATS)
        self._logs = LogTaps(self._watch, address.name, clock, self._roster.find, self._events.listen)
        self._kernel = KernelMeter(Cgroups()) if address.socket is not None else None
        self._engine_meter = EngineMeter(self._looks, clock, at_once=_STATS)
        self._metering = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to connect; returns at once, and never raises: see `settled`."""
        self._keeper = asyncio.get_running_loop().create_task(self._watch.run())

    async def settled(self) -> None:
        """Wait until it is known whether the engine answers, and what it has."""
        await self._watch.settled.wait()

    async def close(self) -> None:
        """Let go; what runs, runs on, and calls that hang are left behind."""
        self._logs.close()
        self._events.close()
        self._engine_meter.close()
        for task in (*self._tasks, *([self._keeper] if self._keeper is not None else [])):
            task.cancel()
        if self._keeper is not None:
            with suppress(asyncio.CancelledError):
                await self._keeper
        self._changes.close()
        self._looks.close()
        await self._watch.close()

    def show(self, project: str) -> None:
        """Look after the containers of this project instead; an engine that is away is missed from now on."""
        self._expected = True
        self._watch.show(project)

    def host(self) -> HostState:
        """How it stands; not reachable and no reason: nothing is known yet, or none is expected there."""
        watch = self._watch
        return HostState(
            self.host_name,
            self.name,
            reachable=watch.online,
            reason="" if watch.online or self._is_nobodys() else watch.reason,
            version=f"Docker {watch.version}" if watch.version else "",
            units=len(self._roster),
            seen=self._clock.now() if watch.online else watch.seen,
            address=self.address.url,
            certificates=str(self.address.tls.folder) if self.address.tls is not None else "",
        )

    def list(self) -> Sequence[Unit]:
        """Every unit, by name."""
        return self._roster.units()

    async def start(self, unit: str) -> None:
        """Start it, or let it go on where it is paused; nothing where it runs. Raises FleetError."""
        found = self._find(unit)
        engine = self._watch.connected()
        await self._change(found, UnitState.STARTING, lambda: engine.start(found.id, found.name))

    async def stop(self, unit: str, *, grace: float) -> None:
        """End it and return once it is gone; `grace` in seconds, or what it needs. Raises FleetError."""
        found = self._find(unit)
        grace = max(grace, found.stop_seconds)
        engine = self._watch.connected()
        self._watch.asked_to_end(found.id)
        try:
            await self._change(found, UnitState.STOPPING, lambda: engine.stop(found.id, found.name, grace))
        except FleetError:
            self._watch.asked_to_end(found.id, asked=False)
            raise

    async def restart(self, unit: str, *, grace: float) -> None:
        """Stop and start. Raises FleetError."""
        found = self._find(unit)
        grace = max(grace, found.stop_seconds)
        engine = self._watch.connected()
        await self._change(found, UnitState.STOPPING, lambda: engine.restart(found.id, found.name, grace))

    async def regenerate(self, unit: str) -> None:
        """Replace a container that is not up by a new one of the same definition. Raises FleetError."""
        found = self._find(unit)
        engine = self._watch.connected()
        await self._change(found, UnitState.STOPPED, lambda: engine.recreate(found.id, found.name))

    async def remove(self, unit: str, *, grace: float) -> None:
        """Stop it and delete the container; volumes and bound folders stay. Raises FleetError."""
        found = self._find(unit)
        grace = max(grace, found.stop_seconds)
        engine = self._watch.connected()
        self._watch.asked_to_end(found.id)

        def remove() -> None:
            if found.unit.state.up or found.unit.state is UnitState.BACKOFF:
                engine.stop(found.id, found.name, grace)
            engine.remove(found.id, found.name)

        try:
            await self._change(found, UnitState.STOPPING, remove)
        except FleetError:
            self._watch.asked_to_end(found.id, asked=False)
            raise

    async def stats(self, units: Sequence[str]) -> Mapping[str, UnitStats]:
        """What those that are up use: now where the kernel tells, else as their engine lately answered."""
        chosen = [
            found
            for unit in units
            if (found := self._roster.find(self._name(unit))) is not None and found.unit.state.up
        ]
        stats: dict[str, UnitStats] = {}
        if not chosen or not self._watch.online:
            return stats
        if self._kernel is not None:
            async with self._metering:
                now = self._clock.now()
                seen = await self._looks.run(self._kernel.measure, chosen, self._clock.monotonic)
            for each in chosen:
                if each.id in seen:
                    sample, percent = seen[each.id]
                    unit = each.unit.id
                    stats[unit] = UnitStats(unit, now, percent, sample.memory, each.memory_limit)
        others = [each for each in chosen if each.unit.id not in stats]
        if others or self._kernel is None:
            with suppress(FleetError):
                stats |= self._engine_meter.known(others, self._watch.connected().stats)
        return stats

    def logs(
        self, unit: str, *, since: float | None = None, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Lines in order, in batches of at most 500. Raises FleetError where there is no such unit."""
        found = self._find(unit)
        return self._logs.lines(self._name(unit), found.unit.id, since=since, tail=tail, follow=follow)

    def events(self) -> AsyncIterator[UnitEvent]:
        """What changes from now on, until the runtime closes."""
        return self._events.listen()

    async def _change(self, container: Container, state: UnitState, work: Callable[[], object]) -> None:
        """Do it to the end, also where whoever asked no longer waits; afterwards what is known is right."""
        task = asyncio.get_running_loop().create_task(self._changing(container, state, work))
        self._tasks.add(task)
        task.add_done_callback(self._done)
        await asyncio.shield(task)

    async def _changing(self, container: Container, state: UnitState, work: Callable[[], object]) -> None:
        name = container.unit.name
        made: object = None
        try:
            with self._roster.doing(name, state):
                self._tell(name, str(state))
                made = await self._changes.run(work)
                # The new one first: its unit is never gone.
                if isinstance(made, str):
                    await self._look(made)
                await self._look(container.id)
        except BaseException:
            await self._look(container.id)
            raise
        finally:
            self._tell(name, "changed")

    async def _look(self, container: str) -> None:
        """Look at it; where that cannot be done now, the next connection will."""
        with suppress(FleetError, ValueError):
            await self._watch.look(container)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked may be gone

    def _is_nobodys(self) -> bool:
        """Whether there is nothing at the default place, where nobody said that an engine is."""
        return not self._expected and self._watch.epoch == 0 and not Path(self.address.socket or "").exists()

    def _name(self, unit: str) -> str:
        start = unit_id(self.host_name, self.name, "")
        return unit.removeprefix(start) if unit.startswith(start) else ""

    def _find(self, unit: str) -> Container:
        found = self._roster.find(self._name(unit))
        if found is None:
            raise FleetError(f"there is no unit {unit!r}", fix="See 'sensor-tui units'")
        return found

    def _tell(self, name: str | None, kind: str) -> None:
        unit = None if name is None else unit_id(self.host_name, self.name, name)
        self._events.tell(UnitEvent(unit, kind, self._clock.now()))

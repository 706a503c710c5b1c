"""The process runtime: units as supervised processes of this machine.

Everything it knows is in one folder: per unit its definition (`{name}.json`), what is remembered of it
(`{name}.state`) and its log. Units run in sessions of their own and outlive the service; the next one takes
them over.
"""

import asyncio
import fcntl
import json
import os
import platform
import re
import socket
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import FleetError
from sensor_tui.fleet import process_table
from sensor_tui.fleet.process_census import Census
from sensor_tui.fleet.process_events import Events
from sensor_tui.fleet.process_ground import Ground
from sensor_tui.fleet.process_logs import LogKeeper
from sensor_tui.fleet.process_meter import Meter
from sensor_tui.fleet.process_spec import MARK, check_spec, save_spec
from sensor_tui.fleet.process_unit import ProcessUnit
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import HostState, LogLine, Unit, UnitEvent, UnitSpec, UnitStats, unit_id

FOLDER: Final = "units"

_LOCK: Final = ".lock"
_CONTENT: Final = 4096
_THREADS: Final = 4
_SPEC: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.json")


class ProcessRuntime:
    """Implements `Runtime`, and takes new units. One at a time may be open for a state folder."""

    name = "process"

    def __init__(
        self,
        state: Path,
        root: Path,
        clock: Clock,
        *,
        host_name: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`state` is the state folder, `root` the data folder, where units run unless they say otherwise."""
        self.host_name = host_name or socket.gethostname()
        self._folder = state.absolute() / FOLDER
        self._clock = clock
        self._units: dict[str, ProcessUnit] = {}
        self._events = Events()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="units")
        self._logs = LogKeeper(self._folder, clock)
        self._meter = Meter()
        self._metering = asyncio.Lock()
        self._lock: int | None = None
        root = root.absolute()
        self._ground = Ground(
            self.host_name,
            self._folder,
            root if root.is_dir() else root.parent,
            clock,
            dict(os.environ if environment is None else environment),
            self._pool,
            Census(MARK, self._pool),
            self._changed,
        )

    async def open(self) -> None:
        """Take over what runs, and start what should run and does not.

        Raises:
            FleetError: another runtime has this state folder, or it cannot be used.
        """
        run = self._ground.run
        try:
            self._lock = await run(self._claim)
            units = {name: ProcessUnit(name, self._ground) for name in await run(self._names)}
            for unit in units.values():
                await run(unit.load)
            marked = await run(_marked) if units else {}
            self._units = units
            self._logs.open(units)
            await asyncio.gather(*(unit.take_over(marked) for unit in units.values()))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go; what runs, runs on."""
        tasks = [task for unit in self._units.values() for task in unit.close()]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._events.close()
        await self._logs.close()
        await asyncio.to_thread(self._pool.shutdown)
        if self._lock is not None:
            with suppress(OSError):
                os.truncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def host(self) -> HostState:
        """Always reachable."""
        return HostState(
            self.host_name,
            self.name,
            reachable=True,
            version=f"Python {platform.python_version()}",
            units=len(self._units),
            seen=self._clock.now(),
        )

    def list(self) -> Sequence[Unit]:
        """Every unit, by name."""
        return [self._units[name].unit() for name in sorted(self._units)]

    async def add(self, spec: UnitSpec) -> Unit:
        """Know a unit from now on, without starting it; the same again is fine.

        Raises:
            FleetError: it cannot be used, or its name is taken by another.
        """
        check_spec(spec)
        known = self._units.get(spec.name)
        if known is None:
            unit = ProcessUnit(spec.name, self._ground)
            unit.spec = replace(spec, environment=dict(spec.environment), labels=dict(spec.labels))
            self._units[spec.name] = unit
            try:
                await self._ground.run(save_spec, unit.path(".json"), spec)
            except OSError as error:
                del self._units[spec.name]
                raise FleetError(f"{unit.path('.json')}: {error.strerror}") from error
            self._logs.add(spec.name)
            self._changed(spec.name, "added")
            return unit.unit()
        if known.removing:
            raise FleetError(f"{spec.name} is being removed", fix="Add it once that is done")
        if known.spec != spec:
            raise FleetError(f"there is another unit {spec.name!r}", fix="Choose another name, or remove it")
        return known.unit()

    def spec(self, unit: str) -> UnitSpec:
        """What a unit is, with its secrets. Raises FleetError where there is no such unit."""
        found = self._unit(unit)
        if found.broken is not None:
            raise found.broken
        return found.spec

    async def start(self, unit: str) -> None:
        """Start it; nothing where it is up. Raises FleetError."""
        found = self._unit(unit)
        await self._whole(found, found.start())

    async def stop(self, unit: str, *, grace: float) -> None:
        """End it and all it started; `grace` in seconds. Raises FleetError."""
        found = self._unit(unit)
        await self._whole(found, found.stop(grace=grace))

    async def restart(self, unit: str, *, grace: float) -> None:
        """Stop and start. Raises FleetError."""
        found = self._unit(unit)
        await self._whole(found, found.restart(grace=grace))

    async def regenerate(self, unit: str) -> None:
        """Read its definition again, and forget how often it ended. Raises FleetError."""
        found = self._unit(unit)
        await self._whole(found, found.regenerate())

    async def remove(self, unit: str, *, grace: float) -> None:
        """Stop it and delete its definition, state and log. Raises FleetError."""
        found = self._unit(unit)
        await self._whole(found, self._remove(found, grace))

    async def _remove(self, unit: ProcessUnit, grace: float) -> None:
        if unit.removing:
            raise FleetError(f"{unit.name} is being removed")
        unit.removing = True
        try:
            await unit.stop(grace=grace)
            # The definition goes first: without one, what is left behind is nobody's and harmless.
            for suffix in (".json", ".state"):
                await self._ground.run(_delete, unit.path(suffix))
            # Its name is free for another only when nothing of it can be mistaken for the other's.
            await self._logs.remove(unit.name)
        except BaseException:
            unit.removing = False
            raise
        del self._units[unit.name]
        self._changed(unit.name, "removed")

    async def stats(self, units: Sequence[str]) -> Mapping[str, UnitStats]:
        """Processor and memory of units that are up, with all that they started."""
        leaders = {unit.id: unit.pid for unit in self._units.values() if unit.pid is not None}
        chosen = [unit for unit in units if unit in leaders]
        async with self._metering:
            now = self._clock.now()
            usage = await self._ground.run(self._meter.measure, leaders, chosen, self._clock.monotonic())
        for unit, each in usage.items():
            if (found := self._units.get(self._name(unit))) is not None:
                found.paused(stopped=each.stopped)
        return {
            unit: UnitStats(unit, now, each.cpu_percent, each.memory_bytes) for unit, each in usage.items()
        }

    def logs(
        self, unit: str, *, since: float | None = None, tail: int | None = None, follow: bool = False
    ) -> AsyncIterator[Sequence[LogLine]]:
        """Lines in order, in batches of at most 500. Raises FleetError where there is no such unit."""
        found = self._unit(unit)
        return self._logs.lines(found.name, found.id, since=since, tail=tail, follow=follow)

    def events(self) -> AsyncIterator[UnitEvent]:
        """What changes from now on, until the runtime closes."""
        return self._events.listen()

    def _name(self, unit: str) -> str:
        start = unit_id(self.host_name, self.name, "")
        return unit.removeprefix(start) if unit.startswith(start) else ""

    def _unit(self, unit: str) -> ProcessUnit:
        found = self._units.get(self._name(unit))
        if found is None:
            raise FleetError(f"there is no unit {unit!r}", fix="See 'sensor-tui units'")
        return found

    def _changed(self, name: str, kind: str) -> None:
        self._events.tell(UnitEvent(unit_id(self.host_name, self.name, name), kind, self._clock.now()))

    async def _whole(self, unit: ProcessUnit, work: Coroutine[Any, Any, None]) -> None:
        """Do it to the end, also where whoever asked for it no longer waits."""
        await asyncio.shield(unit.later(work))

    def _names(self) -> Sequence[str]:
        return sorted(
            path.name.removesuffix(".json") for path in self._folder.iterdir() if _SPEC.fullmatch(path.name)
        )

    def _claim(self) -> int:
        """Hold the lock of the folder; raises FleetError."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise FleetError(
                f"the folder of units {self._folder} cannot be used: {error.strerror}",
                fix="Make it writable for this user, or name another state folder (state_dir)",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            who = _holder(lock)
            os.close(lock)
            raise FleetError(
                f"the units in {self._folder} are looked after by {who}", fix="Ask that one, or stop it first"
            ) from error
        os.truncate(lock, 0)
        os.pwrite(lock, json.dumps({"pid": os.getpid(), "host": self.host_name}).encode() + b"\n", 0)
        return lock


def _holder(lock: int) -> str:
    try:
        about = json.loads(os.pread(lock, _CONTENT, 0))
        return f"process {int(about['pid'])} on {about['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _marked() -> Mapping[str, list[int]]:
    return process_table.marked(process_table.table(), MARK)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)

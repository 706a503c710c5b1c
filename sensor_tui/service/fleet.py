"""The fleet of a service: its runtimes, how their units stand, and what may be done to them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sensor_tui.errors import ConfigError, FleetError, SensorTuiError, StorageError
from sensor_tui.fleet.actions import Actions
from sensor_tui.fleet.contract import Runtime
from sensor_tui.model.action import ActionRun, LoggedAction
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import HostState, LogLine, Unit, UnitSpec, UnitStats
from sensor_tui.service.board import Board
from sensor_tui.service.fleet_board import FleetView
from sensor_tui.service.fleet_logs import merged
from sensor_tui.service.fleet_readings import FleetReadings
from sensor_tui.service.host import EngineHost

if TYPE_CHECKING:
    from sensor_tui.config.schema import FleetSettings
    from sensor_tui.fleet.docker import DockerRuntime

log = logging.getLogger(__name__)

STATS_SECONDS: Final = 1.0
PROJECT_SECONDS: Final = 1.0
"""Between two looks at which project was started last."""
SHOWN_ENDED: Final = 5
"""Actions that have ended and are still shown."""
_LIST_FIX: Final = "'sensor-tui units' lists them"


class ProcessUnits(Runtime, Protocol):
    """The runtime of this machine's processes, which takes new units."""

    async def add(self, spec: UnitSpec) -> Unit:
        """Know a unit from now on, without starting it; raises FleetError."""
        ...


class Fleet:
    """Every unit on every runtime. One that cannot be opened is said to be away, and the rest goes on.

    Args:
        host: the engine host whose readings units write.
        board: shows units, and says whether somebody looks.
        root: the data folder, or a single file.
        state: the state folder.
        clock: what tells the time.
        processes: the runtime of this machine's processes.
        engines: the runtimes of Docker engines, whose containers are those of the project started last.
    """

    def __init__(
        self,
        host: EngineHost,
        board: Board,
        root: Path,
        state: Path,
        clock: Clock,
        *,
        processes: ProcessUnits,
        engines: "Sequence[DockerRuntime]" = (),
    ) -> None:
        self._host = host
        self._board = board
        self._state = state
        self._clock = clock
        self._processes = processes
        self._engines = engines
        self._runtimes: list[Runtime] = [processes, *engines]
        self._open: list[Runtime] = []
        self._away: dict[tuple[str, str], HostState] = {}
        self._stats: dict[str, Mapping[str, UnitStats]] = {}
        """What units use, by runtime."""
        self._helpers: list[asyncio.Task[None]] = []
        self._last: FleetView | None = None
        """How all of it stood when it was let go of."""
        self.actions = Actions(
            self._open,
            FleetReadings(host, root, state, clock, self.units),
            clock,
            self.record,
            changed=board.nudge,
        )
        board.show_fleet(self.view)

    async def open(self) -> None:
        """Take over what runs; to be called once."""
        problems = await asyncio.gather(*map(_open, self._runtimes))
        for runtime, problem in zip(self._runtimes, problems, strict=True):
            if problem:
                key = (runtime.host_name, runtime.name)
                self._away[key] = HostState(*key, reachable=False, reason=problem)
                log.error("units of %s/%s: %s", *key, problem)
                continue
            self._open.append(runtime)
            self._help(self._listen(runtime))
            self._help(self._measure(runtime))
        if self._engines:
            self._help(self._follow_project())

    async def close(self) -> None:
        """End actions and let go; units run on."""
        await self.actions.close()
        for task in self._helpers:
            task.cancel()
        await asyncio.gather(*self._helpers, return_exceptions=True)
        self._helpers.clear()
        # Units run on: whoever looks at last is not to be told that they are gone.
        self._last = self.view()
        await asyncio.gather(*map(_close, self._open))
        self._open.clear()

    def units(self) -> list[Unit]:
        """Every unit there is."""
        return [unit for runtime in self._open for unit in runtime.list()]

    def view(self) -> FleetView:
        """How all of it stands, or stood at the end."""
        if self._last is not None:
            return self._last
        known = [*(runtime.host() for runtime in self._open), *self._away.values()]
        # Neither there nor missed: nobody has looked yet, or nobody expects one there.
        hosts = [host for host in known if host.reachable or host.reason]
        stats = {unit: each for found in self._stats.values() for unit, each in found.items()}
        return FleetView(hosts, self.units(), stats, self._shown_actions())

    async def add(self, spec: UnitSpec, who: str) -> Unit:
        """Know a process unit from now on, without starting it.

        Raises:
            FleetError: it cannot be used, its name is taken, or processes are not looked after here.
        """
        away = self._away.get((self._processes.host_name, self._processes.name))
        if away is not None:
            raise FleetError(f"Processes are not looked after by this service: {away.reason}")
        unit = await self._processes.add(spec)
        await self.record(who, "add", unit.name, "added")
        return unit

    def logs(
        self, unit_ids: Sequence[str], *, since: float | None, tail: int | None, follow: bool
    ) -> AsyncGenerator[list[LogLine], None]:
        """Lines of these units, or of all where none is named, merged by time.

        Raises:
            FleetError: there is no such unit.
        """
        runtimes = {unit.id: runtime for runtime in self._open for unit in runtime.list()}
        names = list(dict.fromkeys(unit_ids)) or list(runtimes)
        for name in names:
            if name not in runtimes:
                raise FleetError(f"There is no unit {name!r}", fix=_LIST_FIX)
        logs = {name: runtimes[name].logs(name, since=since, tail=tail, follow=follow) for name in names}
        return merged(logs, self._clock, follow=follow)

    async def record(self, who: str, action: str, target: str, result: str) -> None:
        """Write a line of the action log; where the pipeline is closed or changes, on our own."""
        from sensor_tui.storage.history import OperatorAction
        from sensor_tui.storage.ledger import Ledger

        log.info("%s: %s (%s): %s", who, action, target, result)
        entry = OperatorAction(self._clock.now(), who, action, target, result)
        try:
            await self._host.pipeline.store.ledger.record_action(entry)
        except StorageError:
            try:
                async with Ledger(self._state, clock=self._clock) as ledger:
                    await ledger.record_action(entry)
            except StorageError as error:
                log.warning("not written to the action log: %s", error)

    async def logged(self, limit: int) -> list[LoggedAction]:
        """The last lines of the action log, the newest first.

        Raises:
            StorageError: the ledger cannot be read.
        """
        entries = await self._host.pipeline.store.ledger.actions(limit)
        return [
            LoggedAction(entry.at, entry.who, entry.action, entry.target, entry.result) for entry in entries
        ]

    def _shown_actions(self) -> list[ActionRun]:
        """Those that run, and the last few that ended."""
        runs = self.actions.runs
        ended = [run.id for run in runs if run.ended is not None]
        hidden = set(ended[:-SHOWN_ENDED])
        return [run for run in runs if run.id not in hidden]

    async def _listen(self, runtime: Runtime) -> None:
        async for _ in runtime.events():
            self._board.nudge()

    async def _measure(self, runtime: Runtime) -> None:
        """Look at what units use, once a second while somebody looks."""
        name = f"{runtime.host_name}/{runtime.name}"
        while True:
            if self._board.watched:
                up = [unit.id for unit in runtime.list() if unit.state.up]
                try:
                    self._stats[name] = await runtime.stats(up) if up else {}
                except (SensorTuiError, OSError) as error:
                    log.debug("no statistics of %s: %s", name, error)
            await self._clock.sleep(STATS_SECONDS)

    async def _follow_project(self) -> None:
        """Look after the containers of the project that was started last, also where that was just now."""
        from sensor_tui.fleet.project import FILE, remembered

        path = self._state / FILE
        known: int | None = None
        while True:
            now = _changed_at(path)
            changed, known = now != known, now
            if changed and (last := remembered(self._state)) is not None:
                for engine in self._engines:
                    engine.show(last.name)
            await self._clock.sleep(PROJECT_SECONDS)

    def _help(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(_complain)
        self._helpers.append(task)


async def _open(runtime: Runtime) -> str:
    """Open it; why that cannot be done, where it cannot."""
    try:
        await runtime.open()
    except (SensorTuiError, OSError) as error:
        return str(error) or type(error).__name__
    return ""


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


async def _close(runtime: Runtime) -> None:
    try:
        await runtime.close()
    except (SensorTuiError, OSError) as error:
        log.warning("units of %s/%s: %s", runtime.host_name, runtime.name, error)


def docker_runtimes(
    settings: "FleetSettings", root: Path, state: Path, clock: Clock
) -> "list[DockerRuntime]":
    """A runtime for each Docker engine that settings or environment name, or for the one at the usual place.

    None of them is spoken to before it is opened, nor waited for then. Containers are those of the project
    that was started last, else of the one in the settings.

    Raises:
        ConfigError: an engine in the settings has no address that could be used.
    """
    if find_spec("docker") is None:  # as in a container, whose service holds an engine alone
        return []
    # The SDK itself is loaded with the first connection, in a thread.
    from sensor_tui.fleet.docker import DockerRuntime
    from sensor_tui.fleet.docker_host import docker_addresses
    from sensor_tui.fleet.project import remembered

    try:
        addresses = docker_addresses(settings.hosts)
    except ConfigError as error:
        if settings.hosts:
            raise ConfigError(f"fleet.hosts: {error.message}", fix=error.fix) from error
        log.warning("no containers are looked after: %s", error)
        return []
    folder = root.absolute().parent if root.is_file() else root.absolute()
    last = remembered(state)
    runtimes = [DockerRuntime(each, clock, project=settings.project, data_root=folder) for each in addresses]
    if last is not None:
        for runtime in runtimes:
            runtime.show(last.name)
    return runtimes


def _complain(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("part of the fleet failed: %s", error, exc_info=error)

"""Logs read where they are kept, from Docker engines and files, when there is no service to ask."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from sensor_tui.errors import FleetError
from sensor_tui.fleet.process import FOLDER
from sensor_tui.fleet.process_lines import LineReader
from sensor_tui.fleet.process_spec import load_spec
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import LogLine, Unit, UnitState, unit_id
from sensor_tui.service.attach import state_of
from sensor_tui.service.fleet import docker_runtimes
from sensor_tui.service.fleet_logs import merged
from sensor_tui.service.fleet_logs_growing import GrowingLog
from sensor_tui.service.request import SyncRequest

if TYPE_CHECKING:
    from sensor_tui.config import Settings

T = TypeVar("T")

SETTLE_SECONDS: Final = 10.0
"""How long an engine may take until it says what it has."""
AGAIN_SECONDS: Final = 1.0
"""Between two looks at the log of a process."""
_RUNTIME: Final = "process"


class DirectLogs:
    """Units and their logs, as an asynchronous context manager. Nothing is started, changed or taken over."""

    def __init__(self, settings: "Settings", request: SyncRequest, clock: Clock) -> None:
        root, self._state = request.root.absolute(), state_of(request)
        self._clock = clock
        self._engines = docker_runtimes(settings.fleet, root, self._state, clock)
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="unit-logs")
        self._processes: dict[str, Unit] = {}
        self.problems: list[str] = []
        """Definitions of processes that cannot be read; an engine that is away is logged."""

    async def __aenter__(self) -> Self:
        for engine in self._engines:
            await engine.open()
        settling = [asyncio.ensure_future(engine.settled()) for engine in self._engines]
        if settling:
            sleeping = asyncio.ensure_future(self._clock.sleep(SETTLE_SECONDS))
            while not (sleeping.done() or all(each.done() for each in settling)):
                waiting = [each for each in settling if not each.done()]
                await asyncio.wait([sleeping, *waiting], return_when=asyncio.FIRST_COMPLETED)
            for task in (sleeping, *settling):
                task.cancel()
            await asyncio.gather(sleeping, *settling, return_exceptions=True)
        self._processes = {unit.id: unit for unit in await self._run(self._find_processes)}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(engine.close() for engine in self._engines))
        self._pool.shutdown(wait=False)

    async def units(self) -> list[Unit]:
        """Every unit that can be seen."""
        return [*self._processes.values(), *(unit for engine in self._engines for unit in engine.list())]

    def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = False,
    ) -> AsyncGenerator[list[LogLine], None]:
        """Lines of these units, merged by time."""
        logs: dict[str, AsyncIterator[Sequence[LogLine]]] = {}
        for unit in units:
            if unit in self._processes:
                logs[unit] = self._lines(self._processes[unit], since, tail, follow=follow)
                continue
            engine = next(each for each in self._engines if any(unit == one.id for one in each.list()))
            logs[unit] = engine.logs(unit, since=since, tail=tail, follow=follow)
        return merged(logs, self._clock, follow=follow)

    async def _lines(
        self, unit: Unit, since: float | None, tail: int | None, *, follow: bool
    ) -> AsyncGenerator[Sequence[LogLine], None]:
        log = GrowingLog(self._state / FOLDER / f"{unit.name}.log", self._clock)
        reader = await self._run(lambda: LineReader(log, unit.id, since=since, tail=tail))
        place = -1
        while True:
            while lines := await self._run(reader.take):
                yield lines
            # the beginning of a line is shown once its end has been missing from one look to the next
            late = reader.place == place or not follow
            if late and (rest := await self._run(reader.rest)):
                yield rest
            if not follow:
                return
            place = reader.place
            yield ()
            await self._clock.sleep(AGAIN_SECONDS)

    def _find_processes(self) -> list[Unit]:
        folder, host = self._state / FOLDER, socket.gethostname()
        found = []
        try:
            paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
        except OSError as error:
            self.problems.append(f"{folder}: {error.strerror}")
            return []
        for path in paths:
            name = path.stem
            try:
                spec = load_spec(path)
            except FleetError as error:
                self.problems.append(str(error))
                continue
            found.append(
                Unit(
                    unit_id(host, _RUNTIME, name),
                    host,
                    _RUNTIME,
                    name,
                    spec.role,
                    UnitState.UNKNOWN,
                    city=spec.city,
                    project=spec.project,
                    sensor_id=spec.sensor_id,
                )
            )
        return found

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

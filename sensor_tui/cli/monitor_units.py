"""Units as they can be seen where no service looks after them; nothing is started, and nothing written."""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from sensor_tui.errors import FleetError
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import HostState, Role, Unit, UnitState, unit_id

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.fleet.docker import DockerRuntime
    from sensor_tui.service.request import SyncRequest

ENGINE_SECONDS: Final = 3.0
"""The first look waits so long for engines; those that answer later are in the next one."""

_UNSEEN: Final = "its process is gone, and no service saw how it ended"
_UNATTENDED: Final = "ended by itself; no service is there to start it again"


class UnitsLook:
    """Processes by what the state folder says of them, containers by what their engines say."""

    def __init__(self, settings: "Settings", request: "SyncRequest", clock: Clock) -> None:
        self._settings = settings
        self._request = request
        self._clock = clock
        self._engines: list[DockerRuntime] = []

    async def __aenter__(self) -> Self:
        from sensor_tui.service.attach import state_of
        from sensor_tui.service.fleet import docker_runtimes

        root = self._request.root.absolute()
        self._engines = docker_runtimes(self._settings.fleet, root, state_of(self._request), self._clock)
        for engine in self._engines:
            await engine.open()
        with suppress(TimeoutError):
            async with asyncio.timeout(ENGINE_SECONDS):
                await asyncio.gather(*(engine.settled() for engine in self._engines))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for engine in self._engines:
            await engine.close()
        self._engines = []

    async def now(self) -> tuple[tuple[HostState, ...], tuple[Unit, ...]]:
        """Hosts and units as they are."""
        from sensor_tui.fleet.process import FOLDER
        from sensor_tui.service.attach import state_of

        processes = await asyncio.to_thread(process_units, state_of(self._request) / FOLDER)
        hosts = (engine.host() for engine in self._engines)
        units = [*processes, *(unit for engine in self._engines for unit in engine.list())]
        return tuple(host for host in hosts if host.reachable or host.reason), tuple(units)


def process_units(folder: Path) -> Sequence[Unit]:
    """Units that are processes of this machine, by name; one whose definition cannot be read says so."""
    return [_unit(path) for path in sorted(folder.glob("[a-z0-9]*.json"))]


def _unit(path: Path) -> Unit:
    from sensor_tui.fleet.process_spec import load_spec
    from sensor_tui.fleet.process_state import load_record

    name, host = path.stem, socket.gethostname()
    record = load_record(path.with_suffix(".state"))
    unit = Unit(
        id=unit_id(host, "process", name),
        host=host,
        runtime="process",
        name=name,
        role=Role.OTHER,
        state=record.state,
        reason=record.reason,
        exit_code=record.exit_code,
        restarts=record.restarts,
    )
    if record.state.up and not _lives(record.pid, record.birth):
        unit = replace(unit, state=UnitState.UNKNOWN, reason=_UNSEEN)
    elif record.state is UnitState.BACKOFF:
        unit = replace(unit, reason=_UNATTENDED)
    try:
        spec = load_spec(path)
    except FleetError as error:
        return replace(unit, reason=error.message)
    return replace(unit, role=spec.role, city=spec.city, project=spec.project, sensor_id=spec.sensor_id)


def _lives(pid: int | None, birth: str) -> bool:
    """Whether the process that is remembered is the one of that number."""
    from sensor_tui.fleet import process_table

    return pid is not None and bool(birth) and process_table.birth(pid) == birth

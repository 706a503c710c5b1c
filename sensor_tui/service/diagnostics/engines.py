"""The Docker engines of the configuration, and what is seen of a project on them while checks are made."""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sensor_tui.errors import FleetError, SensorTuiError
from sensor_tui.service.attach import state_of
from sensor_tui.service.diagnostics.context import Context

if TYPE_CHECKING:
    from sensor_tui.fleet.docker_calls import Calls
    from sensor_tui.fleet.docker_host import DockerAddress
    from sensor_tui.fleet.docker_probe import Probe
    from sensor_tui.fleet.docker_unit import Container
    from sensor_tui.fleet.project import Project

T = TypeVar("T")

LOOK_SECONDS: Final = 10.0
"""How long an engine may take to say what it has."""

_THREADS: Final = 8
_WHICH_ENGINE: Final = frozenset(
    {"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of one engine; `probe` is None where it is away, and `problem` says why."""

    address: "DockerAddress"
    probe: "Probe | None" = None
    containers: "tuple[Container, ...]" = ()
    """Of the project."""
    problem: SensorTuiError | None = None


class Engines:
    """Looks at every engine once, and keeps the connections until it is closed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._calls: Calls | None = None
        self._looks: list[Look] | None = None

    @property
    def installed(self) -> bool:
        """Whether engines can be spoken to at all; the service in a container cannot."""
        return find_spec("docker") is not None

    @property
    def last(self) -> "Project | None":
        """The project that was started last with these files."""
        from sensor_tui.fleet.project import remembered

        state = self.state
        return None if state is None else remembered(state)

    @property
    def state(self) -> Path | None:
        """The state folder, where it is clear which files are meant."""
        request = self._context.request
        return None if request is None else state_of(request)

    @property
    def project(self) -> str:
        """Name of the project whose containers are units."""
        last = self.last
        return self._context.settings().fleet.project if last is None else last.name

    @property
    def why_wanted(self) -> str:
        """Why a Docker engine is needed; empty where nothing says so."""
        fleet, last = self._context.settings().fleet, self.last
        if last is not None:
            return f"project {last.name} was started last"
        if fleet.hosts:
            return "fleet.hosts names it"
        return "fleet.uploaders asks for containers" if fleet.uploaders == "containers" else ""

    async def looks(self) -> list[Look]:
        """Every engine of the configuration, in its order; nothing is raised for one that is away.

        Raises:
            ConfigError: an engine of the configuration has no address that could be used.
        """
        if self._looks is None:
            if not self.installed:
                return []
            from sensor_tui.fleet.docker_host import docker_addresses

            addresses = docker_addresses(self._context.settings().fleet.hosts)
            self._looks = list(await asyncio.gather(*map(self._look, addresses)))
        return self._looks

    async def home(self) -> Look | None:
        """The engine the project was started on: the one used last, else the first that answers."""
        looks = await self.looks()
        last = self.last
        if last is not None and last.host is not None:
            for look in looks:
                if last.host in {look.address.name, look.address.url}:
                    return look
        return next((look for look in looks if look.probe is not None), looks[0] if looks else None)

    async def ask(self, work: Callable[[], T], *, seconds: float | None = None) -> T:
        """Do what blocks, in a thread that keeps nobody.

        Raises:
            FleetError: as the work does, or there is no answer in time.
        """
        from sensor_tui.fleet.docker_calls import Calls

        seconds = LOOK_SECONDS if seconds is None else seconds
        if self._calls is None:
            self._calls = Calls("docker checks", _THREADS)
        try:
            async with asyncio.timeout(seconds):
                return await self._calls.run(work)
        except TimeoutError:
            raise FleetError(
                f"no answer within {seconds:g} s", fix="See whether the engine hangs, and the network"
            ) from None

    async def close(self) -> None:
        """Let go of every engine."""
        looks, self._looks = self._looks or [], None
        for look in looks:
            if look.probe is not None:
                with suppress(FleetError):
                    await self.ask(look.probe.close)
        calls, self._calls = self._calls, None
        if calls is not None:
            calls.close()

    async def _look(self, address: "DockerAddress") -> Look:
        from sensor_tui.fleet.docker_probe import Probe

        project, root = self.project, self._data_root(address)
        abandoned = threading.Event()

        def work() -> Look:
            probe = Probe.open(address)
            try:
                return Look(address, probe, tuple(probe.units(project, root)))
            except BaseException:
                abandoned.set()
                raise
            finally:
                if abandoned.is_set():
                    probe.close()

        try:
            return await self.ask(work)
        except SensorTuiError as error:
            abandoned.set()
            return Look(address, problem=error)

    def _data_root(self, address: "DockerAddress") -> Path | None:
        """Where mounts are looked up: the data folder, for an engine of this machine."""
        request = self._context.request
        if request is None or address.socket is None:
            return None
        root = request.root.absolute()
        return root.parent if root.is_file() else root


def environment_of(address: "DockerAddress") -> dict[str, str]:
    """Variables for tools that are to speak to this engine."""
    own = {name: value for name, value in os.environ.items() if name not in _WHICH_ENGINE}
    return own | address.environment()

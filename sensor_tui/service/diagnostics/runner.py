"""The checks there are, in order, and how they stand on one another."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from sensor_tui.errors import SensorTuiError, UsageError
from sensor_tui.model.check import Check, CheckInfo, CheckVerdict
from sensor_tui.service.diagnostics import docker, endpoint, files, machine, outputs, unit_logs, units
from sensor_tui.service.diagnostics.container_dns import container_dns
from sensor_tui.service.diagnostics.context import Context, Finding, failed, failed_by, skipped
from sensor_tui.service.diagnostics.engines import Engines
from sensor_tui.service.diagnostics.reach import Endpoint

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 60.0
"""How long a check may take."""
DOCKER_SECONDS: Final = 30.0
"""The same where engines are asked, which has its own limit for every question."""
KEPT_SECONDS: Final = 10.0
"""How long the verdict of a check is good enough for those that stand on it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What checks are made on, with the connections they share."""

    context: Context
    endpoint: Endpoint
    engines: Engines

    async def close(self) -> None:
        """Let go of connections; they are made again where they are needed."""
        await self.endpoint.close()
        await self.engines.close()


Make = Callable[[Ground], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check, the checks that have to be well before it can be made, and how long it may take."""

    name: str
    title: str
    make: Make
    needs: tuple[str, ...] = ()
    seconds: float = CHECK_SECONDS


def _alone(make: Callable[[Context], Awaitable[Finding]]) -> Make:
    return lambda ground: make(ground.context)


def _of_endpoint(make: Callable[[Context, Endpoint], Awaitable[Finding]]) -> Make:
    return lambda ground: make(ground.context, ground.endpoint)


def _of_engines(make: Callable[[Context, Engines], Awaitable[Finding]]) -> Make:
    return lambda ground: make(ground.context, ground.engines)


def _docker(
    name: str, title: str, make: Callable[[Context, Engines], Awaitable[Finding]], needs: tuple[str, ...] = ()
) -> CheckSpec:
    return CheckSpec(name, title, _of_engines(make), needs, DOCKER_SECONDS)


CHECKS: Final = (
    CheckSpec("python", "Python and packages", _alone(machine.python)),
    _docker("docker", "Docker engine", docker.engine),
    _docker("compose", "Compose tool", docker.compose),
    _docker("images", "Images and their versions", docker.images, ("docker",)),
    CheckSpec("data", "Data and state folder", _alone(files.data)),
    _docker("service", "Service and engine", machine.service, ("data",)),
    _docker("units", "Units", units.units, ("data",)),
    CheckSpec("files", "Sensor files", _alone(files.readable), ("data",)),
    CheckSpec("growth", "Sensors write", _alone(files.growth), ("data",)),
    CheckSpec("integrity", "Integrity of files", _alone(files.integrity), ("data",)),
    CheckSpec("backlog", "Backlog and lag", _alone(files.backlog), ("data",)),
    CheckSpec("deadletters", "Dead letters", _alone(files.dead_letters), ("data",)),
    CheckSpec("disk", "Disk space", _alone(machine.disk), ("data",)),
    CheckSpec("processors", "Processors", _alone(outputs.processors)),
    CheckSpec("endpoint", "Endpoint and key are configured", _of_endpoint(endpoint.configured)),
    CheckSpec("dns", "Name of the endpoint", _of_endpoint(endpoint.name), ("endpoint",)),
    _docker("container-dns", "The name, inside a container", container_dns, ("docker",)),
    CheckSpec("connect", "Connection and TLS", _of_endpoint(endpoint.connect), ("dns",)),
    CheckSpec("clock", "Clock", _of_endpoint(endpoint.clock), ("connect",)),
    CheckSpec("key", "Authentication", _of_endpoint(endpoint.authentication), ("clock",)),
    CheckSpec("database", "Database", _of_endpoint(endpoint.database), ("key",)),
    CheckSpec("container", "Container", _of_endpoint(endpoint.container), ("database",)),
    CheckSpec("partition-key", "Partition key", _of_endpoint(endpoint.partition_key), ("container",)),
    CheckSpec("throughput", "Throughput", _of_endpoint(endpoint.throughput), ("container",)),
    CheckSpec("write", "Write and delete a document", _of_endpoint(endpoint.write), ("partition-key",)),
    CheckSpec("archive", "Archive", _alone(outputs.archive)),
    _docker("logs", "Errors in logs of units", unit_logs.logs, ("data",)),
)
_BY_NAME: Final = {spec.name: spec for spec in CHECKS}


def list_checks() -> list[CheckInfo]:
    """Every check there is, in order."""
    return [CheckInfo(spec.name, spec.title) for spec in CHECKS]


class Diagnostics:
    """Makes checks, one after another. Close it afterwards."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ground = Ground(context, Endpoint(context), Engines(context))
        self._known: dict[str, tuple[float, Check]] = {}
        self._turn = asyncio.Lock()

    async def run_check(self, name: str) -> Check:
        """Make one check, and first those that it stands on, unless that has just been done.

        Raises:
            UsageError: there is none of that name.
        """
        spec = _spec(name)
        async with self._turn:
            try:
                for other in _before(spec):
                    await self._known_lately(other)
                return await self._make(spec)
            finally:
                await self._ground.close()

    async def run(self, only: Iterable[str] = ()) -> AsyncIterator[Check]:
        """Make every check, or those that are wanted, and give each as it is made.

        A check that failed and so stands in the way of a wanted one is given too.

        Raises:
            UsageError: there is none of some name.
        """
        wanted = {_spec(name).name for name in only} or set(_BY_NAME)
        async with self._turn:
            self._known.clear()
            try:
                for spec in CHECKS:
                    if spec.name not in wanted:
                        continue
                    for other in _before(spec):
                        made = other.name in self._known
                        await self._known_lately(other)
                        if not made and other.name not in wanted and self._is_failed(other):
                            yield self._known[other.name][1]
                    if spec.name not in self._known:
                        await self._make(spec)
                    yield self._known[spec.name][1]
            finally:
                await self._ground.close()

    async def run_all(self, only: Iterable[str] = ()) -> list[Check]:
        """As `run`, all at once."""
        return [check async for check in self.run(only)]

    async def close(self) -> None:
        """Let go of connections."""
        await self._ground.close()

    async def _known_lately(self, spec: CheckSpec) -> None:
        known = self._known.get(spec.name)
        if known is None or self._context.clock.monotonic() - known[0] > KEPT_SECONDS:
            await self._make(spec)

    async def _make(self, spec: CheckSpec) -> Check:
        clock = self._context.clock
        began = clock.monotonic()
        finding = self._in_the_way(spec) or await self._find(spec)
        now = clock.monotonic()
        seconds = round(now - began, 3)
        check = Check(spec.name, spec.title, finding.verdict, finding.evidence, finding.remedy, seconds)
        self._known[spec.name] = (now, check)
        return check

    def _is_failed(self, spec: CheckSpec) -> bool:
        return self._known[spec.name][1].verdict is CheckVerdict.FAILED

    def _in_the_way(self, spec: CheckSpec) -> Finding | None:
        """Why a check cannot be made; None where it can."""
        for name in spec.needs:
            _, other = self._known[name]
            if other.verdict is CheckVerdict.FAILED:
                return skipped(f"not checked, since '{name}' failed")
            if other.verdict is CheckVerdict.SKIPPED:
                return self._in_the_way(_BY_NAME[name]) or skipped(f"not checked: {other.evidence}")
        return None

    async def _find(self, spec: CheckSpec) -> Finding:
        try:
            async with asyncio.timeout(spec.seconds):
                return await spec.make(self._ground)
        except SensorTuiError as error:
            return failed_by(error)
        except TimeoutError:
            return failed(f"no result within {spec.seconds:.0f} s", "Try again; if it persists, see the log")
        except OSError as error:
            return failed(f"{error.strerror or error}", "Check permissions and the disk")
        except Exception as error:
            log.exception("the check %s failed", spec.name)
            return failed(f"the check itself failed: {type(error).__name__}: {error}", "Report this as a bug")


def _spec(name: str) -> CheckSpec:
    spec = _BY_NAME.get(name)
    if spec is None:
        near = get_close_matches(name, _BY_NAME, n=1, cutoff=0.5)
        fix = f"Did you mean '{near[0]}'?" if near else "See 'sensor-tui diagnostics --list'"
        raise UsageError(f"There is no check {name!r}", fix=fix)
    return spec


def _before(spec: CheckSpec) -> list[CheckSpec]:
    """Every check that has to be made before this one, in the order of the list."""
    wanted: set[str] = set()
    pending = [*spec.needs]
    while pending:
        name = pending.pop()
        wanted.add(name)
        pending += _BY_NAME[name].needs
    return [each for each in CHECKS if each.name in wanted]

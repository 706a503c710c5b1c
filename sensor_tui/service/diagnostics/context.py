"""What checks are made on: the configuration, the files, and a service where one runs."""

import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sensor_tui.errors import SensorTuiError, ServiceError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import FeedStatus
from sensor_tui.model.unit import LogLine, Unit
from sensor_tui.service.diagnostics.dns import resolve
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.wire import StatusReport

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.service.operations import Operations


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found."""

    verdict: CheckVerdict
    evidence: str
    remedy: str = ""


def fine(evidence: str) -> Finding:
    """All is well."""
    return Finding(CheckVerdict.OK, evidence)


def skipped(evidence: str) -> Finding:
    """It makes no sense here."""
    return Finding(CheckVerdict.SKIPPED, evidence)


def warning(evidence: str, remedy: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(CheckVerdict.WARNING, evidence, remedy)


def failed(evidence: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(CheckVerdict.FAILED, evidence, remedy)


def failed_by(error: SensorTuiError) -> Finding:
    """It does not work, as an error says."""
    return failed(error.message, error.fix)


@dataclass(frozen=True, slots=True)
class Context:
    """Where checks look.

    `request` is None where it is not clear which files are meant; `request_problem` then says why.
    `status` tells how things stand, by a running service or by a look at the files; `feeds` every file.
    """

    settings: Callable[[], "Settings"]
    clock: Clock
    request: SyncRequest | None
    status: Callable[[], Awaitable[StatusReport]]
    feeds: Callable[[], Awaitable[Sequence[FeedStatus]]]
    units: Callable[[], Awaitable[Sequence[Unit]]]
    logs: Callable[[Sequence[str], float, int], Awaitable[Sequence[LogLine]]]
    """Lines of units by their ids: since when, in seconds since the epoch, and so many of the last."""
    request_problem: SensorTuiError | None = None
    inside: bool = False
    """The checks are made by the service itself."""
    write: bool = False
    """A document may be written and deleted again."""
    space: Callable[[str], os.statvfs_result] = os.statvfs
    """Free space and inodes of a path."""
    name_servers: str = "/etc/resolv.conf"
    resolve: Callable[[str], Awaitable[tuple[list[str], str]]] = resolve
    """Addresses of a name as this machine has them; without any, why."""


def of_service(
    operations: "Operations", request: SyncRequest, clock: Clock, units: Callable[[], Sequence[Unit]]
) -> Context:
    """Checks made by a running service."""

    async def status() -> StatusReport:
        return operations.board.status()

    async def feeds() -> Sequence[FeedStatus]:
        return operations.feeds()

    async def known_units() -> Sequence[Unit]:
        return units()

    return Context(
        settings=lambda: operations.host.settings,
        clock=clock,
        request=request,
        status=status,
        feeds=feeds,
        units=known_units,
        logs=_logs_of(request, clock),
        inside=True,
    )


def of_request(
    settings: "Settings",
    request: SyncRequest | None,
    clock: Clock,
    *,
    problem: SensorTuiError | None = None,
    write: bool = False,
) -> Context:
    """Checks made by a command: a running service is asked, where there is one."""

    async def status() -> StatusReport:
        from sensor_tui.service.status import status as ask

        assert request is not None
        return await ask(settings, request, clock)

    async def feeds() -> Sequence[FeedStatus]:
        from sensor_tui.storage.survey import survey

        assert request is not None
        found = await survey(request.root, clock=clock, state_dir=request.state_dir)
        if any(feed.owner is not None for feed in found.files):
            found = replace(found, files=_without_own(found.files, await status()))
        known = {feed.source for feed in found.files}
        others = [
            FeedStatus(source, None, "", 0, None, None, problem=text)
            for source, text in found.problems.items()
            if source not in known
        ]
        return [*found.files, *others]

    async def units() -> Sequence[Unit]:
        return () if request is None else (await status()).units

    return Context(
        settings=lambda: settings,
        clock=clock,
        request=request,
        status=status,
        feeds=feeds,
        units=units,
        logs=_logs_of(request, clock),
        request_problem=problem,
        write=write,
    )


def _without_own(feeds: Sequence[FeedStatus], report: StatusReport) -> tuple[FeedStatus, ...]:
    """Files as the service that runs for them sees them: its own and its peers' are nobody else's."""
    if not report.engine.attached:
        return tuple(feeds)
    others = {
        source
        for sensor in report.sensors
        if sensor.owner is not None and not sensor.engine
        for source in sensor.sources or (sensor.source,)
    }
    return tuple(feed if feed.source in others else replace(feed, owner=None) for feed in feeds)


def _logs_of(
    request: SyncRequest | None, clock: Clock
) -> Callable[[Sequence[str], float, int], Awaitable[Sequence[LogLine]]]:
    """What reads logs of units through the service that looks after them, from inside it too."""

    async def logs(units: Sequence[str], since: float, tail: int) -> Sequence[LogLine]:
        import httpx

        from sensor_tui.service.attach import attach

        client = None if request is None else attach(request, clock)
        if client is None:
            raise ServiceError("no service runs that has them", fix="Start it: sensor-tui service start")
        lines: list[LogLine] = []
        async with client:
            try:
                stream = client.logs(units, since=since, tail=tail)
                async with aclosing(stream) as batches:
                    async for batch in batches:
                        lines += batch
            except httpx.HTTPError as error:
                raise client.unanswered(error) from error
        return lines

    return logs

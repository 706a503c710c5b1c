"""What checks are made on: the configuration, the files, and a service where one runs."""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sensor_tui.errors import SensorTuiError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.clock import Clock
from sensor_tui.model.source import FeedStatus
from sensor_tui.model.unit import Unit
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
    request_problem: SensorTuiError | None = None
    inside: bool = False
    """The checks are made by the service itself."""
    write: bool = False
    """A document may be written and deleted again."""
    space: Callable[[str], os.statvfs_result] = os.statvfs
    """Free space and inodes of a path."""
    name_servers: str = "/etc/resolv.conf"


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
        request_problem=problem,
        write=write,
    )

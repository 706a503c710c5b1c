"""How things stand: asked of the service where one runs, looked up in files and ledger where none does."""

import asyncio
from typing import TYPE_CHECKING

from sensor_tui import __version__
from sensor_tui.model.clock import Clock
from sensor_tui.model.progress import EngineState
from sensor_tui.model.source import FeedStatus
from sensor_tui.service.attach import attach, state_of
from sensor_tui.service.merge import age, iso, merge, sensor_report, sums
from sensor_tui.service.pipeline import check_request
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.sockets import holder
from sensor_tui.service.wire import EngineReport, StatusReport

if TYPE_CHECKING:
    from sensor_tui.config import Settings


async def status(settings: "Settings", request: SyncRequest, clock: Clock) -> StatusReport:  # noqa: ARG001
    """The report of the running service, or of a look at the files that changes nothing.

    Raises:
        UsageError: there is no such file or folder.
        ServiceError: a service runs and cannot be spoken to.
        StorageError: the ledger cannot be read.
    """
    check_request(request)
    client = attach(request, clock)
    if client is not None:
        async with client:
            return await client.status()
    return await look(request, clock)


async def look(request: SyncRequest, clock: Clock) -> StatusReport:
    """What files and ledger say, read-only and without a lock.

    Raises:
        StorageError: the ledger cannot be read.
    """
    feeds, dead = await _survey(request, clock)
    now = clock.now()
    sensors = merge(feeds)
    whole = sums(sensors)
    about = await asyncio.to_thread(holder, state_of(request))
    reason = "" if about is None else f"a service (process {about.get('pid')}) runs and does not answer"
    return StatusReport(
        at=iso(now) or "",
        backlog=whole.backlog,
        lag_seconds=age(whole.oldest_open, now),
        dead_letters=dead,
        engine=EngineReport(state=EngineState.STOPPED, reason=reason, version=__version__, attached=False),
        sensors=tuple(sensor_report(sensor, now) for sensor in sensors.values()),
    )


async def _survey(request: SyncRequest, clock: Clock) -> tuple[list[FeedStatus], int]:
    """Every file as it is, and the number of all dead letters."""
    from sensor_tui.storage.ledger import Ledger
    from sensor_tui.storage.survey import survey

    found = await survey(request.root, clock=clock, state_dir=request.state_dir)
    known = {feed.source for feed in found.files}
    unusable = [
        FeedStatus(source, None, "", 0, None, None, problem=problem)
        for source, problem in found.problems.items()
        if source not in known
    ]
    async with Ledger(state_of(request), clock=clock, read_only=True) as ledger:
        dead = await ledger.dead_letters()
    return [*found.files, *unusable], sum(dead.values())

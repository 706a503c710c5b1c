"""One run: everything that is open now, and a report."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sensor_tui.model.clock import Clock, SystemClock
from sensor_tui.model.progress import Progress
from sensor_tui.service.merge import source_report
from sensor_tui.service.pipeline import Pipeline, build_pipeline, check_request, outlets_of, start_fresh
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.retention import note_archive
from sensor_tui.service.wire import SyncReport

if TYPE_CHECKING:
    from sensor_tui.config import Settings

OnProgress = Callable[[Progress, int], None]
"""Told of a snapshot and the backlog, in readings."""

_REPORT_SECONDS: Final = 0.25


async def sync_once(
    settings: "Settings",
    request: SyncRequest,
    *,
    clock: Clock | None = None,
    on_progress: OnProgress | None = None,
    stop: asyncio.Event | None = None,
    abort: asyncio.Event | None = None,
) -> SyncReport:
    """Upload what there is. `stop` drains first, `abort` ends it at once; neither loses a reading.

    `on_progress` is called about four times a second, and once at the end.

    Raises:
        UsageError, ConfigError: what was asked for cannot be done.
        StorageError: the ledger cannot be used.
        SinkError: the sink cannot be used; what was accepted is settled.
    """
    clock = clock or SystemClock()
    check_request(request)
    outlets_of(settings, request, clock)
    pipeline = build_pipeline(settings, request, clock, freshen=await start_fresh(request, clock))
    helpers: list[asyncio.Task[None]] = []
    await pipeline.open()
    try:
        if not request.dry_run:
            archived = settings.archive.path is not None
            await note_archive(pipeline.store.ledger, request, clock, archived=archived)
        run = asyncio.ensure_future(pipeline.run(continuous=False))
        if on_progress is not None:
            helpers.append(asyncio.ensure_future(_report_on(pipeline, on_progress, clock)))
        if stop is not None:
            helpers.append(asyncio.ensure_future(_when(stop, pipeline.engine.drain)))
        if abort is not None:
            helpers.append(asyncio.ensure_future(_when(abort, run.cancel)))
        try:
            await run
        except asyncio.CancelledError:
            if abort is None or not abort.is_set():
                run.cancel()
                await asyncio.gather(run, return_exceptions=True)
                raise
        if on_progress is not None:
            on_progress(pipeline.engine.progress(), pipeline.backlog())
        interrupted = any(event is not None and event.is_set() for event in (stop, abort))
        return report(pipeline, interrupted=interrupted)
    finally:
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        await pipeline.close()


def report(pipeline: Pipeline, *, interrupted: bool) -> SyncReport:
    """What a finished run did."""
    progress = pipeline.engine.progress()
    totals = progress.totals
    # a dry run leaves everything as it was
    feeds = pipeline.source.at_start if pipeline.request.dry_run else pipeline.feeds()
    notices = list(pipeline.engine.notices)
    if not feeds:
        notices.append(f"No sensor database was found under {pipeline.request.root}")
    waiting = sum(feed.held for feed in pipeline.feeds())
    if waiting:
        notices.append(f"{waiting:,} readings wait for their window; they are sent once it is complete")
    seconds = progress.seconds
    return SyncReport(
        read=totals.read,
        accepted=progress.covered,
        documents=totals.accepted,
        lacking=() if pipeline.request.dry_run else tuple(pipeline.engine.lacking()),
        rejected=totals.rejected,
        retried=totals.retried,
        throttled=totals.throttled,
        request_units=round(totals.request_units, 2),
        seconds=round(seconds, 3),
        docs_per_second=round(totals.accepted / seconds, 1) if seconds > 0 else 0.0,
        sources=tuple(source_report(feed) for feed in feeds),
        backlog=sum(feed.backlog for feed in feeds),
        already_there=totals.already_there,
        dry_run=pipeline.request.dry_run,
        interrupted=interrupted,
        notices=tuple(notices),
    )


async def _report_on(pipeline: Pipeline, on_progress: OnProgress, clock: Clock) -> None:
    while True:
        await clock.sleep(_REPORT_SECONDS)
        on_progress(pipeline.engine.progress(), pipeline.backlog())


async def _when(event: asyncio.Event, do: Callable[[], object]) -> None:
    await event.wait()
    do()

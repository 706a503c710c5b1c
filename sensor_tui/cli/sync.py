"""`sensor-tui sync`: upload what is open, once or continuously."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import FOLDER, json_option, where_options
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.setup import Ready
    from sensor_tui.config import Loaded
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.wire import SyncReport

log = logging.getLogger(__name__)

REPORT_KEYS: Final = (
    "read",
    "accepted",
    "documents",
    "rejected",
    "retried",
    "throttled",
    "request_units",
    "seconds",
    "docs_per_second",
    "sources",
    "backlog",
)


@click.command(
    cls=Command,
    examples=(
        "sensor-tui sync --data-dir data --config cosmos-config.yaml",
        "sensor-tui sync --sqlite data/London/LON_123456/sensor_data.db --json",
        "sensor-tui sync --data-dir data --continuous --interval 30 --max-ru 4000",
        "sensor-tui sync --data-dir data --archive-path archive --archive-format Parquet",
    ),
)
@where_options
@click.option("--continuous", is_flag=True, help="Keep uploading until stopped.")
@click.option(
    "--interval",
    metavar="SECONDS",
    help="Pause between two rounds of --continuous; 30, 30s, 5m and 00:00:30 work.",
)
@click.option(
    "--upload-interval",
    metavar="SECONDS",
    help="Another name for --interval, which counts where both are given.",
)
@click.option(
    "--development",
    is_flag=True,
    help="For trials: reset the tracking of these files once, at the start, and give documents fresh ids and"
    " times.",
)
@click.option("--dry-run", is_flag=True, help="Read and convert everything, but send and mark nothing.")
@click.option("--read-only", is_flag=True, help="Refuse to change anything; sync then needs --dry-run.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve the API on TCP as well, with --continuous; beyond this machine it needs service.token.",
)
@click.option("--max-ru", metavar="NUMBER", help="Budget in request units a second.")
@click.option("--endpoint", metavar="URL", help="Address of the Cosmos DB account.")
@click.option("--database", metavar="NAME", help="Database.")
@click.option("--container", metavar="NAME", help="Container.")
@click.option(
    "--archive-path",
    type=FOLDER,
    metavar="DIR",
    help="Keep what is uploaded as files in this folder too, one dataset for each sensor.",
)
@click.option("--archive-format", metavar="FORMAT", help="Parquet, CSV or JSON lines. Default: Parquet.")
@json_option
@click.pass_obj
def sync(
    session: Session,
    /,
    *,
    data_dir: Path | None,
    sqlite: Path | None,
    config_path: Path | None,
    state_dir: Path | None,
    continuous: bool,
    development: bool,
    dry_run: bool,
    read_only: bool,
    as_json: bool,
    listen: str | None,
    archive_path: Path | None,
    **options: str | None,
) -> int:
    """Upload every open reading to Cosmos DB.

    Readings are sent in bulk and marked in their file once Cosmos DB has them; sending one twice changes
    nothing, so a run can be interrupted and repeated at any time.

    The account key is taken from COSMOS_KEY, from a file (COSMOS_KEY_FILE, cosmos.key_file) or from the
    configuration. There is no option for it, because other users of the machine can read command lines.

    Ctrl-C or SIGTERM stops reading, finishes what is under way for at most 30 seconds, and exits; a second
    one stops at once. Neither loses a reading. A run that was interrupted with readings left exits 1, unless
    it was continuous, where being stopped is the normal end.
    """
    from sensor_tui.cli.setup import prepare, say_what_waits, sync_request
    from sensor_tui.service.loop import run

    _check(continuous=continuous, dry_run=dry_run, read_only=read_only, as_json=as_json, listen=listen)
    ready = prepare(session, config_path, _overrides(state_dir, archive_path, options))
    say_what_waits(ready.settings)
    request = sync_request(
        ready.settings, data_dir=data_dir, sqlite=sqlite, development=development, dry_run=dry_run
    )
    if continuous:
        return int(run(_continuous(session, ready, request, listen)))
    report = run(_once(session, ready, request))
    _print(report, as_json=as_json)
    return int(report.exit_code)


def _check(*, continuous: bool, dry_run: bool, read_only: bool, as_json: bool, listen: str | None) -> None:
    if read_only and not dry_run:
        raise UsageError(
            "sync writes to Cosmos DB and marks rows in the sensors' files, which --read-only forbids",
            fix="Add --dry-run to see what would be sent, or leave out --read-only",
        )
    if continuous and dry_run:
        raise UsageError(
            "--dry-run sends nothing, so it has no end to wait for", fix="Leave out --continuous"
        )
    if listen is not None and not continuous:
        raise UsageError(
            "--listen is for a service that runs on", fix="Add --continuous, or leave out --listen"
        )
    if continuous and as_json:
        raise UsageError(
            "--json is the report of a run that ends",
            fix="Leave out --continuous, or ask 'sensor-tui status --json'",
        )


def _overrides(
    state_dir: Path | None, archive_path: Path | None, options: dict[str, str | None]
) -> dict[str, Any]:
    """Options as keys of the configuration; None means not given."""
    return {
        "interval": options["interval"],
        "upload_interval": options["upload_interval"],
        "performance.max_ru_per_second": options["max_ru"],
        "cosmos.endpoint": options["endpoint"],
        "cosmos.database": options["database"],
        "cosmos.container": options["container"],
        "archive.path": archive_path,
        "archive.format": options["archive_format"],
        "state_dir": state_dir,
    }


async def _once(session: Session, ready: "Ready", request: "SyncRequest") -> "SyncReport":
    from sensor_tui.cli.live import Moment, display
    from sensor_tui.cli.output import say
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.oneshot import sync_once
    from sensor_tui.service.signals import two_signals

    clock, stop, abort = SystemClock(), asyncio.Event(), asyncio.Event()
    with display(ready.lines, clock, continuous=False, plain=session.no_color) as shown:

        def first() -> None:
            stop.set()
            shown.write("Stopping: finishing what is under way. Once more to stop at once.")

        with two_signals(first, abort.set):
            report = await sync_once(
                ready.settings,
                request,
                clock=clock,
                on_progress=lambda progress, backlog: shown.show(Moment.of_run(progress, backlog)),
                stop=stop,
                abort=abort,
            )
    for notice in report.notices:
        say(notice)
    for source in report.sources:
        if source.problem and not any(source.problem in told for told in ready.lines.warnings):
            say(_about(source.source, source.problem))
        if source.owner:
            say(_about(source.source, f"left to {source.owner}"))
    return report


def _about(source: str, text: str) -> str:
    """A line that names the file, once."""
    return text if text.startswith(source) else f"{source}: {text}"


async def _continuous(
    session: Session, ready: "Ready", request: "SyncRequest", listen: str | None
) -> ExitCode:
    from sensor_tui.cli.live import Moment, display
    from sensor_tui.cli.setup import conceal
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.process import run_service

    def reload() -> "Loaded":
        loaded = ready.loaded.reload()
        conceal(loaded.settings)
        return loaded

    clock = SystemClock()
    with display(ready.lines, clock, continuous=True, plain=session.no_color) as shown:
        return await run_service(
            ready.loaded,
            request,
            clock=clock,
            listen=listen,
            reload=reload,
            on_status=lambda report: shown.show(Moment.of_status(report)),
            ready=lambda path: log.info("the API answers at %s", path),
        )


def _print(report: "SyncReport", *, as_json: bool) -> None:
    from sensor_tui.cli.output import emit, emit_json

    if as_json:
        emit_json(report_dict(report))
    else:
        emit("\n".join(_lines(report)))


def _lines(report: "SyncReport") -> Iterator[str]:
    from sensor_tui.cli.output import clean, count

    verb = "would be sent" if report.dry_run else "sent"
    if report.accepted == report.documents:
        told = f"{report.accepted:,} of {count(report.read, 'reading')} {verb}"
    else:
        told = f"{count(report.accepted, 'reading')} {verb} as {count(report.documents, 'document')}"
    told += f" in {report.seconds:.1f} s"
    if report.accepted and not report.dry_run:
        told += f", {report.docs_per_second:,.0f} docs/s, {report.request_units:,.0f} RU"
    yield told
    if report.throttled:
        yield f"{count(report.throttled, 'reading')} throttled and sent again"
    if report.rejected:
        yield f"{count(report.rejected, 'reading')} rejected; see 'sensor-tui deadletters list'"
    if report.backlog and not report.dry_run:
        waiting = sum(source.held for source in report.sources)
        told = f"{count(report.backlog, 'reading')} left"
        yield f"{told}, {waiting:,} of them waiting for their window" if waiting else told
    for line in report.lacking:
        yield clean(line)


def report_dict(report: "SyncReport") -> dict[str, Any]:
    """The report for `--json`: its lasting keys, and what is out of the ordinary only where it happened."""
    every = report.model_dump(mode="json")
    rare = {name: every[name] for name in ("interrupted", "dry_run", "lacking", "notices") if every.get(name)}
    return {name: every[name] for name in REPORT_KEYS} | rare

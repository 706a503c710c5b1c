"""`sensor-tui prune`: remove acknowledged rows from the sensors' files."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import json_option, where_options, yes_option
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.model.clock import Clock
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.retention_once import Choice, PruneReport
    from sensor_tui.storage.pruning import Bounds

HEAD: Final = ("ROWS", "OLDEST", "NEWEST", "MB", "FREED", "FILE")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be removed from which files."""

    request: "SyncRequest"
    clock: "Clock"
    bounds: "Bounds"
    words: str
    choice: "Choice"


@click.command(
    cls=Command,
    examples=(
        "sensor-tui prune --older-than 30d --dry-run",
        "sensor-tui prune --max-size 200 --city London --yes",
        "sensor-tui prune --older-than 7d --archived-only --json --yes",
    ),
)
@where_options
@click.option(
    "--older-than",
    metavar="AGE",
    help="Remove acknowledged rows of readings older than this: 12h, 30d. Default: retention.max_age.",
)
@click.option(
    "--max-size",
    metavar="MB",
    type=click.FloatRange(min=0, min_open=True),
    help="Remove the oldest acknowledged rows of files that hold more than this many megabytes."
    " Default: retention.max_size_mb.",
)
@click.option(
    "--archived-only",
    is_flag=True,
    help="Remove only rows that the archive has as well; so always with retention.archived_only.",
)
@click.option("--sensor", "--sensor-id", "sensor", metavar="ID", help="Only files of this sensor.")
@click.option("--city", metavar="NAME", help="Only files of this city.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@yes_option
@json_option
@click.pass_obj
def prune(session: Session, /, *, dry_run: bool, yes: bool, as_json: bool, **given: Any) -> int:
    """Remove acknowledged rows from the sensors' files.

    A row goes when every sink has its reading, and it is older than asked, or its file larger. Rows that are
    not acknowledged, dead letters and the newest row of a file always stay. Either bound given replaces those
    of the configuration. It may run beside the service and the sensors. SQLite fills the room again with new
    readings; the file itself does not shrink.
    """
    from sensor_tui.cli.output import confirm, count, say
    from sensor_tui.cli.setup import prepare, sync_request
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.retention_once import Choice, note_action
    from sensor_tui.service.retention_once import prune as remove

    ready = prepare(session, given["config_path"], {"state_dir": given["state_dir"]}, quietest="WARNING")
    clock = SystemClock()
    bounds, words = _bounds(ready.settings, clock, given)
    request = sync_request(ready.settings, data_dir=given["data_dir"], sqlite=given["sqlite"])
    asked = Asked(request, clock, bounds, words, Choice(given["sensor"], given["city"]))
    if dry_run or not yes:
        plan = asyncio.run(remove(request, clock, bounds, asked.choice, dry=True))
        if dry_run or not plan.rows:
            return _show(plan, asked, as_json=as_json, dry=True, plain=session.no_color)
        say(_summary(plan, asked, dry=True))
        many = count(plan.rows, "acknowledged row")
        about = "about " if bounds.most_bytes is not None else ""
        if not confirm(f"Remove {about}{many} from {count(len(plan.files), 'file')}?", yes=yes):
            return int(ExitCode.REJECTED)
    report = asyncio.run(remove(request, clock, bounds, asked.choice, dry=False))
    if report.rows:
        target = " in ".join(filter(None, (given["sensor"], given["city"]))) or "all files"
        result = f"{report.rows} rows removed from {len(report.files)} files ({words})"
        asyncio.run(note_action(request, clock, target, result))
    return _show(report, asked, as_json=as_json, dry=False, plain=session.no_color)


def _bounds(settings: "Settings", clock: "Clock", given: dict[str, Any]) -> "tuple[Bounds, str]":
    """The bounds that hold, and what they are in words; raises UsageError and ConfigError."""
    from sensor_tui.config.values import duration_seconds
    from sensor_tui.service.retention import bounds_of, require_archive, told

    kept = settings.retention
    age, size = kept.max_age, kept.max_size_mb
    if given["older_than"] is not None or given["max_size"] is not None:
        age, size = None, given["max_size"]
    if given["older_than"] is not None:
        try:
            age = duration_seconds(given["older_than"])
        except ValueError as error:
            raise UsageError(f"--older-than {given['older_than']}: {error}") from None
    archived = given["archived_only"] or kept.archived_only
    bounds = bounds_of(age, size, archived=archived, now=clock.now())
    if bounds is None:
        raise UsageError(
            "neither an age nor a size is given, so that every row is kept",
            fix="Give --older-than AGE or --max-size MB, or set retention.max_age or retention.max_size_mb",
        )
    if archived:
        require_archive(archived=settings.archive.path is not None)
    return bounds, told(bounds, age)


def _show(report: "PruneReport", asked: Asked, *, as_json: bool, dry: bool, plain: bool) -> int:
    from sensor_tui.cli.output import emit, emit_json, say, table

    if as_json:
        emit_json(_document(report, dry=dry))
    else:
        if report.files:
            emit(table(HEAD, _rows(report), plain=plain, numeric=("ROWS", "MB", "FREED")))
        emit(_summary(report, asked, dry=dry))
    for source, reason in report.left.items():
        say(f"{source}: left alone: {reason}")
    for problem in report.problems.values():
        say(problem)
    return int(ExitCode.REJECTED if report.problems else ExitCode.OK)


def _rows(report: "PruneReport") -> list[tuple[object, ...]]:
    from sensor_tui.cli.output import or_dash
    from sensor_tui.service.merge import iso

    return [
        (
            f"{file.pruned.rows:,}",
            or_dash(iso(file.pruned.oldest)),
            or_dash(iso(file.pruned.newest)),
            _megabytes(file.pruned.before),
            _megabytes(max(0, file.pruned.before - file.pruned.after)),
            file.source,
        )
        for file in report.files
    ]


def _summary(report: "PruneReport", asked: Asked, *, dry: bool) -> str:
    from sensor_tui.cli.output import count
    from sensor_tui.service.merge import iso

    looked = count(report.looked, "file")
    if not report.rows:
        return f"Nothing to remove from {looked} ({asked.words})."
    verb = "would be removed" if dry else "removed"
    about = "About " if dry and asked.bounds.most_bytes is not None else ""
    span = ""
    if report.oldest is not None and report.newest is not None:
        span = f", from {iso(report.oldest)} to {iso(report.newest)}"
    return (
        f"{about}{count(report.rows, 'acknowledged row')} {verb} from {len(report.files)} of {looked}"
        f" ({asked.words}){span}; {_megabytes(report.freed)} MB free for new readings."
    )


def _document(report: "PruneReport", *, dry: bool) -> dict[str, Any]:
    from sensor_tui.service.merge import iso

    return {
        "dry_run": dry,
        "rows": report.rows,
        "freed_bytes": report.freed,
        "oldest": iso(report.oldest),
        "newest": iso(report.newest),
        "looked_at": report.looked,
        "files": [
            {
                "source": file.source,
                "city": file.city,
                "sensor_id": file.sensor_id,
                "rows": file.pruned.rows,
                "oldest": iso(file.pruned.oldest),
                "newest": iso(file.pruned.newest),
                "used_bytes_before": file.pruned.before,
                "used_bytes_after": file.pruned.after,
            }
            for file in report.files
        ],
        "left": report.left,
        "problems": report.problems,
    }


def _megabytes(size: int) -> str:
    from sensor_tui.service.retention import MEGABYTE

    return f"{size / MEGABYTE:.1f}"

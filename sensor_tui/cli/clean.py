"""`sensor-tui clean`: documents of the Cosmos DB container go, all or some, counted and asked for first."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.moments import FORMS, METAVAR, span
from sensor_tui.cli.options import config_option, json_option
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.setup import Ready
    from sensor_tui.service.clean import Cleaner, Outcome, Preview
    from sensor_tui.service.clean_query import Selection
    from sensor_tui.sync.sinks.cosmos.delete import Identity

MOST_CITIES: Final = 50
MOST_REASONS: Final = 5
HEAD: Final = ("CITY", "DOCUMENTS")
LOCAL: Final = "The sensors' files stay as they are: rows marked as sent stay so, and are not sent again."


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for, and the configuration it is done with."""

    session: Session
    ready: "Ready"
    selection: "Selection"

    def cleaner(self, held: "Identity | None" = None) -> "Cleaner":
        """The container that is meant; raises ConfigError."""
        from sensor_tui.model.clock import SystemClock
        from sensor_tui.service.clean import Cleaner

        return Cleaner(self.ready.settings, self.selection, SystemClock(), held)

    def say_notices(self, cleaner: "Cleaner") -> None:
        """Say what opening it has shown."""
        from sensor_tui.cli.output import say

        for notice in cleaner.notices:
            say(notice)


@click.command(
    cls=Command,
    examples=(
        "sensor-tui clean --dry-run",
        "sensor-tui clean --city London",
        'sensor-tui clean --filter "c.anomalyFlag = 1" --until 30d --yes --json',
        "sensor-tui clean --container Rehearsal --max-ru 1000",
    ),
)
@config_option
@click.option("--city", metavar="NAME", help="Only documents of this city.")
@click.option("--sensor", "--sensor-id", "sensor", metavar="ID", help="Only documents of this sensor.")
@click.option(
    "--filter", "condition", metavar="SQL", help="Only documents with this, a condition over `c` as in SQL."
)
@click.option(
    "--since",
    metavar=METAVAR,
    help=f"Only readings from this time on: {FORMS}.",
)
@click.option("--until", metavar=METAVAR, help="Only readings up to this time, given in the same way.")
@click.option(
    "--dry-run", is_flag=True, help="Count by city, estimate what it would cost, and delete nothing."
)
@click.option("--read-only", is_flag=True, help="Refuse to change anything; clean then needs --dry-run.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for the count to be typed.")
@click.option("--max-ru", metavar="NUMBER", help="Budget in request units a second.")
@click.option("--endpoint", metavar="URL", help="Address of the Cosmos DB account.")
@click.option("--database", metavar="NAME", help="Database.")
@click.option("--container", metavar="NAME", help="Container.")
@json_option
@click.pass_obj
def clean(session: Session, /, **options: Any) -> int:
    """Delete documents from the Cosmos DB container: all of them, or those that fit every option given.

    They are counted first, and the count has to be typed before anything is deleted. What is written while
    it runs stays, so that a fleet may go on uploading. Ctrl-C stops after what is under way; run it again to
    go on. The container itself stays, and no other one is touched.

    The sensors' files are left alone, and their rows stay marked as sent: a reading deleted here is not sent
    again. 'sync --development' resets those marks and sends everything once more, but as new documents with
    ids and times of their own.

    To remove the containers and networks of the fleet in Docker, use 'cleanup' instead.
    """
    from sensor_tui.cli.output import emit_json, say
    from sensor_tui.cli.setup import prepare
    from sensor_tui.service.clean import Outcome
    from sensor_tui.service.loop import run

    _check(options)
    selection = _selection(options)
    ready = prepare(session, options["config_path"], _overrides(options), quietest="WARNING")
    job = Job(session, ready, selection)
    if options["dry_run"]:
        cleaner, preview = run(_preview(job))
        if options["as_json"]:
            emit_json(_identity(cleaner, dry_run=True) | _preview_facts(preview))
        else:
            _tell_preview(cleaner, preview, plain=session.no_color)
        return int(ExitCode.OK)
    cleaner, counted, until_ts = run(_count(job))
    # asked between two event loops, so that Ctrl-C reaches the question
    if counted and not options["yes"] and not _agreed(cleaner, counted):
        say("Nothing was deleted.")
        return int(ExitCode.REJECTED)
    outcome = run(_delete(job, cleaner.identity, counted, until_ts)) if counted else Outcome(0)
    if options["as_json"]:
        emit_json(_identity(cleaner, dry_run=False) | _outcome_facts(outcome))
    else:
        _tell_outcome(outcome)
    if outcome.problem is not None:
        raise outcome.problem
    return int(ExitCode.REJECTED if outcome.left or outcome.rejected else ExitCode.OK)


def _check(options: dict[str, Any]) -> None:
    """Refuse what can be told from the command line alone; raises UsageError."""
    from sensor_tui.cli.clean_told import may_ask

    if options["dry_run"]:
        return
    if options["read_only"]:
        raise UsageError(
            "clean deletes documents, which --read-only forbids",
            fix="Add --dry-run to count them, or leave out --read-only",
        )
    if not options["yes"] and not may_ask():
        raise UsageError(
            "clean asks for the count before it deletes, and there is no terminal to ask on",
            fix="Give --yes to answer beforehand, or --dry-run to count only",
        )


def _overrides(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "performance.max_ru_per_second": options["max_ru"],
        "cosmos.endpoint": options["endpoint"],
        "cosmos.database": options["database"],
        "cosmos.container": options["container"],
    }


def _selection(options: dict[str, Any]) -> "Selection":
    from sensor_tui.service.clean_query import Selection

    since, until = span(options["since"], options["until"])
    return Selection(
        city=options["city"],
        sensor=options["sensor"],
        since=since,
        until=until,
        condition=options["condition"],
    )


async def _preview(job: "Job") -> "tuple[Cleaner, Preview]":
    async with job.cleaner() as cleaner:
        job.say_notices(cleaner)
        return cleaner, await cleaner.preview()


async def _count(job: "Job") -> "tuple[Cleaner, int, int]":
    async with job.cleaner() as cleaner:
        job.say_notices(cleaner)
        return cleaner, *await cleaner.bound()


async def _delete(job: "Job", held: "Identity", counted: int, until_ts: int) -> "Outcome":
    from sensor_tui.cli.clean_told import display
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.signals import two_signals

    stop, abort = asyncio.Event(), asyncio.Event()
    async with job.cleaner(held) as cleaner:
        with display(job.ready.lines, SystemClock(), plain=job.session.no_color) as shown:

            def first() -> None:
                stop.set()
                shown.write("Stopping: finishing what is under way. Once more to stop at once.")

            with two_signals(first, abort.set):
                return await cleaner.clean(counted, until_ts, on_progress=shown.show, stop=stop, abort=abort)


def _agreed(cleaner: "Cleaner", counted: int) -> bool:
    """Say what would go, and have its number typed."""
    from sensor_tui.cli.clean_told import typed_number
    from sensor_tui.cli.output import count, say

    options = cleaner.options
    say(f"Account    {options.host}")
    say(f"Database   {options.database}")
    say(f"Container  {options.container}")
    say(f"Condition  {cleaner.selection.told}")
    say(f"Documents  {counted:,}")
    say(LOCAL)
    return typed_number(f"To delete {count(counted, 'document')} for good, type their number") == counted


def _identity(cleaner: "Cleaner", *, dry_run: bool) -> dict[str, Any]:
    options, selection = cleaner.options, cleaner.selection
    return {
        "dry_run": dry_run,
        "account": options.host,
        "database": options.database,
        "container": options.container,
        "resource_id": cleaner.identity.resource_id,
        "condition": None if selection.everything else selection.told,
    }


def _preview_facts(preview: "Preview") -> dict[str, Any]:
    return {
        "count": preview.count,
        "cities": [
            {"city": each.value, "count": each.count} | ({"missing": True} if each.absent else {})
            for each in preview.cities
        ],
        "average_bytes": preview.average_size,
        "estimated_request_units": preview.estimated_units,
        "estimated_seconds": preview.estimated_seconds,
        "request_units": preview.request_units,
    }


def _outcome_facts(outcome: "Outcome") -> dict[str, Any]:
    return {
        "count": outcome.counted,
        "deleted": outcome.deleted,
        "already_gone": outcome.already_gone,
        "rejected": outcome.rejected,
        "reasons": outcome.reasons,
        "left": outcome.left,
        "newer": outcome.newer,
        "interrupted": outcome.interrupted,
        "requests": outcome.requests,
        "throttled": outcome.throttled,
        "request_units": outcome.request_units,
        "seconds": outcome.seconds,
        "docs_per_second": round(outcome.deleted / outcome.seconds, 1) if outcome.seconds else 0.0,
    }


def _tell_preview(cleaner: "Cleaner", preview: "Preview", *, plain: bool) -> None:
    from sensor_tui.cli.output import age, clean, count, emit, say, table

    options = cleaner.options
    if preview.cities:
        rows = [(each.city, f"{each.count:,}") for each in preview.cities[:MOST_CITIES]]
        emit(table(HEAD, rows, plain=plain, numeric=("DOCUMENTS",)))
        if len(preview.cities) > MOST_CITIES:
            more = len(preview.cities) - MOST_CITIES
            say(f"{more:,} more {'city' if more == 1 else 'cities'}; --json shows all.")
    took = "" if preview.estimated_seconds is None else f", {age(preview.estimated_seconds)}"
    cost = f"; about {preview.estimated_units:,.0f} RU{took}" if preview.count else ""
    where = f"{options.database}/{options.container} in {options.host}"
    emit(clean(f"{count(preview.count, 'document')} would be deleted from {where}{cost}"))
    emit(clean(f"Condition: {cleaner.selection.told}"))


def _tell_outcome(outcome: "Outcome") -> None:
    from sensor_tui.cli.output import clean, count, emit, say

    if not outcome.counted:
        emit("There is nothing to delete.")
        return
    parts = [f"{count(outcome.deleted, 'document')} deleted"]
    if outcome.already_gone:
        parts.append(f"{outcome.already_gone:,} were gone already")
    if outcome.rejected:
        parts.append(f"{outcome.rejected:,} cannot be deleted")
    if outcome.left:
        parts.append(f"{outcome.left:,} left")
    emit(f"{', '.join(parts)}  ({outcome.request_units:,.0f} RU, {outcome.seconds:,.1f} s)")
    for reason, number in sorted(outcome.reasons.items(), key=lambda each: -each[1])[:MOST_REASONS]:
        say(clean(f"{number:,}: {reason}"))
    if outcome.newer:
        verb = "stays" if outcome.newer == 1 else "stay"
        say(f"{count(outcome.newer, 'newer document')} {verb}: written after this began.")
    if outcome.left and not outcome.rejected:
        say("Run it again to go on.")

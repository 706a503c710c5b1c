"""`sensor-tui query`: readings of the sensors' files or of Cosmos DB, as a table or for a program."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import json_option, where_options
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.model.table import Table
    from sensor_tui.service.query import SensorFile, Wanted
    from sensor_tui.service.request import SyncRequest

FORMATS: Final = ("table", "json", "jsonl", "csv")
USUAL_LIMIT: Final = 20
MOST: Final = 100_000
_SYSTEM: Final = frozenset({"_rid", "_self", "_etag", "_attachments", "_ts"})
LIST_HEAD: Final = ("SENSOR", "CITY", "NEWEST", "FILE", "NOTE")


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked for on the command line."""

    wanted: "Wanted"
    limit: int
    sql: str | None
    count: bool


@click.command(
    cls=Command,
    examples=(
        "sensor-tui query --city London --limit 5",
        "sensor-tui query --list",
        "sensor-tui query --sensor LON_123456 --since 2h --format csv",
        'sensor-tui query --sensor LON_123456 --sql "SELECT max(temperature) FROM sensor_readings"',
        "sensor-tui query --cosmos --count",
        'sensor-tui query --query "SELECT TOP 3 * FROM c WHERE c.anomalyFlag = 1"',
    ),
)
@where_options
@click.option("--sensor", "--sensor-id", "sensor", metavar="ID", help="Only readings of this sensor.")
@click.option("--city", metavar="NAME", help="Only readings of this city.")
@click.option(
    "--since", metavar="TIME", help="From this time on: ISO 8601, or so long ago (90s, 15m, 2h, 7d)."
)
@click.option("--until", metavar="TIME", help="Up to this time, given in the same way.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST),
    default=USUAL_LIMIT,
    show_default=True,
    metavar="N",
    help="At most so many.",
)
@click.option(
    "--all", "every", is_flag=True, help="All databases there are; the same as naming no sensor or city."
)
@click.option("--list", "listing", is_flag=True, help="List the sensors and their files.")
@click.option("--sql", metavar="SQL", help="A query over each file; it can only read.")
@click.option("--cosmos", is_flag=True, help="Ask Cosmos DB instead of the files.")
@click.option("--query", "cosmos_sql", metavar="SQL", help="A query over the container of Cosmos DB, as `c`.")
@click.option("--count", is_flag=True, help="Only how many there are.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How it is written.",
)
@json_option
@click.pass_obj
def query(session: Session, /, *, form: str, as_json: bool, **given: Any) -> int:
    """Ask for readings: the newest ones, or by SQL, in the sensors' files or in Cosmos DB.

    The files are read beside their sensors without holding them up, whether a service runs or not. What an
    answer from Cosmos DB cost is told on standard error.
    """
    from sensor_tui.cli.setup import prepare, sync_request

    _check(given)
    ready = prepare(session, given["config_path"], {"state_dir": given["state_dir"]}, quietest="WARNING")
    form = "json" if as_json else form
    question = _question(given)
    if given["cosmos"] or given["cosmos_sql"]:
        table = asyncio.run(_ask_cosmos(ready.settings, question))
        return _show(table, [], form, plain=session.no_color)
    request = sync_request(ready.settings, data_dir=given["data_dir"], sqlite=given["sqlite"])
    if given["listing"]:
        return _show_files(asyncio.run(_files(request, question)), form, plain=session.no_color)
    table, problems = asyncio.run(_ask_files(request, question))
    return _show(table, problems, form, plain=session.no_color)


def _check(given: dict[str, Any]) -> None:
    """Refuse options that contradict one another; raises UsageError."""
    cosmos = bool(given["cosmos"] or given["cosmos_sql"])
    chosen = [name for name in ("sensor", "city", "since", "until") if given[name]]
    for bad, text in (
        (cosmos and given["sql"], "--sql asks the files, --cosmos and --query ask Cosmos DB"),
        (cosmos and given["listing"], "--list lists files, and not what Cosmos DB has"),
        (given["cosmos_sql"] and given["count"], "--query and --count exclude each other"),
        (given["cosmos_sql"] and chosen, f"--query takes no --{chosen[0] if chosen else ''}"),
        (given["sql"] and given["count"], "--sql and --count exclude each other"),
        (given["sql"] and (given["since"] or given["until"]), "--sql takes no --since and --until"),
        (given["every"] and chosen, f"--all and --{chosen[0] if chosen else ''} exclude each other"),
    ):
        if bad:
            raise UsageError(text, fix="Leave one of them out; a query says what it wants by itself")


def _question(given: dict[str, Any]) -> Question:
    from sensor_tui.service.query import Wanted

    wanted = Wanted(
        sensor=given["sensor"],
        city=given["city"],
        since=_moment("--since", given["since"]),
        until=_moment("--until", given["until"]),
    )
    return Question(wanted, given["limit"], given["sql"] or given["cosmos_sql"], given["count"])


def _moment(option: str, text: str | None) -> float | None:
    """A time in seconds since the epoch, from ISO 8601 or from how long ago it was."""
    if text is None:
        return None
    from sensor_tui.config.values import duration_seconds

    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        return time.time() - float(duration_seconds(text))
    except (ValueError, TypeError):
        raise UsageError(
            f"{option} {text} is not a time", fix="Give it as 2025-08-01T12:00:00Z, or as 90s, 15m, 2h, 7d"
        ) from None


async def _ask_cosmos(settings: "Settings", question: Question) -> "Table":
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.query_cosmos import count_documents, newest_documents, query_cosmos

    clock = SystemClock()
    if question.sql is not None:
        return await query_cosmos(settings, clock, question.sql, limit=question.limit)
    if question.count:
        return await count_documents(settings, clock, question.wanted)
    return await newest_documents(settings, clock, question.wanted, limit=question.limit)


async def _ask_files(request: "SyncRequest", question: Question) -> "tuple[Table, list[str]]":
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.query import FileQueries

    queries = FileQueries(request, SystemClock())
    try:
        if question.sql is not None:
            return await queries.sql(question.wanted, question.sql, limit=question.limit)
        if question.count:
            return await queries.count(question.wanted)
        return await queries.newest(question.wanted, limit=question.limit)
    finally:
        queries.close()


async def _files(request: "SyncRequest", question: Question) -> "list[SensorFile]":
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.query import FileQueries

    queries = FileQueries(request, SystemClock())
    try:
        return await queries.files(question.wanted)
    finally:
        queries.close()


def _show(table: "Table", problems: Sequence[str], form: str, *, plain: bool) -> int:
    """Write the result, and on standard error what is to be known of it."""
    from sensor_tui.cli.output import count, emit, say

    text = _WRITERS[form](table, plain)
    if text:
        emit(text)
    elif form == "table":
        say("There are no such readings.")
    if not table.complete:
        say(f"There are more: the first {count(len(table.rows), 'row')} are shown; --limit shows more.")
    if table.request_units is not None:
        say(f"{table.request_units:,.2f} RU")
    for problem in problems:
        say(problem)
    return int(ExitCode.REJECTED if problems else ExitCode.OK)


def _show_files(files: "Sequence[SensorFile]", form: str, *, plain: bool) -> int:
    from sensor_tui.model.table import Table
    from sensor_tui.service.merge import iso

    if form == "table":
        from sensor_tui.cli.output import emit, or_dash, say, table

        rows = [
            (
                or_dash(file.sensor_id),
                or_dash(file.city),
                or_dash(iso(file.newest)),
                file.source,
                file.problem,
            )
            for file in files
        ]
        if rows:
            emit(table(LIST_HEAD, rows, plain=plain))
        else:
            say("No sensor database was found.")
    else:
        columns = ["sensor_id", "city", "newest", "source", "problem"]
        cells = [
            [file.sensor_id, file.city, iso(file.newest), file.source, file.problem or None] for file in files
        ]
        _show(Table(columns, cells), [], form, plain=plain)
    return int(ExitCode.REJECTED if any(file.problem for file in files) else ExitCode.OK)


def _as_table(result: "Table", plain: bool) -> str:
    from sensor_tui.cli.output import or_dash, table

    if not result.rows:
        return ""
    columns = [at for at in range(len(result.columns)) if any(row[at] is not None for row in result.rows)]
    if len(columns) > 1:  # what Cosmos DB keeps beside a document fills the screen, and is in the other forms
        columns = [at for at in columns if result.columns[at] not in _SYSTEM]
    names = [result.columns[at] for at in columns]
    numeric = [
        result.columns[at]
        for at in columns
        if all(isinstance(row[at], int | float) or row[at] is None for row in result.rows)
    ]
    rows = [[or_dash(row[at]) for at in columns] for row in result.rows]
    return table(names, rows, plain=plain, numeric=numeric)


def _named(result: "Table") -> list[dict[str, Any]]:
    """Rows by column name; a name that comes again gets a number."""
    names: dict[str, int] = {}
    for at, name in enumerate(result.columns):
        unique, number = name, 1
        while unique in names:
            number += 1
            unique = f"{name}_{number}"
        names[unique] = at
    return [{name: row[at] for name, at in names.items()} for row in result.rows]


def _as_json(result: "Table", _plain: bool) -> str:
    from sensor_tui.cli.output import to_json

    facts = {"complete": result.complete, "seconds": result.seconds, "request_units": result.request_units}
    return to_json({"columns": list(result.columns), "rows": _named(result)} | facts)


def _as_lines(result: "Table", _plain: bool) -> str:
    from sensor_tui.cli.output import to_json

    # every line break of a document is one of ours: those within values are escaped
    return "\n".join(
        "".join(line.strip() if at else line for at, line in enumerate(to_json(row).split("\n")))
        for row in _named(result)
    )


def _as_csv(result: "Table", _plain: bool) -> str:
    import csv
    import io

    from sensor_tui.cli.output import clean

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([clean(name) for name in result.columns])
    writer.writerows([clean(cell) if isinstance(cell, str) else cell for cell in row] for row in result.rows)
    return out.getvalue().rstrip("\n")


_WRITERS: Final[dict[str, Callable[["Table", bool], str]]] = {
    "table": _as_table,
    "json": _as_json,
    "jsonl": _as_lines,
    "csv": _as_csv,
}

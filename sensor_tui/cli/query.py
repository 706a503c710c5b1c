"""`sensor-tui query`: readings of the sensors' files or of Cosmos DB, as a table or for a program."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.moments import FORMS, METAVAR, span
from sensor_tui.cli.options import json_option, where_options
from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.query_ask import Answer, Question
    from sensor_tui.cli.query_sheets import Sheet
    from sensor_tui.config import Settings

FORMATS: Final = ("table", "json", "jsonl", "csv", "parquet")
ENDINGS: Final = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
USUAL_LIMIT: Final = 20
USUAL_COMPARED: Final = 10_000


@click.command(
    cls=Command,
    examples=(
        "sensor-tui query --city London --limit 5",
        "sensor-tui query --list",
        "sensor-tui query --sensor LON_123456 --since 2h --format csv --no-limit",
        "sensor-tui query --all --output readings.parquet",
        'sensor-tui query --sensor LON_123456 --sql "SELECT max(temperature) FROM sensor_readings"',
        "sensor-tui query --cosmos --count",
        "sensor-tui query --cosmos --city Amsterdam --limit 5",
        'sensor-tui query --query "SELECT TOP 3 * FROM c WHERE c.anomalyFlag = 1"',
        "sensor-tui query --cosmos --analyze",
    ),
)
@where_options
@click.option("--sensor", "--sensor-id", "sensor", metavar="ID", help="Only readings of this sensor.")
@click.option("--city", metavar="NAME", help="Only readings of this city.")
@click.option("--since", metavar=METAVAR, help=f"From this time on: {FORMS}.")
@click.option("--until", metavar=METAVAR, help="Up to this time, given in the same way.")
@click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    help=f"At most so many; 0 for all. Default: {USUAL_LIMIT}, and all with --output.",
)
@click.option("--no-limit", is_flag=True, help="All there are; the same as --limit 0.")
@click.option(
    "--all", "every", is_flag=True, help="All databases there are; the same as naming no sensor or city."
)
@click.option("--list", "listing", is_flag=True, help="List the sensors and their files.")
@click.option(
    "--sql",
    metavar="SQL",
    help="A query over each file that has such rows, and all of its rows; it can only read.",
)
@click.option("--cosmos", is_flag=True, help="Ask Cosmos DB instead of the files.")
@click.option("--query", "cosmos_sql", metavar="SQL", help="A query over the container of Cosmos DB, as `c`.")
@click.option("--count", is_flag=True, help="Only how many there are.")
@click.option(
    "--analyze",
    is_flag=True,
    help="What Cosmos DB has by city, sensor and day, and whether it has every closed row of the files.",
)
@click.option(
    "--compare",
    type=click.IntRange(0),
    metavar="N",
    help="With --analyze: look for so many closed rows of each file by their ids; 0 for all of them."
    f" Default: {USUAL_COMPARED}.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="How it is written. Default: as the name of --output ends, otherwise a table.",
)
@json_option
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file, which is there whole or not at all, and not to standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file of --output.")
@click.pass_obj
def query(session: Session, /, **given: Any) -> int:
    """Ask for readings: the newest ones, or by SQL, in the sensors' files or in Cosmos DB.

    The files are read beside their sensors without holding them up, whether a service runs or not. Cosmos DB
    is asked with --cosmos, --query or --analyze alone, and what that cost is told on standard error. JSON
    lines, CSV and Parquet are written while more is read, however much it is; tables and single JSON
    documents end at 100,000 rows.
    """
    from sensor_tui.cli.query_sheets import sheet_of
    from sensor_tui.cli.query_target import target_of
    from sensor_tui.cli.setup import prepare

    _check(given)
    ready = prepare(session, given["config_path"], {"state_dir": given["state_dir"]}, quietest="WARNING")
    with target_of(given["output"], force=given["force"]) as target:
        sheet = sheet_of(_form(given), target, plain=session.no_color)
        answer = asyncio.run(_ask(ready.settings, given, sheet))
    return _told(answer, sheet, given)


def _check(given: dict[str, Any]) -> None:
    """Refuse options that contradict one another; raises UsageError."""
    for name in ("sql", "cosmos_sql", "sensor", "city"):
        if given[name] is not None and not given[name].strip():
            option = "query" if name == "cosmos_sql" else name
            raise UsageError(f"--{option} is empty", fix="Say what is meant, or leave it out")
    analyze, cosmos_sql = given["analyze"], given["cosmos_sql"]
    cosmos = bool(given["cosmos"] or cosmos_sql or analyze)
    chosen = [name for name in ("sensor", "city", "since", "until") if given[name] is not None]
    first = chosen[0] if chosen else ""
    for bad, text in (
        (cosmos and given["sql"], "--sql asks the files, --cosmos and --query ask Cosmos DB"),
        (cosmos and given["listing"], "--list lists files, and not what Cosmos DB has"),
        (cosmos_sql and given["count"], "--query and --count exclude each other"),
        (cosmos_sql and chosen, f"--query takes no --{first}"),
        (cosmos_sql and analyze, "--query and --analyze exclude each other"),
        (given["count"] and analyze, "--count and --analyze exclude each other"),
        (given["sql"] and given["count"], "--sql and --count exclude each other"),
        (given["sql"] and {"since", "until"} & set(chosen), "--sql takes no --since and --until"),
        (given["every"] and chosen, f"--all and --{first} exclude each other"),
        (given["no_limit"] and given["limit"], "--limit and --no-limit exclude each other"),
        (given["as_json"] and given["form"] not in {None, "json"}, "--json and --format exclude each other"),
        (given["compare"] is not None and not analyze, "--compare goes with --analyze"),
        (given["force"] and given["output"] is None, "--force goes with --output"),
    ):
        if bad:
            raise UsageError(text, fix="Leave one of them out; a query says what it wants by itself")


def _form(given: dict[str, Any]) -> str:
    if given["as_json"]:
        return "json"
    ending = given["output"].suffix.lower() if given["output"] is not None else ""
    return str(given["form"] or ENDINGS.get(ending, "table"))


async def _ask(settings: "Settings", given: dict[str, Any], sheet: "Sheet") -> "Answer":
    from sensor_tui.cli.query_ask import Asking
    from sensor_tui.cli.setup import sync_request

    def find() -> Any:
        return sync_request(settings, data_dir=given["data_dir"], sqlite=given["sqlite"])

    question = _question(given)
    asking = Asking(settings, question, sheet)
    if given["analyze"]:
        compare = USUAL_COMPARED if given["compare"] is None else given["compare"]
        return await asking.analysis(_Files(find).perhaps(given), compare=compare)
    if given["cosmos"] or given["cosmos_sql"]:
        return await asking.cosmos()
    return await asking.files(_Files(find).certainly(settings), listing=given["listing"])


def _question(given: dict[str, Any]) -> "Question":
    from sensor_tui.cli.query_ask import Question
    from sensor_tui.service.query import Wanted

    limit = 0 if given["no_limit"] else given["limit"]
    if limit is None:
        limit = USUAL_LIMIT if given["output"] is None else 0
    since, until = span(given["since"], given["until"])
    wanted = Wanted(given["sensor"], given["city"], since, until)
    return Question(wanted, limit or None, given["sql"] or given["cosmos_sql"], count=given["count"])


@dataclass(frozen=True, slots=True)
class _Files:
    """The sensor files that are meant, where there are any."""

    find: Any

    def certainly(self, settings: "Settings") -> Any:
        """Raises UsageError where it is not clear which."""
        try:
            return self.find()
        except UsageError as error:
            if settings.cosmos.endpoint is None:
                raise
            raise UsageError(error.message, fix=f"{error.fix}; --cosmos asks Cosmos DB instead") from None

    def perhaps(self, given: dict[str, Any]) -> Any:
        """None where none were named, and there is no usual place of them."""
        try:
            return self.find()
        except UsageError:
            if given["data_dir"] is not None or given["sqlite"] is not None:
                raise
            return None


def _told(answer: "Answer", sheet: "Sheet", given: dict[str, Any]) -> int:
    """Say on standard error what is to be known of the answer; the exit code."""
    from sensor_tui.cli.output import count, say
    from sensor_tui.errors import ExitCode

    if given["output"] is not None:
        say(f"Wrote {count(sheet.written, 'row')} to {given['output']}.")
    elif not sheet.written and answer.empty:
        say(answer.empty)
    if not answer.complete:
        verb = "is" if sheet.written == 1 else "are"
        say(f"There are more: the first {count(sheet.written, 'row')} {verb} shown; --limit shows more.")
    if answer.request_units is not None:
        say(f"{answer.request_units:,.2f} RU")
    for note in answer.notes:
        say(note)
    for problem in answer.problems:
        say(problem)
    return int(ExitCode.REJECTED if answer.problems or answer.failed else ExitCode.OK)

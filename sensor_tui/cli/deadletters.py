"""`sensor-tui deadletters`: readings that were rejected, to read, retry or drop."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from sensor_tui.cli.lazy import Group, Session
from sensor_tui.cli.options import json_option, where_options, yes_option
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.model.clock import Clock
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.wire_asks import Letter, LetterFilter, LettersChanged

F = TypeVar("F", bound=Callable[..., Any])

LIMIT: Final = 50
PAGE: Final = 1000
HEAD: Final = ("ID", "WHEN", "SENSOR", "TIME", "CODE", "REASON", "FILE")


@dataclass(frozen=True, slots=True)
class Where:
    """Whose dead letters are meant."""

    request: "SyncRequest"
    which: "LetterFilter"
    clock: "Clock"


def _filter_options(command: F) -> F:
    command = click.option(
        "--sensor", "--sensor-id", "sensor", metavar="ID", help="Only those of this sensor."
    )(command)
    return click.option(
        "--source",
        metavar="FILE",
        help="Only those of this file, named as in the list: relative to the data folder.",
    )(command)


@click.group(cls=Group)
def deadletters() -> None:
    """List, show, retry or drop readings that were rejected.

    A dead letter is a reading that Cosmos DB can never accept as it is. It is kept with the reason, and the
    readings around it go through. Once what was wrong is mended, retry sends it again; drop forgets it.
    """


@deadletters.command("list", examples=("sensor-tui deadletters list --sensor LON_123456",))
@where_options
@_filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="At most so many.",
)
@json_option
@click.pass_obj
def list_(session: Session, /, *, limit: int, as_json: bool, **options: Any) -> None:
    """List dead letters, with the reason of each."""
    from sensor_tui.cli.output import clean, count, emit, emit_json, or_dash, say, table
    from sensor_tui.service.deadletters import list_letters

    where = _where(session, options)
    page = asyncio.run(list_letters(where.request, where.clock, where.which, limit=limit))
    if as_json:
        letters = [letter.model_dump(mode="json", exclude={"document"}) for letter in page.letters]
        emit_json({"total": page.total, "letters": letters})
        return
    if not page.letters:
        emit("No dead letters.")
        return
    rows = [
        (
            letter.id,
            letter.at,
            or_dash(letter.sensor_id),
            or_dash(letter.event_time),
            letter.code or "-",
            letter.reason,
            f"{letter.source}, row {letter.row_id}",
        )
        for letter in page.letters
    ]
    emit(table(HEAD, rows, plain=session.no_color, numeric=("ID",)))
    if page.next_offset is not None:
        say(clean(f"{count(page.total, 'dead letter')} in all; --limit shows more."))


@deadletters.command(examples=("sensor-tui deadletters show 17",))
@where_options
@json_option
@click.argument("letter_id", metavar="ID", type=click.IntRange(min=1))
@click.pass_obj
def show(session: Session, /, *, letter_id: int, as_json: bool, **options: Any) -> None:
    """Show one dead letter with its document."""
    from sensor_tui.cli.output import emit, emit_json
    from sensor_tui.service.deadletters import show_letter

    where = _where(session, options)
    letter = asyncio.run(show_letter(where.request, where.clock, letter_id))
    if as_json:
        emit_json(letter.model_dump(mode="json"))
    else:
        emit("\n".join(_told(letter)))


def _told(letter: "Letter") -> list[str]:
    from sensor_tui.cli.output import clean, or_dash

    facts = {
        "id": letter.id,
        "when": letter.at,
        "sensor": or_dash(letter.sensor_id),
        "time": or_dash(letter.event_time),
        "file": f"{letter.source}, row {letter.row_id}",
        "sink": letter.sink,
        "code": letter.code or "-",
        "reason": letter.reason,
        "document": or_dash(letter.document),
    }
    return [f"{name:<9} {clean(value)}" for name, value in facts.items()]


@deadletters.command(
    examples=("sensor-tui deadletters retry 17 18", "sensor-tui deadletters retry --all --yes")
)
@where_options
@_filter_options
@click.option("--all", "every", is_flag=True, help="All of them, or all that the filters leave.")
@yes_option
@json_option
@click.argument("ids", metavar="[ID]...", type=click.IntRange(min=1), nargs=-1)
@click.pass_obj
def retry(session: Session, /, **options: Any) -> int:
    """Open the rows of dead letters again, so that they are sent once more.

    A running service reads them at once, otherwise the next sync does.
    """
    return _change(session, "retry", **options)


@deadletters.command(examples=("sensor-tui deadletters drop 17", "sensor-tui deadletters drop --all --yes"))
@where_options
@_filter_options
@click.option("--all", "every", is_flag=True, help="All of them, or all that the filters leave.")
@yes_option
@json_option
@click.argument("ids", metavar="[ID]...", type=click.IntRange(min=1), nargs=-1)
@click.pass_obj
def drop(session: Session, /, **options: Any) -> int:
    """Forget dead letters for good; their rows stay closed."""
    return _change(session, "drop", **options)


def _change(
    session: Session, verb: str, *, ids: Sequence[int], every: bool, yes: bool, as_json: bool, **options: Any
) -> int:
    """Retry or drop those that are meant, having asked where that is all of them."""
    from sensor_tui.cli.output import confirm, count, emit, emit_json, say

    filtered = bool(options["source"] or options["sensor"])
    if bool(ids) == every:
        raise UsageError(
            "which dead letters are meant is not clear",
            fix="Give their ids, or --all, which --source and --sensor narrow down",
        )
    if ids and filtered:
        raise UsageError(
            "--source and --sensor go with --all", fix="Leave them out, or give --all instead of ids"
        )
    where = _where(session, options)
    chosen: list[int] | None = list(dict.fromkeys(ids))
    if every:
        chosen = asyncio.run(_matching(where)) if filtered else None
        meant = "all dead letters" if chosen is None else count(len(chosen), "dead letter")
        if chosen != [] and not confirm(f"{verb.capitalize()} {meant}?", yes=yes):
            return int(ExitCode.REJECTED)
    outcome = asyncio.run(_apply(where, verb, chosen))
    if as_json:
        emit_json(outcome.model_dump(mode="json"))
    else:
        done = {"retry": "will be sent again", "drop": "dropped"}[verb]
        emit(f"{count(outcome.changed, 'dead letter')} {done}.")
        for missing in outcome.missing:
            say(f"There is no dead letter {missing}.")
        for letter_id, reason in outcome.failed.items():
            say(f"{letter_id}: {reason}")
    return int(ExitCode.REJECTED if outcome.missing or outcome.failed else ExitCode.OK)


async def _matching(where: Where) -> list[int]:
    """Ids of all that the filters leave."""
    from sensor_tui.service.deadletters import list_letters

    found: list[int] = []
    offset: int | None = 0
    while offset is not None:
        page = await list_letters(where.request, where.clock, where.which, offset=offset, limit=PAGE)
        found += [letter.id for letter in page.letters]
        offset = page.next_offset
    return found


async def _apply(where: Where, verb: str, ids: list[int] | None) -> "LettersChanged":
    from sensor_tui.service.deadletters import drop_letters, retry_letters
    from sensor_tui.service.wire_asks import LettersChanged

    act = retry_letters if verb == "retry" else drop_letters
    if ids is None:
        return await act(where.request, where.clock, None)
    changed = 0
    missing: list[int] = []
    failed: dict[int, str] = {}
    for start in range(0, len(ids), PAGE):
        outcome = await act(where.request, where.clock, ids[start : start + PAGE])
        changed += outcome.changed
        missing += outcome.missing
        failed |= outcome.failed
    return LettersChanged(changed=changed, missing=tuple(missing), failed=failed)


def _where(session: Session, options: dict[str, Any]) -> Where:
    from sensor_tui.cli.setup import prepare, sync_request
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.wire_asks import LetterFilter

    config: Path | None = options["config_path"]
    ready = prepare(session, config, {"state_dir": options["state_dir"]}, quietest="WARNING")
    request = sync_request(ready.settings, data_dir=options["data_dir"], sqlite=options["sqlite"])
    which = LetterFilter(source=options.get("source"), sensor_id=options.get("sensor"))
    return Where(request, which, SystemClock())

"""`sensor-tui logs`: what units write, merged by time."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import where_options
from sensor_tui.cli.units import closing, find_units, short_names, with_service
from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.model.unit import LogLine
    from sensor_tui.service.client import ServiceClient

USUAL_TAIL: Final = 100
ALL: Final = "all"

_AGO: Final = re.compile(r"(\d{1,9})\s*(s|m|min|h|d)", re.ASCII)
_LENGTHS: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}


@click.command(
    cls=Command,
    examples=(
        "sensor-tui logs",
        "sensor-tui logs sensor-london-1 LON_000002 --since 10m",
        "sensor-tui logs --no-follow --tail all --grep 'ERROR|WARN' --json",
    ),
)
@where_options
@click.option(
    "--tail",
    metavar="N|all",
    help=f"Begin with the last so many lines of each unit. Default: {USUAL_TAIL}, with --since all.",
)
@click.option(
    "--since",
    metavar="TIME",
    help="Begin there: so long ago (30s, 10m, 2h, 1d) or a time in ISO 8601, local without an offset.",
)
@click.option("--grep", metavar="REGEX", help="Only lines in which this is found.")
@click.option("--invert", is_flag=True, help="With --grep: only lines in which it is not found.")
@click.option("--follow/--no-follow", default=True, help="Go on with what comes (the default), or end.")
@click.option(
    "--timestamps", "-t", is_flag=True, help="Put the time before every line, as far as it is known."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line instead of text.")
@click.argument("names", metavar="[UNIT]...", nargs=-1)
@click.pass_obj
def logs(session: Session, /, **options: Any) -> None:
    """Show what units write, all of them or those named, merged by time, until Ctrl-C.

    Units are given by name, id or sensor id. Control characters and escape sequences are replaced.
    """
    if options["invert"] and options["grep"] is None:
        raise UsageError("--invert goes with --grep", fix="Give --grep, or leave it out")
    wanted = _filter(options["grep"], invert=options["invert"])
    since = None if options["since"] is None else _time(options["since"])
    tail = _tail(options["tail"], everything=since is not None)

    async def show(client: "ServiceClient", _: object) -> None:
        await _show(client, options, wanted, since=since, tail=tail)

    with_service(session, options, show)


async def _show(
    client: "ServiceClient",
    options: dict[str, Any],
    wanted: Callable[[str], bool],
    *,
    since: float | None,
    tail: int | None,
) -> None:
    import sys

    import httpx

    from sensor_tui.cli.output import emit, say

    known = (await client.status()).units
    if not known:
        say("There are no units; 'sensor-tui units add' adds one.")
        return
    chosen = find_units(known, options["names"]) or list(known)
    names = short_names(known)
    text = _json if options["as_json"] else _text(chosen, names, timestamps=options["timestamps"])
    stream = client.logs([unit.id for unit in chosen], since=since, tail=tail, follow=options["follow"])
    try:
        async with closing(stream) as batches:
            async for batch in batches:
                lines = [text(line, names) for line in batch if line.stream == "note" or wanted(line.text)]
                if lines:
                    emit("\n".join(lines))
                    sys.stdout.flush()
    except httpx.HTTPError as error:
        raise client.unanswered(error) from error


def _text(
    chosen: Sequence[Any], names: dict[str, str], *, timestamps: bool
) -> Callable[["LogLine", dict[str, str]], str]:
    """How a line is shown: with its unit where there are several."""
    from sensor_tui.cli.output import clean

    several = len(chosen) > 1
    width = max(len(clean(names[unit.id])) for unit in chosen)

    def show(line: "LogLine", names: dict[str, str]) -> str:
        text = f"-- {line.text}" if line.stream == "note" else line.text
        parts = [f"{_stamp(line.at) or '-':<24}"] if timestamps else []
        parts += [f"{clean(names.get(line.unit, line.unit)):<{width}} |"] if several else []
        return " ".join([*parts, clean(text)])

    return show


def _json(line: "LogLine", names: dict[str, str]) -> str:
    facts = {
        "at": _stamp(line.at),
        "unit": line.unit,
        "name": names.get(line.unit, line.unit),
        "stream": line.stream,
        "text": line.text,
    }
    return json.dumps(facts).replace("\x7f", "\\u007f")


def _stamp(at: float | None) -> str | None:
    if at is None:
        return None
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _filter(regex: str | None, *, invert: bool) -> Callable[[str], bool]:
    if regex is None:
        return lambda _: True
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise UsageError(f"--grep {regex!r} is no regular expression: {error}", fix="Mend it") from None
    return lambda text: (pattern.search(text) is None) == invert


def _tail(text: str | None, *, everything: bool) -> int | None:
    if text is None:
        return None if everything else USUAL_TAIL
    if text == ALL:
        return None
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise UsageError(f"--tail {text}: a number of lines or 'all' is expected", fix="Give one of them")
    return int(text)


def _time(text: str) -> float:
    """Seconds since the epoch."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        from sensor_tui.model.clock import SystemClock

        return SystemClock().now() - int(ago[1]) * _LENGTHS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"--since {text}: no time, and no duration", fix="Give one as 10m or 2026-01-31T12:00:00Z"
        ) from None

"""`sensor-tui diagnostics`: every check with its verdict, and what to do."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import json_option, where_options
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.model.check import Check
    from sensor_tui.service.diagnostics import Context

_MARKS: Final = {"ok": "ok", "skipped": "--", "warning": "!!", "failed": "XX"}
_COLORS: Final = {"ok": "green", "skipped": "bright_black", "warning": "yellow", "failed": "red"}
_INDENT: Final = " " * 18

CHECKS: Final = (
    "python", "docker", "compose", "images", "data", "service", "units", "files", "growth", "integrity",
    "backlog", "deadletters", "disk", "processors", "endpoint", "dns", "container-dns", "connect", "clock",
    "key", "database", "container", "partition-key", "throughput", "write", "archive", "logs",
)  # fmt: skip
"""Their names, for a shell that completes: to load the checks themselves takes longer than it waits."""


def _complete_only(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Names of checks that begin like what stands after the last comma, but those before it."""
    before, comma, begun = incomplete.rpartition(",")
    given = set(before.split(","))
    return [f"{before}{comma}{name}" for name in CHECKS if name.startswith(begun) and name not in given]


@click.command(
    cls=Command,
    examples=(
        "sensor-tui diagnostics --data-dir data",
        "sensor-tui diagnostics --only docker,images,units --only logs",
        "sensor-tui diagnostics --write --json",
        "sensor-tui diagnostics --strict > /dev/null || echo 'have a look'",
    ),
)
@where_options
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    shell_complete=_complete_only,
    help="Only this check, or these with commas between them; may be given again. See --list.",
)
@click.option("--list", "listing", is_flag=True, help="List the checks there are, and make none.")
@click.option(
    "--write",
    is_flag=True,
    help="Also write a document to the container and delete it again; and where no container is up, ask for"
    " the endpoint's name from one that is made of an image the engine has, and removed again.",
)
@click.option("--strict", is_flag=True, help="Exit code 1 for a warning too.")
@json_option
@click.pass_obj
def diagnostics(
    session: Session,
    /,
    *,
    data_dir: Path | None,
    sqlite: Path | None,
    config_path: Path | None,
    state_dir: Path | None,
    only: tuple[str, ...],
    listing: bool,
    write: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Check everything: Docker, units, files, service, disk, clock, endpoint; and say what to do.

    Nothing is changed, and no service need run. Each check says what it saw and, where something is wrong,
    how to mend it; a check that cannot be made says which one stands in its way. The worst verdict makes the
    exit code: 1 where a check failed, with --strict also for a warning, else 0.
    """
    if listing:
        _list(as_json=as_json)
        return int(ExitCode.OK)
    from sensor_tui.cli.setup import prepare, sync_request
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.diagnostics import of_request

    ready = prepare(session, config_path, {"state_dir": state_dir}, quietest="ERROR")
    request, problem = None, None
    try:
        request = sync_request(ready.settings, data_dir=data_dir, sqlite=sqlite)
    except UsageError as error:
        problem = error
    context = of_request(ready.settings, request, SystemClock(), problem=problem, write=write)
    wanted = [name for each in only for name in filter(None, map(str.strip, each.split(",")))]
    checks = asyncio.run(_run(context, wanted, show=not as_json, plain=session.no_color))
    if as_json:
        from sensor_tui.cli.output import emit_json

        emit_json({"verdict": _worst(checks), "checks": [asdict(check) for check in checks]})
    bad = {"failed", "warning"} if strict else {"failed"}
    return int(ExitCode.REJECTED if _worst(checks) in bad else ExitCode.OK)


async def _run(context: "Context", only: Sequence[str], *, show: bool, plain: bool) -> "list[Check]":
    from sensor_tui.cli.output import emit
    from sensor_tui.service.diagnostics import Diagnostics

    checks: list[Check] = []
    async for check in Diagnostics(context).run(only):
        checks.append(check)
        if show:
            emit(_told(check, plain=plain))
    if show:
        emit(_summary(checks))
    return checks


def _told(check: "Check", *, plain: bool) -> str:
    from sensor_tui.cli.output import clean

    mark = _mark(check.verdict.value, plain=plain)
    lines = [f"{mark} {clean(check.name):<15}{clean(check.evidence)}"]
    if check.remedy:
        lines.append(f"{_INDENT}-> {clean(check.remedy)}")
    return "\n".join(lines)


def _mark(verdict: str, *, plain: bool) -> str:
    import sys

    from sensor_tui.cli.output import is_terminal, no_color

    mark = _MARKS[verdict]
    if no_color(asked=plain) or not is_terminal(sys.stdout):
        return mark
    return click.style(mark, fg=_COLORS[verdict])


def _summary(checks: "Sequence[Check]") -> str:
    counts = [(verdict, sum(check.verdict == verdict for check in checks)) for verdict in _MARKS]
    return ", ".join(f"{number} {verdict}" for verdict, number in counts if number)


def _worst(checks: "Sequence[Check]") -> str:
    found = {check.verdict.value for check in checks}
    return next((verdict for verdict in ("failed", "warning", "ok", "skipped") if verdict in found), "ok")


def _list(*, as_json: bool) -> None:
    from sensor_tui.cli.output import emit, emit_json
    from sensor_tui.service.diagnostics import list_checks

    checks: list[dict[str, Any]] = [asdict(info) for info in list_checks()]
    if as_json:
        emit_json(checks)
    else:
        emit("\n".join(f"{info['name']:<15}{info['title']}" for info in checks))

"""`sensor-tui units`: what runs, and adding a process to it."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from sensor_tui.cli.lazy import Group, Session
from sensor_tui.cli.options import json_option, where_options
from sensor_tui.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from sensor_tui.model.unit import Unit, UnitSpec, UnitStats
    from sensor_tui.service.client import ServiceClient
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.wire import StatusReport

T = TypeVar("T")

ROLES: Final = ("sensor", "uploader", "service", "other")
STATES: Final = (
    "created",
    "starting",
    "running",
    "paused",
    "stopping",
    "backoff",
    "stopped",
    "failed",
    "unknown",
)
HEAD: Final = ("UNIT", "STATE", "ROLE", "CITY", "SENSOR", "UPTIME", "RESTARTS", "CPU", "MEMORY", "NOTE")
NUMERIC: Final = ("UPTIME", "RESTARTS", "CPU", "MEMORY")

_LIST: Final = "list"
_MEGABYTE: Final = 1_000_000


class _Units(Group):
    """A group that lists where no command of it is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        wants_help = bool(args) and args[0] in self.get_help_option_names(ctx)
        if not args or (args[0].startswith("-") and not wants_help):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Units)
def units() -> None:
    """List units, which are containers and processes of the fleet, or add a process.

    'sensor-tui units' alone is 'sensor-tui units list'. A running service looks after them, and is asked.
    """


@units.command(
    _LIST,
    examples=(
        "sensor-tui units",
        "sensor-tui units --city London --state failed --state backoff",
        "sensor-tui units --json | jq '.units[] | select(.restarts > 0) | .name'",
    ),
)
@where_options
@click.option("--city", metavar="NAME", help="Only those of this city.")
@click.option("--role", type=click.Choice(ROLES), help="Only those of this role.")
@click.option("--state", type=click.Choice(STATES), multiple=True, help="Only those in this state, or these.")
@json_option
@click.pass_obj
def list_(
    session: Session,
    /,
    *,
    city: str | None,
    role: str | None,
    state: Sequence[str],
    as_json: bool,
    **options: Any,
) -> None:
    """List units with their state, their usage where a dashboard looks, and what there is to say of them."""
    from sensor_tui.cli.output import emit, emit_json

    report = with_service(session, options, lambda client, _: client.status())
    shown = [
        unit
        for unit in report.units
        if (city is None or (unit.city or "").casefold() == city.casefold())
        and (role is None or unit.role == role)
        and (not state or unit.state in state)
    ]
    if as_json:
        emit_json(_facts(report, shown))
    else:
        emit("\n".join(_told(report, shown, plain=session.no_color)))


def _told(report: "StatusReport", shown: Sequence["Unit"], *, plain: bool) -> Iterable[str]:
    from sensor_tui.cli.output import clean, count, table
    from sensor_tui.service.merge import epoch

    states = Counter(str(unit.state) for unit in report.units)
    yield ", ".join([count(len(report.units), "unit"), *(f"{states[each]} {each}" for each in states)])
    for host in report.hosts:
        if not host.reachable:
            yield clean(f"{host.host}/{host.runtime} cannot be reached: {host.reason}")
    if not report.units:
        yield "Add one with 'sensor-tui units add NAME -- COMMAND'."
    elif not shown:
        yield "None of them is meant by these options."
    else:
        now = epoch(report.at) or 0.0
        stats = {each.unit: each for each in report.stats}
        names = short_names(report.units)
        rows = [_row(unit, names[unit.id], stats.get(unit.id), now) for unit in shown]
        yield from ("", table(HEAD, rows, plain=plain, numeric=NUMERIC))


def _row(unit: "Unit", name: str, stats: "UnitStats | None", now: float) -> tuple[object, ...]:
    from sensor_tui.cli.output import age, or_dash

    cpu = stats.cpu_percent if stats is not None else None
    memory = stats.memory_bytes if stats is not None else None
    return (
        name,
        unit.state,
        unit.role,
        or_dash(unit.city),
        or_dash(unit.sensor_id),
        age(None if unit.started_at is None else now - unit.started_at),
        unit.restarts,
        "-" if cpu is None else f"{cpu:.0f} %",
        "-" if memory is None else f"{memory / _MEGABYTE:,.0f} MB",
        unit.reason,
    )


def _facts(report: "StatusReport", shown: Sequence["Unit"]) -> dict[str, Any]:
    facts = report.model_dump(mode="json", include={"hosts", "units", "stats"})
    stats = {each["unit"]: each for each in facts["stats"]}
    wanted = {unit.id for unit in shown}
    found = []
    for unit in facts["units"]:
        if unit["id"] in wanted:
            usage = stats.get(unit["id"], {})
            found.append(unit | {name: usage.get(name) for name in ("cpu_percent", "memory_bytes")})
    return {"hosts": facts["hosts"], "units": found}


@units.command(
    examples=(
        "sensor-tui units add sensor-1 --city London --sensor-id LON_000001 -- /opt/sensor --rate 1",
        "sensor-tui units add uploader --role uploader --env COSMOS_KEY -- sensor-tui sync --continuous",
    )
)
@where_options
@click.option("--role", type=click.Choice(ROLES), default="sensor", show_default=True, help="What it is for.")
@click.option("--city", metavar="NAME", help="Its city.")
@click.option("--sensor-id", "--sensor", "sensor_id", metavar="ID", help="The sensor it is.")
@click.option("--data", metavar="PATH", help="Its folder or file of readings, within the data folder.")
@click.option("--project", metavar="NAME", help="A group of units.")
@click.option(
    "--env",
    "variables",
    metavar="NAME[=VALUE]",
    multiple=True,
    help="A variable it gets; without a value the one here, which keeps a secret off the command line.",
)
@click.option(
    "--cwd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder it runs in. Default: the data folder.",
)
@click.option("--restart/--no-restart", default=True, help="Start it again whenever it ends (the default).")
@json_option
@click.argument("name")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def add(session: Session, /, *, as_json: bool, **options: Any) -> None:
    """Have the service look after a process; 'sensor-tui start NAME' then starts it.

    The command and its options stand after '--'. It runs as the user of the service, with little of the
    service's environment, and again after a pause whenever it ends by itself.
    """
    from sensor_tui.cli.output import clean, emit, emit_json
    from sensor_tui.service.caller import adapter

    unit = with_service(session, options, lambda client, request: client.add_unit(_spec(request, options)))
    if as_json:
        emit_json(adapter(type(unit)).dump_python(unit, mode="json"))
    else:
        emit(clean(f"Added {unit.id}. Start it with 'sensor-tui start {unit.name}'."))


def _spec(request: "SyncRequest", options: dict[str, Any]) -> "UnitSpec":
    from sensor_tui.model.unit import Role, UnitSpec

    cwd: Path | None = options["cwd"]
    return UnitSpec(
        name=options["name"],
        command=tuple(options["command"]),
        role=Role(options["role"]),
        cwd=None if cwd is None else str(cwd.absolute()),
        environment=dict(map(_variable, options["variables"])),
        city=options["city"],
        project=options["project"],
        sensor_id=options["sensor_id"],
        data=_within(request.root, options["data"]),
        restart=options["restart"],
    )


def _variable(text: str) -> tuple[str, str]:
    name, given, value = text.partition("=")
    if not given and name in os.environ:
        return name, os.environ[name]
    if not name or not given:
        raise UsageError(
            f"--env {name}: there is no such variable here" if name else "--env: a variable has no name",
            fix="Give NAME=VALUE, or set it first",
        )
    return name, value


def _within(root: Path, data: str | None) -> str | None:
    """The path relative to the data folder, however it was given."""
    if data is None or not Path(data).is_absolute():
        return data
    folder = root if root.is_dir() else root.parent
    try:
        return str(Path(data).relative_to(folder))
    except ValueError:
        raise UsageError(f"--data {data} is not inside {folder}", fix="Give a path within it") from None


def with_service(
    session: Session,
    options: dict[str, Any],
    ask: Callable[["ServiceClient", "SyncRequest"], Coroutine[Any, Any, T]],
) -> T:
    """What the running service of the files that are meant answers.

    Raises:
        ServiceError: none runs, or it does not answer.
    """
    from sensor_tui.cli.setup import prepare, sync_request
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.attach import attach

    given = {"state_dir": options["state_dir"]}
    settings = prepare(session, options["config_path"], given, quietest="WARNING").settings
    request = sync_request(settings, data_dir=options["data_dir"], sqlite=options["sqlite"])

    async def work() -> T:
        client = attach(request, SystemClock())
        if client is None:
            raise ServiceError(
                f"no service runs for {request.root}, and units are looked after by one",
                fix="Start it with 'sensor-tui service start'",
            )
        async with client:
            return await ask(client, request)

    return asyncio.run(work())


def closing(stream: AsyncIterator[T]) -> "aclosing[AsyncGenerator[T, None]]":
    """A stream of the service that is closed when it is left."""
    assert isinstance(stream, AsyncGenerator)
    return aclosing(stream)


def find_units(known: Sequence["Unit"], wanted: Sequence[str]) -> list["Unit"]:
    """Units by id, name or sensor id, each once and in the order given.

    Raises:
        UsageError: there is none of that name, or more than one.
    """
    found = {unit.id: unit for text in wanted for unit in [_find(known, text)]}
    return list(found.values())


def _find(known: Sequence["Unit"], text: str) -> "Unit":
    for matching in (
        [unit for unit in known if unit.id == text],
        [unit for unit in known if unit.name == text],
        [unit for unit in known if unit.sensor_id is not None and unit.sensor_id == text],
    ):
        if len(matching) > 1:
            ids = ", ".join(sorted(unit.id for unit in matching))
            raise UsageError(f"'{text}' may be any of {ids}", fix="Give one of these")
        if matching:
            return matching[0]
    from sensor_tui.config.values import suggestion

    names = [name for unit in known for name in (unit.name, unit.sensor_id, unit.id) if name]
    near = suggestion(text, names)
    raise UsageError(
        f"there is no unit '{text}'",
        fix=f"Did you mean '{near}'?" if near else "'sensor-tui units' lists them",
    )


def short_names(known: Sequence["Unit"]) -> dict[str, str]:
    """A name for every unit: its own, or its id where two have the same."""
    counts = Counter(unit.name for unit in known)
    return {unit.id: unit.name if counts[unit.name] == 1 else unit.id for unit in known}

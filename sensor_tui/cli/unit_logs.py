"""`sensor-tui logs`: what units write, merged by time."""

import asyncio
import os
import re
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.moments import FORMS, METAVAR, span
from sensor_tui.cli.options import where_options
from sensor_tui.cli.unit_logs_show import NOTE, Last, Printer, Shown, filter_of
from sensor_tui.cli.units import closing, find_units, short_names
from sensor_tui.errors import SensorTuiError, ServiceError, UsageError

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.model.unit import LogLine, Unit
    from sensor_tui.service.client import ServiceClient
    from sensor_tui.service.request import SyncRequest

USUAL_TAIL: Final = 100
ALL: Final = "all"
LOOK_SECONDS: Final = 2.0
"""Between two looks at which units there are, while they are followed."""


@click.command(
    cls=Command,
    examples=(
        "sensor-tui logs",
        "sensor-tui logs sensor-amsterdam-1 uploader-amsterdam",
        "sensor-tui logs LON_000002 --since 10m --until 5m -t",
        "sensor-tui logs --no-follow --tail all --grep 'ERROR|WARN' --json",
    ),
)
@where_options
@click.option(
    "--tail",
    metavar="N|all",
    help=f"Begin with the last so many lines of each unit. Default: {USUAL_TAIL}, with a time all.",
)
@click.option("--since", metavar=METAVAR, help=f"Begin there: {FORMS}.")
@click.option("--until", metavar=METAVAR, help="End there, given in the same way; nothing is followed then.")
@click.option("--grep", metavar="REGEX", help="Only lines in which this is found.")
@click.option("--invert", is_flag=True, help="With --grep: only lines in which it is not found.")
@click.option("--follow/--no-follow", default=True, help="Go on with what comes (the default), or end.")
@click.option(
    "--timestamps", "-t", is_flag=True, help="Put the time before every line, as far as it is known."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line instead of text.")
@click.argument("names", metavar="[SERVICE]...", nargs=-1)
@click.pass_obj
def logs(session: Session, /, **options: Any) -> None:
    """Show what units write, all of them or those named, merged by time, until Ctrl-C.

    Units are given by name, id, sensor id, or as Compose calls the service or its container. Units that
    appear meanwhile are shown too, unless some were named. Control characters and escape sequences are
    replaced. Where no service runs, or it is another user's, containers are read from their engine, and
    processes from their files.
    """
    if options["invert"] and options["grep"] is None:
        raise UsageError("--invert goes with --grep", fix="Give --grep, or leave it out")
    wanted = filter_of(options["grep"], invert=options["invert"])
    options["since"], options["until"] = span(options["since"], options["until"])
    options["tail"] = _tail(
        options["tail"], everything=options["since"] is not None or options["until"] is not None
    )
    from sensor_tui.cli.setup import prepare, sync_request

    given = {"state_dir": options["state_dir"]}
    settings = prepare(session, options["config_path"], given, quietest="WARNING").settings
    request = sync_request(settings, data_dir=options["data_dir"], sqlite=options["sqlite"])
    shown = Shown(wanted, options["until"])
    asyncio.run(_read(settings, request, options, shown, plain=session.no_color))


class Source(Protocol):
    """Who knows units and has their logs."""

    async def units(self) -> "Sequence[Unit]":
        """Every unit there is."""
        ...

    def logs(
        self,
        units: Sequence[str],
        *,
        since: float | None = None,
        tail: int | None = None,
        follow: bool = False,
    ) -> "AsyncGenerator[list[LogLine], None]":
        """Lines of these units, merged by time."""
        ...


class _Service:
    """A running service, as a source."""

    def __init__(self, client: "ServiceClient") -> None:
        self._client = client
        self.logs = client.logs

    async def units(self) -> "Sequence[Unit]":
        return (await self._client.status()).units


async def _read(
    settings: "Settings", request: "SyncRequest", options: dict[str, Any], shown: Shown, *, plain: bool
) -> None:
    import httpx

    from sensor_tui.cli.output import say
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.attach import attach
    from sensor_tui.service.broken import lost
    from sensor_tui.service.fleet_logs_direct import DirectLogs

    clock = SystemClock()
    try:
        client = attach(request, clock)
        missing = _missing(request)
    except ServiceError as error:  # it is not for us
        client, missing = None, error
    if client is not None:
        async with client:
            try:
                await _Reading(_Service(client), options, shown, plain=plain).run()
            except (httpx.HTTPError, SensorTuiError) as error:
                broken = lost(client.where, error)
                if broken is None:
                    raise
                raise broken from error
        return
    async with DirectLogs(settings, request, clock) as direct:
        if not await direct.units():
            raise missing
        say(f"{missing.message}: containers are read from their engine, processes from what they wrote.")
        for problem in direct.problems:
            say(problem)
        await _Reading(direct, options, shown, plain=plain).run()


def _missing(request: "SyncRequest") -> ServiceError:
    """Why there is no service to ask, as far as this user can tell."""
    from sensor_tui.service.attach import state_of

    state = state_of(request)
    if state.is_dir() and not os.access(state, os.R_OK | os.X_OK):
        return ServiceError(
            f"{state} is not for this user, nor is the service of these files",
            fix="Ask as its owner, or be allowed to use its Docker engine",
        )
    return ServiceError(
        f"no service runs for {request.root}, and units are looked after by one",
        fix="Start it with 'sensor-tui service start'",
    )


class _Reading:
    """Logs that are read, until they end or somebody has had enough."""

    def __init__(self, source: Source, options: dict[str, Any], shown: Shown, *, plain: bool) -> None:
        self._source = source
        self._options = options
        self._shown = shown
        self._plain = plain
        self._follow: bool = options["follow"] and options["until"] is None
        self._printer: Printer
        self._known: dict[str, Unit] = {}
        self._streams: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        from sensor_tui.cli.output import say
        from sensor_tui.model.clock import SystemClock

        options, known = self._options, await self._source.units()
        named = find_units(known, [_meant(known, name) for name in options["names"]])
        if not known:
            waits = "; those that appear are shown" if self._follow else ""
            say(f"There are no units: 'sensor-tui units add' adds one{waits}.")
        chosen = named or list(known)
        self._known = {unit.id: unit for unit in chosen}
        self._printer = Printer(
            short_names(known),
            several=len(chosen) > 1 or (self._follow and not named),
            timestamps=options["timestamps"],
            as_json=options["as_json"],
            plain=self._plain,
        )
        self._printer.widen(self._known)
        if chosen:
            self._begin(list(self._known), since=options["since"], tail=options["tail"])
        clock = SystemClock()
        try:
            while self._streams or (self._follow and not self._known):
                sleeping = asyncio.ensure_future(clock.sleep(LOOK_SECONDS))
                done, _ = await asyncio.wait({*self._streams, sleeping}, return_when=asyncio.FIRST_COMPLETED)
                sleeping.cancel()
                self._streams -= done
                for task in done - {sleeping}:
                    task.result()
                if self._follow and (self._streams or not self._known):
                    await self._look(everything=not named)
        finally:
            for task in self._streams:
                task.cancel()
            await asyncio.gather(*self._streams, return_exceptions=True)

    def _begin(self, units: Sequence[str], *, since: float | None = None, tail: int | None = None) -> None:
        self._streams.add(asyncio.ensure_future(self._stream(units, since, tail)))

    async def _stream(self, units: Sequence[str], since: float | None, tail: int | None) -> None:
        # The last lines before a time are not the last of the log.
        last = Last(tail) if tail is not None and self._options["until"] is not None else None
        stream = self._source.logs(
            units, since=since, tail=None if last is not None else tail, follow=self._follow
        )
        async with closing(stream) as batches:
            async for batch in batches:
                if last is None:
                    self._printer.put(self._shown.choose(batch))
                else:
                    last.add(self._shown.in_time(batch))
        if last is not None:
            self._printer.put(self._shown.choose(last.lines()))

    async def _look(self, *, everything: bool) -> None:
        """See which units are new, and which have ended or run again."""
        from sensor_tui.model.unit import LogLine

        try:
            found = await self._source.units()
        except SensorTuiError:
            if not self._streams:
                raise
            return  # the log itself comes to its end then, and says why
        new = [unit for unit in found if everything and unit.id not in self._known]
        notes = []
        for unit in found:
            before = self._known.get(unit.id)
            if before is not None and before.state != unit.state:
                reason = f": {unit.reason}" if unit.reason else ""
                notes.append(LogLine(unit.id, None, f"{unit.state}{reason}", NOTE))
            if before is not None or everything:
                self._known[unit.id] = unit
        if new:
            self._printer.names |= short_names(found)
            self._printer.widen(unit.id for unit in new)
            notes += [LogLine(unit.id, None, "is there from now on", NOTE) for unit in new]
        self._printer.put(notes)
        if new:
            self._begin([unit.id for unit in new])


def _meant(known: "Sequence[Unit]", text: str) -> str:
    """The id of the unit that Compose calls so, by its service or container; otherwise as it was given."""
    if any(text in {unit.id, unit.name, unit.sensor_id} for unit in known):
        return text
    found = [unit.id for unit in known if text in _called(unit)]
    return found[0] if len(found) == 1 else text


def _called(unit: "Unit") -> set[str]:
    """What Compose calls it: its service, and its container, with the project or without."""
    service = unit.labels.get("com.docker.compose.service", unit.name)
    names = {service, unit.container}
    for project in filter(None, (unit.project, unit.labels.get("com.docker.compose.project"))):
        names |= {f"{project}{mark}{service}" for mark in "-_"}
        names |= {f"{project}{mark}{service}{mark}1" for mark in "-_"}
    return names | {f"{service}{mark}1" for mark in "-_"}


def _tail(text: str | None, *, everything: bool) -> int | None:
    if text is None:
        return None if everything else USUAL_TAIL
    if text == ALL:
        return None
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise UsageError(f"--tail {text}: a number of lines or 'all' is expected", fix="Give one of them")
    return int(text)

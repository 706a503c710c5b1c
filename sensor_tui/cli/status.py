"""`sensor-tui status`: backlog, lag and freshness."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import json_option, where_options
from sensor_tui.model.overview import PeerLink

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.service.request import SyncRequest
    from sensor_tui.service.wire import PeerReport, SensorReport, StatusReport

WATCH_SECONDS: Final = 2.0
REPORT_KEYS: Final = ("backlog", "lag_seconds", "dead_letters", "engine", "sensors")
SENSOR_KEYS: Final = ("sensor_id", "city", "backlog", "lag_seconds", "freshness_seconds", "newest")
HEAD: Final = ("SENSOR", "CITY", "BACKLOG", "LAG", "FRESHNESS", "NEWEST", "NOTE")
NUMERIC: Final = ("BACKLOG", "LAG", "FRESHNESS")

_HOME_AND_CLEAR: Final = "\x1b[H\x1b[J"


@click.command(
    cls=Command,
    examples=(
        "sensor-tui status --data-dir data",
        "sensor-tui status --watch 5",
        "sensor-tui status --json | jq .lag_seconds",
    ),
)
@where_options
@click.option(
    "--watch",
    type=click.FloatRange(0.2, 3600),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help="Show it again and again, every 2 seconds or so many, until Ctrl-C.",
)
@json_option
@click.pass_obj
def status(
    session: Session,
    /,
    *,
    data_dir: Path | None,
    sqlite: Path | None,
    config_path: Path | None,
    state_dir: Path | None,
    watch: float | None,
    as_json: bool,
) -> None:
    """Show backlog, lag and freshness of every sensor.

    A service that uploads these files is asked; where none runs, the files themselves are looked at. Lag is
    the age of the oldest reading that Cosmos DB does not have, freshness that of a sensor's newest reading.
    """
    from sensor_tui.cli.setup import prepare, sync_request

    ready = prepare(session, config_path, {"state_dir": state_dir}, quietest="WARNING")
    request = sync_request(ready.settings, data_dir=data_dir, sqlite=sqlite)
    asyncio.run(_show(ready.settings, request, watch, as_json=as_json, plain=session.no_color))


async def _show(
    settings: "Settings", request: "SyncRequest", watch: float | None, *, as_json: bool, plain: bool
) -> None:
    from sensor_tui.cli.output import emit, emit_json, is_terminal
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.status import status as ask

    clock = SystemClock()
    clear = watch is not None and not as_json and is_terminal(sys.stdout)
    while True:
        report = await ask(settings, request, clock)
        if as_json:
            emit_json(report_dict(report))
        else:
            emit((_HOME_AND_CLEAR if clear else "") + _text(report, plain=plain))
        if watch is None:
            return
        sys.stdout.flush()
        await clock.sleep(watch)


def _text(report: "StatusReport", *, plain: bool) -> str:
    from sensor_tui.cli.output import table

    lines = list(_head(report))
    if report.sensors:
        lines += ["", table(HEAD, map(_row, report.sensors), plain=plain, numeric=NUMERIC)]
    return "\n".join(lines)


def _head(report: "StatusReport") -> Iterator[str]:
    from sensor_tui.cli.output import age, clean, count

    engine = report.engine
    parts = [
        f"backlog {'unknown' if report.backlog is None else f'{report.backlog:,}'}",
        f"lag {age(report.lag_seconds)}",
        f"{count(report.dead_letters or 0, 'dead letter')}",
        f"service {engine.state}, process {engine.pid}" if engine.attached else "no service is running",
    ]
    yield ", ".join(parts)
    live = [engine, *(peer.engine for peer in report.peers if peer.engine and peer.link is PeerLink.LIVE)]
    docs = sum(each.docs_per_second or 0 for each in live)
    if engine.attached and docs:
        yield f"{docs:,.0f} docs/s, {sum(each.request_units_per_second or 0 for each in live):,.0f} RU/s"
    for peer in report.peers:
        yield _peer(peer)
    for trouble in (engine.reason, engine.config_problem):
        if trouble:
            yield clean(trouble)
    if not report.sensors:
        yield "No sensor database was found."


def _peer(peer: "PeerReport") -> str:
    """Another service, in one line."""
    from sensor_tui.cli.output import clean, count

    name = clean(peer.name)
    if peer.engine is None or peer.link is not PeerLink.LIVE:
        return f"uploader of {name}: {clean(peer.problem) or 'does not answer'}, since {peer.since or 'ever'}"
    words = f"{peer.engine.state}, backlog {'unknown' if peer.backlog is None else f'{peer.backlog:,}'}"
    reason = f": {clean(peer.engine.reason)}" if peer.engine.reason else ""
    return f"uploader of {name}: {words}, {count(peer.sensors, 'sensor')}{reason}"


def _row(sensor: "SensorReport") -> tuple[str, ...]:
    from sensor_tui.cli.output import age, or_dash

    left = f"uploader of {sensor.engine}" if sensor.engine else f"left to {sensor.owner}"
    trouble = sensor.problem or (left if sensor.owner else "")
    dead = f"{sensor.dead_letters:,} dead" if sensor.dead_letters else ""
    return (
        sensor.sensor_id or sensor.source,
        or_dash(sensor.city),
        "-" if sensor.backlog is None else f"{sensor.backlog:,}",
        age(sensor.lag_seconds),
        age(sensor.freshness_seconds),
        or_dash(sensor.newest),
        "; ".join(filter(None, [dead, trouble])),
    )


def report_dict(report: "StatusReport") -> dict[str, Any]:
    """The report for `--json`: its lasting keys; what troubles a sensor only where something does."""
    every = report.model_dump(mode="json")
    sensors = [
        {name: sensor[name] for name in SENSOR_KEYS}
        | {name: sensor[name] for name in ("problem", "owner", "engine", "dead_letters") if sensor.get(name)}
        for sensor in every["sensors"]
    ]
    peers = {"peers": every["peers"]} if every["peers"] else {}
    return {name: every[name] for name in REPORT_KEYS} | {"sensors": sensors} | peers

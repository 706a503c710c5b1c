"""`sensor-tui service`: the upload as a process in the background."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Group, Session
from sensor_tui.cli.options import json_option, where_options, yes_option
from sensor_tui.errors import ExitCode, ServiceError

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.service.control import RunningService
    from sensor_tui.service.request import SyncRequest

_SPARE_SECONDS: Final = 15.0
"""Beside the drain itself: marking, closing files, leaving."""


@click.group(cls=Group)
def service() -> None:
    """Start or stop the background service, or see how it is.

    The service is 'sensor-tui sync --continuous' in a session of its own: it goes on when the terminal is
    gone. There is one for a data folder. Its log is service.log in the state folder.
    """


@service.command(examples=("sensor-tui service start --data-dir data --interval 30",))
@where_options
@click.option("--interval", metavar="SECONDS", help="Pause between two rounds of upload.")
@click.option("--max-ru", metavar="NUMBER", help="Budget in request units a second.")
@click.option("--listen", metavar="HOST:PORT", help="Serve the API on TCP as well.")
@json_option
@click.pass_obj
def start(session: Session, /, *, as_json: bool, **options: Any) -> int:
    """Start the service, and wait until it answers."""
    from sensor_tui.cli.output import emit, emit_json
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.control import start_service

    passed = {"interval": options["interval"], "performance.max_ru_per_second": options["max_ru"]}
    _, request = _prepared(session, options, passed)
    running = asyncio.run(start_service(request, _arguments(session, request, options), SystemClock()))
    if as_json:
        emit_json(_facts(running))
    else:
        emit(f"The service runs: process {running.pid}, log {running.log}")
    return int(ExitCode.OK)


@service.command(examples=("sensor-tui service stop", "sensor-tui service stop --no-drain --yes"))
@where_options
@click.option(
    "--drain/--no-drain", default=True, help="Finish what is under way first (the default), or stop at once."
)
@click.option(
    "--drain-timeout",
    type=click.FloatRange(0, 3600),
    metavar="SECONDS",
    help="Wait so long for it to be gone. Default: service.drain_timeout_seconds, and a little.",
)
@yes_option
@json_option
@click.pass_obj
def stop(
    session: Session,
    /,
    *,
    drain: bool,
    drain_timeout: float | None,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Stop the service, and wait until it is gone. No reading is lost either way; what is open stays open."""
    from sensor_tui.cli.output import confirm, emit, emit_json
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.control import stop_service

    settings, request = _prepared(session, options)
    drains = settings.service.drain_timeout_seconds + _SPARE_SECONDS
    timeout = drains if drain_timeout is None else drain_timeout
    if not drain and not confirm("Stop the service without finishing what is under way?", yes=yes):
        return int(ExitCode.REJECTED)
    stopped = asyncio.run(stop_service(request, SystemClock(), drain=drain, timeout=timeout))
    if as_json:
        emit_json({"stopped": stopped})
    else:
        emit("The service is stopped." if stopped else "No service was running.")
    return int(ExitCode.OK)


@service.command(examples=("sensor-tui service status --json",))
@where_options
@json_option
@click.pass_obj
def status(session: Session, /, *, as_json: bool, **options: Any) -> int:
    """Say whether the service runs and answers; exits 3 where it does not."""
    from sensor_tui.cli.output import clean, emit, emit_json
    from sensor_tui.model.clock import SystemClock
    from sensor_tui.service.control import service_status

    _, request = _prepared(session, options)
    running = asyncio.run(service_status(request, SystemClock()))
    if as_json:
        emit_json({"running": False} if running is None else _facts(running))
    elif running is None:
        raise ServiceError(
            f"no service runs for {request.root}", fix="Start one with 'sensor-tui service start'"
        )
    else:
        engine = running.status.engine
        emit(clean(f"The service runs: process {running.pid}, {engine.state}, since {engine.started}"))
        for line in filter(None, (engine.reason, engine.config_problem)):
            emit(clean(line))
    return int(ExitCode.OK if running is not None else ExitCode.SINK)


def _facts(running: "RunningService") -> dict[str, Any]:
    engine = running.status.engine
    return {
        "running": True,
        "pid": running.pid,
        "socket": running.where,
        "log": str(running.log),
        "started": engine.started,
        "state": str(engine.state),
        "reason": engine.reason,
        "config_problem": engine.config_problem,
        "version": engine.version,
    }


def _prepared(
    session: Session, options: dict[str, Any], overrides: dict[str, Any] | None = None
) -> "tuple[Settings, SyncRequest]":
    """The files that are meant; the configuration is checked here, where a person sees what is wrong."""
    from sensor_tui.cli.setup import prepare, sync_request

    given = {"state_dir": options["state_dir"], **(overrides or {})}
    settings = prepare(session, options["config_path"], given, quietest="WARNING").settings
    return settings, sync_request(settings, data_dir=options["data_dir"], sqlite=options["sqlite"])


def _arguments(session: Session, request: "SyncRequest", options: dict[str, Any]) -> list[str]:
    """The options of the sync that runs as the service; no secret is among them."""
    config: Path | None = options["config_path"]
    given = {
        "--sqlite": request.root,
        "--state-dir": request.state_dir,
        "--config": config.absolute() if config is not None else None,
        "--interval": options["interval"],
        "--max-ru": options["max_ru"],
        "--listen": options["listen"],
    }
    arguments = [f"{name}={value}" for name, value in given.items() if value is not None]
    return [*arguments, *(["--debug"] if session.debug else [])]

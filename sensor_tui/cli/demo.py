"""`sensor-tui demo`: everything at once on this machine, with nothing to configure."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import FOLDER, json_option
from sensor_tui.errors import ExitCode, StorageError, UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.rehearsal import Outcome

MOST_SENSORS: Final = 100
"""Each is a process."""


@click.command(
    cls=Command,
    examples=(
        "sensor-tui demo",
        "sensor-tui demo --cities 5 --sensors 4 --rate 10 --seconds 60",
        "sensor-tui demo --seconds 20 --json",
    ),
)
@click.option("--cities", type=click.IntRange(1, 20), default=3, show_default=True, help="Cities.")
@click.option(
    "--sensors", type=click.IntRange(1, 50), default=2, show_default=True, help="Sensors in each city."
)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 1000),
    default=5,
    show_default=True,
    metavar="PER_SECOND",
    help="Readings a second of each sensor.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="End so long after everything is up. Default: Ctrl-C ends it.",
)
@click.option(
    "--ru-per-second",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Limit of the endpoint. Default: enough to keep up, and low enough to show throttling and lag.",
)
@click.option(
    "--dir", "folder", type=FOLDER, metavar="DIR", help="New or empty folder to work in; it is kept."
)
@click.option("--keep", is_flag=True, help="Keep the temporary folder.")
@json_option
@click.pass_obj
def demo(
    session: Session,
    /,
    *,
    cities: int,
    sensors: int,
    rate: float,
    seconds: float | None,
    ru_per_second: float | None,
    folder: Path | None,
    keep: bool,
    as_json: bool,
) -> int:
    """Watch a simulated fleet upload its readings to a local endpoint.

    Every sensor is a process that writes its own database; a local Cosmos DB endpoint with a limit of request
    units takes the readings; the continuous sync brings them there. At the end the documents are counted
    against the readings: exit code 0 says that they are equal. No configuration, account or network is
    needed.
    """
    from sensor_tui.cli import logs
    from sensor_tui.cli.output import emit, emit_json, say
    from sensor_tui.cli.rehearsal import Plan, rehearse
    from sensor_tui.service.loop import run

    if cities * sensors > MOST_SENSORS:
        raise UsageError(
            f"{cities * sensors} sensors are too many for a demo", fix=f"Ask for at most {MOST_SENSORS}"
        )
    lines = logs.setup("WARNING", debug=session.debug)
    plan = Plan(cities, sensors, rate, seconds, ru_per_second, debug=session.debug)
    place = _place(folder)
    kept = keep or folder is not None
    try:
        outcome = run(rehearse(plan, place, lines, fold_lines=as_json))
    finally:
        if not kept:
            shutil.rmtree(place, ignore_errors=True)
    if as_json:
        emit_json(outcome.as_dict() | {"dir": str(place) if kept else None})
    else:
        emit(_verdict(outcome))
    if kept:
        say(f"Kept in {place}; look again with: sensor-tui status --data-dir {place / 'data'}")
    return int(ExitCode.OK if outcome.equal else ExitCode.REJECTED)


def _place(folder: Path | None) -> Path:
    try:
        if folder is None:
            return Path(tempfile.mkdtemp(prefix="sensor-tui-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", fix="Give --dir a new or empty folder")
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: cannot be used: {error.strerror}", fix="Give --dir another folder"
        ) from None
    return folder.absolute()


def _verdict(outcome: "Outcome") -> str:
    from sensor_tui.cli.output import count

    told = (
        f"{count(outcome.sensors, 'sensor')} wrote {count(outcome.readings, 'reading')},"
        f" the endpoint holds {count(outcome.documents, 'document')}"
    )
    if outcome.equal:
        return f"{told}: equal. It throttled {count(outcome.throttled, 'reading')} on the way."
    return f"{told}: NOT equal. {outcome.reason}".rstrip()

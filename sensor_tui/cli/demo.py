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
    from sensor_tui.cli.demo_parts import Plan
    from sensor_tui.cli.rehearsal import Outcome

STARTING_SECONDS: Final = 20.0
"""So long the dashboard waits for the service before it says that there is none."""
MOST_SENSORS: Final = 100
"""Each is a process."""


@click.command(
    cls=Command,
    examples=(
        "sensor-tui demo",
        "sensor-tui demo --cities 5 --sensors 4 --rate 10",
        "sensor-tui demo --headless --seconds 60",
        "sensor-tui demo --headless --seconds 20 --json",
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
@click.option("--headless", is_flag=True, help="No dashboard: lines, and a count at the end.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Headless: end so long after everything is up. Default: Ctrl-C ends it.",
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
@click.option("--theme", metavar="NAME", default="dark", help="Theme of the dashboard.")
@click.option("--low-bandwidth", is_flag=True, help="Redraw seldom, for slow lines.")
@click.option("--ascii", "plain", is_flag=True, help="Plain glyphs only.")
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
    headless: bool,
    theme: str,
    low_bandwidth: bool,
    plain: bool,
    as_json: bool,
) -> int:
    """Try the dashboard on a simulated fleet that uploads to a local endpoint.

    Every sensor is a process that writes its own database; a local Cosmos DB endpoint with a limit of request
    units takes the readings, so that throttling and lag can be seen. No configuration, account or network is
    needed, everything is in one temporary folder, and quitting ends and removes all of it.

    With --headless there is no dashboard: at the end the documents are counted against the readings, and
    exit code 0 says that they are equal.
    """
    from sensor_tui.cli.demo_parts import Plan

    if cities * sensors > MOST_SENSORS:
        raise UsageError(
            f"{cities * sensors} sensors are too many for a demo", fix=f"Ask for at most {MOST_SENSORS}"
        )
    plan = Plan(cities, sensors, rate, seconds, ru_per_second, debug=session.debug)
    headless = headless or as_json or seconds is not None
    if not headless:
        from sensor_tui.cli.dashboard import need_terminal, watch_terminal

        need_terminal()
        watch_terminal()
    place = _place(folder)
    kept = keep or folder is not None
    try:
        if headless:
            return _rehearse(session, plan, place, kept=kept, as_json=as_json)
        return _show(session, plan, place, theme=theme, low_bandwidth=low_bandwidth, plain=plain, kept=kept)
    finally:
        if not kept:
            shutil.rmtree(place, ignore_errors=True)


def _rehearse(session: Session, plan: "Plan", place: Path, *, kept: bool, as_json: bool) -> int:
    """Without the dashboard."""
    from sensor_tui.cli import logs
    from sensor_tui.cli.output import emit, emit_json
    from sensor_tui.cli.rehearsal import rehearse
    from sensor_tui.service.loop import run

    lines = logs.setup("WARNING", debug=session.debug)
    outcome = run(rehearse(plan, place, lines, fold_lines=as_json))
    if as_json:
        emit_json(outcome.as_dict() | {"dir": str(place) if kept else None})
    else:
        emit(_verdict(outcome))
    if kept:
        _say_kept(place)
    return int(ExitCode.OK if outcome.equal else ExitCode.REJECTED)


def _show(
    session: Session,
    plan: "Plan",
    place: Path,
    *,
    theme: str,
    low_bandwidth: bool,
    plain: bool,
    kept: bool,
) -> int:
    """With the dashboard, everything else in a process that ends when this one does."""
    from sensor_tui.app.base import Look
    from sensor_tui.app.run import run_dashboard
    from sensor_tui.cli import logs
    from sensor_tui.cli.demo_stage import DemoStage
    from sensor_tui.cli.output import say
    from sensor_tui.model.clock import SystemClock

    logs.setup("WARNING", debug=session.debug)
    clock = SystemClock()
    with DemoStage(plan, place, clock, kept=kept) as stage:
        run_dashboard(
            stage.services,
            clock,
            look=Look(low_bandwidth=low_bandwidth, ascii=plain, no_color=session.no_color),
            theme=theme,
            keymap={},
            theme_dirs=[],
            start="fleet",
            start_service=False,
            patience=STARTING_SECONDS,
            quit_text="This stops the simulated sensors, their uploads and the local endpoint"
            + ("." if kept else ", and removes their folder."),
        )
        say("Stopping the demo: sensors first, then the rest of their readings is uploaded.")
        ended = stage.end()
    told = "unknown" if ended.documents is None else f"{ended.documents:,}"
    left = "an unknown number of" if ended.open is None else f"{ended.open:,}"
    say(f"The demo is over: the endpoint held {told} documents, {left} readings were still to be uploaded.")
    if ended.problem:
        say(ended.problem)
    if kept:
        _say_kept(place)
    return int(ExitCode.REJECTED if ended.problem else ExitCode.OK)


def _say_kept(place: Path) -> None:
    from sensor_tui.cli.output import say

    say(f"Kept in {place}; look again with: sensor-tui status --data-dir {place / 'data'}")


def _place(folder: Path | None) -> Path:
    try:
        if folder is None:
            return Path(tempfile.mkdtemp(prefix="sensor-tui-demo-")).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", fix="Give --dir a new or empty folder")
    except OSError as error:
        raise StorageError(
            f"{error.filename or folder}: cannot be used: {error.strerror}", fix="Give --dir another folder"
        ) from None
    return folder.resolve()


def _verdict(outcome: "Outcome") -> str:
    from sensor_tui.cli.output import count

    told = (
        f"{count(outcome.sensors, 'sensor')} wrote {count(outcome.readings, 'reading')},"
        f" the endpoint holds {count(outcome.documents, 'document')}"
    )
    if outcome.equal:
        return f"{told}: equal. It throttled {count(outcome.throttled, 'reading')} on the way."
    return f"{told}: NOT equal. {outcome.reason}".rstrip()

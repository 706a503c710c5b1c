"""`sensor-tui` alone: the full-screen dashboard over the service of some sensor files."""

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import where_options
from sensor_tui.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sensor_tui.app.base import Look
    from sensor_tui.config import Settings

SCREENS: Final = ("fleet", "sensors", "uploads", "logs", "diagnostics", "query")
WEB: Final = "SENSOR_TUI_WEB"
"""Set where the dashboard runs for a browser."""


@click.command(
    cls=Command,
    examples=(
        "sensor-tui",
        "sensor-tui --data-dir data --read-only",
        "sensor-tui --low-bandwidth --theme high-contrast",
        "sensor-tui dashboard --attach --start uploads",
    ),
)
@where_options
@click.option(
    "--attach", is_flag=True, help="Never start a service: show the one that runs, or wait for one."
)
@click.option("--read-only", is_flag=True, help="Refuse every action.")
@click.option("--low-bandwidth", is_flag=True, help="Redraw seldom, for slow lines.")
@click.option("--ascii", "plain", is_flag=True, help="Plain glyphs only.")
@click.option(
    "--theme", metavar="NAME", help="dark, light, high-contrast, colour-blind-safe, mono, or yours."
)
@click.option("--start", type=click.Choice(SCREENS), help="Screen to begin with.")
@click.pass_obj
def dashboard(session: Session, /, *, attach: bool, **options: Any) -> int:
    """See the fleet, its readings, uploads and logs, and act on them by keyboard.

    This is what sensor-tui does when it is called without a command. Where no service runs for the data
    folder, one is started as a process of its own and goes on when the terminal is gone; quitting asks
    whether to leave it running or to drain and stop it. Press ? for the keys.
    """
    gc.disable()  # until the screen is there: loading makes no garbage, and looking for it takes 0.1 s
    from sensor_tui.cli.setup import prepare, sync_request
    from sensor_tui.model.clock import SystemClock

    need_terminal()
    watch_terminal()
    overrides = {
        "state_dir": options["state_dir"],
        "dashboard.theme": options["theme"],
        "dashboard.start": options["start"],
        **{f"dashboard.{name}": True for name in ("read_only", "low_bandwidth") if options[name]},
        **({"dashboard.ascii": True} if options["plain"] else {}),
    }
    settings = prepare(session, options["config_path"], overrides, quietest="WARNING").settings
    request = sync_request(settings, data_dir=options["data_dir"], sqlite=options["sqlite"])

    from sensor_tui.app.run import run_dashboard
    from sensor_tui.service.embed import Embedding

    clock = SystemClock()
    embedding = Embedding(request, service_options(session, request, options["config_path"]), clock)
    run_dashboard(
        embedding,
        clock,
        look=look_of(session, settings),
        theme=settings.dashboard.theme,
        keymap=settings.dashboard.keymap,
        theme_dirs=[] if settings.dashboard.themes_dir is None else [settings.dashboard.themes_dir],
        start=settings.dashboard.start,
        start_service=not attach and not settings.dashboard.read_only,
    )
    return int(ExitCode.OK)


def need_terminal() -> None:
    """Raise UsageError where there is nothing to draw on."""
    if os.environ.get(WEB) or (sys.stdin.isatty() and sys.stderr.isatty() and sys.stdout.isatty()):
        return
    raise UsageError(
        "the dashboard needs a terminal",
        fix="Without one, use 'sensor-tui status', or one of the commands in 'sensor-tui --help'",
    )


def watch_terminal() -> None:
    """End at once when the terminal goes, from now on: what is gone is no terminal to watch."""
    from sensor_tui.app.hangup import vanish_on_hangup

    vanish_on_hangup()


def look_of(session: Session, settings: "Settings") -> "Look":
    """How the dashboard behaves."""
    from sensor_tui.app.base import Look

    dashboard_settings = settings.dashboard
    return Look(
        read_only=dashboard_settings.read_only,
        low_bandwidth=dashboard_settings.low_bandwidth,
        ascii=dashboard_settings.ascii or not _speaks_unicode(),
        no_color=session.no_color or settings.no_color,
        shell=not os.environ.get(WEB),
    )


def service_options(session: Session, request: Any, config: Path | None) -> list[str]:
    """The options of the `sync` that runs as the service; no secret is among them."""
    given = {
        "--sqlite": request.root,
        "--state-dir": request.state_dir,
        "--config": config.absolute() if config is not None else None,
    }
    arguments = [f"{name}={value}" for name, value in given.items() if value is not None]
    return [*arguments, *(["--debug"] if session.debug else [])]


def _speaks_unicode() -> bool:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    return "utf" in encoding.lower()

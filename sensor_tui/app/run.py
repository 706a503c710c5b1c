"""Running the dashboard: the bridge to the service, the app, and what ends both."""

import gc
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.bridge import Bridge, Services
from sensor_tui.app.hangup import vanish_on_hangup
from sensor_tui.model.clock import Clock

if TYPE_CHECKING:
    from sensor_tui.app.driver import FrugalDriver


class Dashboard(DashboardApp):
    """The app of a process: an error that nobody expected ends it, and is left to whoever called.

    A traceback on the terminal would show local variables, and with them what is secret.
    """

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()


def run_dashboard(
    services: Services,
    clock: Clock,
    *,
    look: Look,
    theme: str,
    keymap: Mapping[str, str],
    theme_dirs: Sequence[Path],
    start: str,
    start_service: bool,
    patience: float = 0.0,
    quit_text: str | None = None,
) -> str | None:
    """Show the dashboard until it is quit; what it was quit with.

    `start_service` starts a service where none runs; `patience` is how many seconds one may take to appear;
    `quit_text` is asked before quitting.
    """
    _keep_logs_off_the_screen()
    vanish_on_hangup()
    app = Dashboard(
        Bridge(services, clock, start=start_service, patience=patience),
        clock=clock,
        look=look,
        theme=theme,
        keymap=keymap,
        theme_dirs=theme_dirs,
        start=start,
        quit_text=quit_text,
        driver_class=_driver(look),
    )
    # Looking through what never goes away costs a pause in the middle of a key press.
    gc.freeze()
    gc.enable()
    result = app.run()
    # Textual keeps it for test frameworks; there is no other way to it
    if app._exception is not None:  # noqa: SLF001
        raise app._exception  # noqa: SLF001
    return result


def _driver(look: Look) -> "type[FrugalDriver] | None":
    """What draws: only what changed, but for a browser, which has a driver of its own."""
    if os.environ.get("TEXTUAL_DRIVER"):
        return None
    from sensor_tui.app.driver import FrugalDriver

    FrugalDriver.low_bandwidth = look.low_bandwidth
    return FrugalDriver


def _keep_logs_off_the_screen() -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(logging.NullHandler())

"""What works on the table of whatever screen is shown: export, copy, columns; and quitting."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.app import clipboard, exporting
from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.format import count, size
from sensor_tui.app.screens.dialogs_action import many
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Link
from sensor_tui.model.table import Table

if TYPE_CHECKING:
    from sensor_tui.app.app import DashboardApp
    from sensor_tui.app.widgets.grid import Grid

LEAVE: Final = "leave"
STOP: Final = "stop"
CANCEL: Final = "cancel"
NO_TABLE: Final = "There is no table here."


class Tools:
    """Global commands that need more than a line."""

    def __init__(self, app: "DashboardApp") -> None:
        self._app = app
        self._busy: set[str] = set()

    def grid(self) -> "Grid | None":
        """The current screen's table."""
        screen = self._app.screen
        grid = screen.current_grid() if isinstance(screen, DashboardScreen) else None
        if grid is None:
            self._app.note(NO_TABLE, "warning")
        return grid

    def start_service(self) -> None:
        """Start a service where none runs, and say how that went."""
        if self._app.overview.link is Link.LIVE:
            self._app.note("The service runs already.")
        else:
            self._once("start service", self._start_service)

    async def _start_service(self) -> None:
        self._app.note("Starting the service.")
        try:
            told = await self._app.port.start_service()
        except SensorTuiError as error:
            self._app.note(str(error), "error", title="Service")
        else:
            self._app.note(f"{told[:1].upper()}{told[1:]}.")

    def export_grid(self) -> None:
        """Export what the current table shows."""
        grid = self.grid()
        screen = self._app.screen
        if grid is not None and isinstance(screen, DashboardScreen):
            self.export(screen.NAME, grid.table())

    def export(self, name: str, table: Table) -> None:
        """Ask where to, and write."""
        self._once("export", lambda: self._export(name, table))

    async def _export(self, name: str, table: Table) -> None:
        from sensor_tui.app.screens.dialogs_tools import ExportDialog

        paths = {
            form: exporting.suggested(Path.cwd(), name, self._app.clock.now(), form)
            for form in exporting.FORMATS
        }
        wanted = await self._app.push_screen_wait(ExportDialog(many(len(table.rows), "row"), paths))
        if wanted is None:
            return
        path, form, replace = wanted
        try:
            written = await asyncio.to_thread(
                lambda: exporting.write(path, exporting.text_of(table, form), replace=replace)
            )
        except SensorTuiError as error:
            self._app.note(str(error), "error", title=error.title)
            return
        more = "" if table.complete else "; there were more rows than were asked for"
        self._app.note(f"Wrote {many(len(table.rows), 'row')}, {size(written)}, to {path}{more}")

    def copy_rows(self) -> None:
        """Copy the marked rows, else the cursor's, tab-separated with their headings."""
        grid = self.grid()
        if grid is None:
            return
        chosen = set(grid.chosen)
        rows = [row for row in grid.rows_shown if row.key in chosen]
        if not rows:
            self._app.note("Nothing to copy: there is no row.", "warning")
            return
        columns = [column for column in grid.columns if column.key in set(grid.shown_columns)]
        lines = [[column.title for column in columns]] if len(rows) > 1 else []
        lines += [
            [row.cells[column.key].text if column.key in row.cells else "" for column in columns]
            for row in rows
        ]
        self.copy("\n".join("\t".join(line) for line in lines), many(len(rows), "row"))

    def copy(self, text: str, what: str) -> None:
        """Copy, and say how."""
        self._app.run_worker(self._copy(text, what), group="copy", exit_on_error=False)

    async def _copy(self, text: str, what: str) -> None:
        try:
            how = await clipboard.copy(text, self._app.copy_to_clipboard, os.environ)
        except OSError as error:
            self._app.note(f"Cannot copy {what}: {error.strerror or error}", "error")
            return
        self._app.note(f"Copied {what} {how}")

    def columns(self) -> None:
        """Choose which columns the current table shows."""
        grid = self.grid()
        if grid is not None:
            self._once("columns", lambda: self._columns(grid))

    async def _columns(self, grid: "Grid") -> None:
        from sensor_tui.app.screens.dialogs_tools import ColumnsDialog

        wanted = await self._app.push_screen_wait(ColumnsDialog(grid.columns, grid.shown_columns))
        if wanted is not None:
            grid.show_columns(wanted)

    def quit(self) -> None:
        """Ask what there is to ask, then leave."""
        self._once("quit", self._quit)

    async def _quit(self) -> None:
        from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog

        app = self._app
        if app.overview.embedded:
            backlog = app.overview.backlog
            unsent = "" if not backlog else f" {count(backlog)} readings are not yet uploaded."
            options = (
                (LEAVE, "Quit and leave the service running"),
                (STOP, "Quit, drain and stop the service"),
                (CANCEL, "Stay"),
            )
            text = f"The service was started from here.{unsent}"
            wanted = await app.push_screen_wait(ChooseDialog("Quit", options, text=text))
            if wanted == LEAVE:
                app.exit("The service goes on running; sensor-tui shows it again.")
            elif wanted == STOP:
                await self._stop()
        elif not app.quit_text or await app.push_screen_wait(AskDialog("Quit", app.quit_text, yes="Quit")):
            app.exit()

    async def _stop(self) -> None:
        from sensor_tui.app.screens.dialogs_tools import StopDialog

        text = await self._app.push_screen_wait(StopDialog(self._app.port.stop_service))
        if text is not None:
            self._app.exit(text)

    def _once(self, group: str, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a worker unless the one before still asks."""
        if group in self._busy:
            return
        self._busy.add(group)

        async def run() -> None:
            try:
                await what()
            finally:
                self._busy.discard(group)

        self._app.run_worker(run(), group=group, exit_on_error=False)

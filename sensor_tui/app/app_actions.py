"""Actions on units: planned, asked about, begun, and followed until they have ended."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sensor_tui.app.screens.dialogs_action import ConfirmAction, many
from sensor_tui.app.screens.dialogs_run import RunDialog, summary
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.action import ActionKind, ActionOptions, ActionRun, Plan
from sensor_tui.model.overview import Link, Overview

if TYPE_CHECKING:
    from sensor_tui.app.app import DashboardApp

READ_ONLY: Final = "Read-only: nothing is changed from here. Start the dashboard without --read-only to act."
STAYS_SECONDS: Final = 3600.0
"""How long a note stays about what went wrong out of sight."""


class Actions:
    """What this dashboard began, and how it goes."""

    def __init__(self, app: "DashboardApp") -> None:
        self._app = app
        self._mine: dict[str, ActionRun] = {}
        """Begun here and not known to have ended."""
        self._seen: set[str] = set()
        """Of those, the ones the service spoke of."""
        self._asking = False
        self._latest: ActionRun | None = None

    def act(self, kind: ActionKind, units: Sequence[str]) -> None:
        """Plan, ask, begin and follow an action."""
        if self._app.look.read_only:
            self._app.note(READ_ONLY, "warning")
        elif not units:
            self._app.note(f"No unit to {kind}: choose one, or mark some with space.", "warning")
        elif not self._asking:
            self._asking = True
            self._app.run_worker(self._act(kind, tuple(units)), group="action", exit_on_error=False)

    async def _act(self, kind: ActionKind, units: tuple[str, ...]) -> None:
        try:
            options = await self._agreed(kind, units)
            if options is None:
                return
            run = await self._app.port.act(kind, units, options)
        except SensorTuiError as error:
            self._app.note(str(error), "error", title=error.title)
            return
        finally:
            self._asking = False
        self._mine[run.id] = self._latest = run
        await self._app.push_screen(RunDialog(run, self._cancel))
        self.follow(self._app.overview)

    async def _agreed(self, kind: ActionKind, units: tuple[str, ...]) -> ActionOptions | None:
        """Options to do it with; None where the operator thought better of it."""
        plan: Plan | None = None
        if not kind.ends and len(units) == 1:
            plan = await self._app.port.plan(kind, units, ActionOptions())
            if plan.items and all(item.applies for item in plan.items) and not plan.unsent:
                return plan.options
        dialog = ConfirmAction(kind, units, lambda options: self._app.port.plan(kind, units, options), plan)
        return await self._app.push_screen_wait(dialog)

    async def _cancel(self, action: str) -> None:
        if self._app.look.read_only:
            self._app.note(READ_ONLY, "warning")
            return
        try:
            await self._app.port.cancel(action)
        except SensorTuiError as error:
            self._app.note(str(error), "error", title=error.title)

    def show(self) -> None:
        """Open the action that runs, else the last one."""
        known = {run.id: run for run in self._app.overview.actions}
        runs = (
            [run for run in known.values() if run.ended is None]
            or [*self._mine.values()]
            or [*known.values()]
        )
        run = runs[-1] if runs else self._latest
        if run is None:
            self._app.note("No action was begun yet; what was done before is in the action log (A).")
        else:
            self._app.push_screen(RunDialog(known.get(run.id, run), self._cancel))

    def follow(self, overview: Overview) -> None:
        """Say what became of what was begun here; called with every overview, however fast they come."""
        if not self._mine:
            return
        known = {run.id: run for run in overview.actions}
        for ident in list(self._mine):
            run = known.get(ident)
            if run is not None:
                self._seen.add(ident)
                self._mine[ident] = run
                if run.ended is not None:
                    self._ended(run)
            elif ident in self._seen and overview.link is Link.LIVE:
                self._lost(self._mine[ident])

    def _ended(self, run: ActionRun) -> None:
        self._latest = run
        self._mine.pop(run.id, None)
        self._seen.discard(run.id)
        top = self._app.screen
        shown = isinstance(top, RunDialog) and top.run.id == run.id
        text = summary(run)
        text = text[0].upper() + text[1:]
        if not run.failed:
            if shown:
                top.dismiss(None)
            self._app.note(text)
        elif not shown:
            self._app.note(f"{text}. W shows it.", "error", title="Not all went well", seconds=STAYS_SECONDS)

    def _lost(self, run: ActionRun) -> None:
        self._mine.pop(run.id, None)
        self._seen.discard(run.id)
        self._app.note(
            f"The service no longer knows of the {run.kind} of {many(len(run.outcomes), 'unit')}; "
            "the action log (A) says what was done.",
            "warning",
            seconds=STAYS_SECONDS,
        )

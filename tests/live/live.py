"""The dashboard over a stage, driven by keys and read as an operator reads it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.bridge import Bridge
from sensor_tui.app.screens.dialogs_action import ConfirmAction
from sensor_tui.app.widgets.header import HeaderBar
from sensor_tui.model.action import ActionRun
from sensor_tui.model.overview import Link, Overview
from tests.live.stage import PATIENCE, Stage, until


@dataclass
class Live:
    """A dashboard that runs."""

    app: DashboardApp
    pilot: Pilot[str | None]
    stage: Stage

    @property
    def overview(self) -> Overview:
        return self.app.overview

    @property
    def screen(self) -> Any:
        return self.app.screen

    @property
    def header(self) -> str:
        """The line at the top, of whatever screen is shown."""
        for screen in reversed(self.app.screen_stack):
            for bar in screen.query(HeaderBar):
                return bar.render().plain
        return ""

    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    def notes(self) -> list[str]:
        return [note.message for note in self.app._notifications]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        await self.pilot.press(*text)

    async def until(self, look: Callable[[], Any], within: float = PATIENCE) -> Any:
        """The first true answer of `look`."""
        return await until(
            look, within=within, what=lambda: f"{self.overview!r}\n{self.notes()}\n{self.text()}"
        )

    async def see(self, pattern: str, within: float = PATIENCE) -> re.Match[str]:
        """Wait until this is on the screen."""
        found: re.Match[str] = await self.until(lambda: re.search(pattern, self.text()), within)
        return found

    async def lose(self, pattern: str, within: float = PATIENCE) -> None:
        """Wait until this is on the screen no more."""
        await self.until(lambda: not re.search(pattern, self.text()), within)

    async def link(self, link: Link, within: float = PATIENCE) -> None:
        await self.until(lambda: self.overview.link is link, within)

    async def told(self, pattern: str) -> str:
        """Wait for a note."""
        text: str = await self.until(
            lambda: next((note for note in self.notes() if re.search(pattern, note)), "")
        )
        return text

    async def settled(self) -> None:
        """Wait until nothing is asked: what is broken off may leave its connection to the collector."""
        lasting = {"updates", "themes", "logs"}
        await self.until(
            lambda: all(worker.is_finished or worker.group in lasting for worker in self.app.workers)
        )

    async def left(self) -> None:
        """Wait until the dashboard has been left."""
        await self.until(lambda: self.app._exit)

    async def choose(self, unit: str) -> None:
        """Put the cursor of Fleet on a unit."""
        await self.until(lambda: unit in self.overview.units)
        self.app.show_unit(unit)
        await self.until(lambda: self.screen.NAME == "fleet" and self.screen.grid.cursor_key == unit)

    async def confirm(self, *, wipe: bool = False) -> ConfirmAction:
        """Agree to what is planned, typing what has to be typed."""
        dialog = await self.until(
            lambda: isinstance(self.screen, ConfirmAction) and self.screen.plan is not None and self.screen
        )
        assert isinstance(dialog, ConfirmAction)
        if wipe:
            await self.press("w")
            await self.until(lambda: dialog.plan is not None and dialog.plan.options.wipe_data)
        if dialog.word:
            await self.until(lambda: dialog.focused is not None and dialog.focused.id == "typed")
            await self.type(dialog.word)
        await self.until(lambda: dialog.ready)
        await self.press("enter")
        return dialog

    async def ended(self, began: float) -> ActionRun:
        """The first action begun since then, once it has ended."""

        def look() -> ActionRun | None:
            runs = [run for run in self.overview.actions if run.began >= began and run.ended is not None]
            return runs[0] if runs else None

        run: ActionRun = await self.until(look)
        return run

    async def act(self, key: str, unit: str, *, wipe: bool = False) -> ActionRun:
        """Press a key of Fleet on a unit, agree, and wait until it has ended."""
        await self.choose(unit)
        began = time.time()
        await self.press(key)
        await self.until(
            lambda: (
                isinstance(self.screen, ConfirmAction)
                or any(run.began >= began for run in self.overview.actions)
            )
        )
        if isinstance(self.screen, ConfirmAction):
            await self.confirm(wipe=wipe)
        return await self.ended(began)


@asynccontextmanager
async def dashboard(
    stage: Stage,
    *,
    start: str = "fleet",
    size: tuple[int, int] = (160, 45),
    start_service: bool = False,
    wait: Link | None = Link.LIVE,
) -> AsyncIterator[Live]:
    """The app over whatever service the stage has, shown as soon as the link is like that."""
    bridge = Bridge(stage.services(), stage.clock, start=start_service)
    app = DashboardApp(bridge, clock=stage.clock, look=Look(), start=start)
    async with app.run_test(size=size, notifications=True) as pilot:
        live = Live(app, pilot, stage)
        if wait is not None:
            await live.link(wait)
        yield live
        await live.settled()
    # connections are closed by tasks that the end of the app does not wait for
    await until(lambda: len(asyncio.all_tasks()) == 1, within=5.0, what=lambda: str(asyncio.all_tasks()))

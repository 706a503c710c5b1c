"""The app on a fake port, at any size and look."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.model.overview import Overview
from tests.app.fake import FakePort, FrozenClock, sample_overviews


@dataclass
class Dashboard:
    """A running app and everything a test needs to drive it."""

    app: DashboardApp
    pilot: Pilot[str | None]
    port: FakePort
    clock: FrozenClock

    @property
    def screen(self) -> Any:
        """The screen on top, a dialog where one is open."""
        return self.app.screen

    async def press(self, *keys: str) -> None:
        """Press keys one after the other and wait until all is drawn."""
        await self.pilot.press(*keys)
        await self.settle()

    async def push(self, overview: Overview) -> None:
        """Have the service say something and wait until it is drawn."""
        await self.port.push(overview)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is under way: no worker that ends by itself, no message."""
        for _ in range(3):
            for _ in range(20):
                await asyncio.sleep(0)
            await self.pilot.pause()

    def text(self) -> str:
        """What is on the screen, as lines of text."""
        return screen_text(self.app)

    def notes(self) -> list[str]:
        """Texts of all notes on the screen."""
        return [note.message for note in self.app._notifications]


def screen_text(app: DashboardApp) -> str:
    """What is on the screen, as lines of text."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def overviews() -> dict[str, Overview]:
    return sample_overviews()


@pytest.fixture
def fake_port(clock: FrozenClock) -> FakePort:
    return FakePort(clock)


@pytest.fixture
def make_app(fake_port: FakePort, clock: FrozenClock) -> Callable[..., DashboardApp]:
    """An app on the fake port in which nothing happens by itself."""

    def make(
        *, look: Look | None = None, app_class: type[DashboardApp] = DashboardApp, **options: Any
    ) -> DashboardApp:
        app = app_class(fake_port, clock=clock, look=look or Look(), **options)
        app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0
        return app

    return make


@pytest.fixture
def make_dash(
    make_app: Callable[..., DashboardApp],
    fake_port: FakePort,
    clock: FrozenClock,
    overviews: dict[str, Overview],
) -> Any:
    """`async with make_dash(...) as dash`; `overview` may be a name of `overviews`."""

    @asynccontextmanager
    async def make(
        overview: Overview | str | None = "sample",
        *,
        size: tuple[int, int] = (80, 24),
        toasts: bool = False,
        **options: Any,
    ) -> AsyncIterator[Dashboard]:
        app = make_app(**options)
        async with app.run_test(size=size, notifications=toasts) as pilot:
            dash = Dashboard(app, pilot, fake_port, clock)
            if overview is not None:
                await dash.push(overviews[overview] if isinstance(overview, str) else overview)
            await dash.settle()
            yield dash

    return make


Before = Callable[[Dashboard], Awaitable[None]]


@pytest.fixture
def snap(
    make_app: Callable[..., DashboardApp],
    fake_port: FakePort,
    clock: FrozenClock,
    overviews: dict[str, Overview],
    snap_compare: Callable[..., bool],
) -> Callable[..., bool]:
    """`assert snap(...)`: what is on the screen after these keys and `before` is what it was."""

    def compare(
        overview: Overview | str | None = "sample",
        *,
        size: tuple[int, int] = (80, 24),
        keys: Sequence[str] = (),
        before: Before | None = None,
        **options: Any,
    ) -> bool:
        app = make_app(**options)

        async def run_before(pilot: Pilot[str | None]) -> None:
            dash = Dashboard(app, pilot, fake_port, clock)
            for field in app.screen.query(Input):
                field.cursor_blink = False
            if overview is not None:
                await dash.push(overviews[overview] if isinstance(overview, str) else overview)
            await dash.settle()
            for key in keys:
                await dash.press(key)
            if before is not None:
                await before(dash)
            await dash.settle()
            for field in app.screen.query(Input):
                field.cursor_blink = False
            await dash.settle()

        return snap_compare(app, terminal_size=size, run_before=run_before)

    return compare


@pytest.fixture
def themes_dir() -> Path:
    return Path(__file__).resolve().parents[2] / "themes"

"""Quitting: detach, or ask what is to become of the service."""

import asyncio

import pytest

from sensor_tui.app.screens.dialogs import AskDialog, ChooseDialog
from sensor_tui.app.screens.dialogs_tools import StopDialog
from sensor_tui.errors import ServiceError
from sensor_tui.model.overview import EngineView
from sensor_tui.model.progress import EngineState
from tests.app.fake import HOSTILE, sample_overview
from tests.app.plain_screens import PlainApp


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_quit_only_detaches(make_dash, key):
    async with make_dash(app_class=PlainApp) as dash:
        await dash.press(key)
        assert dash.app._exit
        assert dash.app.return_value is None


@pytest.mark.parametrize(("key", "leaves"), [("y", True), ("n", False), ("escape", False)])
async def test_quit_asks_where_it_is_told_to(make_dash, key, leaves):
    async with make_dash(app_class=PlainApp, quit_text="The demo ends.") as dash:
        await dash.press("q")
        assert isinstance(dash.screen, AskDialog)
        await dash.press(key)
        assert dash.app._exit is leaves


async def test_quit_may_leave_the_service_running(make_dash):
    async with make_dash(sample_overview(embedded=True), app_class=PlainApp) as dash:
        await dash.press("q")
        assert isinstance(dash.screen, ChooseDialog)
        assert "1,193 readings are not yet" in dash.text()
        await dash.press("enter")
        assert dash.app._exit
        assert "goes on" in dash.app.return_value
        assert dash.port.called("stop_service") == []


async def test_quit_may_stop_the_service_and_shows_how_it_drains(make_dash):
    async with make_dash(sample_overview(embedded=True), app_class=PlainApp) as dash:
        dash.port.gates["stop_service"] = asyncio.Event()
        await dash.press("q", "2")
        assert isinstance(dash.screen, StopDialog)
        await dash.push(sample_overview(backlog=12))
        assert "12 readings not yet uploaded" in dash.text()
        dash.port.gates["stop_service"].set()
        await dash.settle()
        assert dash.app._exit
        assert dash.app.return_value == "drained and stopped"


async def test_quit_may_stop_without_waiting(make_dash):
    async with make_dash(sample_overview(embedded=True), app_class=PlainApp) as dash:
        dash.port.gates["stop_service"] = asyncio.Event()
        await dash.press("q", "2", "escape")
        assert not dash.app._exit
        await dash.push(sample_overview(embedded=True, engine=EngineView(EngineState.DRAINING)))
        await dash.press("escape")
        assert dash.app._exit


async def test_quit_stays_where_the_service_cannot_be_stopped(make_dash):
    async with make_dash(sample_overview(embedded=True), app_class=PlainApp) as dash:
        dash.port.failures["stop_service"] = ServiceError(f"It does not listen {HOSTILE}")
        await dash.press("q", "2")
        assert "It does not listen [red]rm" in dash.text()
        await dash.press("escape")
        assert dash.screen.name == "fleet"
        assert not dash.app._exit


@pytest.mark.parametrize("key", ["3", "escape"])
async def test_quit_may_be_thought_better_of(make_dash, key):
    async with make_dash(sample_overview(embedded=True), app_class=PlainApp) as dash:
        await dash.press("q", key)
        assert dash.screen.name == "fleet"
        assert not dash.app._exit

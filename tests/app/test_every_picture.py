"""Pictures that no other test takes: states of Logs, Diagnostics and Query, and a service that is stopped."""

import asyncio

import pytest

from sensor_tui.app.screens import logs
from sensor_tui.app.screens.dialogs_tools import StopDialog
from sensor_tui.errors import ServiceError
from sensor_tui.model.overview import EngineView
from sensor_tui.model.progress import EngineState
from tests.app.fake import sample_overview
from tests.app.logs_kit import PatientClock
from tests.app.plain_screens import PlainApp

SIZES = pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])


@pytest.fixture
def clock():
    return PatientClock()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)


@SIZES
@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("logs", "loading"),
        ("logs", "lost"),
        ("diagnostics", "empty"),
        ("diagnostics", "loading"),
        ("diagnostics", "lost"),
        ("diagnostics", "stopped"),
        ("query", "empty"),
        ("query", "loading"),
        ("query", "lost"),
    ],
    ids=lambda value: value,
)
def test_state(snap, fake_port, overviews, name, state, size):
    if state == "empty":
        fake_port.found = []

    async def and_then_it_was_lost(dash) -> None:
        for field in dash.screen.query("QueryEditor"):
            field.cursor_blink = False
        if state in {"lost", "stopped"}:
            fake_port.failures["checks"] = ServiceError("The service does not answer", fix="Start one with S")
            if name == "query":
                await dash.press("ctrl+r", "escape")
            dash.clock.advance(700)
            await dash.push(overviews[state])
            if name == "logs":
                fake_port.end_logs()
                await dash.settle()

    before = {"loading": None, "empty": "empty", "lost": "sample", "stopped": "stopped"}[state]
    assert snap(before, size=size, start=name, before=and_then_it_was_lost)


@SIZES
def test_stopping(snap, fake_port, size):
    async def stop(dash) -> None:
        fake_port.gates["stop_service"] = asyncio.Event()
        await dash.app.push_screen(StopDialog(fake_port.stop_service))
        await dash.push(sample_overview(engine=EngineView(EngineState.DRAINING), backlog=1_204))

    assert snap(size=size, before=stop, app_class=PlainApp)

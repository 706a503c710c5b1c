"""Pictures of the Logs screen in every situation."""

import pytest

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens import logs
from sensor_tui.errors import ServiceError
from tests.app.fake import FakePort, sample_overviews
from tests.app.logs_kit import PatientClock


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(logs, "DRAW_SECONDS", 0.0)


def snapshot(*, keys=(), overview="sample", prepare=None):
    """An app for a picture, and what to do before it is taken."""
    port = FakePort(PatientClock())
    if prepare is not None:
        prepare(port)
    app = DashboardApp(port, clock=port.clock, look=Look(), start="logs")
    app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0

    async def before(pilot):
        await port.push(sample_overviews()[overview])
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()

    return app, before


def _nothing_goes(port):
    port.lines = []
    port.failures["logs"] = ServiceError("The runtime does not answer [/]", fix="Start it")


def _nothing_written(port):
    port.lines = []


@pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("normal", {}),
        ("paused", {"keys": ("slash", *"reading", "enter", "ampersand", "up", "up", "shift+up", "w")}),
        ("empty", {"overview": "empty"}),
        ("quiet", {"prepare": _nothing_written}),
        ("broken", {"prepare": _nothing_goes}),
        ("stopped", {"overview": "stopped"}),
        ("units", {"keys": ("u", "space")}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures(snap_compare, name, options, size):
    app, before = snapshot(**options)
    assert snap_compare(app, terminal_size=size, run_before=before)

"""Pictures of the Query screen in every situation."""

import asyncio

import pytest

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens.query_editor import QueryEditor
from sensor_tui.errors import UsageError
from tests.app.fake import FakePort, sample_overviews


def snapshot(*, prepare=None, overview="sample", keys=()):
    port = FakePort()
    if prepare is not None:
        prepare(port)
    app = DashboardApp(port, clock=port.clock, look=Look(), start="query")
    app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0

    async def before(pilot):
        app.screen.query_one(QueryEditor).cursor_blink = False
        await port.push(sample_overviews()[overview])
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()

    return app, before


def _fails(port):
    port.failures["query"] = UsageError("no such column: [red]foo[/]", fix="There are id and timestamp")


def _holds(port):
    port.gates["query"] = asyncio.Event()


@pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fresh", {}),
        ("result", {"keys": ("ctrl+r", "escape", "down")}),
        ("error", {"prepare": _fails, "keys": ("ctrl+r",)}),
        ("waiting", {"prepare": _holds, "keys": ("ctrl+r",)}),
        ("stopped", {"overview": "stopped"}),
        ("places", {"keys": ("escape", "f")}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures(snap_compare, name, options, size):
    app, before = snapshot(**options)
    assert snap_compare(app, terminal_size=size, run_before=before)

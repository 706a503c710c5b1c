"""Pictures of Sensors in every situation, for people to judge and for machines to compare."""

import pytest

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens import sensors as module
from sensor_tui.app.widgets import chart_draw
from tests.app.conftest import Dashboard

SMALL, LARGE = (80, 24), (140, 45)


@pytest.fixture
def snap(snap_compare, fake_port, clock, overviews, monkeypatch):
    """Compare the screen in a situation, after some keys, with what it looked like."""
    chart_draw.load()
    monkeypatch.setattr(module, "REST_SECONDS", 0.0)

    def compare(name, size, *keys, look=None):
        app = DashboardApp(fake_port, clock=clock, look=look or Look(), start="sensors")
        app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0

        async def prepare(pilot):
            dash = Dashboard(app, pilot, fake_port, clock)
            await dash.push(overviews[name])
            for key in keys:
                await dash.press(key)
            await dash.settle()

        return snap_compare(app, terminal_size=size, run_before=prepare)

    return compare


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
@pytest.mark.parametrize("name", ["sample", "empty", "loading", "lost", "refused", "stopped", "hostile"])
def test_sensors(snap, name, size):
    assert snap(name, size)


def test_pane_below(snap):
    assert snap("sample", SMALL, "down", "down", "enter")


def test_room(snap):
    assert snap("sample", (200, 60), "down")


def test_plain_glyphs(snap):
    assert snap("sample", LARGE, look=Look(ascii=True))


def test_all_values(snap):
    assert snap("sample", LARGE, "m", "right_square_bracket", "right_square_bracket", "right_square_bracket")

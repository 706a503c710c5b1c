"""Pictures of Uploads and the dead letters in every situation."""

import pytest

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.widgets import chart_draw
from sensor_tui.errors import ServiceError
from tests.app.conftest import Dashboard

SMALL, LARGE = (80, 24), (140, 45)


@pytest.fixture
def snap(snap_compare, fake_port, clock, overviews):
    """Compare the screen in a situation, after some keys, with what it looked like."""
    chart_draw.load()

    def compare(name, size, *keys, look=None):
        app = DashboardApp(fake_port, clock=clock, look=look or Look(), start="uploads")
        app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0

        async def prepare(pilot):
            dash = Dashboard(app, pilot, fake_port, clock)
            await dash.push(overviews[name])
            for key in keys:
                await dash.press(key)
            await dash.settle()

        return snap_compare(app, terminal_size=size, run_before=prepare)

    return compare


SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])


@SIZES
@pytest.mark.parametrize("name", ["sample", "empty", "loading", "lost", "refused", "stopped", "hostile"])
def test_uploads(snap, name, size):
    assert snap(name, size)


@SIZES
@pytest.mark.parametrize("key", ["c", "L", "D"], ids=["charts", "lanes", "letters"])
def test_views(snap, key, size):
    assert snap("sample", size, key)


@SIZES
def test_a_letter(snap, size):
    assert snap("sample", size, "D", "enter")


@SIZES
def test_drop_is_asked(snap, size):
    assert snap("sample", size, "D", "space", "space", "X")


@SIZES
def test_drop_of_all_is_asked(snap, size):
    assert snap("sample", size, "D", "X")


@SIZES
def test_no_letters(snap, size, fake_port):
    fake_port.rows = []
    assert snap("empty", size, "D")


@SIZES
def test_letters_that_cannot_be_read(snap, size, fake_port):
    fake_port.failures["letters"] = ServiceError("The ledger is locked")
    assert snap("sample", size, "D")


@SIZES
def test_no_history(snap, size, fake_port):
    fake_port.failures["minutes"] = ServiceError("The ledger is locked")
    assert snap("sample", size, "c")


def test_room(snap):
    assert snap("sample", (200, 60))


def test_plain_glyphs(snap):
    assert snap("sample", LARGE, look=Look(ascii=True))

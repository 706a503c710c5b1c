"""Pictures of the Fleet screen, small and large, in every situation and theme."""

from dataclasses import replace

import pytest

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens import fleet
from tests.app.fake import NOW, FakePort, FrozenClock, sample_hosts, sample_overviews, sample_run

SIZES = ((80, 24), (140, 45))
UNREACHABLE = "unreachable"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(fleet, "REST_SECONDS", 0.0)
    monkeypatch.setattr(fleet, "AGAIN_SECONDS", 3600.0)


def overview_of(name):
    overviews = sample_overviews()
    if name != UNREACHABLE:
        return overviews[name]
    gone = replace(sample_hosts()[0], reachable=False, reason="Connection refused", seen=NOW - 130)
    return replace(overviews["sample"], hosts=(gone, *sample_hosts()[1:]))


@pytest.fixture
def picture(snap_compare):
    """Compare a picture of an overview with the one that is kept."""

    def compare(name, size, *keys, theme="dark", look=None, overview=None):
        port = FakePort(FrozenClock())
        app = DashboardApp(port, clock=port.clock, look=look or Look(), theme=theme)
        app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0

        async def begin(pilot):
            await port.push(overview or overview_of(name))
            for key in ("", *keys):
                if key:
                    await pilot.press(key)
                for _ in range(3):
                    await pilot.pause()

        assert snap_compare(app, terminal_size=size, run_before=begin)

    return compare


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize(
    "name", ["sample", "empty", "loading", "lost", "refused", "stopped", "hostile", UNREACHABLE]
)
def test_situations(picture, name, size):
    picture(name, size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind-safe", "mono"])
def test_themes(picture, theme):
    picture("sample", (140, 45), "space", "down", theme=theme)


def test_pane_in_a_small_terminal(picture):
    picture("sample", (80, 24), "down", "down", "down", "i")


def test_large_terminal_with_an_action_at_work(picture):
    overview = replace(overview_of("sample"), actions=(sample_run(), sample_run(running=True)))
    picture("sample", (200, 60), "down", overview=overview)


def test_plain_glyphs_read_only(picture):
    picture("sample", (80, 24), "i", look=Look(ascii=True, no_color=True, read_only=True))

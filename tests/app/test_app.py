"""What the app itself does: listening, drawing, switching, refusing, telling."""

import asyncio
from dataclasses import replace

import pytest
from textual.messages import InBandWindowResize

from sensor_tui.app.app import DRAW_SECONDS, SLOW_DRAW_SECONDS, DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.app.screens.dialogs import TextDialog
from sensor_tui.errors import ServiceError
from tests.app.fake import HOSTILE, NOW, sample_overview
from tests.app.plain_screens import PlainApp, PlainScreen


async def test_every_overview_reaches_the_screen_and_the_last_one_stays(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        for backlog in range(20):
            await dash.port.push(sample_overview(backlog=backlog))
        await dash.settle()
        assert dash.app.overview.backlog == 19
        assert dash.screen.taken[-1][0].backlog == 19
        assert dash.screen.taken[-1][1] == NOW


async def test_a_screen_takes_at_most_one_overview_a_second_and_not_the_ones_between(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.app.draw_seconds = 0.5
        dash.clock.advance(10)
        before = len(dash.screen.taken)
        for backlog in range(50):
            await dash.port.push(sample_overview(backlog=backlog))
        while dash.screen.taken[-1][0].backlog != 49:
            await asyncio.sleep(0.01)
        assert len(dash.screen.taken) == before + 2


def test_low_bandwidth_draws_every_five_seconds(fake_port, clock):
    usual = DashboardApp(fake_port, clock=clock, look=Look())
    slow = DashboardApp(fake_port, clock=clock, look=Look(low_bandwidth=True))
    assert (usual.draw_seconds, usual.tick_seconds) == (DRAW_SECONDS, 5.0)
    assert (slow.draw_seconds, slow.tick_seconds) == (SLOW_DRAW_SECONDS, 30.0)


async def test_ages_grow_without_news(fake_port, clock):
    app = PlainApp(fake_port, clock=clock, look=Look())
    app.tick_seconds = 0.02
    async with app.run_test() as pilot:
        await fake_port.push(sample_overview())
        await pilot.pause()
        clock.advance(60)
        while app.screen.taken[-1][1] != NOW + 60:  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)


async def test_reading_begins_again_after_an_error_which_is_told_once(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        for _ in range(3):
            dash.port.break_updates(ServiceError("The service is gone", fix="Start it"))
            await dash.settle()
        await dash.push(sample_overview(backlog=7))
        assert dash.screen.taken[-1][0].backlog == 7
        assert dash.notes() == ["The service is gone. Start it"]
        assert len(dash.port.called("updates")) == 4


async def test_a_failure_nobody_thought_of_does_not_end_the_listening(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.port.break_updates(RuntimeError("[red]boom"))  # type: ignore[arg-type]
        await dash.push(sample_overview(backlog=3))
        assert dash.notes() == ["RuntimeError: [red]boom"]
        assert dash.screen.taken[-1][0].backlog == 3


@pytest.mark.parametrize(
    ("key", "name"),
    zip("123456", ("fleet", "sensors", "uploads", "logs", "diagnostics", "query"), strict=True),
)
async def test_digits_switch_screens_which_show_the_overview_at_once(make_dash, key, name):
    async with make_dash(app_class=PlainApp, start="fleet" if key != "1" else "logs") as dash:
        await dash.press(key)
        assert dash.screen.name == name
        assert dash.screen.taken[-1][0] is dash.app.overview
        assert "9/13 up" in dash.text().splitlines()[0]


async def test_a_screen_is_made_on_the_first_visit_and_kept(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        first = dash.screen
        await dash.press("3", "4", "1")
        assert dash.screen is first
        assert first.is_attached


async def test_a_screen_that_is_not_shown_takes_nothing(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        first = dash.screen
        await dash.press("3")
        taken = len(first.taken)
        await dash.push(sample_overview(backlog=1))
        assert len(first.taken) == taken


async def test_what_shows_around_a_dialog_goes_on(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        screen = dash.screen
        dash.app.show_text("Letter", "text")
        await dash.settle()
        taken = len(screen.taken)
        await dash.push(sample_overview(backlog=987_654))
        assert isinstance(dash.screen, TextDialog)
        assert len(screen.taken) > taken
        assert screen.taken[-1][0].backlog == 987_654
        assert "987,654" in dash.text().splitlines()[0]


@pytest.mark.parametrize(
    ("ask", "name", "seen"),
    [
        (lambda app: app.show_unit("a/b/c"), "fleet", ("a/b/c",)),
        (lambda app: app.show_logs(["u1", "u2"]), "logs", ("u1", "u2")),
        (lambda app: app.show_sensor("s\x00c"), "sensors", ("s\x00c",)),
        (lambda app: app.show_query("x.db"), "query", ("x.db",)),
    ],
)
async def test_screens_are_told_what_to_look_at(make_dash, ask, name, seen):
    async with make_dash(app_class=PlainApp, start="uploads") as dash:
        ask(dash.app)
        await dash.settle()
        assert dash.screen.name == name
        assert dash.screen.looked_at == [seen]


async def test_looking_at_something_closes_what_is_open(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.app.show_text("a", "b")
        dash.app.show_text("c", "d")
        await dash.settle()
        dash.app.show_logs(["u"])
        await dash.settle()
        assert dash.screen.name == "logs"


async def test_read_only_refuses_what_changes_something_and_nothing_else(make_dash):
    async with make_dash(app_class=PlainApp, look=Look(read_only=True)) as dash:
        await dash.press("x", "v", "x")
        assert dash.screen.done == ["look"]
        assert len(dash.notes()) == 1
        assert "Read-only" in dash.notes()[0]
        assert "READ-ONLY" in dash.text().splitlines()[0]


async def test_what_may_be_done_is_done(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await dash.press("x", "v")
        assert dash.screen.done == ["stop", "look"]


async def test_the_same_note_within_five_seconds_is_one(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        for _ in range(3):
            dash.app.note("again")
        dash.app.note("other")
        await dash.settle()
        assert dash.notes() == ["again", "other"]
        dash.clock.advance(6)
        dash.app.note("again")
        await dash.settle()
        assert dash.notes() == ["again", "other", "again"]


@pytest.mark.parametrize("severity", ["information", "warning", "error"])
async def test_a_hostile_note_is_plain(make_dash, severity):
    async with make_dash(app_class=PlainApp, toasts=True) as dash:
        dash.app.note(HOSTILE, severity, title=HOSTILE)
        await dash.settle()
        assert "[/var/log] temp[C]=3" in dash.text()
        assert not any(mark in dash.text() for mark in ("\x1b", "\x07", "\u202e", "\r"))


async def test_a_worker_that_died_is_spoken_of(make_dash):
    async def fail() -> None:
        raise ServiceError("It broke", fix="Mend it")

    async with make_dash(app_class=PlainApp) as dash:
        dash.app.run_worker(fail(), group="test", exit_on_error=False)
        await dash.settle()
        assert dash.notes() == ["It broke. Mend it"]


async def test_repaint_makes_the_driver_forget(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        forgotten: list[bool] = []
        dash.app._driver.forget = lambda: forgotten.append(True)
        await dash.press("ctrl+l")
        assert forgotten == [True]
        assert "9/13 up" in dash.text()


async def test_a_hostile_overview_is_shown_plainly(make_dash):
    async with make_dash("hostile", app_class=PlainApp, start="sensors") as dash:
        assert not any(mark in dash.text() for mark in ("\x1b", "\x07", "\u202e"))
        assert "[red]rm[/]" in dash.text()


async def test_a_start_screen_that_does_not_exist_is_the_first_one(make_dash):
    async with make_dash(app_class=PlainApp, start="nowhere") as dash:
        assert dash.screen.name == "fleet"


async def test_settings_of_textual_that_cost_bytes_are_off(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        assert dash.app.animation_level == "none"
        assert isinstance(dash.screen, PlainScreen)


@pytest.mark.parametrize("slow", [True, False])
async def test_low_bandwidth_scrolls_by_lines(make_dash, slow):
    async with make_dash(app_class=PlainApp, look=Look(low_bandwidth=slow)) as dash:
        dash.app.post_message(InBandWindowResize(supported=True, enabled=True))
        await dash.settle()
        assert dash.app.supports_smooth_scrolling is not slow


async def test_an_overview_that_says_nothing_new_draws_the_header_once(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        from sensor_tui.app.widgets.header import HeaderBar

        header = dash.screen.query_one(HeaderBar)
        painted: list[bool] = []
        header.refresh = lambda *a, **k: painted.append(True) or header
        await dash.push(sample_overview())
        await dash.push(replace(sample_overview(), at=NOW))
        assert not painted
        await dash.push(sample_overview(backlog=5))
        assert painted == [True]

"""The Diagnostics screen on a fake port: every key, every state, and that it never checks by itself."""

import asyncio
from dataclasses import replace

import pytest

from sensor_tui.app.base import Look
from sensor_tui.app.glyphs import ASCII, UNICODE
from sensor_tui.app.screens.diagnostics_rows import COLUMNS, CheckState, Made, detail, overall, report, row
from sensor_tui.app.widgets.grid import Grid
from sensor_tui.errors import ServiceError
from sensor_tui.model.check import Check, CheckInfo, CheckVerdict
from sensor_tui.service.diagnostics import list_checks
from tests.app.fake import HOSTILE, NOW, FakePort, sample_checks, sample_overviews

NAMES = [check.name for check in sample_checks()]


def line(dash, word):
    return next(text for text in dash.text().splitlines() if word in text)


def asked(port):
    return [name for (name,) in port.called("check")]


async def test_every_check_is_made_on_the_first_visit_and_not_again(make_dash, fake_port, overviews):
    async with make_dash(start="diagnostics") as dash:
        assert asked(fake_port) == NAMES
        await dash.push(overviews["sample"])
        await dash.push(overviews["lost"])
        await dash.push(overviews["sample"])
        assert asked(fake_port) == NAMES
        assert "✓ ok" in line(dash, "Configuration")
        assert "✗ failed" in line(dash, "401 Unauthorized")
        assert "▲ warning" in line(dash, "manila-02")
        assert f"{UNICODE.dash} skipped" in line(dash, "Azure login")
        assert "✗ 1 failed, 1 warning, 1 ok, 1 skipped, made 15:09 (0 s ago)" in dash.text()


async def test_what_failed_is_shown_with_what_to_do(make_dash):
    async with make_dash(start="diagnostics") as dash:
        assert dash.screen.query_one(Grid).cursor_key == "cosmos"
        assert "What to do" in dash.text()
        assert "Set COSMOS_KEY to the account's key" in dash.text()
        await dash.press("down")
        assert "Start Docker on manila-02" in dash.text()


async def test_all_are_made_again(make_dash, fake_port, clock):
    async with make_dash(start="diagnostics") as dash:
        clock.advance(60)
        await dash.press("r")
        assert asked(fake_port) == NAMES * 2
        assert "made 15:10 (0 s ago)" in dash.text()


async def test_the_checks_of_the_service_stand_in_their_order_and_one_is_made_again(make_dash, fake_port):
    every = list_checks()
    fake_port.found = [Check(info.name, info.title, CheckVerdict.OK, "seen") for info in every]
    async with make_dash(start="diagnostics") as dash:
        names = [info.name for info in every]
        assert asked(fake_port) == names
        shown = dash.screen.query_one(Grid).rows_shown
        assert [row.key for row in shown] == names
        titles = next(each for each in COLUMNS if each.key == "title")
        assert all(len(info.title) <= titles.width for info in every)
        await dash.press("g", "down", "R")
        assert asked(fake_port) == [*names, names[1]]


@pytest.mark.parametrize("key", ["enter", "R"])
async def test_one_is_made_again(make_dash, fake_port, key):
    async with make_dash(start="diagnostics") as dash:
        await dash.press("g", key)
        assert asked(fake_port) == [*NAMES, "config"]


async def test_marked_ones_are_made_again(make_dash, fake_port):
    async with make_dash(start="diagnostics") as dash:
        await dash.press("g", "space", "down", "space", "R")
        assert asked(fake_port) == [*NAMES, "config", "docker"]


async def test_running_waiting_and_cancelled_are_told_apart(make_dash, fake_port):
    fake_port.gates["check"] = asyncio.Event()
    async with make_dash(start="diagnostics") as dash:
        assert "Configuration" in line(dash, "◐ running")
        assert "… waiting" in line(dash, "Azure login")
        assert "◐ Checking, 0 of 4 done: Configuration" in dash.text()
        await dash.press("x")
        assert "Checking was stopped" in dash.notes()
        assert "○ cancelled" in line(dash, "Azure login")
        assert "? 4 without result" in dash.text()
        await dash.press("x")
        assert "No check is running" in dash.notes()
        fake_port.gates.clear()
        await dash.press("g", "enter")
        assert "✓ ok" in line(dash, "Configuration  ")
        assert "3 without result" in dash.text()


async def test_a_stopped_run_keeps_what_was_found_before(make_dash, fake_port):
    async with make_dash(start="diagnostics") as dash:
        fake_port.gates["check"] = asyncio.Event()
        await dash.press("r")
        assert "Checking, 0 of 4 done" in dash.text()
        await dash.press("x")
        assert "✗ failed" in line(dash, "401 Unauthorized")
        assert "✗ 1 failed, 1 warning, 1 ok, 1 skipped, made 15:09" in dash.text()


async def test_asking_for_one_while_others_run_waits_its_turn(make_dash, fake_port):
    async with make_dash(start="diagnostics") as dash:
        fake_port.gates["check"] = asyncio.Event()
        await dash.press("g", "enter", "down", "enter", "enter")
        assert asked(fake_port) == [*NAMES, "config"]
        fake_port.gates["check"].set()
        await dash.settle()
        assert asked(fake_port) == [*NAMES, "config", "cosmos"]


async def test_a_check_that_cannot_be_made_says_why_and_the_others_go_on(make_dash, fake_port):
    fake_port.found[1] = replace(fake_port.found[1], name="cosmos")
    check = fake_port.check

    async def failing(name):
        if name == "cosmos":
            raise ServiceError("the [service] went away", fix="Start it")
        return await check(name)

    fake_port.check = failing
    async with make_dash(start="diagnostics") as dash:
        assert "? no result" in line(dash, "Cosmos DB answers ")
        assert "It could not be made: the [service] went away. Start it" in dash.text()
        assert "▲ 1 warning, 1 without result, 1 ok, 1 skipped" in dash.text()


async def test_a_list_that_cannot_be_asked_for(make_dash, fake_port, overviews):
    fake_port.failures["checks"] = ServiceError("No service [runs] here", fix="Start it")
    async with make_dash("stopped", start="diagnostics") as dash:
        assert "The checks cannot be asked for." in dash.text()
        assert "No service [runs] here. Start it" in dash.text()
        await dash.press("y", "enter", "R")
        assert "There is nothing to copy yet" in dash.notes()
        before = len(fake_port.called("checks"))
        await dash.push(overviews["stopped"])
        assert len(fake_port.called("checks")) == before
        fake_port.failures.clear()
        await dash.push(overviews["sample"])
        assert asked(fake_port) == NAMES


async def test_r_asks_for_the_list_again(make_dash, fake_port):
    fake_port.failures["checks"] = ServiceError("No service runs here")
    async with make_dash("stopped", start="diagnostics") as dash:
        fake_port.failures.clear()
        await dash.press("r")
        assert asked(fake_port) == NAMES


@pytest.mark.parametrize(
    ("overview", "text"),
    [("loading", "Connecting to the service."), ("empty", "This service knows no checks.")],
)
async def test_empty_states(make_dash, fake_port, overview, text):
    fake_port.found = []
    async with make_dash(overview, start="diagnostics") as dash:
        assert text in dash.text()


async def test_while_the_list_is_asked_for(make_dash, fake_port):
    fake_port.gates["checks"] = asyncio.Event()
    async with make_dash(start="diagnostics") as dash:
        assert "Asking which checks there are." in dash.text()
        await dash.press("x")
        assert "Checking was stopped" in dash.text()


async def test_old_results_are_dimmed(make_dash, clock, overviews):
    async with make_dash(start="diagnostics") as dash:
        assert not any(row.stale for row in dash.screen.query_one(Grid).rows_shown)
        clock.advance(700)
        await dash.push(overviews["sample"])
        assert all(row.stale for row in dash.screen.query_one(Grid).rows_shown)
        assert "made 15:09 (11 min ago)" in dash.text()


async def test_a_filter(make_dash):
    async with make_dash(start="diagnostics") as dash:
        await dash.press("slash", *"verdict:failed", "enter")
        assert [row.key for row in dash.screen.query_one(Grid).rows_shown] == ["cosmos"]
        assert dash.screen.filter_counts() == (1, 4)


async def test_the_report_is_copied(make_dash, monkeypatch):
    async with make_dash(start="diagnostics") as dash:
        copied = []
        monkeypatch.setattr(dash.app, "copy", lambda text, what: copied.append((text, what)))
        await dash.press("y", "ctrl+y")
        text, what = copied[1]
        assert what == "the report"
        assert text.splitlines()[:6] == [
            "✗ 1 failed, 1 warning, 1 ok, 1 skipped, made 15:09 (0 s ago)",
            "",
            "✓ ok: Configuration",
            "    config.yaml, 14 keys",
            "✗ failed: Cosmos DB answers",
            "    401 Unauthorized",
        ]
        assert "    -> Set COSMOS_KEY to the account's key" in text


async def test_hostile_texts_are_plain(make_dash, fake_port):
    fake_port.found = [
        Check("a", HOSTILE, CheckVerdict.FAILED, f"{HOSTILE}\n{HOSTILE}", HOSTILE, 1.0),
        Check("b", "ok", CheckVerdict.OK, ""),
    ]
    async with make_dash(start="diagnostics", size=(140, 45)) as dash:
        assert "\x1b" not in dash.text()
        assert "\u202e" not in dash.text()
        assert dash.text().count("[red]rm[/]") >= 4


async def test_an_unexpected_end_is_said(make_dash, fake_port):
    async def failing(name):
        raise ValueError("[boom]")

    fake_port.check = failing
    async with make_dash(start="diagnostics") as dash:
        assert "Checking broke off: [boom]" in dash.notes()
        assert "? 4 without result" in dash.text()


def test_the_overall_verdict_is_the_worst():
    info = CheckInfo("a", "A")
    fine = Made(info, CheckState.DONE, Check("a", "A", CheckVerdict.OK, "fine"), at=NOW)
    assert overall([fine, fine], NOW + 120, UNICODE) == (
        "✓ 2 ok, made 15:09 (2 min ago)",
        "bold $text-success",
    )
    assert overall([fine, Made(info)], NOW, ASCII)[0] == "? 1 without result, 1 ok, made 15:09 (0 s ago)"
    assert "enter makes this check" in detail(Made(info), UNICODE).plain
    assert report([Made(info)], NOW, ASCII).splitlines() == ["? 1 without result", "", "o not made: A"]
    assert row(Made(info), NOW, UNICODE).cells["verdict"].text == "○ not made"


def snapshot(*, prepare=None, overview="sample", keys=()):
    from sensor_tui.app.app import DashboardApp

    port = FakePort()
    if prepare is not None:
        prepare(port)
    app = DashboardApp(port, clock=port.clock, look=Look(), start="diagnostics")
    app.draw_seconds = app.tick_seconds = app.theme_seconds = 0.0

    async def before(pilot):
        await port.push(sample_overviews()[overview])
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        app.clear_notifications()
        await pilot.pause()

    return app, before


def _holds(port):
    port.gates["check"] = asyncio.Event()


def _fails(port):
    port.failures["checks"] = ServiceError("The service does not answer [/]", fix="Start it")


@pytest.mark.parametrize("size", [(80, 24), (140, 45)], ids=["80x24", "140x45"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("normal", {}),
        ("running", {"prepare": _holds}),
        ("cancelled", {"prepare": _holds, "keys": ("x",)}),
        ("refused", {"prepare": _fails, "overview": "refused"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_pictures(snap_compare, name, options, size):
    app, before = snapshot(**options)
    assert snap_compare(app, terminal_size=size, run_before=before)

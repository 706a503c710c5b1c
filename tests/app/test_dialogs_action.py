"""Actions: plan, question, progress, end."""

from dataclasses import replace

import pytest

from sensor_tui.app.base import Look
from sensor_tui.app.screens.dialogs_action import ConfirmAction
from sensor_tui.app.screens.dialogs_run import RunDialog, summary
from sensor_tui.errors import FleetError
from sensor_tui.model.action import ActionKind, ActionRun, PlanItem, Proof, Step, UnitOutcome
from sensor_tui.model.overview import Link
from tests.app.fake import HOSTILE, NOW, sample_overview, sample_run, sample_units
from tests.app.plain_screens import PlainApp

UNITS = list(sample_units())
LONDON = UNITS[:3]


async def act(dash, kind: ActionKind, units=LONDON) -> None:
    dash.app.act(kind, units)
    await dash.settle()


def done(ident="act-1", proof=None, step=Step.DONE, ended=NOW + 5, **more) -> ActionRun:
    if proof is None:
        proof = Proof.PROVEN if step is Step.DONE else Proof.NONE
    outcome = UnitOutcome(UNITS[0], "sensor-LON_100001", step, proof=proof, **more)
    return ActionRun(ident, ActionKind.RESTART, "tester", NOW, (outcome,), ended=ended)


async def test_the_question_says_how_many_readings_would_be_delayed(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.STOP)
        assert isinstance(dash.screen, ConfirmAction)
        assert "3 units, 158 readings not yet uploaded." in dash.text()
        assert "120 unsent" in dash.text()
        assert "[x] d drain first" in dash.text()
        assert "wipe" not in dash.text()


async def test_enter_begins_with_draining(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.STOP)
        await dash.press("enter")
        ((kind, units, options),) = dash.port.called("act")
        assert (kind, units, options.drain, options.batch) == (ActionKind.STOP, tuple(LONDON), True, 4)
        assert isinstance(dash.screen, RunDialog)


@pytest.mark.parametrize("keys", [["escape"], ["tab", "enter"], ["right", "enter"]])
async def test_it_can_be_left_alone(make_dash, keys):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.REMOVE)
        await dash.press(*keys)
        assert dash.screen.name == "fleet"
        assert dash.port.called("act") == []


async def test_options_are_changed_by_key_and_asked_about_again(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.RESET)
        await dash.press("d", "f", "plus", "plus", "minus")
        summary = dash.screen.query_one("#summary").content.plain
        assert "They are not uploaded first; they wait in their files." in summary
        await dash.press("enter")
        ((_, _, options),) = dash.port.called("act")
        assert (options.drain, options.stop_on_failure, options.batch) == (False, True, 5)
        assert dash.port.called("plan")[-1][2].drain is False


async def test_destroying_has_to_be_typed(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.REMOVE)
        await dash.press("w")
        assert "158 readings not yet uploaded would be DESTROYED." in dash.text()
        assert "type 158 to go on" in dash.text()
        await dash.press("enter", "1", "5", "enter")
        assert dash.port.called("act") == []
        await dash.press("8", "enter")
        ((kind, _, options),) = dash.port.called("act")
        assert (kind, options.wipe_data) == (ActionKind.REMOVE, True)


async def test_where_it_is_not_known_how_much_is_lost_a_word_is_typed(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.port.plan_items = [PlanItem(UNITS[0], "one", unsent=None, destroys=True)]
        await act(dash, ActionKind.RESET, UNITS[:1])
        assert "type destroy to go on" in dash.text()
        await dash.press(*"destroy", "enter")
        assert len(dash.port.called("act")) == 1


async def test_what_does_not_apply_is_said_and_nothing_is_begun(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.port.plan_items = [PlanItem(key, key, applies=False, note="it does not run") for key in LONDON]
        await act(dash, ActionKind.STOP)
        assert "applies to none of these" in dash.text()
        assert "skipped: it does not run" in dash.text()
        await dash.press("enter")
        assert dash.port.called("act") == []


async def test_a_plan_that_cannot_be_made_says_why(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.port.failures["plan"] = FleetError(f"No such host {HOSTILE}", fix="Look at it")
        await act(dash, ActionKind.STOP)
        assert "No such host [red]rm" in dash.text()
        await dash.press("enter", "escape")
        assert dash.port.called("act") == []


async def test_one_unit_is_started_without_a_question(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.START, UNITS[3:4])
        assert len(dash.port.called("act")) == 1
        assert isinstance(dash.screen, RunDialog)


async def test_many_units_are_started_with_a_question(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.START)
        assert "3 units to start." in dash.text()
        assert "drain" not in dash.text()
        await dash.press("enter")
        assert len(dash.port.called("act")) == 1


async def test_an_action_that_cannot_begin_says_why(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.port.failures["act"] = FleetError("There is no such unit", fix="Look again")
        await act(dash, ActionKind.START, UNITS[3:4])
        assert dash.notes() == ["There is no such unit. Look again"]
        assert dash.screen.name == "fleet"


async def test_nothing_chosen_and_read_only_are_told(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.STOP, [])
        assert "No unit to stop" in dash.notes()[0]
    async with make_dash(app_class=PlainApp, look=Look(read_only=True)) as dash:
        await act(dash, ActionKind.STOP)
        assert "Read-only" in dash.notes()[0]
        assert dash.port.called("plan") == []


async def test_asked_twice_it_asks_once(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.app.act(ActionKind.STOP, LONDON)
        dash.app.act(ActionKind.STOP, LONDON)
        await dash.settle()
        await dash.press("escape")
        assert dash.screen.name == "fleet"


async def test_progress_is_shown_unit_by_unit(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.RESTART)
        await dash.press("enter")
        run = replace(sample_run(running=True), id="act-1")
        await dash.push(sample_overview(actions=(run,)))
        for words in ("0/3", "draining", "34 unsent left", "proving", "waiting", "3 to go"):
            assert words in dash.text()


async def test_it_is_cancelled_once(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.RESTART)
        await dash.press("enter", "c", "c")
        assert dash.port.called("cancel") == [("act-1",)]
        assert "no further unit begins" in dash.text()


async def test_it_is_hidden_and_shown_again(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.RESTART)
        await dash.press("enter", "escape")
        assert dash.screen.name == "fleet"
        await dash.press("W")
        assert isinstance(dash.screen, RunDialog)
        assert dash.screen.run.id == "act-1"


async def test_enter_does_not_close_what_still_runs(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.RESTART)
        await dash.press("enter", "enter")
        assert isinstance(dash.screen, RunDialog)


async def test_what_went_well_ends_with_a_note(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.START, UNITS[3:4])
        await dash.push(sample_overview(actions=(done(),)))
        assert dash.screen.name == "fleet"
        assert dash.notes() == ["Restart of 1 unit: 1 done (1 proven)"]
        await dash.push(sample_overview(actions=(done(),)))
        assert len(dash.notes()) == 1


@pytest.mark.parametrize(
    "run",
    [
        done(proof=Proof.NOT_PROVEN, missing="no reading was written since"),
        done(step=Step.FAILED, message="No such container"),
    ],
)
async def test_what_went_wrong_stays_until_it_is_closed(make_dash, run):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.START, UNITS[3:4])
        await dash.push(sample_overview(actions=(run,)))
        assert isinstance(dash.screen, RunDialog)
        assert "no reading was written since" in dash.text() or "No such container" in dash.text()
        assert dash.notes() == []
        await dash.press("enter")
        assert dash.screen.name == "fleet"


async def test_what_went_wrong_out_of_sight_is_told_and_stays(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.START, UNITS[3:4])
        await dash.press("escape")
        await dash.push(sample_overview(actions=(done(step=Step.FAILED),)))
        assert dash.notes() == ["Restart of 1 unit: 0 done, 1 failed. W shows it."]
        assert next(iter(dash.app._notifications)).timeout == 3600
        await dash.press("W")
        assert isinstance(dash.screen, RunDialog)


async def test_an_end_between_two_draws_is_not_missed(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        dash.app.draw_seconds = 3600.0
        await act(dash, ActionKind.START, UNITS[3:4])
        await dash.port.push(sample_overview(actions=(done(),)))
        await dash.port.push(sample_overview(actions=()))
        await dash.settle()
        assert dash.notes() == ["Restart of 1 unit: 1 done (1 proven)"]


async def test_an_action_the_service_forgot_is_spoken_of(make_dash):
    async with make_dash(app_class=PlainApp) as dash:
        await act(dash, ActionKind.START, UNITS[3:4])
        await dash.push(sample_overview(actions=(done(ended=None),)))
        await dash.push(sample_overview(actions=(), link=Link.LOST))
        assert dash.notes() == []
        await dash.push(sample_overview(actions=()))
        assert "no longer knows" in dash.notes()[0]


async def test_without_any_action_w_says_so(make_dash):
    async with make_dash("empty", app_class=PlainApp) as dash:
        await dash.press("W")
        assert "No action was begun yet" in dash.notes()[0]


def test_the_summary_counts_everything():
    assert summary(sample_run()) == "restart of 3 units: 2 done (1 proven, 1 not proven), 1 failed"
    assert summary(sample_run(running=True)) == "restart of 3 units: 0 done, 3 to go"
    assert summary(replace(sample_run(running=True), cancelled=True)).endswith("3 to go, cancelled")


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_two_hundred_hostile_units_fit_the_question(make_dash, size):
    async with make_dash(app_class=PlainApp, size=size) as dash:
        dash.port.plan_items = [
            PlanItem(f"u{place}", f"{HOSTILE}{place}", unsent=place, destroys=True, note=HOSTILE)
            for place in range(200)
        ]
        await act(dash, ActionKind.REMOVE, [f"u{place}" for place in range(200)])
        shown = dash.text()
        assert "type 19900 to go on" in shown
        assert "Cancel" in shown
        assert not any(mark in shown for mark in ("\x1b", "\x07", "\u202e"))
        first = shown
        await dash.press("pagedown", "down")
        assert dash.text() != first


async def test_two_hundred_units_fit_the_progress(make_dash):
    outcomes = tuple(UnitOutcome(f"u{place}", f"{HOSTILE}{place}", message=HOSTILE) for place in range(200))
    run = ActionRun("act-1", ActionKind.STOP, "x", NOW, outcomes)
    async with make_dash(sample_overview(actions=(run,)), app_class=PlainApp) as dash:
        await dash.press("W")
        assert "Stop of 200 units: 0 done, 200 to go" in dash.text()
        assert "c cancel the rest" in dash.text()
        assert not any(mark in dash.text() for mark in ("\x1b", "\x07", "\u202e"))

import asyncio

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet.actions import KEPT, Standing
from sensor_tui.model.action import ActionKind, ActionOptions, Proof, Step
from sensor_tui.model.unit import Role, UnitState


async def test_a_start_is_proven_by_a_reading(world):
    unit = world.runtime.add("a", UnitState.STOPPED)

    run = await world.run("start", unit)

    (outcome,) = run.outcomes
    assert (outcome.step, outcome.proof, outcome.missing) == (Step.DONE, Proof.PROVEN, "")
    assert world.runtime.calls == [("start", "a")]
    assert world.log == [("me", "start", "a", "1 done, 1 proven")]
    assert run.ended >= run.began
    assert run.failed == 0


async def test_what_needs_no_proof_gets_none(world):
    sensor = world.runtime.add("a", UnitState.STOPPED)
    uploader = world.runtime.add("b", UnitState.STOPPED, role=Role.UPLOADER)
    nameless = world.runtime.add("c", UnitState.STOPPED, sensor_id=None)

    assert (await world.one("start", sensor, prove=False)).proof is Proof.NONE
    assert (await world.one("start", uploader)).proof is Proof.NONE
    assert (await world.one("start", nameless)).proof is Proof.NONE


async def test_no_reading_in_time_is_not_proven(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    world.readings.say["a"] = lambda: Standing(0, newest=5.0)
    start = world.clock.elapsed

    run = await world.run("start", unit, prove_timeout=30)

    (outcome,) = run.outcomes
    assert (outcome.step, outcome.proof, outcome.missing) == (Step.DONE, Proof.NOT_PROVEN, "no new reading")
    assert 30 <= world.clock.elapsed - start < 32
    assert run.failed == 1
    assert world.log[0][3] == "1 done; 1 not proven: a (no new reading)"


async def test_a_unit_that_fails_at_once_is_not_waited_for_to_the_end(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    world.runtime.dies.add("a")

    outcome = await world.one("start", unit, prove_timeout=300)

    assert (outcome.proof, outcome.missing) == (Proof.NOT_PROVEN, "the unit is not running: exit code 1")
    assert world.clock.elapsed < 20


async def test_readings_that_are_not_acknowledged_are_no_proof(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    since = world.clock.now()
    world.readings.say["a"] = lambda: Standing(
        5, since, newest=world.clock.now(), uploads="the sink is unreachable"
    )

    outcome = await world.one("start", unit)

    assert outcome.missing == "new readings, not acknowledged: the sink is unreachable"
    assert world.readings.asked > 10


async def test_a_sensor_whose_clock_is_ahead_has_to_write_later_ones(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    ahead = world.clock.now() + 1000
    world.readings.say["a"] = lambda: Standing(0, newest=ahead)

    assert (await world.one("start", unit)).missing == "no new reading"


async def test_a_stop_sends_what_is_open_first(world):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 9

    outcome = await world.one("stop", unit)

    assert (outcome.step, outcome.message, outcome.unsent) == (Step.DONE, "", None)
    assert (world.readings.unsent_of["a"], world.runtime.units[unit].state) == (0, UnitState.STOPPED)


async def test_what_came_while_draining_is_not_waited_for(world):
    unit = world.runtime.add("a")
    newest = world.clock.now()
    told = iter([(3, newest - 5, newest), (8, newest - 2, newest + 1), (9, newest + 0.5, newest + 2)])
    world.readings.say["a"] = lambda: Standing(*next(told))

    assert (await world.one("stop", unit)).message == ""
    assert next(told, None) is None


async def test_readings_that_wait_for_their_window_are_not_waited_for(world):
    unit = world.runtime.add("a")
    newest = world.clock.now()
    told = iter([(9, newest - 5), (4, newest - 5)])
    world.readings.say["a"] = lambda: Standing(*next(told), newest=newest, waiting=4)

    assert (await world.one("stop", unit)).message == "4 readings still unsent, they stay in its file"
    assert next(told, None) is None


async def test_a_drain_that_takes_too_long_delays_readings_and_says_so(world):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 9
    world.readings.stuck.add("a")
    begun = await world.actions.run(ActionKind.STOP, [unit], ActionOptions(drain_timeout=20), "me")
    await world.reached(begun.id, "draining")
    assert world.get(begun.id).outcomes[0].unsent == 9
    assert world.runtime.calls == []

    outcome = (await world.ended(begun.id)).outcomes[0]

    assert (outcome.step, outcome.message) == (Step.DONE, "9 readings still unsent, they stay in its file")
    assert 20 <= world.clock.elapsed < 22
    assert world.log[0][3] == "1 done; 1 noted: a (9 readings still unsent, they stay in its file)"


async def test_nothing_is_drained_where_that_is_not_wanted(world):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 9
    world.readings.stuck.add("a")

    outcome = await world.one("stop", unit, drain=False)

    assert (outcome.step, outcome.message, world.clock.elapsed) == (Step.DONE, "", pytest.approx(0, abs=0.1))


async def test_a_drain_that_is_no_use_is_not_waited_for(world):
    unit = world.runtime.add("a")
    world.readings.say["a"] = lambda: Standing(1, 1.0, 2.0, uploads="uploads are paused", held=True)

    outcome = await world.one("stop", unit)

    assert outcome.message == "1 reading still unsent, they stay in its file"
    assert world.clock.elapsed < 1


async def test_what_is_not_known_is_said_to_be_so(world):
    unit = world.runtime.add("a")
    world.readings.say["a"] = lambda: Standing(None, problem="another engine has it", held=True)

    outcome = await world.one("stop", unit)

    assert outcome.message == "it is not known which readings are unsent, they stay in its file"


async def test_a_unit_without_readings_is_stopped_at_once(world):
    unit = world.runtime.add("a", role=Role.OTHER, sensor_id=None, data=None)

    assert (await world.one("stop", unit)).step is Step.DONE
    assert world.clock.elapsed < 0.1


async def test_a_restart_drains_and_is_proven_by_the_new_run(world):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 4
    gate = world.runtime.gates["restart", "a"] = asyncio.Event()
    begun = await world.actions.run(ActionKind.RESTART, [unit], ActionOptions(), "me")
    await world.reached(begun.id, "stopping")
    await world.clock.sleep(5)
    gate.set()

    outcome = (await world.ended(begun.id)).outcomes[0]

    assert (outcome.proof, world.readings.unsent_of["a"]) == (Proof.PROVEN, 0)
    assert world.runtime.calls == [("restart", "a")]


async def test_a_reading_written_while_it_stopped_proves_nothing(world):
    unit = world.runtime.add("a")
    late = world.clock.now() + 2
    world.readings.say["a"] = lambda: Standing(0, newest=min(late, world.clock.now()))
    gate = world.runtime.gates["restart", "a"] = asyncio.Event()
    begun = await world.actions.run(ActionKind.RESTART, [unit], ActionOptions(drain=False), "me")
    await world.reached(begun.id, "stopping")
    await world.clock.sleep(5)
    gate.set()

    assert (await world.ended(begun.id)).outcomes[0].missing == "no new reading"


async def test_a_runtime_that_does_not_say_when_a_unit_began_proves_from_then_on(world):
    unit = world.runtime.add("a")
    restart = world.runtime.restart

    async def silent(unit, *, grace):
        await restart(unit, grace=grace)
        world.runtime.change(unit, started_at=None)

    world.runtime.restart = silent

    assert (await world.one("restart", unit)).proof is Proof.PROVEN


async def test_a_reset_makes_a_unit_anew(world):
    unit = world.runtime.add("a")

    outcome = await world.one("reset", unit)

    assert outcome.proof is Proof.PROVEN
    assert world.runtime.calls == [("stop", "a"), ("regenerate", "a"), ("start", "a")]
    assert world.readings.wiped == []


async def test_a_reset_of_what_is_down_stops_nothing(world):
    unit = world.runtime.add("a", UnitState.FAILED)

    await world.one("reset", unit)

    assert world.runtime.calls == [("regenerate", "a"), ("start", "a")]


async def test_a_reset_wipes_what_is_sent(world):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 5

    outcome = await world.one("reset", unit, wipe_data=True)

    assert outcome.proof is Proof.PROVEN
    assert world.readings.wiped == [("a", True)]
    assert world.runtime.calls == [("stop", "a"), ("regenerate", "a"), ("start", "a")]


async def test_a_removal_keeps_data_or_wipes_it(world):
    first, second = world.runtime.add("a"), world.runtime.add("b")

    await world.one("remove", first)
    outcome = await world.one("remove", second, wipe_data=True)

    assert (outcome.step, outcome.proof, world.runtime.units) == (Step.DONE, Proof.NONE, {})
    assert world.readings.wiped == [("b", False)]


@pytest.mark.parametrize("kind", ["reset", "remove"])
async def test_nothing_is_done_where_a_drain_fails_and_data_would_be_destroyed(world, kind):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 5
    world.readings.stuck.add("a")

    run = await world.run(kind, unit, wipe_data=True, drain_timeout=10)

    (outcome,) = run.outcomes
    assert outcome.step is Step.FAILED
    assert outcome.message == "nothing was done: 5 readings still unsent, and its data was to be wiped"
    assert (world.runtime.calls, world.readings.wiped, run.failed) == ([], [], 1)
    assert world.log[0][3].startswith("1 failed: a (nothing was done: 5 readings")


async def test_without_a_drain_what_is_unsent_is_destroyed_and_said_to_be(world):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 5
    world.readings.stuck.add("a")

    run = await world.run("remove", unit, wipe_data=True, drain=False)

    (outcome,) = run.outcomes
    assert (outcome.step, outcome.message) == (Step.DONE, "5 unsent readings were destroyed")
    assert world.runtime.calls == [("stop", "a"), ("remove", "a")]
    assert len(world.readings.wiped) == 1
    assert "5 unsent readings were destroyed" in world.log[0][3]


async def test_what_is_still_unsent_after_the_stop_is_not_wiped(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    world.readings.unsent_of["a"] = None
    world.readings.stuck.add("a")

    outcome = await world.one("remove", unit, wipe_data=True, drain_timeout=1)

    assert outcome.step is Step.FAILED
    assert "it is not known which readings are unsent" in outcome.message
    assert world.readings.wiped == []


async def test_data_that_may_not_be_wiped_fails_the_unit_before_anything(world):
    unit = world.runtime.add("a")
    world.readings.keep["a"] = "it is no sensor"

    outcome = await world.one("reset", unit, wipe_data=True)

    assert outcome.message == "nothing was done, since its data cannot be wiped: it is no sensor"
    assert world.runtime.calls == []


async def test_a_wipe_that_fails_starts_the_unit_again(world):
    unit = world.runtime.add("a")
    world.readings.keep["a"] = "surprise"
    world.readings.lets_wipe = True

    outcome = await world.one("remove", unit, wipe_data=True)

    assert outcome.message == (
        "its data is not wiped: a disk is gone; it was started again as it was. Mend it"
    )
    assert world.runtime.calls == [("stop", "a"), ("start", "a")]


async def test_a_unit_that_cannot_even_be_started_again_says_both(world):
    unit = world.runtime.add("a")
    world.readings.keep["a"] = "surprise"
    world.readings.lets_wipe = True
    world.runtime.fails["start", "a"] = FleetError("no such file")

    outcome = await world.one("reset", unit, wipe_data=True)

    assert outcome.message == (
        "its data is not wiped: a disk is gone; it could not be started again: no such file. Mend it"
    )


async def test_what_there_is_nothing_to_do_for_is_skipped(world):
    running, stopped = world.runtime.add("a"), world.runtime.add("b", UnitState.STOPPED)

    run = await world.run("start", running, stopped)

    assert [each.step for each in run.outcomes] == [Step.SKIPPED, Step.DONE]
    assert run.outcomes[0].message == "it is running already"
    assert world.log[0][1:] == (
        "start", "a, b", "1 done, 1 proven; 1 skipped: a (it is running already)",
    )  # fmt: skip


async def test_a_unit_there_is_none_of_fails(world):
    run = await world.run("stop", "here/process/none", "nowhere/docker/x")

    assert [(each.name, each.step, each.message) for each in run.outcomes] == [
        ("none", Step.FAILED, "there is no such unit"),
        ("x", Step.FAILED, "there is no such unit"),
    ]


async def test_one_units_trouble_is_not_the_others(world, caplog):
    first, second, third = (world.runtime.add(name) for name in "abc")
    world.runtime.fails["stop", "a"] = FleetError("it will not end", fix="Kill it")
    world.runtime.fails["stop", "b"] = ValueError("a bug")

    run = await world.run("stop", first, second, third)

    assert [(each.step, each.message) for each in run.outcomes] == [
        (Step.FAILED, "it will not end. Kill it"),
        (Step.FAILED, "a bug"),
        (Step.DONE, ""),
    ]
    assert "stop of b failed" in caplog.text
    assert "stop of a failed" not in caplog.text


async def test_units_are_done_in_batches_with_pauses(world):
    units = [world.runtime.add(f"u{number}") for number in range(5)]
    times = {}
    stop = world.runtime.stop

    async def timed(unit, *, grace):
        times[world.runtime.units[unit].name] = world.clock.elapsed
        await stop(unit, grace=grace)

    world.runtime.stop = timed
    run = await world.run("stop", *units, batch=2, pause=10, drain=False)

    assert [round(times[f"u{number}"]) for number in range(5)] == [0, 0, 10, 10, 20]
    assert run.failed == 0
    assert world.clock.elapsed < 21


async def test_a_proof_does_not_hold_up_the_next_batch(world):
    first, second = (world.runtime.add(name, UnitState.STOPPED) for name in "ab")
    world.readings.say["a"] = lambda: Standing(0, newest=1.0)

    begun = await world.actions.run(ActionKind.START, [first, second], ActionOptions(batch=1), "me")
    await world.reached(begun.id, "done", 1)

    assert world.get(begun.id).outcomes[0].step is Step.PROVING
    assert world.clock.elapsed < 2
    assert (await world.ended(begun.id)).failed == 1


async def test_a_failure_ends_the_action_where_that_is_wanted(world):
    units = [world.runtime.add(name, UnitState.STOPPED) for name in "abc"]
    world.readings.say["b"] = lambda: Standing(0, newest=1.0)

    run = await world.run("start", *units, batch=1, stop_on_failure=True)

    assert [each.step for each in run.outcomes] == [Step.DONE, Step.DONE, Step.SKIPPED]
    assert run.outcomes[2].message == "not begun: a unit before it failed"
    assert world.runtime.calls == [("start", "a"), ("start", "b")]


async def test_cancelling_begins_with_no_further_unit(world):
    units = [world.runtime.add(name) for name in "abc"]
    gate = world.runtime.gates["stop", "a"] = asyncio.Event()
    begun = await world.actions.run(ActionKind.STOP, units, ActionOptions(batch=1), "me")
    await world.reached(begun.id, "stopping")

    assert world.actions.cancel(begun.id).cancelled
    gate.set()
    run = await world.ended(begun.id)

    assert [each.step for each in run.outcomes] == [Step.DONE, Step.SKIPPED, Step.SKIPPED]
    assert run.outcomes[1].message == "cancelled"
    assert world.log[0][3] == "cancelled; 1 done; 2 skipped: b (cancelled), c (cancelled)"
    assert world.actions.cancel(begun.id) == run


async def test_cancelling_what_never_was_is_refused(world):
    with pytest.raises(FleetError, match="no action 'x'"):
        world.actions.cancel("x")


async def test_one_action_at_a_time_on_a_unit(world):
    first, second, third = (world.runtime.add(name) for name in "abc")
    gate = world.runtime.gates["stop", "b"] = asyncio.Event()
    begun = await world.actions.run(ActionKind.STOP, [first, second], ActionOptions(), "me")
    await world.reached(begun.id, "done", 0)

    with pytest.raises(FleetError, match="b: a stop by me is under way"):
        await world.actions.run(ActionKind.RESTART, [third, second], ActionOptions(), "you")
    plan = await world.actions.plan(ActionKind.STOP, [first, second], ActionOptions())
    assert [(each.applies, each.note) for each in plan.items] == [
        (False, "it is not running"),
        (False, "a stop by me is under way"),
    ]
    assert (await world.one("restart", first)).step is Step.DONE
    gate.set()
    await world.ended(begun.id)
    assert (await world.one("start", second)).step is Step.DONE


async def test_a_unit_that_is_being_proven_is_not_free(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    world.readings.say["a"] = lambda: Standing(0, newest=1.0)
    begun = await world.actions.run(ActionKind.START, [unit], ActionOptions(), "me")
    await world.reached(begun.id, "proving")

    with pytest.raises(FleetError, match="under way"):
        await world.actions.run(ActionKind.STOP, [unit], ActionOptions(), "me")
    await world.ended(begun.id)


async def test_every_change_is_told_and_no_value_ever_changes(world):
    unit = world.runtime.add("a", UnitState.STOPPED)

    begun = await world.actions.run(ActionKind.START, [unit], ActionOptions(), "me")
    assert (begun.outcomes[0].step, begun.ended, world.changes) == (Step.WAITING, None, 1)
    await world.ended(begun.id)

    assert begun.outcomes[0].step is Step.WAITING
    assert world.changes >= 4


async def test_the_last_actions_are_kept(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    for _ in range(KEPT + 3):
        await world.run("stop", unit)

    assert len(world.actions.runs) == KEPT
    assert [run.began for run in world.actions.runs] == sorted(run.began for run in world.actions.runs)


async def test_many_units_make_one_short_line(world):
    units = [world.runtime.add(f"u{number}") for number in range(30)]
    for number in range(30):
        world.runtime.fails["stop", f"u{number}"] = FleetError("no")

    await world.run("stop", *units, batch=30)

    _, _, target, result = world.log[0]
    assert target.endswith("u19 and 10 more")
    assert result.startswith("30 failed: u0 (no), ")
    assert result.endswith("u19 (no) and more")


async def test_closing_finishes_what_is_half_done_and_waits_for_nothing(world):
    first, second, third = (world.runtime.add(name) for name in "abc")
    gate = world.runtime.gates["restart", "a"] = asyncio.Event()
    world.readings.unsent_of["b"] = 5
    world.readings.stuck.add("b")
    restart = await world.actions.run(ActionKind.RESTART, [first, third], ActionOptions(batch=1), "me")
    stop = await world.actions.run(ActionKind.STOP, [second], ActionOptions(), "me")
    await world.reached(restart.id, "stopping")
    await world.reached(stop.id, "draining")
    closing = asyncio.ensure_future(world.actions.close())
    await asyncio.sleep(0)
    gate.set()
    await closing

    restarted, other = world.get(restart.id).outcomes
    assert (restarted.step, restarted.missing) == (Step.DONE, "the service stopped before")
    assert (other.step, other.message) == (Step.SKIPPED, "the service stopped before")
    (stopped,) = world.get(stop.id).outcomes
    assert stopped.message == "nothing was done: the service stopped while its readings were sent"
    assert world.runtime.calls == [("restart", "a")]
    assert len(world.log) == 2
    assert world.clock.elapsed < 2
    with pytest.raises(FleetError, match="stopping"):
        await world.actions.run(ActionKind.STOP, [second], ActionOptions(), "me")


async def test_closing_gives_up_on_what_does_not_end(world):
    unit = world.runtime.add("a")
    world.runtime.gates["stop", "a"] = asyncio.Event()
    begun = await world.actions.run(ActionKind.STOP, [unit], ActionOptions(), "me")
    await world.reached(begun.id, "stopping")

    await world.actions.close()

    run = world.get(begun.id)
    assert (run.outcomes[0].step, run.outcomes[0].message) == (Step.FAILED, "interrupted while stopping")
    assert run.ended is not None
    assert world.log[0][3] == "1 failed: a (interrupted while stopping)"


async def test_closing_with_nothing_to_do(world):
    await world.actions.close()

"""A bulk action that stops when sensors fall silent."""

import pytest

from sensor_tui.errors import UsageError
from sensor_tui.fleet.actions import Standing
from sensor_tui.model.action import ActionKind, ActionOptions, Step
from sensor_tui.model.unit import Role, UnitState


async def test_a_sensor_that_does_not_write_again_stops_what_is_left(world):
    units = [world.runtime.add(name) for name in "abcd"]
    began = world.clock.now()
    world.readings.say["a"] = lambda: Standing(0, newest=began)

    run = await world.run("restart", *units, batch=1, pause=20, stop_when_late=30, prove=False)

    steps = [each.step for each in run.outcomes]
    assert steps == [Step.DONE, Step.DONE, Step.SKIPPED, Step.SKIPPED]
    assert run.halted == "a has no reading for 40 s"
    assert run.outcomes[2].message == "not begun: a has no reading for 40 s"
    assert "2 done; 2 skipped: c (not begun: a has" in world.log[0][3]


async def test_a_sensor_outside_the_action_counts_too(world):
    units = [world.runtime.add(name) for name in "ab"]
    world.runtime.add("neighbour")
    began = world.clock.now()
    world.readings.say["neighbour"] = lambda: Standing(0, newest=began)

    run = await world.run("stop", *units, batch=1, pause=60, stop_when_late=30, drain=False)

    assert run.halted == "neighbour has no reading for 60 s"
    assert world.runtime.calls == [("stop", "a")]


async def test_what_was_stopped_on_purpose_or_silent_before_is_nobody_s_fault(world):
    units = [world.runtime.add(name) for name in "ab"]
    world.runtime.add("silent")
    world.runtime.add("uploader", role=Role.UPLOADER)
    world.runtime.add("down", UnitState.STOPPED)
    world.readings.say["silent"] = lambda: None

    run = await world.run("stop", *units, batch=1, pause=300, stop_when_late=30, drain=False)

    assert run.halted == ""
    assert [each.step for each in run.outcomes] == [Step.DONE, Step.DONE]


async def test_one_of_which_nothing_is_known_has_its_time_from_its_start(world):
    units = [world.runtime.add(name, UnitState.STOPPED) for name in "abc"]
    world.readings.say["a"] = lambda: None

    run = await world.run("start", *units, batch=1, pause=20, stop_when_late=30, prove=False)

    assert run.halted == "a has no reading for 40 s"


async def test_many_are_counted(world):
    units = [world.runtime.add(name) for name in "abcdef"]
    began = world.clock.now()
    for name in "abcde":
        world.readings.say[name] = lambda: Standing(0, newest=began)

    run = await world.run("restart", *units, batch=5, pause=90, stop_when_late=30, prove=False)

    assert run.halted.startswith("a has no reading for 90 s, b has")
    assert run.halted.endswith(" and 2 more")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 1e9])
async def test_seconds_that_make_no_sense_are_refused(world, seconds):
    unit = world.runtime.add("a")

    with pytest.raises(UsageError, match="stop_when_late"):
        await world.actions.run(ActionKind.STOP, [unit], ActionOptions(stop_when_late=seconds), "me")

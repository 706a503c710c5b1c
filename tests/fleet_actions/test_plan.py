import pytest

from sensor_tui.errors import UsageError
from sensor_tui.fleet.actions import Standing
from sensor_tui.model.action import ActionKind, ActionOptions
from sensor_tui.model.unit import Role, UnitState

RESET, REMOVE, START, STOP, RESTART = (
    ActionKind.RESET,
    ActionKind.REMOVE,
    ActionKind.START,
    ActionKind.STOP,
    ActionKind.RESTART,
)


async def item(world, kind, unit, **options):
    plan = await world.actions.plan(kind, [unit], ActionOptions(**options))
    return plan.items[0]


@pytest.mark.parametrize(
    ("kind", "state", "note"),
    [
        (START, UnitState.RUNNING, "it is running already"),
        (START, UnitState.STARTING, "it is starting already"),
        (STOP, UnitState.STOPPED, "it is not running"),
        (STOP, UnitState.CREATED, "it is not running"),
        (STOP, UnitState.FAILED, "it is not running"),
    ],
)
async def test_what_there_is_nothing_to_do_for(world, kind, state, note):
    found = await item(world, kind, world.runtime.add("a", state))

    assert (found.applies, found.note, found.unsent) == (False, note, 0)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (START, UnitState.CREATED),
        (START, UnitState.BACKOFF),
        (STOP, UnitState.BACKOFF),
        (STOP, UnitState.RUNNING),
        (RESTART, UnitState.STOPPED),
        (RESET, UnitState.FAILED),
        (REMOVE, UnitState.CREATED),
    ],
)
async def test_what_there_is_something_to_do_for(world, kind, state):
    assert (await item(world, kind, world.runtime.add("a", state))).applies


@pytest.mark.parametrize("kind", [STOP, RESTART, RESET, REMOVE])
async def test_what_ends_a_unit_tells_its_unsent_readings(world, kind):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = 7

    found = await item(world, kind, unit)

    assert (found.unsent, found.destroys) == (7, False)


async def test_a_start_delays_nothing(world):
    unit = world.runtime.add("a", UnitState.STOPPED)
    world.readings.unsent_of["a"] = 7

    assert (await item(world, START, unit)).unsent == 0


@pytest.mark.parametrize(
    ("kind", "unsent", "destroys"),
    [(RESET, 7, True), (REMOVE, 7, True), (RESET, 0, False), (RESET, None, True), (STOP, 7, False)],
)
async def test_only_wiping_destroys(world, kind, unsent, destroys):
    unit = world.runtime.add("a")
    world.readings.unsent_of["a"] = unsent

    assert (await item(world, kind, unit, wipe_data=True)).destroys is destroys


async def test_data_that_is_to_be_kept_is_not_wiped(world):
    unit = world.runtime.add("a")
    world.readings.keep["a"] = "its data folder is not known"

    found = await item(world, RESET, unit, wipe_data=True)

    assert (found.applies, found.note) == (False, "its data folder is not known")
    assert (await item(world, RESET, unit)).applies


async def test_a_unit_without_readings_has_none_unsent(world):
    unit = world.runtime.add("a", role=Role.OTHER, sensor_id=None, data=None)

    assert (await item(world, STOP, unit)).unsent == 0


async def test_what_else_there_is_to_know(world):
    unit = world.runtime.add("a", UnitState.UNKNOWN, reason="the daemon is away")
    world.readings.say["a"] = lambda: Standing(
        None, dead_letters=3, problem="a.db is locked", uploads="uploads are paused"
    )

    found = await item(world, RESET, unit, wipe_data=True)

    assert found.unsent is None
    assert found.note == (
        "its runtime cannot be asked: the daemon is away; a.db is locked; uploads are paused;"
        " 3 dead letters could not be retried any more"
    )


async def test_a_plan_is_of_each_unit_once_on_whatever_runtime(world):
    first, second = world.runtime.add("a"), world.other.add("b")
    world.readings.unsent_of |= {"a": 2, "b": 3}

    plan = await world.actions.plan(STOP, [first, second, first, "here/process/none"], ActionOptions())

    assert [(each.name, each.applies) for each in plan.items] == [("a", True), ("b", True), ("none", False)]
    assert (plan.unsent, plan.destroys, plan.items[2].note) == (5, False, "there is no such unit")


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 0},
        {"batch": 5000},
        {"pause": -1.0},
        {"drain_timeout": float("inf")},
        {"grace": float("nan")},
        {"prove_timeout": 1e9},
    ],
)
async def test_numbers_that_make_no_sense_are_refused(world, options):
    unit = world.runtime.add("a")

    with pytest.raises(UsageError, match=next(iter(options))):
        await world.actions.plan(STOP, [unit], ActionOptions(**options))
    with pytest.raises(UsageError):
        await world.actions.run(STOP, [unit], ActionOptions(**options), "me")


async def test_an_action_needs_a_unit(world):
    with pytest.raises(UsageError, match="No unit"):
        await world.actions.run(STOP, [], ActionOptions(), "me")

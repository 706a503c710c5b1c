import pytest

from sensor_tui.fleet.actions import Standing
from sensor_tui.fleet.actions_proof import Watch
from sensor_tui.model.unit import Role, Unit, UnitState

UP = Unit("h/process/a", "h", "process", "a", Role.SENSOR, UnitState.RUNNING)
DOWN = Unit("h/process/a", "h", "process", "a", Role.SENSOR, UnitState.FAILED, reason="exit code 1")


@pytest.fixture
def watch():
    return Watch(100.0, 2)


def standing(backlog=0, newest=None, oldest=None, dead=2, **changes):
    return Standing(backlog, oldest_open=oldest, newest=newest, dead_letters=dead, **changes)


def test_a_new_reading_that_is_not_open_any_more_is_the_proof(watch):
    assert not watch.look(UP, standing(newest=99.0))
    assert watch.waiting_for == "a new reading"
    assert not watch.look(UP, standing(3, newest=101.0, oldest=90.0))
    assert watch.waiting_for == "its acknowledgement"
    assert not watch.look(UP, standing(2, newest=103.0, oldest=101.0))
    assert watch.look(UP, standing(2, newest=104.0, oldest=101.5))


def test_nothing_open_is_the_proof_too(watch):
    assert watch.look(UP, standing(newest=101.0))


def test_a_reading_of_before_is_none(watch):
    assert not watch.look(UP, standing(newest=100.0))
    assert watch.missing == "no new reading"


def test_an_unknown_backlog_is_no_proof(watch):
    assert not watch.look(UP, standing(None, newest=101.0, uploads="the sink refuses us"))
    assert watch.missing == "new readings, not acknowledged: the sink refuses us"


def test_a_dead_letter_is_no_proof_and_the_next_reading_may_be(watch):
    assert not watch.look(UP, standing(newest=101.0, dead=3))
    assert not watch.look(UP, standing(newest=101.0, dead=3))
    assert watch.missing == "its new readings are dead letters"
    assert watch.look(UP, standing(newest=102.0, dead=3))


def test_dropped_dead_letters_hide_no_new_one(watch):
    assert not watch.look(UP, standing(newest=99.0, dead=0))
    assert not watch.look(UP, standing(newest=101.0, dead=1))


def test_where_dead_letters_are_not_known_at_first(watch):
    unknown = Watch(100.0, None)
    assert not unknown.look(UP, standing(newest=99.0, dead=5))
    assert unknown.look(UP, standing(newest=101.0, dead=5))


@pytest.mark.parametrize(
    ("unit", "seen", "missing"),
    [
        (None, standing(), "the unit is gone"),
        (DOWN, standing(), "the unit is not running: exit code 1"),
        (UP, None, "no new reading"),
        (UP, standing(newest=50.0, problem="a.db is locked"), "no new reading: a.db is locked"),
        (UP, standing(1, newest=101.0, oldest=101.0), "new readings, not acknowledged"),
    ],
)
def test_the_missing_step_is_named(watch, unit, seen, missing):
    assert not watch.look(unit, seen)
    assert watch.missing == missing


def test_a_unit_that_ended_is_watched_on_only_while_its_readings_are_under_way(watch):
    watch.look(DOWN, standing(newest=99.0))
    assert watch.ended
    watch.look(DOWN, standing(1, newest=101.0, oldest=101.0))
    assert not watch.ended
    watch.look(None, standing())
    assert watch.ended

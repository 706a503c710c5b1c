"""What is known of a sensor from its newest readings."""

import asyncio

import pytest

from sensor_tui.model.source import FeedStatus
from sensor_tui.service.sampler import Sampler, Samples, cadence_of, rate_of
from sensor_tui.storage.latest import Place, Row
from tests.support.clock import JumpingClock

START = 1_755_000_000.0


def row(number, value=None, *, at=None, flagged=False, kind="", **values):
    given = {"temperature": float(number if value is None else value), **values}
    return Row(number, START + number if at is None else at, flagged, kind, given)


def taken(*rows):
    samples = Samples()
    samples.take(rows, 0.0)
    return samples


@pytest.fixture
async def sampler():
    made = []

    def make(*paths, watched=True, share=1.0):
        places = [Place(path.parent.name, str(path), rollback=True) for path in paths]
        made.append(Sampler(lambda: places, watched=lambda: watched, clock=JumpingClock(START), share=share))
        return made[-1]

    yield make
    for each in made:
        await each.close()


def feed(key="A", *, backlog=0, newest=None):
    return FeedStatus(key, "S", "London", backlog, oldest_open=None, newest=newest)


async def test_what_was_seen_is_laid_over_what_the_engine_knows(sampler, sensor):
    one = sampler(sensor(rows=80))
    await one.round()
    shown = one.overlay(feed(backlog=7))
    assert shown.backlog == 7
    assert shown.values.keys() == {"temperature", "humidity", "pressure", "vibration", "voltage"}
    assert shown.newest == pytest.approx(START + 79, abs=0.01)
    assert (shown.cadence, shown.rate) == (1.0, 1.0)
    assert len(one.recent("A", 24)) == 24
    assert one.recent("A", 1) == [shown.values["temperature"]]
    assert one.overlay(feed("B")) == feed("B")


async def test_what_has_not_changed_is_the_very_same_value(sampler, sensor):
    one = sampler(sensor())
    await one.round()
    first = one.overlay(feed())
    await one.round()
    assert one.overlay(feed()) is first


async def test_the_engine_may_know_a_newer_reading(sampler, sensor):
    one = sampler(sensor(rows=3))
    await one.round()
    assert one.overlay(feed(newest=START + 500)).newest == START + 500


def test_the_anomaly_of_the_newest_reading_and_the_share_of_late():
    samples = taken(row(1), row(2, flagged=True, kind="spike"), row(3), row(4, flagged=True, kind="drift"))
    assert samples.facts.anomaly == "drift"
    assert samples.facts.anomalies == 0.5
    samples.take([row(5)], 1.0)
    assert samples.facts.anomaly is None
    samples.take([row(6, flagged=True)], 1.0)
    assert samples.facts.anomaly == ""


def test_flat_takes_ten_alike_over_half_a_minute():
    assert not taken(*(row(n, 5) for n in range(30))).facts.flat
    assert taken(*(row(n, 5) for n in range(31))).facts.flat
    assert not taken(*(row(n, 5, at=START + 10 * n) for n in range(9))).facts.flat
    assert not taken(*(row(n, 5, humidity=float(n)) for n in range(40))).facts.flat
    assert not taken(*(Row(n, START + n, False, "", {}) for n in range(40))).facts.flat


def test_flat_is_over_with_the_first_other_value():
    samples = taken(*(row(n, 5) for n in range(40)))
    samples.take([row(41, 6)], 0.0)
    assert not samples.facts.flat


def test_a_fast_sensor_is_flat_after_more_readings_than_are_kept():
    samples = Samples()
    for second in range(40):
        samples.take([row(10 * second + n, 5, at=START + second + n / 10) for n in range(10)], float(second))
    assert samples.facts.flat
    assert samples.facts.rate == 10.0


def test_the_usual_time_between_readings_is_not_moved_by_a_gap():
    assert cadence_of([0.0, 2.0, 4.0, 100.0, 102.0, 104.0]) == 2.0
    assert cadence_of([5.0]) is None
    assert cadence_of([5.0, 5.0, 5.0]) is None


def test_the_rate_is_that_of_the_last_minute():
    assert rate_of([0.0, 1000.0, 1001.0, 1002.0]) == 1.0
    assert rate_of([0.0, 600.0]) == pytest.approx(1 / 600, rel=0.05)
    assert rate_of([3.0]) is None
    assert rate_of([9.0, 9.0]) is None
    assert rate_of([9.0, 5.0]) is None


def test_a_sensor_from_which_nothing_comes_any_more_has_no_rate():
    samples = taken(*(row(n) for n in range(10)))
    assert not samples.settle(9.0)
    assert samples.settle(11.0)
    assert samples.facts.rate == 0.0
    assert not samples.settle(12.0)


def test_a_time_that_is_none_keeps_the_newest_of_before():
    samples = taken(row(1), row(2, at="no time"))
    assert samples.facts.values == {"temperature": 2.0}
    samples.take([row(3, at=b"\xff")], 0.0)
    assert samples.facts.newest is None or samples.facts.newest == START + 1


async def test_a_file_that_begins_again_forgets_what_was(sampler, sensor, change):
    path = sensor(rows=60)
    one = sampler(path)
    await one.round()
    change(path, "DELETE FROM sensor_readings")
    await one.round()
    assert one.overlay(feed()) == feed()
    assert one.recent("A", 60) == []


async def test_what_there_is_no_time_for_comes_in_the_next_round(sampler, sensor):
    paths = [sensor(f"S{number:02}", rows=2) for number in range(45)]
    one = sampler(*paths, share=0.0)
    await one.round()
    assert one.waiting == 25
    await one.round()
    assert one.waiting <= 25
    await one.round()
    assert all(one.recent(path.parent.name, 1) for path in paths)


async def test_it_looks_each_second_while_somebody_listens_and_seldom_otherwise(sensor):
    clock, rounds = JumpingClock(), []
    watched = False
    path = sensor(rows=2)

    def places():
        rounds.append(clock.elapsed)
        return [Place("A", str(path), rollback=True)]

    sampler = Sampler(places, watched=lambda: watched, clock=clock)
    task = asyncio.ensure_future(sampler.run())
    while len(rounds) < 3:
        await asyncio.sleep(0)
    assert rounds[1] - rounds[0] == pytest.approx(10, abs=0.5)
    watched = True
    seen = len(rounds)
    while len(rounds) < seen + 4:
        await asyncio.sleep(0)
    assert rounds[-1] - rounds[-2] == pytest.approx(1, abs=0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await sampler.close()


async def test_files_that_go_and_come_are_followed(sampler, sensor):
    path = sensor(rows=5)
    one = sampler(path)
    await one.round()
    path.unlink()
    await one.round()
    sensor(rows=7)
    await one.round()
    assert len(one.recent("A", 60)) == 7

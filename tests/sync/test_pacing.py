"""Congestion control, the budget, and back-off, as arithmetic."""

import pytest

from sensor_tui.sync.pacing import Budget, Congestion, full_jitter


def test_a_lane_grows_while_it_is_the_limit_and_latency_is_calm():
    lane = Congestion(100, 50)
    assert lane.concurrency == 1
    for _ in range(10):
        lane.succeeded(100, 0.01, limited=True)
    assert lane.concurrency > 5
    for _ in range(1000):
        lane.succeeded(100, 0.01, limited=True)
    assert lane.concurrency == 50


def test_it_does_not_grow_when_it_is_not_the_limit_or_latency_has_doubled():
    lane = Congestion(100, 50)
    lane.succeeded(100, 0.01, limited=False)
    assert lane.documents == 100
    for _ in range(20):
        lane.succeeded(100, 0.2, limited=True)
    assert lane.documents == 100


def test_a_throttle_shrinks_once_per_episode_and_growth_is_slow_afterwards():
    lane = Congestion(100, 50)
    for _ in range(9):
        lane.succeeded(100, 0.01, limited=True)
    assert lane.documents == 1000
    lane.throttled(sent_at=1.0, now=2.0)
    assert lane.documents == 700
    lane.throttled(sent_at=1.5, now=2.1)
    assert lane.documents == 700
    lane.throttled(sent_at=2.5, now=2.6)
    assert lane.documents == 489
    before = lane.documents
    for _ in range(5):
        lane.succeeded(100, 0.01, limited=True)
    assert lane.documents - before == 15, "three documents for every hundred accepted"


def test_after_an_outage_a_lane_starts_with_one_request_and_comes_back_fast():
    lane = Congestion(100, 50)
    for _ in range(20):
        lane.succeeded(100, 0.01, limited=True)
    assert lane.concurrency > 10
    lane.lost(sent_at=1.0, now=2.0)
    assert lane.concurrency == 1
    for _ in range(10):
        lane.succeeded(100, 0.01, limited=True)
    assert lane.concurrency > 10


def test_under_one_requests_worth_the_requests_become_smaller_and_never_stop():
    lane = Congestion(100, 50)
    for second in range(100):
        lane.throttled(sent_at=float(second), now=second + 0.5)
    assert lane.concurrency == 1
    assert lane.batch_size == 1
    for _ in range(400):
        lane.succeeded(lane.batch_size, 0.01, limited=True)
    assert lane.batch_size == 100


@pytest.mark.parametrize("limit", [400.0, 4000.0, 100_000.0])
@pytest.mark.parametrize("cost", [5.0, 12.5])
def test_no_second_exceeds_the_budget_by_more_than_five_per_cent(limit, cost):
    budget = Budget(limit)
    now, spent = 0.0, []
    while now < 20.0:
        now += budget.wait(now) + 1e-9
        count = budget.documents_per_request(100)
        expected = budget.charge(count, now)
        budget.correct(expected, count * cost, count)
        spent.append((now, count * cost))
    settled = [(at, units) for at, units in spent if at > 2.0]
    for start in range(200, 1900):
        window = sum(units for at, units in settled if start / 100 <= at < start / 100 + 1)
        assert window <= limit * 1.05
    assert sum(units for _, units in settled) >= limit * 17.0 * 0.97


def test_without_a_budget_nothing_waits():
    budget = Budget(None)
    assert budget.wait(5.0) == 0.0
    assert budget.documents_per_request(100) == 100


def test_back_off_is_random_and_capped():
    delays = [full_jitter(50) for _ in range(200)]
    assert max(delays) <= 30.0
    assert min(delays) < 10.0
    assert all(full_jitter(1) <= 0.5 for _ in range(100))

import pytest

from sensor_tui.simulator.latency import Latencies


def test_percentiles_are_close_above_the_true_ones() -> None:
    latencies = Latencies()
    for milliseconds in range(1, 1001):
        latencies.add(milliseconds / 1000)
    assert latencies.count == 1000
    assert latencies.max_seconds == 1.0
    assert 0.5 <= latencies.percentile(50) <= 0.5 * 1.1
    assert 0.99 <= latencies.percentile(99) <= 1.0
    assert latencies.percentile(100) == 1.0


def test_nothing_measured_is_zero() -> None:
    assert Latencies().percentile(99) == 0.0


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 1e6])
def test_extremes_have_a_place(seconds: float) -> None:
    latencies = Latencies()
    latencies.add(seconds)
    assert latencies.percentile(50) <= seconds
    assert latencies.max_seconds == seconds

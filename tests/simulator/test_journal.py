"""A sensor's log names its anomalies, and sums up now and then."""

import logging

import pytest

from sensor_tui.simulator.journal import SUMMARY_SECONDS, Journal
from sensor_tui.simulator.schema import SimulatedReading
from tests.support.clock import JumpingClock

REST = "humidity 50.00, pressure 1000.00, vibration 1.00, voltage 12.00"


def reading(anomaly: str | None = None, temperature: float = 20.0) -> SimulatedReading:
    return SimulatedReading(0.0, temperature, 50.0, 1000.0, 1.0, 12.0, 1 if anomaly else 0, anomaly)


def test_an_anomaly_is_said_when_it_begins_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(JumpingClock())
    with caplog.at_level(logging.INFO):
        for each in (reading(), reading("spike", 90.0), reading("spike", 91.0), reading()):
            journal.note(each)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.messages == [
        f"anomaly begins: spike, temperature 90.00, {REST}",
        "anomaly over: spike, 2 readings",
    ]


async def test_a_summary_is_written_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    clock = JumpingClock()
    journal = Journal(clock)
    with caplog.at_level(logging.INFO):
        journal.note(reading())
        assert caplog.messages == []
        await clock.sleep(SUMMARY_SECONDS)
        journal.note(reading())
    assert caplog.messages == [f"2 readings in 10 s: temperature 20.00, {REST}"]

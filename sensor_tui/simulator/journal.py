"""What a sensor says about itself in its log: when it begins, its anomalies, and a line now and then."""

import logging
from typing import Final

from sensor_tui.model.clock import Clock
from sensor_tui.simulator.schema import SimulatedReading

log = logging.getLogger(__name__)

SUMMARY_SECONDS: Final = 10.0
_MEASURES: Final = ("temperature", "humidity", "pressure", "vibration", "voltage")


class Journal:
    """Told of every reading, says what a person would want to know."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._count = 0
        self._anomaly: str | None = None
        self._anomalous = 0

    def note(self, reading: SimulatedReading) -> None:
        """Take in one reading that was written."""
        self._count += 1
        self._note_anomaly(reading)
        now = self._clock.monotonic()
        if now - self._since >= SUMMARY_SECONDS:
            log.info("%d readings in %.0f s: %s", self._count, now - self._since, _measures(reading))
            self._count, self._since = 0, now

    def _note_anomaly(self, reading: SimulatedReading) -> None:
        if reading.anomaly_type == self._anomaly:
            self._anomalous += 1
            return
        if self._anomaly is not None:
            log.info("anomaly over: %s, %d readings", self._anomaly, self._anomalous)
        if reading.anomaly_type is not None:
            log.warning("anomaly begins: %s, %s", reading.anomaly_type, _measures(reading))
        self._anomaly, self._anomalous = reading.anomaly_type, 1


def _measures(reading: SimulatedReading) -> str:
    values = ((name, getattr(reading, name, None)) for name in _MEASURES)
    return ", ".join(f"{name} {value:.2f}" for name, value in values if value is not None)

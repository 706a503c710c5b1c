"""A client's copy of the status board, kept up to date by events."""

from typing import NamedTuple

from sensor_tui.service.merge import age, epoch
from sensor_tui.service.wire import Delta, SensorReport, Snapshot, StatusReport


class Gap(Exception):
    """An event does not follow the one before: ask for a snapshot."""


class _Known(NamedTuple):
    """A sensor, and the times its ages come from, in seconds since the epoch."""

    sensor: SensorReport
    oldest_open: float | None
    newest: float | None

    def at(self, now: float) -> SensorReport:
        """It, with its ages at that time."""
        ages = {"lag_seconds": age(self.oldest_open, now), "freshness_seconds": age(self.newest, now)}
        return self.sensor.model_copy(update=ages)


class Mirror:
    """Holds what the events so far said; `report` is whole, with ages as of the last event."""

    def __init__(self) -> None:
        self.sequence: int | None = None
        self.instance: str | None = None
        self._status: StatusReport | None = None
        self._sensors: dict[str, _Known] = {}

    def take(self, event: Snapshot | Delta) -> StatusReport:
        """Take in an event; the whole as it is now.

        Raises:
            Gap: events in between are missing.
        """
        if isinstance(event, Snapshot):
            self._status = event.status
            self._sensors = {sensor.key: _known(sensor) for sensor in event.status.sensors}
            self.instance = event.status.instance
            self.sequence = event.sequence
            return event.status
        if self._status is None or self.sequence is None or event.sequence != self.sequence + 1:
            raise Gap
        self.sequence = event.sequence
        for key in event.gone:
            self._sensors.pop(key, None)
        for sensor in event.sensors:
            self._sensors[sensor.key] = _known(sensor)
        now = epoch(event.at) or 0.0
        self._status = self._status.model_copy(
            update={
                "sequence": event.sequence,
                "at": event.at,
                "backlog": event.backlog,
                "lag_seconds": event.lag_seconds,
                "dead_letters": event.dead_letters,
                "engine": event.engine or self._status.engine,
                "sensors": tuple(known.at(now) for known in self._sensors.values()),
            }
        )
        return self._status


def _known(sensor: SensorReport) -> _Known:
    return _Known(sensor, epoch(sensor.oldest_open), epoch(sensor.newest))

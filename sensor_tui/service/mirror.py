"""A client's copy of the status board, kept up to date by events."""

from sensor_tui.model.unit import Unit, UnitStats
from sensor_tui.service.wire import Delta, SensorReport, Snapshot, StatusReport


class Gap(Exception):
    """An event does not follow the one before: ask for a snapshot."""


class Mirror:
    """Holds what the events so far said; an event costs what it changes.

    The ages of a single sensor are those of its last change; how old it is now follows from its times.
    """

    def __init__(self) -> None:
        self.sequence: int | None = None
        self.instance: str | None = None
        self._status: StatusReport | None = None
        self._sensors: dict[str, SensorReport] = {}
        self._units: dict[str, Unit] = {}
        self._stats: dict[str, UnitStats] = {}

    def take(self, event: Snapshot | Delta) -> StatusReport:
        """Take in an event; the whole as it is now.

        Raises:
            Gap: events in between are missing.
        """
        if isinstance(event, Snapshot):
            status = self._status = event.status
            self._sensors = {sensor.key: sensor for sensor in status.sensors}
            self._units = {unit.id: unit for unit in status.units}
            self._stats = {each.unit: each for each in status.stats}
            self.instance = status.instance
            self.sequence = event.sequence
            return status
        if self._status is None or self.sequence is None or event.sequence != self.sequence + 1:
            raise Gap
        self.sequence = event.sequence
        self._status = self._changed(self._status, event)
        return self._status

    def _changed(self, status: StatusReport, event: Delta) -> StatusReport:
        changes = {
            "sequence": event.sequence,
            "at": event.at,
            "backlog": event.backlog,
            "lag_seconds": event.lag_seconds,
            "dead_letters": event.dead_letters,
        }
        whole = {
            "engine": event.engine,
            "peers": event.peers,
            "hosts": event.hosts,
            "actions": event.actions,
        }
        changes |= {name: value for name, value in whole.items() if value is not None}
        if event.gone or event.sensors:
            for key in event.gone:
                self._sensors.pop(key, None)
            self._sensors.update((sensor.key, sensor) for sensor in event.sensors)
            changes["sensors"] = tuple(self._sensors.values())
        if event.stats or event.units or event.units_gone:
            self._take_units(event)
            changes["units"] = tuple(self._units.values())
            changes["stats"] = tuple(self._stats.values())
        return status.model_copy(update=changes)

    def _take_units(self, event: Delta) -> None:
        for gone in event.units_gone:
            self._units.pop(gone, None)
            self._stats.pop(gone, None)
        for unit in event.units:
            self._units[unit.id] = unit
            if not unit.state.up:
                self._stats.pop(unit.id, None)
        self._stats.update((each.unit, each) for each in event.stats)

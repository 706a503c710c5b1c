"""Whether sensors fall silent while an action goes on, so that it does not go on to the next of them."""

from collections.abc import Callable, Collection, Iterable
from typing import Final

from sensor_tui.fleet.actions_readings import Readings
from sensor_tui.model.clock import Clock
from sensor_tui.model.unit import Role, Unit

_NAMED: Final = 3


class Freshness:
    """The sensors that write when an action begins, and whether one of them no longer does.

    One that has been silent for longer before is not the action's doing, and is not watched.

    Args:
        units: gives every unit there is.
        readings: knows the newest reading of each.
        clock: what tells the time.
        most: the age in seconds that a sensor's newest reading may have.
    """

    def __init__(
        self, units: Callable[[], Iterable[Unit]], readings: Readings, clock: Clock, most: float
    ) -> None:
        self._units = units
        self._readings = readings
        self._clock = clock
        self._most = most
        self._watched: set[str] = set()

    async def begin(self) -> None:
        """See which of them write."""
        for unit in self._sensors():
            if unit.state.up and await self._age(unit) <= self._most:
                self._watched.add(unit.id)

    async def late(self, started: Collection[str], ended: Collection[str]) -> str:
        """Who is late, in one line; empty where nobody is.

        `started` are units that the action has started, `ended` those it has ended for good: their ids.
        """
        watched = (self._watched | set(started)) - set(ended)
        late = [
            (unit.name, age)
            for unit in self._sensors()
            if unit.id in watched and (age := await self._age(unit)) > self._most
        ]
        told = ", ".join(f"{name} has no reading for {age:.0f} s" for name, age in late[:_NAMED])
        return told + (f" and {len(late) - _NAMED} more" if len(late) > _NAMED else "")

    def _sensors(self) -> list[Unit]:
        return [unit for unit in self._units() if unit.role is Role.SENSOR and unit.sensor_id is not None]

    async def _age(self, unit: Unit) -> float:
        """Seconds since its newest reading, or since it was started where that is later.

        A sensor of which nothing is known is as late as can be, once it has had its time.
        """
        standing = await self._readings.standing(unit)
        newest = standing.newest if standing is not None else None
        known = [at for at in (newest, unit.started_at) if at is not None]
        return self._clock.now() - max(known) if known else float("inf")

"""Proof that a sensor is back: one of its new readings was acknowledged by the sink."""

from sensor_tui.fleet.actions_readings import Standing
from sensor_tui.model.unit import Unit, UnitState


class Watch:
    """Looks again and again, until a reading with an event time after the action is known to be acknowledged.

    That is so once such a reading was seen and no reading up to it is open any more, and none of the sensor
    became a dead letter meanwhile. Where one did, a later reading has to do.

    Args:
        after: time of the action, or of the sensor's newest reading before it where that is later.
        dead: dead letters of the sensor before it; None where not known.
    """

    def __init__(self, after: float, dead: int | None) -> None:
        self._after = after
        self._dead = dead
        self._seen: float | None = None
        self._buried = False
        self._unit: Unit | None = None
        self._standing: Standing | None = None

    def look(self, unit: Unit | None, standing: Standing | None) -> bool:
        """Take in how unit and readings are now; whether it is proven."""
        self._unit, self._standing = unit, standing
        if standing is None:
            return False
        letters, newest = standing.dead_letters, standing.newest
        if letters is not None:
            grown = self._dead is not None and letters > self._dead
            self._dead = letters
            if grown:
                self._buried, self._seen = True, None
                self._after = max(self._after, newest or self._after)
        if self._seen is None and newest is not None and newest > self._after:
            self._seen = newest
        if self._seen is None:
            return False
        return standing.backlog == 0 or (
            standing.oldest_open is not None and standing.oldest_open > self._seen
        )

    @property
    def ended(self) -> bool:
        """Whether the unit has ended without a new reading: another will hardly come."""
        if self._unit is None:
            return True
        return self._unit.state in {UnitState.FAILED, UnitState.STOPPED} and self._seen is None

    @property
    def waiting_for(self) -> str:
        """What has to come next."""
        return "a new reading" if self._seen is None else "its acknowledgement"

    @property
    def missing(self) -> str:
        """The step that is missing."""
        unit, standing = self._unit, self._standing
        if unit is None:
            return "the unit is gone"
        if not unit.state.up:
            return _with("the unit is not running", unit.reason)
        if self._buried and self._seen is None:
            return "its new readings are dead letters"
        if self._seen is None:
            return _with("no new reading", standing.problem if standing is not None else "")
        return _with("new readings, not acknowledged", standing.uploads if standing is not None else "")


def _with(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else text

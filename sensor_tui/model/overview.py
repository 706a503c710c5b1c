"""Everything a dashboard shows at one moment, as one immutable value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sensor_tui.model.action import ActionRun
from sensor_tui.model.progress import EngineState, LaneProgress, Totals
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.unit import HostState, Unit, UnitStats


class Link(StrEnum):
    """How the dashboard stands with the service."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"
    """It does not answer; what is shown is from before, and the dashboard keeps trying."""
    STOPPED = "stopped"
    """It said goodbye: nobody uploads."""
    REFUSED = "refused"
    """It cannot be started or spoken to; `Overview.problem` says why and what to do."""


@dataclass(frozen=True, slots=True)
class EngineView:
    """The engine; rates are None where none runs."""

    state: EngineState = EngineState.STOPPED
    reason: str = ""
    version: str = ""
    pid: int | None = None
    docs_per_second: float | None = None
    request_units_per_second: float | None = None
    throttled_per_second: float | None = None
    in_flight: int | None = None
    lanes: Sequence[LaneProgress] = ()
    totals: Totals | None = None
    config_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole; `at` is when the service last spoke, in seconds since the epoch."""

    link: Link = Link.CONNECTING
    problem: str = ""
    """Why the link is not live, and what to do."""
    at: float | None = None
    backlog: int | None = None
    oldest_open: float | None = None
    """Event time of the oldest open reading; lag is its age."""
    dead_letters: int | None = None
    engine: EngineView = field(default_factory=EngineView)
    hosts: Sequence[HostState] = ()
    units: Mapping[str, Unit] = field(default_factory=dict)
    """By id."""
    stats: Mapping[str, UnitStats] = field(default_factory=dict)
    """By unit id."""
    sensors: Mapping[str, Sensor] = field(default_factory=dict)
    """By key."""
    actions: Sequence[ActionRun] = ()
    """Running ones and the last few that ended, the newest last."""
    embedded: bool = False
    """The service was started by this dashboard."""

    def sensor_of(self, unit: Unit) -> Sensor | None:
        """The sensor that a unit is, None where it is none or has not been seen."""
        if unit.sensor_id is None:
            return None
        key = f"{unit.sensor_id}\x00{unit.city or ''}"
        found = self.sensors.get(key)
        if found is not None:
            return found
        return next((each for each in self.sensors.values() if each.sensor_id == unit.sensor_id), None)

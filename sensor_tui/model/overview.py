"""Everything a dashboard shows at one moment, as one immutable value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
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


class PeerLink(StrEnum):
    """How the service stands with another one below its data root."""

    LIVE = "live"
    LOST = "lost"
    """It does not answer."""
    GONE = "gone"
    """It was stopped, or its socket is no more."""
    REFUSED = "refused"
    """It cannot be spoken to: another version, or another user's."""


@dataclass(frozen=True, slots=True)
class PeerView:
    """Another service, which uploads the files of one folder; its figures are old where it is not live."""

    name: str
    """The folder, relative to the data root."""
    link: PeerLink = PeerLink.LIVE
    problem: str = ""
    """Why it is not live, and what to do."""
    since: float | None = None
    """Since when it is not, in seconds since the epoch."""
    engine: EngineView = field(default_factory=EngineView)
    backlog: int | None = None
    oldest_open: float | None = None
    dead_letters: int | None = None
    sensors: int = 0

    @property
    def live(self) -> bool:
        """Whether what is said of it is true now."""
        return self.link is PeerLink.LIVE


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
    """The service's own."""
    peers: Sequence[PeerView] = ()
    """Other services, by folder."""
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

    @property
    def docs_per_second(self) -> float | None:
        """What all engines that answer upload; None where none is known."""
        return self._added("docs_per_second")

    @property
    def request_units_per_second(self) -> float | None:
        """What all engines that answer use."""
        return self._added("request_units_per_second")

    @property
    def throttled_per_second(self) -> float | None:
        """Readings of all engines that answer, put off with 429."""
        return self._added("throttled_per_second")

    @property
    def in_flight(self) -> int | None:
        """Readings that all engines that answer have under way."""
        found = self._added("in_flight")
        return None if found is None else int(found)

    @property
    def totals(self) -> Totals | None:
        """What all engines did since each was started, as far as they said; None where none did."""
        engines = (self.engine, *(peer.engine for peer in self.peers))
        known = [engine.totals for engine in engines if engine.totals is not None]
        if not known:
            return None
        return Totals(**{each.name: sum(getattr(one, each.name) for one in known) for each in fields(Totals)})

    @property
    def away(self) -> frozenset[str]:
        """Names of the peers that do not answer: what is known of their sensors is old."""
        return frozenset(peer.name for peer in self.peers if not peer.live)

    def _added(self, name: str) -> float | None:
        engines = (self.engine, *(peer.engine for peer in self.peers if peer.live))
        known = [value for engine in engines if (value := getattr(engine, name)) is not None]
        return sum(known) if known else None

    def sensor_of(self, unit: Unit) -> Sensor | None:
        """The sensor that a unit is, None where it is none or has not been seen."""
        if unit.sensor_id is None:
            return None
        key = f"{unit.sensor_id}\x00{unit.city or ''}"
        found = self.sensors.get(key)
        if found is not None:
            return found
        return next((each for each in self.sensors.values() if each.sensor_id == unit.sensor_id), None)

"""What the service, its clients and `--json` say to each other; times are ISO 8601, ages are seconds.

What is not known is null, never a guess. A change that an older reader would misunderstand gets a new
`PROTOCOL`; both sides name their number in every message head and refuse the other's.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sensor_tui.errors import ExitCode
from sensor_tui.model.action import ActionRun
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import HostState, Unit, UnitStats

PROTOCOL: Final = 1
PROTOCOL_HEADER: Final = "Sensor-Tui-Protocol"
VERSION_HEADER: Final = "Sensor-Tui-Version"


class Wire(BaseModel):
    """A frozen message; fields that a newer release of the same protocol adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class SourceReport(Wire):
    """One file after a run."""

    source: str
    sensor_id: str | None
    city: str | None
    backlog: int | None
    held: int = 0
    """Of the backlog: readings that wait for their window."""
    problem: str | None = None
    owner: str | None = None


class SyncReport(Wire):
    """What one run did; counts in readings, except where a unit is named."""

    read: int
    accepted: int
    rejected: int
    retried: int
    throttled: int
    request_units: float
    seconds: float
    docs_per_second: float
    sources: tuple[SourceReport, ...]
    backlog: int
    documents: int = 0
    """Documents that `accepted` readings became: fewer where they are aggregated."""
    lacking: tuple[str, ...] = ()
    """A line for each sink that has not taken all it was given."""
    already_there: int = 0
    """Of `documents`: those the sink had before."""
    dry_run: bool = False
    interrupted: bool = False
    """It was asked to stop before everything was sent."""
    notices: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """0 all sent or held in a window, 1 something rejected, unreadable or left, 4 owned by another."""
        if any(source.owner for source in self.sources):
            return ExitCode.OWNED
        unreadable = any(source.problem for source in self.sources)
        waiting = sum(source.held for source in self.sources)
        left = not self.dry_run and self.backlog > waiting
        if self.rejected or unreadable or left or (self.interrupted and self.backlog):
            return ExitCode.REJECTED
        return ExitCode.OK


class LaneReport(Wire):
    """One lane (partition key range) of a sink."""

    sink: str
    lane: str
    queued: int
    in_flight: int
    concurrency: int
    batch_size: int
    throttled: int
    accepted: int
    request_units: float
    latency_ms: float
    blocked_for: float


class TotalsReport(Wire):
    """Counts since the service started."""

    read: int = 0
    accepted: int = 0
    already_there: int = 0
    rejected: int = 0
    retried: int = 0
    throttled: int = 0
    requests: int = 0
    request_units: float = 0.0
    bytes_sent: int = 0


class EngineReport(Wire):
    """The engine and the process that holds it; rates are null where no engine runs."""

    state: EngineState
    reason: str = ""
    """Why it is refused, unreachable or paused, and what to do."""
    version: str
    pid: int | None = None
    started: str | None = None
    docs_per_second: float | None = None
    request_units_per_second: float | None = None
    throttled_per_second: float | None = None
    in_flight: int | None = None
    lanes: tuple[LaneReport, ...] = ()
    totals: TotalsReport | None = None
    attached: bool
    """True where this comes from a running service, false where from a look at the files."""
    config_problem: str | None = None
    """Why a changed configuration is not in force."""


class SensorReport(Wire):
    """One sensor in one city: all its files together."""

    sensor_id: str | None
    city: str | None
    backlog: int | None
    held: int = 0
    """Of the backlog: readings that wait for their window."""
    lag_seconds: float | None
    freshness_seconds: float | None
    newest: str | None
    oldest_open: str | None = None
    newest_counted: str | None = None
    """Its newest reading when `backlog` and `oldest_open` were counted; `newest` may be later."""
    source: str
    """The file with its newest reading, relative to the data root."""
    files: int = 1
    dead_letters: int | None = 0
    problem: str | None = None
    owner: str | None = None
    values: dict[str, float] = {}
    """Measures of the newest reading, by column name."""
    anomaly: str | None = None
    """Type of the anomaly where the newest reading is flagged; empty where the type is not said."""
    anomalies: float | None = None
    """Share of flagged ones among recent readings, 0 to 1."""
    rate: float | None = None
    """Readings a second of late."""
    cadence_seconds: float | None = None
    """Usual time between two readings."""
    flat: bool = False
    """Its recent values are all the same."""
    engine: str = ""
    """The peer (`PeerReport.name`) that uploads its files, and said what is known here of its backlog."""
    sources: tuple[str, ...] = ()
    """All its files, where there are several."""

    @property
    def key(self) -> str:
        """What tells it from every other sensor of a report."""
        return sensor_key(self.sensor_id, self.city, self.source)


class PeerReport(Wire):
    """Another service below this one's data root, which uploads the files of one folder."""

    name: str
    """The folder, relative to the data root."""
    link: PeerLink
    problem: str = ""
    """Why it is not live, and what to do."""
    since: str | None = None
    """Since when it is not live: all figures are from before."""
    engine: EngineReport | None = None
    """As it last said; null where it never has."""
    backlog: int | None = None
    oldest_open: str | None = None
    dead_letters: int | None = None
    sensors: int = 0


class StatusReport(Wire):
    """Everything at one moment."""

    protocol: int = PROTOCOL
    instance: str = ""
    """The life of one service; sequence numbers count within it."""
    sequence: int = 0
    at: str
    backlog: int | None
    lag_seconds: float | None
    dead_letters: int | None
    engine: EngineReport
    """The engine of this service alone; what others do is in `peers`."""
    sensors: tuple[SensorReport, ...]
    peers: tuple[PeerReport, ...] = ()
    hosts: tuple[HostState, ...] = ()
    units: tuple[Unit, ...] = ()
    stats: tuple[UnitStats, ...] = ()
    actions: tuple[ActionRun, ...] = ()
    """Those that run, and the last few that ended, the newest last."""


class Snapshot(Wire):
    """The first event, and every one after a gap."""

    kind: Literal["snapshot"] = "snapshot"
    protocol: int = PROTOCOL
    sequence: int
    status: StatusReport


class Delta(Wire):
    """What changed since the event before; ages follow from `at`."""

    kind: Literal["delta"] = "delta"
    sequence: int
    at: str
    backlog: int | None
    lag_seconds: float | None
    dead_letters: int | None
    engine: EngineReport | None = None
    sensors: tuple[SensorReport, ...] = ()
    gone: tuple[str, ...] = ()
    """Keys (`SensorReport.key`) of sensors that are no more."""
    peers: tuple[PeerReport, ...] | None = None
    """All of them where one has changed."""
    hosts: tuple[HostState, ...] | None = None
    """All of them where one has changed."""
    units: tuple[Unit, ...] = ()
    units_gone: tuple[str, ...] = ()
    stats: tuple[UnitStats, ...] = ()
    actions: tuple[ActionRun, ...] | None = None
    """All of them where one has changed."""


class Heartbeat(Wire):
    """Nothing changed, and the connection is alive."""

    kind: Literal["heartbeat"] = "heartbeat"
    sequence: int
    at: str


class Goodbye(Wire):
    """The service stops; there will be no more events."""

    kind: Literal["goodbye"] = "goodbye"
    sequence: int


Event = Annotated[Snapshot | Delta | Heartbeat | Goodbye, Field(discriminator="kind")]


class Problem(Wire):
    """Why a request is not answered; `title` is the kind of error, `fix` what to do."""

    error: str
    fix: str = ""
    title: str = "Service"
    exit_code: int = ExitCode.SINK
    protocol: int = PROTOCOL
    version: str = ""


class HealthReport(Wire):
    """Whether readings flow."""

    ok: bool
    state: EngineState
    reason: str
    version: str


def sensor_key(sensor_id: str | None, city: str | None, source: str) -> str:
    """Key of a sensor: its id and city, or its file while its id is not known."""
    return f"\x00{source}" if sensor_id is None else f"{sensor_id}\x00{city or ''}"

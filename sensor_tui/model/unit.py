"""What runs: units, the hosts they run on, what they use and what they say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a unit is for."""

    SENSOR = "sensor"
    UPLOADER = "uploader"
    SERVICE = "service"
    OTHER = "other"


class UnitState(StrEnum):
    """What a unit is doing, as its runtime says."""

    CREATED = "created"
    """Known, and never started."""
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """Ended by itself; will be started again after a pause."""
    STOPPED = "stopped"
    """Ended because it was asked to, or with exit code 0."""
    FAILED = "failed"
    """Ended by itself and is not started again."""
    UNKNOWN = "unknown"
    """The runtime cannot be asked; what else is said is from the last time it could."""

    @property
    def up(self) -> bool:
        """Whether there is a process."""
        return self in {self.STARTING, self.RUNNING, self.PAUSED, self.STOPPING}


class Health(StrEnum):
    """What a unit's own health check says."""

    NONE = "none"
    """It has no health check."""
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


def unit_id(host: str, runtime: str, name: str) -> str:
    """Identity of a unit, stable across restarts: `host/runtime/name`."""
    return f"{host}/{runtime}/{name}"


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that runs or could. Times in seconds since the epoch; all text is as others wrote it."""

    id: str
    host: str
    runtime: str
    """`process` or `docker`."""
    name: str
    role: Role
    state: UnitState
    health: Health = Health.NONE
    container: str = ""
    """Name of its container on the host's engine, where that is another."""
    reason: str = ""
    """Why it is in this state, where there is more to say: how it ended, when it is started again."""
    exit_code: int | None = None
    """Of its last end; negative is a signal."""
    pid: int | None = None
    started_at: float | None = None
    """Of the present run, None where it is not up."""
    restarts: int = 0
    """By itself, since it was last started on purpose."""
    city: str | None = None
    project: str | None = None
    sensor_id: str | None = None
    data: str | None = None
    """Its data folder or file, relative to the data root."""
    image: str | None = None
    """`name:tag`; None for a process."""
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    """Secrets are masked where this is made."""
    mounts: tuple[str, ...] = ()
    """`source -> target`."""
    ports: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitStats:
    """What a unit used when it was last looked at."""

    unit: str
    """Its id."""
    at: float
    cpu_percent: float | None
    """Of one core since the look before; None on the first look."""
    memory_bytes: int | None
    """Without what the kernel can take back at once."""
    memory_limit: int | None = None


@dataclass(frozen=True, slots=True)
class HostState:
    """One place where a runtime was looked for."""

    host: str
    runtime: str
    reachable: bool
    reason: str = ""
    """Why it is not reachable, and what to do."""
    version: str = ""
    units: int = 0
    seen: float | None = None
    """When it last answered, in seconds since the epoch."""
    address: str = ""
    """Where the docker command finds it (`unix://`, `ssh://`, `tcp://`); empty for the usual place."""
    certificates: str = ""
    """Folder with the `ca.pem`, `cert.pem` and `key.pem` for it, where it wants TLS."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a unit wrote, without its end; `text` is hostile until shown as plain text."""

    unit: str
    """Its id."""
    at: float | None
    """Seconds since the epoch; None where nobody knows."""
    text: str
    stream: str = "out"
    """`out`, `err`, or `note` for what the reader itself has to say (lines skipped, log rotated)."""


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """What a process unit is: everything needed to start it, and to start it again the same way."""

    name: str
    """Lower-case letters, digits and `-`; unique on its host."""
    command: tuple[str, ...]
    role: Role = Role.SENSOR
    cwd: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the little of the service's own environment that a unit gets."""
    city: str | None = None
    project: str | None = None
    sensor_id: str | None = None
    data: str | None = None
    """Its data folder or file, relative to the data root."""
    restart: bool = True
    """Whether it is started again when it ends by itself."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitEvent:
    """Something changed; look at the unit again. `unit` None means all of the runtime's units."""

    unit: str | None
    kind: str
    at: float

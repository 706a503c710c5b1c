"""What an engine says of a container (`GET /containers/{id}/json`), as a unit."""

import os
import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sensor_tui.fleet import labels
from sensor_tui.fleet.docker_errors import one_line
from sensor_tui.fleet.process_spec import MASK, masked_command, masked_environment
from sensor_tui.model.unit import Health, Role, Unit, UnitState, unit_id

RUNTIME: Final = "docker"
DATA_MOUNT: Final = "/app/data"
"""Where the images, ours and upstream's, have their data."""

_SIGNALLED: Final = 128
_LONGEST: Final = 160
_ALWAYS: Final = frozenset({"always", "unless-stopped"})
_KEY: Final = re.compile(
    r"[A-Za-z0-9+/]{40,}={1,2}(?![A-Za-z0-9])"
    r"|(?=[\w+-]*[A-Z])(?=[\w+-]*[a-z])(?=[\w+-]*[0-9])(?<![\w/.+-])[A-Za-z0-9_+-]{40,}(?![\w/.+-])"
    r"|(?<=AccountKey=)[^;&\s]+|(?<=SharedAccessKey=)[^;&\s]+|(?<=[?&]sig=)[^;&\s]+"
)
"""Text that is a key by its looks, wherever it stands: long, and a mixture of letters and digits."""
_OTHERS: Final = {
    "created": (UnitState.CREATED, ""),
    "paused": (UnitState.PAUSED, "paused; start lets it go on"),
    "removing": (UnitState.STOPPING, "is being removed"),
    "dead": (UnitState.FAILED, "dead: Docker could not remove all of it; remove it again"),
}


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it was last looked at."""

    id: str
    unit: Unit
    tty: bool = False
    memory_limit: int | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 0.0
    """How long its definition gives it to end."""

    @property
    def name(self) -> str:
        """The name it has on its engine."""
        return self.unit.container or self.unit.name


@dataclass(frozen=True, slots=True)
class History:
    """What only events tell: whether its end was asked for, and with what code it ended before this run."""

    asked: bool = False
    exit_code: int | None = None
    seen: bool = False
    """Whether the end of this run was seen, so that nobody can have asked for it unnoticed."""


def is_ours(names: Mapping[str, Any], project: str) -> bool:
    """Whether labels, or the attributes of an event, say that it belongs to the project."""
    return project in (names.get(labels.PROJECT), names.get(labels.COMPOSE_PROJECT))


def container_of(
    facts: Mapping[str, Any], host: str, *, data_root: Path | None, history: History = History()
) -> Container:
    """The container an inspection tells of; `data_root` only where mounts are of this machine.

    Raises:
        ValueError: it is no inspection.
    """
    try:
        config, state = facts["Config"], facts["State"]
        return Container(
            id=_text(facts["Id"]),
            unit=_unit(facts, config, state, host, data_root, history),
            tty=config.get("Tty") is True,
            memory_limit=facts.get("HostConfig", {}).get("Memory") or None,
            stop_signal=_signal(config.get("StopSignal")),
            stop_seconds=float(config.get("StopTimeout") or 0.0),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"what the engine says of a container makes no sense: {error!r}") from error


def time_of(text: object) -> float | None:
    """Seconds since the epoch of an engine's time; None where it is its zero, or none."""
    try:
        at = datetime.fromisoformat(str(text))
        return at.timestamp() if at.year > 1 else None
    except (ValueError, OverflowError, OSError):
        return None


def how_ended(code: int) -> str:
    """An exit code in words; codes above 128 are those of signals."""
    try:
        name = f" ({signal.Signals(code - _SIGNALLED).name})" if code > _SIGNALLED else ""
    except ValueError:
        name = ""
    return f"ended with exit code {code}{name}"


def _unit(
    facts: Mapping[str, Any],
    config: Mapping[str, Any],
    state: Mapping[str, Any],
    host: str,
    data_root: Path | None,
    history: History,
) -> Unit:
    container = _text(facts["Name"]).removeprefix("/")
    tags = {_text(key): _text(value) for key, value in (config.get("Labels") or {}).items()}
    variables = dict(_variable(each) for each in config.get("Env") or ())
    how, reason = _state(facts, state, history)
    role = _role(tags, variables, _text(config.get("Image", "")))
    mounts = facts.get("Mounts") or ()
    sensor = tags.get(labels.SENSOR) or variables.get("SENSOR_ID") or None
    name = _service(tags) or container
    return Unit(
        id=unit_id(host, RUNTIME, name),
        host=host,
        runtime=RUNTIME,
        name=name,
        container="" if container == name else container,
        role=role,
        state=how,
        health=_health(state) if how is UnitState.RUNNING else Health.NONE,
        reason=reason,
        exit_code=_exit_code(state, how, history),
        pid=state.get("Pid") or None,
        started_at=time_of(state.get("StartedAt")) if how.up else None,
        restarts=int(facts.get("RestartCount") or 0),
        city=tags.get(labels.CITY) or variables.get("SENSOR_LOCATION") or None,
        project=tags.get(labels.PROJECT) or tags.get(labels.COMPOSE_PROJECT) or None,
        sensor_id=sensor if role is Role.SENSOR else tags.get(labels.SENSOR) or None,
        data=_data(mounts, data_root, tags),
        image=_text(config.get("Image", "")) or None,
        command=tuple(_KEY.sub(MASK, each) for each in masked_command(_command(facts))),
        environment=_masked(variables),
        mounts=tuple(_mount(each) for each in mounts),
        ports=_ports(facts.get("NetworkSettings", {}).get("Ports") or {}),
        labels=_masked(tags),
    )


def _text(value: object) -> str:
    """Text that can be encoded again, whatever came."""
    return str(value).encode("utf-8", "replace").decode()


def _service(tags: Mapping[str, str]) -> str:
    """What Compose, and so operators, call it within its project; empty where it is not made by Compose.

    Compose names containers after the project as well, 1.29 otherwise than version 2.
    """
    service = tags.get(labels.COMPOSE_SERVICE, "")
    if not service or tags.get(labels.COMPOSE_ONEOFF, "").lower() == "true":
        return ""
    number = tags.get(labels.COMPOSE_NUMBER, "1")
    return service if number == "1" else f"{service}-{number}"


def _variable(entry: object) -> tuple[str, str]:
    name, _, value = _text(entry).partition("=")
    return name, value


def _masked(values: Mapping[str, str]) -> dict[str, str]:
    return {name: _KEY.sub(MASK, value) for name, value in masked_environment(values).items()}


def _command(facts: Mapping[str, Any]) -> list[str]:
    return [_text(each) for each in (facts.get("Path", ""), *(facts.get("Args") or ()))]


def _state(facts: Mapping[str, Any], state: Mapping[str, Any], history: History) -> tuple[UnitState, str]:
    """State, and what there is to say about it."""
    status, code = state.get("Status"), int(state.get("ExitCode") or 0)
    error = _KEY.sub(MASK, one_line(state.get("Error") or "", longest=_LONGEST))
    if status == "exited":
        return _exited(facts, state, code, error, history)
    if status == "running":
        return UnitState.RUNNING, _sickness(state)
    if status == "restarting":
        return UnitState.BACKOFF, f"{error or _ended(state, code)}; is started again by Docker"
    if status == "created" and error:
        return UnitState.FAILED, error
    unknown = UnitState.UNKNOWN, f"a state of its own: {one_line(status, longest=40)}"
    return _OTHERS.get(str(status), unknown)


def _exited(
    facts: Mapping[str, Any], state: Mapping[str, Any], code: int, error: str, history: History
) -> tuple[UnitState, str]:
    if error:
        return UnitState.FAILED, error
    ended = _ended(state, code)
    if state.get("OOMKilled") is True and not history.asked:
        return UnitState.FAILED, ended
    policy = facts.get("HostConfig", {}).get("RestartPolicy", {}).get("Name")
    # Docker starts these again unless somebody stopped them; where events were missed, that is the sign.
    stopped = history.asked or (not history.seen and policy in _ALWAYS)
    return (UnitState.STOPPED if stopped or code == 0 else UnitState.FAILED), ended


def _ended(state: Mapping[str, Any], code: int) -> str:
    if state.get("OOMKilled") is True:
        return f"killed: out of memory (exit code {code})"
    return how_ended(code)


def _exit_code(state: Mapping[str, Any], how: UnitState, history: History) -> int | None:
    if how.up:
        return history.exit_code
    if how is UnitState.CREATED:
        return None
    return int(state.get("ExitCode") or 0)


def _health(state: Mapping[str, Any]) -> Health:
    try:
        return Health((state.get("Health") or {}).get("Status") or "none")
    except ValueError:
        return Health.NONE


def _sickness(state: Mapping[str, Any]) -> str:
    """What the last health check said, where it failed."""
    health = state.get("Health") or {}
    if health.get("Status") != "unhealthy":
        return ""
    log = health.get("Log") or [{}]
    output = _KEY.sub(MASK, one_line(log[-1].get("Output") or "", longest=_LONGEST))
    return f"its health check fails: {output}" if output else "its health check fails"


def _role(tags: Mapping[str, str], variables: Mapping[str, str], image: str) -> Role:
    said = tags.get(labels.ROLE)
    if said in {Role.SENSOR, Role.UPLOADER, Role.SERVICE}:
        return Role(said)
    for word in (tags.get(labels.COMPOSE_SERVICE, ""), image.rpartition("/")[2]):
        for sign, role in (("uploader", Role.UPLOADER), ("sensor", Role.SENSOR)):
            if sign in word:
                return role
    return Role.SENSOR if variables.get("SENSOR_ID") else Role.OTHER


def _relative(data: str | None) -> str | None:
    """A label's data folder, where it is inside the data root."""
    path = PurePosixPath(data or "")
    inside = path.parts and not path.is_absolute() and ".." not in path.parts and "\0" not in str(path)
    return str(path) if inside else None


def _data(mounts: Sequence[Mapping[str, Any]], data_root: Path | None, tags: Mapping[str, str]) -> str | None:
    """Its data folder below the data root; None where what is mounted lies elsewhere."""
    if data_root is None:
        return None
    if any(mount.get("Type") == "bind" and mount.get("Destination") == DATA_MOUNT for mount in mounts):
        return _mounted(mounts, data_root)
    return _relative(tags.get(labels.DATA))


def _mounted(mounts: Sequence[Mapping[str, Any]], data_root: Path) -> str | None:
    """The data folder that is really mounted, relative to the data root."""
    for mount in mounts:
        if mount.get("Type") == "bind" and mount.get("Destination") == DATA_MOUNT:
            source = os.path.normpath(_text(mount.get("Source", "")))
            for root in dict.fromkeys((os.path.abspath(data_root), os.path.realpath(data_root))):  # noqa: PTH100 - text
                if source.startswith(f"{root}{os.sep}"):
                    return source[len(root) + 1 :]
    return None


def _mount(mount: Mapping[str, Any]) -> str:
    source = mount.get("Name") if mount.get("Type") == "volume" else mount.get("Source")
    read_only = "" if mount.get("RW", True) else " (read-only)"
    return _text(f"{source or mount.get('Type', '')} -> {mount.get('Destination', '')}{read_only}")


def _ports(ports: Mapping[str, Any]) -> tuple[str, ...]:
    shown = []
    for inside, outside in ports.items():
        for each in outside or ():
            address = each.get("HostIp") or "0.0.0.0"  # noqa: S104 - what it stands for
            address = f"[{address}]" if ":" in address else address
            shown.append(_text(f"{address}:{each.get('HostPort')}->{inside}"))
        if not outside:
            shown.append(_text(inside))
    return tuple(shown)


def _signal(name: object) -> int:
    """Number of a stop signal, as `SIGTERM`, `TERM` or `15`."""
    text = str(name or "SIGTERM").upper()
    if text.isdecimal():
        return int(text)
    try:
        return signal.Signals[text if text.startswith("SIG") else f"SIG{text}"]
    except KeyError:
        return signal.SIGTERM

"""The compose file of a fleet: one service for each sensor, and one for each city's uploader if asked.

It holds what docker-compose 1.29, Compose v2 and `docker stack deploy` (schema 3.8) all take: no top-level
`name`, limits under `deploy`, mounts in their long form.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sensor_tui.fleet import labels
from sensor_tui.fleet.compose_file import sealed
from sensor_tui.fleet.compose_yaml import Value, to_yaml
from sensor_tui.fleet.images import HEALTH_COMMAND, SENSOR_COMMAND
from sensor_tui.fleet.spec import FleetSpec, Images, SensorUnit, UploaderUnit
from sensor_tui.model.unit import Role

DATA: Final = "/app/data"
ARCHIVE: Final = "/app/archive"
SENSOR_CONFIG: Final = "/app/config/sensor-config.yaml"
UPLOADER_CONFIG: Final = "/app/config/cosmos-config.yaml"
CA_FILE: Final = "/app/config/ca.pem"

_SCHEMA: Final = "3.8"
"""Newest of `docker stack deploy` that has every key used here; Compose v2 ignores it."""
_TEMPORARY_BYTES: Final = 16 * 1024 * 1024
_HEALTH_INTERVAL: Final = "15s"
"""Each look costs the engine some 80 ms of CPU; the first one is an interval after the start."""
_SENSOR_GRACE: Final = "10s"
_UPLOADER_GRACE: Final = "40s"
"""A drain takes up to 30 s."""


def render(spec: FleetSpec) -> str:
    """The whole text, the same byte for byte for the same fleet."""
    services: dict[str, Value] = {unit.name: _sensor(spec, unit) for unit in spec.sensors}
    services |= {unit.name: _uploader(spec, unit) for unit in spec.uploaders}
    return sealed(_head(spec), to_yaml({"version": _SCHEMA, "services": services}))


def variables(spec: FleetSpec) -> tuple[str, ...]:
    """Names of the uploaders' variables whose values Compose takes from its own environment.

    What an uploader is told by value is none of them, though the file it reads may refer to it.
    """
    told = _told(spec, spec.uploaders[0]) if spec.uploaders else {}
    return tuple(name for name in spec.references if name not in told)


def _head(spec: FleetSpec) -> list[str]:
    sensors, cities = _count(spec.sensors, "sensor"), _count(spec.cities, "city")
    head = [
        f"Project {spec.project}: {sensors} in {cities}, {_count(spec.uploaders, 'uploader')}.",
        "'sensor-tui start' with the same options makes the folders it needs, and starts it.",
    ]
    if variables(spec):
        head.append("Variables without a value get theirs from the environment of Compose, or from .env.")
    return head


def _count(things: Sequence[object], noun: str) -> str:
    if len(things) == 1:
        return f"1 {noun}"
    return f"{len(things) or 'no'} {noun.removesuffix('y')}{'ies' if noun.endswith('y') else 's'}"


def _sensor(spec: FleetSpec, unit: SensorUnit) -> Mapping[str, Value]:
    own = Images.own(spec.images.sensor)
    environment = {
        "SENSOR_ID": unit.sensor_id,
        "SENSOR_LOCATION": unit.city.name,
        "SENSOR_LATITUDE": f"{unit.city.latitude:.6f}",
        "SENSOR_LONGITUDE": f"{unit.city.longitude:.6f}",
        **({"SENSOR_TIME_ZONE": unit.city.time_zone} if unit.city.time_zone else {}),
        "SENSOR_SEED": str(spec.seed),
        "READINGS_PER_SECOND": f"{spec.readings_per_second:.12g}",
        "ANOMALY_PROBABILITY": f"{spec.anomaly_probability:.12g}",
        # without it the earlier system's sensor empties its database at every start
        "PRESERVE_EXISTING_DB": "true",
    }
    mounts = [_bind(spec.data_root / unit.data, DATA)]
    if spec.sensor_config is not None:
        environment["CONFIG_FILE"] = SENSOR_CONFIG
        mounts.append(_bind(spec.sensor_config, SENSOR_CONFIG, read_only=True))
    return {
        "image": _text(spec.images.sensor),
        **({"command": list(SENSOR_COMMAND)} if own else {}),
        **_common(spec, own=own, grace=_SENSOR_GRACE),
        "environment": _environment(environment, own=own),
        "labels": {
            **_labels(spec, Role.SENSOR, unit.city.name, unit.data),
            labels.SENSOR: _text(unit.sensor_id),
        },
        "volumes": [*mounts, _temporary()],
    }


def _uploader(spec: FleetSpec, unit: UploaderUnit) -> Mapping[str, Value]:
    image = spec.images.uploader
    assert image is not None
    interval = _interval(spec)
    mounts = [_bind(spec.data_root / unit.data, DATA), _bind(spec.archive_root / unit.data, ARCHIVE)]
    command = ["--sqlite", DATA, "--continuous", "--interval", interval, "--archive-path", ARCHIVE]
    if spec.uploader_config is not None:
        command = ["--config", UPLOADER_CONFIG, *command]
        mounts.append(_bind(spec.uploader_config, UPLOADER_CONFIG, read_only=True))
    if spec.ca_file is not None:
        mounts.append(_bind(spec.ca_file, CA_FILE, read_only=True))
    return {
        "image": _text(image),
        "command": command,
        **_common(spec, own=Images.own(image), grace=_UPLOADER_GRACE),
        "environment": {**_told(spec, unit), **dict.fromkeys(variables(spec))},
        "labels": _labels(spec, Role.UPLOADER, unit.city.name, unit.data),
        "volumes": [*mounts, _temporary()],
    }


def _told(spec: FleetSpec, unit: UploaderUnit) -> dict[str, Value]:
    """Variables of an uploader by value; their names are the same in every city."""
    assert spec.images.uploader is not None
    own = Images.own(spec.images.uploader)
    environment = {
        **spec.environment,
        "REGION": unit.city.name,
        "UPLOAD_INTERVAL": _interval(spec),
        "ARCHIVE_FORMAT": spec.archive_format,
    }
    if spec.ca_file is not None:
        environment["SENSOR_TUI__COSMOS__CONNECTION__CA_FILE"] = CA_FILE
    if own:
        # a state folder of the configuration is one of the host, and unknown in there
        environment["SENSOR_TUI__STATE_DIR"] = f"{DATA}/.sensor-tui"
    return _environment(environment, own=own)


def _interval(spec: FleetSpec) -> str:
    return f"{spec.upload_interval:.12g}"


def _common(spec: FleetSpec, *, own: bool, grace: str) -> dict[str, Value]:
    """What every container has; of an image that is not ours it is unknown where it writes and how it is."""
    ours: dict[str, Value] = {
        "read_only": True,
        "healthcheck": {
            "test": list(HEALTH_COMMAND),
            "interval": _HEALTH_INTERVAL,
            "timeout": "5s",
            "retries": 3,
            "start_period": "30s",
        },
    }
    return {
        "user": spec.user,
        "init": True,
        "restart": "unless-stopped",
        "stop_grace_period": grace,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        **(ours if own else {}),
        "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "3"}},
        "deploy": {"resources": {"limits": {"cpus": f"{spec.cpus:.12g}", "memory": spec.memory}}},
    }


def _environment(values: Mapping[str, str], *, own: bool) -> dict[str, Value]:
    # without a home of its own a program may want to write to /
    home = {} if own else {"HOME": "/tmp"}  # noqa: S108 - the container's own, on a tmpfs
    return {name: _text(value) for name, value in {**home, **values}.items()}


def _labels(spec: FleetSpec, role: Role, city: str, data: str) -> dict[str, Value]:
    return {
        labels.PROJECT: spec.project,
        labels.ROLE: role.value,
        labels.CITY: _text(city),
        labels.DATA: _text(data),
    }


def _bind(source: Path, target: str, *, read_only: bool = False) -> Value:
    mount: dict[str, Value] = {"type": "bind", "source": _text(str(source)), "target": target}
    return mount | ({"read_only": True} if read_only else {})


def _temporary() -> Value:
    return {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": _TEMPORARY_BYTES}}  # noqa: S108 - as above


def _text(value: str) -> str:
    """A value that Compose leaves as it is: it takes `$` for the beginning of a variable."""
    return value.replace("$", "$$")

"""The environment variables sensors in the field are run with, laid over a configuration."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensor_tui.errors import ConfigError
from sensor_tui.simulator.checked_yaml import Location, checked, read_yaml
from sensor_tui.simulator.config import SensorConfig, SensorSection, load_sensor_config, moved_to

log = logging.getLogger(__name__)

_KEYS = {
    "SENSOR_ID": ("sensor", "id"),
    "SENSOR_LATITUDE": ("sensor", "latitude"),
    "SENSOR_LONGITUDE": ("sensor", "longitude"),
    "READINGS_PER_SECOND": ("simulation", "readings_per_second"),
    "ANOMALY_PROBABILITY": ("anomalies", "probability"),
    "SENSOR_TIME_ZONE": ("sensor", "time_zone"),
    "SENSOR_SEED": ("simulation", "seed"),
    "LOG_LEVEL": ("logging", "level"),
    "PRESERVE_EXISTING_DB": ("database", "preserve_existing_db"),
    "SENSOR_WAL": ("database", "wal"),
}
_NO_USE = ("MONITORING_ENABLED", "MONITORING_PORT")

# The nested form of an identity file, and where each of its keys belongs in `sensor`.
_NESTED: dict[Location, str] = {
    ("sensor_id",): "id",
    ("sensor_type",): "type",
    ("timezone",): "time_zone",
    ("location", "city"): "city",
    ("location", "latitude"): "latitude",
    ("location", "longitude"): "longitude",
    ("location", "coordinates", "latitude"): "latitude",
    ("location", "coordinates", "longitude"): "longitude",
    ("location", "timezone"): "time_zone",
    ("location", "time_zone"): "time_zone",
    ("device_info", "manufacturer"): "manufacturer",
    ("device_info", "model"): "model",
    ("device_info", "firmware_version"): "firmware_version",
    ("device_info", "serial_number"): "serial_number",
    ("device_info", "manufacture_date"): "manufacture_date",
}


def from_environment(env: Mapping[str, str], *, base: SensorConfig | None = None) -> SensorConfig:
    """`base` with the variables of `env` over it; an empty variable counts as unset.

    Without `base`, CONFIG_FILE names the file underneath. IDENTITY_FILE goes over that, the other
    variables over both. Raises ConfigError naming the variable, or file, key and line.
    """
    config = base
    if config is None:
        config = load_sensor_config(Path(env["CONFIG_FILE"])) if env.get("CONFIG_FILE") else SensorConfig()
    if env.get("IDENTITY_FILE"):
        path = Path(env["IDENTITY_FILE"])
        config = config.changed(str(path), {"sensor": load_identity(path)})
    for name in _NO_USE:
        if env.get(name):
            log.info("%s has no use here: a simulated sensor serves no port", name)
    if env.get("SENSOR_LOCATION"):
        config = config.changed("environment SENSOR_LOCATION", {"sensor": moved_to(env["SENSOR_LOCATION"])})
    if env.get("SENSOR_INTERVAL"):
        rate = _rate_of(env["SENSOR_INTERVAL"])
        config = config.changed("environment SENSOR_INTERVAL", {"simulation": {"readings_per_second": rate}})
    return _overlaid(config, env)


def load_identity(path: Path) -> dict[str, Any]:
    """The keys of `sensor` that an identity file gives, YAML or JSON, flat or in sections.

    Raises ConfigError naming file, key and line.
    """
    values, lines = read_yaml(path)
    for nested, flat in _NESTED.items():
        inner: Any = values
        for part in nested[:-1]:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and nested[-1] in inner:
            values[flat] = inner.pop(nested[-1])
            lines[(flat,)] = lines[nested]
    for emptied in (("location", "coordinates"), ("location",), ("device_info",)):
        _drop_if_empty(values, emptied)
    deployment = values.get("deployment")
    if isinstance(deployment, dict) and "deployment_type" in deployment:
        deployment["type"] = deployment.pop("deployment_type")
        lines["deployment", "type"] = lines["deployment", "deployment_type"]
    return checked(values, SensorSection, source=str(path), lines=lines).model_dump(exclude_unset=True)


def _drop_if_empty(values: dict[str, Any], at: tuple[str, ...]) -> None:
    inner: Any = values
    for part in at[:-1]:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if isinstance(inner, dict) and inner.get(at[-1]) == {}:
        del inner[at[-1]]


def _rate_of(interval: str) -> float:
    try:
        seconds = float(interval)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(
            f"environment SENSOR_INTERVAL: {interval!r} is not a number of seconds",
            fix="Give the seconds between two readings, or 0 for as fast as it can",
        )
    return 1 / seconds if seconds else 0.0


def _overlaid(config: SensorConfig, env: Mapping[str, str]) -> SensorConfig:
    given = {name: env[name] for name in _KEYS if env.get(name)}
    # Coordinates are valid together only; the others are set one by one, to name the culprit.
    pair = {name: given.pop(name) for name in ("SENSOR_LATITUDE", "SENSOR_LONGITUDE") if name in given}
    for group in ([pair] if pair else []) + [{name: value} for name, value in given.items()]:
        changes: dict[str, dict[str, Any]] = {}
        for name, value in group.items():
            section, key = _KEYS[name]
            changes.setdefault(section, {})[key] = value
        config = config.changed(f"environment {' and '.join(group)}", changes)
    return config

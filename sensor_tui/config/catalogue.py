"""The names a configuration may use: the schema's own, other names for them, and those without use here."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from sensor_tui.config.schema import City, ConnectionSettings, PerformanceSettings, Settings
from sensor_tui.config.values import folded, suggestion

NESTED_PREFIX: Final = "SENSOR_TUI__"

ENVIRONMENT: Final[dict[str, str]] = {
    "COSMOS_ENDPOINT": "cosmos.endpoint",
    "COSMOS_KEY": "cosmos.key",
    "COSMOS_KEY_FILE": "cosmos.key_file",
    "COSMOS_CONNECTION_STRING": "cosmos.connection_string",
    "COSMOS_AUTH": "cosmos.auth",
    "COSMOS_DATABASE": "cosmos.database",
    "COSMOS_CONTAINER": "cosmos.container",
    "COSMOS_PARTITION_KEY": "cosmos.partition_key",
    "UPLOAD_INTERVAL": "performance.upload_interval_seconds",
    "LOG_LEVEL": "logging.level",
    "ARCHIVE_FORMAT": "archive.format",
    "SENSORS_PER_CITY": "fleet.sensors_per_city",
    "MAX_CITIES": "fleet.max_cities",
    "READINGS_PER_SECOND": "fleet.readings_per_second",
    "ANOMALY_PROBABILITY": "fleet.anomaly_probability",
    "UPLOADER_TAG": "fleet.uploader_tag",
    "REGION": "region",
    "SENSOR_TUI_THEME": "dashboard.theme",
    "SENSOR_TUI_LOW_BANDWIDTH": "dashboard.low_bandwidth",
    "SENSOR_TUI_READ_ONLY": "dashboard.read_only",
    "NO_COLOR": "no_color",
    "NO_COLORS": "no_color",
}
"""Short names of environment variables; every key has its nested name as well."""

SWITCHES: Final = frozenset({"NO_COLOR", "NO_COLORS"})
"""Variables that count as true whatever they hold."""

OPTIONS: Final[dict[str, str]] = {
    "interval": "performance.upload_interval_seconds",
    "upload_interval": "performance.upload_interval_seconds",
}
"""Names of options that differ from their key, the strongest first."""

OLDER_INTERVAL: Final = "performance.sleep_interval"
INTERVAL: Final = "performance.upload_interval_seconds"
CONNECTION_STRING: Final = "cosmos.connection_string"
STAGE_SWITCHES: Final = ("schematize", "sanitize", "aggregate")
"""The older form of `processing.processors`, each needing the one before."""

IDENTITY: Final = frozenset({"cosmos.endpoint", "cosmos.key", "cosmos.database", "cosmos.container"})
"""Keys that say where readings go: two different values for one of them are refused, never chosen from."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A key that holds a value."""

    key: str
    field: FieldInfo
    secret: bool = False
    path: bool = False
    sequence: bool = False
    mapping: bool = False


@dataclass(frozen=True, slots=True)
class Retired:
    """A key of the earlier uploader without use here; the values in `quiet` ask for what happens anyway."""

    instead: str
    quiet: frozenset[str] = frozenset()


TRUE: Final = frozenset({"true", "yes", "on", "1", "t", "y"})
FALSE: Final = frozenset({"false", "no", "off", "0", "f", "n"})
"""What pydantic takes for true and false, in lower case."""

_RETIRED_CONNECTION: Final[dict[str, Retired]] = {
    "mode": Retired(
        "Direct mode is replaced by HTTPS on port 443; ports 10250 to 10255 are not needed",
        frozenset({"gateway"}),
    ),
    "protocol": Retired("the protocol is always HTTPS on port 443", frozenset({"https"})),
    "bulk_execution": Retired("bulk is used wherever the account allows it", TRUE),
}

RETIRED: Final[dict[str, Retired]] = {
    "cosmos.resource_group": Retired("the endpoint and a key, or cosmos.auth: aad, are all that is needed"),
    **{f"cosmos.connection.{name}": retired for name, retired in _RETIRED_CONNECTION.items()},
    **{f"cosmos.performance.{name}": retired for name, retired in _RETIRED_CONNECTION.items()},
}

REMARKS: Final[dict[str, str]] = {
    "performance.autoscale": (
        "used when the container is created here; a serverless account has no throughput to scale"
    ),
    "performance.disable_indexing_during_bulk": (
        "the indexing policy is never changed; performance.max_ru_per_second holds the cost down"
    ),
}
"""Keys whose `true` deserves a word about what happens."""

_CONNECTION_ALIASES: Final = {
    "max_retry_wait_time_in_seconds": "max_retry_wait_time",
    "retry_total": "max_retry_attempts",
    "retry_backoff_max": "max_retry_wait_time",
}


def _alias_table() -> Iterator[tuple[str, str]]:
    yield "cosmos.database_name", "cosmos.database"
    yield "cosmos.container_name", "cosmos.container"
    for other, name in _CONNECTION_ALIASES.items():
        yield f"cosmos.connection.{other}", f"cosmos.connection.{name}"
        yield f"cosmos.performance.{other}", f"cosmos.connection.{name}"
    for name in ConnectionSettings.model_fields:
        yield f"cosmos.performance.{name}", f"cosmos.connection.{name}"
    for name in PerformanceSettings.model_fields:
        yield f"cosmos.performance.{name}", f"performance.{name}"
    yield "cosmos.performance.sleep_interval", OLDER_INTERVAL


ALIASES: Final[dict[str, str]] = dict(_alias_table())
"""Other names for a key, as they are found in the field."""


def _parts(annotation: Any) -> Iterator[Any]:
    """The classes an annotation is made of, without `Annotated`, `Optional` and element types."""
    origin = get_origin(annotation)
    if origin in {Union, types.UnionType}:
        for part in get_args(annotation):
            yield from _parts(part)
    else:
        yield origin or annotation


def section_class(field: FieldInfo) -> type[BaseModel] | None:
    """The model behind a key that holds a mapping."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _walk(model: type[BaseModel], prefix: str) -> Iterator[Leaf | str]:
    for name, field in model.model_fields.items():
        key = prefix + name
        section = section_class(field)
        if section is not None:
            yield key
            yield from _walk(section, key + ".")
            continue
        kinds = set(_parts(field.annotation))
        yield Leaf(
            key,
            field,
            secret=SecretStr in kinds,
            path=Path in kinds,
            sequence=tuple in kinds,
            mapping=dict in kinds,
        )


@cache
def leaves() -> dict[str, Leaf]:
    """Every key of the schema that holds a value, in the schema's order."""
    return {leaf.key: leaf for leaf in _walk(Settings, "") if isinstance(leaf, Leaf)}


@cache
def inputs() -> dict[str, Leaf]:
    """Keys that are understood and become other keys on the way."""
    older = [Leaf(OLDER_INTERVAL, leaves()[INTERVAL].field)]
    stages = [Leaf(f"processing.{name}", leaves()["no_color"].field) for name in STAGE_SWITCHES]
    string = [Leaf(CONNECTION_STRING, leaves()["cosmos.key"].field, secret=True)]
    return {leaf.key: leaf for leaf in (*older, *stages, *string)}


@cache
def sections() -> frozenset[str]:
    """Every key that holds a mapping; the file itself is the empty name."""
    return frozenset(
        {"", "cosmos.performance", *(key for key in _walk(Settings, "") if isinstance(key, str))}
    )


@cache
def city_keys() -> tuple[str, ...]:
    """Keys of one city."""
    return tuple(City.model_fields)


def canonical(key: str) -> str:
    """The schema's own name for a key."""
    return ALIASES.get(key, key)


def leaf(key: str) -> Leaf | None:
    """What holds the value of a key, by any of its names."""
    name = canonical(key)
    return leaves().get(name) or inputs().get(name)


@cache
def names(section: str) -> tuple[str, ...]:
    """Names that may stand in a section, other names included."""
    every = (*leaves(), *inputs(), *sections(), *ALIASES, *RETIRED)
    here = {key for key in every if key and key.rpartition(".")[0] == section}
    return tuple(sorted(key.rpartition(".")[2] for key in here))


def environment_name(key: str) -> str:
    """The nested environment variable of a key."""
    return NESTED_PREFIX + key.upper().replace(".", "__")


def nearest(section: str, given: str) -> str:
    """The name meant by an unknown one, or an empty text.

    A near name of its section comes back bare, the same name of another section dotted.
    """
    here = names(section)
    same = [name for name in here if folded(name) == folded(given)]
    elsewhere = [key for key in leaves() if folded(key.rpartition(".")[2]) == folded(given)]
    return next(iter((*same, *elsewhere)), "") or suggestion(given, here)

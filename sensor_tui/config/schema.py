"""The one schema: every key of the configuration with its type, default and meaning."""

import re
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sensor_tui.config import values
from sensor_tui.config.values import ArchiveFormat, LevelName, ProcessorName

LAYERS: Final[ContextVar[tuple[dict[str, Any], ...]]] = ContextVar("LAYERS", default=())
"""What `load` found, the strongest first; empty elsewhere, so that `Settings()` is the defaults alone."""

_DAY: Final = 86400
_WEEK: Final = 7 * _DAY


def _refused(key: str, reason: str) -> PydanticCustomError:
    """An error about one key of the section being validated."""
    return PydanticCustomError("config", "{reason}", {"key": key, "reason": reason})


def _parsed(parse: Callable[[str], object]) -> BeforeValidator:
    """Put text through a parser of `values`; anything else is left to pydantic."""
    return BeforeValidator(lambda given: parse(given) if isinstance(given, str) else given)


def _listed(given: object) -> object:
    """A list given as one text, separated by commas."""
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given


def _mapped(given: object) -> object:
    """A mapping given as one text: `name=value`, separated by commas."""
    if not isinstance(given, str):
        return given
    pairs = [part.partition("=") for part in given.split(",") if part.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("name=value is expected, several separated by commas")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _lower(given: str) -> str:
    return given.strip().lower()


Endpoint = Annotated[str, _parsed(values.endpoint)]
Processor = Annotated[ProcessorName, _parsed(values.processor)]
Seconds = Annotated[float, _parsed(values.duration_seconds)]
Name = Annotated[str, Field(min_length=1, max_length=255)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A mapping of the file: frozen, and closed to names it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, str_strip_whitespace=True
    )


class ConnectionSettings(Section):
    """How the account is reached."""

    max_retry_attempts: int = Field(9, ge=0, le=1000, description="Attempts of a throttled control request.")
    max_retry_wait_time: Seconds = Field(
        30.0, ge=0, le=_DAY, description="Longest time in seconds that those attempts take together."
    )
    connection_timeout: Seconds = Field(10.0, gt=0, le=3600, description="Seconds to wait for a connection.")
    enable_endpoint_discovery: bool = Field(
        True, description="Follow the account's list of regions instead of the given endpoint alone."
    )
    preferred_regions: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = Field(
        (), description="Azure regions to prefer, the best first."
    )
    ca_file: Path | None = Field(
        None, description="Certificate of a private authority, PEM. TLS is always verified."
    )
    allow_insecure: bool = Field(False, description="Allow plain http to a host other than this machine.")


class CosmosSettings(Section):
    """Account, database and container."""

    endpoint: Endpoint | None = Field(None, description="Address of the account.")
    key: SecretStr | None = Field(None, description="Account key. Better by reference or in a file.")
    key_file: Path | None = Field(None, description="File that holds the account key and nothing else.")
    auth: Annotated[Literal["key", "aad"], _parsed(_lower)] = Field(
        "key", description="How to sign in: key, or aad (Microsoft Entra ID, needs the extra 'aad')."
    )
    database: Name = Field("SensorData", description="Database.")
    container: Name = Field("SensorReadings", description="Container.")
    partition_key: Annotated[str, _parsed(values.partition_key)] = Field(
        "/city", description="Partition key path of the container: one top-level field."
    )
    create_if_missing: bool = Field(True, description="Create database and container where they are missing.")
    connection: ConnectionSettings = Field(ConnectionSettings(), description="How the account is reached.")

    @field_validator("key")
    @classmethod
    def _key_is_base64(cls, key: SecretStr | None) -> SecretStr | None:
        return None if key is None else SecretStr(values.account_key(key.get_secret_value()))

    @model_validator(mode="after")
    def _plain_http_stays_here(self) -> "CosmosSettings":
        plain = self.endpoint is not None and self.endpoint.startswith("http:")
        if plain and not values.is_loopback(str(self.endpoint)) and not self.connection.allow_insecure:
            raise _refused(
                "endpoint",
                "plain http is for this machine alone: write https, or set cosmos.connection.allow_insecure",
            )
        return self


class PerformanceSettings(Section):
    """Throughput, batches and intervals."""

    throughput: int | None = Field(
        None,
        ge=400,
        le=1_000_000,
        multiple_of=100,
        description="Request units a second of a container created here.",
    )
    autoscale: bool = Field(False, description="Create the container with autoscale.")
    autoscale_max_throughput: int | None = Field(
        None,
        ge=1000,
        le=1_000_000,
        multiple_of=1000,
        description="Upper bound of autoscale in request units a second.",
    )
    batch_size: int = Field(1000, ge=1, le=100_000, description="Readings taken from a file at a time.")
    max_parallel_operations: int = Field(20, ge=1, le=1000, description="Requests under way at once.")
    max_ru_per_second: float | None = Field(
        None, gt=0, description="Budget in request units a second; none means as much as the account gives."
    )
    disable_indexing_during_bulk: bool = Field(
        False, description="Accepted from older files; the indexing policy of a container is never changed."
    )
    upload_interval_seconds: Seconds = Field(
        30.0, gt=0, le=_DAY, description="Pause in seconds between two rounds of continuous upload."
    )
    upload_jitter_seconds: Seconds = Field(
        10.0, ge=0, le=_DAY, description="Random seconds added to it, so that uploaders spread out."
    )


class LoggingSettings(Section):
    """What is logged."""

    level: Annotated[LevelName, _parsed(values.log_level)] = Field(
        "INFO", description="Trace, Debug, Information, Warning, Error or Critical; Python's names too."
    )
    log_request_units: bool = Field(False, description="Log the request units of every request.")
    log_latency: bool = Field(False, description="Log the latency of every request.")


class ConfigWatchSettings(Section):
    """Picking up a changed file while running."""

    enabled: bool = Field(True, description="Pick up changes of the file while running.")
    poll_interval_seconds: Seconds = Field(5.0, ge=0.1, le=3600, description="Seconds between two looks.")


class AggregationSettings(Section):
    """The Aggregate processor."""

    window: Seconds = Field(
        30.0, ge=1, le=_WEEK, description="Length of a window: 30s, 5m, 1h, 00:05:00, or seconds."
    )


class ProcessingSettings(Section):
    """What is done to readings on their way."""

    processors: Annotated[tuple[Processor, ...], BeforeValidator(_listed)] = Field(
        (), description="Any of Schematize, Sanitize, Aggregate, Anomaly, in this order."
    )
    aggregation: AggregationSettings = Field(AggregationSettings(), description="The Aggregate processor.")

    @field_validator("processors")
    @classmethod
    def _once_each(cls, given: tuple[ProcessorName, ...]) -> tuple[ProcessorName, ...]:
        return tuple(dict.fromkeys(given))


class City(Section):
    """One city."""

    name: Name = Field(description="Name of the city.")
    latitude: float = Field(ge=-90, le=90, description="Degrees north.")
    longitude: float = Field(ge=-180, le=180, description="Degrees east.")
    country_code: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, description="ISO 3166 code of the country."
    )
    country: Name | None = Field(None, description="Country.")
    time_zone: Name | None = Field(None, description="Time zone, as in Europe/Amsterdam.")


class ImageSettings(Section):
    """Image names within the registry."""

    sensor: Name | None = Field(None, description="Image of a sensor.")
    uploader: Name | None = Field(None, description="Image of an uploader.")


class FleetSettings(Section):
    """The simulated fleet and its images."""

    registry: Name = Field("ghcr.io/bacalhau-project", description="Registry the images come from.")
    images: ImageSettings = Field(ImageSettings(), description="Image names within the registry.")
    uploader_tag: Name | None = Field(None, description="Version of the uploader image, never 'latest'.")
    uploaders: Annotated[Literal["embedded", "containers"], _parsed(_lower)] = Field(
        "embedded", description="Who uploads: embedded (this machine) or containers (one per city)."
    )
    sensors_per_city: int = Field(5, ge=1, le=10_000, description="Sensors in each city.")
    max_cities: int = Field(5, ge=1, le=10_000, description="Cities used, at most.")
    readings_per_second: float = Field(1.0, gt=0, le=10_000, description="Readings a second of each sensor.")
    anomaly_probability: Probability = Field(0.05, description="Share of anomalies among readings, 0 to 1.")
    project: Name = Field("sensor-tui", description="Name of the compose project.")
    compose_output: Path = Field(Path("docker-compose.yml"), description="Compose file that is written.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Makes sensor ids; the same seed, the same ids.")
    sensor_config: Path | None = Field(None, description="Configuration file of the sensors in containers.")
    compose_config: Path | None = Field(
        None, description="Configuration file of the uploaders in containers; none means this one."
    )
    allow_local: bool = Field(False, description="Use images that are on the engine but not in the registry.")
    hosts: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = Field(
        (),
        description="Docker engines: contexts, or unix://, ssh://, tcp:// addresses; none is docker's own.",
    )
    cpus: float = Field(0.5, gt=0, le=1024, description="Cores a container may use, at most.")
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*[kKmMgG]$")] = Field(
        "256M", description="Memory a container may use, at most."
    )

    @field_validator("project")
    @classmethod
    def _project_name(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
            raise ValueError("lower-case letters, digits, '-' and '_' are expected, a letter or digit first")
        return name


class ArchiveSettings(Section):
    """Files kept beside the upload."""

    path: Path | None = Field(None, description="Folder of the archive; none means no archive.")
    format: Annotated[ArchiveFormat, _parsed(values.archive_format)] = Field(
        "Parquet", description="Parquet, CSV or JSON lines."
    )


class ServiceSettings(Section):
    """The process that holds the engine, and its API."""

    socket_group: Name | None = Field(None, description="Group that may use the socket, besides its owner.")
    listen: str | None = Field(None, description="host:port to listen on as well; needs a token.")
    token: SecretStr | None = Field(None, description="Bearer token of the TCP port.")
    drain_timeout_seconds: Seconds = Field(
        30.0, ge=0, le=3600, description="Seconds given to what is under way when stopping."
    )

    @field_validator("listen")
    @classmethod
    def _is_address(cls, given: str | None) -> str | None:
        if given is not None:
            values.listen_address(given)
        return given

    @field_validator("token")
    @classmethod
    def _can_stand_in_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not re.fullmatch(r"[\x21-\x7e]+", token.get_secret_value()):
            raise ValueError("printable ASCII without spaces is expected")
        return token

    @model_validator(mode="after")
    def _port_needs_token(self) -> "ServiceSettings":
        if self.listen is not None and self.token is None:
            raise _refused("listen", "a port needs service.token")
        return self

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on, if any."""
        return None if self.listen is None else values.listen_address(self.listen)


class DashboardSettings(Section):
    """The full-screen dashboard."""

    theme: Name = Field(
        "dark", description="dark, light, high-contrast, colour-blind-safe, mono, or one of yours."
    )
    themes_dir: Path | None = Field(None, description="Folder of further themes.")
    keymap: Annotated[dict[str, str], BeforeValidator(_mapped)] = Field(
        {}, description="Other keys for commands, as in {fleet.stop: ctrl+x}; docs/dashboard.md names them."
    )
    start: Annotated[
        Literal["fleet", "sensors", "uploads", "logs", "diagnostics", "query"], _parsed(_lower)
    ] = Field("fleet", description="Screen to begin with.")
    read_only: bool = Field(False, description="Refuse every action.")
    low_bandwidth: bool = Field(False, description="Redraw seldom, for slow lines.")
    ascii: bool = Field(False, description="Plain glyphs only.")


class Settings(BaseSettings):
    """The whole configuration. `Settings()` is the defaults; `load` reads options, environment and files."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, str_strip_whitespace=True
    )

    cosmos: CosmosSettings = Field(CosmosSettings(), description="Account, database and container.")
    performance: PerformanceSettings = Field(
        PerformanceSettings(), description="Throughput, batches and intervals."
    )
    logging: LoggingSettings = Field(LoggingSettings(), description="What is logged.")
    config_watch: ConfigWatchSettings = Field(
        ConfigWatchSettings(), description="Picking up a changed file while running."
    )
    processing: ProcessingSettings = Field(
        ProcessingSettings(), description="What is done to readings on their way."
    )
    archive: ArchiveSettings = Field(ArchiveSettings(), description="Files kept beside the upload.")
    service: ServiceSettings = Field(ServiceSettings(), description="The process that uploads, and its API.")
    fleet: FleetSettings = Field(FleetSettings(), description="The simulated fleet and its images.")
    dashboard: DashboardSettings = Field(DashboardSettings(), description="The full-screen dashboard.")
    cities: tuple[City, ...] = Field((), description="The cities of the fleet, each with name and place.")
    data_dir: Path | None = Field(None, description="Folder of the sensors' databases.")
    state_dir: Path | None = Field(None, description="Folder of our own state, else {data_dir}/.sensor-tui.")
    region: Name | None = Field(None, description="Name of the place this uploader serves.")
    no_color: bool = Field(False, description="No colours in any output.")

    @field_validator("cities")
    @classmethod
    def _named_once(cls, cities: tuple[City, ...]) -> tuple[City, ...]:
        names = [city.name for city in cities]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the city {values.shown(name)} is listed twice")
        return cities

    @property
    def interval_seconds(self) -> float:
        """Pause in seconds between two rounds of continuous upload."""
        return self.performance.upload_interval_seconds

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers of `load`: the environment is read there, where each value's place is known."""
        return (init_settings, *(LayerSource(settings_cls, layer) for layer in LAYERS.get()))


class LayerSource(PydanticBaseSettingsSource):
    """One layer of values: options, environment, `.env` or file."""

    def __init__(self, settings_cls: type[BaseSettings], layer: dict[str, Any]) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._layer.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._layer

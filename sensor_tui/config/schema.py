"""The one schema: every key of the configuration with its type, default and meaning."""

import re
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from sensor_tui.config import values
from sensor_tui.config.schema_base import (
    DAY,
    Name,
    Names,
    Probability,
    Seconds,
    Section,
    lower,
    mapped,
    parsed,
    refused,
)
from sensor_tui.config.schema_processing import ProcessingSettings
from sensor_tui.config.schema_storage import ArchiveSettings, RetentionSettings
from sensor_tui.config.values import LevelName

LAYERS: Final[ContextVar[tuple[dict[str, Any], ...]]] = ContextVar("LAYERS", default=())
"""What `load` found, the strongest first; empty elsewhere, so that `Settings()` is the defaults alone."""


Endpoint = Annotated[str, parsed(values.endpoint)]


class ConnectionSettings(Section):
    """How the account is reached."""

    max_retry_attempts: int = Field(9, ge=0, le=1000, description="Attempts of a throttled control request.")
    max_retry_wait_time: Seconds = Field(
        30.0, ge=0, le=DAY, description="Longest time in seconds that those attempts take together."
    )
    connection_timeout: Seconds = Field(10.0, gt=0, le=3600, description="Seconds to wait for a connection.")
    enable_endpoint_discovery: bool = Field(
        True, description="Follow the account's list of regions instead of the given endpoint alone."
    )
    preferred_regions: Names = Field((), description="Azure regions to prefer, the best first.")
    ca_file: Path | None = Field(
        None, description="Certificate of a private authority, PEM. TLS is always verified."
    )
    allow_insecure: bool = Field(False, description="Allow plain http to a host other than this machine.")


class CosmosSettings(Section):
    """Account, database and container."""

    endpoint: Endpoint | None = Field(None, description="Address of the account.")
    key: SecretStr | None = Field(None, description="Account key. Better by reference or in a file.")
    key_file: Path | None = Field(None, description="File that holds the account key and nothing else.")
    auth: Annotated[Literal["key", "aad"], parsed(lower)] = Field(
        "key", description="How to sign in: key, or aad (Microsoft Entra ID, needs the extra 'aad')."
    )
    database: Name = Field("SensorData", description="Database.")
    container: Name = Field("SensorReadings", description="Container.")
    partition_key: Annotated[str, parsed(values.partition_key)] = Field(
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
            raise refused(
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
        30.0, gt=0, le=DAY, description="Pause in seconds between two rounds of continuous upload."
    )
    upload_jitter_seconds: Seconds = Field(
        10.0, ge=0, le=DAY, description="Random seconds added to it, so that uploaders spread out."
    )


class LoggingSettings(Section):
    """What is logged."""

    level: Annotated[LevelName, parsed(values.log_level)] = Field(
        "INFO", description="Trace, Debug, Information, Warning, Error or Critical; Python's names too."
    )
    log_request_units: bool = Field(False, description="Log the request units of every request.")
    log_latency: bool = Field(False, description="Log the latency of every request.")


class ConfigWatchSettings(Section):
    """Picking up a changed file while running."""

    enabled: bool = Field(True, description="Pick up changes of the file while running.")
    poll_interval_seconds: Seconds = Field(5.0, ge=0.1, le=3600, description="Seconds between two looks.")


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
    uploaders: Annotated[Literal["embedded", "containers"], parsed(lower)] = Field(
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
    hosts: Names = Field(
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
            raise refused("listen", "a port needs service.token")
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
    keymap: Annotated[dict[str, str], BeforeValidator(mapped)] = Field(
        {}, description="Other keys for commands, as in {fleet.stop: ctrl+x}; docs/dashboard.md names them."
    )
    start: Annotated[
        Literal["fleet", "sensors", "uploads", "logs", "diagnostics", "query"], parsed(lower)
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
    retention: RetentionSettings = Field(
        RetentionSettings(), description="How long acknowledged rows stay in the sensors' files."
    )
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

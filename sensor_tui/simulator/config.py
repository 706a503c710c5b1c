"""The configuration of one simulated sensor: `sensor-config.yaml`."""

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from sensor_tui.model.names import sensor_id_for
from sensor_tui.simulator.checked_yaml import Latitude, Longitude, Text, ZoneName, checked, read_yaml
from sensor_tui.simulator.cities import city_named
from sensor_tui.simulator.identity import Deployment, SensorIdentity, serial_number_for

log = logging.getLogger(__name__)

ParameterName = Literal["temperature", "humidity", "pressure", "vibration", "voltage"]
PARAMETERS: tuple[ParameterName, ...] = ("temperature", "humidity", "pressure", "vibration", "voltage")
DEFAULT_CITY = "London"

# What sensors in the field have in their files and a simulated one has no use for.
_NO_USE = {
    "monitoring": "a simulated sensor serves no port; sensor-tui status tells how it is",
    "replicas": "one process is one sensor; the fleet decides how many there are",
    "random_location": "the city is given, or London",
    "dynamic_reloading": "restart the sensor to change it",
    "database.backup_enabled": "the file is never moved or copied",
    "database.backup_interval_hours": "the file is never moved or copied",
    "database.backup_path": "the file is never moved or copied",
    "database.batch_size": "every reading is committed on its own",
    "logging.file": "logs go to the standard error output",
    "logging.format": "logs have one format",
    "logging.console_output": "logs go to the standard error output",
}

Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Deviation = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1e9)]
Rate = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]
Magnitude = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DeploymentSection(_Section):
    """How the sensor is mounted; height in metres over ground, orientation in degrees from north."""

    type: Text = "fixed"
    installation_date: date | None = None
    height_meters: Finite | None = None
    orientation_degrees: Annotated[float, Field(ge=0, le=360)] | None = None


class SensorSection(_Section):
    """Who the sensor is; without `id` city, `number` and seed make it, without a place the city gives it."""

    id: Text | None = None
    number: Annotated[int, Field(ge=0, lt=1_000_000)] = 1
    city: Text | None = None
    location: Text | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    time_zone: ZoneName | None = None
    type: Text = "environmental"
    manufacturer: Text = "SensorTech"
    model: Text = "EnvMonitor-3000"
    firmware_version: Text = "1.4.0"
    serial_number: Text | None = None
    manufacture_date: date | None = None
    instance_id: Text | None = None
    deployment: DeploymentSection = DeploymentSection()

    @model_validator(mode="after")
    def _whole_coordinates(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        return self


class SimulationSection(_Section):
    """Rate in readings per second (0: as fast as it can), run time in seconds (0: without end), seed."""

    readings_per_second: Rate = 1.0
    run_time_seconds: Annotated[Seconds, BeforeValidator(lambda value: 0 if value is None else value)] = 0.0
    seed: int = 1


class NormalParameter(_Section):
    """A normal distribution, clamped to its bounds where it has any."""

    mean: Finite
    std_dev: Deviation
    min: Finite | None = None
    max: Finite | None = None

    @model_validator(mode="after")
    def _mean_in_bounds(self) -> Self:
        low, high = self.bounds
        if not low <= self.mean <= high:
            raise ValueError(f"mean {self.mean:g} lies outside min and max")
        return self

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest normal value."""
        return (
            float("-inf") if self.min is None else self.min,
            float("inf") if self.max is None else self.max,
        )

    @property
    def scale(self) -> float:
        """What one unit of an anomaly's magnitude is: the deviation, or a stand-in where that is zero."""
        return self.std_dev or abs(self.mean) * 0.02 or 1.0


class NormalParameters(_Section):
    """The five measurements: °C, % relative humidity, hPa, mm/s, V."""

    temperature: NormalParameter = NormalParameter(mean=21.0, std_dev=1.5, min=-10.0, max=45.0)
    humidity: NormalParameter = NormalParameter(mean=50.0, std_dev=6.0, min=10.0, max=95.0)
    pressure: NormalParameter = NormalParameter(mean=1013.25, std_dev=3.0, min=950.0, max=1060.0)
    vibration: NormalParameter = NormalParameter(mean=2.5, std_dev=0.4, min=0.0, max=8.0)
    voltage: NormalParameter = NormalParameter(mean=12.0, std_dev=0.15, min=11.0, max=13.0)


class _Anomaly(_Section):
    """What all anomalies share. They touch the measurements that both database generations hold."""

    enabled: bool = True
    weight: Weight = 1.0
    duration_seconds: Seconds = 0.0


class _ValueAnomaly(_Anomaly):
    parameters: Annotated[tuple[ParameterName, ...], Field(min_length=1)] = (
        "temperature",
        "vibration",
        "voltage",
    )


class SpikeAnomaly(_ValueAnomaly):
    """A jump of `magnitude` deviations, up or down; duration 0 is a single reading."""

    weight: Weight = 0.4
    magnitude: Magnitude = 10.0


class TrendAnomaly(_ValueAnomaly):
    """A drift that has gone `magnitude` deviations by its end."""

    weight: Weight = 0.2
    duration_seconds: Annotated[float, Field(gt=0, le=1e9)] = 60.0
    magnitude: Magnitude = 8.0


class PatternAnomaly(_ValueAnomaly):
    """A regular oscillation of `magnitude` deviations around the mean, without the usual noise."""

    weight: Weight = 0.1
    duration_seconds: Seconds = 60.0
    magnitude: Magnitude = 4.0
    period_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0


class MissingDataAnomaly(_Anomaly):
    """No rows at all for its duration."""

    weight: Weight = 0.1
    duration_seconds: Seconds = 10.0


class NoiseAnomaly(_ValueAnomaly):
    """The usual noise, `magnitude` times as strong and without bounds."""

    weight: Weight = 0.2
    duration_seconds: Seconds = 30.0
    magnitude: Magnitude = 5.0


class AnomalyTypes(_Section):
    """The kinds of anomaly; weights are relative to one another."""

    spike: SpikeAnomaly = SpikeAnomaly()
    trend: TrendAnomaly = TrendAnomaly()
    pattern: PatternAnomaly = PatternAnomaly()
    missing_data: MissingDataAnomaly = MissingDataAnomaly()
    noise: NoiseAnomaly = NoiseAnomaly()


class AnomaliesSection(_Section):
    """`probability` is the share of readings that are anomalous, or missing, in the long run."""

    enabled: bool = True
    probability: Probability = 0.05
    types: AnomalyTypes = AnomalyTypes()


class DatabaseSection(_Section):
    """The SQLite file. `preserve_existing_db: false` empties it at each start; `wal` chooses the journal."""

    path: Path | None = None
    generation: Literal["2025-04", "2025-08"] = "2025-08"
    preserve_existing_db: bool = True
    wal: bool = False


class LoggingSection(_Section):
    """The level of the sensor's own log."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    ] = "INFO"


class SensorConfig(_Section):
    """Everything about one simulated sensor; every part may be left out."""

    sensor: SensorSection = SensorSection()
    simulation: SimulationSection = SimulationSection()
    normal_parameters: NormalParameters = NormalParameters()
    anomalies: AnomaliesSection = AnomaliesSection()
    database: DatabaseSection = DatabaseSection()
    logging: LoggingSection = LoggingSection()

    def identity(self) -> SensorIdentity:
        """Who this sensor is, with what the file leaves out taken from the city, the seed and the factory."""
        given, seed = self.sensor, self.simulation.seed
        name = given.city or given.location or DEFAULT_CITY
        known = city_named(name)
        city = known.name if known else name
        sensor_id = given.id or sensor_id_for(city, given.number, seed)
        place = known if given.latitude is None and known else given
        return SensorIdentity(
            sensor_id=sensor_id,
            city=city,
            location=given.location or city,
            latitude=place.latitude,
            longitude=place.longitude,
            time_zone=given.time_zone or (known.time_zone if known else "UTC"),
            manufacturer=given.manufacturer,
            model=given.model,
            firmware_version=given.firmware_version,
            serial_number=given.serial_number or serial_number_for(sensor_id, seed),
            manufacture_date=given.manufacture_date,
            instance_id=given.instance_id or f"{sensor_id}-{seed}",
            sensor_type=given.type,
            deployment=Deployment(**dict(given.deployment)),
        )

    def changed(self, source: str, changes: Mapping[str, Mapping[str, Any]]) -> Self:
        """A copy with some keys of some sections set; ConfigError naming `source` for a bad value."""
        values = self.model_dump(exclude_unset=True)
        for section, keys in changes.items():
            values[section] = {**values.get(section, {}), **keys}
        return checked(values, type(self), source=source)

    def with_options(
        self, *, sensor_id: str | None = None, city: str | None = None, seed: int | None = None
    ) -> Self:
        """This configuration with what a command line gives on top; another city brings its own place."""
        changes: dict[str, dict[str, Any]] = {"sensor": {}, "simulation": {}}
        if city is not None:
            changes["sensor"] = moved_to(city)
        if sensor_id is not None:
            changes["sensor"]["id"] = sensor_id
        if seed is not None:
            changes["simulation"]["seed"] = seed
        return self.changed("options", changes)


def moved_to(city: str) -> dict[str, Any]:
    """The keys of `sensor` for another city: what was said about the old place does not hold there."""
    return {"city": city, "location": None, "latitude": None, "longitude": None, "time_zone": None}


def load_sensor_config(path: Path) -> SensorConfig:
    """The configuration in that file.

    Raises ConfigError, naming file, key and line, for what cannot be used. Keys with no use here are logged.
    """
    values, lines = read_yaml(path)
    for key, reason in _NO_USE.items():
        if _drop(values, key.split(".")):
            log.info("%s: %s has no use here: %s", path, key, reason)
    return checked(values, SensorConfig, source=str(path), lines=lines)


def _drop(values: dict[str, Any], key: list[str]) -> bool:
    *sections, last = key
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, dict):
            return False
        values = inner
    return values.pop(last, _MISSING) is not _MISSING


_MISSING = object()

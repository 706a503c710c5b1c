"""What is done to readings on their way: the processors' sections of the schema."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from sensor_tui.config import values
from sensor_tui.config.schema_base import (
    DAY,
    WEEK,
    Name,
    Names,
    Seconds,
    Section,
    listed,
    lower,
    mapped,
    parsed,
)
from sensor_tui.config.values import ProcessorName

Processor = Annotated[ProcessorName, parsed(values.processor)]


class SchematizeSettings(Section):
    """The Schematize processor."""

    required: Names = Field(
        ("sensorId", "timestamp"), description="Fields that every reading must have, as documents name them."
    )
    types: Annotated[dict[str, str], BeforeValidator(mapped)] = Field(
        {}, description="Types of further fields: {depth: number}; number, integer, text, flag or time."
    )


class SanitizeSettings(Section):
    """The Sanitize processor."""

    coordinate_decimals: int | None = Field(
        4, ge=0, le=10, description="Decimals that latitude and longitude keep; none means all of them."
    )
    drop: Names = Field((), description="Fields that are left out.")
    hash: Names = Field((), description="Fields replaced by a keyed hash (HMAC-SHA-256) of their value.")
    hash_key: SecretStr | None = Field(None, description="Key of those hashes. Better by reference.")


class AggregationSettings(Section):
    """The Aggregate processor."""

    window: Seconds = Field(
        30.0, ge=1, le=WEEK, description="Length of a window: 30s, 5m, 1h, 00:05:00, or seconds."
    )
    lateness: Seconds = Field(
        10.0, ge=0, le=DAY, description="Seconds of event time that a window waits for late readings."
    )
    quiet: Seconds = Field(
        60.0,
        ge=1,
        le=WEEK,
        description="Seconds by the clock after which a silent sensor's windows end.",
    )


class AnomalySettings(Section):
    """The Anomaly processor."""

    action: Annotated[Literal["flag", "route"], parsed(lower)] = Field(
        "flag", description="What becomes of anomalous readings: flag, or route to a container of their own."
    )
    container: Name = Field("SensorAnomalies", description="That container, in the same database.")


class ProcessingSettings(Section):
    """What is done to readings on their way."""

    processors: Annotated[tuple[Processor, ...], BeforeValidator(listed)] = Field(
        (), description="Any of Schematize, Sanitize, Aggregate, Anomaly, in this order."
    )
    schematization: SchematizeSettings = Field(SchematizeSettings(), description="The Schematize processor.")
    sanitization: SanitizeSettings = Field(SanitizeSettings(), description="The Sanitize processor.")
    aggregation: AggregationSettings = Field(AggregationSettings(), description="The Aggregate processor.")
    anomaly: AnomalySettings = Field(AnomalySettings(), description="The Anomaly processor.")

    @field_validator("processors")
    @classmethod
    def _once_each(cls, given: tuple[ProcessorName, ...]) -> tuple[ProcessorName, ...]:
        return tuple(dict.fromkeys(given))

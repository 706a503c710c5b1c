"""What is done to readings on their way: the processors' sections of the schema."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

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
    refused,
)
from sensor_tui.config.values import FieldType, ProcessorName

Processor = Annotated[ProcessorName, parsed(values.processor)]

_KEPT: Final = {
    "id": "it tells one document from another",
    "sqliteid": "it finds the row of a document again",
    "sensorid": "documents are told apart, counted and found by it",
    "timestamp": "it is part of what a reading is",
    "city": "it is where documents go",
    "processingstage": "it says what was done to a reading",
}
"""Fields that Sanitize leaves alone, in lower case without `_`, and why."""
_TYPED: Final = frozenset(_KEPT)


class SchematizeSettings(Section):
    """The Schematize processor."""

    required: Names = Field(
        ("sensorId", "timestamp"), description="Fields that every reading must have, as documents name them."
    )
    types: Annotated[dict[str, Annotated[FieldType, parsed(values.field_type)]], BeforeValidator(mapped)] = (
        Field(
            {}, description="Types of further fields: {depth: number}; number, integer, text, flag or time."
        )
    )

    @field_validator("types")
    @classmethod
    def _settled_stay(cls, given: dict[str, FieldType]) -> dict[str, FieldType]:
        for name in given:
            if values.folded(name) in _TYPED:
                raise refused(name, "its type is settled, since documents are made of it")
        return given


class SanitizeSettings(Section):
    """The Sanitize processor."""

    coordinate_decimals: int = Field(
        4, ge=0, le=15, description="Decimals that latitude and longitude keep; 15 keeps all of them."
    )
    drop: Names = Field((), description="Fields that are left out.")
    hash: Names = Field((), description="Fields replaced by a keyed hash (HMAC-SHA-256) of their value.")
    hash_key: SecretStr | None = Field(None, description="Key of those hashes. Better by reference.")

    @field_validator("drop", "hash")
    @classmethod
    def _needed_stay(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            why = _KEPT.get(values.folded(name))
            if why is not None:
                raise ValueError(f"{values.shown(name)} stays in every document as it is: {why}")
        return given

    @model_validator(mode="after")
    def _hashes_have_a_key(self) -> "SanitizeSettings":
        if self.hash and (self.hash_key is None or not self.hash_key.get_secret_value()):
            raise refused("hash", "a hash needs a key: set processing.sanitization.hash_key")
        both = {values.folded(name) for name in self.drop} & {values.folded(name) for name in self.hash}
        if both:
            twice = next(name for name in self.drop if values.folded(name) in both)
            raise refused("drop", f"{values.shown(twice)} is in hash as well: a field is dropped or hashed")
        return self


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


class AnomalyRule(Section):
    """Bounds of one measure."""

    min: float | None = Field(None, description="Lowest value that is normal.")
    max: float | None = Field(None, description="Highest value that is normal.")
    max_change: float | None = Field(
        None, gt=0, description="Largest change from one reading of a sensor to its next that is normal."
    )

    @model_validator(mode="after")
    def _says_something(self) -> "AnomalyRule":
        if self.min is None and self.max is None and self.max_change is None:
            raise ValueError(f"a rule is expected: {values.RULE_FORMS}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise refused("min", f"at most max, which is {self.max:g}, is expected")
        return self


def _rule(given: object) -> object:
    """A rule in its short form; an unknown name in the long one is refused with the nearest."""
    if isinstance(given, str):
        return values.anomaly_rule(given)
    if isinstance(given, dict):
        for name in given:
            if name not in AnomalyRule.model_fields:
                near = values.suggestion(str(name), AnomalyRule.model_fields)
                hint = f"did you mean '{near}'?" if near else f"known: {', '.join(AnomalyRule.model_fields)}"
                raise refused(str(name), f"unknown key; {hint}")
    return given


class AnomalySettings(Section):
    """The Anomaly processor."""

    rules: Annotated[
        dict[str, Annotated[AnomalyRule, BeforeValidator(_rule, json_schema_input_type=AnomalyRule | str)]],
        BeforeValidator(mapped),
    ] = Field(
        {},
        description="What is normal, by measure: {temperature: -20..60, voltage: {min: 11, max_change: 2}}.",
    )
    sensor_flags: bool = Field(
        True, description="Readings that their sensor flagged itself count as anomalous too."
    )

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

"""Which columns of a file are measures, facts, or anything that documents would show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sensor_tui.model.reading import BadText, ReadingSchema

FACTS: Final = ("location", "latitude", "longitude", "model", "manufacturer", "firmwareVersion")
"""Fields that a window's document has where all its readings agree."""
INFINITY: Final = float("inf")
_NO_MEASURES: Final = frozenset({
    "", "id", "sqlite_id", "sensorId", "timestamp", "city", "processingStage", "status", "statusCode",
    "anomalyFlag", "anomalyType", "serialNumber", "instanceId", "heightMeters", "orientationDegrees",
    "originalTimezone", "manufactureDate", "installationDate", "deploymentType", "sensorType", *FACTS,
})  # fmt: skip
_NO_MEASURE_ENDS: Final = ("Id", "Code", "Flag", "Version", "Number", "Index")
_RESERVED: Final = frozenset({
    "windowStart", "windowEnd", "windowSeconds", "count", "anomalyCount", "complete", "part", "late",
})  # fmt: skip
NOT_FLAGGED: Final = frozenset({None, 0, "", "0", "0.0", "false", "False", "no"})


@dataclass(frozen=True, slots=True)
class Plan:
    """Columns by what becomes of them."""

    shown: tuple[int, ...]
    measures: tuple[tuple[int, str], ...]
    facts: tuple[tuple[int, str], ...]
    flag: int | None
    shows_sensor: bool
    """Documents name the sensor as the row does: no stage hid it."""


@lru_cache(maxsize=256)
def plan_of(schema: ReadingSchema) -> Plan:
    """The plan for batches of a schema."""
    named = [(index, name) for index, name in enumerate(schema.fields) if name]
    facts = tuple(
        (index, name) for index, name in named if name in {*FACTS, "sensorId"} and index != schema.sensor_id
    )
    measures = tuple((index, _measure_name(name)) for index, name in named if _is_measure(name))
    flag = next((index for index, name in named if name == "anomalyFlag"), None)
    shows_sensor = schema.sensor_id is not None and bool(schema.fields[schema.sensor_id])
    return Plan(tuple(index for index, _ in named), measures, facts, flag, shows_sensor)


def _is_measure(name: str) -> bool:
    return name not in _NO_MEASURES and not name.endswith(_NO_MEASURE_ENDS)


def _measure_name(name: str) -> str:
    return f"{name}_" if name in _RESERVED else name


def kinds_of(column: Sequence[Any], *, once: bool) -> set[type]:
    """Types of the values in a column, which may be known to repeat one."""
    return {type(column[0])} if once else set(map(type, column))


def find_unusable(
    schema: ReadingSchema,
    plan: Plan,
    columns: Sequence[Sequence[Any]],
    kinds: Mapping[int, set[type]],
    skipped: set[int],
    unusable: dict[int, str],
) -> None:
    """Rows that would become no document themselves become no part of one."""
    for index in plan.shown:
        column, name = columns[index], schema.fields[index]
        if not kinds[index].isdisjoint((bytes, BadText, memoryview)):
            for position, value in enumerate(column):
                if position in skipped:
                    continue
                if isinstance(value, BadText):
                    unusable.setdefault(position, f"{name}: text that is not UTF-8")
                elif isinstance(value, (bytes, memoryview)):
                    reason = f"{name}: a blob of {len(value)} bytes where a value belongs"
                    unusable.setdefault(position, reason)
        if (
            float in kinds[index]
            and index != schema.timestamp
            and (INFINITY in column or -INFINITY in column)
        ):
            for position, value in enumerate(column):
                if value in {INFINITY, -INFINITY} and position not in skipped:
                    unusable.setdefault(position, f"{name}: infinity or not a number")

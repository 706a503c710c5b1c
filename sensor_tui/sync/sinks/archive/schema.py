"""Which kind of column a field becomes, and where a value goes that its column cannot take.

A column keeps its kind for the life of a dataset, so that every part can be read beside every other. A value
of another kind goes into a column of its own, `{field}__double`, `{field}__summary` or `{field}__text`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from orjson import dumps

from sensor_tui.sync.sinks.archive.documents import Entry, Unfit, micros

TIME: Final = "time"
DOUBLE: Final = "double"
INTEGER: Final = "integer"
FLAG: Final = "flag"
TEXT: Final = "text"
SUMMARY: Final = "summary"

SUMMARY_FIELDS: Final = {
    "min": DOUBLE, "max": DOUBLE, "avg": DOUBLE, "count": INTEGER, "anomalyCount": INTEGER,
}  # fmt: skip
"""What an aggregated document says of a measure."""

MEASURES: Final = ("temperature", "humidity", "pressure", "vibration", "voltage")
_BASE: Final = {
    "id": TEXT, "sensorId": TEXT, "timestamp": TIME, "city": TEXT, "location": TEXT,
    **dict.fromkeys(MEASURES, DOUBLE),
    "status": TEXT, "statusCode": INTEGER, "anomalyFlag": INTEGER, "anomalyType": TEXT,
    "firmwareVersion": TEXT, "model": TEXT, "manufacturer": TEXT, "latitude": DOUBLE, "longitude": DOUBLE,
    "sqlite_id": INTEGER, "processingStage": TEXT,
}  # fmt: skip
"""Columns of every dataset: fields that come and go from one document to the next must not come and go
from one part to the next, as readers go by the columns of the first part."""
_BASE_OF_AGGREGATES: Final = {
    **dict.fromkeys(MEASURES, SUMMARY),
    "windowStart": TIME, "windowEnd": TIME, "windowSeconds": DOUBLE, "count": INTEGER,
    "anomalyCount": INTEGER, "complete": FLAG, "part": INTEGER, "late": FLAG, "anomalies": TEXT,
}  # fmt: skip
_FURTHER: Final = {
    **{name: kind for name, kind in _BASE_OF_AGGREGATES.items() if kind != SUMMARY},
    "heightMeters": DOUBLE, "orientationDegrees": DOUBLE,
    "originalTimezone": TEXT, "serialNumber": TEXT, "manufactureDate": TEXT, "deploymentType": TEXT,
    "installationDate": TEXT, "instanceId": TEXT, "sensorType": TEXT,
}  # fmt: skip
_PLAIN: Final = {
    DOUBLE: frozenset({float, int, type(None)}),
    INTEGER: frozenset({int, type(None)}),
    FLAG: frozenset({bool, type(None)}),
    TEXT: frozenset({str, type(None)}),
}
_EXACT: Final = 2**53
_LEAST, _MOST = -(2**63), 2**63 - 1


def grown(columns: Mapping[str, str], entries: Sequence[Entry]) -> dict[str, str]:
    """The columns with those that these documents add."""
    result = dict(columns) or _first(entries)
    for entry in entries:
        if not entry.fields.keys() <= result.keys():
            for name in [name for name in entry.fields if name not in result]:
                kind = _kind_of((each.fields.get(name) for each in entries), _FURTHER.get(name))
                if kind is not None:
                    result[name] = kind
    return result


def _first(entries: Sequence[Entry]) -> dict[str, str]:
    base = dict(_BASE)
    if entries[0].aggregated:
        base |= _BASE_OF_AGGREGATES
    return base


def is_aggregated(columns: Mapping[str, str]) -> bool:
    """Whether a dataset with these columns began with documents made of many readings."""
    return "windowStart" in columns and columns.get("temperature") != DOUBLE


def _kind_of(values: Iterable[Any], usual: str | None) -> str | None:
    """Kind of a field by its values: the usual one where the first is of it; None where there is none."""
    kind = None
    for value in values:
        if value is None:
            continue
        if kind is None and usual is not None and fits(value, usual):
            return usual
        found = _kind(value)
        if kind is None:
            kind = found
        if kind != INTEGER:
            return kind
        if found == DOUBLE:
            return DOUBLE
    return kind


def _kind(value: Any) -> str:
    if type(value) is bool:
        return FLAG
    if type(value) is int:
        return INTEGER if _LEAST <= value <= _MOST else TEXT
    if type(value) is float:
        return DOUBLE
    return SUMMARY if is_summary(value) else TEXT


def is_summary(value: Any) -> bool:
    """Whether this is what an aggregated document says of a measure, and nothing more."""
    if type(value) is not dict or not value or not value.keys() <= SUMMARY_FIELDS.keys():
        return False
    return all(each is None or fits(each, SUMMARY_FIELDS[name]) for name, each in value.items())


def plain(values: Iterable[Any], kind: str) -> bool:
    """Whether all values are of types that such a column takes; a number may be too large all the same."""
    return set(map(type, values)) <= _PLAIN[kind]


def fits(value: Any, kind: str) -> bool:
    """Whether a column of that kind takes the value as it is."""
    found = type(value)
    if kind == DOUBLE:
        return found is float or (found is int and abs(value) <= _EXACT)
    if kind == INTEGER:
        return (found is int and _LEAST <= value <= _MOST) or (
            found is float and value.is_integer() and abs(value) <= _EXACT
        )
    if kind == SUMMARY:
        return is_summary(value)
    return found is (bool if kind == FLAG else str)


def as_text(value: Any) -> str:
    """The value as it stands in a column of texts."""
    return value if type(value) is str else dumps(value).decode()


def as_time(value: Any) -> int | None:
    """The value as it stands in a column of times; None where it is no time."""
    try:
        return micros(value)
    except Unfit:
        return None


def overflow(value: Any) -> str:
    """Kind of the column beside its own that takes a value."""
    kind = _kind(value)
    if kind == INTEGER and fits(value, DOUBLE):
        kind = DOUBLE
    return kind if kind in (DOUBLE, SUMMARY) else TEXT

"""Readings: the shape of a row, and the pure rules that turn its parts into parts of a document."""

import hashlib
import math
import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

Row = tuple[Any, ...]
"""One reading as SQLite gave it, in the order of `ReadingSchema.columns`; the row id comes first."""

MAX_DOCUMENT_BYTES: Final = 2 * 1024 * 1024
"""Largest document Cosmos DB stores, in bytes of JSON."""

_FIELD_NAMES: Final = {"id": "sqlite_id"}
_RESERVED_FIELDS: Final = frozenset(
    {"id", "city", "processingStage", "ttl", "_rid", "_self", "_etag", "_attachments", "_ts"}
)
_COORDINATES: Final = re.compile(r"\s*\(\s*[-+]?\d+(?:\.\d+)?\s*,\s*[-+]?\d+(?:\.\d+)?\s*\)\s*$")
_SNAKE: Final = re.compile(r"_+([a-zA-Z0-9])")
_EPOCH_LIMITS: Final = (-62135596800.0, 253402300799.999999)


class Generation(StrEnum):
    """Which of the two layouts in the field a file has; anything else is read by what it has."""

    APRIL_2025 = "2025-04"
    AUGUST_2025 = "2025-08"
    OTHER = "other"


class BadText(bytes):
    """Text from a database that is not UTF-8, kept as its bytes."""


class UnusableReading(ValueError):
    """A row that cannot become a document; the message is the dead letter's reason."""


@dataclass(frozen=True, slots=True)
class ReadingSchema:
    """The columns of one file, as read from it, and the document field each becomes."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]
    generation: Generation
    has_synced: bool
    sensor_id: int | None
    timestamp: int | None
    location: int | None


def schema_of(columns: tuple[str, ...]) -> ReadingSchema:
    """Schema for a table with these columns; `synced` is tracking, not data, and is left out.

    The row id must be the first column and be called `id`.
    """
    data = tuple(column for column in columns if column.lower() != "synced")
    lower = [column.lower() for column in data]
    fields: list[str] = []
    for column in data:
        field = _FIELD_NAMES.get(column.lower()) or camel_case(column)
        if field in _RESERVED_FIELDS or field in fields:
            field = "column" + column[:1].upper() + camel_case(column)[1:]
        while field in fields:
            field += "_"
        fields.append(field)

    def index(name: str) -> int | None:
        return lower.index(name) if name in lower else None

    if "original_timezone" in lower or "instance_id" in lower:
        generation = Generation.AUGUST_2025
    elif {"temperature", "vibration", "voltage"} <= set(lower):
        generation = Generation.APRIL_2025
    else:
        generation = Generation.OTHER
    return ReadingSchema(
        columns=data,
        fields=tuple(fields),
        generation=generation,
        has_synced=len(data) != len(columns),
        sensor_id=index("sensor_id"),
        timestamp=index("timestamp"),
        location=index("location"),
    )


def camel_case(column: str) -> str:
    """`status_code` as `statusCode`; a leading underscore is kept."""
    head = "_" if column.startswith("_") else ""
    body = column.lstrip("_")
    name = _SNAKE.sub(lambda match: match[1].upper(), body)
    return head + name[:1].lower() + name[1:]


def city_of(location: object, folder_city: str) -> str:
    """City of a reading: its location without a trailing coordinate pair, else the folder's city."""
    if isinstance(location, str):
        name = _COORDINATES.sub("", location).strip()
        if name:
            return name
    return folder_city


def epoch_of(raw: object) -> float:
    """Seconds since the epoch of a stored time: a number, or ISO 8601 text (UTC where it has no offset).

    Raises:
        UnusableReading: no time, not a time, or one outside the years 1 to 9999.
    """
    if isinstance(raw, str):
        try:
            moment = datetime.fromisoformat(raw.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise UnusableReading(f"no usable time: {raw[:64]!r} is not ISO 8601") from None
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        if _EPOCH_LIMITS[0] <= raw <= _EPOCH_LIMITS[1]:
            return float(raw)
        raise UnusableReading(f"no usable time: {raw!r} is not seconds since 1970 within the years 1 to 9999")
    if raw is None:
        raise UnusableReading("no usable time: the column is empty")
    raise UnusableReading(f"no usable time: stored as {type(raw).__name__}")


def utc_text(raw: object) -> str:
    """A stored time as ISO 8601 in UTC with microseconds and `Z`.

    Numbers are rounded half to even at the microsecond, as `datetime.fromtimestamp` does.

    Raises:
        UnusableReading: as `epoch_of`.
    """
    try:
        if isinstance(raw, str):
            moment = datetime.fromisoformat(raw.strip())
            moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        else:
            moment = datetime.fromtimestamp(epoch_of(raw), UTC)
        return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    except UnusableReading:
        raise
    except (ValueError, OverflowError, OSError):
        raise UnusableReading(f"no usable time: {str(raw)[:64]!r}") from None


def raw_time_bytes(raw: object) -> bytes:
    """The stored time as it goes into a document id: IEEE 754 big-endian for numbers, else the text.

    Raises:
        UnusableReading: the stored value is neither.
    """
    if isinstance(raw, str):
        return b"t" + raw.encode("utf-8")
    if isinstance(raw, (int, float)) and math.isfinite(raw):
        return b"r" + struct.pack(">d", raw)
    raise UnusableReading("no usable time")


def reading_id(sensor_id: str, raw_time: object, row_id: int, salt: bytes = b"") -> str:
    """Document id: 32 hex digits, stable across versions, from sensor, raw stored time and row id.

    The raw time is used because ways of rounding it differ; `salt` gives development runs fresh ids.
    """
    name = sensor_id.encode("utf-8")
    data = b"%d:%b\x00%b\x00%d%b" % (len(name), name, raw_time_bytes(raw_time), row_id, salt)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Batch:
    """Open readings of one source in row order, with their schema.

    `through` is the last row id looked at (rows between may have been closed already); `more` says
    that the source had further rows at that moment. The last `repeated` columns of the schema hold the
    same value in every row.
    """

    source: str
    city: str
    schema: ReadingSchema
    rows: list[Row]
    through: int
    more: bool
    repeated: int = 0

"""Rows to documents: each reading is turned into JSON once, for every sink."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

import orjson

from sensor_tui.model.reading import (
    MAX_DOCUMENT_BYTES,
    BadText,
    Batch,
    ReadingSchema,
    Row,
    UnusableReading,
    city_of,
    raw_time_bytes,
    utc_text,
)
from sensor_tui.sync.contract import MISSING

_pack_double: Final = struct.Struct(">d").pack


@dataclass(slots=True)
class Encoded:
    """Documents of a batch. `bodies[i]` is None for a row that became none; `unusable` says why."""

    bodies: list[bytes | None]
    keys: list[object]
    """Value of the key field per document, `MISSING` where it has none or the row became no document."""
    one_key: bool
    """Every document has the same key and there is one for every row."""
    unusable: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Freshen:
    """Development mode: documents get ids no run had before and the time of this one."""

    salt: bytes
    now: Callable[[], float]


class Encoder:
    """Encodes batches into documents for sinks that route by `key_field` (None: no routing).

    Most columns of a sensor's file repeat from row to row. What repeats within a batch is encoded once
    per combination of values and joined to the encoded rest (measured: a quarter of the cost).
    """

    def __init__(self, key_field: str | None, *, stage: str = "Raw", freshen: Freshen | None = None) -> None:
        self._key_field = key_field
        self._stage = stage
        self._freshen = freshen

    def encode(self, batch: Batch) -> Encoded:
        """Documents of the batch's rows, in their order."""
        rows = batch.rows
        if not rows:
            return Encoded([], [], one_key=False)
        bodies: list[bytes | None] = []
        keys: list[object] = []
        unusable: dict[int, str] = {}
        split = _split(batch.schema, rows[0], rows[-1])
        constants: dict[Row, _Constant] = {}
        for row in rows:
            values = split.constant(row)
            constant = constants.get(values)
            try:
                if constant is None:
                    constant = constants[values] = self._constant(split, values, batch)
                body, key = self._document(split, constant, row)
            except UnusableReading as error:
                unusable[len(bodies)] = str(error)
                bodies.append(None)
                keys.append(MISSING)
            else:
                bodies.append(body)
                keys.append(key)
        first = keys[0]
        one_key = not unusable and type(first) is str and keys.count(first) == len(keys)
        return Encoded(bodies, keys, one_key, unusable)

    def _document(self, split: "_Split", constant: "_Constant", row: Row) -> tuple[bytes, object]:
        values = split.varying(row)
        if None in values:
            document = {k: v for k, v in zip(split.varying_fields, values, strict=True) if v is not None}
        else:
            document = dict(zip(split.varying_fields, values, strict=True))
        raw = None if split.schema.timestamp is None else row[split.schema.timestamp]
        if self._freshen is None:
            document["timestamp"] = _iso_utc(raw)
            document["id"] = _identify(constant.head, raw, row[0], b"")
        else:
            utc_text(raw)
            document["timestamp"] = utc_text(self._freshen.now())
            document["id"] = _identify(constant.head, raw, row[0], self._freshen.salt)
        try:
            body = orjson.dumps(document)
        except (TypeError, ValueError) as error:
            raise UnusableReading(_why_not_json(split.varying_fields, values, error)) from None
        # orjson writes infinities as null, and absent values are left out, so a null is suspect
        if b":null" in body:
            _refuse_infinities(split.varying_fields, values)
        body = body[:-1] + constant.tail
        if len(body) > MAX_DOCUMENT_BYTES:
            raise UnusableReading(f"document of {len(body)} bytes; Cosmos DB takes 2 MB at most")
        if constant.key is not MISSING or self._key_field is None:
            return body, constant.key
        return body, document.get(self._key_field, MISSING)

    def _constant(self, split: "_Split", values: Row, batch: Batch) -> "_Constant":
        schema = batch.schema
        named = dict(zip(split.constant_columns, values, strict=True))
        sensor_id = _sensor_id(None if schema.sensor_id is None else named[schema.sensor_id])
        location = None if schema.location is None else named[schema.location]
        document = {schema.fields[i]: value for i, value in named.items() if value is not None}
        document["sensorId"] = sensor_id
        document["city"] = city_of(location, batch.city)
        document["processingStage"] = self._stage
        fields = [schema.fields[i] for i in split.constant_columns]
        try:
            body = orjson.dumps(document)
        except (TypeError, ValueError) as error:
            raise UnusableReading(_why_not_json(fields, values, error)) from None
        if b":null" in body:
            _refuse_infinities(fields, values)
        name = sensor_id.encode("utf-8")
        key = document.get(self._key_field, MISSING) if self._key_field else None
        return _Constant(b"," + body[1:], key, b"%d:%b\x00" % (len(name), name))


@dataclass(frozen=True, slots=True)
class _Constant:
    """What rows with the same constant values share: the end of the document, the key, the id's beginning."""

    tail: bytes
    key: object
    head: bytes


@dataclass(frozen=True, slots=True)
class _Split:
    """Columns of a batch divided into those that vary from row to row and those that seem not to."""

    schema: ReadingSchema
    constant_columns: tuple[int, ...]
    constant: Callable[[Row], Row]
    varying_fields: tuple[str, ...]
    varying: Callable[[Row], Row]


def _split(schema: ReadingSchema, first: Row, last: Row) -> _Split:
    columns = [i for i in range(1, len(schema.columns)) if i != schema.timestamp]
    pinned = {schema.sensor_id, schema.location}
    constant = tuple(i for i in columns if i in pinned or first[i] == last[i])
    return _split_at(schema, constant)


@lru_cache(maxsize=256)
def _split_at(schema: ReadingSchema, constant: tuple[int, ...]) -> _Split:
    varying = tuple(i for i in range(len(schema.columns)) if i not in constant and i != schema.timestamp)
    return _Split(
        schema, constant, _getter(constant), tuple(schema.fields[i] for i in varying), _getter(varying)
    )


def _getter(indexes: tuple[int, ...]) -> Callable[[Row], Row]:
    """`itemgetter` that always gives a tuple."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda row: tuple(row[i] for i in indexes)


def _identify(head: bytes, raw: object, row_id: int, salt: bytes) -> str:
    """`reading_id` with the sensor's part prepared."""
    kind = type(raw)
    if kind is str:
        time_bytes = b"t" + raw.encode("utf-8")  # type: ignore[attr-defined]
    elif kind is float:
        time_bytes = b"r" + _pack_double(raw)
    else:
        time_bytes = raw_time_bytes(raw)
    return blake2b(b"%b%b\x00%d%b" % (head, time_bytes, row_id, salt), digest_size=16).hexdigest()


def row_text(row: Row, columns: Sequence[str]) -> str:
    """A row that is no document, as readable text for its dead letter."""
    return ", ".join(f"{name}={value!r}" for name, value in zip(columns, row, strict=False))


def _iso_utc(raw: Any) -> str:
    """`utc_text` for the two common cases, without its detours: the same answer, tested so."""
    if type(raw) is str and len(raw) == 32 and raw.endswith("+00:00") and raw[10] == "T":  # noqa: PLR2004
        try:
            datetime.fromisoformat(raw)
        except ValueError:
            return utc_text(raw)
        return raw[:26] + "Z"
    if type(raw) is float:
        try:
            return datetime.fromtimestamp(raw, UTC).isoformat(timespec="microseconds")[:26] + "Z"
        except (ValueError, OverflowError, OSError):
            return utc_text(raw)
    return utc_text(raw)


def _sensor_id(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, BadText):
        raise UnusableReading("sensor_id: text that is not UTF-8")
    if isinstance(value, bytes):
        raise UnusableReading("sensor_id: a blob where text belongs")
    raise UnusableReading("no sensor id")


def _why_not_json(fields: Sequence[str], values: Row, error: Exception) -> str:
    for name, value in zip(fields, values, strict=True):
        if isinstance(value, BadText):
            return f"{name}: text that is not UTF-8"
        if isinstance(value, (bytes, memoryview)):
            return f"{name}: a blob of {len(value)} bytes where a value belongs"
    return f"not representable as JSON: {error}"


def _refuse_infinities(fields: Sequence[str], values: Row) -> None:
    for name, value in zip(fields, values, strict=True):
        if isinstance(value, float) and value - value != 0:
            raise UnusableReading(f"{name}: infinity or not a number")

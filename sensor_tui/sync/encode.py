"""Rows to documents: each reading is turned into JSON once, for every sink."""

import struct
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final

from orjson import dumps

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
from sensor_tui.sync.stage import RAW, Staged

_FULL_ISO: Final = len("2025-08-01T00:00:00.000000+00:00")
_MINUTES_KEPT: Final = 10_000
_minutes: dict[str, str] = {}
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


def part_of(encoded: Encoded, positions: Collection[int]) -> Encoded:
    """Only the documents at these positions, in their places."""
    every = range(len(encoded.bodies))
    bodies = [encoded.bodies[index] if index in positions else None for index in every]
    return Encoded(bodies, encoded.keys, one_key=False)


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

    def __init__(self, key_field: str | None, *, stage: str = RAW, freshen: Freshen | None = None) -> None:
        self._key_field = key_field
        self._stage = stage
        self._freshen = freshen

    def encode_staged(self, staged: Staged) -> Encoded:
        """Documents of what the stages left; rejected rows become none, and are not said to be unusable."""
        self._stage = staged.stage
        batch, rejected = staged.batch, staged.rejected
        if not rejected:
            return self.encode(batch)
        kept = [index for index in range(len(batch.rows)) if index not in rejected]
        encoded = self.encode(replace(batch, rows=[batch.rows[index] for index in kept]))
        bodies: list[bytes | None] = [None] * len(batch.rows)
        keys: list[object] = [MISSING] * len(batch.rows)
        for index, body, key in zip(kept, encoded.bodies, encoded.keys, strict=True):
            bodies[index], keys[index] = body, key
        unusable = {kept[index]: reason for index, reason in encoded.unusable.items()}
        return Encoded(bodies, keys, one_key=False, unusable=unusable)

    def encode(self, batch: Batch) -> Encoded:
        """Documents of the batch's rows, in their order."""
        rows = batch.rows
        if not rows:
            return Encoded([], [], one_key=False)
        bodies: list[bytes | None] = []
        keys: list[object] = []
        unusable: dict[int, str] = {}
        split = _split(batch)
        constant_of, encode_row = split.constant, self._document
        constants: dict[Row, _Constant] = {}
        shared: Row | None = None
        constant: _Constant | None = None
        for row in rows:
            try:
                if constant is None or not split.certain:
                    values = constant_of(row)
                    if constant is None or values != shared:
                        shared, constant = None, constants.get(values)
                        if constant is None:
                            constant = constants[values] = self._constant(split, values, batch)
                        shared = values
                body, key = encode_row(split, constant, row)
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
        document = dict(zip(split.varying_fields, values))  # noqa: B905 - both come from one split
        if None in values:
            document = {name: value for name, value in document.items() if value is not None}
        raw = None if split.time is None else row[split.time]
        freshen = self._freshen
        shown = None if split.timed else document.get("timestamp", MISSING)
        if freshen is None:
            document["timestamp"] = _iso_utc(raw)
            document["id"] = _identify(constant.head, raw, row[0])
        else:
            utc_text(raw)
            document["timestamp"] = utc_text(freshen.now())
            document["id"] = _identify(constant.head, raw, row[0], freshen.salt)
        if shown is not None:
            _show_time(document, shown)
        try:
            body = dumps(document)
        except (TypeError, ValueError) as error:
            raise UnusableReading(_why_not_json(split.varying_fields, values, error)) from None
        # orjson writes infinities as null, and absent values are left out, so a null is suspect
        if b":null" in body:
            _refuse_infinities(split.varying_fields, values)
        body = body[:-1] + constant.tail
        if len(body) > MAX_DOCUMENT_BYTES:
            raise UnusableReading(f"document of {len(body)} bytes; Cosmos DB takes 2 MB at most")
        key = constant.key
        if key is MISSING and self._key_field is not None:
            key = document.get(self._key_field, MISSING)
        return body, key

    def _constant(self, split: "_Split", values: Row, batch: Batch) -> "_Constant":
        schema = batch.schema
        named = dict(zip(split.constant_columns, values, strict=True))
        sensor_id = sensor_id_of(None if schema.sensor_id is None else named[schema.sensor_id])
        location = None if schema.location is None else named[schema.location]
        fields = [schema.fields[i] for i in split.constant_columns]
        document = {
            name: value for name, value in zip(fields, values, strict=True) if value is not None and name
        }
        if schema.sensor_id is None or schema.fields[schema.sensor_id]:
            document["sensorId"] = sensor_id
        document["city"] = city_of(location, batch.city)
        document["processingStage"] = self._stage
        try:
            body = dumps(document)
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
    time: int | None
    timed: bool
    """Documents show the time of the row; otherwise a stage hid it, and may have put another in its place."""
    certain: bool
    """The constant columns are known to be so in every row."""
    constant_columns: tuple[int, ...]
    constant: Callable[[Row], Row]
    varying_fields: tuple[str, ...]
    varying: Callable[[Row], Row]


def _split(batch: Batch) -> _Split:
    schema, first, last = batch.schema, batch.rows[0], batch.rows[-1]
    pinned = {index for index in (schema.sensor_id, schema.location) if index is not None}
    known = range(len(first) - batch.repeated, len(first))
    if pinned <= set(known):
        return _split_at(schema, tuple(known), certain=True)
    columns = [index for index in range(1, len(first)) if index != schema.timestamp]
    constant = tuple(index for index in columns if index in pinned or first[index] == last[index])
    return _split_at(schema, constant, certain=False)


@lru_cache(maxsize=256)
def _split_at(schema: ReadingSchema, constant: tuple[int, ...], *, certain: bool) -> _Split:
    varying = tuple(
        i
        for i in range(len(schema.columns))
        if i not in constant and i != schema.timestamp and schema.fields[i]
    )
    return _Split(
        schema,
        schema.timestamp,
        schema.timestamp is None or bool(schema.fields[schema.timestamp]),
        certain,
        constant,
        _getter(constant),
        tuple(schema.fields[i] for i in varying),
        _getter(varying),
    )


def _show_time(document: dict[str, Any], shown: object) -> None:
    """Give a document the time that a stage put in place of the row's, or none."""
    if shown is MISSING:
        del document["timestamp"]
    else:
        document["timestamp"] = shown


def _getter(indexes: tuple[int, ...]) -> Callable[[Row], Row]:
    """`itemgetter` that always gives a tuple."""
    if len(indexes) > 1:
        return itemgetter(*indexes)
    return lambda row: tuple(row[i] for i in indexes)


def _identify(head: bytes, raw: object, row_id: int, salt: bytes = b"") -> str:
    """`reading_id` with the sensor's part prepared: the same answer, tested so."""
    kind = type(raw)
    if kind is str:
        rest = f"t{raw}\x00{row_id}".encode()
    elif kind is float and raw - raw == 0:  # type: ignore[operator]
        rest = b"r%b\x00%d" % (_pack_double(raw), row_id)
    else:
        rest = b"%b\x00%d" % (raw_time_bytes(raw), row_id)
    return blake2b(head + rest + salt, digest_size=16).hexdigest()


def _iso_utc(raw: Any) -> str:
    """`utc_text` for the two common cases, without its detours: the same answer, tested so.

    Offsets are whole minutes, so all times of one minute and offset differ only in their seconds.
    """
    if type(raw) is str:
        if len(raw) == _FULL_ISO and raw[10] == "T" and raw[19] == "." and raw[5] != "W":
            minute = raw[:16] + raw[26:]
            start = _minutes.get(minute)
            try:
                if start is None:
                    start = _remember_minute(minute, utc_text(raw)[:16])
                else:
                    datetime.fromisoformat(raw)
            except ValueError:
                return utc_text(raw)
            return start + raw[16:26] + "Z"
    elif type(raw) is float:
        try:
            return datetime.fromtimestamp(raw, UTC).isoformat(timespec="microseconds")[:26] + "Z"
        except (ValueError, OverflowError, OSError):
            return utc_text(raw)
    return utc_text(raw)


def _remember_minute(minute: str, start: str) -> str:
    if len(_minutes) >= _MINUTES_KEPT:
        _minutes.clear()
    _minutes[minute] = start
    return start


def sensor_id_of(value: object) -> str:
    """The sensor id that documents carry.

    Raises:
        UnusableReading: there is none.
    """
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
        if name and isinstance(value, float) and value - value != 0:
            raise UnusableReading(f"{name}: infinity or not a number")

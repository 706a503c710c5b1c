"""Documents as they come from the engine, read as far as the archive has to know them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from orjson import JSONDecodeError, loads

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FULL: Final = len("2025-08-01T00:00:00.000000Z")
_MINUTE: Final = len("2025-08-01T00:00:")
_MINUTES_KEPT: Final = 10_000
_LONGEST_ID: Final = 1024
_minutes: dict[str, int] = {}

_AGGREGATED: Final = "Aggregated"

Target = tuple[str, str, bool]
"""City, sensor id, and whether it is of documents made of many readings."""


class Unfit(ValueError):
    """A document that can never be archived; the message is the dead letter's reason."""


@dataclass(slots=True)
class Entry:
    """A document with what the archive knows it by; `at` in microseconds since 1970."""

    id: str
    at: int
    fields: dict[str, Any]
    body: bytes
    position: int
    """Its place in the request."""

    @property
    def aggregated(self) -> bool:
        """Whether it is made of many readings."""
        return bool(self.fields.get("processingStage") == _AGGREGATED)


def read(bodies: Iterable[bytes]) -> tuple[dict[Target, list[Entry]], dict[int, str]]:
    """Documents by what they belong to, and by position why those left over belong to none."""
    found: dict[Target, list[Entry]] = {}
    unfit: dict[int, str] = {}
    for position, body in enumerate(bodies):
        try:
            target, entry = _entry(body, position)
        except Unfit as error:
            unfit[position] = str(error)
        else:
            found.setdefault(target, []).append(entry)
    return found, unfit


def _entry(body: bytes, position: int) -> tuple[Target, Entry]:
    try:
        fields = loads(body)
    except JSONDecodeError as error:
        raise Unfit(f"not JSON: {error}") from None
    if type(fields) is not dict:
        raise Unfit("not a JSON object")
    name, sensor, city = fields.get("id"), fields.get("sensorId"), fields.get("city")
    if type(name) is not str or not name or len(name) > _LONGEST_ID:
        raise Unfit("no usable id")
    if type(sensor) is not str or not sensor:
        raise Unfit("no sensor id")
    if city is not None and type(city) is not str:
        raise Unfit("the city is not text")
    entry = Entry(name, micros(fields.get("timestamp")), fields, body, position)
    return (city or "", sensor, entry.aggregated), entry


def micros(value: object) -> int:
    """Microseconds since 1970 of an ISO 8601 text, UTC where it has no offset; Unfit where it is no time."""
    if type(value) is not str:
        raise Unfit("no usable time: not a text")
    if len(value) == _FULL and value[19] == "." and value[26] == "Z":
        rest = value[17:19] + value[20:26]
        if rest.isdecimal() and rest.isascii() and rest < "60":
            start = _minutes.get(value[:_MINUTE])
            if start is None:
                start = _remember_minute(value)
            return start + int(rest)
    return _slowly(value)


def _remember_minute(value: str) -> int:
    start = _slowly(f"{value[:_MINUTE]}00.000000Z")
    if len(_minutes) >= _MINUTES_KEPT:
        _minutes.clear()
    _minutes[value[:_MINUTE]] = start
    return start


def _slowly(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Unfit(f"no usable time: {value[:64]!r}") from None
    return (moment - _EPOCH) // _MICROSECOND

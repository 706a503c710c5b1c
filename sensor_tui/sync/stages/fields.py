"""What fields of a document may hold, and how a value of another type is mended, exactly or not at all."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any, Final, Literal

from sensor_tui.model.reading import BadText, camel_case, utc_text

Kind = Literal["number", "integer", "text", "flag", "time"]

KNOWN: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        (
            "temperature", "humidity", "pressure", "vibration", "voltage", "latitude", "longitude",
            "heightMeters", "orientationDegrees",
        ),
        "number",
    ),
    "statusCode": "integer",
    "anomalyFlag": "flag",
    **dict.fromkeys(
        (
            "status", "anomalyType", "firmwareVersion", "model", "manufacturer", "location",
            "originalTimezone", "serialNumber", "manufactureDate", "deploymentType", "installationDate",
            "instanceId", "sensorType",
        ),
        "text",
    ),
}  # fmt: skip
"""Types of the fields of both generations. Sensor, time and row id are left to the encoder."""

ALWAYS: Final = frozenset({"id", "city", "processingStage", "sqlite_id"})
"""Fields that every document has, whatever its row holds."""

SETTLED: Final = frozenset({*ALWAYS, "sensorId", "timestamp"})
"""Fields whose type is not for a configuration to say."""

_FINE: Final[Mapping[Kind, frozenset[type]]] = {
    "number": frozenset({float, int, NoneType}),
    "integer": frozenset({int, NoneType}),
    "text": frozenset({str, NoneType}),
    "flag": frozenset({int, NoneType}),
    "time": frozenset({NoneType}),
}
_EXPECTED: Final[Mapping[Kind, str]] = {
    "number": "a number",
    "integer": "a whole number",
    "text": "text",
    "flag": "a flag (0 or 1)",
    "time": "a time",
}
_FLAGS: Final = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "on", "t", "y"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no", "off", "f", "n"), 0),
}
_NOT_FINITE: Final = {
    **dict.fromkeys(("nan", "+nan", "-nan"), float("nan")),
    **dict.fromkeys(("inf", "+inf", "infinity", "+infinity"), float("inf")),
    **dict.fromkeys(("-inf", "-infinity"), float("-inf")),
}
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,5})?", re.ASCII)
_WHOLE: Final = re.compile(r"[-+]?\d+", re.ASCII)
_LONGEST_NUMBER: Final = 400
_LARGEST: Final = 2**63
_SHOWN: Final = 40
LONG_BITS: Final = 64
"""An integer that needs more is none that a database holds."""


class Unfit(ValueError):
    """A value that cannot be mended without guessing."""


def folded(name: str) -> str:
    """A name without case, `_` and `-`: what tells the names of fields and columns apart."""
    return name.lower().replace("_", "").replace("-", "")


_BY_FOLDED: Final = {folded(name): name for name in (*KNOWN, "sensorId", "sqlite_id", "processingStage")}


def field_name(name: str) -> str:
    """The field meant by a name of a field or of a column: `height_meters` is `heightMeters`.

    Known fields are found in any spelling, others as their column becomes one.
    """
    return _BY_FOLDED.get(folded(name)) or camel_case(name)


def fine(kind: Kind) -> frozenset[type]:
    """Types that need no mending; of a flag the value has to be looked at as well."""
    return _FINE[kind]


def expected(kind: Kind) -> str:
    """What a field of that type should hold, in words."""
    return _EXPECTED[kind]


def blank(value: object) -> bool:
    """Whether a value is text with nothing in it."""
    return type(value) is str and (not value or value.isspace())


def number_in(text: str) -> float | int | None:
    """The number that a text is, NaN and infinities included; None where it is none."""
    text = text.strip()
    if len(text) > _LONGEST_NUMBER:
        return None
    if _WHOLE.fullmatch(text):
        whole = int(text)
        if -_LARGEST <= whole < _LARGEST:
            return whole
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if number - number == 0 else None
    return _NOT_FINITE.get(text.lower())


def flag_in(value: object) -> int | None:
    """0 or 1 where a value says so in figures or words, else None."""
    if isinstance(value, str):
        return _FLAGS.get(value.strip().lower())
    if isinstance(value, (int, float)) and value in {0, 1}:
        return int(value)
    return None


def finite(value: float) -> bool:
    """Whether a float is neither infinite nor NaN."""
    return value - value == 0


def mend(kind: Kind, value: Any) -> Any:
    """The value as its type wants it, itself where it fits; what is not finite is left to others.

    Raises:
        Unfit: it would have to be guessed.
    """
    if type(value) is float and not finite(value):
        return value
    return _MENDERS[kind](value)


def _number(value: Any) -> Any:
    if isinstance(value, str):
        found = number_in(value)
        if found is None:
            raise Unfit
        return found
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    raise Unfit


def _integer(value: Any) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
            exact = Decimal(text)
            if abs(exact) < _LARGEST and exact == exact.to_integral_value():
                return int(exact)
        not_finite = _NOT_FINITE.get(text.lower())
        if not_finite is not None:
            return not_finite
        raise Unfit
    if isinstance(value, float):
        if value.is_integer() and abs(value) < _LARGEST:
            return int(value)
        raise Unfit
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    raise Unfit


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= LONG_BITS):
        return repr(value)
    raise Unfit


def _flag(value: Any) -> Any:
    found = flag_in(value)
    if found is None:
        raise Unfit
    return value if type(value) is int else found


def _time(value: Any) -> Any:
    if not isinstance(value, (str, int, float)):
        raise Unfit
    try:
        return _utc(value)
    except ValueError:
        # an unusable reading, or an integer of more digits than Python writes
        raise Unfit from None


@lru_cache(maxsize=4096)
def _utc(value: str | float) -> str:
    return utc_text(value)


_MENDERS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    "number": _number,
    "integer": _integer,
    "text": _text,
    "flag": _flag,
    "time": _time,
}


def shown(value: object) -> str:
    """A value for a reason: short, and without anything a terminal or a log would act upon."""
    if isinstance(value, BadText):
        return "text that is not UTF-8"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"a blob of {len(value)} bytes"
    if isinstance(value, str):
        return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…")
    if isinstance(value, int) and value.bit_length() > LONG_BITS:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, (int, float)):
        return repr(value)
    return f"a value of type {type(value).__name__}"

"""The built-in functions of queries. What is not of the type a function wants makes its answer undefined."""

import math
from collections.abc import Callable
from typing import Any

from sensor_tui.emulator.hashing import UNDEFINED

Function = Callable[..., Any]

EXACT = 2**53
"""Whole numbers up to this are exact as doubles."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(value: float) -> Any:
    """A result as the service counts: a double where a whole number is large, undefined beyond doubles."""
    if isinstance(value, int) and abs(value) <= EXACT:
        return value
    try:
        double = float(value)
    except OverflowError:
        return UNDEFINED
    return double if math.isfinite(double) else UNDEFINED


def _text(test: Callable[[str, str], bool]) -> Function:
    """A test of two strings, with an optional third argument to ignore case."""

    def tested(value: Any, part: Any, ignore_case: Any = False) -> Any:
        if not isinstance(value, str) or not isinstance(part, str) or not isinstance(ignore_case, bool):
            return UNDEFINED
        return test(value.casefold(), part.casefold()) if ignore_case else test(value, part)

    return tested


def _of_string(change: Callable[[str], Any]) -> Function:
    return lambda value: change(value) if isinstance(value, str) else UNDEFINED


def _of_number(change: Callable[[float], Any]) -> Function:
    def changed(value: Any) -> Any:
        if not _is_number(value):
            return UNDEFINED
        try:
            return number(change(value))
        except (ValueError, OverflowError):
            return UNDEFINED

    return changed


def _round(value: Any) -> Any:
    """Half away from zero, as the service rounds."""
    return math.copysign(math.floor(abs(value) + 0.5), value) if isinstance(value, float) else value


def _concat(*values: Any) -> Any:
    return "".join(values) if all(isinstance(value, str) for value in values) else UNDEFINED


def _substring(value: Any, start: Any, length: Any) -> Any:
    if not isinstance(value, str) or type(start) is not int or type(length) is not int:
        return UNDEFINED
    return value[max(0, start) : max(0, start) + max(0, length)]


def _array_contains(items: Any, wanted: Any, partial: Any = False) -> Any:
    from sensor_tui.emulator.query.evaluate import equal

    if not isinstance(items, list) or wanted is UNDEFINED:
        return UNDEFINED
    if partial is True and isinstance(wanted, dict):
        return any(
            isinstance(item, dict)
            and all(equal(item.get(name, UNDEFINED), wanted[name]) is True for name in wanted)
            for item in items
        )
    return any(equal(item, wanted) is True for item in items)


def _to_string(value: Any) -> Any:
    if value is UNDEFINED:
        return UNDEFINED
    if isinstance(value, str):
        return value
    import orjson

    return orjson.dumps(value).decode()


def _to_number(value: Any) -> Any:
    if _is_number(value):
        return value
    try:
        return number(float(value)) if isinstance(value, str) and value.strip() else UNDEFINED
    except ValueError:
        return UNDEFINED


MANY = 100

FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "IS_DEFINED": (lambda value: value is not UNDEFINED, 1, 1),
    "IS_NULL": (lambda value: value is None, 1, 1),
    "IS_BOOL": (lambda value: isinstance(value, bool), 1, 1),
    "IS_NUMBER": (_is_number, 1, 1),
    "IS_INTEGER": (lambda value: _is_number(value) and float(value).is_integer(), 1, 1),
    "IS_STRING": (lambda value: isinstance(value, str), 1, 1),
    "IS_ARRAY": (lambda value: isinstance(value, list), 1, 1),
    "IS_OBJECT": (lambda value: isinstance(value, dict), 1, 1),
    "IS_PRIMITIVE": (lambda value: value is not UNDEFINED and not isinstance(value, list | dict), 1, 1),
    "STARTSWITH": (_text(str.startswith), 2, 3),
    "ENDSWITH": (_text(str.endswith), 2, 3),
    "CONTAINS": (_text(str.__contains__), 2, 3),
    "STRINGEQUALS": (_text(str.__eq__), 2, 3),
    "LOWER": (_of_string(str.lower), 1, 1),
    "UPPER": (_of_string(str.upper), 1, 1),
    "TRIM": (_of_string(str.strip), 1, 1),
    "LENGTH": (_of_string(len), 1, 1),
    "CONCAT": (_concat, 2, MANY),
    "SUBSTRING": (_substring, 3, 3),
    "TOSTRING": (_to_string, 1, 1),
    "TONUMBER": (_to_number, 1, 1),
    "STRINGTONUMBER": (_to_number, 1, 1),
    "ABS": (_of_number(abs), 1, 1),
    "ROUND": (_of_number(_round), 1, 1),
    "FLOOR": (_of_number(math.floor), 1, 1),
    "CEILING": (_of_number(math.ceil), 1, 1),
    "SQRT": (_of_number(math.sqrt), 1, 1),
    "ARRAY_LENGTH": (lambda value: len(value) if isinstance(value, list) else UNDEFINED, 1, 1),
    "ARRAY_CONTAINS": (_array_contains, 2, 3),
}

"""What the schema refuses, in the words of the file: where, which key, what was given, what is expected."""

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sensor_tui.config import catalogue
from sensor_tui.config.layers import Layer
from sensor_tui.config.problems import Place, Problem
from sensor_tui.config.values import shown

_NOWHERE: Final = Place("configuration", "default")

_EXPECTED: Final[dict[str, str]] = {
    "int": "a whole number is expected",
    "float": "a number is expected",
    "finite": "a number is expected",
    "bool": "true or false is expected",
    "string": "text is expected",
    "tuple": "a list is expected",
    "list": "a list is expected",
    "model": "a mapping is expected",
    "dict": "a mapping is expected",
    "path": "a path is expected",
}

_BOUNDS: Final[dict[str, tuple[str, str]]] = {
    "greater_than": ("gt", "more than {} is expected"),
    "greater_than_equal": ("ge", "at least {} is expected"),
    "less_than": ("lt", "less than {} is expected"),
    "less_than_equal": ("le", "at most {} is expected"),
    "multiple_of": ("multiple_of", "a multiple of {} is expected"),
    "string_too_long": ("max_length", "at most {} characters are expected"),
    "string_too_short": ("min_length", "at least {} character is expected"),
    "literal_error": ("expected", "{} is expected"),
}


def explained(error: ValidationError, layers: tuple[Layer, ...]) -> list[Problem]:
    """One problem for each error of the schema, at the place of the value that caused it."""
    return [_problem(details, layers) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, layers: tuple[Layer, ...]) -> Problem:
    context = details.get("ctx", {})
    path = details["loc"]
    if "key" in context:
        path = (*path, context["key"])
    key, depth = _key(path)
    giver = next((layer for layer in layers if key in layer.given), None)
    if giver is None:
        place = next(filter(None, (layer.place_of(path) for layer in layers)), _NOWHERE)
        return Problem(place, f"{_dotted(path)[1:]}: {_expected(details)}")
    given = giver.given[key]
    name = given.spelled + _dotted(path[depth:])
    leaf = catalogue.leaves()[key]
    value = given.value if "key" in context else details["input"]
    # A list or mapping is not repeated: what is wrong in it stands on its own line.
    told = "" if leaf.secret or not isinstance(value, str | int | float) else f" = {shown(value)}"
    place = given.place if given.place.source.startswith("key file") else giver.place_of(path) or given.place
    return Problem(place, f"{name}{told}: {_expected(details)}")


def _key(path: tuple[str | int, ...]) -> tuple[str, int]:
    """The key of the schema that a path of an error starts with, and how many steps it takes."""
    for depth in range(len(path), 0, -1):
        key = ".".join(str(step) for step in path[:depth])
        if key in catalogue.leaves():
            return key, depth
    return "", 0


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _expected(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind in _BOUNDS:
        name, text = _BOUNDS[kind]
        return text.format(_number(context[name]))
    if "reason" in context:
        return str(context["reason"])
    if "error" in context:
        return str(context["error"])
    return _EXPECTED.get(kind.partition("_")[0], details["msg"])


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)

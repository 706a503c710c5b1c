"""JSON of values of `model`, whatever text others put into them."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import orjson


def encoded(value: Any) -> bytes:
    """A dataclass, or a list of some, as JSON; text that is no Unicode is escaped."""
    try:
        return orjson.dumps(value, default=_plain)
    except TypeError:
        return orjson.dumps(_readable(value))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a message")


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if is_dataclass(value):
        return {each.name: _readable(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {_readable(key): _readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value

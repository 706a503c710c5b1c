"""YAML that means the same to every reader: plain words where that is safe, double quotes elsewhere.

YAML 1.1 (docker-compose 1.29) and 1.2 read different things into `no`, `0x1`, `1e3` or `12:30`, so whatever
is not plainly a word is quoted; characters that are not printable are escaped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Value = str | bool | int | None | Sequence["Value"] | Mapping[str, "Value"]

_WORD: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*", re.ASCII)
_NOT_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_BYTE: Final = 0xFF
_BASIC_PLANE: Final = 0xFFFF


def to_yaml(tree: Mapping[str, Value]) -> str:
    """The text of a mapping, in its order, indented by two."""
    return "".join(f"{line}\n" for line in _mapping(tree, ""))


def _mapping(tree: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, value in tree.items():
        yield from _entry(f"{indent}{scalar(key)}:", value, indent + "  ")


def _entry(head: str, value: Value, indent: str) -> Iterator[str]:
    if value is None:
        yield head
    elif isinstance(value, Mapping):
        yield head if value else f"{head} {{}}"
        yield from _mapping(value, indent)
    elif isinstance(value, str | bool | int):
        yield f"{head} {scalar(value)}"
    elif value and all(isinstance(item, str) for item in value):
        yield f"{head} [{', '.join(scalar(str(item)) for item in value)}]"
    else:
        yield head if value else f"{head} []"
        yield from _items(value, indent)


def _items(items: Sequence[Value], indent: str) -> Iterator[str]:
    for item in items:
        first, *rest = _mapping(item, "") if isinstance(item, Mapping) else [scalar(item)]
        yield f"{indent}- {first}"
        yield from (f"{indent}  {line}" for line in rest)


def scalar(value: object) -> str:
    """A text, number or truth value as it stands in a file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _WORD.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code <= _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\U{code:08x}"

"""Writes parts of a query back as text, for the queries clients are told to send to each range."""

import orjson

from sensor_tui.emulator.hashing import UNDEFINED
from sensor_tui.emulator.query.nodes import (
    ArrayOf,
    Between,
    Binary,
    Call,
    Conditional,
    Constant,
    In,
    Member,
    Node,
    ObjectOf,
    Parameter,
    Root,
    Unary,
)


def text_of(node: Node) -> str:  # noqa: C901, PLR0911
    """An expression as text that parses to the same expression."""
    match node:
        case Constant(value):
            return "undefined" if value is UNDEFINED else orjson.dumps(value).decode()
        case Parameter(name) | Root(name):
            return name
        case Member(owner, Constant(str(name))) if name.isidentifier() and name.isascii():
            return f"{text_of(owner)}.{name}"
        case Member(owner, name):
            return f"{text_of(owner)}[{text_of(name)}]"
        case Unary(operator, operand):
            return f"({operator} {text_of(operand)})"
        case Binary(operator, left, right):
            return f"({text_of(left)} {operator} {text_of(right)})"
        case In(value, choices):
            return f"({text_of(value)} IN ({_list(choices)}))"
        case Between(value, low, high):
            return f"({text_of(value)} BETWEEN {text_of(low)} AND {text_of(high)})"
        case Conditional(test, yes, no):
            return f"({text_of(test)} ? {text_of(yes)} : {text_of(no)})"
        case Call(name, arguments):
            return f"{name}({_list(arguments)})"
        case ArrayOf(items):
            return f"[{_list(items)}]"
        case ObjectOf(items):
            fields = (f"{orjson.dumps(name).decode()}: {text_of(item)}" for name, item in items)
            return "{" + ", ".join(fields) + "}"


def _list(nodes: tuple[Node, ...]) -> str:
    return ", ".join(text_of(node) for node in nodes)

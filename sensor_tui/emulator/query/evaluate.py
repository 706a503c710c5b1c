"""Turns expressions into functions of a document, with the service's rules about types and what is undefined.

Comparing values of different types gives undefined for an order and false for equality; undefined makes
undefined, except where AND and OR can decide without it; a row is kept only where its filter is exactly true.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sensor_tui.emulator.answers import bad_request
from sensor_tui.emulator.hashing import UNDEFINED
from sensor_tui.emulator.query.functions import FUNCTIONS, number
from sensor_tui.emulator.query.nodes import (
    AGGREGATES,
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

Evaluator = Callable[[Any], Any]

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


NOTHING, NULL, BOOLEAN, NUMBER, STRING, ARRAY, OBJECT = 0, 1, 2, 4, 5, 6, 7
"""Types, numbered in the order the service sorts them."""


def kind_of(value: object) -> int:
    """Where a type stands in the order: undefined, null, boolean, number, string, array, object."""
    if value is UNDEFINED:
        return NOTHING
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, str):
        return STRING
    return ARRAY if isinstance(value, list) else OBJECT


def equal(left: Any, right: Any) -> Any:
    """`=`: undefined if a side is, false for different types."""
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    kind = kind_of(left)
    if kind != kind_of(right):
        return False
    if kind == ARRAY:
        return len(left) == len(right) and all(equal(a, b) is True for a, b in zip(left, right, strict=True))
    if kind == OBJECT:
        return left.keys() == right.keys() and all(equal(left[name], right[name]) is True for name in left)
    return left == right


class Compiler:
    """Compiles expressions of one query with its parameters."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def constant(self, node: Node) -> Any:
        """The value of an expression that needs no document.

        Raises:
            CosmosError: 400, a parameter is not given.
        """
        return self.compile(node)(UNDEFINED)

    def compile(self, node: Node) -> Evaluator:  # noqa: C901, PLR0911, PLR0912
        """An expression as a function of a document.

        Raises:
            CosmosError: 400, it names a function or parameter that is not there.
        """
        match node:
            case Constant(value):
                return lambda _: value
            case Parameter(name):
                if name not in self._parameters:
                    raise bad_request(f"Parameter '{name}' is not given.")
                given = self._parameters[name]
                return lambda _: given
            case Root():
                return lambda document: document
            case Member(owner, name):
                return self._member(owner, name)
            case Unary(sign, operand):
                return _unary(sign, self.compile(operand))
            case Binary(sign, left, right):
                return self._binary(sign, left, right)
            case In(value, choices):
                return _in(self.compile(value), [self.compile(choice) for choice in choices])
            case Between(value, low, high):
                return self._binary("AND", Binary(">=", value, low), Binary("<=", value, high))
            case Conditional(test, yes, no):
                return _conditional(self.compile(test), self.compile(yes), self.compile(no))
            case Call(name, arguments):
                return self._call(name, arguments)
            case ArrayOf(items):
                return _array([self.compile(item) for item in items])
            case ObjectOf(items):
                return _object([(name, self.compile(item)) for name, item in items])

    def _member(self, owner: Node, name: Node) -> Evaluator:
        inner = self.compile(owner)
        if isinstance(name, Constant):
            key = name.value
            if isinstance(key, str):

                def by_name(document: Any) -> Any:
                    value = inner(document)
                    return value.get(key, UNDEFINED) if type(value) is dict else UNDEFINED

                return by_name
        index = self.compile(name)

        def by_value(document: Any) -> Any:
            value, at = inner(document), index(document)
            if type(value) is dict and type(at) is str:
                return value.get(at, UNDEFINED)
            if type(value) is list and type(at) is int and 0 <= at < len(value):
                return value[at]
            return UNDEFINED

        return by_value

    def _binary(self, sign: str, left: Node, right: Node) -> Evaluator:  # noqa: PLR0911
        one, two = self.compile(left), self.compile(right)
        if sign == "AND":
            return _and(one, two)
        if sign == "OR":
            return _or(one, two)
        if sign == "=":
            return lambda document: equal(one(document), two(document))
        if sign == "!=":
            return _not(lambda document: equal(one(document), two(document)))
        if sign in _ORDERED:
            return _ordered(_ORDERED[sign], one, two)
        if sign == "??":
            return _coalesce(one, two)
        if sign == "||":
            return _concat(one, two)
        if sign == "LIKE":
            return _like(one, two)
        return _arithmetic(sign, one, two)

    def _call(self, name: str, arguments: tuple[Node, ...]) -> Evaluator:
        if name in AGGREGATES:
            raise bad_request(f"The aggregate {name} cannot stand here")
        known = FUNCTIONS.get(name)
        if known is None:
            raise bad_request(f"'{name}' is not a recognized built-in function name.")
        function, least, most = known
        if not least <= len(arguments) <= most:
            raise bad_request(f"The {name} function requires {least} argument(s).")
        compiled = [self.compile(argument) for argument in arguments]
        if len(compiled) == 1:
            only = compiled[0]
            return lambda document: function(only(document))
        return lambda document: function(*(argument(document) for argument in compiled))


def _unary(sign: str, operand: Evaluator) -> Evaluator:
    if sign == "NOT":
        return _not(operand)

    def signed(document: Any) -> Any:
        value = operand(document)
        if kind_of(value) != NUMBER:
            return UNDEFINED
        return -value if sign == "-" else value

    return signed


def _not(operand: Evaluator) -> Evaluator:
    def negated(document: Any) -> Any:
        value = operand(document)
        return not value if isinstance(value, bool) else UNDEFINED

    return negated


def _and(one: Evaluator, two: Evaluator) -> Evaluator:
    def both(document: Any) -> Any:
        left = one(document)
        if left is False:
            return False
        right = two(document)
        if right is False:
            return False
        return True if left is True and right is True else UNDEFINED

    return both


def _or(one: Evaluator, two: Evaluator) -> Evaluator:
    def either(document: Any) -> Any:
        left = one(document)
        if left is True:
            return True
        right = two(document)
        if right is True:
            return True
        return False if left is False and right is False else UNDEFINED

    return either


def _ordered(compare: Callable[[Any, Any], bool], one: Evaluator, two: Evaluator) -> Evaluator:
    def ordered(document: Any) -> Any:
        left, right = one(document), two(document)
        kind = kind_of(left)
        if kind in {NOTHING, ARRAY, OBJECT} or kind != kind_of(right):
            return UNDEFINED
        return compare(0, 0) if kind == NULL else compare(left, right)

    return ordered


def _arithmetic(sign: str, one: Evaluator, two: Evaluator) -> Evaluator:
    def computed(document: Any) -> Any:
        left, right = one(document), two(document)
        if kind_of(left) != NUMBER or kind_of(right) != NUMBER:
            return UNDEFINED
        try:
            if sign in _ARITHMETIC:
                return number(_ARITHMETIC[sign](left, right))
            if sign == "/":
                return number(left / right)
            # The remainder has the sign of the dividend, as in JavaScript.
            rest = abs(left) % abs(right)
        except (ZeroDivisionError, OverflowError):
            return UNDEFINED
        return -rest if left < 0 else rest

    return computed


def _coalesce(one: Evaluator, two: Evaluator) -> Evaluator:
    def coalesced(document: Any) -> Any:
        left = one(document)
        return two(document) if left is UNDEFINED else left

    return coalesced


def _concat(one: Evaluator, two: Evaluator) -> Evaluator:
    def joined(document: Any) -> Any:
        left, right = one(document), two(document)
        return left + right if isinstance(left, str) and isinstance(right, str) else UNDEFINED

    return joined


def _like(one: Evaluator, two: Evaluator) -> Evaluator:
    cache: dict[str, re.Pattern[str]] = {}

    def like(document: Any) -> Any:
        value, pattern = one(document), two(document)
        if not isinstance(value, str) or not isinstance(pattern, str):
            return UNDEFINED
        if pattern not in cache:
            cache[pattern] = re.compile(
                "".join({"%": ".*", "_": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL
            )
        return cache[pattern].fullmatch(value) is not None

    return like


def _in(value: Evaluator, choices: list[Evaluator]) -> Evaluator:
    def among(document: Any) -> Any:
        wanted = value(document)
        if wanted is UNDEFINED:
            return UNDEFINED
        return any(equal(wanted, choice(document)) is True for choice in choices)

    return among


def _conditional(test: Evaluator, yes: Evaluator, no: Evaluator) -> Evaluator:
    return lambda document: yes(document) if test(document) is True else no(document)


def _array(items: list[Evaluator]) -> Evaluator:
    def made(document: Any) -> Any:
        values = [item(document) for item in items]
        return [value for value in values if value is not UNDEFINED]

    return made


def _object(items: list[tuple[str, Evaluator]]) -> Evaluator:
    def made(document: Any) -> Any:
        values = ((name, item(document)) for name, item in items)
        return {name: value for name, value in values if value is not UNDEFINED}

    return made

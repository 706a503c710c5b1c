"""COUNT, SUM, MIN, MAX and AVG, with and without GROUP BY, over a stream of documents."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from sensor_tui.emulator.answers import bad_request
from sensor_tui.emulator.hashing import UNDEFINED
from sensor_tui.emulator.query.evaluate import BOOLEAN, NULL, NUMBER, STRING, Compiler, Evaluator, kind_of
from sensor_tui.emulator.query.functions import number
from sensor_tui.emulator.query.nodes import (
    AGGREGATES,
    ArrayOf,
    Binary,
    Call,
    Column,
    Conditional,
    Constant,
    Member,
    Node,
    ObjectOf,
    Query,
    Root,
    Unary,
    aggregates_in,
    children,
)

_PRIMITIVES = frozenset({NULL, BOOLEAN, NUMBER, STRING})


class Accumulator:
    """The running state of one aggregate."""

    __slots__ = ("_best", "_count", "_name", "_spoilt", "_sum")

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self._sum: float = 0
        self._best: Any = UNDEFINED
        self._spoilt = False

    def add(self, value: Any) -> None:
        """Take one value in; undefined is passed over, and what has no sum spoils a sum."""
        if value is UNDEFINED:
            return
        kind = kind_of(value)
        if self._name in {"MIN", "MAX"}:
            if kind in _PRIMITIVES and self._beats(kind, value):
                self._best = value
            return
        self._count += 1
        if self._name == "COUNT":
            return
        if kind == NUMBER:
            self._sum += value
        else:
            self._spoilt = True

    def _beats(self, kind: int, value: Any) -> bool:
        if self._best is UNDEFINED:
            return True
        best = kind_of(self._best)
        if kind != best:
            return kind < best if self._name == "MIN" else kind > best
        if value is None:
            return False
        return bool(value < self._best if self._name == "MIN" else value > self._best)

    def result(self) -> Any:
        """What it comes to."""
        if self._name == "COUNT":
            return self._count
        if self._name in {"MIN", "MAX"}:
            return self._best
        if self._spoilt:
            return UNDEFINED
        if self._name == "SUM":
            return number(self._sum)
        return number(self._sum / self._count) if self._count else UNDEFINED


@dataclass(slots=True)
class _Group:
    document: Any
    states: list[Accumulator] = field(default_factory=list)


class Aggregation:
    """Groups of a query that aggregates, filled document by document."""

    def __init__(self, query: Query, compiler: Compiler) -> None:
        """Check the query.

        Raises:
            CosmosError: 400, it selects what is neither grouped by nor aggregated.
        """
        if query.star:
            raise bad_request("'SELECT *' is not valid with GROUP BY.")
        if query.order:
            raise bad_request("'ORDER BY' is not supported in presence of aggregates or GROUP BY.")
        self._query = query
        self._compiler = compiler
        self._calls: list[Call] = []
        for node in query.outputs():
            _check(node, query.group)
            self._calls += [call for call in aggregates_in(node) if call not in self._calls]
        for call in self._calls:
            if len(call.arguments) != 1:
                raise bad_request(f"The {call.name} function requires 1 argument(s).")
        self._arguments = [compiler.compile(call.arguments[0]) for call in self._calls]
        self._keys = [compiler.compile(node) for node in query.group]
        self._groups: dict[bytes, _Group] = {}

    @property
    def counts_all(self) -> bool:
        """Whether the only thing wanted is the number of documents."""
        return (
            not self._query.group
            and bool(self._calls)
            and all(
                call.name == "COUNT"
                and isinstance(call.arguments[0], Constant)
                and call.arguments[0].value is not UNDEFINED
                for call in self._calls
            )
        )

    def add(self, document: Any) -> None:
        """Take one document in."""
        key = group_key(self._keys, document)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(document, [Accumulator(call.name) for call in self._calls])
        for state, argument in zip(group.states, self._arguments, strict=True):
            state.add(argument(document))

    def results(self, counted: int | None = None) -> Iterator[Any]:
        """The rows; `counted` is the number of documents where only that was wanted."""
        if counted is not None:
            yield from self._row(UNDEFINED, [counted] * len(self._calls))
            return
        if not self._groups and not self._query.group:
            yield from self._row(UNDEFINED, [Accumulator(call.name).result() for call in self._calls])
        for group in self._groups.values():
            yield from self._row(group.document, [state.result() for state in group.states])

    def _row(self, document: Any, values: list[Any]) -> Iterator[Any]:
        known = dict(zip(self._calls, values, strict=True))
        query = self._query
        if query.value is not None:
            query = replace(query, value=_substitute(query.value, known))
        else:
            query = replace(
                query,
                columns=tuple(Column(_substitute(one.expression, known), one.alias) for one in query.columns),
            )
        row = projection(query, self._compiler)(document)
        if row is not UNDEFINED:
            yield row


def group_key(keys: list[Evaluator], document: Any) -> bytes:
    """One text per distinct combination of values."""
    return distinct_key([[] if (value := key(document)) is UNDEFINED else [value] for key in keys])


def distinct_key(value: Any) -> bytes:
    """One text per distinct value: 1 and 1.0 are the same, and so are objects however ordered."""
    return orjson.dumps(_normal(value), option=orjson.OPT_SORT_KEYS)


def _normal(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, dict):
        return {name: _normal(item) for name, item in value.items()}
    return value


def projection(query: Query, compiler: Compiler) -> Evaluator:
    """What a query selects, as a function of a document; UNDEFINED where it selects nothing."""
    if query.star:
        return lambda document: document
    if query.value is not None:
        return compiler.compile(query.value)
    fields = [(column.alias, compiler.compile(column.expression)) for column in query.columns]

    def select(document: Any) -> Any:
        values = ((alias, evaluate(document)) for alias, evaluate in fields)
        return {alias: value for alias, value in values if value is not UNDEFINED}

    return select


def _check(node: Node, group: tuple[Node, ...]) -> None:
    if node in group or (isinstance(node, Call) and node.name in AGGREGATES):
        return
    if isinstance(node, Root | Member):
        raise bad_request(
            "A property reference in the select list is invalid because it is not contained in either an "
            "aggregate function or the GROUP BY clause."
        )
    for child in children(node):
        _check(child, group)


def _substitute(node: Node, known: dict[Call, Any]) -> Node:  # noqa: PLR0911
    """An expression with its aggregates replaced by what they came to."""
    again: Callable[[Node], Node] = lambda child: _substitute(child, known)  # noqa: E731
    if isinstance(node, Call):
        if node in known:
            return Constant(known[node])
        return Call(node.name, tuple(again(argument) for argument in node.arguments))
    match node:
        case ArrayOf(items):
            return ArrayOf(tuple(again(item) for item in items))
        case ObjectOf(items):
            return ObjectOf(tuple((name, again(item)) for name, item in items))
        case Binary(sign, left, right):
            return Binary(sign, again(left), again(right))
        case Unary(sign, operand):
            return Unary(sign, again(operand))
        case Conditional(test, yes, no):
            return Conditional(again(test), again(yes), again(no))
        case _:
            return node

"""What a client is told about a query over many ranges: what to ask each, and how to merge the answers.

The shapes are those the service gives its clients: rows of an ordered query carry `orderByItems` and
`payload`, aggregates come as `[{"item": ...}]`, groups with `groupByItems`.
"""

from dataclasses import dataclass
from typing import Any

from sensor_tui.emulator.answers import bad_request
from sensor_tui.emulator.catalog import Container, Json
from sensor_tui.emulator.hashing import MAX_EPK, MIN_EPK
from sensor_tui.emulator.operations import Key, key_of
from sensor_tui.emulator.query.evaluate import Compiler
from sensor_tui.emulator.query.nodes import (
    Binary,
    Call,
    Constant,
    Member,
    Node,
    Parameter,
    Query,
    Root,
    aggregates_in,
)
from sensor_tui.emulator.query.writer import text_of

FILTER = "{documentdb-formattableorderbyquery-filter}"
_NAMES = {"COUNT": "Count", "SUM": "Sum", "MIN": "Min", "MAX": "Max", "AVG": "Average"}
_FEATURE_OF_GROUPS = "GroupBy"
_FEATURE_OF_MANY = "NonValueAggregate"


@dataclass(slots=True)
class Bounds:
    """TOP, OFFSET and LIMIT as numbers."""

    top: int | None
    offset: int | None
    limit: int | None

    @property
    def most(self) -> int | None:
        """How many rows there can be, those skipped included."""
        if self.limit is not None:
            return (self.offset or 0) + self.limit
        return self.top


def bounds_of(query: Query, compiler: Compiler) -> Bounds:
    """TOP, OFFSET and LIMIT.

    Raises:
        CosmosError: 400, they are not whole numbers.
    """
    return Bounds(
        _count(query.top, compiler, "TOP"),
        _count(query.offset, compiler, "OFFSET"),
        _count(query.limit, compiler, "LIMIT"),
    )


def _count(node: Node | None, compiler: Compiler, name: str) -> int | None:
    if node is None:
        return None
    value = compiler.constant(node)
    if type(value) is not int or value < 0:
        raise bad_request(f"The {name} clause needs a number that is not negative.")
    return value


def aggregates(query: Query) -> bool:
    """Whether a query groups or aggregates."""
    return bool(query.group) or any(aggregates_in(node) for node in query.outputs())


def needs_merging(query: Query) -> bool:
    """Whether the answers of ranges cannot just follow one another."""
    return bool(
        query.order or query.distinct or query.top or query.offset or query.limit or aggregates(query)
    )


def conjuncts(node: Node | None) -> list[Node]:
    """What a filter demands, all of it."""
    if node is None:
        return []
    if isinstance(node, Binary) and node.operator == "AND":
        return conjuncts(node.left) + conjuncts(node.right)
    return [node]


def key_in(query: Query, container: Container, compiler: Compiler) -> tuple[Key | None, list[Node]]:
    """The partition key a filter fixes, if it does, and what else it demands."""
    demands = conjuncts(query.where)
    for position, node in enumerate(demands):
        if not isinstance(node, Binary) or node.operator != "=":
            continue
        for path, value in ((node.left, node.right), (node.right, node.left)):
            if _path(path) == container.path and isinstance(value, Constant | Parameter):
                wanted = compiler.constant(value)
                if wanted is None or isinstance(wanted, str | int | float):
                    key = key_of(wanted, container.version)
                    return key, demands[:position] + demands[position + 1 :]
    return None, demands


def _path(node: Node) -> tuple[str, ...] | None:
    """The names of a property path, None for anything else."""
    if isinstance(node, Root):
        return ()
    if isinstance(node, Member) and isinstance(node.name, Constant) and isinstance(node.name.value, str):
        owner = _path(node.owner)
        return None if owner is None else (*owner, node.name.value)
    return None


def make_plan(query: Query, container: Container, compiler: Compiler, features: frozenset[str]) -> Json:
    """The plan of a query for a client that can do `features`.

    Raises:
        CosmosError: 400, the client cannot merge what this query needs.
    """
    bounds = bounds_of(query, compiler)
    info: Json = {
        "distinctType": _distinct_type(query),
        "top": bounds.top,
        "offset": bounds.offset,
        "limit": bounds.limit,
        "orderBy": ["Descending" if order.descending else "Ascending" for order in query.order],
        "orderByExpressions": [text_of(order.expression) for order in query.order],
        "groupByExpressions": [text_of(node) for node in query.group],
        "groupByAliases": [],
        "aggregates": [],
        "groupByAliasToAggregateType": {},
        "rewrittenQuery": "",
        "hasSelectValue": query.value is not None,
        "dCountInfo": None,
        "hasNonStreamingOrderBy": False,
    }
    if aggregates(query):
        _plan_groups(query, info, features)
    elif query.order:
        info["rewrittenQuery"] = _ordered(query, bounds)
    elif bounds.limit is not None:
        info["rewrittenQuery"] = _text(query, _select(query), offset=(0, bounds.most or 0))
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": info,
        "queryRanges": [_range(query, container, compiler)],
    }


def _range(query: Query, container: Container, compiler: Compiler) -> Json:
    key, _ = key_in(query, container, compiler)
    if key is None:
        return {"min": MIN_EPK, "max": MAX_EPK, "isMinInclusive": True, "isMaxInclusive": False}
    return {"min": key.epk, "max": key.epk, "isMinInclusive": True, "isMaxInclusive": True}


def _distinct_type(query: Query) -> str:
    if not query.distinct:
        return "None"
    ordered = len(query.order) == 1 and query.outputs() == (query.order[0].expression,)
    return "Ordered" if ordered and query.value is not None else "Unordered"


def _select(query: Query) -> str:
    """The select list as it was."""
    if query.star:
        return "*"
    if query.value is not None:
        return f"VALUE {text_of(query.value)}"
    return ", ".join(f"{text_of(column.expression)} AS {_quoted(column.alias)}" for column in query.columns)


def _quoted(alias: str) -> str:
    return alias if alias.isidentifier() and alias.isascii() else text_of(Constant(alias))


def _payload(query: Query) -> str:
    """The selected row as one expression."""
    if query.star:
        return query.root
    if query.value is not None:
        return text_of(query.value)
    fields = (f"{text_of(Constant(column.alias))}: {text_of(column.expression)}" for column in query.columns)
    return "{" + ", ".join(fields) + "}"


def _text(
    query: Query,
    select: str,
    *,
    top: int | None = None,
    offset: tuple[int, int] | None = None,
    extra: str = "",
) -> str:
    """A query around a new select list, with the filter and the groups of the old one."""
    words = ["SELECT"]
    if query.distinct and offset is not None:
        words.append("DISTINCT")
    if top is not None:
        words.append(f"TOP {top}")
    words += [select, "FROM", query.root]
    where = [text_of(query.where)] if query.where is not None else []
    if extra:
        where.append(extra)
    if where:
        words += ["WHERE", " AND ".join(f"({one})" for one in where)]
    if query.group:
        words += ["GROUP BY", ", ".join(text_of(node) for node in query.group)]
    if query.order:
        orders = (f"{text_of(one.expression)} {'DESC' if one.descending else 'ASC'}" for one in query.order)
        words += ["ORDER BY", ", ".join(orders)]
    if offset is not None:
        words += [f"OFFSET {offset[0]} LIMIT {offset[1]}"]
    return " ".join(words)


def _ordered(query: Query, bounds: Bounds) -> str:
    items = ", ".join(f'{{"item": {text_of(order.expression)}}}' for order in query.order)
    select = f"{query.root}._rid, [{items}] AS orderByItems, {_payload(query)} AS payload"
    # A row that selects nothing is no row; only `SELECT VALUE` can do that.
    extra = FILTER if query.value is None else f"IS_DEFINED({text_of(query.value)}) AND {FILTER}"
    return _text(query, select, top=None if query.distinct else bounds.most, extra=extra)


def _item(call: Call) -> str:
    """How a range reports one aggregate, so that it can be merged."""
    text = text_of(call)
    if call.name == "AVG":
        argument = text_of(call.arguments[0])
        return f'{{"item": {{"sum": SUM({argument}), "count": COUNT({argument})}}}}'
    if call.name in {"MIN", "MAX"}:
        argument = text_of(call.arguments[0])
        return f'{{"item": {text}, "item2": {{"{call.name.lower()}": {text}, "count": COUNT({argument})}}}}'
    return f'{{"item": {text}}}'


def _plan_groups(query: Query, info: Json, features: frozenset[str]) -> None:
    """Fill in the plan of a query that groups or aggregates.

    Raises:
        CosmosError: 400, the client cannot.
    """
    if query.group and _FEATURE_OF_GROUPS not in features:
        raise bad_request(
            "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support "
            "the requested features:\nQuery contained GroupBy, which the calling client does not support."
        )
    if query.order:
        raise bad_request("'ORDER BY' is not supported in presence of aggregates or GROUP BY.")
    nodes = query.outputs()
    for node in nodes:
        if aggregates_in(node) and not isinstance(node, Call):
            raise bad_request(
                "Compositions of aggregates and other expressions are not allowed in a cross partition query."
            )
    groups = ", ".join(f'{{"item": {text_of(node)}}}' for node in query.group)
    prefix = f"[{groups}] AS groupByItems, " if query.group else ""
    if query.value is not None:
        if isinstance(query.value, Call) and query.value.name in _NAMES:
            info["aggregates"] = [_NAMES[query.value.name]]
            payload = f"[{_item(query.value)}]"
        else:
            payload = text_of(query.value)
        select = f"{prefix}{payload} AS payload" if prefix else f"VALUE {payload}"
    elif _FEATURE_OF_MANY not in features:
        # Clients without that feature refuse such a query themselves, from this.
        info["aggregates"] = [_NAMES[call.name] for node in nodes for call in aggregates_in(node)]
        return
    else:
        fields = []
        types: dict[str, Any] = {}
        for column in query.columns:
            node = column.expression
            call = node if isinstance(node, Call) and node.name in _NAMES else None
            types[column.alias] = None if call is None else _NAMES[call.name]
            fields.append(
                f"{text_of(Constant(column.alias))}: {text_of(node) if call is None else _item(call)}"
            )
        info["groupByAliasToAggregateType"] = types
        info["groupByAliases"] = list(types)
        select = f"{prefix}{{{', '.join(fields)}}} AS payload"
    info["rewrittenQuery"] = _text(query, select)

"""The parts of a query, as parsed."""

from dataclasses import dataclass

Value = object


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: Value


@dataclass(frozen=True, slots=True)
class Parameter:
    """`@name`, given beside the query."""

    name: str


@dataclass(frozen=True, slots=True)
class Root:
    """The document: the alias of FROM."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`owner.name`, `owner["name"]` or `owner[0]`."""

    owner: "Node"
    name: "Node"


@dataclass(frozen=True, slots=True)
class Unary:
    """NOT, - or +."""

    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands: arithmetic, comparison, AND, OR, ??, ||, LIKE."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class In:
    """`value IN (choices)`."""

    value: "Node"
    choices: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Between:
    """`value BETWEEN low AND high`."""

    value: "Node"
    low: "Node"
    high: "Node"


@dataclass(frozen=True, slots=True)
class Conditional:
    """`test ? yes : no`."""

    test: "Node"
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or an aggregate (COUNT, SUM, MIN, MAX, AVG); the name in upper case."""

    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """`[a, b]`."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """`{"a": b}`."""

    items: tuple[tuple[str, "Node"], ...]


Node = (
    Constant
    | Parameter
    | Root
    | Member
    | Unary
    | Binary
    | In
    | Between
    | Conditional
    | Call
    | ArrayOf
    | ObjectOf
)


@dataclass(frozen=True, slots=True)
class Column:
    """One item of a field list, with the name it gets in the answer."""

    expression: Node
    alias: str


@dataclass(frozen=True, slots=True)
class Order:
    """One item of ORDER BY."""

    expression: Node
    descending: bool


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. `columns` is empty for `SELECT *` and `SELECT VALUE`; `value` is set for the latter."""

    root: str
    columns: tuple[Column, ...] = ()
    value: Node | None = None
    distinct: bool = False
    top: Node | None = None
    where: Node | None = None
    group: tuple[Node, ...] = ()
    order: tuple[Order, ...] = ()
    offset: Node | None = None
    limit: Node | None = None

    @property
    def star(self) -> bool:
        return self.value is None and not self.columns

    def outputs(self) -> tuple[Node, ...]:
        """The expressions selected."""
        if self.value is not None:
            return (self.value,)
        return tuple(column.expression for column in self.columns)


AGGREGATES = frozenset({"COUNT", "SUM", "MIN", "MAX", "AVG"})


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911
    """The nodes right below one."""
    match node:
        case Member(owner, name):
            return owner, name
        case Unary(_, operand):
            return (operand,)
        case Binary(_, left, right):
            return left, right
        case In(value, choices):
            return value, *choices
        case Between(value, low, high):
            return value, low, high
        case Conditional(test, yes, no):
            return test, yes, no
        case Call(_, arguments):
            return arguments
        case ArrayOf(items):
            return items
        case ObjectOf(items):
            return tuple(item for _, item in items)
        case _:
            return ()


def aggregates_in(node: Node) -> list[Call]:
    """The aggregate calls of an expression, left to right."""
    if isinstance(node, Call) and node.name in AGGREGATES:
        return [node]
    return [found for child in children(node) for found in aggregates_in(child)]

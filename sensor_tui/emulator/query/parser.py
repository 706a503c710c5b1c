"""Reads the service's SQL: SELECT over one container, without joins and subqueries."""

from typing import NoReturn

from sensor_tui.emulator.answers import bad_request
from sensor_tui.emulator.hashing import UNDEFINED
from sensor_tui.emulator.query.lexer import Word, string_value, syntax_error, words
from sensor_tui.emulator.query.nodes import (
    ArrayOf,
    Between,
    Binary,
    Call,
    Column,
    Conditional,
    Constant,
    In,
    Member,
    Node,
    ObjectOf,
    Order,
    Parameter,
    Query,
    Root,
    Unary,
)

MAX_DEPTH = 40
MAX_TERMS = 100

_CLAUSES = frozenset(
    {"FROM", "WHERE", "ORDER", "GROUP", "OFFSET", "LIMIT", "AS", "ASC", "DESC", "AND", "OR", "NOT", "IN",
     "BETWEEN", "LIKE", "BY", "SELECT", "VALUE", "TOP", "DISTINCT", "JOIN", "EXISTS", "HAVING", "UNION"}
)  # fmt: skip
_LITERALS: dict[str, object] = {"true": True, "false": False, "null": None, "undefined": UNDEFINED}
_BINARY = (
    ("??",),
    ("OR",),
    ("AND",),
    ("=", "!=", "<>", "<", "<=", ">", ">=", "IN", "BETWEEN", "LIKE", "NOT"),
    ("||",),
    ("+", "-"),
    ("*", "/", "%"),
)
_CHAINS = frozenset({1, 2})
_COMPARISONS = 3


def parse(text: str) -> Query:
    """A query from its text.

    Raises:
        CosmosError: 400, it cannot be read, or uses what this endpoint does not have.
    """
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._words = words(text)
        self._at = 0
        self._depth = 0
        self._root = ""

    @property
    def _word(self) -> Word:
        return self._words[self._at]

    def _next(self) -> Word:
        word = self._words[self._at]
        self._at += 1
        return word

    def _fail(self, word: Word | None = None) -> NoReturn:
        word = word or self._word
        raise syntax_error(word.text, word.at)

    def _is(self, *texts: str) -> bool:
        word = self._word
        return word.kind in {"name", "symbol"} and word.upper in texts

    def _take(self, *texts: str) -> bool:
        if self._is(*texts):
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            self._fail()

    def _alias_of(self, start: int) -> str | None:
        """The alias FROM gives, looked up before the select list is read."""
        depth = 0
        for position in range(start, len(self._words)):
            word = self._words[position]
            depth += (word.text in {"(", "[", "{"}) - (word.text in {")", "]", "}"})
            if (
                word.kind == "name"
                and word.upper == "FROM"
                and depth == 0
                and self._words[position - 1].text != "."
            ):
                names = self._words[position + 1 : position + 4]
                if names[0].kind != "name":
                    self._fail(names[0])
                alias = names[0]
                rest = names[1:]
                if rest and rest[0].upper == "AS":
                    rest = rest[1:]
                    if not rest or rest[0].kind != "name":
                        self._fail(rest[0] if rest else names[1])
                if rest and rest[0].kind == "name" and rest[0].upper not in _CLAUSES:
                    alias = rest[0]
                return alias.text
        return None

    def query(self) -> Query:
        """The whole text."""
        self._expect("SELECT")
        self._root = self._alias_of(self._at) or ""
        distinct = self._take("DISTINCT")
        top = self._primary() if self._take("TOP") else None
        value: Node | None = None
        columns: tuple[Column, ...] = ()
        if self._take("VALUE"):
            value = self._expression()
        elif not self._take("*"):
            columns = self._columns()
        self._from()
        where = self._expression() if self._take("WHERE") else None
        group: tuple[Node, ...] = ()
        if self._take("GROUP"):
            self._expect("BY")
            group = self._list()
        order = self._order() if self._take("ORDER") else ()
        offset = limit = None
        if self._take("OFFSET"):
            offset = self._primary()
            self._expect("LIMIT")
            limit = self._primary()
        if self._word.kind != "end":
            if self._is("JOIN", "HAVING", "UNION"):
                raise bad_request(f"{self._word.upper} is not supported by this endpoint")
            self._fail()
        return Query(self._root, columns, value, distinct, top, where, group, order, offset, limit)

    def _from(self) -> None:
        if not self._take("FROM"):
            if self._word.kind == "end":
                raise bad_request("A query without FROM is not supported by this endpoint")
            self._fail()
        self._next()
        if self._is("IN"):
            raise bad_request("FROM ... IN is not supported by this endpoint")
        if self._take("AS") or (self._word.kind == "name" and self._word.upper not in _CLAUSES):
            self._next()

    def _columns(self) -> tuple[Column, ...]:
        columns: list[Column] = []
        while True:
            start = self._at
            expression = self._expression()
            if self._take("AS") or (self._word.kind == "name" and self._word.upper not in _CLAUSES):
                word = self._next()
                alias = string_value(word) if word.kind == "string" else word.text
                if word.kind not in {"name", "string"}:
                    self._fail(word)
            else:
                alias = _name_of(expression) or f"${len(columns) + 1}"
            if any(column.alias == alias for column in columns):
                self._fail(self._words[start])
            columns.append(Column(expression, alias))
            if not self._take(","):
                return tuple(columns)

    def _order(self) -> tuple[Order, ...]:
        self._expect("BY")
        found = []
        while True:
            expression = self._expression()
            descending = self._take("DESC")
            if not descending:
                self._take("ASC")
            found.append(Order(expression, descending))
            if not self._take(","):
                return tuple(found)

    def _list(self, closing: str = "") -> tuple[Node, ...]:
        """Expressions between commas, up to `closing` where that is given."""
        found: list[Node] = []
        if closing and self._take(closing):
            return ()
        while True:
            found.append(self._expression())
            if not self._take(","):
                break
        if closing:
            self._expect(closing)
        return tuple(found)

    def _expression(self) -> Node:
        self._deeper()
        node = self._binary(0)
        if self._take("?"):
            yes = self._expression()
            self._expect(":")
            node = Conditional(node, yes, self._expression())
        self._depth -= 1
        return node

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise bad_request("The query is nested too deeply")

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        if level == _COMPARISONS and self._is("NOT"):
            self._next()
            self._deeper()
            operand = self._binary(level)
            self._depth -= 1
            return Unary("NOT", operand)
        if level in _CHAINS:
            return self._chain(level)
        node = self._binary(level + 1)
        terms = 1
        while self._is(*_BINARY[level]):
            node = self._joined(node, level)
            terms += 1
            if terms > MAX_TERMS:
                raise bad_request("The query has too many operators in a row")
        return node

    def _chain(self, level: int) -> Node:
        """Terms of AND or OR, as a tree no deeper than it must be: clients send chains of a thousand."""
        operator = _BINARY[level][0]
        terms = [self._binary(level + 1)]
        while self._take(operator):
            terms.append(self._binary(level + 1))
        while len(terms) > 1:
            pairs = [
                Binary(operator, *terms[at : at + 2]) if at + 1 < len(terms) else terms[at]
                for at in range(0, len(terms), 2)
            ]
            terms = list(pairs)
        return terms[0]

    def _joined(self, node: Node, level: int) -> Node:
        """What a binary operator makes of the term before it and what follows."""
        operator = self._next().upper
        negated = operator == "NOT"
        if negated:
            operator = self._next().upper
            if operator not in {"IN", "BETWEEN", "LIKE"}:
                self._fail(self._words[self._at - 1])
        if operator == "IN":
            self._expect("(")
            made: Node = In(node, self._list(")"))
        elif operator == "BETWEEN":
            low = self._binary(level + 1)
            self._expect("AND")
            made = Between(node, low, self._binary(level + 1))
        else:
            made = Binary("!=" if operator == "<>" else operator, node, self._binary(level + 1))
        return Unary("NOT", made) if negated else made

    def _unary(self) -> Node:
        if self._is("-", "+"):
            operator = self._next().text
            self._deeper()
            operand = self._unary()
            self._depth -= 1
            if operator == "-" and isinstance(operand, Constant) and type(operand.value) in {int, float}:
                return Constant(-operand.value)  # type: ignore[operator]
            return Unary(operator, operand)
        node = self._primary()
        steps = 0
        while self._is(".", "["):
            steps += 1
            if steps > MAX_TERMS:
                raise bad_request("A property path is too long")
            if self._next().text == ".":
                word = self._next()
                if word.kind != "name":
                    self._fail(word)
                node = Member(node, Constant(word.text))
            else:
                node = Member(node, self._expression())
                self._expect("]")
        return node

    def _primary(self) -> Node:  # noqa: C901, PLR0911
        word = self._next()
        if word.kind == "number":
            whole = word.text.isdigit()
            return Constant(int(word.text) if whole and len(word.text) < 17 else float(word.text))  # noqa: PLR2004
        if word.kind == "string":
            return Constant(string_value(word))
        if word.kind == "parameter":
            return Parameter(word.text)
        if word.kind == "symbol":
            if word.text == "(":
                if self._is("SELECT"):
                    raise bad_request("Subqueries are not supported by this endpoint")
                node = self._expression()
                self._expect(")")
                return node
            if word.text == "[":
                return ArrayOf(self._list("]"))
            if word.text == "{":
                return self._object()
        if word.kind != "name" or word.upper in _CLAUSES - {"VALUE"}:
            self._fail(word)
        if self._is("("):
            self._next()
            return Call(word.upper, self._list(")"))
        if word.text.lower() in _LITERALS and word.text != self._root:
            return Constant(_LITERALS[word.text.lower()])
        if word.text != self._root:
            raise bad_request(f"Identifier '{word.text}' could not be resolved.")
        return Root(word.text)

    def _object(self) -> ObjectOf:
        items: list[tuple[str, Node]] = []
        if self._take("}"):
            return ObjectOf(())
        while True:
            word = self._next()
            if word.kind not in {"name", "string"}:
                self._fail(word)
            self._expect(":")
            items.append((string_value(word) if word.kind == "string" else word.text, self._expression()))
            if not self._take(","):
                self._expect("}")
                return ObjectOf(tuple(items))


def _name_of(node: Node) -> str | None:
    """The name a column gets without AS: that of its last property."""
    if isinstance(node, Member) and isinstance(node.name, Constant) and isinstance(node.name.value, str):
        return node.name.value
    return node.name if isinstance(node, Root) else None

"""A query made ready to run: read, aimed at the documents it is about, compiled."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from sensor_tui.emulator.answers import bad_request
from sensor_tui.emulator.catalog import Container, Json
from sensor_tui.emulator.documents import KEY, RANGE_ID, Target, target_of
from sensor_tui.emulator.hashing import UNDEFINED
from sensor_tui.emulator.query.aggregate import projection
from sensor_tui.emulator.query.evaluate import Compiler, Evaluator
from sensor_tui.emulator.query.nodes import Binary, Constant, Node, Query
from sensor_tui.emulator.query.parser import parse
from sensor_tui.emulator.query.plan import Bounds, aggregates, bounds_of, key_in
from sensor_tui.emulator.requests import Request

_AIM = (KEY, RANGE_ID, "x-ms-start-epk", "x-ms-end-epk")


@dataclass(slots=True)
class Job:
    """One query made ready: what to look at, what to keep, what to make of it; and what it has looked at."""

    container: Container
    target: Target
    query: Query
    compiler: Compiler
    bounds: Bounds
    keep: Evaluator | None
    select: Evaluator
    identity: bytes
    limit: int
    scanned: int = 0
    by_range: dict[str, int] = field(default_factory=dict)

    @property
    def spreads(self) -> bool:
        """Whether the client left it to the endpoint to go through several ranges."""
        return self.target.key is None and not self.target.addressed and len(self.container.ranges) > 1

    @property
    def whole(self) -> bool:
        """Whether it is made as a whole before its first page."""
        return bool(self.query.order or self.query.distinct) or aggregates(self.query)


def read_query(body: Json) -> tuple[Query, Compiler]:
    """The query and parameters of a request's body.

    Raises:
        CosmosError: 400, they are not there or cannot be read.
    """
    text = body.get("query")
    if not isinstance(text, str) or not text.strip():
        raise bad_request('The request body must hold a query: {"query": "SELECT ...", "parameters": [...]}')
    given = body.get("parameters") or []
    if not isinstance(given, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in given
    ):
        raise bad_request("The parameters of a query must be a list of {name, value}")
    return parse(text), Compiler({one["name"]: one.get("value", UNDEFINED) for one in given})


def prepare(container: Container, request: Request) -> Job:
    """The job a request describes.

    Raises:
        CosmosError: 400, it cannot be read; 410, the range it addresses is gone.
    """
    body = request.json_object()
    query, compiler = read_query(body)
    target, demands = _aim(query, container, compiler, request)
    keep = _all(demands)
    return Job(
        container,
        target,
        query,
        compiler,
        bounds_of(query, compiler),
        None if keep is None else compiler.compile(keep),
        (lambda document: document) if aggregates(query) else projection(query, compiler),
        orjson.dumps([container.number, body, *(request.headers.get(name) for name in _AIM)]),
        request.page_size(),
    )


def _aim(
    query: Query, container: Container, compiler: Compiler, request: Request
) -> tuple[Target, list[Node]]:
    """What a query is about, narrowed where its filter fixes the key, and what else the filter demands."""
    target = target_of(container, request)
    key, demands = key_in(query, container, compiler)
    everything = [] if query.where is None else [query.where]
    if key is None:
        return target, everything
    if target.key is not None:
        return target, demands if key.text == target.key.text else [Constant(value=False)]
    home = container.range_of(key.epk)
    if not target.addressed or (target.whole and home is target.ranges[0]):
        return Target(key, [home], addressed=target.addressed), demands
    return target, everything


def _all(demands: list[Node]) -> Node | None:
    """One filter out of many."""
    whole: Node | None = None
    for node in demands:
        whole = node if whole is None else Binary("AND", whole, node)
    return whole


def dumped(row: Any) -> bytes | None:
    """A row as text; None where nothing was selected."""
    return None if row is UNDEFINED else orjson.dumps(row)

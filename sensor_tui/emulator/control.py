"""`/_control`: the controls of an endpoint in another process.

Only from loopback, and with the account's key in the header `x-emulator-key`.

GET    /_control                      {url, databases, containers}
GET    /_control/stats                {containers: {"db/coll": {range: {second: {...}}}}, total}
GET    /_control/ranges/{db}/{coll}   {ranges: [{id, minimum, maximum, parents, count, ru_per_second}]}
POST   /_control/ru                   {ru_per_second, range_id?, db?, coll?} -> {changed}
POST   /_control/split                {db, coll, range_id} -> {ranges: [two ids]}
GET    /_control/faults               {faults: [...]} with hits
POST   /_control/faults               a fault's fields (see `faults.Fault`) -> the fault with its number
GET    /_control/faults/{number}      one fault; with ?reached=SECONDS waits that long for its first hit
POST   /_control/faults/{number}/release   lets go of whoever it holds
DELETE /_control/faults               forgets all of them
"""

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensor_tui.emulator.answers import JSON, CosmosError, bad_request, not_found
from sensor_tui.emulator.catalog import Json
from sensor_tui.emulator.faults import Action, Fault, When

if TYPE_CHECKING:
    from sensor_tui.emulator.emulator import Emulator

PREFIX = "/_control"
HEADER = "x-emulator-key"
MAX_WAIT = 60.0

Body = TypeVar("Body", bound=BaseModel)
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Budget(_Strict):
    ru_per_second: float | None = Field(gt=0)
    range_id: str | None = None
    db: str | None = None
    coll: str | None = None


class _Split(_Strict):
    db: str
    coll: str
    range_id: str


class _Rule(_Strict):
    action: Action
    kind: str | None = None
    range_id: str | None = None
    nth: int = Field(1, ge=1)
    times: int | None = Field(1, ge=1)
    status: int = Field(503, ge=400, le=599)
    substatus: int = 0
    retry_after_ms: int | None = Field(None, ge=0)
    operations: list[int] | None = None
    seconds: float = Field(0.0, ge=0)
    when: When = "before"


class Control:
    """Answers `/_control`, and passes everything else on."""

    def __init__(self, emulator: "Emulator", otherwise: Handler) -> None:
        self._emulator = emulator
        self._otherwise = otherwise

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request."""
        path = http.rel_url.raw_path
        if path != PREFIX and not path.startswith(f"{PREFIX}/"):
            return await self._otherwise(http)
        try:
            self._check(http)
            parts = [unquote(part) for part in path.removeprefix(PREFIX).split("/") if part]
            body = await self._do(http, parts)
        except CosmosError as error:
            answer = error.answer("")
            return web.Response(status=answer.status, body=answer.body, content_type=JSON)
        # Keys of the statistics are numbers.
        return web.Response(body=orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), content_type=JSON)

    def _check(self, http: web.BaseRequest) -> None:
        peer = http.remote
        if peer is None or not ipaddress.ip_address(peer).is_loopback:
            raise CosmosError(403, "The controls answer to this machine only")
        given = http.headers.get(HEADER, "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._emulator.key.encode()):
            raise CosmosError(401, f"The header {HEADER} must hold the account's key")

    async def _do(self, http: web.BaseRequest, parts: list[str]) -> Json:
        match http.method, *parts:
            case ["GET"]:
                return self._overview()
            case "GET", "stats":
                return self._stats()
            case "GET", "ranges", db, coll:
                return self._ranges(db, coll)
            case "POST", "ru":
                wanted = await _read(http, _Budget)
                changed = self._emulator.set_ru(
                    wanted.range_id, wanted.ru_per_second, db=wanted.db, coll=wanted.coll
                )
                return {"changed": changed}
            case "POST", "split":
                return await self._split(http)
            case _, "faults", *rest:
                return await self._faults(http, rest)
        raise not_found(f"There is no control {http.method} {http.rel_url.raw_path}")

    def _overview(self) -> Json:
        store = self._emulator.store
        return {
            "url": self._emulator.url,
            "databases": list(store.databases),
            "containers": [f"{db}/{coll}" for db, coll in store.containers],
        }

    def _stats(self) -> Json:
        emulator = self._emulator
        containers = {
            f"{db}/{coll}": {
                range_id: {second: asdict(did) for second, did in seconds.items()}
                for range_id, seconds in emulator.seconds(db, coll).items()
            }
            for db, coll in emulator.store.containers
        }
        return {"containers": containers, "total": asdict(emulator.totals())}

    def _ranges(self, db: str, coll: str) -> Json:
        try:
            container = self._emulator.container(db, coll)
        except KeyError:
            raise not_found(f"There is no container {db}/{coll}") from None
        return {
            "ranges": [
                {
                    "id": one.id,
                    "minimum": one.minimum,
                    "maximum": one.maximum,
                    "parents": list(one.parents),
                    "count": self._emulator.store.shelf(container, one).count(),
                    "ru_per_second": self._emulator.range_budget(container, one),
                }
                for one in container.ranges
            ]
        }

    async def _split(self, http: web.BaseRequest) -> Json:
        wanted = await _read(http, _Split)
        try:
            children = self._emulator.split(wanted.db, wanted.coll, wanted.range_id)
        except KeyError:
            raise not_found(f"There is no range {wanted.range_id} in {wanted.db}/{wanted.coll}") from None
        return {"ranges": [child.id for child in children]}

    async def _faults(self, http: web.BaseRequest, rest: list[str]) -> Json:
        faults = self._emulator.faults
        if not rest:
            if http.method == "POST":
                rule = await _read(http, _Rule)
                return _shown(faults.add(Fault(**rule.model_dump())))
            if http.method == "DELETE":
                faults.clear()
            return {"faults": [_shown(fault) for fault in faults]}
        fault = faults.get(int(rest[0])) if rest[0].isdigit() else None
        if fault is None:
            raise not_found(f"There is no fault {rest[0]}")
        if rest[1:] == ["release"] and http.method == "POST":
            fault.release.set()
        elif rest[1:] or http.method != "GET":
            raise not_found(f"There is no control {http.method} {http.rel_url.raw_path}")
        await _reached(fault, http.query.get("reached"))
        return _shown(fault)


async def _reached(fault: Fault, seconds: str | None) -> None:
    """Wait for a fault's first hit, as long as asked."""
    if seconds is None:
        return
    try:
        wait = float(seconds)
    except ValueError:
        raise bad_request("?reached= takes seconds") from None
    try:
        async with asyncio.timeout(min(wait, MAX_WAIT)):
            await fault.reached.wait()
    except TimeoutError:
        return


def _shown(fault: Fault) -> Json:
    hidden = {"reached", "release"}
    shown: Json = {name: getattr(fault, name) for name in Fault.__slots__ if name not in hidden}
    shown["reached"] = fault.reached.is_set()
    shown["operations"] = None if fault.operations is None else list(fault.operations)
    return shown


async def _read(http: web.BaseRequest, model: type[Body]) -> Body:
    """The body of a control.

    Raises:
        CosmosError: 400, it does not fit; the message says where.
    """
    try:
        return model.model_validate_json(await http.read())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise bad_request(f"{where}: {first['msg']}") from None

"""The API about units: adding, planning and doing, the action log, and logs as they are written."""

import math
import socket
from collections.abc import Sequence

from aiohttp import web
from pydantic import ValidationError

from sensor_tui import __version__
from sensor_tui.model.action import LoggedAction
from sensor_tui.model.unit import UnitSpec
from sensor_tui.service.caller import adapter
from sensor_tui.service.encoding import encoded
from sensor_tui.service.fleet import Fleet
from sensor_tui.service.fleet_client import units_named
from sensor_tui.service.server import BadRequest, json_answer, number_of, read_body, who_asks
from sensor_tui.service.wire import PROTOCOL, PROTOCOL_HEADER, VERSION_HEADER
from sensor_tui.service.wire_asks import ActionRequest

_USUAL_ACTIONS = 100
_MOST_ACTIONS = 1000
_MOST_LINES = 1_000_000


class FleetRoutes:
    """Requests about units turned into calls, and what came of them into answers."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def table(self) -> list[web.RouteDef]:
        """Every path there is."""
        return [
            web.post("/v1/units", self.add),
            web.post("/v1/plan", self.plan),
            web.post("/v1/actions", self.act),
            web.get("/v1/actions", self.logged),
            web.post("/v1/actions/{id}/cancel", self.cancel),
            web.get("/v1/logs", self.logs),
        ]

    async def add(self, request: web.Request) -> web.Response:
        """A unit is a command to run, so only those who may use our socket name one."""
        if not _is_local(request):
            raise BadRequest(
                "Units are added over the service's socket only", status=403, fix="Do it on that machine"
            )
        try:
            spec = adapter(UnitSpec).validate_json(await request.read())
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadRequest(f"{where + ': ' if where else ''}{first['msg']}") from None
        return json_answer(await self._fleet.add(spec, who_asks(request)))

    async def plan(self, request: web.Request) -> web.Response:
        wanted = await read_body(request, ActionRequest)
        return json_answer(await self._fleet.actions.plan(wanted.kind, wanted.units, wanted.options))

    async def act(self, request: web.Request) -> web.Response:
        wanted = await read_body(request, ActionRequest)
        who = who_asks(request)
        return json_answer(await self._fleet.actions.run(wanted.kind, wanted.units, wanted.options, who))

    async def cancel(self, request: web.Request) -> web.Response:
        return json_answer(self._fleet.actions.cancel(request.match_info["id"]))

    async def logged(self, request: web.Request) -> web.Response:
        limit = number_of(request, "limit", default=_USUAL_ACTIONS, least=1, most=_MOST_ACTIONS)
        entries = await self._fleet.logged(limit or _USUAL_ACTIONS)
        return json_answer(entries, kind=list[LoggedAction])

    async def logs(self, request: web.Request) -> web.StreamResponse:
        batches = self._fleet.logs(
            _units_of(request),
            since=_time_of(request, "since"),
            tail=number_of(request, "tail", default=None, most=_MOST_LINES),
            follow=bool(number_of(request, "follow", default=0, most=1)),
        )
        headers = {PROTOCOL_HEADER: str(PROTOCOL), VERSION_HEADER: __version__, "Cache-Control": "no-store"}
        response = web.StreamResponse(headers={**headers, "Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        try:
            async for batch in batches:
                await response.write(encoded(batch) + b"\n")
            await response.write_eof()
        except ConnectionResetError:
            pass
        finally:
            await batches.aclose()
        return response


def _is_local(request: web.Request) -> bool:
    """Whether it came over a Unix socket."""
    connection = request.transport.get_extra_info("socket") if request.transport is not None else None
    return connection is not None and connection.family == socket.AF_UNIX


def _units_of(request: web.Request) -> Sequence[str]:
    return [unit for text in request.query.getall("unit", []) for unit in units_named(text)]


def _time_of(request: web.Request, name: str) -> float | None:
    """Seconds since the epoch in the query; raises BadRequest."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadRequest(f"{name}: seconds since 1970 are expected")
    return found

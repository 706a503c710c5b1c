"""The API about readings: series, checks and queries."""

import math

from aiohttp import web

from sensor_tui.model.check import CheckInfo
from sensor_tui.service.data import DataService
from sensor_tui.service.series import MOST_POINTS
from sensor_tui.service.server import BadRequest, json_answer, number_of, read_body
from sensor_tui.service.wire_asks import QueryRequest

__all__ = ["DataRoutes", "DataService"]

_USUAL_POINTS = 200
_USUAL_RECENT = 24
_MOST_RECENT = 60


class DataRoutes:
    """Requests about readings turned into questions, and what came of them into answers."""

    def __init__(self, data: DataService) -> None:
        self._data = data

    def table(self) -> list[web.RouteDef]:
        """Every path there is."""
        return [
            web.get("/v1/series", self.series),
            web.get("/v1/recent", self.recent),
            web.get("/v1/checks", self.checks),
            web.post("/v1/checks/{name}", self.check),
            web.post("/v1/query", self.query),
        ]

    async def series(self, request: web.Request) -> web.Response:
        sensor = request.query.get("sensor")
        if not sensor:
            raise BadRequest("sensor: the key of a sensor is expected")
        points = number_of(request, "points", default=_USUAL_POINTS, least=2, most=MOST_POINTS)
        found = await self._data.series(
            sensor,
            request.query.get("measure"),
            since=_time_of(request, "since"),
            until=_time_of(request, "until"),
            points=points or _USUAL_POINTS,
        )
        return json_answer(found)

    async def recent(self, request: web.Request) -> web.Response:
        points = number_of(request, "points", default=_USUAL_RECENT, least=1, most=_MOST_RECENT)
        return json_answer(self._data.recent(points or _USUAL_RECENT), kind=dict[str, list[float]])

    async def checks(self, _: web.Request) -> web.Response:
        return json_answer(self._data.checks(), kind=list[CheckInfo])

    async def check(self, request: web.Request) -> web.Response:
        return json_answer(await self._data.check(request.match_info["name"]))

    async def query(self, request: web.Request) -> web.Response:
        wanted = await read_body(request, QueryRequest)
        return json_answer(await self._data.query(wanted.source, wanted.sql, wanted.limit))


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

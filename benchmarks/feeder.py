"""A service with many units and sensors that change each second: `python -m benchmarks.feeder DATA`.

The board, the API and what goes over the socket are the service's own; only what it looks at is made up.
Prints a line once it answers, and ends when standard input does.
"""

import asyncio
import math
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from sensor_tui.model.clock import SystemClock
from sensor_tui.model.progress import EngineState
from sensor_tui.model.sensor import Series
from sensor_tui.model.source import FeedStatus
from sensor_tui.model.unit import HostState, LogLine, Role, Unit, UnitState, UnitStats, unit_id
from sensor_tui.service.board import Board, View
from sensor_tui.service.fleet_board import FleetView
from sensor_tui.service.server import Server, json_answer
from sensor_tui.service.sockets import claim
from sensor_tui.service.wire import EngineReport, LaneReport, TotalsReport
from sensor_tui.service.wire_asks import Throughput

UNITS = 200
SENSORS = 1000
CITIES = 20


class Made:
    """A fleet in which every sensor and every unit has news each second."""

    def __init__(self, *, still: bool) -> None:
        self.clock = SystemClock()
        self.still = still
        # ages of what stands still come in steps of days
        self.began = self.clock.now() - (300_000.0 if still else 0.0)

    def second(self) -> int:
        """Whole seconds since it began; 0 for ever where nothing changes."""
        return 0 if self.still else int(self.clock.now() - self.began)

    def view(self) -> View:
        """The engine at full speed, and every sensor."""
        second = self.second()
        engine = EngineReport(
            state=EngineState.RUNNING,
            version="bench",
            attached=True,
            docs_per_second=40_000.0 + second % 100,
            request_units_per_second=200_000.0 + second % 1000,
            throttled_per_second=float(second % 7),
            in_flight=2000,
            lanes=tuple(
                LaneReport(
                    sink="cosmos",
                    lane=str(lane),
                    queued=second % 50,
                    in_flight=10,
                    concurrency=10,
                    batch_size=100,
                    throttled=second,
                    accepted=second * 1000,
                    request_units=float(second * 5000),
                    latency_ms=12.0,
                    blocked_for=0.0,
                )
                for lane in range(4)
            ),
            totals=TotalsReport(accepted=second * 40_000),
        )
        return View(
            engine=engine, feeds=[self._feed(number, second) for number in range(SENSORS)], dead_letters=0
        )

    def fleet(self) -> FleetView:
        """Every unit, each with other figures."""
        second, now = self.second(), self.clock.now()
        units = [self._unit(number) for number in range(UNITS)]
        stats = {
            unit.id: UnitStats(
                unit.id,
                self.began if self.still else float(math.floor(now)),
                cpu_percent=(second * 7 + number) % 1000 / 10,
                memory_bytes=(20 + (second + number) % 40) * 1_048_576,
            )
            for number, unit in enumerate(units)
        }
        return FleetView(
            hosts=[HostState("bench", "process", reachable=True, units=UNITS)], units=units, stats=stats
        )

    def _unit(self, number: int) -> Unit:
        name = f"sensor-{number:03}"
        return Unit(
            unit_id("bench", "process", name),
            "bench",
            "process",
            name,
            Role.SENSOR,
            UnitState.RUNNING,
            pid=1000 + number,
            started_at=self.began,
            city=f"City {number % CITIES:02}",
            sensor_id=f"AAA_{number:06}",
            data=f"city/{number}",
        )

    def _feed(self, number: int, second: int) -> FeedStatus:
        newest = self.began + second
        return FeedStatus(
            source=f"city/{number}/sensor_data.db",
            sensor_id=f"AAA_{number:06}",
            city=f"City {number % CITIES:02}",
            backlog=(second * 13 + number) % 500,
            oldest_open=newest - number % 30,
            newest=newest,
            values={
                "temperature": 20 + (second * 3 + number) % 100 / 10,
                "humidity": 50 + (second + number) % 100 / 10,
                "pressure": 1000.0,
                "vibration": (second + number) % 10 / 10,
                "voltage": 12.0,
            },
            rate=1.0,
            cadence=1.0,
        )


class Unasked:
    """The rest of the actions, which no benchmark asks for."""

    def __init__(self, board: Board) -> None:
        self.board = board

    async def throughput(self, _since: float) -> Throughput:
        """No history."""
        return Throughput(points=())

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)


class Readings:
    """What screens ask about readings and logs: there is nothing."""

    def table(self) -> list[web.RouteDef]:
        """Every path there is."""
        return [
            web.get("/v1/recent", self.recent),
            web.get("/v1/series", self.series),
            web.get("/v1/logs", self.logs),
        ]

    async def recent(self, _: web.Request) -> web.Response:
        """No values from before."""
        return json_answer({}, kind=dict[str, list[float]])

    async def series(self, request: web.Request) -> web.Response:
        """No values of any time."""
        return json_answer(Series(request.query["sensor"], "temperature"))

    async def logs(self, _: web.Request) -> web.Response:
        """No lines."""
        return json_answer([], kind=list[LogLine])


async def serve(data: Path, *, still: bool) -> None:
    """Answer until standard input ends."""
    made = Made(still=still)
    board = Board(made.view, clock=made.clock)
    board.show_fleet(made.fleet)
    claimed = claim(data / ".sensor-tui")
    server = Server(Unasked(board), Readings())
    await server.serve_socket(claimed.listener)
    watching = asyncio.ensure_future(board.watch())
    print(claimed.path, flush=True)
    try:
        await asyncio.to_thread(sys.stdin.read)
    finally:
        watching.cancel()
        await server.close()
        claimed.release()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), still="--still" in sys.argv))

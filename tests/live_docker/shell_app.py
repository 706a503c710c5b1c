"""Fleet with one container of an engine, for a terminal: `python shell_app.py CONTAINER ADDRESS`."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sensor_tui.app.app import DashboardApp
from sensor_tui.app.base import Look
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.unit import HostState, LogLine, Role, Unit, UnitState


class OneUnit:
    """A port that knows of one container, and can do nothing."""

    def __init__(self, name: str, address: str) -> None:
        unit = Unit(f"edge/docker/{name}", "edge", "docker", name, Role.SENSOR, UnitState.RUNNING)
        host = HostState("edge", "docker", reachable=True, units=1, address=address)
        self._overview = Overview(link=Link.LIVE, at=0.0, hosts=(host,), units={unit.id: unit})

    async def updates(self) -> AsyncIterator[Overview]:
        yield self._overview
        await asyncio.Event().wait()

    async def logs(self, *_: Any, **__: Any) -> AsyncIterator[Sequence[LogLine]]:
        return
        yield


if __name__ == "__main__":
    port: Any = OneUnit(sys.argv[1], sys.argv[2])
    DashboardApp(
        port, clock=SystemClock(), look=Look(), theme="dark", keymap={}, theme_dirs=[], start="fleet"
    ).run()

"""`S` starts a service where none runs."""

from dataclasses import replace
from typing import Any

from sensor_tui.app.base import Look
from sensor_tui.model.overview import Link


async def test_it_starts_one_and_says_so(make_dash: Any, overviews: Any) -> None:
    stopped = replace(overviews["sample"], link=Link.STOPPED, problem="No service runs here")
    async with make_dash(stopped) as dash:
        await dash.press("S")
        await dash.settle()
        assert dash.port.called("start_service") == [()]
        assert dash.notes()[-1].endswith(".")


async def test_one_that_runs_is_left_alone(make_dash: Any) -> None:
    async with make_dash() as dash:
        await dash.press("S")
        await dash.settle()
        assert dash.port.called("start_service") == []
        assert "runs already" in dash.notes()[-1]


async def test_nothing_is_started_in_read_only_mode(make_dash: Any, overviews: Any) -> None:
    stopped = replace(overviews["sample"], link=Link.STOPPED)
    async with make_dash(stopped, look=Look(read_only=True)) as dash:
        await dash.press("S")
        await dash.settle()
        assert dash.port.called("start_service") == []

"""Keys that arrive in one go do what they would have done one by one."""

from typing import Any

from textual import events

from sensor_tui.app.widgets.filterbar import FilterBar


async def test_a_filter_typed_at_once_filters_and_runs_no_command(make_dash: Any) -> None:
    async with make_dash() as dash:
        typed = ["slash", *"xsdr", "enter", "2"]
        for key in typed:
            dash.app.post_message(events.Key(key, "/" if key == "slash" else key if len(key) == 1 else None))
        await dash.pilot.pause()
        await dash.pilot.pause()
        assert dash.app.screen.NAME == "sensors"
        await dash.pilot.press("1")
        await dash.pilot.pause()
        assert dash.app.screen.query_one(FilterBar).text == "xsdr"
        assert not {"plan", "act"} & {name for name, *_ in dash.port.calls}


async def test_a_slash_in_the_filter_is_a_slash(make_dash: Any) -> None:
    async with make_dash() as dash:
        await dash.pilot.press("slash", "slash", "a")
        await dash.pilot.pause()
        assert dash.app.screen.query_one(FilterBar).query_one("FilterInput").value == "/a"

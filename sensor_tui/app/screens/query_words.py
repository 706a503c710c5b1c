"""What the Query screen says: where it asks, what came of it, and what went wrong."""

from collections.abc import Iterable
from typing import Final

from textual.content import Content

from sensor_tui.app.format import age, block, clock_minutes, count, plain
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_link import MORE, reason_lines
from sensor_tui.app.widgets.grid import Cell, Column, Row, Tone
from sensor_tui.app.widgets.line import KEPT, Part, lay_out
from sensor_tui.errors import SensorTuiError
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.table import Table

COSMOS: Final = "\x00cosmos"
"""Key of Cosmos among the places to ask, which no file has."""
_COSMOS_NAME: Final = "Cosmos DB"
_INSTANT: Final = 0.0005

TARGETS: Final = (
    Column("file", "File", 24, grow=True),
    Column("sensor", "Sensor", 14),
    Column("city", "City", 12),
    Column("newest", "Newest", 7, right=True),
)


def name_of(source: str | None) -> str:
    """Where is asked, plain."""
    return _COSMOS_NAME if source is None else plain(source)


def target_line(source: str | None, limit: int, width: int, signs: Glyphs) -> Content:
    """Where is asked, and for how many rows at most."""
    where = Part(f"asks {name_of(source)}", "bold", KEPT)
    rows = Part(f"at most {count(limit)} rows", "$text-muted", 50)
    return lay_out([where], [rows], width, ellipsis=signs.ellipsis)


def targets(sensors: Iterable[Sensor], now: float) -> list[Row]:
    """Cosmos, then every sensor's file."""
    rows = [Row(COSMOS, {"file": Cell(_COSMOS_NAME, Tone.ACCENT), "sensor": Cell("all", Tone.DIM)})]
    seen = set()
    for sensor in sensors:
        if sensor.source in seen:
            continue
        seen.add(sensor.source)
        since = None if sensor.newest is None else now - sensor.newest
        cells = {
            "file": Cell(plain(sensor.source), sort=sensor.source),
            "sensor": Cell(plain(sensor.sensor_id or ""), sort=sensor.sensor_id),
            "city": Cell(plain(sensor.city or ""), sort=sensor.city),
            "newest": Cell(age(since), sort=since),
        }
        rows.append(Row(sensor.source, cells))
    return rows


def running(source: str | None, seconds: float, signs: Glyphs) -> Content:
    """It is being asked."""
    said = f"{signs.starting} asking {name_of(source)}, {age(seconds)}; escape cancels"
    return Content.styled(said, "$text-accent")


def summary(table: Table, source: str | None, at: float, signs: Glyphs) -> Content:
    """How many rows came, in what time, at what cost, and whether there are more."""
    many = len(table.rows)
    took = "" if table.seconds < _INSTANT else f" in {table.seconds:.3g} s"
    cost = "" if table.request_units is None else f", {table.request_units:,.2f} RU"
    rest = f"{took}{cost}, from {name_of(source)} at {clock_minutes(at)}"
    if table.complete:
        rows = f"{count(many)} row{'' if many == 1 else 's'}"
        return Content.assemble((f"{signs.good} {rows}", "$text-success"), rest)
    rows = f"{signs.warning} {count(many)} rows, more exist: raise the limit (l)"
    return Content.assemble((rows, "bold $text-warning"), rest)


def failed(error: SensorTuiError, source: str | None, signs: Glyphs) -> Content:
    """Why there is no answer, and what to do."""
    parts = [(f"{signs.bad} {name_of(source)}: ", "bold $text-error"), (block(error.message, limit=2000), "")]
    if error.fix:
        parts.append((f"\n{block(error.fix, limit=1000)}", "$text-muted"))
    return Content.assemble(*parts)


def broken(reason: str, signs: Glyphs) -> Content:
    """It ended without an answer."""
    return Content.styled(f"{signs.bad} {plain(reason)}", "bold $text-error")


def cancelled(seconds: float, signs: Glyphs) -> Content:
    """The operator did not want to wait."""
    return Content.styled(f"{signs.stopped} cancelled after {age(seconds)}", "$text-warning")


def nothing_asked(overview: Overview) -> str:
    """What stands where a result will be."""
    why = reason_lines(overview.problem)
    hints = "ctrl+r runs the query. Outside the text, e shows examples and f chooses where."
    texts = {
        Link.CONNECTING: "Connecting to the service.",
        Link.LIVE: f"Nothing was asked yet.\n\n{hints}",
        Link.LOST: f"The service does not answer, so nothing can be asked.\n{why}\n\nTrying again.",
        Link.STOPPED: f"The service is stopped, so nobody answers.\n{why}\n\nPress S to start it.",
        Link.REFUSED: f"There is no service to ask.\n{why}\n\n{MORE}",
    }
    return texts[overview.link]


def no_result() -> str:
    """What stands where there is an error instead."""
    return "No result; what went wrong is said above."


def no_rows() -> str:
    """What stands where a result has no rows."""
    return "No rows: nothing there is what the query asks for."

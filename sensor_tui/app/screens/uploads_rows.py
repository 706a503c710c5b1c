"""What is behind per city and sensor, and the lanes of the engine, as rows of grids."""

from collections.abc import Mapping
from typing import Final

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.sensors_words import NO_CITY, age_of, spelled
from sensor_tui.app.widgets.grid_values import Cell, Column, Row, Tone
from sensor_tui.model.overview import Overview
from sensor_tui.model.progress import LaneProgress

BACKLOG_COLUMNS: Final = (
    Column("sensor", "Sensor", 14, grow=True, help="The sensor's id."),
    Column("backlog", "Backlog", 9, right=True, help="Readings neither acknowledged nor dead."),
    Column("lag", "Lag", 7, right=True, help="Age of the oldest open reading."),
    Column("verdict", "Verdict", 12, help="What is to be thought of the sensor."),
    Column("rate", "Rate/s", 7, right=True, help="Readings a second of late."),
    Column("dead", "Dead", 6, right=True, help="Dead letters."),
    Column("files", "Files", 5, right=True, help="Database files of the sensor."),
    Column("note", "Note", 24, grow=True, help="What is wrong, or who else has its files."),
    Column("fresh", "Fresh", 13, right=True, shown=False, help="Age of the newest reading / usual time."),
    Column("city", "City", 12, shown=False, help="Where it is."),
    Column("source", "File", 40, shown=False, help="The file with its newest reading."),
)

LANE_COLUMNS: Final = (
    Column("lane", "Lane", 10, grow=True, help="The partition key range; of another engine after its name."),
    Column("queued", "Queued", 8, right=True, help="Documents waiting."),
    Column("in_flight", "Flight", 6, right=True, help="Requests under way."),
    Column("concurrency", "Conc.", 5, right=True, help="Requests it may have under way at once."),
    Column("batch", "Batch", 5, right=True, help="Documents it puts into a request now."),
    Column("throttled", "429s", 7, right=True, help="Readings answered with 429 since the start."),
    Column("latency", "Latency", 9, right=True, help="How long a request takes."),
    Column("blocked", "Blocked", 8, right=True, help="Seconds until the server lets it send again."),
    Column("accepted", "Accepted", 10, right=True, help="Readings accepted since the start."),
    Column("ru", "RU", 10, right=True, help="Request units used since the start."),
    Column("sink", "Sink", 8, help="Where it leads."),
)


def city_headings(overview: Overview, now: float, glyphs: Glyphs) -> Mapping[str | None, str]:
    """What stands above the sensors of each city: its name, its backlog and its lag."""
    backlog: dict[str | None, int | None] = {}
    oldest: dict[str | None, float | None] = {}
    for sensor in overview.sensors.values():
        city = sensor.city
        if sensor.backlog is not None:
            backlog[city] = (backlog.get(city) or 0) + sensor.backlog
        else:
            backlog.setdefault(city, None)
        known = oldest.get(city)
        first = sensor.oldest_open
        oldest[city] = first if known is None or (first is not None and first < known) else known
    return {
        city: f"{fmt.plain(city, limit=60) if city else NO_CITY}  backlog {spelled(fmt.count(many), glyphs)}"
        + (f"  lag {fmt.age(age_of(oldest[city], now))}" if oldest[city] is not None else "")
        for city, many in backlog.items()
    }


def lane_rows(overview: Overview, *, stale: bool) -> list[Row]:
    """The lanes of all engines in their order, under the name of another engine where there is one."""
    own = [_lane(lane, "", stale=stale) for lane in overview.engine.lanes]
    theirs = [
        _lane(lane, peer.name, stale=stale or not peer.live)
        for peer in overview.peers
        for lane in peer.engine.lanes
    ]
    return [*own, *theirs]


def _lane(lane: LaneProgress, engine: str, *, stale: bool) -> Row:
    name = " ".join(filter(None, (fmt.plain(engine, limit=40), fmt.plain(lane.lane, limit=60))))
    blocked = lane.blocked_for > 0
    cells = {
        "lane": Cell(name, Tone.BOLD, name),
        "sink": Cell(fmt.plain(lane.sink, limit=60), Tone.NORMAL, lane.sink),
        "queued": _count(lane.queued),
        "in_flight": _count(lane.in_flight),
        "concurrency": _count(lane.concurrency),
        "batch": _count(lane.batch_size),
        "throttled": _count(lane.throttled, Tone.WARN if lane.throttled else Tone.DIM),
        "latency": Cell(f"{fmt.rate(lane.latency_ms)} ms", Tone.NORMAL, lane.latency_ms),
        "blocked": Cell(
            f"{lane.blocked_for:.1f} s" if blocked else "no",
            Tone.WARN if blocked else Tone.DIM,
            lane.blocked_for,
        ),
        "accepted": _count(lane.accepted),
        "ru": _count(round(lane.request_units)),
    }
    return Row(
        f"{engine}/{lane.sink}/{lane.lane}" if engine else f"{lane.sink}/{lane.lane}", cells, stale=stale
    )


def _count(number: int, tone: Tone = Tone.NORMAL) -> Cell:
    return Cell(fmt.count(number), tone, number)

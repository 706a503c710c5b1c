"""What the monitor writes: lines of text, each with how it is to look, for a width or without one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sensor_tui.cli.monitor_facts import CityFacts, Facts, Link, SensorFacts, Source, UnitFacts
from sensor_tui.cli.output import age, clean, count, or_dash

CITY: Final = "city"

_UNIT_HEAD: Final = ("UNIT", "STATE", "HEALTH", "RESTARTS", "READ/S", "BACKLOG", "LAG")
_CITY_HEAD: Final = ("CITY", "SENSORS", "RUNNING", "READ/S", "BACKLOG", "LAG", "NEWEST", "DEAD")
_SENSOR_HEAD: Final = ("SENSOR", "CITY", "READ/S", "BACKLOG", "LAG", "NEWEST", "DEAD")
_LEFT: Final = frozenset({"UNIT", "STATE", "HEALTH", "CITY", "SENSOR"})
_ROOM: Final = {"STATE": 8, "HEALTH": 9, "READ/S": 7, "BACKLOG": 9, "LAG": 7, "NEWEST": 7, "DEAD": 5}
"""Columns that a screen always has for these, so that what is beside them stands still."""
_GAP: Final = "  "
_LEAST: Final = 8
"""Columns that the first cell of a row keeps, however narrow the screen."""
_SHARE: Final = 4
"""Trouble gets one line of so many, and the places half of what is left."""
_TABLE: Final = 4
"""Lines of the smallest table worth drawing: an empty one, the headings, two rows."""
_TEN: Final = 10


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `look` is empty, `head`, `good`, `bad` or `old`."""

    text: str
    look: str = ""


def block(facts: Facts, *, by: str) -> list[Line]:
    """Everything, on as many lines as it takes and as long as they are."""
    lines = [*_top(facts), *_bad(facts)]
    for head, rows in _tables(facts, by):
        if rows:
            lines += [Line(""), *_table(head, rows, None)]
    return lines


def screen(facts: Facts, *, by: str, width: int, height: int) -> list[Line]:
    """As much as fits, what is in trouble first; no line is wider than `width` columns."""
    top = list(_top(facts))
    bad = list(_bad(facts))
    room = max(1, height - len(top))
    lines = [*top, *_fewer(bad, max(1, room // _SHARE), "more in trouble")]
    (place_head, places), (unit_head, units) = _tables(facts, by)
    room = height - len(lines)
    wanted = [len(rows) + 2 if rows else 0 for rows in (places, units)]
    first = min(wanted[0], max(room // 2, room - wanted[1]))
    if room - first < min(_TABLE, wanted[1]):
        first = room
    for head, rows, part in ((place_head, places, first), (unit_head, units, room - first)):
        if rows and part >= min(_TABLE, len(rows) + 2):
            table = _table(head, rows, width)
            lines += [Line(""), table[0], *_fewer(table[1:], part - 2, "more")]
    return [Line(cut(line.text, width), line.look) for line in lines[:height]]


def cut(text: str, width: int) -> str:
    """Text that takes at most so many columns, with `…` where something is missing."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else set_cell_size(text, width)


def _top(facts: Facts) -> Iterator[Line]:
    told = {
        Link.LIVE: "the service answers",
        Link.LOST: f"NO ANSWER for {age(facts.age_seconds)}",
        Link.NONE: "no service is running",
    }
    state = facts.engine["state"] if facts.source == Source.SERVICE else ""
    parts = [f"sensor-tui monitor  {facts.at}", told[Link(facts.link)], str(state)]
    yield Line(_GAP.join(filter(None, parts)), "head" if facts.link == Link.LIVE else "bad")
    if facts.note:
        yield Line(clean(facts.note), "old" if facts.link == Link.LIVE else "bad")
    yield Line(_units_line(facts))
    yield Line(_flow_line(facts))


def _units_line(facts: Facts) -> str:
    total = facts.summary
    sensors = count(total.sensors, "sensor")
    if not total.units:
        return f"no units, {sensors}"
    states = sorted(total.states.items(), key=lambda each: -each[1])
    parts = [f"{number:,} {state}" for state, number in states]
    parts += [f"{total.unhealthy:,} unhealthy"] if total.unhealthy else []
    return f"{count(total.units, 'unit')}: {', '.join([*parts, count(total.restarts, 'restart'), sensors])}"


def _flow_line(facts: Facts) -> str:
    total = facts.summary
    parts = [
        f"readings {_rate(total.readings_per_second)}/s",
        f"docs {_rate(total.docs_per_second)}/s",
        f"RU {_rate(total.request_units_per_second)}/s",
        f"backlog {_number(total.backlog)}",
        f"lag {age(total.lag_seconds)}",
        f"dead {_number(total.dead_letters)}",
    ]
    parts += [f"rejected {total.rejected:,}"] if total.rejected else []
    parts += [f"throttled {_rate(total.throttled_per_second)}/s"] if total.throttled_per_second else []
    return _GAP.join(parts)


def _bad(facts: Facts) -> Iterator[Line]:
    for text in facts.trouble:
        yield Line(f"! {clean(text)}", "bad")


def _fewer(lines: Sequence[Line], most: int, rest: str) -> list[Line]:
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], Line(f"… {len(lines) - most + 1:,} {rest}", "old")]


_Rows = list[tuple[tuple[str, ...], str]]
"""Cells, and how the row is to look."""
_Table = tuple[tuple[str, ...], _Rows]
"""Headings and rows."""


def _tables(facts: Facts, by: str) -> tuple[_Table, _Table]:
    if by == CITY:
        places: _Table = (_CITY_HEAD, [_city_row(each) for each in facts.cities])
    else:
        places = (_SENSOR_HEAD, [_sensor_row(each) for each in facts.sensors])
    if facts.link == Link.LOST:
        places = (places[0], [(cells, "old") for cells, _ in places[1]])
    units = [_unit_row(each) for each in facts.units]
    return places, (_UNIT_HEAD, units)


def _city_row(city: CityFacts) -> tuple[tuple[str, ...], str]:
    cells = (
        clean(or_dash(city.city)),
        f"{city.sensors:,}",
        f"{city.running}/{city.units}" if city.units else "-",
        _rate(city.readings_per_second),
        _number(city.backlog),
        age(city.lag_seconds),
        age(city.freshness_seconds),
        _number(city.dead_letters),
    )
    return cells, "bad" if city.problems else ""


def _sensor_row(sensor: SensorFacts) -> tuple[tuple[str, ...], str]:
    cells = (
        clean(sensor.sensor_id or sensor.source),
        clean(or_dash(sensor.city)),
        _rate(sensor.readings_per_second),
        _number(sensor.backlog),
        age(sensor.lag_seconds),
        age(sensor.freshness_seconds),
        _number(sensor.dead_letters),
    )
    return cells, "bad" if sensor.problem else ""


def _unit_row(unit: UnitFacts) -> tuple[tuple[str, ...], str]:
    cells = (
        clean(unit.name),
        unit.state,
        "-" if unit.health == "none" else unit.health,
        f"{unit.restarts:,}",
        _rate(unit.readings_per_second),
        _number(unit.backlog),
        age(unit.lag_seconds),
    )
    return cells, "bad" if unit.troubled else ""


def _table(head: tuple[str, ...], rows: _Rows, width: int | None) -> list[Line]:
    """Rows under their headings; the first column gives way where the width does not do."""
    from rich.cells import cell_len, set_cell_size

    every = [(head, "head"), *rows]
    widths = [max(cell_len(cells[at]) for cells, _ in every) for at in range(len(head))]
    if width is not None:
        widths = [max(columns, _ROOM.get(name, 0)) for name, columns in zip(head, widths, strict=True)]
        over = sum(widths) + len(_GAP) * (len(head) - 1) - width
        widths[0] = max(_LEAST, widths[0] - max(0, over))
    lines = []
    for cells, look in every:
        shown = []
        for name, cell, columns in zip(head, cells, widths, strict=True):
            text = cut(cell, columns)
            pad = " " * (columns - cell_len(text))
            shown.append(set_cell_size(text, columns) if name in _LEFT else pad + text)
        lines.append(Line(_GAP.join(shown).rstrip(), look))
    return lines


def _rate(value: float | None) -> str:
    """Whole numbers from ten on, one decimal below."""
    return "-" if value is None else f"{value:,.0f}" if value >= _TEN or value == 0 else f"{value:.1f}"


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"

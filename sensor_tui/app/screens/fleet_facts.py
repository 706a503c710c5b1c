"""What the pane says about a unit, as lines of safe text, the most important first."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from textual.content import Content

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.logbook import stamp_length
from sensor_tui.app.screens.fleet_courses import Course, span
from sensor_tui.app.screens.fleet_rows import STALE_STATS
from sensor_tui.app.screens.fleet_words import (
    HEALTH_TONES,
    STATE_TONES,
    Running,
    action_words,
    city_of,
    folded,
    health_mark,
    image_of,
    masked,
    masked_command,
    state_mark,
    unreachable_words,
)
from sensor_tui.app.screens.sensors_facts import styled
from sensor_tui.app.screens.sensors_words import VERDICT_TONES, cadence_text, verdict_mark
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.unit import Health, HostState, LogLine, Role, Unit, UnitStats

LOG_LINES: Final = 8
_NAME: Final = 9
_VALUES: Final = 6
_ENTRIES: Final = 40
"""Lines of environment, labels, mounts or ports; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Lines:
    """The last log lines of a unit, or why there are none."""

    unit: str
    lines: Sequence[LogLine] = ()
    problem: str = ""
    at: float | None = None
    """When they were read; None while they are."""


@dataclass(frozen=True, slots=True)
class About:
    """Everything that is known of one unit."""

    unit: Unit
    stats: UnitStats | None
    sensor: Sensor | None
    running: Running | None
    host: HostState | None
    """Where its host does not answer."""
    course: Course
    logs: Lines | None
    as_of: float | None
    """When the service last spoke, where it does not any more."""
    now: float
    width: int
    glyphs: Glyphs
    ascii: bool


def head(about: About) -> Content:
    """Which unit, and how it is."""
    unit, glyphs = about.unit, about.glyphs
    state = f"{state_mark(unit.state, glyphs)} {unit.state}"
    parts = [
        Content.styled(fmt.plain(unit.name, limit=60), "bold"),
        Content("  "),
        styled(state, STATE_TONES[unit.state]),
    ]
    if unit.health is not Health.NONE:
        health = f"  {health_mark(unit.health, glyphs)} {unit.health}"
        parts.append(styled(health, HEALTH_TONES[unit.health] if unit.state.up else Tone.DIM))
    return Content("").join(parts)


def facts(about: About) -> Iterator[Content]:
    """Line by line."""
    yield from _trouble(about)
    yield from _life(about)
    yield from _used(about)
    yield from _sensor(about)
    yield from _logs(about)
    yield Content("")
    yield from _made_of(about)


def _trouble(about: About) -> Iterator[Content]:
    unit = about.unit
    if about.as_of is not None:
        age = fmt.age(max(0.0, about.now - about.as_of))
        yield styled(f"As of {fmt.clock_minutes(about.as_of)}, {age} ago: nothing newer is known.", Tone.WARN)
    if about.host is not None:
        text = f"{fmt.plain(about.host.host, limit=60)} {unreachable_words(about.host)}"
        yield from _words(about, f"{about.glyphs.bad} {text}", Tone.BAD)
        yield styled("What is shown here is from then.", Tone.WARN)
    if about.running is not None:
        words, tone = action_words(about.running, about.now)
        mark = f"{about.glyphs.right} " if about.running.at_work else ""
        yield from _words(about, f"{mark}{words}", tone)
    if unit.reason:
        yield from _words(
            about, fmt.plain(unit.reason, limit=400), Tone.NORMAL if unit.state.up else Tone.WARN
        )
    image = image_of(unit)
    if image is not None and image.loose:
        yield styled(f"{about.glyphs.warning} Its image has no version: pin a tag.", Tone.WARN)


def _life(about: About) -> Iterator[Content]:
    unit = about.unit
    parts = []
    if unit.started_at is not None:
        parts.append(
            f"up {fmt.age(max(0.0, about.now - unit.started_at))}, since {fmt.stamp(unit.started_at)}"
        )
    if unit.pid is not None:
        parts.append(f"pid {unit.pid}")
    if unit.restarts:
        parts.append("1 restart" if unit.restarts == 1 else f"{fmt.count(unit.restarts)} restarts")
    if unit.exit_code is not None and not unit.state.up and str(abs(unit.exit_code)) not in unit.reason:
        parts.append(_exit(unit.exit_code))
    if parts:
        yield Content(", ".join(parts))


def _exit(code: int) -> str:
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


def _used(about: About) -> Iterator[Content]:
    stats = about.stats
    if stats is None:
        if about.unit.state.up:
            yield styled("CPU and memory are not known yet.", Tone.DIM)
        return
    age = about.now - stats.at
    old = age > STALE_STATS
    course = about.course
    cells = max(8, min(40, about.width - 36))
    limit = f" of {fmt.size(stats.memory_limit)}" if stats.memory_limit else ""
    for name, text, values, show in (
        ("CPU", fmt.percent(stats.cpu_percent), list(course.cpu), fmt.percent),
        ("Memory", fmt.size(stats.memory_bytes) + limit, list(course.memory), fmt.size),
    ):
        parts = [_title(name), styled(fmt.fit(text, 20 if limit else 9), Tone.DIM if old else Tone.NORMAL)]
        least = span(values)
        if least is not None:
            drawn = fmt.sparkline(values, min(cells, len(values)), ascii=about.ascii)
            parts.append(styled(f" {drawn}", Tone.DIM if old else Tone.ACCENT))
            parts.append(styled(f" {show(least[0])} to {show(least[1])}", Tone.DIM))
        yield Content("").join(parts)
    if old:
        yield styled(f"{fmt.age(age)} old: nothing newer is known.", Tone.WARN)


def _sensor(about: About) -> Iterator[Content]:
    sensor, unit, glyphs = about.sensor, about.unit, about.glyphs
    if sensor is None:
        if unit.role is Role.SENSOR:
            yield from _pairs(about, "Sensor", ["no data: none of its readings was seen yet"])
        return
    verdict = sensor.verdict(about.now)
    name = fmt.plain(sensor.sensor_id or sensor.source, limit=60)
    age = None if sensor.newest is None else max(0.0, about.now - sensor.newest)
    every = cadence_text(sensor.cadence)
    text = "no reading yet" if age is None else f"newest {fmt.age(age)} ago, one every {every}"
    first = Content("").join(
        [
            _title("Sensor"),
            Content(f"{name} "),
            styled(f"{verdict_mark(verdict, glyphs)} {verdict}", VERDICT_TONES[verdict]),
        ]
    )
    if first.cell_length + len(text) + 2 <= about.width:
        yield Content("").join([first, Content(f", {text}")])
    else:
        yield first
        yield Content(f"{' ' * _NAME}{text}")
    if sensor.problem:
        yield from _words(about, fmt.plain(sensor.problem, limit=400), Tone.BAD)
    lag = None if sensor.oldest_open is None else max(0.0, about.now - sensor.oldest_open)
    oldest = f", oldest {fmt.age(lag)}" if sensor.backlog and lag is not None else ""
    dead = f", {fmt.count(sensor.dead_letters)} dead" if sensor.dead_letters else ""
    yield from _pairs(about, "Backlog", [f"{fmt.count(sensor.backlog)}{oldest}{dead}"])
    yield from _pairs(about, "Values", list(_values(sensor, about.width - _NAME)))


def _values(sensor: Sensor, width: int) -> Iterator[str]:
    """The newest values, as many in a line as there is room for."""
    line = ""
    for place, (key, value) in enumerate(sensor.values.items()):
        if place == _VALUES:
            line += f" and {len(sensor.values) - _VALUES} more"
            break
        each = f"{fmt.plain(key, limit=30)} {fmt.number(value)}"
        if line and len(line) + len(each) + 2 > width:
            yield line
            line = each
        else:
            line = f"{line}, {each}" if line else each
    if line:
        yield line


def _logs(about: About) -> Iterator[Content]:
    logs = about.logs
    if logs is None or (logs.at is None and not logs.problem):
        yield styled("Last lines", Tone.BOLD)
        yield styled("Reading them.", Tone.DIM)
        return
    old = f" of {fmt.clock_minutes(logs.at)}" if logs.at is not None else ""
    yield styled(f"Last lines{old}", Tone.BOLD)
    if logs.problem:
        yield from _words(about, f"They cannot be read: {logs.problem}", Tone.WARN)
    elif not logs.lines:
        yield styled("It has written nothing.", Tone.DIM)
    for line in logs.lines:
        tone = {"err": Tone.WARN, "note": Tone.DIM}.get(line.stream, Tone.NORMAL)
        yield styled(_line(line), Tone.DIM if logs.problem else tone)


def _line(line: LogLine) -> str:
    """With the time of day alone where it begins with its time."""
    text = fmt.plain(line.text, limit=300)
    stamp = stamp_length(text, line.at)
    return f"{fmt.stamp(line.at)[11:]} {text[stamp:]}" if stamp and line.at is not None else text


def _made_of(about: About) -> Iterator[Content]:
    unit = about.unit
    place = [fmt.plain(unit.host, limit=100), fmt.plain(unit.runtime, limit=40)]
    yield from _pairs(about, "Host", [", ".join([*place, *filter(None, [fmt.plain(unit.container)])])])
    where = city_of(unit) if unit.city else ""
    project = f"project {fmt.plain(unit.project, limit=100)}" if unit.project else ""
    yield from _pairs(about, "Place", [", ".join(filter(None, [str(unit.role), where, project]))])
    if unit.image:
        yield from _pairs(about, "Image", [fmt.plain(unit.image, limit=300)])
    if unit.command:
        yield from _pairs(about, "Command", [masked_command(unit.command)])
    if unit.data:
        yield from _pairs(about, "Data", [fmt.plain(unit.data, limit=300)])
    yield from _pairs(about, "Mounts", [fmt.plain(mount, limit=300) for mount in unit.mounts])
    yield from _pairs(about, "Ports", [fmt.plain(port, limit=100) for port in unit.ports])
    yield from _pairs(about, "Env", _named(unit.environment))
    yield from _pairs(about, "Labels", _named(unit.labels))


def _named(values: Mapping[str, str]) -> list[str]:
    return [
        f"{fmt.plain(name, limit=100)}={fmt.plain(masked(name, value), limit=300)}"
        for name, value in sorted(values.items())
    ]


def _words(about: About, text: str, tone: Tone) -> Iterator[Content]:
    return (styled(line, tone) for line in folded(text, about.width, 3))


def _title(name: str) -> Content:
    return styled(fmt.fit(name, _NAME), Tone.DIM)


def _pairs(about: About, name: str, values: Sequence[str]) -> Iterator[Content]:
    """Values under a name that stands once; long ones in several lines."""
    title = name
    for value in values[:_ENTRIES]:
        for line in folded(value, about.width - _NAME):
            yield Content("").join([_title(title), Content(line)])
            title = ""
    if len(values) > _ENTRIES:
        yield styled(f"{' ' * _NAME}and {len(values) - _ENTRIES} more", Tone.DIM)

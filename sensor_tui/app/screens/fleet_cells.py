"""The cells of a unit: those of the unit itself, which last, and those of what it does and uses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.fleet_words import (
    HEALTH_TONES,
    STATE_TONES,
    Running,
    health_mark,
    image_of,
    natural,
    state_mark,
)
from sensor_tui.app.screens.sensors_words import VERDICT_TONES, verdict_mark
from sensor_tui.app.widgets.grid_values import Cell, Tone
from sensor_tui.model.sensor import Sensor, Verdict
from sensor_tui.model.unit import Health, Role, Unit, UnitState, UnitStats

_ROLE_ORDER: Final = {role: rank for rank, role in enumerate(Role)}
_STATE_ORDER: Final = {
    state: rank
    for rank, state in enumerate(
        (
            UnitState.FAILED,
            UnitState.BACKOFF,
            UnitState.UNKNOWN,
            UnitState.PAUSED,
            UnitState.STOPPING,
            UnitState.STARTING,
            UnitState.CREATED,
            UnitState.STOPPED,
            UnitState.RUNNING,
        )
    )
}
"""The worst first."""
_HEALTH_ORDER: Final = {Health.UNHEALTHY: 0, Health.STARTING: 1, Health.HEALTHY: 2}
_MANY_RESTARTS: Final = 3


class Lasting:
    """What is made of the unit alone, and stays as long as the unit stays what it is."""

    __slots__ = ("cells", "glyphs", "group", "image", "order", "running", "texts", "unit")

    def __init__(self, unit: Unit, running: Running | None, group: str, glyphs: Glyphs) -> None:
        self.unit = unit
        self.running = running
        self.group = group
        self.glyphs = glyphs
        self.image = image_of(unit)
        self.order = (group.startswith("("), group, _ROLE_ORDER[unit.role], natural(unit.name))
        self.cells: dict[str, Cell] = {}
        self.texts: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the cells of a unit are made of."""

    lasting: Lasting
    stats: UnitStats | None
    sensor: Sensor | None
    verdict: Verdict | None
    fresh: str
    uptime: str
    old_stats: bool
    old: bool
    """Its host does not answer, or nothing does."""

    @property
    def unit(self) -> Unit:
        """The unit itself."""
        return self.lasting.unit

    def alike(self, other: "Facts") -> bool:
        """Whether a row made of the other says the same."""
        return (
            self.lasting is other.lasting
            and self.fresh == other.fresh
            and self.uptime == other.uptime
            and self.verdict is other.verdict
            and self.old_stats is other.old_stats
            and self.old is other.old
            and self.stats == other.stats
            and self.sensor == other.sensor
        )


def since(moment: float | None, now: float) -> float | None:
    """Seconds between a moment and now, never negative."""
    return None if moment is None else max(0.0, now - moment)


def _state(lasting: Lasting) -> Cell:
    unit, glyphs, running = lasting.unit, lasting.glyphs, lasting.running
    rank = _STATE_ORDER[unit.state]
    if running is not None and running.at_work:
        return Cell(f"{glyphs.right} {running.outcome.step}", Tone.ACCENT, rank)
    return Cell(f"{state_mark(unit.state, glyphs)} {unit.state}", STATE_TONES[unit.state], rank)


def _health(lasting: Lasting) -> Cell:
    health = lasting.unit.health
    if health is Health.NONE:
        return Cell(lasting.glyphs.dash, Tone.DIM)
    tone = HEALTH_TONES[health] if lasting.unit.state.up else Tone.DIM
    return Cell(f"{health_mark(health, lasting.glyphs)} {health}", tone, _HEALTH_ORDER[health])


def _restarts(lasting: Lasting) -> Cell:
    restarts = lasting.unit.restarts
    tone = Tone.WARN if restarts >= _MANY_RESTARTS else (Tone.NORMAL if restarts else Tone.DIM)
    return Cell(fmt.count(restarts), tone, restarts)


def _image(lasting: Lasting) -> Cell:
    image = lasting.image
    if image is None:
        return Cell(fmt.plain(lasting.unit.runtime), Tone.DIM, "")
    text = fmt.plain(image.short)
    if image.loose:
        return Cell(f"{lasting.glyphs.warning} {text}", Tone.WARN, text)
    return Cell(text, Tone.NORMAL, text)


def _text(read: Callable[[Unit], str | None]) -> Callable[[Lasting], Cell]:
    def cell(lasting: Lasting) -> Cell:
        text = fmt.plain(read(lasting.unit) or "", limit=200)
        return Cell(text, Tone.NORMAL, text or None)

    return cell


def _fresh(facts: Facts, now: float) -> Cell:
    sensor = facts.sensor
    if sensor is None:
        missing = "no data" if facts.unit.role is Role.SENSOR else facts.lasting.glyphs.dash
        return Cell(missing, Tone.DIM)
    if sensor.newest is None:
        return Cell("no data", Tone.BAD if sensor.problem else Tone.DIM)
    age, verdict = since(sensor.newest, now), facts.verdict
    if not facts.unit.state.up:  # nobody expects readings of it
        return Cell(facts.fresh, Tone.DIM, age)
    if verdict not in {Verdict.SILENT, Verdict.LATE}:
        return Cell(facts.fresh, Tone.NORMAL, age)
    return Cell(f"{verdict_mark(verdict, facts.lasting.glyphs)} {facts.fresh}", VERDICT_TONES[verdict], age)


def _figure(facts: Facts, text: str, tone: Tone, sort: float | None) -> Cell:
    """A figure, or the sign for one that is not known."""
    return Cell(facts.lasting.glyphs.dash if sort is None else text, tone, sort)


def _backlog(facts: Facts, _: float) -> Cell:
    backlog = None if facts.sensor is None else facts.sensor.backlog
    return _figure(facts, fmt.count(backlog), Tone.NORMAL if backlog else Tone.DIM, backlog)


def _cpu(facts: Facts, _: float) -> Cell:
    used = None if facts.stats is None else facts.stats.cpu_percent
    return _figure(facts, fmt.percent(used), _stats_tone(facts, used), used)


def _memory(facts: Facts, _: float) -> Cell:
    used = None if facts.stats is None else facts.stats.memory_bytes
    return _figure(facts, fmt.size(used), _stats_tone(facts, used), used)


def _stats_tone(facts: Facts, used: float | None) -> Tone:
    return Tone.DIM if used is None or facts.old_stats else Tone.NORMAL


def _uptime(facts: Facts, now: float) -> Cell:
    began = facts.unit.started_at
    return _figure(facts, facts.uptime, Tone.NORMAL if began else Tone.DIM, since(began, now))


def _rate(facts: Facts, _: float) -> Cell:
    rate = None if facts.sensor is None else facts.sensor.rate
    return _figure(facts, fmt.rate(rate), Tone.DIM if rate is None else Tone.NORMAL, rate)


LASTING_CELLS: Final[Mapping[str, Callable[[Lasting], Cell]]] = {
    "unit": lambda lasting: Cell(
        fmt.plain(lasting.unit.name, limit=200), Tone.BOLD, natural(lasting.unit.name)
    ),
    "state": _state,
    "health": _health,
    "restarts": _restarts,
    "role": _text(lambda unit: unit.role),
    "image": _image,
    "host": _text(lambda unit: unit.host),
    "why": _text(lambda unit: unit.reason),
    "city": _text(lambda unit: unit.city),
    "project": _text(lambda unit: unit.project),
    "sensor": _text(lambda unit: unit.sensor_id),
}
MOVING_CELLS: Final[Mapping[str, Callable[[Facts, float], Cell]]] = {
    "fresh": _fresh,
    "backlog": _backlog,
    "cpu": _cpu,
    "memory": _memory,
    "uptime": _uptime,
    "rate": _rate,
}
KEYS: Final = frozenset({*LASTING_CELLS, *MOVING_CELLS})


def fields_of(facts: Facts, now: float) -> dict[str, str]:
    """What a filter looks at."""
    unit, stats, sensor = facts.unit, facts.stats, facts.sensor
    numbers = {
        "cpu": None if stats is None else stats.cpu_percent,
        "memory": None if stats is None else stats.memory_bytes,
        "uptime": since(unit.started_at, now),
        "fresh": None if sensor is None else since(sensor.newest, now),
        "backlog": None if sensor is None else sensor.backlog,
        "rate": None if sensor is None else sensor.rate,
    }
    if facts.lasting.texts is None:
        facts.lasting.texts = _texts(facts.lasting)
    return {
        **{key: f"{value:.12g}" for key, value in numbers.items() if value is not None},
        "verdict": "" if facts.verdict is None else str(facts.verdict),
        **facts.lasting.texts,
    }


def _texts(lasting: Lasting) -> dict[str, str]:
    unit = lasting.unit
    name = fmt.plain(unit.name, limit=200)
    return {
        "name": name,
        "unit": name,
        "city": fmt.plain(unit.city or "", limit=200),
        "role": str(unit.role),
        "state": str(unit.state),
        "health": str(unit.health),
        "restarts": str(unit.restarts),
        "host": fmt.plain(unit.host, limit=200),
        "runtime": fmt.plain(unit.runtime, limit=60),
        "image": fmt.plain(unit.image or "", limit=400),
        "tag": "loose" if lasting.image is not None and lasting.image.loose else "fixed",
        "sensor": fmt.plain(unit.sensor_id or "", limit=200),
        "project": fmt.plain(unit.project or "", limit=200),
        "why": fmt.plain(unit.reason, limit=400),
    }

"""What Fleet says about units, in signs and words; every text is safe to show."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rich.cells import cell_len, chop_cells

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.model.action import ActionRun, Proof, Step, UnitOutcome
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.unit import Health, HostState, Unit, UnitState

MASK: Final = "********"
NO_CITY: Final = "(no city)"
NO_PROJECT: Final = "(no project)"

STATE_TONES: Final[Mapping[UnitState, Tone]] = {
    UnitState.CREATED: Tone.DIM,
    UnitState.STARTING: Tone.ACCENT,
    UnitState.RUNNING: Tone.GOOD,
    UnitState.PAUSED: Tone.WARN,
    UnitState.STOPPING: Tone.ACCENT,
    UnitState.BACKOFF: Tone.WARN,
    UnitState.STOPPED: Tone.DIM,
    UnitState.FAILED: Tone.BAD,
    UnitState.UNKNOWN: Tone.DIM,
}
HEALTH_TONES: Final[Mapping[Health, Tone]] = {
    Health.NONE: Tone.DIM,
    Health.STARTING: Tone.ACCENT,
    Health.HEALTHY: Tone.GOOD,
    Health.UNHEALTHY: Tone.BAD,
}
_AT_WORK: Final = frozenset(
    {Step.DRAINING, Step.STOPPING, Step.WIPING, Step.STARTING, Step.REMOVING, Step.PROVING}
)
_DIGITS: Final = re.compile(r"[0-9]+")
_LONGEST_NUMBER: Final = 12
_SECRET_NAME: Final = re.compile(
    r"pass|secret|token|(?<!mon)key(?!board|map)|credential|auth|connection_?str|dsn|private|sas\b|cookie",
    re.IGNORECASE,
)
_SECRET_IN_TEXT: Final = re.compile(
    r"(?P<before>://[^/\s:@]*:)[^@/\s]+(?=@)"
    r"|(?P<name>\b(?:account_?key|shared_?access_?signature|sig|password|pwd|token|api_?key|secret)=)[^;&\s]+",
    re.IGNORECASE,
)
_SECRET_OPTION: Final = re.compile(r"--?[\w-]*(?:key|token|password|secret)[\w-]*", re.IGNORECASE)


def state_mark(state: UnitState, glyphs: Glyphs) -> str:
    """The sign of a state; no two that matter share one."""
    return {
        UnitState.CREATED: glyphs.bullet,
        UnitState.STARTING: glyphs.starting,
        UnitState.RUNNING: glyphs.running,
        UnitState.PAUSED: glyphs.paused,
        UnitState.STOPPING: glyphs.stopping,
        UnitState.BACKOFF: glyphs.backoff,
        UnitState.STOPPED: glyphs.stopped,
        UnitState.FAILED: glyphs.failed,
        UnitState.UNKNOWN: glyphs.unknown,
    }[state]


def health_mark(health: Health, glyphs: Glyphs) -> str:
    """The sign of a health."""
    return {
        Health.NONE: glyphs.dash,
        Health.STARTING: glyphs.starting,
        Health.HEALTHY: glyphs.good,
        Health.UNHEALTHY: glyphs.bad,
    }[health]


def city_of(unit: Unit) -> str:
    """The city it stands under."""
    return fmt.plain(unit.city, limit=60) if unit.city else NO_CITY


def project_of(unit: Unit) -> str:
    """The compose project it stands under."""
    return fmt.plain(unit.project, limit=60) if unit.project else NO_PROJECT


@lru_cache(maxsize=8192)
def natural(name: str) -> str:
    """A name to sort by, in which 9 comes before 10."""
    return _DIGITS.sub(lambda found: found[0].zfill(_LONGEST_NUMBER), name.lower())


@dataclass(frozen=True, slots=True)
class Image:
    """What a container was made of."""

    short: str
    """Without its registry."""
    loose: bool
    """It says no version: another start may bring another program."""


def image_of(unit: Unit) -> Image | None:
    """The image of a container; None for a process."""
    if not unit.image:
        return None
    if unit.image.startswith("sha256:"):  # its name was given to another image since
        return Image(f"{unit.image.removeprefix('sha256:')[:12]} (no tag)", loose=True)
    last = unit.image.rpartition("/")[2]
    name, at, digest = last.partition("@")
    if at:
        return Image(f"{name}@{digest.removeprefix('sha256:')[:12]}", loose=False)
    tag = name.partition(":")[2]
    return Image(name if tag else f"{name} (no tag)", loose=tag in {"", "latest"})


def folded(text: str, width: int, most: int = 4) -> Iterator[str]:
    """Safe text in lines of so many cells, at most so many of them, broken between words where it can be."""
    width = max(1, width)
    for _ in range(most - 1):
        if cell_len(text) <= width:
            break
        line = chop_cells(text, width)[0]
        space = line.rfind(" ") + 1
        if text[len(line)] != " " and space > len(line) // 2:
            line = line[:space]
        yield line.rstrip()
        text = text[len(line) :].lstrip()
    yield text if cell_len(text) <= width else fmt.fit(text, width)


def unreachable(overview: Overview) -> Mapping[tuple[str, str], HostState]:
    """Hosts that do not answer, by host and runtime."""
    return {(each.host, each.runtime): each for each in overview.hosts if not each.reachable}


def unreachable_words(host: HostState, *, why: bool = True) -> str:
    """Since when a host does not answer, and why."""
    since = f" since {fmt.clock_minutes(host.seen)}" if host.seen is not None else ", never answered"
    reason = fmt.plain(host.reason, limit=200)
    return f"unreachable{since}" + (f": {reason}" if reason and why else "")


@dataclass(frozen=True, slots=True)
class Running:
    """What an action is doing to a unit, or did last."""

    run: ActionRun
    outcome: UnitOutcome

    @property
    def at_work(self) -> bool:
        """Whether it is at this unit now."""
        return self.run.ended is None and self.outcome.step in _AT_WORK


def running_actions(overview: Overview) -> Mapping[str, Running]:
    """The latest action of every unit that had one of late, by unit id."""
    return {outcome.unit: Running(run, outcome) for run in overview.actions for outcome in run.outcomes}


def action_words(running: Running, now: float) -> tuple[str, Tone]:
    """What was done to a unit, how far it is, and whether it is proven."""
    run, outcome = running.run, running.outcome
    who = fmt.plain(run.who, limit=40)
    head = f"{run.kind} by {who}, {fmt.age(max(0.0, now - run.began))} ago: "
    why = f", {fmt.plain(outcome.message, limit=200)}" if outcome.message else ""
    if outcome.step is Step.DONE:
        missing = f": {fmt.plain(outcome.missing, limit=200)}" if outcome.missing else ""
        proof = "" if outcome.proof is Proof.NONE else f", {outcome.proof}{missing}"
        tone = {Proof.PROVEN: Tone.GOOD, Proof.NOT_PROVEN: Tone.WARN}.get(outcome.proof, Tone.NORMAL)
        return f"{head}done{proof}{why}", tone
    unsent = f", {fmt.count(outcome.unsent)} unsent" if outcome.unsent is not None else ""
    tone = {Step.FAILED: Tone.BAD, Step.SKIPPED: Tone.DIM}.get(outcome.step, Tone.ACCENT)
    return f"{head}{outcome.step}{unsent}{why}", tone


class Sensors:
    """Finds the sensors of many units in one overview."""

    def __init__(self, overview: Overview) -> None:
        self._sensors = overview.sensors
        self._by_id: dict[str, Sensor] | None = None

    def of(self, unit: Unit) -> Sensor | None:
        """The sensor that a unit is; None where it is none or has not been seen."""
        if unit.sensor_id is None:
            return None
        found = self._sensors.get(f"{unit.sensor_id}\x00{unit.city or ''}")
        if found is not None:
            return found
        if self._by_id is None:
            self._by_id = {}
            for sensor in self._sensors.values():
                if sensor.sensor_id is not None:
                    self._by_id.setdefault(sensor.sensor_id, sensor)
        return self._by_id.get(unit.sensor_id)


def masked(name: str, value: str) -> str:
    """A value of the environment or a label; nothing of it where its name says that it is a secret."""
    return MASK if value and _SECRET_NAME.search(name) else masked_text(value)


def masked_text(text: str) -> str:
    """Text without the passwords in its addresses and connection strings."""
    return _SECRET_IN_TEXT.sub(lambda found: f"{found['before'] or found['name']}{MASK}", text)


def masked_command(command: tuple[str, ...]) -> str:
    """A command as one line, without the values of options that take secrets."""
    shown: list[str] = []
    secret = False
    for word in command:
        option, equals, _ = word.partition("=")
        if secret and not word.startswith("-"):
            shown.append(MASK)
            secret = False
            continue
        secret = bool(_SECRET_OPTION.fullmatch(option)) and not equals
        if equals and _SECRET_OPTION.fullmatch(option):
            shown.append(f"{option}={MASK}")
        else:
            shown.append(masked_text(word))
    return fmt.plain(" ".join(shown), limit=600)

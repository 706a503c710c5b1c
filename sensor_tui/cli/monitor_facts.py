"""What `sensor-tui monitor` shows at one moment: a report of the fleet, chosen from and added up.

Everything here is a value; `asdict` of `Facts` is what `--json` writes. What is not known is None.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Health, HostState, Unit, UnitState
from sensor_tui.service.merge import age, epoch
from sensor_tui.service.wire import EngineReport, PeerReport, SensorReport, StatusReport

_TROUBLED: Final = frozenset({UnitState.FAILED, UnitState.BACKOFF, UnitState.UNKNOWN})
_NAMED: Final = 5
"""Cities or sensors that are named where none fits."""
_STUCK: Final = frozenset({EngineState.REFUSED, EngineState.UNREACHABLE, EngineState.PAUSED})


class Source(StrEnum):
    """Where a report comes from."""

    SERVICE = "service"
    FILES = "files"
    """A look at files, ledger and units, as no service runs."""


class Link(StrEnum):
    """How the monitor stands with the service."""

    LIVE = "live"
    LOST = "lost"
    """It does not answer: what is shown is from before."""
    NONE = "none"
    """None runs."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which cities and sensors are meant; nothing means all."""

    cities: frozenset[str] = frozenset()
    """Case-folded."""
    sensors: frozenset[str] = frozenset()
    words: str = ""
    """The options themselves."""

    @classmethod
    def of(cls, cities: Sequence[str], sensors: Sequence[str]) -> "Choice":
        """As the options give it."""
        words = [*(f"--city {city}" for city in cities), *(f"--sensor {each}" for each in sensors)]
        return cls(frozenset(city.casefold() for city in cities), frozenset(sensors), " ".join(words))

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.cities or self.sensors)

    def takes(self, city: str | None, sensor_id: str | None) -> bool:
        """Whether something of this city and sensor is meant."""
        right_city = not self.cities or (city or "").casefold() in self.cities
        return right_city and (not self.sensors or sensor_id in self.sensors)


@dataclass(frozen=True, slots=True)
class SensorFacts:
    """One sensor; ages in seconds."""

    sensor_id: str | None
    city: str | None
    readings_per_second: float | None
    backlog: int | None
    lag_seconds: float | None
    freshness_seconds: float | None
    newest: str | None
    dead_letters: int | None
    problem: str | None
    owner: str | None
    engine: str
    source: str


@dataclass(frozen=True, slots=True)
class CityFacts:
    """One city; `freshness_seconds` is of its newest reading, `problems` are sensors and units in trouble."""

    city: str | None
    sensors: int
    units: int
    running: int
    readings_per_second: float | None
    backlog: int | None
    lag_seconds: float | None
    freshness_seconds: float | None
    dead_letters: int | None
    problems: int


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """One unit; `sensor` figures are those of the sensor it is, where it is one."""

    id: str
    name: str
    host: str
    runtime: str
    role: str
    city: str | None
    sensor_id: str | None
    state: str
    health: str
    restarts: int
    reason: str
    readings_per_second: float | None
    backlog: int | None
    lag_seconds: float | None

    @property
    def troubled(self) -> bool:
        """Whether somebody should look at it."""
        return self.state in _TROUBLED or self.health == Health.UNHEALTHY


@dataclass(frozen=True, slots=True)
class Summary:
    """All that is meant, added up; rates of uploads are those of all engines, whatever is meant."""

    units: int
    states: dict[str, int]
    unhealthy: int
    restarts: int
    sensors: int
    readings_per_second: float | None
    backlog: int | None
    lag_seconds: float | None
    dead_letters: int | None
    docs_per_second: float | None
    request_units_per_second: float | None
    throttled_per_second: float | None
    accepted: int | None
    rejected: int | None
    retried: int | None
    errors: int
    """Lines of `trouble`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is shown."""

    at: str
    """ISO 8601 in UTC."""
    source: str
    link: str
    note: str
    """What there is to say about the link, and what cannot be known."""
    age_seconds: float
    """Of the figures: more than 0 where the service does not answer."""
    engine: dict[str, object]
    summary: Summary
    cities: tuple[CityFacts, ...] = ()
    sensors: tuple[SensorFacts, ...] = ()
    units: tuple[UnitFacts, ...] = ()
    trouble: tuple[str, ...] = field(default=())
    """What is wrong, a line each."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A report as it came, and how."""

    report: StatusReport
    source: Source
    link: Link
    note: str = ""


def facts_of(seen: Seen, choice: Choice, *, elapsed: float, now: str) -> Facts:
    """What is shown of a report that came `elapsed` seconds ago, at the moment `now` (ISO 8601).

    Ages go on while a service that answers has nothing new to say, and stand still where it is lost.
    """
    report = seen.report
    moment = (epoch(report.at) or 0.0) + (elapsed if seen.link is Link.LIVE else 0.0)
    sensors = [_sensor(each, moment) for each in report.sensors if choice.takes(each.city, each.sensor_id)]
    units = _units(report.units, sensors, choice)
    trouble = tuple(_trouble(report, sensors, units))
    return Facts(
        at=now,
        source=seen.source,
        link=seen.link,
        note=" ".join(filter(None, (seen.note, misfit(report, choice)))),
        age_seconds=round(elapsed, 1) if seen.link is Link.LOST else 0.0,
        engine=_engine(report.engine),
        summary=_summary(report, choice, sensors, units, moment, len(trouble)),
        cities=tuple(_cities(sensors, units)),
        sensors=tuple(sorted(sensors, key=lambda each: (each.city or "", each.sensor_id or "", each.source))),
        units=units,
        trouble=trouble,
    )


def misfit(report: StatusReport, choice: Choice) -> str:
    """What is said where something was chosen and nothing fits; empty where something does."""
    known = [(each.city, each.sensor_id) for each in report.sensors]
    known += [(unit.city, unit.sensor_id) for unit in report.units]
    if choice.everything or any(choice.takes(*each) for each in known):
        return ""
    cities = {city for city, _ in known if city}
    sensors = {sensor_id for _, sensor_id in known if sensor_id}
    wrong_city = choice.cities and choice.cities.isdisjoint(city.casefold() for city in cities)
    there = sorted(cities if wrong_city or choice.sensors <= sensors else sensors)
    more = f" and {len(there) - _NAMED} more" if len(there) > _NAMED else ""
    rest = f"there are {', '.join(there[:_NAMED])}{more}" if there else "there is nothing yet"
    return f"Nothing fits {choice.words}; {rest}."


def _engine(engine: EngineReport) -> dict[str, object]:
    return {
        "state": str(engine.state),
        "reason": engine.reason,
        "version": engine.version,
        "pid": engine.pid,
        "attached": engine.attached,
        "config_problem": engine.config_problem,
    }


def _sensor(sensor: SensorReport, moment: float) -> SensorFacts:
    return SensorFacts(
        sensor_id=sensor.sensor_id,
        city=sensor.city,
        readings_per_second=sensor.rate,
        backlog=sensor.backlog,
        lag_seconds=age(epoch(sensor.oldest_open), moment),
        freshness_seconds=age(epoch(sensor.newest), moment),
        newest=sensor.newest,
        dead_letters=sensor.dead_letters,
        problem=sensor.problem,
        owner=sensor.owner,
        engine=sensor.engine,
        source=sensor.source,
    )


def _units(known: Sequence[Unit], sensors: Sequence[SensorFacts], choice: Choice) -> tuple[UnitFacts, ...]:
    """Those that are meant, what is in trouble first."""
    by_id = {each.sensor_id: each for each in sensors if each.sensor_id is not None}
    found = []
    for unit in known:
        if not choice.takes(unit.city, unit.sensor_id):
            continue
        sensor = by_id.get(unit.sensor_id) if unit.sensor_id is not None else None
        found.append(
            UnitFacts(
                id=unit.id,
                name=unit.name,
                host=unit.host,
                runtime=unit.runtime,
                role=str(unit.role),
                city=unit.city,
                sensor_id=unit.sensor_id,
                state=str(unit.state),
                health=str(unit.health),
                restarts=unit.restarts,
                reason=unit.reason,
                readings_per_second=None if sensor is None else sensor.readings_per_second,
                backlog=None if sensor is None else sensor.backlog,
                lag_seconds=None if sensor is None else sensor.lag_seconds,
            )
        )
    return tuple(sorted(found, key=lambda each: (not each.troubled, each.name, each.id)))


def _cities(sensors: Sequence[SensorFacts], units: Sequence[UnitFacts]) -> Iterable[CityFacts]:
    names = {each.city for each in sensors} | {each.city for each in units if each.city is not None}
    for city in sorted(names, key=lambda name: name or ""):
        here = [each for each in sensors if each.city == city]
        run = [each for each in units if each.city == city]
        yield CityFacts(
            city=city,
            sensors=len(here),
            units=len(run),
            running=sum(each.state == UnitState.RUNNING for each in run),
            readings_per_second=_added(each.readings_per_second for each in here),
            backlog=_whole(each.backlog for each in here),
            lag_seconds=max(
                (each.lag_seconds for each in here if each.lag_seconds is not None), default=None
            ),
            freshness_seconds=min(
                (each.freshness_seconds for each in here if each.freshness_seconds is not None), default=None
            ),
            dead_letters=_whole(each.dead_letters for each in here),
            problems=sum(bool(each.problem) for each in here) + sum(each.troubled for each in run),
        )


def _summary(
    report: StatusReport,
    choice: Choice,
    sensors: Sequence[SensorFacts],
    units: Sequence[UnitFacts],
    moment: float,
    errors: int,
) -> Summary:
    engines = [report.engine, *(each.engine for each in report.peers if each.engine is not None)]
    live = [
        report.engine,
        *(each.engine for each in report.peers if each.engine is not None and each.link is PeerLink.LIVE),
    ]
    totals = [each.totals for each in engines if each.totals is not None]
    lags = [each.lag_seconds for each in sensors if each.lag_seconds is not None]
    lag = max(lags, default=None)
    if choice.everything and report.lag_seconds is not None:
        lag = round(report.lag_seconds + moment - (epoch(report.at) or moment), 3)
    everything = choice.everything
    return Summary(
        units=len(units),
        states=dict(Counter(each.state for each in units)),
        unhealthy=sum(each.health == Health.UNHEALTHY for each in units),
        restarts=sum(each.restarts for each in units),
        sensors=len(sensors),
        readings_per_second=_added(each.readings_per_second for each in sensors),
        backlog=report.backlog if everything else _whole(each.backlog for each in sensors),
        lag_seconds=lag,
        dead_letters=report.dead_letters if everything else _whole(each.dead_letters for each in sensors),
        docs_per_second=_added(each.docs_per_second for each in live),
        request_units_per_second=_added(each.request_units_per_second for each in live),
        throttled_per_second=_added(each.throttled_per_second for each in live),
        accepted=sum(each.accepted for each in totals) if totals else None,
        rejected=sum(each.rejected for each in totals) if totals else None,
        retried=sum(each.retried for each in totals) if totals else None,
        errors=errors,
    )


def _trouble(
    report: StatusReport, sensors: Sequence[SensorFacts], units: Sequence[UnitFacts]
) -> Iterable[str]:
    engine = report.engine
    if engine.attached and engine.state in _STUCK:
        yield _because(f"uploads are {engine.state}", engine.reason)
    elif engine.reason:
        yield engine.reason
    if engine.config_problem:
        yield engine.config_problem
    yield from (_away(host) for host in report.hosts if not host.reachable)
    yield from filter(None, map(_of_peer, report.peers))
    for unit in units:
        if unit.troubled:
            state = unit.health if unit.health == Health.UNHEALTHY else unit.state
            yield _because(f"{unit.name} is {state}", unit.reason)
    yield from (f"{each.sensor_id or each.source}: {each.problem}" for each in sensors if each.problem)


def _of_peer(peer: PeerReport) -> str:
    """What is wrong with another service; nothing where all is well."""
    if peer.link is not PeerLink.LIVE:
        return f"uploader of {peer.name}: {peer.problem or 'does not answer'}"
    if peer.engine is not None and peer.engine.state in _STUCK:
        return _because(f"uploader of {peer.name} is {peer.engine.state}", peer.engine.reason)
    return ""


def _because(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what


def _away(host: HostState) -> str:
    return f"{host.host}/{host.runtime} cannot be reached: {host.reason}"


def _added(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 3) if known else None


def _whole(values: Iterable[int | None]) -> int | None:
    """A sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None

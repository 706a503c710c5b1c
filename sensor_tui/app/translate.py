"""Wire models turned into values of `model`, as far as they changed."""

from dataclasses import fields, replace

from sensor_tui.model.letter import LetterRow, Minute
from sensor_tui.model.overview import EngineView, Link, Overview, PeerView
from sensor_tui.model.progress import LaneProgress, Totals
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.unit import Unit, UnitStats
from sensor_tui.service.client import Update
from sensor_tui.service.merge import epoch
from sensor_tui.service.wire import EngineReport, PeerReport, SensorReport, StatusReport
from sensor_tui.service.wire_asks import Letter, LettersChanged, ThroughputPoint


class Translator:
    """Makes an overview of each update; what did not change is the same object as before."""

    def __init__(self) -> None:
        self._sensors: dict[str, Sensor] = {}
        self._engine: EngineReport | None = None
        self._view = EngineView()
        self._peers: tuple[PeerReport, ...] = ()
        self._peer_shown: tuple[PeerView, ...] = ()

    def take(self, update: Update, before: Overview) -> Overview:
        """How everything stands after this update."""
        if update.kind == "lost":
            link = Link.STOPPED if before.link is Link.STOPPED else Link.LOST
            return replace(before, link=link, problem=update.problem)
        if update.kind == "goodbye":
            return replace(before, link=Link.STOPPED, problem="The service was stopped, so nobody uploads")
        report = update.report
        if report is None:
            return before
        if update.kind == "heartbeat":
            return replace(before, link=Link.LIVE, problem="", at=epoch(report.at))
        if update.kind == "snapshot":
            self._sensors = {}
        sensors = self._take_sensors(update)
        return Overview(
            link=Link.LIVE,
            at=epoch(report.at),
            backlog=report.backlog,
            oldest_open=_oldest_open(report),
            dead_letters=report.dead_letters,
            engine=self._engine_view(report.engine),
            peers=self._peer_views(report.peers),
            hosts=report.hosts,
            units=_units(report.units, before),
            stats=_stats(report.stats, before),
            sensors=sensors,
            actions=report.actions,
            embedded=before.embedded,
        )

    def _take_sensors(self, update: Update) -> dict[str, Sensor]:
        if update.changed or update.gone or update.kind == "snapshot":
            sensors = dict(self._sensors)
            for key in update.gone:
                sensors.pop(key, None)
            for each in update.changed:
                sensors[each.key] = sensor(each)
            self._sensors = sensors
        return self._sensors

    def _engine_view(self, report: EngineReport) -> EngineView:
        if report is not self._engine:
            self._engine, self._view = report, engine_view(report)
        return self._view

    def _peer_views(self, reports: tuple[PeerReport, ...]) -> tuple[PeerView, ...]:
        if reports is not self._peers:
            self._peers, self._peer_shown = reports, tuple(map(peer_view, reports))
        return self._peer_shown


def peer_view(report: PeerReport) -> PeerView:
    """Another service as screens know it."""
    return PeerView(
        name=report.name,
        link=report.link,
        problem=report.problem,
        since=epoch(report.since),
        engine=EngineView() if report.engine is None else engine_view(report.engine),
        backlog=report.backlog,
        oldest_open=epoch(report.oldest_open),
        dead_letters=report.dead_letters,
        sensors=report.sensors,
    )


def sensor(report: SensorReport) -> Sensor:
    """A sensor as screens know it."""
    return Sensor(
        key=report.key,
        sensor_id=report.sensor_id,
        city=report.city,
        source=report.source,
        backlog=report.backlog,
        oldest_open=epoch(report.oldest_open),
        newest=epoch(report.newest),
        dead_letters=report.dead_letters,
        files=report.files,
        problem=report.problem,
        owner=report.owner,
        engine=report.engine,
        values=report.values,
        anomaly=report.anomaly,
        anomalies=report.anomalies,
        rate=report.rate,
        cadence=report.cadence_seconds,
        flat=report.flat,
    )


def engine_view(report: EngineReport) -> EngineView:
    """The engine as screens know it."""
    totals = report.totals
    return EngineView(
        state=report.state,
        reason=report.reason,
        version=report.version,
        pid=report.pid,
        docs_per_second=report.docs_per_second,
        request_units_per_second=report.request_units_per_second,
        throttled_per_second=report.throttled_per_second,
        in_flight=report.in_flight,
        lanes=tuple(LaneProgress(**lane.model_dump()) for lane in report.lanes),
        totals=None
        if totals is None
        else Totals(**{each.name: getattr(totals, each.name) for each in fields(Totals)}),
        config_problem=report.config_problem,
    )


def letter_row(letter: Letter) -> LetterRow:
    """A dead letter as screens know it."""
    return LetterRow(**{**letter.model_dump(), "at": epoch(letter.at) or 0.0})


def minute(point: ThroughputPoint) -> Minute:
    """A point of history as screens know it."""
    return Minute(
        at=epoch(point.at) or 0.0,
        accepted=point.accepted,
        rejected=point.rejected,
        throttled=point.throttled,
        request_units=point.request_units,
        backlog=point.backlog,
        lag=point.lag_seconds,
    )


def text_of(outcome: LettersChanged, done: str) -> str:
    """What became of dead letters, in one line."""
    noun = "dead letter" if outcome.changed == 1 else "dead letters"
    parts = [f"{outcome.changed} {noun} {done}"]
    if outcome.missing:
        parts.append(f"{len(outcome.missing)} were not there any more")
    if outcome.failed:
        first = next(iter(outcome.failed.values()))
        parts.append(f"{len(outcome.failed)} could not be done: {first}")
    return "; ".join([*parts, *(f"not by {notice}" for notice in outcome.notices)])


def _oldest_open(report: StatusReport) -> float | None:
    at = epoch(report.at)
    return None if report.lag_seconds is None or at is None else at - report.lag_seconds


def _units(units: tuple[Unit, ...], before: Overview) -> dict[str, Unit]:
    known = before.units
    found = {}
    for unit in units:
        same = known.get(unit.id)
        found[unit.id] = same if same == unit and same is not None else unit
    return found


def _stats(stats: tuple[UnitStats, ...], before: Overview) -> dict[str, UnitStats]:
    known = before.stats
    found = {}
    for each in stats:
        same = known.get(each.unit)
        found[each.unit] = same if same == each and same is not None else each
    return found

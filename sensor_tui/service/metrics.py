"""Prometheus text of a status report."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from sensor_tui.model.progress import EngineState
from sensor_tui.service.merge import Sensor, age
from sensor_tui.service.wire import LaneReport, StatusReport

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

_SENSOR: Final = ("sensor_id", "city", "source")
_LANE: Final = ("sink", "lane")


class _Report:
    """A collector of one report, which is made, asked once, and forgotten."""

    def __init__(self, status: StatusReport, sensors: Iterable[Sensor], now: float) -> None:
        self._status = status
        self._sensors = sensors
        self._now = now

    def collect(self) -> Iterable[Metric]:
        status = self._status
        engine = status.engine
        totals = engine.totals
        if totals is not None:
            for name, meaning, count in (
                ("readings_read", "Readings read.", totals.read),
                ("readings_accepted", "Readings that the sink has.", totals.accepted),
                ("readings_already_there", "Accepted readings that it had.", totals.already_there),
                ("readings_rejected", "Readings it can never accept.", totals.rejected),
                ("readings_retried", "Readings sent again.", totals.retried),
                ("readings_throttled", "Readings answered with 429.", totals.throttled),
                ("requests", "Requests sent.", totals.requests),
                ("request_units", "Request units spent.", totals.request_units),
                ("sent_bytes", "Bytes of request bodies.", totals.bytes_sent),
            ):
                yield CounterMetricFamily(f"sensor_tui_{name}", meaning, count)
        yield from _gauge("sensor_tui_backlog", "Readings neither accepted nor dead.", status.backlog)
        yield from _gauge("sensor_tui_lag_seconds", "Age of the oldest open reading.", status.lag_seconds)
        yield from _gauge("sensor_tui_dead_letters", "Dead letters.", status.dead_letters)
        yield from _gauge("sensor_tui_in_flight", "Readings under way.", engine.in_flight)
        yield InfoMetricFamily("sensor_tui", "The release that answers.", {"version": engine.version})
        states = GaugeMetricFamily(
            "sensor_tui_engine_state", "1 for the state the engine is in.", labels=["state"]
        )
        for state in EngineState:
            states.add_metric([state.value], float(state is engine.state))
        yield states
        yield from _lanes(engine.lanes)
        yield from _per_sensor(self._sensors, self._now)


def render(status: StatusReport, sensors: Iterable[Sensor], now: float) -> bytes:
    """The text of `/metrics`; of the status its totals alone, `now` in seconds since the epoch."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Report(status, sensors, now))
    return generate_latest(registry)


def _gauge(name: str, meaning: str, value: float | None) -> Iterable[Metric]:
    """A gauge; absent while its value is not known."""
    if value is not None:
        yield GaugeMetricFamily(name, meaning, value)


def _lanes(lanes: Iterable[LaneReport]) -> Iterable[Metric]:
    concurrency = GaugeMetricFamily(
        "sensor_tui_lane_concurrency", "Requests a lane may have under way.", labels=_LANE
    )
    in_flight = GaugeMetricFamily("sensor_tui_lane_in_flight", "Readings under way on a lane.", labels=_LANE)
    queued = GaugeMetricFamily("sensor_tui_lane_queued", "Readings that wait for a lane.", labels=_LANE)
    for lane in lanes:
        labels = (lane.sink, lane.lane)
        concurrency.add_metric(labels, lane.concurrency)
        in_flight.add_metric(labels, lane.in_flight)
        queued.add_metric(labels, lane.queued)
    return concurrency, in_flight, queued


def _per_sensor(sensors: Iterable[Sensor], now: float) -> Iterable[Metric]:
    backlog = GaugeMetricFamily("sensor_tui_sensor_backlog", "Open readings of a sensor.", labels=_SENSOR)
    lag = GaugeMetricFamily(
        "sensor_tui_sensor_lag_seconds", "Age of a sensor's oldest open reading.", labels=_SENSOR
    )
    freshness = GaugeMetricFamily(
        "sensor_tui_sensor_freshness_seconds", "Age of a sensor's newest reading.", labels=_SENSOR
    )
    for sensor in sensors:
        labels = (sensor.sensor_id or "", sensor.city or "", sensor.source)
        for metric, value in (
            (backlog, sensor.backlog),
            (lag, age(sensor.oldest_open, now)),
            (freshness, age(sensor.newest, now)),
        ):
            if value is not None:
                metric.add_metric(labels, value)
    return backlog, lag, freshness

"""The readings of one sensor, as a pure function of configuration, seed and the times asked for."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from sensor_tui.simulator.config import (
    PARAMETERS,
    MissingDataAnomaly,
    NoiseAnomaly,
    NormalParameter,
    ParameterName,
    PatternAnomaly,
    SensorConfig,
    SpikeAnomaly,
    TrendAnomaly,
)
from sensor_tui.simulator.schema import SimulatedReading

STATUS_NORMAL = 0
STATUS_ANOMALOUS = 1
AnomalyType = SpikeAnomaly | TrendAnomaly | PatternAnomaly | NoiseAnomaly

# From the normal value and the seconds since the anomaly began to the anomalous value.
Distortion = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class _Episode:
    """One anomaly under way; `distortions` by parameter, None where no rows are written at all."""

    name: str
    begin: float
    end: float
    distortions: dict[ParameterName, Distortion] | None


class ReadingGenerator:
    """A sensor's readings, one per tick; the same configuration and sensor id give the same values.

    Durations are counted on the sensor's own schedule, not on the wall clock: a tick is `period` seconds
    long, whatever happened to the machine meanwhile.
    """

    def __init__(self, config: SensorConfig, *, sensor_id: str, period: float) -> None:
        self._random = random.Random(f"{config.simulation.seed}:{sensor_id}")
        self._period = period
        self._tick = 0
        self._parameters: dict[ParameterName, NormalParameter] = {
            name: getattr(config.normal_parameters, name) for name in PARAMETERS
        }
        anomalies = config.anomalies
        self._kinds: dict[str, AnomalyType | MissingDataAnomaly] = {
            name: kind for name, kind in anomalies.types if kind.enabled and kind.weight > 0
        }
        self._begins = self._chance_of_a_beginning(anomalies.probability) if anomalies.enabled else 0.0
        self._episode: _Episode | None = None

    def next(self, time: float) -> SimulatedReading | None:
        """The next tick's reading, stamped with `time` (seconds since the epoch); None when it is missing."""
        elapsed = self._tick * self._period
        self._tick += 1
        episode = self._episode_at(elapsed)
        values = {name: self._normal_value(parameter) for name, parameter in self._parameters.items()}
        if episode is None:
            return SimulatedReading(time, status_code=STATUS_NORMAL, anomaly_type=None, **values)
        if episode.distortions is None:
            return None
        for name, distort in episode.distortions.items():
            values[name] = distort(values[name], elapsed - episode.begin)
        return SimulatedReading(time, status_code=STATUS_ANOMALOUS, anomaly_type=episode.name, **values)

    def _normal_value(self, parameter: NormalParameter) -> float:
        low, high = parameter.bounds
        return min(max(self._random.gauss(parameter.mean, parameter.std_dev), low), high)

    def _episode_at(self, elapsed: float) -> _Episode | None:
        if self._episode is not None and elapsed >= self._episode.end:
            self._episode = None
        if self._episode is None and self._begins and self._random.random() < self._begins:
            self._episode = self._begin(elapsed)
        return self._episode

    def _ticks(self, kind: AnomalyType | MissingDataAnomaly) -> int:
        """How many readings an anomaly lasts: its duration, or one where it is shorter than a tick."""
        return max(1, math.ceil(kind.duration_seconds / self._period - 0.5))

    def _chance_of_a_beginning(self, share: float) -> float:
        """The chance at a normal tick that makes anomalous ticks that share of all, whatever they last."""
        weights = sum(kind.weight for kind in self._kinds.values())
        if not weights or not share:
            return 0.0
        mean_ticks = sum(kind.weight * self._ticks(kind) for kind in self._kinds.values()) / weights
        return share / (share + mean_ticks * (1 - share))

    def _begin(self, elapsed: float) -> _Episode:
        name = self._random.choices(list(self._kinds), [kind.weight for kind in self._kinds.values()])[0]
        kind = self._kinds[name]
        end = elapsed + (self._ticks(kind) - 0.5) * self._period
        if isinstance(kind, MissingDataAnomaly):
            return _Episode(name, elapsed, end, None)
        sign = self._random.choice((-1.0, 1.0))
        distortions = {
            parameter: self._distortion(kind, self._parameters[parameter], sign)
            for parameter in kind.parameters
        }
        return _Episode(name, elapsed, end, distortions)

    def _distortion(self, kind: AnomalyType, parameter: NormalParameter, sign: float) -> Distortion:
        size = kind.magnitude * parameter.scale
        match kind:
            case SpikeAnomaly():
                return lambda value, _: value + sign * size
            case TrendAnomaly():
                return lambda value, seconds: value + sign * size * min(seconds / kind.duration_seconds, 1.0)
            case PatternAnomaly():
                turn = 2 * math.pi / kind.period_seconds
                return lambda _, seconds: parameter.mean + sign * size * math.sin(turn * seconds)
            case NoiseAnomaly():
                return lambda _, __: self._random.gauss(parameter.mean, size)

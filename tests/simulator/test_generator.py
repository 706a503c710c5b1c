import itertools
import statistics
from typing import Any

import pytest

from sensor_tui.simulator.config import PARAMETERS, SensorConfig
from sensor_tui.simulator.generator import ReadingGenerator
from sensor_tui.simulator.schema import SimulatedReading

ID = "LON_000001"
QUIET: dict[str, Any] = {"anomalies": {"enabled": False}}


def readings(
    config: dict[str, Any], count: int, *, period: float = 1.0, sensor_id: str = ID
) -> list[SimulatedReading | None]:
    generator = ReadingGenerator(SensorConfig.model_validate(config), sensor_id=sensor_id, period=period)
    return [generator.next(1000.0 + index) for index in range(count)]


def only(kind: str, **settings: object) -> dict[str, Any]:
    """A configuration whose one anomaly begins at the first reading and, once over, again."""
    types: dict[str, Any] = {
        name: {"enabled": False} for name in ("spike", "trend", "pattern", "missing_data", "noise")
    }
    types[kind] = {"enabled": True, **settings}
    normal = {name: {"mean": 100.0, "std_dev": 1.0, "min": 96.0, "max": 104.0} for name in PARAMETERS}
    return {"normal_parameters": normal, "anomalies": {"probability": 1.0, "types": types}}


def present(config: dict[str, Any], count: int, **options: Any) -> list[SimulatedReading]:
    return [reading for reading in readings(config, count, **options) if reading is not None]


def test_the_same_seed_and_sensor_give_the_same_readings() -> None:
    assert readings({}, 2000) == readings({}, 2000)


@pytest.mark.parametrize("other", [{"config": {"simulation": {"seed": 2}}}, {"sensor_id": "LON_000002"}])
def test_another_seed_or_sensor_gives_others(other: dict[str, Any]) -> None:
    assert readings({}, 5) != readings(**{"config": {}, **other}, count=5)


def test_values_never_change_between_versions() -> None:
    first = present(QUIET, 1)[0]
    assert first[1:6] == pytest.approx(
        (19.796076309301228, 58.193677870553984, 1009.2777425022423, 2.644265381051065, 12.119955073492408)
    )


def test_the_time_is_the_one_asked_for() -> None:
    assert [reading.time for reading in present(QUIET, 3)] == [1000.0, 1001.0, 1002.0]


@pytest.mark.parametrize("name", PARAMETERS)
def test_normal_values_follow_mean_and_deviation(name: str) -> None:
    parameter = getattr(SensorConfig().normal_parameters, name)
    values = [getattr(reading, name) for reading in present(QUIET, 4000)]
    assert statistics.fmean(values) == pytest.approx(parameter.mean, abs=parameter.std_dev * 0.1)
    assert statistics.stdev(values) == pytest.approx(parameter.std_dev, rel=0.1)
    assert {reading.status_code for reading in present(QUIET, 10)} == {0}


def test_normal_values_are_clamped_to_their_bounds() -> None:
    config = {**QUIET, "normal_parameters": {"voltage": {"mean": 12, "std_dev": 5, "min": 11, "max": 13}}}
    values = {reading.voltage for reading in present(config, 500)}
    assert (min(values), max(values)) == (11.0, 13.0)


def test_a_deviation_of_zero_is_a_flat_line() -> None:
    config = {**QUIET, "normal_parameters": {"temperature": {"mean": 85, "std_dev": 0}}}
    assert {reading.temperature for reading in present(config, 50)} == {85.0}


def test_probability_is_the_share_of_readings_that_are_not_normal() -> None:
    for probability in (0.05, 0.3):
        drawn = readings({"anomalies": {"probability": probability}}, 40_000)
        odd = sum(reading is None or reading.anomaly_type is not None for reading in drawn)
        assert odd / len(drawn) == pytest.approx(probability, rel=0.15)


def test_weights_decide_which_anomaly_it_is() -> None:
    types = {
        "spike": {"weight": 3},
        "noise": {"weight": 1, "duration_seconds": 0},
        "trend": {"weight": 0},
        "pattern": {"enabled": False},
        "missing_data": {"enabled": False},
    }
    kinds = [r.anomaly_type for r in present({"anomalies": {"probability": 1, "types": types}}, 4000)]
    assert set(kinds) == {"spike", "noise"}
    assert kinds.count("spike") / len(kinds) == pytest.approx(0.75, abs=0.05)


def test_without_anomalies_there_are_none() -> None:
    for anomalies in (
        {"enabled": False, "probability": 1},
        {"probability": 0},
        {"probability": 1, "types": only("spike", weight=0)["anomalies"]["types"]},
    ):
        assert {reading.anomaly_type for reading in present({"anomalies": anomalies}, 300)} == {None}


def test_a_spike_is_one_reading_far_off() -> None:
    drawn = present(only("spike", magnitude=20), 200)
    assert {(reading.anomaly_type, reading.status_code) for reading in drawn} == {("spike", 1)}
    assert all(abs(reading.temperature - 100) >= 16 for reading in drawn)
    assert {reading.temperature > 100 for reading in drawn} == {True, False}


def test_an_anomaly_touches_only_its_parameters() -> None:
    for reading in present(only("spike", magnitude=20, parameters=["voltage"]), 50):
        assert abs(reading.voltage - 100) >= 16
        assert abs(reading.temperature - 100) <= 4


def test_a_trend_drifts_away_over_its_duration() -> None:
    drawn = present(only("trend", magnitude=50, duration_seconds=10), 10)
    offsets = [abs(reading.temperature - 100) for reading in drawn]
    assert offsets[0] <= 4
    assert all(later > earlier for earlier, later in itertools.pairwise(offsets[1:]))
    assert offsets[-1] == pytest.approx(45, abs=4)


def test_a_pattern_repeats_exactly() -> None:
    drawn = present(only("pattern", magnitude=4, duration_seconds=40, period_seconds=8), 40)
    values = [reading.temperature for reading in drawn]
    assert values[:8] == pytest.approx(values[8:16])
    assert max(values) == pytest.approx(104)
    assert min(values) == pytest.approx(96)


def test_noise_is_stronger_than_usual_and_without_bounds() -> None:
    values = [reading.temperature for reading in present(only("noise", magnitude=6), 2000)]
    assert statistics.stdev(values) == pytest.approx(6, rel=0.1)
    assert max(values) > 104


def test_missing_data_is_no_row_for_its_duration() -> None:
    config = only("missing_data", duration_seconds=5)
    config["anomalies"]["probability"] = 0.5
    drawn = "".join("." if reading is None else "x" for reading in readings(config, 3000))
    gaps = [gap for gap in drawn.strip(".").split("x") if gap]
    assert gaps
    assert {len(gap) % 5 for gap in gaps} == {0}


@pytest.mark.parametrize(("period", "length"), [(1.0, 3), (0.1, 30), (0.5, 6), (2.0, 1), (60.0, 1)])
def test_a_duration_is_counted_on_the_sensors_own_schedule(period: float, length: int) -> None:
    config = only("trend", duration_seconds=3, magnitude=1000)
    drawn = present(config, length + 1, period=period)
    offsets = [abs(reading.temperature - 100) for reading in drawn]
    assert offsets[length] <= 4  # the next one begins, without a drift yet
    assert all(offset > 4 for offset in offsets[1:length])

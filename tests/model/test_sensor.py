"""The verdict about a sensor: the worst that is true of it."""

import pytest

from sensor_tui.model.sensor import Sensor, Verdict, order

NOW = 1_000_000.0


def sensor(**facts: object) -> Sensor:
    given: dict[str, object] = {"newest": NOW - 1, "cadence": 1.0, "backlog": 0, "oldest_open": None}
    return Sensor(key="k", sensor_id="AMS_000001", city="Amsterdam", source="a.db", **{**given, **facts})


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({}, Verdict.FRESH),
        ({"newest": None}, Verdict.UNKNOWN),
        ({"newest": None, "problem": "corrupt"}, Verdict.UNREADABLE),
        ({"problem": "locked"}, Verdict.UNREADABLE),
        ({"newest": NOW - 4.9}, Verdict.FRESH),
        ({"newest": NOW - 5.1}, Verdict.LATE),
        ({"newest": NOW - 61}, Verdict.SILENT),
        ({"newest": NOW - 61, "problem": "locked"}, Verdict.SILENT),
        ({"newest": NOW - 61, "cadence": 60.0}, Verdict.FRESH),
        ({"newest": NOW - 181, "cadence": 60.0}, Verdict.LATE),
        ({"newest": NOW - 1201, "cadence": 60.0}, Verdict.SILENT),
        ({"newest": NOW - 61, "cadence": None}, Verdict.FRESH),
        ({"newest": NOW - 181, "cadence": None}, Verdict.LATE),
        ({"anomaly": ""}, Verdict.ANOMALOUS),
        ({"anomalies": 0.19}, Verdict.FRESH),
        ({"anomalies": 0.2, "flat": True}, Verdict.ANOMALOUS),
        ({"flat": True}, Verdict.FLAT),
        ({"newest": NOW + 30}, Verdict.FRESH),
    ],
)
def test_the_worst_is_said(facts: dict[str, object], verdict: Verdict) -> None:
    assert sensor(**facts).verdict(NOW) is verdict


def test_the_worst_sorts_first() -> None:
    assert min(Verdict, key=order) is Verdict.UNREADABLE
    assert min([Verdict.FRESH, Verdict.SILENT, Verdict.LATE], key=order) is Verdict.SILENT

"""`sensor-tui status` where several engines upload: each of them, and whose a sensor is."""

from sensor_tui.cli.status import _text, report_dict
from sensor_tui.model.overview import PeerLink
from sensor_tui.model.progress import EngineState
from sensor_tui.service.wire import EngineReport, PeerReport, SensorReport, StatusReport


def engine(docs: float) -> EngineReport:
    return EngineReport(state=EngineState.RUNNING, version="1", attached=True, docs_per_second=docs, pid=7)


def sensor(name: str, peer: str) -> SensorReport:
    return SensorReport(
        sensor_id=name, city="London", backlog=2, lag_seconds=1.0, freshness_seconds=1.0, newest=None,
        source=f"{name}.db", engine=peer, owner="process 1" if peer else None,
    )  # fmt: skip


REPORT = StatusReport(
    at="2025-08-01T00:01:00Z", backlog=4, lag_seconds=1.0, dead_letters=0, engine=engine(10.0),
    sensors=(sensor("LON_1", "London"), sensor("LON_2", "")),
    peers=(
        PeerReport(name="London", link=PeerLink.LIVE, engine=engine(5.0), backlog=2, sensors=1),
        PeerReport(name="Par\x1b[1mis", link=PeerLink.LOST, problem="does not answer",
                   since="2025-08-01T00:00:00Z", engine=engine(100.0)),
    ),
)  # fmt: skip


def test_every_engine_has_a_line_and_its_sensors_say_so() -> None:
    text = _text(REPORT, plain=True)
    assert "15 docs/s" in text
    assert "uploader of London: running, backlog 2, 1 sensor" in text
    assert "does not answer, since 2025-08-01T00:00:00Z" in text
    assert "\x1b" not in text
    first = next(line for line in text.splitlines() if line.startswith("LON_1"))
    assert first.endswith("uploader of London")


def test_scripts_get_them_where_there_are_some() -> None:
    found = report_dict(REPORT)
    assert [peer["link"] for peer in found["peers"]] == ["live", "lost"]
    assert found["sensors"][0]["engine"] == "London"
    assert "engine" not in found["sensors"][1]
    assert "peers" not in report_dict(REPORT.model_copy(update={"peers": ()}))

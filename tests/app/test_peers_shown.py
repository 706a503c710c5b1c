"""Other services in the dashboard: whose a sensor is, what is old, and what is added up."""

from dataclasses import replace

import pytest
from rich.style import Style

from sensor_tui.app.format import glyphs
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.screens.fleet_rows import COLUMNS
from sensor_tui.app.screens.fleet_words import image_of
from sensor_tui.app.screens.letters import letter_rows, letter_text
from sensor_tui.app.screens.sensors_rows import SensorRows
from sensor_tui.app.screens.sensors_words import note_of
from sensor_tui.app.translate import Translator, letter_row, text_of
from sensor_tui.app.widgets.grid_layout import lay_out
from sensor_tui.app.widgets.grid_paint import Painter
from sensor_tui.app.widgets.grid_values import Cell, Row
from sensor_tui.app.widgets.header import upload_parts
from sensor_tui.model.letter import LetterRows
from sensor_tui.model.overview import Overview, PeerLink, PeerView
from sensor_tui.model.progress import EngineState
from sensor_tui.model.sensor import Sensor
from sensor_tui.model.unit import Role, Unit, UnitState
from sensor_tui.service.client import Update
from sensor_tui.service.wire import EngineReport, PeerReport, SensorReport, StatusReport, TotalsReport
from sensor_tui.service.wire_asks import Letter, LettersChanged
from tests.app.fake import NOW, sample_overview

GLYPHS: Glyphs = glyphs(ascii=False)


def engine(docs: float, accepted: int) -> EngineReport:
    return EngineReport(
        state=EngineState.RUNNING, version="1", attached=True, docs_per_second=docs,
        totals=TotalsReport(accepted=accepted),
    )  # fmt: skip


def test_what_peers_say_comes_into_the_overview() -> None:
    lost = PeerReport(
        name="Paris", link=PeerLink.LOST, problem="does not answer", since="2025-08-01T00:00:00.000Z",
        engine=engine(7.0, 5),
    )  # fmt: skip
    report = StatusReport(
        at="2025-08-01T00:01:00.000Z", backlog=4, lag_seconds=None, dead_letters=0, engine=engine(1.0, 10),
        sensors=(
            SensorReport(sensor_id="LON_1", city="London", backlog=4, lag_seconds=1.0, freshness_seconds=1.0,
                         newest=None, source="London/a.db", owner="process 1", engine="London"),
        ),
        peers=(PeerReport(name="London", link=PeerLink.LIVE, engine=engine(2.5, 20), backlog=4), lost),
    )  # fmt: skip
    translator = Translator()
    overview = translator.take(Update("snapshot", report, changed=report.sensors), Overview())
    assert [(peer.name, peer.live) for peer in overview.peers] == [("London", True), ("Paris", False)]
    assert overview.peers[1].since == 1_754_006_400.0
    assert (overview.docs_per_second, overview.away) == (3.5, {"Paris"})
    assert overview.totals is not None
    assert overview.totals.accepted == 35
    assert next(iter(overview.sensors.values())).engine == "London"
    again = translator.take(Update("delta", report), overview)
    assert again.peers is overview.peers


def test_sensors_of_one_that_is_away_are_dim() -> None:
    sensors = {
        name: Sensor(name, name, "London", f"{name}.db", 3, None, NOW, engine=peer, owner="process 1")
        for name, peer in (("a", "London"), ("b", "Paris"), ("c", ""))
    }
    peers = (PeerView("London"), PeerView("Paris", PeerLink.GONE, "was stopped"))
    rows = SensorRows(GLYPHS, ascii=False)
    overview = sample_overview(sensors=sensors, peers=peers)
    assert [row.stale for row in rows.rows(overview, NOW, stale=False)] == [False, True, False]
    back = replace(overview, peers=(PeerView("London"), PeerView("Paris")))
    assert [row.stale for row in rows.rows(back, NOW, stale=False)] == [False, False, False]
    assert note_of(sensors["a"]) == "uploaded by London's uploader"
    assert note_of(sensors["c"]) == "uploaded by process 1"


def test_the_header_says_who_is_away() -> None:
    away = tuple(PeerView(name, PeerLink.LOST) for name in ("Paris", "Rome"))
    one = [part.text for part in upload_parts(sample_overview(peers=away[:1]), NOW, GLYPHS)]
    both = [part.text for part in upload_parts(sample_overview(peers=away), NOW, GLYPHS)]
    assert f"{GLYPHS.bad} uploader Paris away" in one
    assert f"{GLYPHS.bad} 2 uploaders away" in both


def test_a_letter_of_another_has_its_own_number_and_says_whose_it_is() -> None:
    letter = letter_row(
        Letter(id=37_000_000_012, source="London/a.db", row_id=3, sink="cosmos", sensor_id=None,
               event_time=None, code=400, reason="no", at="2025-08-01T00:00:00Z", engine="London")
    )  # fmt: skip
    (row,) = letter_rows(LetterRows((letter,), 1), GLYPHS, stale=False)
    assert (row.key, row.cells["id"].text) == ("37000000012", "12")
    assert "of London's uploader" in letter_text(letter)
    outcome = LettersChanged(changed=2, notices=("Paris: it does not answer",))
    assert text_of(outcome, "dropped") == "2 dead letters dropped; not by Paris: it does not answer"


def test_long_names_of_units_keep_their_ends() -> None:
    column = next(column for column in COLUMNS if column.key == "unit")
    painter = Painter(lambda *_: Style())
    painter.layout = lay_out([replace(column, width=20, grow=False)], 24, 0)
    names = [f"sensor-the-city-with-a-long-name-{number}" for number in (1, 12)]
    rows = [Row(name, {"unit": Cell(name)}) for name in names]
    shown = [painter.row(row, cursor=False, marked=False).text.strip() for row in rows]
    assert [text[-3:] for text in shown] == ["e-1", "-12"]
    assert all("…" in text and text.startswith("sensor-") for text in shown)


@pytest.mark.parametrize(
    ("image", "short", "loose"),
    [
        ("sha256:" + "ab" * 32, "abababababab (no tag)", True),
        ("localhost:5000/sensor", "sensor (no tag)", True),
        ("a/sensor:latest", "sensor:latest", True),
        ("a/sensor:v1", "sensor:v1", False),
    ],
)
def test_images_without_a_version_are_flagged(image: str, short: str, loose: bool) -> None:
    found = image_of(Unit("h/docker/a", "h", "docker", "a", Role.SENSOR, UnitState.RUNNING, image=image))
    assert found is not None
    assert (found.short, found.loose) == (short, loose)

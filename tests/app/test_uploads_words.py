"""The engine in words, when the backlog will be gone, history as curves, lanes and cities as rows."""

import math
from dataclasses import replace

import pytest

from sensor_tui.app.format import UNKNOWN, glyphs
from sensor_tui.app.screens.uploads_history import RANGES, History
from sensor_tui.app.screens.uploads_rows import BACKLOG_COLUMNS, LANE_COLUMNS, city_headings, lane_rows
from sensor_tui.app.screens.uploads_words import Drain, drain_words, engine_words, summary
from sensor_tui.model.letter import Minute
from sensor_tui.model.overview import EngineView, Link, Overview, PeerLink, PeerView
from sensor_tui.model.progress import EngineState
from sensor_tui.model.sensor import Sensor
from tests.app.fake import HOSTILE, NOW, hostile_overview, sample_engine, sample_minutes, sample_overview

GLYPHS = glyphs(ascii=False)


def watched(*points):
    drain = Drain()
    for at, backlog in points:
        drain.take(at, backlog)
    return drain


@pytest.mark.parametrize(
    ("points", "rate", "lag", "seconds"),
    [
        ([], 100.0, None, None),
        ([(0, 5000)], 100.0, 400.0, None),
        ([(0, 5000), (5, 4000)], 100.0, 400.0, None),
        ([(0, 5000), (20, 3000)], 100.0, 400.0, 30.0),
        ([(0, 5000), (20, 5000)], 100.0, 400.0, math.inf),
        ([(0, 5000), (20, 6000)], 100.0, 400.0, math.inf),
        ([(0, 5000), (20, 0)], 100.0, None, 0.0),
        ([(0, 0)], None, None, 0.0),
        ([(0, 500), (20, 600)], 100.0, 20.0, 0.0),
        ([(0, 500), (20, 600)], 100.0, 4000.0, math.inf),
        ([(0, 500), (20, 600)], None, 20.0, math.inf),
        ([(0, 9000), (100, 5000), (150, 4000)], 10.0, 400.0, 200.0),
        ([(0, 5000), (20, None)], 100.0, 400.0, None),
        ([(0, 5000), (20, None), (30, 4000)], 100.0, 400.0, None),
    ],
)
def test_when_the_backlog_will_be_gone(points, rate, lag, seconds):
    assert watched(*points).seconds(rate, lag) == seconds


def test_history_helps_before_there_is_a_minute_of_our_own():
    drain = watched((1000, 4000))
    minute = sample_minutes(1)[0]
    drain.seed([replace(minute, at=900, backlog=6000), replace(minute, at=960, backlog=5000)])
    assert drain.seconds(10.0, 400.0) == pytest.approx(200.0)
    drain.seed([replace(minute, at=100, backlog=6000)])
    assert drain.seconds(10.0, 400.0) is None
    drain.seed([replace(minute, at=999, backlog=6000)])
    assert drain.seconds(10.0, 400.0) is None


def test_the_same_moment_again_replaces_what_was_said():
    drain = watched((0, 5000), (20, 3000), (20, 4000))
    assert drain.seconds(1.0, 400.0) == pytest.approx(80.0)


@pytest.mark.parametrize(
    ("seconds", "backlog", "text"),
    [
        (None, 5, UNKNOWN),
        (math.inf, 5, "never at this rate"),
        (0.0, 0, "nothing to send"),
        (0.0, 5, "keeping up"),
        (240.0, 5, "4 min"),
    ],
)
def test_words_for_it(seconds, backlog, text):
    assert drain_words(seconds, backlog)[0] == text


@pytest.mark.parametrize("state", EngineState)
def test_every_state_has_its_words_and_says_why(state):
    overview = sample_overview(engine=EngineView(state=state, reason=HOSTILE))
    words = engine_words(overview, NOW, GLYPHS).plain
    others = {
        engine_words(sample_overview(engine=EngineView(state=other, reason=HOSTILE)), NOW, GLYPHS).plain
        for other in EngineState
        if other is not state
    }
    assert words.isprintable()
    assert "[red]rm[/]" in words
    assert words not in others


@pytest.mark.parametrize("link", [link for link in Link if link is not Link.LIVE])
def test_without_a_service_its_engine_is_not_spoken_of(link):
    words = engine_words(sample_overview(link=link), NOW, GLYPHS).plain
    assert "Uploading" not in words
    assert "ervice" in words


def text_of(overview, drain=None):
    return "\n".join(line.plain for line in summary(overview, NOW, drain, GLYPHS))


def test_the_summary():
    *lines, totals = text_of(sample_overview(), 90.0).split("\n")
    assert totals.startswith("Since start: 106,000 accepted (12 there before), 4 rejected, 310 retried ")
    assert totals.endswith("(290 throttled), 530,000 RU, 1,100 requests, 45.8 MiB")
    assert lines == [
        "● Uploading",
        "Backlog 1,193   Lag 2 h   To drain 1 min   Dead letters 3",
        "Docs/s 512   RU/s 2,732   Throttled/s 0.40   Docs in flight 7",
    ]


def test_nothing_known_is_said_as_that():
    text = text_of(Overview())
    assert f"Backlog {UNKNOWN}   Lag {UNKNOWN}   To drain {UNKNOWN}" in text
    assert "Since start" not in text
    plain = "\n".join(line.plain for line in summary(Overview(), NOW, None, glyphs(ascii=True)))
    assert plain.isascii()


def test_what_is_wrong_with_the_configuration_is_said():
    text = text_of(sample_overview(engine=replace(sample_engine(), config_problem=f"line 3 {HOSTILE}")))
    assert "▲ line 3 [red]rm[/]" in text
    assert "\x1b" not in text


def test_an_old_drain_is_not_a_promise():
    assert f"To drain {UNKNOWN}" in text_of(sample_overview(link=Link.LOST), 90.0)


def test_history_is_kept_for_a_day_and_asked_for_once():
    history = History()
    assert history.since(NOW) == NOW - 86_400
    history.add(sample_minutes(60), NOW)
    assert history.since(NOW) == sample_minutes(60)[-1].at
    history.add(sample_minutes(60), NOW)
    assert len(history.minutes) == 60
    history.add([replace(sample_minutes(1)[0], at=NOW + 86_000)], NOW + 86_000)
    assert len(history.minutes) < 60
    assert history.minutes[-1].at == NOW + 86_000


def test_curves_end_with_how_it_is_now():
    history = History()
    history.add(sample_minutes(60), NOW)
    lag, backlog, throughput = history.curves(sample_overview(), NOW, 0, "")
    assert (lag.times[-1], lag.values[-1]) == (NOW, 7900.0)
    assert (backlog.times[-1], backlog.values[-1]) == (NOW, 1193.0)
    assert (throughput.times[-1], throughput.values[-1]) == (NOW, 512.0)
    assert lag.title == "Lag 2 h, at most 2 h"
    assert throughput.title == "Docs/s 512, at most 512, 360 throttled"
    assert len(throughput.marks) == 9
    assert (lag.since, lag.until) == (NOW - 3600, NOW)


def test_curves_of_old_say_nothing_of_now():
    history = History()
    history.add(sample_minutes(60), NOW)
    lag, backlog, _ = history.curves(sample_overview(link=Link.STOPPED), NOW, 0, "")
    assert lag.times[-1] == backlog.times[-1] == sample_minutes(1)[0].at


def test_curves_with_no_history():
    for curve in History().curves(Overview(), NOW, 1, ""):
        assert not curve.times
        assert curve.note == "No history of the last 6 h yet."
    assert History().curves(Overview(), NOW, 1, "gone")[0].note == "gone"


@pytest.mark.parametrize("place", range(len(RANGES)))
def test_ranges_take_what_is_in_them(place):
    history = History()
    history.add([Minute(NOW - 60 * back, 60, 0, 0, 1.0, 5, None) for back in range(1440, -1, -1)], NOW)
    lag, _, throughput = history.curves(sample_overview(), NOW, place, "")
    assert len(lag.times) == RANGES[place][1] / 60 + 1
    assert set(throughput.values) == {1.0}
    assert lag.values[0] == 0.0


def test_cities_have_their_sums():
    headings = city_headings(sample_overview(), NOW, GLYPHS)
    assert headings["London"] == "London  backlog 992  lag 2 h"
    assert headings["Manila"] == "Manila  backlog 133  lag 55 s"


def test_a_city_nothing_is_known_of():
    nobody = Sensor("k", None, None, "x.db", None, None, None)
    assert city_headings(Overview(sensors={"k": nobody}), NOW, GLYPHS) == {
        None: f"(no city)  backlog {UNKNOWN}"
    }


def test_hostile_cities_and_lanes_are_plain():
    headings = city_headings(hostile_overview(), NOW, GLYPHS)
    assert all(text.isprintable() for text in headings.values())
    engine = sample_engine()
    engine = replace(engine, lanes=[replace(lane, lane=HOSTILE, sink=HOSTILE) for lane in engine.lanes])
    peer = PeerView(HOSTILE, PeerLink.LOST, HOSTILE, NOW, engine)
    overview = sample_overview(engine=engine, peers=(peer,))
    assert all(line.plain.isprintable() for line in summary(overview, NOW, None, GLYPHS))
    for row in lane_rows(overview, stale=False):
        assert all(cell.text.isprintable() for cell in row.cells.values())


def test_lanes():
    rows = lane_rows(sample_overview(engine=sample_engine()), stale=True)
    assert [row.key for row in rows] == ["cosmos/0", "cosmos/1", "cosmos/2", "cosmos/3"]
    assert all(row.stale for row in rows)
    third = rows[2].cells
    assert [third[key].text for key in ("queued", "in_flight", "concurrency", "batch", "throttled")] == [
        "60", "1", "4", "100", "14",
    ]  # fmt: skip
    assert (third["blocked"].text, rows[0].cells["blocked"].text) == ("1.5 s", "no")
    assert {column.key for column in LANE_COLUMNS} == set(third)
    assert all(column.help for column in (*LANE_COLUMNS, *BACKLOG_COLUMNS))


def peers():
    busy = EngineView(
        EngineState.RUNNING, docs_per_second=30.0, request_units_per_second=90.0, version="1", in_flight=2
    )
    return (
        PeerView("London", engine=busy, backlog=4, sensors=2),
        PeerView("Oslo", engine=replace(busy, state=EngineState.PAUSED, reason="as asked", version="2")),
        PeerView("Paris", PeerLink.LOST, "does not answer: refused", NOW - 60, busy),
        PeerView("Rome", PeerLink.GONE, "was stopped", NOW - 120),
    )


def test_every_engine_is_in_the_summary_and_those_that_answer_are_added_up():
    engine = replace(sample_engine(), docs_per_second=10.0, version="1")
    text = text_of(sample_overview(engine=engine, peers=peers()))
    line = next(line for line in text.splitlines() if line.startswith("Uploaders"))
    assert line.index("Paris since") < line.index("Rome since") < line.index("London")
    assert "does not answer: refused" in line
    assert "was stopped" in line
    assert "London 30 docs/s" in line
    assert "Oslo paused: as asked (version 2)" in line
    assert "Docs/s 70" in text


def test_lanes_of_other_engines_have_its_name_and_are_dim_when_it_is_away():
    engine = sample_engine()
    london = PeerView("London", engine=engine)
    rome = PeerView("Rome", PeerLink.GONE, "was stopped", NOW, engine)
    rows = lane_rows(sample_overview(engine=engine, peers=(london, rome)), stale=False)
    assert len({row.key for row in rows}) == len(rows) == 12
    assert [rows[place].cells["lane"].text for place in (0, 4, 8)] == ["0", "London 0", "Rome 0"]
    assert [rows[place].stale for place in (0, 4, 8)] == [False, False, True]

"""Sensors as rows, their courses, how they compare with their city, and what the pane says."""

from dataclasses import replace

import pytest

from sensor_tui.app.filter import parse
from sensor_tui.app.format import UNKNOWN, glyphs
from sensor_tui.app.screens.sensors_facts import facts, head
from sensor_tui.app.screens.sensors_link import empty_words, link_words
from sensor_tui.app.screens.sensors_near import near
from sensor_tui.app.screens.sensors_rows import Courses, SensorRows
from sensor_tui.app.screens.sensors_words import (
    COLUMNS,
    SPARK_POINTS,
    cadence_text,
    measures_in,
    verdict_mark,
)
from sensor_tui.app.widgets.grid_rows import fields_of
from sensor_tui.app.widgets.grid_values import Tone
from sensor_tui.model.overview import Link, Overview
from sensor_tui.model.sensor import Sensor, Verdict
from tests.app.fake import HOSTILE, NOW, hostile_overview, sample_overview

GLYPHS = glyphs(ascii=False)


def made(overview=None, now=NOW, **more):
    rows = SensorRows(GLYPHS, ascii=False)
    return rows, {row.key: row for row in rows.rows(overview or sample_overview(), now, stale=False, **more)}


def row_of(rows, sensor_id):
    return next(row for row in rows.values() if row.cells["sensor"].text == sensor_id)


def sensor(name="A", city="London", **more):
    values = {"key": f"{name}\0{city}", "sensor_id": name, "city": city, "source": f"{city}/{name}.db",
              "backlog": 0, "oldest_open": None, "newest": NOW - 1, "cadence": 1.0,
              "values": {"temperature": 20.0}}  # fmt: skip
    return Sensor(**{**values, **more})


def overview_of(*sensors):
    return Overview(link=Link.LIVE, at=NOW, sensors={each.key: each for each in sensors})


@pytest.mark.parametrize(
    ("sensor_id", "verdict", "tone", "fresh"),
    [
        ("LON_100001", "● fresh", Tone.GOOD, "1 s / 1 s"),
        ("LON_100003", "▼ late", Tone.WARN, "10 s / 1 s"),
        ("LON_100004", "○ silent", Tone.BAD, "2 h / 1 s"),
        ("LON_100005", "─ flat-lined", Tone.WARN, "1 s / 1 s"),
        ("MNL_200001", "▲ anomalous", Tone.WARN, "1 s / 1 s"),
        ("NYC_300001", "● fresh", Tone.GOOD, "0 s / 0.1 s"),
        ("NYC_300003", "? unknown", Tone.DIM, UNKNOWN),
        ("NYC_300004", "✗ unreadable", Tone.BAD, UNKNOWN),
    ],
)
def test_verdict_and_freshness(sensor_id, verdict, tone, fresh):
    _, rows = made()
    row = row_of(rows, sensor_id)
    assert (row.cells["verdict"].text, row.cells["verdict"].tone) == (verdict, tone)
    assert row.cells["fresh"].text == fresh


def test_verdicts_have_signs_of_their_own():
    for plain in (False, True):
        signs = [verdict_mark(verdict, glyphs(ascii=plain)) for verdict in Verdict]
        assert len(set(signs)) == len(signs)


def test_the_worst_sorts_first():
    _, rows = made()
    ranks = sorted((row.cells["verdict"].sort, row.cells["verdict"].text[2:]) for row in rows.values())
    assert list(dict.fromkeys(text for _, text in ranks)) == [
        "unreadable", "silent", "late", "anomalous", "flat-lined", "fresh", "unknown",
    ]  # fmt: skip


def test_every_column_has_a_cell_and_help():
    _, rows = made()
    for column in COLUMNS:
        assert column.help
        for row in rows.values():
            assert row.cells[column.key].text is not None
    assert set(dict(next(iter(rows.values())).cells)) >= {column.key for column in COLUMNS}


def test_notes_say_what_is_wrong_and_who_has_the_files():
    _, rows = made()
    assert "restore it" in row_of(rows, "NYC_300004").cells["note"].text
    assert "pid 4711" in row_of(rows, "NYC_300005").cells["note"].text
    assert row_of(rows, "MNL_200001").cells["note"].text == "anomaly spike"
    assert row_of(rows, "LON_100001").cells["note"].sort is None


def test_rows_are_grouped_by_city_in_order():
    _, rows = made()
    assert list(dict.fromkeys(row.group for row in rows.values())) == ["London", "Manila", "New York"]


def test_a_row_is_the_same_while_nothing_it_shows_changes():
    rows = SensorRows(GLYPHS, ascii=False)
    overview = sample_overview()
    first = rows.rows(overview, NOW, stale=False)
    assert all(a is b for a, b in zip(first, rows.rows(overview, NOW, stale=False), strict=True))
    later = rows.rows(overview, NOW + 1, stale=False)
    old = {row.key for row, before in zip(later, first, strict=True) if row is before}
    assert "MNL_200003\0Manila" in old
    assert "NYC_300003\0New York" in old
    assert "LON_100001\0London" not in old
    assert all(row.stale for row in rows.rows(overview, NOW + 1, stale=True))


def test_sensors_come_and_go():
    rows = SensorRows(GLYPHS, ascii=False)
    names = lambda *sensors: [row.key[0] for row in rows.rows(overview_of(*sensors), NOW, stale=False)]  # noqa: E731
    assert names(sensor("B"), sensor("A")) == ["A", "B"]
    assert names(sensor("B"), sensor("A"), sensor("C", "Berlin")) == ["C", "A", "B"]
    assert names(sensor("B")) == ["B"]


def test_groups_of_another_text_make_other_rows_with_the_same_cells():
    rows = SensorRows(GLYPHS, ascii=False)
    overview = overview_of(sensor())
    (first,) = rows.rows(overview, NOW, stale=False, groups={"London": "London 1"})
    (second,) = rows.rows(overview, NOW, stale=False, groups={"London": "London 2"})
    assert (first.group, second.group) == ("London 1", "London 2")
    assert first.cells is second.cells


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sensor:LON", 5),
        ("city:manila", 4),
        ("verdict:silent", 2),
        ("verdict:=fresh", 5),
        ("!city:london", 9),
        ("temperature:>26.1", 3),
        ("backlog:>100", 2),
        ("fresh:>60", 2),
        ("lag:>3600", 1),
        ("dead:>0", 1),
        ("rate:>5", 1),
        ("anomalies:>20", 1),
        ("owner:4711", 1),
        ("/^MNL/", 4),
    ],
)
def test_filters(text, found):
    _, rows = made()
    wanted = parse(text)
    assert sum(wanted.matches(fields_of(row)) for row in rows.values()) == found


def test_hostile_texts_are_plain_in_every_cell_and_field():
    _, rows = made(hostile_overview())
    for row in rows.values():
        texts = [cell.text for cell in row.cells.values()] + list(row.fields.values()) + list(row.fields)
        assert all(text.isprintable() for text in texts)
        assert not any("\u202e" in text or "\x1b" in text for text in texts)


def test_measures_with_a_column():
    assert measures_in(sample_overview()) == ["temperature", "vibration", "voltage"]
    assert measures_in(Overview()) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, UNKNOWN),
        (0.1, "0.1 s"),
        (1.0, "1 s"),
        (2.5, "2.5 s"),
        (30.0, "30 s"),
        (300.0, "5 min"),
        (0.0, "0 s"),
    ],
)
def test_cadence(seconds, text):
    assert cadence_text(seconds) == text


def test_courses_grow_with_new_readings_only_and_are_bounded():
    courses = Courses()
    for step in range(100):
        each = sensor(newest=NOW + step // 2, values={"temperature": float(step // 2), "x": 0.0})
        courses.take({each.key: each})
    values = courses.of("A\0London")
    assert len(values) == SPARK_POINTS
    assert values[-3:] == (47.0, 48.0, 49.0)
    courses.take({})
    assert courses.of("A\0London") == ()


def test_courses_begin_with_what_was_before():
    courses = Courses()
    courses.start({"A\0London": list(range(100))})
    courses.take({"A\0London": sensor(values={"temperature": 7.0})})
    assert courses.of("A\0London")[-2:] == (99, 7.0)


def test_a_sparkline_is_in_the_row():
    rows, _ = made()
    rows.courses.start({"LON_100001\0London": [1.0, 2.0, 3.0]})
    rows.forget()
    after = {row.key: row for row in rows.rows(sample_overview(), NOW, stale=False)}
    course = after["LON_100001\0London"].cells["course"]
    assert (course.text.strip(), course.sort) == ("▁▅█", 3.0)


def city(*values, **more):
    return [sensor(f"S{place}", values={"temperature": value}, **more) for place, value in enumerate(values)]


def test_who_is_far_from_its_city_is_flagged():
    sensors = city(20.0, 20.2, 19.9, 20.1, 35.0, 20.0)
    found = near(sensors, sensors[0], "temperature", NOW)
    assert found.median == pytest.approx(20.05)
    assert [each.sensor.sensor_id for each in found.others][:2] == ["S0", "S4"]
    assert [each.sensor.sensor_id for each in found.others if each.far] == ["S4"]
    assert found.others[1].difference == pytest.approx(14.95)


def test_nobody_is_far_among_a_few_or_among_equals():
    few = city(20.0, 35.0, 20.1)
    assert not any(each.far for each in near(few, few[0], "temperature", NOW).others)
    same = city(20.0, 20.0, 20.0, 20.0, 20.05, 20.0)
    assert not any(each.far for each in near(same, same[0], "temperature", NOW).others)


def test_old_values_are_not_compared():
    sensors = [*city(20.0, 21.0, 22.0), sensor("OLD", newest=NOW - 9999, values={"temperature": 99.0})]
    found = near(sensors, sensors[0], "temperature", NOW)
    assert found.median == 21.0
    assert found.others[-1].difference is None
    silent = near([sensors[-1]], sensors[-1], "temperature", NOW)
    assert silent.median is None
    assert silent.others[0].difference is None


def test_only_the_same_city_and_measure_count():
    sensors = [sensor("A"), sensor("B", "Berlin"), sensor("C", values={"humidity": 3.0})]
    assert near(sensors, sensors[0], "temperature", NOW).total == 1
    many = city(*range(40))
    found = near(many, many[0], "temperature", NOW, limit=5)
    assert (len(found.others), found.total) == (5, 40)


def lines_of(each, sensors=None, now=NOW):
    compared = near(sensors or [each], each, next(iter(each.values), ""), now)
    return [line.plain for line in facts(each, compared, now, GLYPHS)]


def test_the_pane_says_everything_about_a_sensor():
    each = sensor(problem="locked", owner="uploader", anomaly="", anomalies=0.25, backlog=7,
                  oldest_open=NOW - 90, files=3, values={"temperature": 20.123456, "odd": 3.0})  # fmt: skip
    text = "\n".join(lines_of(each))
    for part in (
        "locked",
        "Uploaded by uploader",
        "no type said",
        "Newest 2026-03-14 15:09:25",
        "one every 1 s",
        "→ temperature 20.123456",
        "odd         3",
        "Backlog 7, oldest 1 min",
        "anomalies 25%",
        "London/A.db and 2 more",
        "No other sensor in London",
    ):
        assert part in text
    assert head(each, NOW, GLYPHS).plain == "A · London ✗ unreadable"


def test_the_pane_compares_with_the_city():
    sensors = city(20.0, 20.2, 19.9, 20.1, 35.0, 20.0)
    lines = lines_of(sensors[0], sensors)
    assert "London, median 20.05" in lines
    assert any(line.startswith("→ S0") for line in lines)
    assert any(line.strip().startswith("S4") and line.endswith("▲ far") for line in lines)


def test_a_sensor_that_never_spoke():
    lines = lines_of(sensor(newest=None, values={}, backlog=None, dead_letters=None))
    assert "No reading was seen yet." in lines
    assert f"Backlog {UNKNOWN}" in lines


def test_hostile_texts_are_plain_in_the_pane():
    overview = hostile_overview()
    for each in overview.sensors.values():
        measure = next(iter(each.values), HOSTILE)
        compared = near(overview.sensors.values(), each, measure, NOW)
        for line in [head(each, NOW, GLYPHS), *facts(each, compared, NOW, GLYPHS)]:
            assert line.plain.isprintable()


@pytest.mark.parametrize("link", Link)
def test_every_way_of_not_being_live_has_its_words(link):
    overview = replace(sample_overview(), link=link, at=NOW - 40, problem=HOSTILE)
    words, empty = link_words(overview, NOW), empty_words(overview, "nothing")
    assert (words == "") is (link is Link.LIVE)
    assert words.isprintable()
    assert all(line.isprintable() and len(line) <= 80 for line in empty.split("\n"))
    if words:
        assert "40 s ago" in words
        others = {link_words(replace(overview, link=other), NOW) for other in Link if other is not link}
        assert words not in others


def test_a_reason_is_not_said_twice():
    overview = replace(sample_overview(), link=Link.LOST, at=None, problem="The service does not answer")
    assert link_words(overview, NOW) == "The service does not answer; trying again."

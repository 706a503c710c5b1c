from sensor_tui.model.source import FeedStatus
from sensor_tui.service.merge import Sums, age, epoch, iso, merge, sensor_report, source_report, sums


def feed(source="London/a.db", sensor_id="LON_1", city="London", backlog=0, **more):
    fields = {"oldest_open": None, "newest": None} | more
    return FeedStatus(source, sensor_id, city, backlog, **fields)


def test_files_of_one_sensor_are_one():
    (sensor,) = merge(
        [
            feed("a.db", backlog=3, oldest_open=100.0, newest=150.0, dead_letters=1),
            feed("b.db", backlog=4, oldest_open=90.0, newest=200.0, dead_letters=2, problem="locked"),
        ]
    ).values()

    assert (sensor.backlog, sensor.oldest_open, sensor.newest) == (7, 90.0, 200.0)
    assert (sensor.source, sensor.files, sensor.dead_letters, sensor.problem) == ("b.db", 2, 3, "locked")


def test_a_sensor_in_two_cities_is_two():
    assert len(merge([feed("a.db"), feed("b.db", city="Paris")])) == 2


def test_files_whose_sensor_is_not_known_are_apart():
    sensors = merge([feed("a.db", None, "", problem="broken"), feed("b.db", None, "", problem="broken")])

    assert [(each.source, each.backlog, each.city) for each in sensors.values()] == [
        ("a.db", None, None),
        ("b.db", None, None),
    ]


def test_a_file_that_became_unreadable_keeps_what_is_known():
    (sensor,) = merge([feed(backlog=5, newest=10.0, problem="locked")]).values()

    assert (sensor.backlog, sensor.problem) == (5, "locked")


def test_sums_are_over_what_is_known():
    known, unknown = feed("a.db", backlog=2, oldest_open=50.0), feed("b.db", None, "", owner="process 1")

    assert sums(merge([known, unknown])) == Sums(2, 50.0)
    assert sums(merge([unknown])).backlog is None
    assert sums({}).backlog == 0


def test_a_report_has_ages_and_iso_times():
    (sensor,) = merge([feed(backlog=1, oldest_open=1_754_000_000.25, newest=1_754_000_010.0)]).values()

    report = sensor_report(sensor, 1_754_000_011.0)

    assert (report.lag_seconds, report.freshness_seconds) == (10.75, 1.0)
    assert report.newest == "2025-07-31T22:13:30.000Z"
    assert report.oldest_open == "2025-07-31T22:13:20.250Z"


def test_what_is_not_known_stays_unknown():
    (sensor,) = merge([feed("a.db", None, "", owner="process 7")]).values()
    report = sensor_report(sensor, 5.0)

    assert report.backlog is report.lag_seconds is report.freshness_seconds is report.newest is None
    assert report.dead_letters is None
    assert source_report(feed("a.db", None, "", owner="process 7")).backlog is None


def test_times_go_there_and_back():
    assert epoch(iso(1_754_000_000.125)) == 1_754_000_000.125
    assert iso(None) is epoch(None) is age(None, 3.0) is None

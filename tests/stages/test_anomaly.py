"""Rules: what breaks one, what is written into the reading, and what is remembered between batches."""

import math

import pytest

from sensor_tui.sync.stages.anomaly import Anomaly, Rule
from sensor_tui.sync.stages.schematize import Schematize
from tests.stages.shapes import APRIL, april, batch, column, document, documents, through


def bounds(**rules):
    return Anomaly({field: Rule(*rule) for field, rule in rules.items()})


def change(limit=10.0, field="temperature"):
    return Anomaly({field: Rule(max_change=limit)})


def temperatures(*values, first=1, **others):
    return [april(number, temperature=value, **others) for number, value in enumerate(values, first)]


def test_a_batch_that_keeps_the_rules_stays_the_same_object():
    given = batch(temperatures(20.0, 21.0), repeated=5)
    staged = through(bounds(temperature=(-20, 60, 5)), given)
    assert staged.batch is given
    assert (staged.stage, staged.anomalous) == ("Raw", {})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (-20.1, "temperature.min"),
        (60.5, "temperature.max"),
        (math.inf, "temperature.max"),
        (61, "temperature.max"),
    ],
)
@pytest.mark.parametrize("repeated", [0, 11])
def test_a_reading_beyond_its_bounds_is_flagged_with_the_rule(value, kind, repeated):
    staged = through(bounds(temperature=(-20, 60)), batch(temperatures(value), repeated=repeated))
    assert column(staged, "anomalyFlag") == [1]
    assert column(staged, "anomalyType") == [f"rule:{kind}"]
    assert staged.anomalous == {0: ("temperature",)}


@pytest.mark.parametrize("value", [-20, 60, 0, None, math.nan, "99", b"99", True])
def test_what_keeps_the_bounds_or_is_no_number_is_not(value):
    staged = through(bounds(temperature=(-20, 60)), batch(temperatures(value, 20.0)))
    assert staged.anomalous == {}


def test_text_becomes_a_number_by_schematize_first():
    made = document([Schematize(), bounds(temperature=(None, 60))], april(1, temperature="99"))
    assert made["anomalyType"] == "rule:temperature.max"
    assert made["processingStage"] == "Schematized"


def test_several_rules_and_the_type_the_sensor_gave():
    rows = [april(1), april(2, temperature=99, vibration=9, anomaly_flag=1, anomaly_type="spike")]
    staged = through(bounds(temperature=(None, 60), vibration=(None, 5)), batch(rows))
    made = documents(staged)[1]
    assert made is not None
    assert made["anomalyType"] == "spike,rule:temperature.max,rule:vibration.max"
    assert made["anomalyFlag"] == 1
    assert staged.anomalous == {1: ("temperature", "vibration")}


def test_bounds_and_change_of_one_measure_name_it_once():
    staged = through(Anomaly({"temperature": Rule(0, 60, 5)}), batch(temperatures(20.0, 90.0)))
    assert staged.anomalous == {1: ("temperature",)}
    assert column(staged, "anomalyType")[1] == "rule:temperature.max,rule:temperature.max_change"


def test_flags_where_their_columns_repeat():
    """Most batches have no anomaly, so these columns repeat until there is one."""
    order = (*(name for name in APRIL if not name.startswith("anomaly")), "anomaly_flag", "anomaly_type")
    rows = [
        tuple(dict(zip(APRIL, april(number, temperature=value), strict=True))[name] for name in order)
        for number, value in enumerate((20.0, 99.0, 21.0), 1)
    ]
    staged = through(bounds(temperature=(None, 60)), batch(rows, order, repeated=7))
    assert staged.batch.repeated == 7
    assert len({row[-7:] for row in staged.batch.rows}) == 1
    assert column(staged, "anomalyFlag") == [0, 1, 0]
    assert column(staged, "anomalyType") == [None, "rule:temperature.max", None]
    made = documents(staged)
    assert [one and one["anomalyFlag"] for one in made] == [0, 1, 0]
    assert [one and one["id"] for one in made] == [
        one and one["id"] for one in documents(through([], batch(rows, order)))
    ]


def test_flags_where_the_file_has_no_such_columns():
    columns = ("id", "timestamp", "sensor_id", "temperature")
    rows = [april(number, temperature=value)[:4] for number, value in ((1, 20.0), (2, 99.0))]
    staged = through(bounds(temperature=(None, 60)), batch(rows, columns))
    one, other = documents(staged)
    assert one is not None
    assert other is not None
    assert not {"anomalyFlag", "anomalyType"} & one.keys()
    assert (other["anomalyFlag"], other["anomalyType"]) == (1, "rule:temperature.max")


def test_a_rule_for_a_measure_the_file_does_not_have():
    given = batch([april(1)])
    assert through(bounds(depth=(0, 1, 1)), given).batch is given


def test_a_rule_for_a_column_of_ones_own():
    made = document(bounds(depth=(0, 1)), (*april(1), 3), (*APRIL, "depth"))
    assert made["anomalyType"] == "rule:depth.max"


def test_rejected_rows_are_passed_by():
    staged = through([], batch(temperatures(99.0, 20.0, 99.0), repeated=0))
    staged.rejected[0] = "earlier"
    Anomaly({"temperature": Rule(None, 60, 5)}).apply(staged)
    assert list(staged.anomalous) == [2]
    assert column(staged, "anomalyFlag") == [0, 0, 1]


@pytest.mark.parametrize("flag", [1, 1.0, True, "true", 2])
@pytest.mark.parametrize("repeated", [0, 11])
def test_what_the_sensor_flagged_counts_too_and_is_not_changed(flag, repeated):
    given = batch([april(1, anomaly_flag=flag)], repeated=repeated)
    staged = through(Anomaly(), given)
    assert staged.batch is given
    assert staged.anomalous == {0: ("anomalyFlag",)}


@pytest.mark.parametrize("flag", [0, None, "0", "false", "x", 0.0])
def test_what_the_sensor_did_not_flag_does_not(flag):
    assert through(Anomaly(), batch([april(1, anomaly_flag=flag)])).anomalous == {}


def test_flags_of_sensors_need_not_count():
    stage = Anomaly({"temperature": Rule(high=60)}, sensor_flags=False)
    rows = [april(1, anomaly_flag=1), april(2, temperature=61, anomaly_flag=1)]
    assert through(stage, batch(rows)).anomalous == {1: ("temperature",)}


def test_a_change_is_measured_from_one_reading_to_the_next():
    staged = through(change(), batch(temperatures(20.0, 30.0, 41.0, 41.5, 30.0)))
    assert staged.anomalous == {2: ("temperature",), 4: ("temperature",)}
    assert column(staged, "anomalyType")[2] == "rule:temperature.max_change"


def test_a_change_that_equals_the_limit_in_figures_is_allowed():
    assert through(change(0.1), batch(temperatures(0.2, 0.3, 0.4))).anomalous == {}


def test_the_first_reading_is_compared_with_the_last_of_the_batch_before():
    stage = change()
    assert through(stage, batch(temperatures(20.0, 21.0))).anomalous == {}
    assert through(stage, batch(temperatures(40.0, 41.0, first=3))).anomalous == {0: ("temperature",)}


def test_a_column_that_repeats_is_compared_too():
    stage = change()
    rows = [april(number) for number in (1, 2)]
    through(stage, batch(rows, repeated=11))
    later = [april(number, temperature=50.0) for number in (3, 4)]
    assert through(stage, batch(later, repeated=11)).anomalous == {0: ("temperature",)}


def test_files_and_sensors_are_apart():
    stage = change()
    through(stage, batch(temperatures(20.0)))
    assert through(stage, batch(temperatures(90.0, first=2), source="other")).anomalous == {}
    assert through(stage, batch(temperatures(90.0, first=3, sensor_id="B"))).anomalous == {}
    mixed = [
        april(4, temperature=21.0),
        april(5, temperature=91.0, sensor_id="B"),
        april(6, temperature=40.0),
    ]
    assert through(stage, batch(mixed)).anomalous == {2: ("temperature",)}


def test_what_is_no_number_is_not_compared_and_does_not_interrupt():
    values = (20.0, None, "99", math.inf, math.nan, 25.0, 90.0)
    assert list(through(change(), batch(temperatures(*values))).anomalous) == [6]


def test_nothing_is_remembered_of_a_file_that_begins_again():
    stage = change()
    through(stage, batch(temperatures(20.0)))
    stage.forget(batch([april(1)]).source)
    stage.forget("never seen")
    assert through(stage, batch(temperatures(90.0, first=2))).anomalous == {}


def test_rows_read_a_second_time_are_judged_alike_and_change_nothing():
    stage = change()
    rows = temperatures(20.0, 21.0, 22.0)
    through(stage, batch(rows))
    assert through(stage, batch(rows)).anomalous == {}
    assert through(stage, batch([april(1, temperature=90.0)])).anomalous == {}
    assert through(stage, batch(temperatures(23.0, first=4))).anomalous == {}
    assert through(stage, batch(temperatures(90.0, first=5))).anomalous == {0: ("temperature",)}


def test_what_is_remembered_is_bounded():
    stage = change()
    through(stage, batch([april(number, sensor_id=f"S{number}") for number in range(1, 1001)]))
    [sensors] = stage._last.values()
    assert len(sensors) == 256
    for number in range(20_500):
        stage._known(f"file {number}")
    assert len(stage._last) == 20_000


def test_a_sensor_id_no_document_could_have_is_passed_by():
    rows = temperatures(20.0, 90.0, sensor_id=b"\xff")
    assert through(change(), batch(rows)).anomalous == {}
    assert through(change(), batch([*rows, april(9)])).anomalous == {}

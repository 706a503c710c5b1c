"""Types and required fields: what is mended, what is rejected, and what is left as it is."""

import pytest

from sensor_tui.model.reading import BadText
from sensor_tui.sync.stages.schematize import Schematize
from tests.stages.shapes import APRIL, april, batch, column, document, documents, through


def test_a_clean_batch_stays_the_same_object():
    given = batch([april(1), april(2)], repeated=4)
    staged = through(Schematize(required=("sensorId", "timestamp", "temperature")), given)
    assert staged.batch is given
    assert staged.stage == "Schematized"
    assert not staged.rejected


def test_an_empty_batch_has_its_stage_too():
    assert through(Schematize(), batch([])).stage == "Schematized"


@pytest.mark.parametrize(
    ("name", "stored", "field", "mended"),
    [
        ("temperature", "23.5", "temperature", 23.5),
        ("temperature", " -1e2 ", "temperature", -100.0),
        ("temperature", "1", "temperature", 1),
        ("temperature", "9007199254740993", "temperature", 9007199254740993),
        ("temperature", "0.1", "temperature", 0.1),
        ("status_code", "1", "statusCode", 1),
        ("status_code", 1.0, "statusCode", 1),
        ("status_code", "1.0", "statusCode", 1),
        ("status_code", "9007199254740993.0", "statusCode", 9007199254740993),
        ("status_code", True, "statusCode", 1),
        ("anomaly_flag", "true", "anomalyFlag", 1),
        ("anomaly_flag", "No", "anomalyFlag", 0),
        ("anomaly_flag", 1.0, "anomalyFlag", 1),
        ("anomaly_flag", "0", "anomalyFlag", 0),
        ("firmware_version", 1.4, "firmwareVersion", "1.4"),
        ("firmware_version", 2, "firmwareVersion", "2"),
        ("location", 7, "location", "7"),
    ],
)
@pytest.mark.parametrize("repeated", [0, 11])
def test_what_can_be_mended_is_mended_exactly(name, stored, field, mended, repeated):
    rows = [april(1, **{name: stored})]
    staged = through(Schematize(), batch(rows, repeated=repeated))
    assert not staged.rejected
    assert column(staged, field) == [mended]
    assert type(column(staged, field)[0]) is type(mended)


@pytest.mark.parametrize(
    ("name", "stored", "reason"),
    [
        ("temperature", "warm", "temperature: 'warm' where a number belongs"),
        ("temperature", "1,5", "temperature: '1,5' where a number belongs"),
        ("temperature", "1_000", "temperature: '1_000' where a number belongs"),
        ("temperature", "٣", "temperature: '٣' where a number belongs"),
        ("temperature", "1e999", "temperature: '1e999' where a number belongs"),
        ("temperature", b"\x01\x02", "temperature: a blob of 2 bytes where a number belongs"),
        ("temperature", BadText(b"\xff"), "temperature: text that is not UTF-8 where a number belongs"),
        ("status_code", 1.5, "statusCode: 1.5 where a whole number belongs"),
        ("status_code", "1.5", "statusCode: '1.5' where a whole number belongs"),
        ("status_code", "1e99999", "statusCode: '1e99999' where a whole number belongs"),
        ("status_code", 1e300, "statusCode: 1e+300 where a whole number belongs"),
        ("anomaly_flag", 2, "anomalyFlag: 2 where a flag (0 or 1) belongs"),
        ("anomaly_flag", "maybe", "anomalyFlag: 'maybe' where a flag (0 or 1) belongs"),
        ("model", b"EM", "model: a blob of 2 bytes where text belongs"),
        ("model", 2**70, "model: an integer of 71 bits where text belongs"),
    ],
)
@pytest.mark.parametrize("repeated", [0, 11])
def test_what_cannot_be_mended_is_rejected_with_field_value_and_type(name, stored, reason, repeated):
    staged = through(Schematize(), batch([april(1, **{name: stored})], repeated=repeated))
    assert staged.rejected == {0: reason}


def test_the_rows_around_a_rejected_one_go_through():
    staged = through(Schematize(), batch([april(1), april(2, temperature="x"), april(3, temperature="4")]))
    assert list(staged.rejected) == [1]
    made = documents(staged)
    assert [one and one["temperature"] for one in made] == [20.5, None, 4]


def test_a_value_in_a_reason_is_short_and_does_nothing_to_a_terminal():
    staged = through(Schematize(), batch([april(1, temperature="\x1b[2J\u202e\ud800" + "x" * 500)]))
    assert staged.rejected[0].isprintable()
    assert len(staged.rejected[0]) < 120


def test_a_private_value_is_in_no_reason():
    staged = through(Schematize(private={"temperature"}), batch([april(1, temperature="secret")]))
    assert staged.rejected == {0: "temperature: a value where a number belongs"}


def test_several_faults_are_told_together_and_no_more_than_three():
    row = april(1, temperature="a", vibration="b", voltage="c", status_code="d")
    staged = through(Schematize(), batch([row]))
    assert staged.rejected[0].count("belongs") == 3
    assert staged.rejected[0].endswith("; and 1 more")


def test_a_reason_that_was_there_before_stays():
    staged = through(Schematize(), batch([april(1)]))
    staged.rejected[0] = "earlier"
    Schematize(required=("humidity",)).apply(staged)
    assert staged.rejected == {0: "earlier"}


@pytest.mark.parametrize("empty", [None, "", "  "])
@pytest.mark.parametrize("repeated", [0, 11])
def test_a_required_field_has_to_hold_something(empty, repeated):
    stage = Schematize(required=("model", "temperature"))
    staged = through(stage, batch([april(1, model=empty, temperature=empty)], repeated=repeated))
    assert staged.rejected == {0: "temperature: required, and empty; model: required, and empty"}


@pytest.mark.parametrize(("name", "field"), [("sensor_id", "sensorId"), ("timestamp", "timestamp")])
def test_sensor_and_time_have_to_be_there(name, field):
    stage = Schematize(required=("sensorId", "timestamp"))
    staged = through(stage, batch([april(1, **{name: None}), april(2)]))
    assert staged.rejected == {0: f"{field}: required, and empty"}


def test_a_required_field_without_a_column_rejects_every_reading():
    staged = through(Schematize(required=("humidity", "city", "id")), batch([april(1), april(2)]))
    assert staged.rejected == dict.fromkeys((0, 1), "humidity: required, and there is no such column")


def test_a_required_field_that_nobody_gave_a_type():
    columns = (*APRIL, "depth")
    staged = through(
        Schematize(required=("depth",)),
        batch([(*april(1), "deep"), (*april(2), " "), (*april(3), b"")], columns),
    )
    assert staged.rejected == {1: "depth: required, and empty"}


def test_an_empty_text_where_a_number_belongs_is_absent():
    assert "temperature" not in document(Schematize(), april(1, temperature=" "))


def test_infinity_is_left_to_sanitize_and_the_encoder():
    staged = through(Schematize(), batch([april(1, temperature="-Infinity", voltage=float("inf"))]))
    assert not staged.rejected
    assert column(staged, "temperature") == [float("-inf")]


def test_types_of_further_fields():
    columns = (*APRIL, "depth", "opened", "seen_at")
    stage = Schematize(types={"depth": "number", "opened": "flag", "seenAt": "time"})
    made = document(stage, (*april(1), "3.5", "yes", "2025-08-01T12:00:00+02:00"), columns)
    assert (made["depth"], made["opened"], made["seenAt"]) == (3.5, 1, "2025-08-01T10:00:00.000000Z")
    staged = through(stage, batch([(*april(1), None, None, "yesterday")], columns))
    assert staged.rejected == {0: "seenAt: 'yesterday' where a time belongs"}


def test_a_known_type_can_be_another():
    assert document(Schematize(types={"statusCode": "text"}), april(1, status_code=3))["statusCode"] == "3"


def test_fields_nobody_named_are_left_alone():
    columns = (*APRIL, "notes")
    given = batch([(*april(1), b"\x00"), (*april(2), 5)], columns)
    assert through(Schematize(), given).batch is given


def test_a_column_that_repeats_is_mended_once_for_all_rows():
    rows = [april(number, firmware_version=1.4) for number in range(3)]
    staged = through(Schematize(), batch(rows, repeated=4))
    assert column(staged, "firmwareVersion") == ["1.4"] * 3
    assert staged.batch.repeated == 4
    assert staged.batch.schema is not None
    assert staged.batch.schema.fields == batch(rows).schema.fields


def test_a_location_that_is_mended_leaves_the_city_alone():
    staged = through(Schematize(), batch([april(1, location=7)], repeated=1))
    assert staged.batch.repeated == 2
    made = documents(staged)[0]
    assert made is not None
    assert (made["location"], made["city"]) == ("7", "London")

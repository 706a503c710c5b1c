"""Cleaning: what is left out, trimmed, rounded, dropped and hashed, and what stays as it is."""

import hashlib
import hmac
import math

import pytest

from sensor_tui.model.reading import BadText
from sensor_tui.sync.stages.sanitize import Sanitize
from sensor_tui.sync.stages.schematize import Schematize
from tests.stages.shapes import APRIL, MANILA, april, batch, column, document, documents, through

KEY = b"a key for tests"
PLACED = (*APRIL, "latitude", "longitude")


def hashed(text):
    return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32]


def test_a_clean_batch_stays_the_same_object():
    given = batch([april(1, location="Manila"), april(2, location="Manila")], repeated=4)
    staged = through(Sanitize(coordinate_decimals=4), given)
    assert staged.batch is given
    assert staged.stage == "Sanitized"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "NaN", "inf", "-Infinity"])
@pytest.mark.parametrize("repeated", [0, 11])
def test_what_is_no_finite_number_is_left_out(value, repeated):
    given = batch([april(1, temperature=value)], repeated=repeated)
    staged = through(Sanitize(), given)
    assert not staged.rejected
    [made] = documents(staged)
    assert made is not None
    assert "temperature" not in made
    assert made["voltage"] == 12.0


def test_infinity_is_found_between_numbers_and_empty_values():
    values = [1.0, None, 0, math.inf, None, 0.0, -math.inf, 3]
    rows = [april(number, temperature=value) for number, value in enumerate(values, 1)]
    assert column(through(Sanitize(), batch(rows)), "temperature") == [1.0, None, 0, None, None, 0.0, None, 3]


def test_numbers_too_large_for_a_sum_stay():
    values = [1.7e308, 1.7e308, 10**400]
    given = batch([april(number, temperature=value) for number, value in enumerate(values, 1)])
    assert through(Sanitize(), given).batch is given


def test_a_required_field_may_not_become_absent():
    stage = Sanitize(required=("temperature", "model"), hashed=("model",), hash_key=KEY)
    rows = [april(1, temperature=math.inf), april(2), april(3, model=" \x00 ")]
    assert through(stage, batch(rows)).rejected == {
        0: "temperature: required, and empty after cleaning: inf counts as nothing",
        2: "model: required, and empty after cleaning",
    }
    assert list(through(stage, batch([april(1, model=""), april(2, model="")], repeated=3)).rejected) == [
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("stored", "cleaned"),
    [
        ("  EM \n", "EM"),
        ("E\x00M\x1b[31m", "EM[31m"),
        ("two\r\nlines\tlong", "two lines long"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("\ufeffEM\ud800", "EM"),
        ("Größe 北 👩\u200d🔧", "Größe 北 👩\u200d🔧"),
    ],
)
@pytest.mark.parametrize("repeated", [0, 11])
def test_text_is_trimmed_and_freed_of_what_cannot_be_seen(stored, cleaned, repeated):
    staged = through(Sanitize(), batch([april(1, model=stored)], repeated=repeated))
    assert column(staged, "model") == [cleaned]


@pytest.mark.parametrize("empty", ["", "  ", "\x00", "\u200b\n"])
def test_text_with_nothing_in_it_is_absent(empty):
    assert "model" not in document(Sanitize(), april(1, model=empty))


def test_sensor_and_time_are_never_touched():
    row = april(1, sensor_id=" LON_1 ", timestamp=" 2025-08-01T00:00:00Z ")
    assert document(Sanitize(), row)["sensorId"] == " LON_1 "


@pytest.mark.parametrize(
    ("decimals", "latitude", "longitude", "location"),
    [
        (4, 14.5956, 120.9769, "Manila (14.5956, 120.9769)"),
        (1, 14.6, 121.0, "Manila (14.6, 121.0)"),
        (0, 15.0, 121.0, "Manila (15, 121)"),
        (10, 14.595554, 120.976885, MANILA),
        (None, 14.595554, 120.976885, MANILA),
    ],
)
@pytest.mark.parametrize("repeated", [0, 12])
def test_coordinates_are_rounded_also_within_location(decimals, latitude, longitude, location, repeated):
    rows = [(*april(number), 14.595554, 120.976885) for number in (1, 2)]
    staged = through(Sanitize(coordinate_decimals=decimals), batch(rows, PLACED, repeated=repeated))
    for made in documents(staged):
        assert made is not None
        assert (made["latitude"], made["longitude"], made["location"]) == (latitude, longitude, location)
        assert made["city"] == "Manila"
    raw = documents(through([], batch(rows, PLACED)))
    assert [made and made["id"] for made in documents(staged)] == [made and made["id"] for made in raw]


@pytest.mark.parametrize(
    ("stored", "location"),
    [
        ("Manila ( -14.59555 ,120.9 )", "Manila ( -14.60 ,120.9 )"),
        ("Null Island (-0.0001, 0.0001)", "Null Island (0.00, 0.00)"),
        ("Gate (3) of (1.23456, 2.34567) here", "Gate (3) of (1.23, 2.35) here"),
        ("Hall 14.595554", "Hall 14.595554"),
    ],
)
def test_coordinates_within_location_in_other_shapes(stored, location):
    assert document(Sanitize(coordinate_decimals=2), april(1, location=stored))["location"] == location


def test_coordinates_that_vary_are_rounded_row_by_row():
    rows = [(*april(number), 14.0 + number / 3, "12.34567") for number in (1, 2)]
    staged = through(Sanitize(coordinate_decimals=2), batch(rows, PLACED))
    assert column(staged, "latitude") == [14.33, 14.67]
    assert column(staged, "longitude") == [12.35, 12.35]


def test_a_rounded_coordinate_is_never_minus_zero():
    staged = through(Sanitize(coordinate_decimals=2), batch([(*april(1), -0.0001, 0)], PLACED))
    assert math.copysign(1, column(staged, "latitude")[0]) == 1


def test_replacing_the_location_keeps_what_repeats_at_the_end():
    given = batch([april(1), april(2)], repeated=5)
    staged = through(Sanitize(coordinate_decimals=2), given)
    assert staged.batch.repeated == 6
    assert {row[-1] for row in staged.batch.rows} == {"Manila (14.60, 120.98)"}
    schema = staged.batch.schema
    assert schema.location is not None
    assert schema.fields[schema.location] == ""
    assert staged.batch.rows[0][schema.location] == MANILA


def test_a_location_that_differs_by_row_is_replaced_by_row():
    rows = [april(1), april(2, location="Oslo (1.23456, 2.34567)"), april(3, location="Lima")]
    made = documents(through(Sanitize(coordinate_decimals=1), batch(rows, repeated=0)))
    assert [one and (one["location"], one["city"]) for one in made] == [
        ("Manila (14.6, 121.0)", "Manila"),
        ("Oslo (1.2, 2.3)", "Oslo"),
        ("Lima", "Lima"),
    ]


def test_the_same_schema_gives_the_same_schema():
    stage = Sanitize(coordinate_decimals=2, drop=("model",))
    one = through(stage, batch([april(1)], repeated=3)).batch.schema
    other = through(stage, batch([april(2)], repeated=3)).batch.schema
    assert one is other


def test_dropped_fields_are_left_out_and_rows_stay_as_they_are():
    given = batch([april(1, location="Manila")])
    staged = through(Sanitize(drop=("temperature", "location", "nothing of that name")), given)
    assert staged.batch.rows is given.rows
    [made] = documents(staged)
    assert made is not None
    assert not {"temperature", "location", ""} & made.keys()
    assert made["city"] == "Manila"


def test_a_dropped_field_may_hold_what_no_document_could():
    assert "model" not in document(Sanitize(drop=("model",)), april(1, model=BadText(b"\xff")))


@pytest.mark.parametrize("repeated", [0, 11])
def test_hashes_can_be_made_again_by_whoever_has_the_key(repeated):
    stage = Sanitize(coordinate_decimals=1, hashed=("model", "firmwareVersion", "location"), hash_key=KEY)
    rows = [april(number, model=" EM ", firmware_version=14) for number in (1, 2)]
    for made in documents(through(stage, batch(rows, repeated=repeated))):
        assert made is not None
        assert made["model"] == hashed("EM")
        assert made["firmwareVersion"] == hashed("14")
        assert made["location"] == hashed("Manila (14.6, 121.0)")
        assert made["city"] == "Manila"


def test_hashes_of_numbers_blobs_and_nothing():
    stage = Sanitize(hashed=("temperature",), hash_key=KEY)
    values = [20.5, 7, b"\xff", BadText(b"\xfe"), None, math.nan, "", 2**80, True]
    rows = [april(number, temperature=value) for number, value in enumerate(values, 1)]
    found = column(through(stage, batch(rows)), "temperature")
    assert found[:2] == [hashed("20.5"), hashed("7")]
    assert found[4:7] == [None, None, None]
    assert all(len(value) == 32 for value in found[:4] + found[7:])
    assert len(set(found[:4] + found[7:])) == 6


def test_another_key_gives_another_hash():
    first, second = (
        document(Sanitize(hashed=("model",), hash_key=key), april(1))["model"] for key in (b"one", b"two")
    )
    assert first != second


def test_what_is_remembered_is_bounded():
    stage = Sanitize(hashed=("model",), hash_key=KEY)
    for start in range(0, 12_000, 500):
        through(
            stage, batch([april(number, model=f" m{number}") for number in range(start + 1, start + 501)])
        )
    through(stage, batch([april(1, model="long" * 1000, firmware_version="long " * 1000)]))
    assert max(map(len, stage._texts)) < 300
    assert max(map(len, stage._hashes)) < 300
    assert len(stage._texts) <= 4096
    assert len(stage._hashes) <= 4096


def test_after_schematize_the_columns_it_made_are_cleaned():
    made = document([Schematize(), Sanitize(coordinate_decimals=1)], april(1, location="  Oslo (1.23, 4.56)"))
    assert made["location"] == "Oslo (1.2, 4.6)"
    assert made["city"] == "Oslo"
    assert made["processingStage"] == "Sanitized"


def test_fifteen_decimals_are_all_of_them():
    staged = through(
        Sanitize(coordinate_decimals=15), batch([(*april(1), 14.595554123456789, -179.1234567890123)], PLACED)
    )
    assert column(staged, "latitude") == [14.595554123456789]
    assert column(staged, "longitude") == [-179.1234567890123]


@pytest.mark.parametrize("name", ["ownerName", "owner_name", "OwnerName", "ownername", "OWNER-NAME"])
def test_a_field_to_hide_is_found_in_any_spelling(name):
    columns = (*APRIL, "owner_name")
    row = (*april(1), "Ann")
    assert "ownerName" not in document(Sanitize(drop=(name,)), row, columns)
    assert document(Sanitize(hashed=(name,), hash_key=KEY), row, columns)["ownerName"] == hashed("Ann")

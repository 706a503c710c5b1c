"""Rows to documents: exact, complete, and stable."""

import json
import math
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor_tui.model.reading import (
    BadText,
    Batch,
    Generation,
    UnusableReading,
    city_of,
    reading_id,
    schema_of,
    utc_text,
)
from sensor_tui.sync.contract import MISSING
from sensor_tui.sync.encode import Encoder, Freshen

APRIL = (
    "id", "timestamp", "sensor_id", "temperature", "vibration", "voltage", "status_code", "anomaly_flag",
    "anomaly_type", "firmware_version", "model", "manufacturer", "location", "synced",
)  # fmt: skip
ROW = (
    7,
    1_754_000_000.123456,
    "LON_123456",
    20.1,
    0.25,
    12.0,
    0,
    1,
    "spike",
    "1.4",
    "EM",
    "ST",
    "Manila (14.595554, 120.976885)",
)


def batch(rows, columns=APRIL, city="London"):
    return Batch("London/a/sensor_data.db", city, schema_of(columns), list(rows), 0, more=False)


def encode_one(row, columns=APRIL, **options):
    encoded = Encoder("city", **options).encode(batch([row], columns))
    assert not encoded.unusable, encoded.unusable
    return orjson.loads(encoded.bodies[0])


def test_a_row_of_the_first_generation_becomes_this_document():
    assert encode_one(ROW) == {
        "id": reading_id("LON_123456", 1_754_000_000.123456, 7),
        "sensorId": "LON_123456",
        "timestamp": "2025-07-31T22:13:20.123456Z",
        "city": "Manila",
        "location": "Manila (14.595554, 120.976885)",
        "temperature": 20.1,
        "vibration": 0.25,
        "voltage": 12.0,
        "statusCode": 0,
        "anomalyFlag": 1,
        "anomalyType": "spike",
        "firmwareVersion": "1.4",
        "model": "EM",
        "manufacturer": "ST",
        "sqlite_id": 7,
        "processingStage": "Raw",
    }


def test_ids_equal_the_golden_file():
    golden = json.loads((Path(__file__).parent / "golden_ids.json").read_text())
    assert len(golden) >= 10
    for case in golden:
        raw = struct.unpack(">d", bytes.fromhex(case["real"]))[0] if "real" in case else case["text"]
        assert reading_id(case["sensor"], raw, case["row"]) == case["id"]
        row = (case["row"], raw, case["sensor"])
        encoded = Encoder(None).encode(batch([row], ("id", "timestamp", "sensor_id")))
        if encoded.bodies[0] is not None:
            assert orjson.loads(encoded.bodies[0])["id"] == case["id"]


@given(
    rows=st.lists(
        st.tuples(
            st.floats(0, 4e9),
            st.sampled_from(["A", "B", "é"]),
            st.one_of(
                st.none(),
                st.floats(allow_nan=False, allow_infinity=False),
                st.integers(-(2**53), 2**53),
                st.text(),
            ),
            st.one_of(st.none(), st.sampled_from(["x", ':null,"', "Paris (1.5, -2)"])),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_documents_hold_exactly_what_the_rows_hold(rows):
    columns = ("id", "timestamp", "sensor_id", "value_read", "location", "synced")
    numbered = [(number, *row) for number, row in enumerate(rows, 1)]
    encoded = Encoder("sensorId").encode(batch(numbered, columns))
    assert not encoded.unusable
    for row, body, key in zip(numbered, encoded.bodies, encoded.keys, strict=True):
        document = orjson.loads(body)
        expected = {
            "id": reading_id(row[2], row[1], row[0]),
            "sqlite_id": row[0],
            "timestamp": utc_text(row[1]),
            "sensorId": row[2],
            "city": city_of(row[4], "London"),
            "processingStage": "Raw",
        }
        if row[3] is not None:
            expected["valueRead"] = row[3]
        if row[4] is not None:
            expected["location"] = row[4]
        assert document == expected
        assert key == row[2]


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=OFFSETS))  # noqa: DTZ001
def test_text_times_keep_their_instant(moment):
    document = encode_one((1, moment.isoformat(), "S"), ("id", "timestamp", "sensor_id"))
    assert datetime.fromisoformat(document["timestamp"]) == moment
    assert document["timestamp"].endswith("Z")
    assert len(document["timestamp"]) == len("2025-07-31T22:13:20.123456Z")


@given(
    st.sampled_from(["2025-08-01", "2025-W31-5", "20250801", "2025-13-01", "0001-01-01", "9999-12-31"]),
    st.sampled_from(["T", " ", "x"]),
    st.sampled_from(["00:00:59", "23:59:00", "24:00:00", "10:00:60", "1000", "10"]),
    st.sampled_from([".000001", ",500000", ".5", "", ".1234567", ".12 456"]),
    st.sampled_from(["+00:00", "-00:30", "+05:45", "Z", "", "+00:00:30", "-23:59", "+99:00"]),
)
def test_the_quick_way_with_text_times_gives_the_same_as_the_plain_one(date, t, time, fraction, offset):
    raw = date + t + time + fraction + offset
    for _ in range(2):
        encoded = Encoder(None).encode(batch([(1, raw, "S")], ("id", "timestamp", "sensor_id")))
        try:
            expected = utc_text(raw)
        except UnusableReading as error:
            assert encoded.unusable == {0: str(error)}
        else:
            assert orjson.loads(encoded.bodies[0])["timestamp"] == expected


@given(st.floats(-6e10, 2.5e11))
def test_real_times_are_rounded_as_datetime_does(raw):
    document = encode_one((1, raw, "S"), ("id", "timestamp", "sensor_id"))
    moment = datetime.fromtimestamp(raw, UTC)
    assert datetime.fromisoformat(document["timestamp"]) == moment


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("sensor_id", None, "no sensor id"),
        ("sensor_id", "", "no sensor id"),
        ("sensor_id", BadText(b"\xff"), "not UTF-8"),
        ("timestamp", None, "no usable time"),
        ("timestamp", "yesterday", "no usable time"),
        ("timestamp", math.inf, "no usable time"),
        ("timestamp", 1e15, "no usable time"),
        ("timestamp", b"\x00", "no usable time"),
        ("timestamp", "9999-12-31T23:59:59-10:00", "no usable time"),
        ("temperature", math.inf, "infinity"),
        ("temperature", -math.inf, "infinity"),
        ("temperature", b"\x01\x02", "a blob of 2 bytes"),
        ("model", BadText(b"\xff\xfe"), "not UTF-8"),
        ("location", BadText(b"\xff"), "not UTF-8"),
        ("model", "x" * 2_100_000, "2 MB"),
    ],
)
def test_what_cannot_become_a_document_is_said_and_the_neighbours_go_through(column, value, reason):
    bad = list(ROW)
    bad[APRIL.index(column)] = value
    rows = [ROW, tuple(bad), (8, *ROW[1:])]
    encoded = Encoder("city").encode(batch(rows))
    assert list(encoded.unusable) == [1]
    assert reason in encoded.unusable[1]
    assert encoded.bodies[0]
    assert encoded.bodies[1] is None
    assert encoded.bodies[2]
    assert encoded.keys[1] is MISSING


def test_the_same_holds_where_a_whole_batch_is_bad_in_the_same_way():
    bad = (*ROW[:3], math.inf, *ROW[4:])
    encoded = Encoder("city").encode(batch([bad, bad, bad]))
    assert list(encoded.unusable) == [0, 1, 2]


def test_a_null_in_text_is_text():
    row = (*ROW[:11], ":null", ROW[12])
    assert encode_one(row)["manufacturer"] == ":null"


def test_the_city_is_the_folders_where_a_row_has_no_location():
    assert encode_one((*ROW[:12], None))["city"] == "London"
    assert encode_one((*ROW[:12], "  (1.0, 2.0)"))["city"] == "London"
    assert encode_one((*ROW[:12], "Paris"))["city"] == "Paris"


def test_columns_that_would_collide_with_the_documents_own_fields_are_renamed():
    schema = schema_of(("id", "timestamp", "sensor_id", "ttl", "city", "processing_stage", "_ts", "sensorId"))
    assert schema.fields[3:] == (
        "columnTtl", "columnCity", "columnProcessingStage", "column_ts", "columnSensorId",
    )  # fmt: skip
    assert not {"ttl", "city", "processingStage", "_ts"} & set(schema.fields)


def test_the_generation_is_told_by_the_columns():
    assert schema_of(APRIL).generation is Generation.APRIL_2025
    assert schema_of((*APRIL, "original_timezone")).generation is Generation.AUGUST_2025
    assert schema_of(("id", "x")).generation is Generation.OTHER


def test_keys_are_one_only_where_every_row_has_the_same_text():
    same = Encoder("city").encode(batch([ROW, ROW]))
    assert same.one_key
    other = Encoder("city").encode(batch([ROW, (*ROW[:12], "Paris")]))
    assert not other.one_key
    assert other.keys == ["Manila", "Paris"]
    numbers = Encoder("statusCode").encode(batch([ROW, ROW]))
    assert not numbers.one_key
    missing = Encoder("nothing").encode(batch([ROW]))
    assert missing.keys == [MISSING]


def test_development_gives_fresh_ids_and_times():
    freshen = Freshen(salt=b"run-1", now=lambda: 1_800_000_000.0)
    document = encode_one(ROW, freshen=freshen)
    assert document["id"] != encode_one(ROW)["id"]
    assert document["timestamp"] == "2027-01-15T08:00:00.000000Z"
    assert document["id"] == encode_one(ROW, freshen=freshen)["id"]


def test_columns_known_to_repeat_are_encoded_once_and_the_same():
    rows = [(number, 1.5 * number, 0.5 * number, "S", "Oslo", None) for number in range(1, 9)]
    columns = ("id", "timestamp", "temperature", "sensor_id", "location", "model")
    plain = Encoder("city").encode(batch(rows, columns))
    known = Encoder("city").encode(replace(batch(rows, columns), repeated=3))
    assert known.bodies == plain.bodies
    assert known.keys == plain.keys == ["Oslo"] * 8
    bad = [(*row[:4], BadText(b"\xff"), None) for row in rows]
    encoded = Encoder("city").encode(replace(batch(bad, columns), repeated=3))
    assert list(encoded.unusable) == list(range(8))

"""Which rows are older than a bound: what SQL says and what the product's own reading of times says."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor_tui.model.reading import UnusableReading, epoch_of
from sensor_tui.storage.pruning import _day, is_before

BEFORE = 1_754_000_000.5


def says(raw, before=BEFORE):
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (time)")
        db.execute("INSERT INTO t VALUES (?)", (raw,))
        values = {"before": before, "surely": _day(before, -1), "hardly": _day(before, 2)}
        ((found,),) = db.execute(f"SELECT coalesce({is_before('time')}, 0) FROM t", values)
        return bool(found)


OFFSETS = st.builds(
    lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-14 * 60 + 1, 14 * 60 - 1)
)
MOMENTS = st.one_of(
    st.datetimes(datetime.fromisoformat("0001-01-03"), datetime.fromisoformat("9999-12-29")),
    st.datetimes(datetime.fromisoformat("2025-07-29"), datetime.fromisoformat("2025-08-03")),
)


@settings(max_examples=300, deadline=None)
@given(MOMENTS, OFFSETS, st.sampled_from("T "), st.sampled_from(["%z", "colon", "Z", ""]))
def test_text_is_older_exactly_where_its_instant_is(moment, zone, separator, ending):
    text = moment.isoformat(sep=separator, timespec="microseconds")
    offset = moment.replace(tzinfo=zone)
    text += {"%z": offset.strftime("%z"), "colon": offset.isoformat()[-6:], "Z": "Z", "": ""}[ending]
    instant = epoch_of(text)
    if abs(instant - BEFORE) > 0.001:  # SQLite reckons in milliseconds
        assert says(text) == (instant < BEFORE)


@settings(max_examples=100, deadline=None)
@given(st.floats(allow_nan=False) | st.integers(-(2**53), 2**53))
def test_a_number_is_older_exactly_where_it_is_smaller_and_a_time(raw):
    try:
        older = epoch_of(raw) < BEFORE
    except UnusableReading:
        older = raw > 0 and raw < BEFORE
    assert says(raw) == older


@pytest.mark.parametrize(
    "raw",
    ["", "now", "12:00", "1754", "1700000000.5", "2455352.5", "yesterday", "20200101T000000Z", b"2020-01-01",
     None, "2020-1-1"],
)  # fmt: skip
def test_what_is_no_time_or_not_surely_one_is_not_older(raw):
    assert not says(raw)


def test_a_bound_outside_the_years_there_are_is_a_bound_still():
    assert not says("2025-01-01T00:00:00Z", -1e15)
    assert not says(5.0, -1e15)
    assert says("2025-01-01T00:00:00Z", 1e15)
    assert says(5.0, 1e15)

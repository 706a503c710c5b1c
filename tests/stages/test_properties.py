"""Whatever rows hold: stages never raise, and never touch what ids and cities are made of."""

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor_tui.model.reading import BadText
from sensor_tui.sync.encode import Encoder
from sensor_tui.sync.stages.anomaly import Anomaly, Rule
from sensor_tui.sync.stages.sanitize import Sanitize
from sensor_tui.sync.stages.schematize import Schematize
from tests.stages.shapes import APRIL, batch, through

COLUMNS = (*APRIL, "latitude", "humidity", "notes")
REQUIRED = ("sensorId", "timestamp", "temperature", "notes")
ENORMOUS = -(10**5000)
"""An integer that no database holds and Python does not write either."""

anything = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(),
    st.sampled_from([2**63 - 1, -(2**63), 2**64, 10**400, ENORMOUS, -0.0, 5e-324, 1.7e308]),
    st.text(st.characters(), max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "1",
            "23.5",
            "1e999",
            "nan",
            "-inf",
            "true",
            "'\"'';--",
            '{"a": "\\""}',
            "\ud800",
            "\x00",
            "a\u202eb",
            "(1.23456, 2.34567)",
            "Manila (14.595554, 120.976885)",
            "9" * 5000,
            "0x10",
            "1_0",
        ]
    ),
    st.binary(max_size=8),
    st.binary(max_size=8).map(BadText),
    st.sampled_from([bytearray(b"x"), ["a", 1], {"a": 1}]),
)


@st.composite
def batches(draw):
    """Rows of anything, whose last columns hold the same in each; now and then those of one sane sensor."""
    width = len(COLUMNS)
    repeated = draw(st.integers(0, width - 1))
    tail = draw(st.tuples(*[anything] * repeated))
    count = draw(st.integers(0, 4))
    start = draw(st.integers(1, 1000))
    rows = [
        (start + number, *draw(st.tuples(*[anything] * (width - 1 - repeated))), *tail)
        for number in range(count)
    ]
    if draw(st.booleans()):
        rows = [
            tuple(1_754_000_000.0 if i == 1 else "S" if i == 2 else value for i, value in enumerate(row))
            for row in rows
        ]
    return batch(rows, COLUMNS, repeated=repeated)


def stages():
    return [
        Schematize(types={"notes": "time"}, required=REQUIRED, private=("model",)),
        Sanitize(
            coordinate_decimals=2,
            drop=("voltage",),
            hashed=("model", "notes"),
            hash_key=b"k",
            required=REQUIRED,
        ),
        Anomaly({"temperature": Rule(-20, 60, 10), "latitude": Rule(max_change=1), "depth": Rule(0, 1)}),
    ]


@settings(deadline=None)
@given(order=st.permutations(range(3)), given_batches=st.lists(batches(), max_size=2))
def test_rows_ids_and_times_stay_and_nothing_is_raised(order, given_batches):
    made = stages()
    for before in given_batches:
        staged = through([made[number] for number in order], before)
        after = staged.batch
        schema = after.schema
        assert len(after.rows) == len(before.rows)
        for name in ("source", "city", "through", "more"):
            assert getattr(after, name) == getattr(before, name)
        for old, new in zip(before.rows, after.rows, strict=True):
            assert len(new) == len(schema.columns) == len(schema.fields)
            assert new[0] == old[0]
            for name in ("sensor_id", "timestamp", "location"):
                assert new[getattr(schema, name)] is old[getattr(before.schema, name)]
        shown = [field for field in schema.fields if field]
        assert len(shown) == len(set(shown))
        assert "voltage" not in shown or not after.rows
        first = after.rows[0] if after.rows else ()
        for row in after.rows:
            assert after.repeated == 0 or all(
                mine is theirs
                for mine, theirs in zip(row[-after.repeated :], first[-after.repeated :], strict=True)
            )
        positions = range(len(after.rows))
        assert set(staged.rejected) | set(staged.anomalous) <= set(positions)
        assert all(reason.isprintable() and len(reason) < 400 for reason in staged.rejected.values())


@settings(deadline=None)
@given(before=batches())
def test_documents_keep_their_ids_and_cities(before):
    values = [value for row in before.rows for value in row]
    if any(isinstance(value, (bytearray, list, dict)) or value == ENORMOUS for value in values):
        return
    staged = through(stages(), before)
    raw = Encoder("city").encode(before).bodies
    for old, new in zip(raw, Encoder("city").encode_staged(staged).bodies, strict=True):
        if old is not None and new is not None:
            one, other = orjson.loads(old), orjson.loads(new)
            for name in ("id", "sensorId", "timestamp", "city", "sqlite_id"):
                assert one[name] == other[name]
            assert "voltage" not in other
            assert "" not in other

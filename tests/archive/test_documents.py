"""What the archive has to know of a document."""

from datetime import UTC, datetime

import orjson
import pytest

from sensor_tui.sync.sinks.archive.documents import Unfit, micros, read
from tests.archive.kit import document, documents


def test_documents_go_to_their_sensor_in_their_city():
    bodies = [
        document(1),
        document(2, city="Paris"),
        document(3, sensor="X"),
        document(4, city=...),
        document(5),
        document(6, sensor="X", processingStage="Aggregated"),
    ]
    groups, unfit = read(bodies)
    assert {target: [entry.position for entry in entries] for target, entries in groups.items()} == {
        ("London", "LON_123456", False): [0, 4],
        ("Paris", "LON_123456", False): [1],
        ("London", "X", False): [2],
        ("", "LON_123456", False): [3],
        ("London", "X", True): [5],
    }
    assert unfit == {}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (document(1, id=...), "no usable id"),
        (document(1, id=""), "no usable id"),
        (document(1, id=7), "no usable id"),
        (document(1, id="x" * 2000), "no usable id"),
        (document(1, sensorId=...), "no sensor id"),
        (document(1, sensorId=3), "no sensor id"),
        (document(1, city=["London"]), "the city is not text"),
        (document(1, timestamp=...), "no usable time"),
        (document(1, timestamp=1754006400), "no usable time: not a text"),
        (document(1, timestamp="yesterday"), "no usable time: 'yesterday'"),
        (document(1, timestamp="2025-13-01T00:00:00.000000Z"), "no usable time"),
        (document(1, timestamp="2025-08-01T00:00:61.000000Z"), "no usable time"),
        (document(1, timestamp="2025-08-01T00:00:+1.000000Z"), "no usable time"),
    ],
)
def test_what_can_never_be_archived_has_a_reason(body, reason):
    groups, unfit = read([document(0), body, document(2)])
    assert [entry.position for entries in groups.values() for entry in entries] == [0, 2]
    assert list(unfit) == [1]
    assert unfit[1].startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        "2025-08-01T00:00:00.000000Z", "2025-08-01T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z", "2025-08-01T02:00:00+02:00",
        "2025-08-01",
    ],
)  # fmt: skip
def test_times_are_exact(text):
    moment = datetime.fromisoformat(text)
    expected = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert (
        micros(text)
        == micros(text)
        == (expected.days * 86_400 + expected.seconds) * 10**6 + expected.microseconds
    )


def test_a_time_outside_the_years_is_unfit():
    with pytest.raises(Unfit):
        micros("0001-01-01T00:00:00+05:00")


def test_a_document_keeps_its_bytes():
    bodies = documents(0, 3)
    groups, _ = read(bodies)
    assert [entry.body for entry in groups["London", "LON_123456", False]] == bodies
    assert [orjson.dumps(entry.fields) for entry in groups["London", "LON_123456", False]] == bodies

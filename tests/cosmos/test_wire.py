"""The bulk request's body."""

import orjson
import pytest

from sensor_tui.sync.contract import MISSING, Parcel, Route
from sensor_tui.sync.sinks.cosmos.wire import OVERHEAD, bulk_body, prefix_of


def parcel(key: object, *bodies: bytes) -> Parcel:
    return Parcel(Route("0", prefix_of(key), key), range(len(bodies)), list(bodies), 0)


@pytest.mark.parametrize(
    ("key", "partition_key"),
    [
        ("London", '["London"]'),
        ('a"b\\c', '["a\\"b\\\\c"]'),
        ("São", '["São"]'),
        (5, "[5]"),
        (2.5, "[2.5]"),
        (True, "[true]"),
        (None, "[null]"),
        (MISSING, "[{}]"),
    ],
)
def test_an_operation_carries_its_partition_key_as_json_text(key, partition_key):
    (operation,) = orjson.loads(bulk_body([parcel(key, b'{"id":"1"}')]))
    assert operation == {
        "operationType": "Create",
        "partitionKey": partition_key,
        "resourceBody": {"id": "1"},
    }


def test_operations_come_in_the_order_of_parcels_and_bodies():
    body = bulk_body([parcel("a", b'{"id":"1"}', b'{"id":"2"}'), parcel("b", b'{"id":"3"}')])
    assert [(each["resourceBody"]["id"], each["partitionKey"]) for each in orjson.loads(body)] == [
        ("1", '["a"]'),
        ("2", '["a"]'),
        ("3", '["b"]'),
    ]


def test_documents_travel_byte_for_byte():
    document = '{"id":"1","v":1.10,"t":"\\u00e9é"}'.encode()
    assert document in bulk_body([parcel("a", document)])


def test_the_overhead_is_what_a_document_adds_beside_its_prefix():
    one, two = (parcel("a", *[b'{"id":"1"}'] * count) for count in (1, 2))
    added = len(bulk_body([two])) - len(bulk_body([one]))
    assert added == len(one.route.prefix) + len(b'{"id":"1"}') + OVERHEAD

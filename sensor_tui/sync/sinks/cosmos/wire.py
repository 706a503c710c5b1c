r"""The bulk request: operations put together, without decoding them, into what one POST carries.

As `@azure/cosmos` sends it: `POST /dbs/{database}/colls/{container}/docs`, a JSON array of
`{"operationType":"Create","partitionKey":"[\"London\"]","resourceBody":{…}}`, answered 207 with one
result per operation, in order. One request goes to one partition key range; the keys may differ. A
deletion is `{"operationType":"Delete","partitionKey":"[\"London\"]","id":"…"}`.
"""

from collections.abc import Sequence
from typing import Final

import orjson

from sensor_tui.sync.contract import Missing, Parcel
from sensor_tui.sync.sinks.cosmos.hashing import Key

MAX_OPERATIONS: Final = 100
"""Operations in one bulk request; one more is answered 400."""
MAX_BYTES: Final = 220_201
"""Bytes of operations in one bulk request, as all three SDKs have it; one larger document goes alone."""
OVERHEAD: Final = 2
"""Bytes beside prefix and document: the closing brace and a comma."""

RANGE_HEADER: Final = "x-ms-documentdb-partitionkeyrangeid"
KEY_HEADER: Final = "x-ms-documentdb-partitionkey"
INTENDED_HEADER: Final = "x-ms-cosmos-intended-collection-rid"
"""Resource id of the container that is meant: another one of its name answers 400/1024, and does nothing."""
BULK_HEADERS: Final = {
    "Content-Type": "application/json",
    "Prefer": "return=minimal",
    "x-ms-cosmos-allow-tentative-writes": "true",
    "x-ms-cosmos-batch-atomic": "false",
    "x-ms-cosmos-batch-continue-on-error": "true",
    "x-ms-cosmos-is-batch-request": "true",
    "x-ms-cosmos-sdk-supportedcapabilities": "1",
}
BATCH_HEADERS: Final = {
    "Content-Type": "application/json",
    "Prefer": "return=minimal",
    "x-ms-cosmos-batch-atomic": "true",
    "x-ms-cosmos-batch-continue-on-error": "false",
    "x-ms-cosmos-is-batch-request": "true",
}
"""A transactional batch: operations of one logical key, all of them or none."""
QUERY_HEADERS: Final = {
    "Content-Type": "application/query+json",
    "x-ms-documentdb-isquery": "true",
    "x-ms-documentdb-query-enablecrosspartition": "true",
}
"""A query that goes to one partition key range, and needs no merging with the answers of others."""


def key_text(key: Key) -> str:
    """A partition key as requests name it: a list of one, with an empty object for an absent value."""
    return orjson.dumps([{} if isinstance(key, Missing) else key]).decode()


def prefix_of(key: Key) -> bytes:
    """What comes before a document with this partition key; the key is JSON within a JSON string."""
    quoted = orjson.dumps(key_text(key))
    return b'{"operationType":"Create","partitionKey":' + quoted + b',"resourceBody":'


def delete_prefix_of(key: Key) -> bytes:
    """What comes before the id (as JSON) of a document with this partition key that is to be deleted."""
    quoted = orjson.dumps(key_text(key))
    return b'{"operationType":"Delete","partitionKey":' + quoted + b',"id":'


def bulk_body(parcels: Sequence[Parcel]) -> bytes:
    """The body of one request."""
    pieces = []
    for parcel in parcels:
        prefix = parcel.route.prefix
        pieces.append(prefix + (b"}," + prefix).join(parcel.bodies))
    return b"[" + b"},".join(pieces) + b"}]"

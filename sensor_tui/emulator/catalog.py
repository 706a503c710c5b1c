"""Databases, containers and their partition key ranges: what they are, kept in memory beside the file."""

import base64
from binascii import b2a_base64
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from sensor_tui.emulator.hashing import MAX_EPK, SPACE, V1, V2, boundary

Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Range:
    """One partition key range, from `low` up to `high` in the hash space; `minimum`, `maximum` in hex."""

    id: str
    low: int
    high: int
    version: int
    parents: tuple[str, ...] = ()
    lsn: int = 1
    minimum: str = field(init=False)
    maximum: str = field(init=False)

    def __post_init__(self) -> None:
        self.minimum = boundary(self.low, self.version)
        self.maximum = boundary(self.high, self.version)

    def holds(self, epk: str) -> bool:
        """Whether that effective partition key lies in this range."""
        return self.minimum <= epk < self.maximum


def even_ranges(count: int, version: int) -> list[Range]:
    """The hash space in `count` equal ranges, ids "0" upwards."""
    space = SPACE[version]
    edges = [space * number // count for number in range(count + 1)]
    return [Range(str(number), edges[number], edges[number + 1], version) for number in range(count)]


@dataclass(slots=True, eq=False)
class Database:
    """A database; `rid` is its 4 bytes in base64."""

    id: str
    rid: str
    etag: str
    ts: int

    @property
    def self_link(self) -> str:
        return f"dbs/{self.rid}/"

    def document(self) -> Json:
        """The resource as the service shows it."""
        return {
            "id": self.id,
            "_rid": self.rid,
            "_self": self.self_link,
            "_etag": self.etag,
            "_colls": "colls/",
            "_users": "users/",
            "_ts": self.ts,
        }


@dataclass(slots=True, eq=False)
class Container:
    """A container with its live ranges, in order of their keys. `lsn` counts its changes."""

    number: int
    database: Database
    id: str
    rid: str
    etag: str
    ts: int
    properties: Json
    lsn: int = 1
    next_range: int = 0
    ranges: list[Range] = field(default_factory=list)
    path: tuple[str, ...] = field(init=False)
    version: int = field(init=False)
    rid_bytes: bytes = field(init=False)
    _minimums: list[str] = field(init=False)
    _by_id: dict[str, Range] = field(init=False)

    def __post_init__(self) -> None:
        definition = self.properties["partitionKey"]
        self.path = tuple(definition["paths"][0].strip("/").replace('"', "").split("/"))
        self.version = V2 if definition.get("version", V1) == V2 else V1
        self.rid_bytes = rid_to_bytes(self.rid)
        self.set_ranges(self.ranges)

    def set_ranges(self, ranges: list[Range]) -> None:
        """Replace the live ranges."""
        self.ranges = sorted(ranges, key=lambda one: one.low)
        self._minimums = [one.minimum for one in self.ranges]
        self._by_id = {one.id: one for one in self.ranges}

    @property
    def self_link(self) -> str:
        return f"dbs/{self.database.rid}/colls/{self.rid}/"

    def range_of(self, epk: str) -> Range:
        """The live range that holds an effective partition key."""
        return self.ranges[bisect_right(self._minimums, epk) - 1]

    def range_by_id(self, range_id: str) -> Range | None:
        """The live range of that id, None when there is none (any more)."""
        return self._by_id.get(range_id)

    def overlapping(self, minimum: str, maximum: str) -> list[Range]:
        """Live ranges that share keys with [minimum, maximum)."""
        return [
            one
            for one in self.ranges
            if (one.minimum < maximum or maximum == MAX_EPK) and minimum < one.maximum
        ]

    def document(self) -> Json:
        """The resource as the service shows it."""
        link = self.self_link
        return {
            "id": self.id,
            **self.properties,
            "_rid": self.rid,
            "_ts": self.ts,
            "_self": link,
            "_etag": self.etag,
            "_docs": "docs/",
            "_sprocs": "sprocs/",
            "_triggers": "triggers/",
            "_udfs": "udfs/",
            "_conflicts": "conflicts/",
        }

    def range_document(self, one: Range) -> Json:
        """A partition key range as the service shows it."""
        rid = child_rid(self.rid_bytes, int(one.id) + 1, 0x50)
        return {
            "_rid": rid,
            "id": one.id,
            "_etag": f'"{one.lsn:08x}-0000-0000-0000-000000000000"',
            "minInclusive": one.minimum,
            "maxExclusive": one.maximum,
            "ridPrefix": int(one.id),
            "_self": f"{self.self_link}pkranges/{rid}/",
            "throughputFraction": 1 / len(self.ranges),
            "status": "online",
            "parents": list(one.parents),
            "ownedArchivalPKRangeIds": [],
            "_ts": self.ts,
            "lsn": one.lsn,
        }


def encode_rid(raw: bytes) -> str:
    """Resource ids are base64 with `-` for `/`, so that they can stand in a path."""
    return b2a_base64(raw, newline=False).decode().replace("/", "-")


def rid_to_bytes(rid: str) -> bytes:
    """The bytes of a resource id."""
    return base64.b64decode(rid.replace("-", "/"))


def database_rid(number: int) -> str:
    """The resource id of the database with that number (4 bytes)."""
    return encode_rid((0x10000000 | number).to_bytes(4, "little"))


def container_rid(database: str, number: int) -> str:
    """The resource id of a container (8 bytes, the first 4 the database's)."""
    return encode_rid(rid_to_bytes(database) + (0x80000000 | number).to_bytes(4, "big"))


def child_rid(container: bytes, number: int, kind: int = 0) -> str:
    """The resource id of something in a container (16 bytes): documents have kind 0, ranges 0x50."""
    return encode_rid(container + (number | kind << 56).to_bytes(8, "little"))

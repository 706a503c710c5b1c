"""Results that have to be complete before the first page goes out: sorted, grouped or distinct rows.

They wait in temporary tables of SQLite, which sorts them and spills to disk, so memory stays bounded. A page
is named by its cursor and position; a cursor that was forgotten is made again from its query.
"""

import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import orjson

from sensor_tui.emulator.query.evaluate import ARRAY, BOOLEAN, NUMBER, OBJECT, STRING, kind_of

KEPT = 16

SortRow = tuple[bytes, int, int, bytes | None]
"""(sort key, which of the ranges asked, seq, finished row or None to make it from the document)."""

Entry = tuple[int, int, bytes | None]


def sort_key(values: Iterable[tuple[Any, bool]]) -> bytes:
    """Bytes that sort as the values do, type first; each with whether it is descending."""
    return b"".join(_inverted(_sortable(value)) if down else _sortable(value) for value, down in values)


def _sortable(value: Any) -> bytes:
    kind = kind_of(value)
    mark = bytes((kind,))
    if kind == BOOLEAN:
        return mark + (b"\x01" if value else b"\x00")
    if kind == NUMBER:
        (bits,) = struct.unpack(">Q", struct.pack(">d", value))
        return mark + struct.pack(">Q", bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 1 << 63))
    if kind == STRING:
        return mark + bytes(value, "utf-8").replace(b"\x00", b"\x00\xff") + b"\x00\x00"
    if kind in {ARRAY, OBJECT}:
        return mark + orjson.dumps(value, option=orjson.OPT_SORT_KEYS) + b"\x00\x00"
    return mark


_FLIP = bytes(255 - value for value in range(256))


def _inverted(key: bytes) -> bytes:
    return key.translate(_FLIP)


class Sorter:
    """Collects rows, then puts them in order."""

    def __init__(self, db: sqlite3.Connection, number: int) -> None:
        self._db = db
        self._number = number
        self._rows: list[SortRow] = []
        db.execute(f"CREATE TEMP TABLE sort_{number} (key BLOB, part INTEGER, seq INTEGER, row BLOB)")

    def add(self, row: SortRow) -> None:
        """Take one row in."""
        self._rows.append(row)

    def flush(self) -> None:
        """Hand the rows taken in so far to SQLite."""
        if not self._rows:
            return
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(f"INSERT INTO temp.sort_{self._number} VALUES (?, ?, ?, ?)", self._rows)
        self._rows = []

    def finish(self, most: int | None) -> None:
        """Put the first `most` rows in order, as the cursor's table."""
        self.flush()
        table = f"temp.cursor_{self._number}"
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                f"CREATE TABLE {table} (at INTEGER PRIMARY KEY, part INTEGER, seq INTEGER, row BLOB)"
            )
            self._db.execute(
                f"INSERT INTO {table} (part, seq, row) "
                f"SELECT part, seq, row FROM temp.sort_{self._number} ORDER BY key, part, seq LIMIT ?",
                (-1 if most is None else most,),
            )
            self._db.execute(f"DROP TABLE temp.sort_{self._number}")

    def drop(self) -> None:
        """Forget a collection that was not finished."""
        self._db.execute(f"DROP TABLE IF EXISTS temp.sort_{self._number}")


class Cursors:
    """The results kept, the least recently used forgotten first."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def sorter(self) -> tuple[int, Sorter]:
        """Start a new result; its number."""
        self._numbers += 1
        return self._numbers, Sorter(self._db, self._numbers)

    def keep(self, number: int, query: bytes) -> None:
        """Keep a finished result for the pages of that query."""
        self._kept[number] = query
        if len(self._kept) > KEPT:
            self.drop(next(iter(self._kept)))

    def has(self, number: int, query: bytes) -> bool:
        """Whether a result is still there, and is that query's."""
        if self._kept.get(number) != query:
            return False
        self._kept.move_to_end(number)
        return True

    def page(self, number: int, start: int, count: int) -> list[Entry]:
        """Rows (part, seq, row) from a position on."""
        found = self._db.execute(
            f"SELECT part, seq, row FROM temp.cursor_{number} WHERE at > ? ORDER BY at LIMIT ?",
            (start, count),
        )
        return found.fetchall()

    def drop(self, number: int) -> None:
        """Forget a result."""
        self._kept.pop(number, None)
        self._db.execute(f"DROP TABLE IF EXISTS temp.cursor_{number}")

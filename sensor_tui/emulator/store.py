"""The endpoint's SQLite file: one table for each partition key range, one transaction for each request.

WAL with synchronous=OFF: a commit is in the operating system's hands before it is answered, so an
acknowledged write survives the death of this process (not the loss of power, which nobody asks of an
emulator).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from sensor_tui.emulator.catalog import Container, Database, Json, Range, container_rid, database_rid
from sensor_tui.emulator.hashing import effective_key
from sensor_tui.errors import StorageError

FORMAT = 1
"""`PRAGMA user_version` of the file."""

_SCHEMA = """
CREATE TABLE databases (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, rid TEXT, etag TEXT, ts
INTEGER); CREATE TABLE containers (
  number INTEGER PRIMARY KEY AUTOINCREMENT, db TEXT, id TEXT, rid TEXT, etag TEXT, ts INTEGER,
  properties BLOB, lsn INTEGER, next_range INTEGER, UNIQUE (db, id)
);
CREATE TABLE ranges (
  container INTEGER, id TEXT, low TEXT, high TEXT, parents TEXT, lsn INTEGER, PRIMARY KEY (container, id)
) WITHOUT ROWID;
CREATE TABLE offers (rid TEXT PRIMARY KEY, resource_rid TEXT, resource TEXT, content BLOB, etag TEXT, ts
INTEGER);
"""

Row = tuple[int, bytes]


@dataclass(slots=True)
class Transaction:
    """One transaction; with `undo` set it ends as if it had not been."""

    undo: bool = False


class Shelf:
    """The documents of one range: rows (seq, id, pk, body); `seq` grows with every insert of the store."""

    __slots__ = ("_count", "_db", "_delete", "_get", "_insert", "_keyed", "_scan", "_update", "table")

    def __init__(self, db: sqlite3.Connection, table: str) -> None:
        self._db = db
        self.table = table
        self._insert = f'INSERT OR IGNORE INTO "{table}" VALUES (?, ?, ?, ?)'
        self._get = f'SELECT seq, body FROM "{table}" WHERE pk = ? AND id = ?'
        self._update = f'UPDATE "{table}" SET body = ? WHERE seq = ?'
        self._delete = f'DELETE FROM "{table}" WHERE seq = ?'
        self._scan = f'SELECT seq, pk, body FROM "{table}" WHERE seq > ? ORDER BY seq LIMIT ?'
        self._keyed = f'SELECT seq, pk, body, id FROM "{table}" WHERE pk = ? AND id > ? ORDER BY id LIMIT ?'
        self._count = f'SELECT count(*) FROM "{table}"'

    def create(self) -> None:
        """Make the table."""
        self._db.execute(
            f'CREATE TABLE "{self.table}" '
            "(seq INTEGER PRIMARY KEY, id TEXT NOT NULL, pk TEXT NOT NULL, body BLOB NOT NULL)"
        )
        self._db.execute(f'CREATE UNIQUE INDEX "{self.table}_key" ON "{self.table}" (pk, id)')

    def drop(self) -> None:
        """Remove the table."""
        self._db.execute(f'DROP TABLE IF EXISTS "{self.table}"')

    def insert_many(self, rows: list[tuple[int, str, str, bytes]]) -> int:
        """Add documents (seq, id, pk, body) whose id is free in its logical partition; how many that were."""
        return self._db.executemany(self._insert, rows).rowcount

    def get(self, pk: str, document_id: str) -> Row | None:
        """A document's (seq, body)."""
        row: Row | None = self._db.execute(self._get, (pk, document_id)).fetchone()
        return row

    def update(self, seq: int, body: bytes) -> None:
        """Replace a document's body."""
        self._db.execute(self._update, (body, seq))

    def delete(self, seq: int) -> None:
        """Remove a document."""
        self._db.execute(self._delete, (seq,))

    def scan(self, after: int, limit: int) -> list[tuple[int, str, bytes]]:
        """Up to `limit` rows (seq, pk, body) after `seq`, in order of their creation."""
        return self._db.execute(self._scan, (after, limit)).fetchall()

    def scan_key(self, pk: str, after: str, limit: int) -> list[tuple[int, str, bytes, str]]:
        """Up to `limit` rows (seq, pk, body, id) of one logical partition, in order of their ids."""
        return self._db.execute(self._keyed, (pk, after, limit)).fetchall()

    def bodies(self, sequence: list[int]) -> dict[int, bytes]:
        """The bodies of those rows that still exist."""
        marks = ",".join("?" * len(sequence))
        found = self._db.execute(f'SELECT seq, body FROM "{self.table}" WHERE seq IN ({marks})', sequence)
        return dict(found.fetchall())

    def count(self, pk: str | None = None) -> int:
        """How many documents there are, in all or in one logical partition."""
        if pk is None:
            row = self._db.execute(self._count).fetchone()
        else:
            row = self._db.execute(f"{self._count} WHERE pk = ?", (pk,)).fetchone()
        return int(row[0])


class Store:
    """Everything the endpoint remembers. Used by one thread."""

    def __init__(self, path: str) -> None:
        """Open or make the file.

        Raises:
            StorageError: it cannot be opened, or is not ours.
        """
        self.path = path
        self.databases: dict[str, Database] = {}
        self.containers: dict[tuple[str, str], Container] = {}
        self._shelves: dict[tuple[int, str], Shelf] = {}
        try:
            if path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, isolation_level=None, cached_statements=512, timeout=1.0)
        except (sqlite3.Error, OSError) as error:
            raise _unusable(path, error) from None
        try:
            self._open()
            self._load()
        except sqlite3.Error as error:
            self.db.close()
            raise _unusable(path, error) from None
        self._seq = self._highest()

    def _open(self) -> None:
        """Make sure of the file before anything in it is changed."""
        # Two endpoints on one file would not see each other's containers: the second is refused.
        self.db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        (tables,) = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version == 0 and tables:
            raise sqlite3.DatabaseError("it holds something else")
        if version not in {0, FORMAT}:
            raise sqlite3.DatabaseError(f"its format is {version}, this version reads {FORMAT}")
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = OFF")
        self.db.execute("PRAGMA wal_autocheckpoint = 8000")
        self.db.execute("PRAGMA cache_size = -32768")
        self.db.execute("PRAGMA temp_store = FILE")
        if version == 0:
            self.db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")

    def _load(self) -> None:
        for one_id, rid, etag, ts in self.db.execute(
            "SELECT id, rid, etag, ts FROM databases ORDER BY number"
        ):
            self.databases[one_id] = Database(one_id, rid, etag, ts)
        for row in self.db.execute("SELECT * FROM containers ORDER BY number").fetchall():
            number, db, one_id, rid, etag, ts, properties, lsn, next_range = row
            self.containers[db, one_id] = Container(
                number, self.databases[db], one_id, rid, etag, ts,
                orjson.loads(properties), lsn, next_range,
            )  # fmt: skip
        for container in self.containers.values():
            found = self.db.execute(
                "SELECT id, low, high, parents, lsn FROM ranges WHERE container = ?", (container.number,)
            )
            container.set_ranges(
                [
                    Range(range_id, int(low), int(high), container.version, tuple(orjson.loads(parents)), lsn)
                    for range_id, low, high, parents, lsn in found
                ]
            )

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Everything inside is written together, or not at all."""
        work = Transaction()
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield work
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("ROLLBACK" if work.undo else "COMMIT")

    def next_seq(self) -> int:
        """The next number of a document; never given twice while documents of it exist."""
        self._seq += 1
        return self._seq

    def _highest(self) -> int:
        highest = 0
        for container in self.containers.values():
            for one in container.ranges:
                (last,) = self.db.execute(
                    f'SELECT max(seq) FROM "{self.shelf(container, one).table}"'
                ).fetchone()
                highest = max(highest, last or 0)
        return highest

    def shelf(self, container: Container, one: Range) -> Shelf:
        """The documents of a range."""
        key = (container.number, one.id)
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf(self.db, f"docs_{container.number}_{one.id}")
        return shelf

    def add_database(self, database_id: str, etag: str, ts: int) -> Database:
        """Make a database."""
        with self.transaction():
            row = self.db.execute(
                "INSERT INTO databases (id, etag, ts) VALUES (?, ?, ?) RETURNING number",
                (database_id, etag, ts),
            ).fetchone()
            rid = database_rid(row[0])
            self.db.execute("UPDATE databases SET rid = ? WHERE number = ?", (rid, row[0]))
        database = self.databases[database_id] = Database(database_id, rid, etag, ts)
        return database

    def drop_database(self, database: Database) -> list[Container]:
        """Remove a database and all in it; the containers removed."""
        gone = [one for one in self.containers.values() if one.database is database]
        with self.transaction():
            for container in gone:
                self._drop_container(container)
            self.db.execute("DELETE FROM databases WHERE id = ?", (database.id,))
            self.db.execute("DELETE FROM offers WHERE resource_rid = ?", (database.rid,))
        for container in gone:
            del self.containers[container.database.id, container.id]
        del self.databases[database.id]
        return gone

    def add_container(
        self,
        database: Database,
        container_id: str,
        properties: Json,
        ranges: list[Range],
        *,
        etag: str,
        ts: int,
    ) -> Container:
        """Make a container with its ranges."""
        with self.transaction():
            (number,) = self.db.execute(
                "INSERT INTO containers (db, id, etag, ts, properties, lsn, next_range) VALUES "
                "(?,?,?,?,?,?,?) RETURNING number",
                (database.id, container_id, etag, ts, orjson.dumps(properties), 1, len(ranges)),
            ).fetchone()
            rid = container_rid(database.rid, number)
            self.db.execute("UPDATE containers SET rid = ? WHERE number = ?", (rid, number))
            container = Container(
                number, database, container_id, rid, etag, ts, properties, 1, len(ranges), list(ranges)
            )
            for one in ranges:
                self._add_range(container, one)
        self.containers[database.id, container_id] = container
        return container

    def _add_range(self, container: Container, one: Range) -> None:
        self.db.execute(
            "INSERT INTO ranges VALUES (?, ?, ?, ?, ?, ?)",
            (
                container.number,
                one.id,
                str(one.low),
                str(one.high),
                orjson.dumps(one.parents).decode(),
                one.lsn,
            ),
        )
        self.shelf(container, one).create()

    def _drop_range(self, container: Container, one: Range) -> None:
        self.db.execute("DELETE FROM ranges WHERE container = ? AND id = ?", (container.number, one.id))
        self.shelf(container, one).drop()
        del self._shelves[container.number, one.id]

    def replace_container(self, container: Container, properties: Json, *, etag: str, ts: int) -> None:
        """Change what can be changed of a container."""
        with self.transaction():
            self.db.execute(
                "UPDATE containers SET properties = ?, etag = ?, ts = ? WHERE number = ?",
                (orjson.dumps(properties), etag, ts, container.number),
            )
        container.properties, container.etag, container.ts = properties, etag, ts

    def drop_container(self, container: Container) -> None:
        """Remove a container and its documents."""
        with self.transaction():
            self._drop_container(container)
        del self.containers[container.database.id, container.id]

    def _drop_container(self, container: Container) -> None:
        for one in container.ranges:
            self._drop_range(container, one)
        self.db.execute("DELETE FROM containers WHERE number = ?", (container.number,))
        self.db.execute("DELETE FROM offers WHERE resource_rid = ?", (container.rid,))

    def split(self, container: Container, parent: Range) -> tuple[Range, Range]:
        """Split a range in the middle of its hash space: its documents move to two children."""
        lsn = container.lsn + 1
        middle = (parent.low + parent.high) // 2
        parents = (*parent.parents, parent.id)
        first, second = str(container.next_range), str(container.next_range + 1)
        left = Range(first, parent.low, middle, container.version, parents, lsn)
        right = Range(second, middle, parent.high, container.version, parents, lsn)
        shelf = self.shelf(container, parent)
        with self.transaction():
            for child in (left, right):
                self._add_range(container, child)
            self.db.create_function(
                "lies_left",
                1,
                lambda pk: left.holds(effective_key(pk, container.version)),
                deterministic=True,
            )
            for child, wanted in ((left, 1), (right, 0)):
                self.db.execute(
                    f'INSERT INTO "{self.shelf(container, child).table}" '
                    f'SELECT * FROM "{shelf.table}" WHERE lies_left(pk) = ? ORDER BY seq',
                    (wanted,),
                )
            self._drop_range(container, parent)
            self.db.execute(
                "UPDATE containers SET lsn = ?, next_range = ? WHERE number = ?",
                (lsn, container.next_range + 2, container.number),
            )
        container.lsn = lsn
        container.next_range += 2
        container.set_ranges([left, right, *(one for one in container.ranges if one is not parent)])
        return left, right

    def offer(self, resource_rid: str) -> Json | None:
        """The throughput of a resource, None where it has none of its own."""
        return next(iter(self.offers("WHERE resource_rid = ?", resource_rid)), None)

    def offers(self, where: str = "", *values: str) -> list[Json]:
        """Every offer, or those a WHERE clause of ours names."""
        found = self.db.execute(
            f"SELECT rid, resource_rid, resource, content, etag, ts FROM offers {where}", values
        )
        return [
            {
                "resource": resource,
                "offerType": "Invalid",
                "offerResourceId": resource_rid,
                "offerVersion": "V2",
                "content": orjson.loads(content),
                "id": rid,
                "_rid": rid,
                "_self": f"offers/{rid}/",
                "_etag": etag,
                "_ts": ts,
            }
            for rid, resource_rid, resource, content, etag, ts in found
        ]

    def put_offer(
        self, rid: str, resource_rid: str, resource: str, content: Json, *, etag: str, ts: int
    ) -> None:
        """Write the throughput of a resource."""
        with self.transaction():
            self.db.execute(
                "INSERT OR REPLACE INTO offers VALUES (?, ?, ?, ?, ?, ?)",
                (rid, resource_rid, resource, orjson.dumps(content), etag, ts),
            )


def _unusable(path: str, error: Exception) -> StorageError:
    return StorageError(
        f"The endpoint's file {path} cannot be used: {error}",
        fix="Give --data another path, or move that file away",
    )

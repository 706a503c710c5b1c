"""The table `sensor_readings` as one file has it, and the SQL made for it.

Every statement meant for a sensor's file finishes in one `sqlite3_step`: what it finds is copied into
a temporary table first (`answer`, `batch`), so that the file's lock is let go inside SQLite, before
Python gets its turn. A statement that hands rows to Python holds the lock while Python waits for the
interpreter, which on a busy process is milliseconds per row.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sensor_tui.errors import SourceFileError
from sensor_tui.model.reading import ReadingSchema, schema_of

TABLE: Final = "sensor_readings"
INDEX: Final = "sensor_tui_open"
OPEN: Final = "(synced = 0 OR synced IS NULL)"
"""What "open" means, the same text in index and query: SQLite uses a partial index only for it."""

_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FileSchema:
    """Columns of one file and the statements for it; `definition` tells a changed table from the same one."""

    reading: ReadingSchema
    definition: str
    indexed: bool
    indexable: bool
    """True when the row id is the primary key, so that a partial index can be made on it."""
    row_id: str
    time: str
    sensor: str
    open: str

    @property
    def table(self) -> str:
        """The table with its schema, safe beside temporary tables."""
        return f"main.{TABLE}"

    @property
    def make_batch(self) -> str:
        """The temporary table that windows are copied to; without types, so that values stay as stored."""
        columns = ", ".join(f"c{index}" for index in range(len(self.reading.columns)))
        return f"CREATE TEMP TABLE batch ({columns}, same)"

    def window(self, repeated: Sequence[int] = ()) -> str:
        """Copy open rows with an id in (:low, :high], ascending, at most :limit.

        None at all when row :row is there with another time than :time. Columns in `repeated` are not copied
        but compared with :r0, :r1, … (by index); `same` says whether all of them were equal.
        """
        names = [self.row_id, *map(quote, self.reading.columns[1:])]
        copied = [index for index in range(len(names)) if index not in repeated]
        into = ", ".join([*(f"c{index}" for index in copied), "same"])
        columns = ", ".join(names[index] for index in copied)
        same = " AND ".join(f"{names[index]} COLLATE BINARY IS :r{index}" for index in repeated) or "1"
        return (
            f"INSERT INTO temp.batch ({into}) SELECT {columns}, {same} FROM {self.table} NOT INDEXED"
            f" WHERE {self.row_id} > :low AND {self.row_id} <= :high AND {self.open}"
            f" AND coalesce(({self._anchor}), 1) ORDER BY {self.row_id} LIMIT :limit"
        )

    @property
    def count(self) -> str:
        """Number of open rows with an id in (?, ?], and the first of them."""
        return (
            f"SELECT count(*), min({self.row_id}) FROM {self.table} {self._hint}"
            f" WHERE {self.row_id} > ? AND {self.row_id} <= ? AND {self.open}"
        )

    @property
    def next_row(self) -> str:
        """The first id above ? that there is; the first open one where an index knows it."""
        if self.indexed:
            return f"{self.first_above.replace(self.table, f'{self.table} {self._hint}')} AND {self.open}"
        return self.first_above

    @property
    def first_above(self) -> str:
        """The first id above ?."""
        return f"SELECT min({self.row_id}) FROM {self.table} WHERE {self.row_id} > ?"

    @property
    def ends(self) -> str:
        """First and last id, and whether row :row still carries the time :time (None without that row)."""
        return (
            f"SELECT (SELECT min({self.row_id}) FROM {self.table}),"
            f" (SELECT max({self.row_id}) FROM {self.table}), ({self._anchor})"
        )

    @property
    def facts(self) -> str:
        """Time and sensor of row ?."""
        return f"SELECT {self.time}, {self.sensor} FROM {self.table} WHERE {self.row_id} = ?"

    @property
    def mark_run(self) -> str:
        """Close a run of rows in one statement, or none: count and both ends must be as they were read.

        One statement, and not a transaction of several, because the write lock is then held for as long
        as SQLite works and not for as long as Python waits between statements.
        """
        run = f"{self.row_id} BETWEEN :first AND :last AND {self.open}"
        return (
            f"UPDATE {self.table} NOT INDEXED SET synced = :value WHERE {run}"
            f" AND (SELECT {self._same_time(':first_time')} FROM {self.table} WHERE {self.row_id} = :first)"
            f" AND (SELECT {self._same_time(':last_time')} FROM {self.table} WHERE {self.row_id} = :last)"
            f" AND (SELECT count(*) FROM {self.table} WHERE {run}) = :count"
        )

    @property
    def mark_each(self) -> str:
        """Close the rows listed in the temporary table `marks`, each only with the time it was read with.

        The ids are asked for twice: left to the join alone, SQLite would go through the whole table.
        """
        return (
            f"UPDATE {self.table} NOT INDEXED SET synced = marks.value FROM temp.marks"
            f" WHERE {TABLE}.{self.row_id} IN (SELECT id FROM temp.marks)"
            f" AND marks.id = {TABLE}.{self.row_id} AND {self.open} AND {self._same_time('marks.time')}"
        )

    @property
    def reopen(self) -> str:
        """Open row ? again, only where it is a dead letter."""
        return f"UPDATE {self.table} SET synced = 0 WHERE {self.row_id} = ? AND synced = -1"

    @property
    def reopen_span(self) -> str:
        """Open every row with an id in (?, ?]."""
        return (
            f"UPDATE {self.table} SET synced = 0"
            f" WHERE {self.row_id} > ? AND {self.row_id} <= ? AND NOT {self.open}"
        )

    @property
    def make_index(self) -> str:
        """The partial index over open rows; with `synced` in it, counting need not look at the rows."""
        return f"CREATE INDEX main.{INDEX} ON {TABLE} ({self.row_id}, synced) WHERE {OPEN}"

    @property
    def _anchor(self) -> str:
        return f"SELECT {self._same_time(':time')} FROM {self.table} WHERE {self.row_id} = :row"

    @property
    def _hint(self) -> str:
        return f"INDEXED BY {INDEX}" if self.indexed else "NOT INDEXED"

    def _same_time(self, other: str) -> str:
        """Whether the row's time is `other`; undecodable text was read as bytes and is compared as such."""
        if self.time == "NULL":
            return "1"
        return (
            f"({self.time} IS {other} OR (typeof({self.time}) = 'text' AND typeof({other}) = 'blob'"
            f" AND CAST({self.time} AS BLOB) = {other}))"
        )


def quote(identifier: str) -> str:
    """An identifier as SQL, whatever it holds.

    Not in double quotes: in those, SQLite takes the name of a column that is gone for a text.
    """
    return "`" + identifier.replace("`", "``") + "`"


def span_end(start: int, span: int) -> int:
    """Last id of a span of that many ids above `start`, within what SQLite can hold."""
    return min(start + span, _LARGEST)


DEFINITION: Final = (
    f"SELECT group_concat(type || coalesce(sql, '')) FROM"
    f" (SELECT type, sql FROM main.sqlite_master WHERE name IN ('{TABLE}', '{INDEX}') ORDER BY type DESC)"
)
"""How table and index are defined now; NULL when there is no table."""


def read_schema(connection: sqlite3.Connection, definition: str | None) -> FileSchema:
    """The schema of an open file whose `DEFINITION` has just been read.

    Raises:
        SourceFileError: no such table, a view, or a table without row ids.
    """
    if definition is None or not definition.startswith(("table", "view")):
        raise SourceFileError(
            f"has no table {TABLE}", fix="Check that a sensor writes it, or keep it out of the data folder"
        )
    if definition.startswith("view"):
        raise SourceFileError(
            f"{TABLE} is a view, not a table", fix="Point to the database that holds the table itself"
        )
    table = connection.execute(f"PRAGMA main.table_info({TABLE})").fetchall()
    names = [str(name) for _, name, *_ in table]
    key = [(str(name), str(kind)) for _, name, kind, _, _, position in table if position]
    primary = len(key) == 1 and key[0][0].lower() == "id" and key[0][1].upper() == "INTEGER"
    alias = _row_id_alias(connection, names)
    row_id = quote(key[0][0]) if primary else alias
    data = names if not primary else [name for name in names if name.lower() != "id"]
    reading = schema_of(("id", *data))
    return FileSchema(
        reading=reading,
        definition=definition,
        indexed=reading.has_synced and primary and OPEN in definition,
        indexable=reading.has_synced and primary,
        row_id=row_id,
        time=_column(reading, reading.timestamp),
        sensor=_column(reading, reading.sensor_id),
        open=OPEN if reading.has_synced else "1",
    )


def _column(reading: ReadingSchema, index: int | None) -> str:
    return "NULL" if index is None else quote(reading.columns[index])


def _row_id_alias(connection: sqlite3.Connection, names: list[str]) -> str:
    taken = {name.lower() for name in names}
    for alias in ("rowid", "_rowid_", "oid"):
        if alias in taken:
            continue
        try:
            connection.execute(f"SELECT {alias} FROM main.{TABLE} LIMIT 0").close()
        except sqlite3.OperationalError as error:
            if "no such column" not in str(error):
                raise
            break
        return alias
    raise SourceFileError(
        f"{TABLE} has no row ids (WITHOUT ROWID)",
        fix="Its readings cannot be followed; give it an INTEGER PRIMARY KEY id",
    )

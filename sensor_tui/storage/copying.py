"""A copy of a sensor's file, made in steps short enough for the sensor that goes on writing it.

Row by row, and not with SQLite's backup: that begins anew whenever another process writes, and with a sensor
that writes ten times a second it would never end.
"""

import os
import sqlite3
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote as percent

from sensor_tui.storage.files import decode
from sensor_tui.storage.schema import quote
from sensor_tui.storage.tracked import READ_TARGET, Pace

_BUSY_MILLISECONDS: Final = 50
_FIRST_ROWS: Final = 250
_LEAST_REST: Final = 0.004
_MOST_REST: Final = 0.05
_LEAST_ID: Final = -(2**63)


@dataclass(slots=True)
class _Table:
    """A table on its way."""

    name: str
    columns: str
    row_id: str
    """What its rows are told apart by; empty where it has none."""
    at: int = _LEAST_ID
    copied: int = 0


class Copier:
    """Copies tables, then views and indexes. Used by one thread at a time; every step is short."""

    def __init__(self, path: str, target: str) -> None:
        """Begin the copy, with tables that are empty yet.

        Raises:
            sqlite3.Error: as it comes.
        """
        self.copy = sqlite3.connect(
            f"file:{percent(os.fsencode(target))}?mode=rwc",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        """The connection to the copy."""
        try:
            self._prepare(path)
        except BaseException:
            self.copy.close()
            raise

    def step(self) -> float | None:
        """Copy on; the seconds that the sensor is due before the next step, None when all is done.

        Raises:
            sqlite3.Error: as it comes.
        """
        while self._tables:
            if self._copy_rows(self._tables[0]):
                return min(_MOST_REST, max(_LEAST_REST, 2 * self._held))
            self._tables.popleft()
        for sql in self._others:
            with suppress(sqlite3.Error):  # a view or an index of what was not copied
                self.copy.execute(sql).close()
        self._others.clear()
        return None

    def close(self) -> None:
        """Let go of both files."""
        self.copy.close()

    def _prepare(self, path: str) -> None:
        copy = self.copy
        copy.text_factory = decode
        for pragma in (
            "journal_mode=OFF",
            "synchronous=OFF",
            "ignore_check_constraints=ON",
            "trusted_schema=OFF",
            f"busy_timeout={_BUSY_MILLISECONDS}",
        ):
            copy.execute(f"PRAGMA {pragma}").close()
        copy.execute("ATTACH ? AS sensor", (f"file:{percent(os.fsencode(path))}?mode=ro",)).close()
        copy.execute(
            "CREATE TEMP TABLE objects AS SELECT type, name, sql FROM sensor.sqlite_master"
            " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).close()
        objects = copy.execute("SELECT type, name, sql FROM temp.objects ORDER BY rowid").fetchall()
        copy.execute("DROP TABLE temp.objects").close()
        self._others = [str(sql) for kind, _, sql in objects if kind in {"view", "index"}]
        self._tables = deque(
            self._table(str(name)) for kind, name, sql in objects if kind == "table" and self._make(str(sql))
        )
        self._pace = Pace(_FIRST_ROWS, least=20, most=4000, target=READ_TARGET)
        self._held = 0.0

    def _make(self, sql: str) -> bool:
        """Make an empty table like one of the sensor's; False where it cannot be made here."""
        if sql[:20].upper().startswith("CREATE VIRTUAL"):
            return False
        try:
            self.copy.execute(sql).close()
        except sqlite3.Error:
            return False
        return True

    def _table(self, name: str) -> _Table:
        table = self.copy.execute(
            "SELECT name, pk, type FROM pragma_table_xinfo(?) WHERE hidden = 0", (name,)
        )
        facts = table.fetchall()
        columns = [quote(str(column)) for column, *_ in facts]
        row_id = self._row_id(name, {str(column).lower() for column, *_ in facts})
        keys = [str(kind).upper() for _, position, kind in facts if position]
        if row_id and keys != ["INTEGER"]:
            columns.append(row_id)  # otherwise it is one of the columns
        return _Table(quote(name), ", ".join(columns), row_id)

    def _row_id(self, name: str, taken: set[str]) -> str:
        for alias in ("rowid", "_rowid_", "oid"):
            if alias in taken:
                continue
            try:
                self.copy.execute(f"SELECT {alias} FROM main.{quote(name)} LIMIT 0").close()
            except sqlite3.OperationalError:
                return ""
            return alias
        return ""

    def _copy_rows(self, table: _Table) -> bool:
        """Copy the next rows of a table, in one statement; False when there are no more."""
        limit = self._pace.limit
        select = f"SELECT {table.columns} FROM sensor.{table.name}"
        if table.row_id:
            select += f" WHERE {table.row_id} > ? ORDER BY {table.row_id} LIMIT ?"
            values = (table.at, limit)
        else:
            select += " LIMIT ? OFFSET ?"
            values = (limit, table.copied)
        began = time.perf_counter()
        cursor = self.copy.execute(f"INSERT INTO main.{table.name} ({table.columns}) {select}", values)
        self._held = time.perf_counter() - began
        rows = cursor.rowcount
        cursor.close()
        self._pace.observe(rows, self._held)
        table.copied += rows
        if rows and table.row_id:
            (table.at,) = self.copy.execute(f"SELECT max({table.row_id}) FROM main.{table.name}").fetchone()
        return rows == limit

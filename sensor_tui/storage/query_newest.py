"""The newest readings of a sensor's file, whole rows, in statements that never keep the sensor waiting."""

import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sensor_tui.errors import SourceFileError
from sensor_tui.storage.files import explain, replaced
from sensor_tui.storage.latest import LeanConnection
from sensor_tui.storage.query_owner import EVERYBODY, Owner, Whose
from sensor_tui.storage.schema import quote
from sensor_tui.storage.series import SeriesConnection, time_of
from sensor_tui.storage.tracked import READ_TARGET, Pace

T = TypeVar("T")

_LEAST_REST: Final = 0.004
_MOST_REST: Final = 0.05
_MOST_SPAN: Final = 50_000
"""Row ids that one statement spans."""
_LOOKS: Final = 8
"""Places of a file that are looked at for the sensors it has."""
_LOOK_SPAN: Final = 1000


@dataclass(frozen=True, slots=True)
class Newest:
    """What the newest row of a file says; times in seconds since the epoch."""

    sensor_id: str | None
    time: float | None


class NewestReader:
    """Reads one file backwards. Its methods are for a thread, one at a time.

    Args:
        key: the file's name for people.
        path: where it is.
        whose: which rows of it are meant.
    """

    def __init__(self, key: str, path: str, whose: Whose = EVERYBODY) -> None:
        """Open the file.

        Raises:
            SourceFileError, FileBusy: it cannot be used now.
        """
        self._key = key
        self._path = path
        self._open: _RowConnection | None = self._guarded(lambda: _RowConnection(path))
        self._inode = self._open.inode
        self.columns = self._open.schema.reading.columns
        """Columns of its rows."""
        self._pace = Pace(200, least=20, most=2000, target=READ_TARGET)
        self._span = Pace(1000, least=100, most=_MOST_SPAN, target=READ_TARGET)
        self._low = self._high = 0
        self._since, self._until = -math.inf, math.inf
        self._whose = whose

    def newest(self) -> Newest:
        """What its newest row says."""
        return self._guarded(self._newest)

    def owners_step(self, part: int) -> tuple[list[Owner], float] | None:
        """Whose rows a place of the file holds, 0 the newest, and the seconds that the sensor is due then.

        The places are all of a small file, and a few all over a large one. None where there is no such place.
        """
        return self._guarded(lambda: self._owners_step(part))

    def find_step(self) -> tuple[bool, float] | None:
        """Whether rows that are meant are in the next older stretch, and the seconds that the sensor is due.

        None at the end. `seek` says where to look, and again where to read afterwards.
        """
        if self._low >= self._high:
            return None
        return self._guarded(self._find_step)

    def seek(self, since: float, until: float) -> None:
        """Find where readings from `since` to `until` lie."""
        self._guarded(lambda: self._seek(since, until))

    def step(self, limit: int) -> tuple[list[tuple[float, tuple[Any, ...]]], float] | None:
        """The next older rows with their times, at most `limit`, and the seconds that the sensor is due then.

        None when there are no more. A row without a usable time has minus infinity.
        """
        if self._low >= self._high or limit <= 0:
            return None
        return self._guarded(lambda: self._step(limit))

    def count_step(self) -> tuple[Counter[Owner], float] | None:
        """Rows in the next stretch by whose they are, and the seconds due then; None at the end."""
        if self._low >= self._high:
            return None
        return self._guarded(self._count_step)

    def close(self) -> None:
        """Let go of the file; the next step opens it again and goes on from there."""
        connection, self._open = self._open, None
        if connection is not None:
            connection.close()

    @property
    def _connection(self) -> "_RowConnection":
        if self._open is None:
            connection = _RowConnection(self._path)
            if connection.inode != self._inode or connection.schema.reading.columns != self.columns:
                connection.close()
                raise replaced()
            self._open = connection
        return self._open

    def _count_step(self) -> tuple[Counter[Owner], float]:
        end = min(self._high, self._low + self._span.limit)
        found: Counter[Owner] = Counter()
        for owner, (rows,) in self._grouped(self._low, end):
            found[owner] += rows
        self._span.observe(end - self._low, self._connection.seconds)
        self._low = end
        return found, rest_after(self._connection)

    def _find_step(self) -> tuple[bool, float]:
        begin = max(self._low, self._high - self._span.limit)
        found = bool(self._grouped(begin, self._high))
        self._span.observe(self._high - begin, self._connection.seconds)
        self._high = begin
        return found, rest_after(self._connection)

    def _owners_step(self, part: int) -> tuple[list[Owner], float] | None:
        first, last = self._connection.ends()
        rows = last - first + 1
        parts = min(_LOOKS, -(-rows // _LOOK_SPAN))
        if part >= parts:
            return None
        high = last - part * rows // parts
        found = self._grouped(max(first - 1, high - _LOOK_SPAN), high)
        return [owner for owner, _ in found], rest_after(self._connection)

    def _grouped(
        self, low: int, high: int, sums: tuple[str, ...] = (), values: Mapping[str, Any] | None = None
    ) -> list[tuple[Owner, list[int]]]:
        """Owners that are meant in (low, high], each with its number of rows, and with these sums."""
        given = {"low": low, "high": high, **(values or {})}
        found = []
        for sensor, location, *numbers in self._connection.grouped(sums, given):
            owner = self._whose.owner(sensor, location)
            if self._whose.fits(owner):
                found.append((owner, [int(number or 0) for number in numbers[: 1 + len(sums)]]))
        return found

    def _newest(self) -> Newest:
        _, last = self._connection.ends()
        sensor, raw = self._connection.facts(last)
        return Newest(str(sensor) if isinstance(sensor, str | int) else None, time_of(raw))

    def _seek(self, since: float, until: float) -> None:
        first, last = self._connection.ends()
        self._since, self._until = since, until
        self._low = first - 1
        if since > -math.inf:
            self._low = self._connection.first_from(since, first, last) - 1
        self._high = last
        if until < math.inf:
            after = math.nextafter(until, math.inf)
            self._high = self._connection.first_from(after, self._low + 1, last) - 1

    def _step(self, limit: int) -> tuple[list[tuple[float, tuple[Any, ...]]], float]:
        wanted = min(limit, self._pace.limit)
        connection = self._connection
        rows = connection.backwards(self._low, self._high, wanted)
        self._pace.observe(len(rows), connection.seconds)
        self._high = self._low if len(rows) < wanted else rows[-1][0] - 1
        found = []
        reading, whose = connection.schema.reading, self._whose
        at, sensor, place = reading.timestamp, reading.sensor_id, reading.location
        for row in rows:
            if not whose.everybody and not whose.fits(
                whose.owner(None if sensor is None else row[sensor], None if place is None else row[place])
            ):
                continue
            time = None if at is None else time_of(row[at])
            moment = -math.inf if time is None else time
            if self._since <= moment <= self._until:
                found.append((moment, row))
        return found, rest_after(connection)

    def _guarded(self, job: Callable[[], T]) -> T:
        try:
            return job()
        except (SourceFileError, sqlite3.Error, OSError) as error:
            raise explain(self._key, self._path, error) from error


def rest_after(connection: LeanConnection) -> float:
    """Seconds that the sensor is due after the last statement; none where it was not held up."""
    if not connection.rollback:
        return 0.0
    return min(_MOST_REST, max(_LEAST_REST, 2 * connection.seconds))


class _RowConnection(SeriesConnection):
    """A connection for whole rows."""

    def load_schema(self, definition: str | None) -> None:
        super().load_schema(definition)
        self._db.execute("DROP TABLE IF EXISTS temp.batch").close()
        self._db.execute(self.schema.make_batch).close()
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS closed (c0, c1, c2, c3, c4)").close()

    def facts(self, row_id: int) -> tuple[Any, Any]:
        """Sensor id and stored time of a row."""
        time, sensor = self.ask("facts", self.schema.facts, (row_id,), width=2)
        return sensor, time

    def grouped(self, sums: tuple[str, ...], values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Sensor, location, number of rows and these sums, for each pair of the two in (:low, :high]."""
        schema, location = self.schema, self._location
        into = ", ".join(f"c{index}" for index in range(3 + len(sums)))
        numbers = ", ".join(["count(*)", *(f"sum({each})" for each in sums)])
        self.run(
            "grouped",
            f"INSERT INTO temp.closed ({into}) SELECT {schema.sensor}, {location}, {numbers}"
            f" FROM {schema.table} NOT INDEXED WHERE {schema.row_id} > :low AND {schema.row_id} <= :high"
            f" GROUP BY {schema.sensor} COLLATE BINARY, {location} COLLATE BINARY",
            values,
        )
        return self._taken()

    def backwards(self, low: int, high: int, limit: int) -> list[tuple[Any, ...]]:
        """Rows in (low, high], the newest first, at most `limit`."""
        schema = self.schema
        into = ", ".join(f"c{index}" for index in range(len(schema.reading.columns)))
        names = ", ".join([schema.row_id, *map(quote, schema.reading.columns[1:])])
        self.run(
            "newest",
            f"INSERT INTO temp.batch ({into}) SELECT {names} FROM {schema.table} NOT INDEXED"
            f" WHERE {schema.row_id} > ? AND {schema.row_id} <= ? ORDER BY {schema.row_id} DESC LIMIT ?",
            (low, high, limit),
        )
        rows = self._db.execute(f"SELECT {into} FROM temp.batch ORDER BY rowid").fetchall()
        self._db.execute("DELETE FROM temp.batch").close()
        return rows

    def closed(self, condition: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Id, sensor, stored time and location of rows in (:low, :high] that meet it, at most :limit."""
        schema = self.schema
        self.run(
            "closed",
            "INSERT INTO temp.closed (c0, c1, c2, c3)"
            f" SELECT {schema.row_id}, {schema.sensor}, {schema.time}, {self._location} FROM {schema.table}"
            f" NOT INDEXED WHERE {schema.row_id} > :low AND {schema.row_id} <= :high AND {condition}"
            f" ORDER BY {schema.row_id} LIMIT :limit",
            values,
        )
        return [row[:4] for row in self._taken()]

    @property
    def _location(self) -> str:
        place = self.schema.reading.location
        return "NULL" if place is None else quote(self.schema.reading.columns[place])

    def _taken(self) -> list[tuple[Any, ...]]:
        rows = self._db.execute("SELECT c0, c1, c2, c3, c4 FROM temp.closed ORDER BY rowid").fetchall()
        self._db.execute("DELETE FROM temp.closed").close()
        return rows

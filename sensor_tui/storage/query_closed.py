"""Rows that were acknowledged: how many, and which, in statements that never keep the sensor waiting."""

import os
from typing import Any, Final, NamedTuple

from sensor_tui.storage.query_newest import NewestReader, rest_after
from sensor_tui.storage.query_owner import EVERYBODY, Owner, Whose
from sensor_tui.storage.schema import span_end

_MOST_SPAN: Final = 2000
"""Row ids that one look at closed rows spans."""


class Tally(NamedTuple):
    """Rows of a stretch, by how they stand."""

    rows: int
    closed: int
    dead: int


class ClosedRow(NamedTuple):
    """What a document's id and partition are made of, as it is stored."""

    row_id: int
    sensor_id: Any
    time: Any
    location: Any


class ClosedReader(NewestReader):
    """Reads one file forwards.

    Args:
        key: the file's name for people.
        path: where it is.
        position: row id up to which rows count as closed where they cannot be marked.
        whose: which rows of it are meant.
    """

    def __init__(self, key: str, path: str, position: int, whose: Whose = EVERYBODY) -> None:
        """Open the file.

        Raises:
            SourceFileError, FileBusy: it cannot be used now.
        """
        super().__init__(key, path, whose)
        folder = os.path.dirname(path)  # noqa: PTH120 - names need not be UTF-8
        reading = self._connection.schema.reading
        self.marked = reading.has_synced and os.access(path, os.W_OK) and os.access(folder, os.W_OK)
        """Rows say themselves whether they are closed; otherwise the position does."""
        self._has_synced = reading.has_synced
        self._position = 0 if self.marked else position

    @property
    def ends(self) -> tuple[int, int]:
        """The row ids found by `seek`: above the first, up to the last."""
        return self._low, max(self._low, self._high)

    def owner(self, row: ClosedRow) -> Owner:
        """Whose a row is."""
        return self._whose.owner(row.sensor_id, row.location)

    def tally_step(self) -> tuple[list[tuple[Owner, Tally]], float] | None:
        """Rows in the next stretch by whose they are, and the seconds due then; None at the end.

        An owner may come more than once.
        """
        if self._low >= self._high:
            return None
        return self._guarded(self._tally_step)

    def closed_step(self, low: int, high: int, limit: int) -> tuple[list[ClosedRow], int, float]:
        """Closed rows above `low` up to `high`, at most `limit`; up to which id; and the seconds due then.

        Only those that are meant, so that there may be none before the end.
        """
        return self._guarded(lambda: self._closed_step(low, high, limit))

    def _tally_step(self) -> tuple[list[tuple[Owner, Tally]], float]:
        connection, end = self._connection, min(self._high, self._low + self._span.limit)
        dead = "synced = -1" if self._has_synced else "0"
        groups = self._grouped(self._low, end, (self._closed, dead), {"position": self._position})
        self._span.observe(end - self._low, connection.seconds)
        self._low = end
        return [(owner, Tally(*numbers)) for owner, numbers in groups], rest_after(connection)

    def _closed_step(self, low: int, high: int, limit: int) -> tuple[list[ClosedRow], int, float]:
        connection = self._connection
        high = min(high, span_end(low, _MOST_SPAN))
        wanted = min(limit, self._pace.limit)
        rows = connection.closed(
            self._closed, {"low": low, "high": high, "limit": wanted, "position": self._position}
        )
        self._pace.observe(len(rows), connection.seconds)
        through = rows[-1][0] if len(rows) == wanted else high
        found = [ClosedRow(*row) for row in rows]
        if not self._whose.everybody:
            found = [row for row in found if self._whose.fits(self.owner(row))]
        return found, through, rest_after(connection)

    @property
    def _closed(self) -> str:
        """Whether a row is closed, as SQL."""
        name = self._connection.schema.row_id
        if self.marked:
            return "synced IS 1"
        if self._has_synced:
            return f"(synced IS 1 OR ({name} <= :position AND synced IS NOT -1))"
        return f"{name} <= :position"

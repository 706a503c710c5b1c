"""From which row on the archive has a file: rows above it were closed only while the archive was a sink.

A row is closed when every sink has it, the archive among them where there is one. So what matters is
which rows were closed before: by an engine without an archive, or by somebody else's uploader. For each
file the ledger keeps the last row that was closed when an engine with an archive began; rows up to it
count as not archived, for good. An engine without an archive forgets all of that before it closes a row.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from sensor_tui.storage.files import SensorConnection
from sensor_tui.storage.ledger import Ledger, RowFact
from sensor_tui.storage.pruning import closed_in, require_tracking, survey_ground
from sensor_tui.storage.pruning_round import ANY_ROW, Files
from sensor_tui.storage.tracked import TrackedFile

_LOOKS: Final = 24
_SPAN: Final = 4000

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS archive_starts"
    " (path TEXT PRIMARY KEY, row_id INTEGER NOT NULL, row_time) WITHOUT ROWID"
)
_THERE: Final = "SELECT 1 FROM sqlite_master WHERE name = 'archive_starts'"


async def archive_starts(ledger: Ledger) -> dict[str, RowFact]:
    """The row from which on the archive has each file, by path, with the raw time it had; row 0 is all of it.

    Raises:
        StorageError: the ledger cannot be read.
    """
    if not await ledger.fetch(_THERE):
        return {}
    rows = await ledger.fetch("SELECT path, row_id, row_time FROM archive_starts")
    return {str(path): (int(row), time) for path, row, time in rows}


async def note_starts(ledger: Ledger, starts: Mapping[str, RowFact]) -> None:
    """Keep where the archive begins in these files.

    Raises:
        StorageError: the ledger cannot be written.
    """
    if not starts:
        return
    async with ledger.transaction() as db:
        await db.execute(_TABLE)
        await db.executemany(
            "INSERT OR REPLACE INTO archive_starts VALUES (?, ?, ?)",
            [(path, row, time) for path, (row, time) in starts.items()],
        )


async def forget_starts(ledger: Ledger, paths: Iterable[str] | None = None) -> None:
    """From now on these files, all of them where None, may be closed by an engine that has no archive.

    Raises:
        StorageError: the ledger cannot be written.
    """
    known = await archive_starts(ledger)
    gone = list(known if paths is None else known.keys() & set(paths))
    if gone:
        await ledger.write("DELETE FROM archive_starts WHERE path = ?", [(path,) for path in gone])


async def find_start(files: Files, key: str) -> RowFact | None:
    """The last row closed by now, looked for from the end; the newest row where that takes too long.

    None where the file takes no writing, so that nothing can be removed from it.

    Raises:
        SourceFileError: the file cannot be used.
    """
    ground = await files.change(key, survey_ground)
    if ground is None:
        return None
    high = ground.last
    for _ in range(_LOOKS):
        if high < ground.first or not high:
            return ANY_ROW
        found = await files.change(key, partial(closed_in, low=high - _SPAN, high=high))
        if found is None:
            return None
        if found[0]:
            return found
        high -= _SPAN
    return await find_newest(files, key)


async def find_newest(files: Files, key: str) -> RowFact | None:
    """The newest row with its raw time: where the archive begins in a file whose rows may have been closed.

    Raises:
        SourceFileError: the file cannot be used.
    """
    return await files.change(key, _newest)


async def check_start(files: Files, key: str, start: RowFact) -> RowFact | None:
    """A start that holds: the one given, or the newest row where another file stands there; None as above.

    Raises:
        SourceFileError: the file cannot be used.
    """
    return await files.change(key, partial(_checked, start=start))


def _checked(connection: SensorConnection, file: TrackedFile, start: RowFact) -> RowFact:
    row, time = start
    newest = _newest(connection, file)
    if not row:
        return start
    (found, _) = connection.ask("facts", connection.schema.facts, (row,), width=2)
    return newest if row > newest[0] or (found is not None and found != time) else start


def _newest(connection: SensorConnection, file: TrackedFile) -> RowFact:  # noqa: ARG001
    connection.check_place()
    connection.refresh()
    schema = require_tracking(connection)
    _, last, _ = connection.ask("ends", schema.ends, {"row": 0, "time": None}, width=3)
    time, _ = connection.ask("facts", schema.facts, (last or 0,), width=2)
    return (int(last or 0), time)

"""What the ledger knows of aggregated documents: those under way, and which windows were closed."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import aiosqlite
import orjson

from sensor_tui.model.source import Intent, Run, SensorKey
from sensor_tui.storage.history import History

WINDOWS_KEPT: Final = 500
"""Closed windows of a sensor whose number of parts is kept, back from the last one.

Readings for older ones go on counting from the most parts that any of those had, so that no part is there
twice; numbers are then left out.
"""


WINDOW_TABLES: Final = ("intents", "windows", "closings")


class Aggregates(History):
    """Intents, and closed windows; every method raises StorageError where the ledger cannot be used."""

    async def intents(self, path: str) -> list[Intent]:
        """Documents of a file whose rows are not all closed yet, oldest first."""
        if not await self._has_windows():
            return []
        rows = await self.fetch(
            "SELECT id, sensor, city, seconds, start, part, runs, readings, oldest, anomalous, document"
            " FROM intents WHERE path = ? ORDER BY id",
            (path,),
        )
        return [
            Intent(
                sensor=SensorKey(sensor, city),
                seconds=seconds,
                start=start,
                part=part,
                runs=tuple(Run(*run) for run in orjson.loads(runs)),
                readings=readings,
                oldest=oldest,
                document=bytes(document),
                anomalous=bool(anomalous),
                id=number,
            )
            for (
                number, sensor, city, seconds, start, part, runs, readings, oldest, anomalous, document,
            ) in rows
        ]  # fmt: skip

    async def closings(self, path: str, seconds: float) -> dict[SensorKey, float]:
        """End of the last window closed, per sensor, for windows of that many seconds."""
        if not await self._has_windows():
            return {}
        rows = await self.fetch(
            "SELECT sensor, city, through FROM closings WHERE path = ? AND seconds = ?", (path, seconds)
        )
        return {SensorKey(sensor, city): through for sensor, city, through in rows}

    async def parts(self, path: str, sensor: SensorKey, seconds: float, start: float) -> int:
        """Number of parts that a window has by now; of one that is no more known, the most it can have."""
        which = (path, *sensor, seconds)
        known = await self.fetch(
            "SELECT parts FROM windows"
            " WHERE path = ? AND sensor = ? AND city = ? AND seconds = ? AND start = ?",
            (*which, start),
        )
        if known:
            return int(known[0][0])
        last = await self.fetch(
            "SELECT through, beyond FROM closings WHERE path = ? AND sensor = ? AND city = ? AND seconds = ?",
            which,
        )
        if last and start < _horizon(last[0][0], seconds):
            return int(last[0][1])
        return 0

    async def intend(self, path: str, intents: Sequence[Intent], closings: Mapping[SensorKey, float]) -> None:
        """Put documents on record before they are sent, and how far windows are closed by them."""
        async with self.transaction() as db:
            for intent in intents:
                sensor, city = intent.sensor
                runs = orjson.dumps([list(run) for run in intent.runs])
                last = max((run.last for run in intent.runs), default=0)
                cursor = await db.execute(
                    "INSERT INTO intents (path, sensor, city, seconds, start, part, last_id, runs, readings,"
                    " oldest, anomalous, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (path, sensor, city, intent.seconds, intent.start, intent.part, last, runs,
                     intent.readings, intent.oldest, intent.anomalous, intent.document),
                )  # fmt: skip
                intent.id = cursor.lastrowid or 0
            await db.executemany(
                "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET parts = max(parts, excluded.parts)",
                [(path, *each.sensor, each.seconds, each.start, each.part) for each in intents],
            )
            lengths = {intent.sensor: intent.seconds for intent in intents}
            for key, seconds in lengths.items():
                await _close_through(db, (path, *key, seconds), closings.get(key))

    async def fulfil(self, intents: Iterable[Intent], *, keep: bool) -> None:
        """Every sink has these: forget them; with `keep` only their documents, until `save_positions`."""
        numbers = [(intent.id,) for intent in intents]
        if keep:
            await self.write("UPDATE intents SET document = x'' WHERE id = ?", numbers)
        else:
            await self.write("DELETE FROM intents WHERE id = ?", numbers)

    async def start_windows_again(self, path: str) -> None:
        """No row range of this file holds any more, and no window of it is closed."""
        async with self.transaction() as db:
            await forget_windows(db, [(path,)])

    async def _has_windows(self) -> bool:
        """Whether there are such tables: a ledger that is only looked at may be older."""
        if not self._read_only:
            return True
        return bool(await self.fetch("SELECT 1 FROM sqlite_master WHERE name = 'intents'"))


async def forget_windows(db: aiosqlite.Connection, paths: Sequence[tuple[str]]) -> None:
    """In a transaction: what is under way is still sent, but closes no rows; the rest is forgotten."""
    await db.executemany("DELETE FROM intents WHERE path = ? AND document = x''", paths)
    await db.executemany("UPDATE intents SET runs = '[]', last_id = 0 WHERE path = ?", paths)
    await db.executemany("DELETE FROM windows WHERE path = ?", paths)
    await db.executemany("DELETE FROM closings WHERE path = ?", paths)


async def note_settled(db: aiosqlite.Connection, reopened: Sequence[tuple[str, int]]) -> None:
    """In a transaction: of rows up to the saved position, only these are to be taken once more."""
    for path in {path for path, _ in reopened}:
        found = await db.execute_fetchall("SELECT min(row_id) FROM positions WHERE path = ?", (path,))
        through = next(iter(found))[0] or 0
        rows = sorted({row for other, row in reopened if other == path and row <= through})
        runs = [
            Run(before + 1, after - 1, None, None)
            for before, after in pairwise([*rows, through + 1])
            if after - before > 1
        ]
        if runs:
            await db.execute(
                "INSERT INTO intents (path, sensor, city, seconds, start, part, last_id, runs, readings,"
                " oldest, anomalous, document) VALUES (?, '', '', 0, 0, 0, ?, ?, 0, 0, 0, x'')",
                (path, through, orjson.dumps([list(run) for run in runs])),
            )


async def _close_through(db: aiosqlite.Connection, which: tuple[Any, ...], end: float | None) -> None:
    """Note the end of the last window closed, and forget the windows that are long past."""
    if end is not None:
        await db.execute(
            "INSERT INTO closings VALUES (?, ?, ?, ?, ?, 0)"
            " ON CONFLICT DO UPDATE SET through = max(through, excluded.through)",
            (*which, end),
        )
    where = "path = ? AND sensor = ? AND city = ? AND seconds = ?"
    found = await db.execute_fetchall(f"SELECT through FROM closings WHERE {where}", which)
    for (through,) in found:
        horizon = _horizon(through, which[-1])
        await db.execute(
            "UPDATE closings SET beyond = max(beyond, coalesce("
            f"(SELECT max(parts) FROM windows WHERE {where} AND start < ?), 0)) WHERE {where}",
            (*which, horizon, *which),
        )
        await db.execute(f"DELETE FROM windows WHERE {where} AND start < ?", (*which, horizon))


def _horizon(through: float, seconds: float) -> float:
    return through - WINDOWS_KEPT * seconds

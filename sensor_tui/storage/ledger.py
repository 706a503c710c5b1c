"""The ledger: what files there are, how far each sink has them, and the readings no sink takes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sensor_tui.model.source import DeadLetter
from sensor_tui.storage.aggregates import WINDOW_TABLES, Aggregates, forget_windows, note_settled

RowFact = tuple[int, Any]
"""Row id and raw time of one row."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A sensor's file as the ledger knows it.

    `first` and `anchor` are rows it had: a file with other times in the same rows is another file, whatever
    its path and inode.
    """

    path: str
    dev: int
    ino: int
    first: RowFact | None
    anchor: RowFact | None
    city: str
    first_seen: float


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter with its number in the ledger."""

    id: int
    letter: DeadLetter


class Ledger(Aggregates):
    """Files, positions, dead letters, rewinds; every method raises StorageError where it cannot be used."""

    async def files(self) -> list[FileRecord]:
        """Every file ever registered."""
        rows = await self.fetch(
            "SELECT path, dev, ino, first_id, first_time, anchor_id, anchor_time, city, first_seen FROM files"
        )
        return [
            FileRecord(path, dev, ino, _fact(first, first_time), _fact(anchor, anchor_time), city, seen)
            for path, dev, ino, first, first_time, anchor, anchor_time, city, seen in rows
        ]

    async def register(
        self, records: Sequence[FileRecord], *, moved: Mapping[str, str], started_again: Iterable[str]
    ) -> None:
        """Put files on record, in one transaction.

        Args:
            records: the files as they are now.
            moved: new path by old one, for files whose positions and dead letters go along.
            started_again: paths whose positions no longer hold.
        """
        async with self.transaction() as db:
            for old, new in moved.items():
                for table in ("positions", "rewinds", "files"):
                    await db.execute(f"DELETE FROM {table} WHERE path = ?", (new,))
                await forget_windows(db, [(new,)])
                for table in ("positions", "rewinds", "files", "dead_letters", *WINDOW_TABLES):
                    await db.execute(f"UPDATE OR REPLACE {table} SET path = ? WHERE path = ?", (new, old))
            paths = [(path,) for path in started_again]
            await db.executemany("DELETE FROM positions WHERE path = ?", paths)
            await db.executemany("DELETE FROM rewinds WHERE path = ?", paths)
            await forget_windows(db, paths)
            await db.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (each.path, each.dev, each.ino, *(each.first or (None, None)),
                     *(each.anchor or (None, None)), each.city, each.first_seen)
                    for each in records
                ],
            )  # fmt: skip

    async def positions(self, path: str) -> dict[str, int]:
        """Saved position per sink."""
        return dict(await self.fetch("SELECT sink, row_id FROM positions WHERE path = ?", (path,)))

    async def all_positions(self) -> dict[str, dict[str, int]]:
        """Saved position per path and sink."""
        result: dict[str, dict[str, int]] = {}
        for path, sink, row_id in await self.fetch("SELECT path, sink, row_id FROM positions"):
            result.setdefault(path, {})[sink] = row_id
        return result

    async def save_positions(
        self, positions: Mapping[tuple[str, str], int], anchors: Mapping[str, RowFact] | None = None
    ) -> None:
        """Save positions by (path, sink), with a row read lately of each file to know it by again."""
        async with self.transaction() as db:
            await db.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                [(path, sink, row_id) for (path, sink), row_id in positions.items()],
            )
            await db.executemany(
                "DELETE FROM intents WHERE path = ? AND document = x'' AND last_id <= ?",
                [(path, row_id) for (path, _), row_id in positions.items()],
            )
            await db.executemany(
                "UPDATE files SET anchor_id = ?, anchor_time = ? WHERE path = ?",
                [(row_id, time, path) for path, (row_id, time) in (anchors or {}).items()],
            )

    async def start_again(self, paths: Iterable[str]) -> None:
        """Forget how far these files were read: everything in them is to be read anew."""
        async with self.transaction() as db:
            every = [(path,) for path in paths]
            await db.executemany("DELETE FROM positions WHERE path = ?", every)
            await db.executemany("DELETE FROM rewinds WHERE path = ?", every)
            await forget_windows(db, every)
            await db.executemany(
                "UPDATE files SET first_id = NULL, first_time = NULL, anchor_id = NULL, anchor_time = NULL"
                " WHERE path = ?",
                every,
            )

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Commit dead letters; one that is there already is brought up to date."""
        await self.write(
            "INSERT INTO dead_letters (path, row_id, sink, sensor_id, event_time, code, reason, document, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (path, row_id, sink, event_time) DO UPDATE SET sensor_id = excluded.sensor_id,"
            " code = excluded.code, reason = excluded.reason, document = excluded.document, at = excluded.at",
            [
                (each.source, each.row_id, each.sink, _plain(each.sensor_id), _plain(each.event_time) or "",
                 each.code, _plain(each.reason), _plain(each.document), each.at)
                for each in letters
            ],
        )  # fmt: skip

    async def dead_letters(self) -> dict[str, int]:
        """Number of dead letters per path."""
        return dict(await self.fetch("SELECT path, count(*) FROM dead_letters GROUP BY path"))

    async def letters(
        self,
        *,
        ids: Sequence[int] | None = None,
        source: str | None = None,
        sensor: str | None = None,
        sink: str | None = None,
        limit: int = -1,
        offset: int = 0,
    ) -> list[StoredLetter]:
        """Dead letters in the order they were buried; all filters given must fit. No limit when negative."""
        terms = {"path": source, "sensor_id": sensor, "sink": sink}
        given = {column: value for column, value in terms.items() if value is not None}
        where = [f"{column} = ?" for column in given]
        if ids is not None:
            where.append(f"id IN ({', '.join(str(int(each)) for each in ids)})")
        condition = f" WHERE {' AND '.join(where)}" if where else ""
        rows = await self.fetch(
            "SELECT id, path, row_id, sink, sensor_id, event_time, code, reason, document, at"
            f" FROM dead_letters{condition} ORDER BY id LIMIT ? OFFSET ?",
            (*given.values(), limit, offset),
        )
        return [
            StoredLetter(
                number,
                DeadLetter(path, row_id, sink, sensor_id, event_time or None, code, reason, document, at),
            )
            for number, path, row_id, sink, sensor_id, event_time, code, reason, document, at in rows
        ]

    async def drop(self, ids: Sequence[int] | None = None) -> int:
        """Delete dead letters, all of them without `ids`; how many there were. Their rows stay closed."""
        async with self.transaction() as db:
            if ids is None:
                return (await db.execute("DELETE FROM dead_letters")).rowcount
            before = db.total_changes
            await db.executemany("DELETE FROM dead_letters WHERE id = ?", [(each,) for each in ids])
            return db.total_changes - before

    async def reopened(self, letters: Sequence[StoredLetter], *, marked: bool = True) -> None:
        """Drop letters whose rows are open again, and ask for these rows to be read: one transaction.

        `marked` says that the file tells which rows after them are closed; otherwise that is noted here.
        """
        async with self.transaction() as db:
            if not marked:
                await note_settled(db, [(each.letter.source, each.letter.row_id) for each in letters])
            await db.executemany(
                "INSERT INTO rewinds VALUES (?, ?)"
                " ON CONFLICT (path) DO UPDATE SET row_id = min(row_id, excluded.row_id)",
                [(each.letter.source, each.letter.row_id) for each in letters],
            )
            await db.executemany("DELETE FROM dead_letters WHERE id = ?", [(each.id,) for each in letters])

    async def rewinds(self) -> dict[str, int]:
        """Take the requests to read again from a row id on; saved positions go back with them.

        Reading alone, they are left for who writes. The positions in the same transaction, so that a crash
        right after still reads those rows.
        """
        rows = await self.fetch("SELECT path, row_id FROM rewinds")
        waiting = {str(row[0]): int(row[1]) for row in rows}
        if not waiting or self._read_only:
            return waiting
        async with self.transaction() as db:
            wanted = dict(
                [tuple(row) for row in await db.execute_fetchall("SELECT path, row_id FROM rewinds")]
            )
            await db.executemany(
                "UPDATE positions SET row_id = min(row_id, ?) WHERE path = ?",
                [(row_id - 1, path) for path, row_id in wanted.items()],
            )
            await db.execute("DELETE FROM rewinds")
            return wanted


def _fact(row_id: int | None, time: Any) -> RowFact | None:
    return None if row_id is None else (row_id, time)


def _plain(text: str | None) -> str | None:
    """Text that SQLite stores: without lone surrogates, which JSON can carry."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()

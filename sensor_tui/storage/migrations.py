"""The ledger's tables, made by numbered steps; each step and the record of it are committed together."""

from typing import Final

import aiosqlite

from sensor_tui.errors import StorageError

MIGRATIONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (
        "files and positions",
        (
            # Times of rows keep their stored type: columns without a type leave values as they are.
            """CREATE TABLE files (
                path TEXT PRIMARY KEY, dev INTEGER NOT NULL, ino INTEGER NOT NULL,
                first_id INTEGER, first_time, anchor_id INTEGER, anchor_time,
                city TEXT NOT NULL, first_seen REAL NOT NULL
            ) WITHOUT ROWID""",
            "CREATE INDEX files_by_inode ON files (dev, ino)",
            """CREATE TABLE positions (
                path TEXT NOT NULL, sink TEXT NOT NULL, row_id INTEGER NOT NULL, PRIMARY KEY (path, sink)
            ) WITHOUT ROWID""",
        ),
    ),
    (
        "dead letters",
        (
            """CREATE TABLE dead_letters (
                id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, row_id INTEGER NOT NULL,
                sink TEXT NOT NULL, sensor_id TEXT, event_time TEXT NOT NULL, code INTEGER NOT NULL,
                reason TEXT NOT NULL, document TEXT NOT NULL, at REAL NOT NULL,
                UNIQUE (path, row_id, sink, event_time)
            )""",
            "CREATE TABLE rewinds (path TEXT PRIMARY KEY, row_id INTEGER NOT NULL) WITHOUT ROWID",
        ),
    ),
    (
        "history",
        (
            """CREATE TABLE throughput (
                at REAL PRIMARY KEY, accepted INTEGER NOT NULL, rejected INTEGER NOT NULL,
                throttled INTEGER NOT NULL, request_units REAL NOT NULL, backlog INTEGER NOT NULL, lag REAL
            ) WITHOUT ROWID""",
            """CREATE TABLE actions (
                id INTEGER PRIMARY KEY, at REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL,
                target TEXT NOT NULL, result TEXT NOT NULL
            )""",
        ),
    ),
    (
        "aggregated documents",
        (
            # `runs`: [first id, last id, first time, last time] of stretches of rows without a gap.
            """CREATE TABLE intents (
                id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, sensor TEXT NOT NULL,
                city TEXT NOT NULL, seconds REAL NOT NULL, start REAL NOT NULL, part INTEGER NOT NULL,
                last_id INTEGER NOT NULL, runs BLOB NOT NULL, readings INTEGER NOT NULL, oldest REAL NOT NULL,
                anomalous INTEGER NOT NULL, document BLOB NOT NULL
            )""",
            "CREATE INDEX intents_by_path ON intents (path, id)",
            """CREATE TABLE windows (
                path TEXT NOT NULL, sensor TEXT NOT NULL, city TEXT NOT NULL, seconds REAL NOT NULL,
                start REAL NOT NULL, parts INTEGER NOT NULL, PRIMARY KEY (path, sensor, city, seconds, start)
            ) WITHOUT ROWID""",
            """CREATE TABLE closings (
                path TEXT NOT NULL, sensor TEXT NOT NULL, city TEXT NOT NULL, seconds REAL NOT NULL,
                through REAL NOT NULL, beyond INTEGER NOT NULL, PRIMARY KEY (path, sensor, city, seconds)
            ) WITHOUT ROWID""",
        ),
    ),
)

_RECORDS: Final = """CREATE TABLE IF NOT EXISTS migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL
)"""


async def migrate(db: aiosqlite.Connection, path: str, *, now: float) -> None:
    """Bring an open ledger to the newest version; `db` is in autocommit mode.

    Raises:
        StorageError: it was written by a newer version than this one.
        sqlite3.Error: as it comes; the step under way is undone.
    """
    await check(db, path)
    if await _version(db) == len(MIGRATIONS):
        return
    for number, (name, statements) in enumerate(MIGRATIONS, start=1):
        await db.execute("BEGIN IMMEDIATE")
        try:
            await db.execute(_RECORDS)
            if await _version(db) < number:  # asked inside: another process may just have done it
                for statement in statements:
                    await db.execute(statement)
                await db.execute("INSERT INTO migrations VALUES (?, ?, ?)", (number, name, now))
            await db.execute("COMMIT")
        except BaseException:
            await db.execute("ROLLBACK")
            raise


async def check(db: aiosqlite.Connection, path: str) -> None:
    """Refuse a ledger that this version does not understand.

    Raises:
        StorageError: it is newer.
    """
    version = await _version(db)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{path}: the ledger has version {version}, newer than the {len(MIGRATIONS)} known here",
            fix="Use the newer sensor-tui that wrote it",
        )


async def _version(db: aiosqlite.Connection) -> int:
    exists = await (await db.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'")).fetchone()
    if exists is None:
        return 0
    row = await (await db.execute("SELECT coalesce(max(version), 0) FROM migrations")).fetchone()
    return int(row[0]) if row is not None else 0

"""Whether a sensor's file is sound, and how its table is made; looked at without being in its way."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sensor_tui.errors import SourceFileError
from sensor_tui.storage.files import explain
from sensor_tui.storage.latest import LeanConnection
from sensor_tui.storage.query import QueryConnection

_PAGES: Final = 100
"""Copied at a time: some 400 KB, in less than a millisecond."""
_REST_SECONDS: Final = 0.005


class Unfinished(Exception):
    """The file is written so often that no whole copy of it was to be had."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """How a file's table is made."""

    generation: str
    tracked: bool
    """It has a `synced` column."""
    indexed: bool
    """It has the index over open rows."""
    rollback: bool
    """Readers and writers exclude each other."""
    writable: bool
    """Its rows can be marked."""


def sqlite_version() -> str:
    """Version of the SQLite library."""
    return sqlite3.sqlite_version


def table_facts(key: str, path: str) -> TableFacts:
    """How the table of a file is made.

    Raises:
        SourceFileError, FileBusy: it cannot be used now.
    """
    try:
        connection = LeanConnection(path)
    except (SourceFileError, sqlite3.Error, OSError) as error:
        raise explain(key, path, error) from error
    try:
        schema = connection.schema
        folder = os.path.dirname(path)  # noqa: PTH120 - names need not be UTF-8
        return TableFacts(
            generation=str(schema.reading.generation),
            tracked=schema.reading.has_synced,
            indexed=schema.indexed,
            rollback=connection.rollback,
            writable=os.access(path, os.W_OK) and os.access(folder, os.W_OK),
        )
    finally:
        connection.close()


def damage(key: str, path: str, expired: Callable[[], bool]) -> str:
    """What is wrong with a file, by SQLite's quick check of a copy in memory; empty where it is sound.

    Raises:
        Unfinished: no whole copy before `expired`.
        SourceFileError, FileBusy: it cannot be used now.
    """
    try:
        connection = _CopiedConnection(path)
    except (SourceFileError, sqlite3.Error, OSError) as error:
        raise explain(key, path, error) from error
    try:
        return connection.damage(expired)
    except sqlite3.Error as error:
        raise explain(key, path, error) from error
    finally:
        connection.close()


class _CopiedConnection(QueryConnection):
    def damage(self, expired: Callable[[], bool]) -> str:
        """What the quick check says first; empty where it finds nothing."""

        def watch(_status: int, _left: int, _pages: int) -> None:
            if expired():
                raise Unfinished

        copy = sqlite3.connect(":memory:", isolation_level=None)
        try:
            self._db.backup(copy, pages=_PAGES, progress=watch, sleep=_REST_SECONDS)
            (said,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        finally:
            copy.close()
        return "" if said == "ok" else str(said)

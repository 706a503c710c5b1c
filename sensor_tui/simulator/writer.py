"""Appending readings to the sensor's SQLite file, as a sensor does."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sensor_tui.model.clock import Clock
from sensor_tui.simulator.database import BUSY_SECONDS, DatabaseLocked, open_database, refusal
from sensor_tui.simulator.identity import SensorIdentity
from sensor_tui.simulator.latency import Latencies, WriterStats
from sensor_tui.simulator.schema import Row, SimulatedReading, row_encoder, schema_for

log = logging.getLogger(__name__)

# SQLite waits for a lock inside one call, where no stop can reach it; so it waits in slices.
_SLICE_SECONDS = 0.25
_PAUSE_SECONDS = 0.01

Result = TypeVar("Result")


class SensorWriter:
    """Appends readings of one sensor, each `append` in a transaction of its own.

    A locked file is tried again until it is free or `stop` is set. Raises what open_database raises, and
    StorageError when the disk is full or the file has gone.
    """

    def __init__(
        self,
        path: Path,
        *,
        generation: str,
        identity: SensorIdentity,
        clock: Clock,
        stop: threading.Event,
        wal: bool = False,
    ) -> None:
        schema = schema_for(generation)
        self._path = path
        self._clock = clock
        self._stop = stop
        self._insert = schema.insert
        self._encode = row_encoder(generation, identity)
        self._latencies = Latencies()
        self._count = self._missing = self._lost = self._locked = 0
        self._connection: sqlite3.Connection | None = self._patiently(
            lambda: open_database(path, schema, wal=wal, busy_seconds=_SLICE_SECONDS)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, readings: Sequence[SimulatedReading]) -> bool:
        """Write and commit these readings; False when stopped while the file was locked."""
        rows = [self._encode(reading) for reading in readings]
        before = self._clock.monotonic()
        connection = self._connection
        if connection is None or not self._patiently(lambda: self._write(connection, rows)):
            self._lost += len(rows)
            log.warning("%s: stopped while locked, %d readings not written", self._path, len(rows))
            return False
        self._latencies.add(self._clock.monotonic() - before)
        self._count += len(rows)
        return True

    def skip(self, count: int) -> None:
        """Count readings that an anomaly swallowed."""
        self._missing += count

    def close(self) -> None:
        """Move what the write-ahead log holds into the file, and close it; a second time does nothing."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:  # the readings are committed; the next one to open the file moves them
            log.warning("%s: write-ahead log not emptied: %s", self._path, error)
        finally:
            connection.close()

    def stats(self) -> WriterStats:
        """What was written so far, and how long it took."""
        return WriterStats(
            count=self._count,
            missing=self._missing,
            lost=self._lost,
            locked=self._locked,
            commits=self._latencies.count,
            max_seconds=self._latencies.max_seconds,
            p50_seconds=self._latencies.percentile(50),
            p99_seconds=self._latencies.percentile(99),
        )

    def _write(self, connection: sqlite3.Connection, rows: list[Row]) -> bool:
        try:
            if len(rows) == 1:
                connection.execute(self._insert, rows[0])
                return True
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(self._insert, rows)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise refusal(self._path, error) from None
        return True

    def _patiently(self, work: Callable[[], Result]) -> Result | None:
        """What `work` gives, tried for as long as the file is locked; None when stopped meanwhile."""
        since = self._clock.monotonic()
        while True:
            try:
                return work()
            except DatabaseLocked as error:
                if self._stop.wait(_PAUSE_SECONDS):
                    return None
                if self._clock.monotonic() - since >= BUSY_SECONDS:
                    since = self._clock.monotonic()
                    self._locked += 1
                    log.warning("%s for %g s, trying again", error.message, BUSY_SECONDS)

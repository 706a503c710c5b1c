"""A real store and ledger, an engine with aggregation, and a sink in memory, on a clock that jumps."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.aggregate import Aggregation
from sensor_tui.sync.aggregate_feed import HoldingFeed
from sensor_tui.sync.contract import Outlet
from sensor_tui.sync.engine import Engine, EngineOptions
from sensor_tui.sync.sources.sqlite import SqliteSource
from tests.support.clock import JumpingClock
from tests.support.fakes import MemorySink

START = 1_754_000_010.0
"""Where a window of 30 s begins, and one of 10 s."""
COLUMNS = "timestamp, sensor_id, temperature, humidity, status_code, anomaly_flag, model, location"


class SteppedClock(JumpingClock):
    """Waiting passes at once; the wall shows what the test says."""

    wall = 0.0

    def now(self) -> float:
        return START + self.wall


class Sensor:
    """One sensor's file."""

    def __init__(self, path: Path, name: str, *, synced: bool = True) -> None:
        self.path, self.name = path, name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.run(
            "CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY AUTOINCREMENT,"
            " timestamp REAL, sensor_id TEXT, temperature REAL, humidity REAL, status_code INTEGER,"
            " anomaly_flag INTEGER, model TEXT,"
            f" location TEXT{', synced INTEGER DEFAULT 0' if synced else ''})"
        )

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            rows = connection.execute(sql, values).fetchall()
            connection.commit()
            return rows

    def write(self, *times: float, sensor: str | None = None, **cells: Any) -> None:
        """Readings at these seconds after START."""
        names = [*COLUMNS.split(", "), *(name for name in cells if name not in COLUMNS)]
        with closing(sqlite3.connect(self.path, timeout=10)) as connection:
            for time in times:
                given = {
                    "timestamp": START + time, "sensor_id": sensor or self.name, "temperature": 20.0 + time,
                    "humidity": 50.0, "status_code": 7, "anomaly_flag": 0, "model": "M1",
                    "location": "London", **cells,
                }  # fmt: skip
                marks = ", ".join("?" * len(names))
                connection.execute(
                    f"INSERT INTO sensor_readings ({', '.join(names)}) VALUES ({marks})",
                    [given[name] for name in names],
                )
            connection.commit()

    def synced(self) -> dict[int, Any]:
        return dict(self.run("SELECT id, synced FROM sensor_readings"))

    def open(self) -> list[int]:
        return sorted(row for row, value in self.synced().items() if value not in (1, -1))


class Rig:
    """A data folder, and runs over it one after another."""

    def __init__(self, root: Path) -> None:
        self.root = root / "data"
        self.clock = SteppedClock()
        self.sink = MemorySink()
        self.seconds, self.lateness, self.quiet = 30.0, 10.0, 60.0
        self.after: Sequence[Any] = ()
        self.stages: Sequence[Any] = ()
        self.outlets: list[Any] = [self.sink]
        self.dry = False
        self.aggregates = True
        """Whether the configuration of the next run has the aggregation."""
        self.hook = lambda store: None
        self.statuses: list[Any] = []

    def sensor(self, name: str = "S1", *, synced: bool = True) -> Sensor:
        return Sensor(self.root / "London" / name / "sensor_data.db", name, synced=synced)

    def at(self, seconds: float) -> None:
        """The clock shows that many seconds after START."""
        self.clock.wall = seconds

    def build(self, **options: Any) -> tuple[SqliteStore, SqliteSource, Engine]:
        aggregation = None
        if self.aggregates:
            aggregation = Aggregation(
                seconds=self.seconds, lateness=self.lateness, quiet=self.quiet, after=self.after
            )
        store = SqliteStore(self.root, clock=self.clock, lock=not self.dry, read_only=self.dry)
        names = [each.sink.name if isinstance(each, Outlet) else each.name for each in self.outlets]
        make = aggregation and partial(HoldingFeed, aggregation=aggregation, clock=self.clock)
        source = SqliteSource(store, names, dry=self.dry, make_feed=make)
        engine = Engine(
            source,
            self.outlets,
            clock=self.clock,
            options=EngineOptions(**options),
            stages=self.stages,
            aggregation=aggregation,
        )
        return store, source, engine

    async def once(self, **options: Any) -> Engine:
        """One run that is not continuous."""
        store, source, engine = self.build(**options)
        await store.open()
        self.hook(store)
        try:
            await engine.run(continuous=False)
        finally:
            self.statuses = list(source.status())
            await store.close()
        return engine

    def documents(self, sink: MemorySink | None = None) -> list[dict[str, Any]]:
        found = (sink or self.sink).documents.values()
        return sorted(found, key=lambda each: (each["windowStart"], each["sensorId"], each["part"]))

    def sums(self) -> dict[tuple[str, str], dict[str, float]]:
        """Over the parts of every window: readings, and count, total, lowest, highest temperature."""
        sums: dict[tuple[str, str], dict[str, float]] = defaultdict(
            lambda: {"readings": 0, "count": 0, "total": 0.0, "min": 1e9, "max": -1e9}
        )
        for document in self.sink.documents.values():
            total, measure = sums[document["sensorId"], document["windowStart"]], document.get("temperature")
            total["readings"] += document["count"]
            if measure:
                total["count"] += measure["count"]
                total["total"] = round(total["total"] + measure["avg"] * measure["count"], 6)
                total["min"], total["max"] = (
                    min(total["min"], measure["min"]),
                    max(total["max"], measure["max"]),
                )
        return dict(sums)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)

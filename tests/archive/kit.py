"""Archives for tests: documents, sinks, and what readers see of them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from sensor_tui.sync.contract import Answer, Parcel
from sensor_tui.sync.sinks.archive.options import SUFFIXES, ArchiveOptions, FormatName
from sensor_tui.sync.sinks.archive.sink import ArchiveSink
from tests.support.clock import JumpingClock

FORMATS: list[FormatName] = ["Parquet", "CSV", "JSON lines"]
START = datetime(2025, 8, 1, tzinfo=UTC)


def document(number: int, *, sensor: str = "LON_123456", city: str = "London", **more: Any) -> bytes:
    """The reading of that number: one a second."""
    at = START + timedelta(seconds=number, microseconds=123)
    fields = {
        "id": hashlib.blake2b(f"{sensor} {number}".encode(), digest_size=16).hexdigest(),
        "sensorId": sensor,
        "timestamp": at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
        "city": city,
        "temperature": 20.25 + number / 8,
        "statusCode": 0,
        "sqlite_id": number,
        "processingStage": "Raw",
        **more,
    }
    return orjson.dumps({name: value for name, value in fields.items() if value is not ...})


def documents(first: int, count: int, **more: Any) -> list[bytes]:
    return [document(number, **more) for number in range(first, first + count)]


class Archive:
    """A sink with its folder, and what is in it by the archive's own means."""

    def __init__(self, sink: ArchiveSink, folder: Path, name: FormatName) -> None:
        self.sink = sink
        self.folder = folder
        self.suffix = SUFFIXES[name]

    async def send(self, *requests: list[bytes]) -> Answer:
        """Send these as one request of several parcels."""
        parcels, first = [], 0
        for bodies in requests:
            positions = range(first, first + len(bodies))
            parcels.append(Parcel(self.sink.route("x"), positions, bodies, sum(map(len, bodies))))
            first += len(bodies)
        return await self.sink.send("1", parcels)

    def dataset(self, sensor: str = "LON_123456", city: str = "London") -> Path:
        return self.folder / city / f"{sensor}{self.suffix}"

    def parts(self, sensor: str = "LON_123456", city: str = "London") -> list[Path]:
        return sorted(self.dataset(sensor, city).glob(f"[!.]*{self.suffix}"))

    async def settled(self) -> None:
        """Wait until nothing is being compacted."""
        while self.sink._chores:
            await asyncio.wait(self.sink._chores)


def ids_in(part: Path) -> list[str]:
    """Ids in a part, in their order and as often as they are there."""
    if part.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(part, columns=["id"], partitioning=None).column(0).to_pylist()
    if part.suffix == ".csv":
        import csv

        with part.open(newline="", encoding="utf-8") as file:
            return [row["id"] for row in csv.DictReader(file)]
    return [orjson.loads(line)["id"] for line in part.read_bytes().splitlines()]


@asynccontextmanager
async def opened(
    folder: Path, name: FormatName = "Parquet", *, compact_files: int = 10_000, **more: Any
) -> AsyncIterator[Archive]:
    options = ArchiveOptions(path=folder, format=name, compact_files=compact_files, **more)
    sink = ArchiveSink(options, JumpingClock())
    await sink.open()
    try:
        yield Archive(sink, folder, name)
    finally:
        await sink.close()

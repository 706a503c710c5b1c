"""What the archive costs a document: CPU and time, by format and by size of request, and compaction."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.common import Line, cpu_seconds, sample_tree
from sensor_tui.model.clock import SystemClock
from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.contract import Parcel
from sensor_tui.sync.encode import Encoder
from sensor_tui.sync.sinks.archive.files import sync_folder
from sensor_tui.sync.sinks.archive.options import SUFFIXES, ArchiveOptions, FormatName
from sensor_tui.sync.sinks.archive.sink import ArchiveSink

ROWS = 30_000
LARGE = 2000
SMALL = 30
"""A request of a sensor that writes once a second and is uploaded every 30 s."""
NEVER = 10_000


@dataclass(frozen=True)
class Cost:
    cpu: float
    time: float
    size: int
    parts: int


def measure() -> list[Line]:
    with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-", dir=Path.cwd()) as name:
        folder = Path(name)
        lines = [Line("fsync of a folder", f"{_fsync(folder) * 1000:.2f} ms, twice for each part")]
        sample_tree(folder / "data", files=1, rows=ROWS, generations=("2025-08",))
        bodies = asyncio.run(_bodies(folder / "data"))
        raw = sum(map(len, bodies)) / len(bodies)
        lines.append(Line("a document as JSON", f"{raw:.0f} bytes"))
        names: tuple[FormatName, ...] = ("Parquet", "CSV", "JSON lines")
        for form in names:
            asyncio.run(_send(folder / "warm", form, bodies[:100], 50, NEVER))
            large = asyncio.run(_send(folder / "large", form, bodies, LARGE, NEVER))
            small = asyncio.run(_send(folder / "small", form, bodies, SMALL, NEVER))
            compacted = asyncio.run(_send(folder / "compacted", form, bodies, SMALL, 32))
            lines += [
                _line(f"{form}, {LARGE:,} documents a request", large),
                _line(f"{form}, {SMALL} documents a request", small),
                _line(f"{form}, {SMALL} a request, compacted by 32", compacted),
            ]
        return lines


def _line(what: str, cost: Cost) -> Line:
    each = f"{cost.cpu / ROWS * 1e6:.1f} µs CPU, {cost.time / ROWS * 1e6:.0f} µs a document"
    return Line(what, f"{each}, {cost.size / ROWS:.0f} B, {cost.parts} parts")


async def _send(folder: Path, form: FormatName, bodies: list[bytes], most: int, compact: int) -> Cost:
    sink = ArchiveSink(ArchiveOptions(path=folder, format=form, compact_files=compact), SystemClock())
    await sink.open()
    begun, spent = perf_counter(), cpu_seconds()
    for first in range(0, len(bodies), most):
        some = bodies[first : first + most]
        await sink.send("1", [Parcel(sink.route(None), range(len(some)), some, 0)])
    await sink.close()
    spent, taken = cpu_seconds() - spent, perf_counter() - begun
    sizes = _sizes(folder, SUFFIXES[form])
    return Cost(spent, taken, sum(sizes), len(sizes))


def _sizes(folder: Path, suffix: str) -> list[int]:
    return [path.stat().st_size for path in folder.glob(f"*/*/[!.]*{suffix}")]


async def _bodies(root: Path) -> list[bytes]:
    store = SqliteStore(root, clock=SystemClock())
    await store.open()
    try:
        [file] = (await store.scan()).changed
        encoder, found, after = Encoder("sensorId"), [], 0
        while (batch := await store.read(file.key, after=after, limit=500)).rows:
            found += [body for body in encoder.encode(batch).bodies if body is not None]
            after = batch.through
        return found
    finally:
        await store.close()


def _fsync(folder: Path) -> float:
    taken = []
    for number in range(20):
        (folder / f"{number}").touch()
        begun = perf_counter()
        sync_folder(str(folder))
        taken.append(perf_counter() - begun)
    return median(taken)

"""A sensor that writes ten times a second in rollback mode while its own million-row file is uploaded."""

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.common import CITIES, Line, child, null_endpoint
from sensor_tui.model.clock import SystemClock
from sensor_tui.simulator.config import SensorConfig
from sensor_tui.simulator.run import run
from sensor_tui.simulator.sample import write_sample

ROWS = 1_000_000
ALONE_SECONDS = 20


def _write(database: Path, generation: str, sensor_id: str, pipe: Connection) -> None:
    """The sensor: ten readings a second until told to stop; sends its insert latencies back."""
    stop = threading.Event()
    threading.Thread(target=lambda: (pipe.recv(), stop.set()), daemon=True).start()
    config = SensorConfig().with_options(sensor_id=sensor_id, city=CITIES[0])
    stats = run(config, db=database, clock=SystemClock(), stop=stop, generation=generation, rate=10.0)
    pipe.send((stats.count, stats.max_seconds, stats.p99_seconds))


def measure(*, rows: int = ROWS) -> list[Line]:
    """The sensor alone for a while, then the same sensor on the same file during its upload."""
    lines = []
    for generation in ("2025-08", "2025-04"):
        with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name, null_endpoint() as endpoint:
            folder = Path(name)
            database = folder / CITIES[0] / "s0001" / "sensor_data.db"
            database.parent.mkdir(parents=True)
            sensor_id = write_sample(database, generation=generation, rows=rows, city=CITIES[0])
            with _sensor(database, generation, sensor_id) as alone:
                time.sleep(ALONE_SECONDS)
            with _sensor(database, generation, sensor_id) as beside:
                result = child("benchmarks.ours", endpoint, folder)
        upload = f"{result['documents']} rows in {result['seconds']:.0f} s"
        slowest, p99 = beside.slowest, beside.p99
        lines += [
            Line(f"{generation}: the sensor alone", _text(alone)),
            Line(f"{generation}: beside the upload", f"{_text(beside)}, {upload}"),
            Line(f"{generation}: slowest insert", f"{slowest * 1000:.1f} ms", "≤ 50 ms", slowest <= 0.05),
            Line(f"{generation}: 99th percentile", f"{p99 * 1000:.1f} ms", "≤ 10 ms", p99 <= 0.01),
        ]
    return lines


@dataclass
class Inserts:
    """Insert latencies of one sensor, in seconds."""

    count: int = 0
    slowest: float = 0.0
    p99: float = 0.0


@contextmanager
def _sensor(database: Path, generation: str, sensor_id: str) -> Iterator[Inserts]:
    """A sensor in a process of its own; what is yielded is filled in at the end."""
    inserts = Inserts()
    ours, theirs = multiprocessing.Pipe()
    writer = multiprocessing.Process(target=_write, args=(database, generation, sensor_id, theirs))
    writer.start()
    try:
        yield inserts
    finally:
        ours.send(None)
        inserts.count, inserts.slowest, inserts.p99 = ours.recv()
        writer.join()


def _text(inserts: Inserts) -> str:
    return f"p99 {inserts.p99 * 1000:.1f} ms, slowest {inserts.slowest * 1000:.1f} ms of {inserts.count}"

"""A sensor that writes ten times a second in rollback mode while its own million-row file is uploaded."""

import multiprocessing
import shutil
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.common import CITIES, Line, child, null_endpoint
from sensor_tui.model.clock import SystemClock
from sensor_tui.simulator.config import SensorConfig
from sensor_tui.simulator.run import run
from sensor_tui.simulator.sample import write_sample

ROWS = 1_000_000


def _write(database: Path, generation: str, sensor_id: str, pipe: Connection) -> None:
    """The sensor: ten readings a second until told to stop; sends its insert latencies back."""
    stop = threading.Event()
    threading.Thread(target=lambda: (pipe.recv(), stop.set()), daemon=True).start()
    config = SensorConfig().with_options(sensor_id=sensor_id, city=CITIES[0])
    stats = run(config, db=database, clock=SystemClock(), stop=stop, generation=generation, rate=10.0)
    pipe.send((stats.count, stats.max_seconds, stats.p99_seconds))


def measure(*, rows: int = ROWS) -> list[Line]:
    """Uploads the file again and again until the sensor has written for half a minute at least."""
    lines = []
    for generation in ("2025-08", "2025-04"):
        with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name, null_endpoint() as endpoint:
            folder = Path(name)
            database = folder / CITIES[0] / "s0001" / "sensor_data.db"
            database.parent.mkdir(parents=True)
            sensor_id = write_sample(database, generation=generation, rows=rows, city=CITIES[0])
            ours, theirs = multiprocessing.Pipe()
            writer = multiprocessing.Process(target=_write, args=(database, generation, sensor_id, theirs))
            writer.start()
            result = child("benchmarks.ours", endpoint, folder)
            ours.send(None)
            count, slowest, p99 = ours.recv()
            writer.join()
            shutil.rmtree(folder / CITIES[0])
        upload = f"{result['documents']} rows in {result['seconds']:.0f} s"
        text = f"{slowest * 1000:.1f} ms of {count} inserts, {upload}"
        lines += [
            Line(f"{generation}: slowest insert", text, "≤ 50 ms", slowest <= 0.05),
            Line(f"{generation}: 99th percentile", f"{p99 * 1000:.1f} ms", "≤ 10 ms", p99 <= 0.01),
        ]
    return lines

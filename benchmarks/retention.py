"""A million acknowledged rows removed by command, beside the sensor that writes ten times a second."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import CITIES, ROOT, Line
from benchmarks.sensor import ALONE_SECONDS, _sensor, _text
from sensor_tui.simulator.sample import write_sample

ROWS = 1_000_000
_CLOSE = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
    " db.execute('UPDATE sensor_readings SET synced = 1'); db.commit(); db.close()"
)


def measure(*, rows: int = ROWS) -> list[Line]:
    """The sensor alone for a while, then the same sensor while its old rows are removed."""
    lines = []
    for generation in ("2025-08", "2025-04"):
        with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
            folder = Path(name)
            database = folder / CITIES[0] / "s0001" / "sensor_data.db"
            database.parent.mkdir(parents=True)
            sensor_id = write_sample(database, generation=generation, rows=rows, city=CITIES[0])
            subprocess.run([sys.executable, "-c", _CLOSE, str(database)], check=True)
            with _sensor(database, generation, sensor_id) as alone:
                time.sleep(ALONE_SECONDS)
            with _sensor(database, generation, sensor_id) as beside:
                planned = _prune(folder, "--dry-run")
                began = time.perf_counter()
                removed = _prune(folder, "--yes")
                seconds = time.perf_counter() - began
        slowest, p99 = beside.slowest, beside.p99
        lines += [
            Line(f"{generation}: the sensor alone", _text(alone)),
            Line(f"{generation}: beside the removal", _text(beside)),
            Line(
                f"{generation}: removed",
                f"{removed} of {planned} planned in {seconds:.0f} s, {removed / seconds:,.0f} rows/s",
                "all",
                removed == planned == rows,
            ),
            Line(f"{generation}: slowest insert", f"{slowest * 1000:.1f} ms", "≤ 50 ms", slowest <= 0.05),
            Line(f"{generation}: 99th percentile", f"{p99 * 1000:.1f} ms", "≤ 10 ms", p99 <= 0.01),
        ]
    return lines


def _prune(folder: Path, how: str) -> int:
    """Run the command; how many rows it removed, or would."""
    command = ("-m", "sensor_tui", "prune", "--data-dir", str(folder), "--older-than", "1d", how, "--json")
    done = subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return int(json.loads(done.stdout)["rows"])


if __name__ == "__main__":
    for line in measure():
        print(f"{line.what:<40} {line.value:<60} {line.bar:<10} {line.met}")

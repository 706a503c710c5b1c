"""What the benchmarks share: child processes, CPU time, and the table at the end."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor_tui.simulator.sample import write_sample

ROOT = Path(__file__).resolve().parents[1]
KEY = "a2V5IGZvciBhIG51bGwgZW5kcG9pbnQ="
CITIES = ("London", "Paris", "Manila", "Oslo", "Lima", "Quito", "Accra", "Dakar")


@dataclass(frozen=True)
class Line:
    """One figure, with the bar it has to meet where DESIGN sets one."""

    what: str
    value: str
    bar: str = ""
    met: bool | None = None


def cpu_seconds() -> float:
    """CPU time of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds_of(pid: int) -> float:
    """CPU time of another process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes() -> int:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def null_endpoint() -> Iterator[str]:
    """The null endpoint in a process of its own; gives its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.null_endpoint"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()
            process.wait(10)


def child(module: str, *args: object) -> dict[str, Any]:
    """Run `python -m module args` and give the JSON it prints last."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, args)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def sample_tree(folder: Path, *, files: int, rows: int, generations: tuple[str, ...], **options: Any) -> int:
    """Sensor files under a folder, as the field has them; gives the number of rows in all."""
    for number in range(files):
        city = CITIES[number % len(CITIES)]
        path = folder / city / f"s{number:04d}" / "sensor_data.db"
        path.parent.mkdir(parents=True)
        generation = generations[number % len(generations)]
        write_sample(path, generation=generation, rows=rows, city=city, seed=number, **options)
    return files * rows


def settings_for(endpoint: str, **performance: object) -> Any:
    """Configuration for an endpoint on this machine, with nothing read from elsewhere."""
    from sensor_tui.config import load

    overrides = {"cosmos": {"endpoint": endpoint, "key": KEY}}
    if performance:
        overrides["performance"] = performance  # type: ignore[assignment]
    return load(None, env={}, overrides=overrides, cwd=Path("/")).settings

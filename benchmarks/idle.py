"""A thousand idle files, looked at each second by a continuous engine."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.common import Line, child, cpu_seconds, null_endpoint, sample_tree, settings_for
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.loop import run
from sensor_tui.service.pipeline import build_pipeline
from sensor_tui.service.request import SyncRequest

FILES = 1000
SECONDS = 20


def measure() -> list[Line]:
    """CPU of the whole process once everything has been sent."""
    with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
        sample_tree(Path(name), files=FILES, rows=5, generations=("2025-04", "2025-08"))
        with null_endpoint() as endpoint:
            result = child("benchmarks.idle", endpoint, name)
    share = result["cpu"] / result["seconds"] * 100
    return [Line(f"{FILES} idle files, polled each second", f"{share:.2f} % of a core", "≤ 2 %", share <= 2)]


async def _watch(endpoint: str, folder: Path) -> dict[str, float]:
    clock = SystemClock()
    settings = settings_for(endpoint, upload_interval_seconds=1, upload_jitter_seconds=0)
    pipeline = build_pipeline(settings, SyncRequest(folder), clock)
    await pipeline.open()
    running = asyncio.ensure_future(pipeline.run(continuous=True))
    while pipeline.engine.meter.accepted < FILES * 5 or pipeline.backlog():  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    await asyncio.sleep(5)
    cpu, started = cpu_seconds(), clock.monotonic()
    await asyncio.sleep(SECONDS)
    result = {"cpu": cpu_seconds() - cpu, "seconds": clock.monotonic() - started}
    pipeline.engine.drain()
    await running
    await pipeline.close()
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    sys.stdout.write(json.dumps(run(_watch(arguments.endpoint, arguments.folder))) + "\n")

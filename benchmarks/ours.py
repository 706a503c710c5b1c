"""Our writer in a process of its own: `python -m benchmarks.ours ENDPOINT FOLDER`."""

import argparse
import asyncio
import gc
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import cpu_seconds, rss_bytes, settings_for
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.loop import run
from sensor_tui.service.pipeline import build_pipeline
from sensor_tui.service.request import SyncRequest
from sensor_tui.simulator.sample import write_sample


async def warm_up(endpoint: str) -> None:
    """Upload a few rows, so that imports and connections are not measured: the peers do the same."""
    with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
        write_sample(Path(name) / "sensor_data.db", generation="2025-08", rows=100)
        pipeline = build_pipeline(settings_for(endpoint), SyncRequest(Path(name)), SystemClock())
        await pipeline.open()
        await pipeline.run(continuous=False)
        await pipeline.close()


async def upload(endpoint: str, folder: Path) -> dict[str, Any]:
    """Upload everything; CPU and time from the first row to the last mark, memory over idle."""
    await warm_up(endpoint)
    clock = SystemClock()
    pipeline = build_pipeline(settings_for(endpoint), SyncRequest(folder), clock)
    await pipeline.open()
    gc.collect()
    idle = rss_bytes()
    marks: list[tuple[float, int, int]] = []

    async def watch() -> None:
        while True:
            marks.append((clock.monotonic(), pipeline.engine.meter.accepted, rss_bytes()))
            await asyncio.sleep(0.05)

    watching = asyncio.ensure_future(watch())
    cpu, started = cpu_seconds(), clock.monotonic()
    await pipeline.run(continuous=False)
    cpu, seconds = cpu_seconds() - cpu, clock.monotonic() - started
    marks.append((clock.monotonic(), pipeline.engine.meter.accepted, rss_bytes()))
    watching.cancel()
    await pipeline.close()
    accepted = pipeline.engine.meter.accepted
    return {
        "documents": accepted,
        "cpu_us": cpu * 1e6,
        "seconds": seconds,
        "backlog": pipeline.backlog(),
        "rss_idle": idle,
        "rss_most": max(rss for _, _, rss in marks),
        "rate_first": _rate(marks, 0, 100_000),
        "rate_last": _rate(marks, accepted - 100_000, accepted),
    }


def _rate(marks: list[tuple[float, int, int]], first: int, last: int) -> float:
    """Documents a second between two counts, between the samples nearest to them."""
    inside = [(at, count) for at, count, _ in marks if first <= count <= last]
    if len(inside) < 2:
        return 0.0
    (start, before), (end, after) = inside[0], inside[-1]
    return (after - before) / (end - start) if end > start else 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("endpoint")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(run(upload(arguments.endpoint, arguments.folder))))

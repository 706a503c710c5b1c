"""What the processors cost a document, over encoding alone: batches of 500 rows as the engine reads them."""

import asyncio
import gc
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import thread_time
from typing import Any

from benchmarks.common import KEY, Line, sample_tree
from sensor_tui.config import Settings, load
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.reading import Batch
from sensor_tui.service.stages import stages_of
from sensor_tui.storage.store import SqliteStore
from sensor_tui.sync.encode import Encoder
from sensor_tui.sync.stage import Stage, Staged

ROWS = 20_000
TURNS = 9
BUDGET = 25.0
BAR = 2.0
ENCODING = "encoding alone"
ALL = "all three, encoding what they gave"
PROCESSORS = ("Schematize", "Sanitize", "Anomaly")
RULES = {
    "temperature": {"min": -40, "max": 85, "max_change": 60},
    "vibration": "..5",
    "voltage": "9..15",
    "humidity": "0..100",
}


Job = Callable[[Batch], object]


def measure() -> list[Line]:
    """Each stage alone, then all three with the encoding of what they gave, less encoding alone."""
    lines = []
    for generation in ("2025-04", "2025-08"):
        with tempfile.TemporaryDirectory(prefix="sensor-tui-bench-") as name:
            sample_tree(Path(name), files=1, rows=ROWS, generations=(generation,))
            batches = asyncio.run(_batches(Path(name)))
        encoder, every = Encoder("city"), _stages(PROCESSORS)
        jobs: dict[str, Job] = {ENCODING: encoder.encode}
        jobs |= {processor: partial(_apply, _stages([processor])) for processor in PROCESSORS}
        jobs[ALL] = lambda batch: encoder.encode(_apply(every, batch))  # noqa: B023 - called at once
        spent = _each(batches, jobs)
        lines.append(Line(f"{generation}, {ENCODING}", f"{spent[ENCODING]:6.2f} µs/document"))
        lines += [Line(f"{generation}, {name}", _told(spent[name])) for name in PROCESSORS]
        over = spent[ALL] - spent[ENCODING]
        lines.append(Line(f"{generation}, {ALL}", _told(over), f"≤ {BAR:.0f} µs", over <= BAR))
    return lines


async def _batches(folder: Path) -> list[Batch]:
    """Every batch of the tree's one file, with the columns that repeat last, as the store gives them."""
    store = SqliteStore(folder, clock=SystemClock())
    await store.open()
    try:
        await store.scan()
        [file] = store.files()
        batches, after = [], 0
        while (batch := await store.read(file.key, after=after, limit=500)).rows:
            batches.append(batch)
            after = batch.through
        return batches
    finally:
        await store.close()


def _settings(processors: Sequence[str]) -> Settings:
    overrides: dict[str, Any] = {
        "cosmos": {"endpoint": "http://127.0.0.1:1", "key": KEY},
        "processing": {"processors": list(processors), "anomaly": {"rules": RULES}},
    }
    return load(None, env={}, overrides=overrides, cwd=Path("/")).settings


def _stages(processors: Sequence[str]) -> list[Stage]:
    return stages_of(_settings(processors))


def _apply(stages: list[Stage], batch: Batch) -> Batch:
    staged = Staged(batch)
    for stage in stages:
        stage.apply(staged)
    return staged.batch


def _each(batches: list[Batch], jobs: dict[str, Job]) -> dict[str, float]:
    """CPU microseconds a document for each job.

    Jobs take turns, and of each batch the cheapest turn counts: what a busy machine adds differs each time.
    """
    best = {name: [float("inf")] * len(batches) for name in jobs}
    gc.disable()
    try:
        for _ in range(TURNS):
            for number, batch in enumerate(batches):
                for name, job in jobs.items():
                    started = thread_time()
                    job(batch)
                    best[name][number] = min(best[name][number], thread_time() - started)
    finally:
        gc.enable()
    count = sum(len(batch.rows) for batch in batches)
    return {name: sum(seconds) * 1e6 / count for name, seconds in best.items()}


def _told(spent: float) -> str:
    return f"{spent:6.2f} µs/document  {spent / BUDGET:6.1%} of {BUDGET:.0f} µs"

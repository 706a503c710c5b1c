"""Sensors with files of their own, and the command that serves them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sensor_tui.simulator.sample import write_sample
from tests.real.expected import rows_of

ROWS = 300


def file_of(data: Path, city: str, sensor: str) -> Path:
    path = data / city / sensor / "sensor_data.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def good_sensor(
    data: Path, sensor: str, *, city: str = "London", rows: int = ROWS, start: float = 1.754e9
) -> Path:
    path = file_of(data, city, sensor)
    write_sample(path, generation="2025-04", rows=rows, sensor_id=f"{sensor}_000001", city=city, start=start)
    return path


def poison(path: Path) -> None:
    """A reading that can never become a document."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as connection:
        columns = "timestamp, sensor_id, temperature"
        connection.execute(f"INSERT INTO sensor_readings ({columns}) VALUES (1754000000.5, 'P', x'00')")


def tracked(path: Path) -> set[int | None]:
    return {row["synced"] for row in rows_of(path)}


def serving(data: Path, config: Path, container: str) -> tuple[Any, ...]:
    return (
        "sync", "--data-dir", data, "--config", config, "--container", container, "--continuous",
        "--interval", "0.2",
    )  # fmt: skip

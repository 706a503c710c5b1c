from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.simulator.sample import write_sample
from sensor_tui.simulator.schema import GENERATIONS

Rows = Callable[[Path], list[dict[str, Any]]]


def time_of(row: dict[str, Any]) -> float:
    stored = row["timestamp"]
    return stored if isinstance(stored, float) else datetime.fromisoformat(stored).timestamp()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_same_arguments_give_the_same_rows(tmp_path: Path, rows: Rows, generation: str) -> None:
    for name in ("a.db", "b.db"):
        assert write_sample(tmp_path / name, generation=generation, rows=500, city="Zurich") == "ZUR_218658"
    assert rows(tmp_path / "a.db") == rows(tmp_path / "b.db")
    assert len(rows(tmp_path / "a.db")) == 500


@pytest.mark.parametrize("generation", GENERATIONS)
def test_times_are_near_the_grid_and_never_go_back(tmp_path: Path, rows: Rows, generation: str) -> None:
    path = tmp_path / "a.db"
    write_sample(path, generation=generation, rows=300, start=1_700_000_000.0, step=0.1)
    times = [time_of(row) for row in rows(path)]
    assert times == sorted(times)
    assert times == pytest.approx([1_700_000_000 + index / 10 for index in range(300)], abs=0.0006)


def test_readings_are_added_to_an_existing_file(tmp_path: Path, rows: Rows) -> None:
    path = tmp_path / "a.db"
    write_sample(path, generation="2025-04", rows=2)
    assert write_sample(path, generation="2025-04", rows=3, sensor_id="X", start=1_800_000_000.0) == "X"
    assert [row["sensor_id"] for row in rows(path)][2:] == ["X"] * 3


def test_a_city_nobody_knows_has_no_coordinates(tmp_path: Path, rows: Rows) -> None:
    path = tmp_path / "a.db"
    write_sample(path, generation="2025-04", rows=1, city="Atlantis")
    assert rows(path)[0]["location"] == "Atlantis"

"""`sensor-tui simulate`."""

import json
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.cli.simulate import folder_name

Run = Callable[..., Any]


def rows(path: Path, columns: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM sensor_readings").fetchall()


@pytest.mark.parametrize(("generation", "kind"), [("2025-04", float), ("2025-08", str)])
def test_it_writes_what_it_is_asked_for(run: Run, generation: str, kind: type) -> None:
    done = run(
        "simulate", "--sensor-id", "MAN_000007", "--city", "Manila", "--db", "own/file.db", "--rate", "0",
        "--count", "25", "--generation", generation, "--wal", "--json",
    )  # fmt: skip
    assert done.code == 0
    assert [line.split(" ", 1)[1][:4] for line in done.err.splitlines()] == ["INFO"]
    assert (done.json["db"], done.json["count"]) == ("own/file.db", 25)
    found = rows(Path("own/file.db"), "sensor_id, timestamp, location")
    assert len(found) == 25
    assert {row[0] for row in found} == {"MAN_000007"}
    assert all(isinstance(row[1], kind) and row[2].startswith("Manila") for row in found)


def test_without_a_file_it_writes_where_sync_looks(run: Run) -> None:
    done = run("simulate", "--city", "São Paulo", "--rate", "0", "--count", "3")
    (path,) = Path("data/São Paulo").glob("*/sensor_data.db")
    assert done.out.startswith(f"{path}: 3 readings written, slowest commit ")
    assert path.parent.name == rows(path, "sensor_id")[0][0]


def test_the_same_seed_gives_the_same_values(run: Run) -> None:
    values = []
    for name in ("a.db", "b.db", "c.db"):
        seed = "2" if name == "c.db" else "1"
        run("simulate", "--sensor-id", "X", "--db", name, "--rate", "0", "--count", "5", "--seed", seed)
        values.append(rows(Path(name), "temperature, vibration, voltage"))
    assert values[0] == values[1] != values[2]


def test_file_environment_and_options_in_their_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sensor.yaml").write_text(
        "sensor: {id: FILE, city: Nairobi}\nsimulation: {readings_per_second: 0}\n"
    )
    monkeypatch.setenv("SENSOR_ID", "ENVIRONMENT")
    run("simulate", "--config", "sensor.yaml", "--db", "a.db", "--count", "1")
    run("simulate", "--config", "sensor.yaml", "--db", "b.db", "--count", "1", "--sensor-id", "OPTION")
    assert [rows(Path(name), "sensor_id")[0][0] for name in ("a.db", "b.db")] == ["ENVIRONMENT", "OPTION"]


def test_a_bad_value_is_one_line_and_2(run: Run) -> None:
    for arguments in (
        ["--rate", "-1"],
        ["--generation", "2024"],
        ["--config", "missing.yaml"],
        ["--rate", "fast"],
    ):
        done = run("simulate", *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    Path("sensor.yaml").write_text("sensor:\n  ctiy: London\n")
    done = run("simulate", "--config", "sensor.yaml")
    assert done.code == 2
    assert "sensor.yaml, line 2" in done.err


def test_sigterm_ends_it_with_its_report(spawn: Any) -> None:
    process = spawn("simulate", "--db", "a.db", "--rate", "0", "--json")
    path = Path("a.db")
    while not path.exists() or path.stat().st_size < 100_000:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["count"] == len(rows(path, "id"))


@pytest.mark.parametrize("name", ["../../etc", "/etc", "..", ".", "a\0b", ""])
def test_a_name_cannot_climb_out_of_its_folder(name: str) -> None:
    folder = folder_name(name)
    assert folder not in {"", ".", ".."}
    assert "/" not in folder
    assert "\0" not in folder
    assert not folder.startswith(".")

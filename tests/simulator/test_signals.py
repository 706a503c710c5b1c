"""The sensor as a process of its own, ended by signals."""

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sensor_tui.simulator.schema import GENERATIONS

SCRIPT = """
import dataclasses, json, sys
from pathlib import Path
from sensor_tui.simulator.config import SensorConfig
from sensor_tui.simulator.run import simulate

path, generation, rate, wal = sys.argv[1:]
config = SensorConfig.model_validate({"anomalies": {"enabled": False}, "database": {"wal": wal == "wal"}})
stats = simulate(
    config, db=Path(path), generation=generation, rate=float(rate),
    on_reading=lambda reading: print(reading.time, flush=True),
)
print(json.dumps(dataclasses.asdict(stats)))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def begin(generation: str, rate: float, journal: str) -> subprocess.Popen[str]:
        arguments = [str(tmp_path / "sensor_data.db"), generation, str(rate), journal]
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("journal", ["wal", "delete"])
@pytest.mark.parametrize("rate", [0, 0.01, 500])
def test_sigterm_leaves_a_consistent_file(
    tmp_path: Path, start: Start, generation: str, journal: str, rate: float
) -> None:
    process = start(generation, rate, journal)
    assert process.stdout is not None
    assert process.stdout.readline()  # at least one reading is committed
    process.send_signal(signal.SIGTERM)
    # At the low rate the next reading is a hundred seconds away, so this shows that the wait was cut short.
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    stats = json.loads(output.splitlines()[-1])
    with closing(sqlite3.connect(tmp_path / "sensor_data.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*), max(id) FROM sensor_readings").fetchone() == (
            stats["count"],
            stats["count"],
        )
    assert stats["lost"] == 0
    if rate == 0:
        assert stats["count"] % 500 == 0
    assert {path.name for path in tmp_path.iterdir()} == {"sensor_data.db"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_other_signals_end_it_as_cleanly(start: Start, number: signal.Signals) -> None:
    process = start("2025-08", 0.01, "delete")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_a_kill_loses_no_committed_reading(tmp_path: Path, start: Start) -> None:
    process = start("2025-08", 500, "delete")
    assert process.stdout is not None
    for _ in range(20):
        assert process.stdout.readline()
    process.kill()
    told = 20 + len(process.stdout.readlines())
    process.wait()
    with closing(sqlite3.connect(tmp_path / "sensor_data.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (count,) = connection.execute("SELECT count(*) FROM sensor_readings").fetchone()
    assert told <= count <= told + 1


def test_the_simulator_loads_nothing_heavy() -> None:
    code = (
        "import sys, sensor_tui.simulator.run, sensor_tui.simulator.environment, sensor_tui.simulator.sample;"
        "loaded = {name.split('.')[0] for name in sys.modules};"
        "print(sorted(loaded & {'aiohttp', 'azure', 'textual', 'httpx', 'rich', 'click'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

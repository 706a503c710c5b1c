"""The uploader killed in every window that an aggregated document goes through, while readings keep coming.

The sums over all documents must be those of the sensors' files: no reading lost, none in two documents.
"""

import json
import signal
import sqlite3
import sys
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.crash.campaign import LAUNCHER
from tests.real.processes import Endpoint, Outcome, Person, eventually, person

pytestmark = pytest.mark.timeout(300)

WINDOWS = ("before intent", "unsent", "unanswered", "unmarked", "partly marked", "unfulfilled")
"""Before the intent is committed; committed and not sent; sent and unanswered; answered and unmarked; some of
the rows marked; all marked, and the intent still there."""
SECONDS = 30
START = 1_754_000_010.0
COLUMNS = "timestamp REAL, sensor_id TEXT, temperature REAL, pressure REAL, location TEXT"


@dataclass
class Outcomes:
    """What the kills hit, and what is there at the end."""

    hits: Counter[str] = field(default_factory=Counter)
    documents: list[dict[str, Any]] = field(default_factory=list)
    stored: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)
    intents: int = 0
    last: Outcome | None = None
    second: Outcome | None = None


class Fleet:
    """Two files, of either journal mode: one in order, one with late readings and two sensors in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = {
            "WAL_000001": self._make("WAL_000001", "wal"),
            "DEL_000002": self._make("DEL_000002", "delete"),
        }
        self.now = dict.fromkeys(self.paths, START)

    def _make(self, name: str, mode: str) -> Path:
        path = self.root / "London" / name / "sensor_data.db"
        path.parent.mkdir(parents=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA journal_mode={mode}").fetchall()
            connection.execute(
                f"CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, {COLUMNS}, synced INTEGER DEFAULT 0)"
            )
            connection.commit()
        return path

    def more(self, readings: int) -> None:
        """What the sensors write between two runs."""
        for name, path in self.paths.items():
            start = self.now[name]
            times = [(start + number, name) for number in range(readings)]
            if name.startswith("DEL"):
                times[readings // 2 : readings // 2] = [(start - 40.0, name), (start - 4000.0, name)]
                times += [(start + number + 0.5, "OTH_000003") for number in range(0, readings, 3)]
            self.now[name] = start + readings
            with closing(sqlite3.connect(path, timeout=30)) as connection:
                connection.executemany(
                    "INSERT INTO sensor_readings (timestamp, sensor_id, temperature, pressure, location)"
                    " VALUES (?, ?, ?, ?, 'London')",
                    [(time, sensor, time % 17, None if time % 2 else 1000.0) for time, sensor in times],
                )
                connection.commit()

    def rows(self, columns: str) -> dict[str, list[tuple[Any, ...]]]:
        found = {}
        for name, path in self.paths.items():
            with closing(sqlite3.connect(path, timeout=30)) as connection:
                found[name] = connection.execute(f"SELECT {columns} FROM sensor_readings").fetchall()
        return found


class Killer:
    """Runs the uploader and has it die in a window."""

    def __init__(self, folder: Path, host: Person, endpoint: Endpoint) -> None:
        self.folder, self.host, self.endpoint = folder, host, endpoint
        self.config = folder / "sensor-tui.yaml"
        self.config.write_text(
            "processing:\n  processors: [Aggregate]\n"
            f"  aggregation: {{window: {SECONDS}s, lateness: 5s, quiet: 60s}}\n"
        )

    def command(self) -> list[str]:
        return ["sync", "--data-dir", str(self.folder / "data"), "--config", str(self.config), "--json"]

    def strike(self, window: str, passes: int) -> bool:
        """Whether the run was killed where it should be."""
        if window == "unanswered":
            return self._strike_at_endpoint(passes)
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        variables = {
            "CRASH_NOTES": str(self.folder / "notes"),
            "CRASH_WINDOW": window,
            "CRASH_PASSES": str(passes),
            "CRASH_REPORT": str(report),
        }
        outcome = self.host.run(
            *self.command(),
            program=(sys.executable, str(LAUNCHER)),
            variables=self.endpoint.variables | variables,
        )
        assert outcome.code in {0, -signal.SIGKILL}, outcome.err
        return report.exists() and json.loads(report.read_text())["window"] == window

    def _strike_at_endpoint(self, passes: int) -> bool:
        when = "after" if passes % 2 else "before"
        number = self.endpoint.fault(action="hold", kind="bulk", when=when, nth=1)
        process = self.host.start(*self.command(), variables=self.endpoint.variables, log=self.folder / "log")
        held = self.endpoint.control("GET", f"faults/{number}?reached=20")
        alive = process.poll() is None
        process.kill()
        process.wait()
        self.endpoint.control("POST", f"faults/{number}/release")
        self.endpoint.control("DELETE", "faults")
        return bool(alive and held["hits"] == 1)

    def run(self) -> Outcome:
        return self.host.run(*self.command(), variables=self.endpoint.variables)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What was there after all the kills and one run to the end."""
    folder = tmp_path_factory.mktemp("aggregates")
    fleet, outcomes = Fleet(folder / "data"), Outcomes()
    with person(folder / "home") as host:
        endpoint = Endpoint(host)
        killer = Killer(folder, host, endpoint)
        for number, window in enumerate(WINDOWS):
            fleet.more(700)
            outcomes.hits[window] += killer.strike(window, number % 3)
        fleet.more(50)
        outcomes.last = killer.run()
        outcomes.second = killer.run()
        outcomes.documents = eventually(endpoint.documents)
    outcomes.stored = fleet.rows("id, timestamp, sensor_id, temperature, pressure, synced")
    with closing(sqlite3.connect(folder / "data" / ".sensor-tui" / "ledger.db")) as ledger:
        (outcomes.intents,) = ledger.execute("SELECT count(*) FROM intents").fetchone()
    return outcomes


@pytest.mark.parametrize("window", WINDOWS)
def test_a_kill_landed_in_every_window(found: Outcomes, window: str) -> None:
    assert found.hits[window] == 1, found.hits


def test_sums_over_all_documents_are_those_of_the_files(found: Outcomes) -> None:
    files: dict[Any, list[tuple[float, float | None]]] = defaultdict(list)
    for rows in found.stored.values():
        for _, time, sensor, temperature, pressure, _ in rows:
            files[sensor, time // SECONDS * SECONDS].append((temperature, pressure))
    documents: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for document in found.documents:
        start = datetime.fromisoformat(document["windowStart"]).timestamp()
        documents[document["sensorId"], start].append(document)
    assert documents.keys() == files.keys()
    for key, readings in files.items():
        parts = documents[key]
        assert sum(part["count"] for part in parts) == len(readings), key
        for index, name in enumerate(("temperature", "pressure")):
            values = [reading[index] for reading in readings if reading[index] is not None]
            measures = [part[name] for part in parts if name in part]
            assert sum(each["count"] for each in measures) == len(values), key
            if values:
                assert min(each["min"] for each in measures) == min(values)
                assert max(each["max"] for each in measures) == max(values)
                total = sum(each["avg"] * each["count"] for each in measures)
                assert total == pytest.approx(sum(values))


def test_parts_are_numbered_and_late_ones_say_so(found: Outcomes) -> None:
    parts: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for document in found.documents:
        parts[document["sensorId"], document["windowStart"]].append(document)
    for some in parts.values():
        assert len({each["part"] for each in some}) == len(some)
        assert all(each.get("late") for each in some if each["part"] > 1)
        assert all(each["complete"] for each in some)
    assert any(len(some) > 1 for some in parts.values())


def test_every_row_is_closed_and_nothing_is_left_to_send(found: Outcomes) -> None:
    assert {row[-1] for rows in found.stored.values() for row in rows} == {1}
    assert found.intents == 0
    assert found.last is not None
    assert found.last.code == 0, found.last.err
    assert found.last.report["backlog"] == 0


def test_a_second_run_sends_nothing(found: Outcomes) -> None:
    assert found.second is not None
    report = found.second.report
    assert (found.second.code, report["read"], report["accepted"], report["backlog"]) == (0, 0, 0, 0)

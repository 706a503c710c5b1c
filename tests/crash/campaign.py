"""A service that is killed again and again while two simulators write, and what is there afterwards."""

import json
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor_tui.simulator.sample import write_sample
from tests.crash.verdict import WINDOWS, Verdict
from tests.real.expected import document_of, plain, rows_of
from tests.real.processes import PROGRAM, Endpoint, eventually, person

LAUNCHER = Path(__file__).with_name("launcher.py")
NOTES = ("sending", "settling", "closing", "marking", "answers")
LAYOUT = struct.Struct(f"={len(NOTES)}q")
"""As the launcher writes them."""

DEATHS = (-signal.SIGKILL, -signal.SIGSYS)
ATTEMPTS = 5
WORKING, WORK_SECONDS = 0.8, 0.8
"""Share of the random kills that come after a service began to send, and within how many seconds."""
DELAY = 0.05
"""Seconds that every request takes, as it does where the service is not next door."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor that writes all the while."""

    sensor_id: str
    city: str
    generation: str
    wal: bool
    path: Path


class Campaign:
    """The endpoint, the two simulators, and a service to be killed. Use it as a context manager."""

    def __init__(self, folder: Path, *, seed: int, rate: int = 60, backlog: int = 1500) -> None:
        self.verdict = Verdict()
        self._random = random.Random(seed)
        self._folder = folder
        self._notes = folder / "notes"
        self._data = folder / "data"
        self._rate = rate
        self._backlog = backlog
        self._sensors = (
            self._sensor("LON_000001", "London", "2025-04", wal=True),
            self._sensor("MNL_000002", "Manila", "2025-08", wal=False),
        )
        self._old = (
            self._sensor("OSL_000003", "Oslo", "2025-04", wal=False),
            self._sensor("LIM_000004", "Lima", "2025-08", wal=False),
        )
        """Sensors that bring a backlog from time to time."""
        self._rows = 0
        self._rounds = 0
        self._began = time.monotonic()

    def _sensor(self, sensor_id: str, city: str, generation: str, *, wal: bool) -> Sensor:
        path = self._data / city / sensor_id / "sensor_data.db"
        return Sensor(sensor_id, city, generation, wal, path)

    @contextmanager
    def running(self) -> Iterator["Campaign"]:
        """With endpoint and simulators running."""
        with person(self._folder / "home") as self._host:
            self._host_files()
            self._endpoint = Endpoint(self._host)
            self._config = self._folder / "sensor-tui.yaml"
            self._config.write_text("performance: {upload_jitter_seconds: 0}\n")
            self._simulators = [self._simulate(sensor) for sensor in self._sensors]
            eventually(
                lambda: all(sensor.path.exists() for sensor in self._sensors), what="the sensors' files"
            )
            self._endpoint.fault(action="delay", kind="bulk", seconds=DELAY, times=None)
            self._start_up = self._first_answer()
            yield self

    def _host_files(self) -> None:
        for sensor in self._old:
            self._append(sensor, self._backlog)

    def _append(self, sensor: Sensor, rows: int) -> None:
        self._rounds += 1
        write_sample(
            sensor.path,
            generation=sensor.generation,
            rows=rows,
            sensor_id=sensor.sensor_id,
            city=sensor.city,
            seed=self._rounds,
            start=1_754_000_000.0 + 100_000 * self._rounds,
        )
        self._rows += rows

    def _simulate(self, sensor: Sensor) -> subprocess.Popen[str]:
        return self._host.start(
            "simulate", "--json", "--sensor-id", sensor.sensor_id, "--city", sensor.city, "--db", sensor.path,
            "--generation", sensor.generation, "--rate", str(self._rate),
            "--wal" if sensor.wal else "--no-wal",
            log=self._folder / "simulators.log",
        )  # fmt: skip

    def poison(self, sensor: Sensor, count: int) -> None:
        """Let a sensor write readings that can never become documents."""
        with closing(sqlite3.connect(sensor.path, timeout=30, isolation_level=None)) as connection:
            for _ in range(count):
                moment = time.time()
                stamp = (
                    moment
                    if sensor.generation == "2025-04"
                    else time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(moment))
                )
                row = connection.execute(
                    "INSERT INTO sensor_readings (timestamp, sensor_id, temperature) VALUES (?, ?, x'00ff')",
                    (stamp, sensor.sensor_id),
                ).lastrowid
                assert row is not None
                self.verdict.poisoned.add((self._key(sensor), row))
                self._rows += 1

    def _key(self, sensor: Sensor) -> str:
        return str(sensor.path.relative_to(self._data))

    def _command(self) -> tuple[str | Path, ...]:
        return (
            "sync", "--data-dir", self._data, "--config", self._config, "--continuous", "--interval", "0.2"
        )  # fmt: skip

    def _start(self, **variables: str) -> subprocess.Popen[str]:
        """Start the service; with variables through the launcher, which notes what it does."""
        program = (sys.executable, str(LAUNCHER)) if variables else PROGRAM
        return self._host.start(
            *self._command(),
            program=program,
            variables=self._endpoint.variables | variables,
            log=self._folder / "service.log",
        )

    def _die(self, service: subprocess.Popen[str], seconds: float = 20.0) -> None:
        """Wait until the service has died of what was prepared for it."""
        try:
            code = service.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the service met no occasion to die:\n{self._log()}") from None
        assert code in DEATHS, f"the service ended with {code}:\n{self._log()}"

    def _first_answer(self) -> float:
        """How long a service takes from its start to the first answer, in seconds."""
        service = self._start(CRASH_NOTES=str(self._notes))
        began = time.monotonic()
        eventually(lambda: self._noted()["answers"], what="a first answer")
        seconds = time.monotonic() - began
        service.kill()
        self._die(service)
        return seconds

    def _served(self) -> int:
        """How much the endpoint has done."""
        return int(self._endpoint.control("GET", "stats")["total"]["ops"])

    def _noted(self) -> dict[str, int]:
        if not self._notes.exists():
            return dict.fromkeys(NOTES, 0)
        return dict(zip(NOTES, LAYOUT.unpack(self._notes.read_bytes()), strict=True))

    def _log(self) -> str:
        return (self._folder / "service.log").read_text()[-4000:]

    def kill_at_random(self) -> str:
        """Start the service and kill it at any instant, most often while it works; what was going on then."""
        if self._random.random() < 0.6:
            self._append(self._random.choice(self._old), self._random.randint(50, self._backlog))
        if self._random.random() < 0.5:
            self.poison(self._random.choice(self._sensors + self._old), self._random.randint(1, 3))
        # One in four is the plain command, with nothing around it that could be what makes it safe.
        watched = self._random.random() < 0.75
        self._notes.unlink(missing_ok=True)
        served = self._served()
        service = self._start(CRASH_NOTES=str(self._notes)) if watched else self._start()
        if self._random.random() < WORKING:
            eventually(lambda: self._served() != served, what=f"a first request:\n{self._log()}")
            seconds = WORK_SECONDS * self._random.random()
        else:
            seconds = self._start_up * self._random.random()
        try:
            code = service.wait(seconds)
        except subprocess.TimeoutExpired:
            service.kill()
            code = service.wait()
        assert code == -signal.SIGKILL, f"the service ended by itself with {code}:\n{self._log()}"
        state = _state(self._noted()) if watched else "plain command"
        self.verdict.kills[state] += 1
        return state

    def strike(self, window: str) -> None:
        """Kill the service inside a window, until it is found to have been there."""
        for _ in range(ATTEMPTS):
            if self._strike_at_endpoint() if window == "a" else self._strike_inside(window):
                self.verdict.hits[window] += 1
                return
        raise AssertionError(f"window {window} ({WINDOWS[window]}) was missed {ATTEMPTS} times")

    def _strike_at_endpoint(self) -> bool:
        """Window a: the endpoint holds a request, before it is done or between commit and answer."""
        when = self._random.choice(("before", "after"))
        # The first rule that fits a request is the only one, so the hold has to come before the delay.
        self._endpoint.control("DELETE", "faults")
        number = self._endpoint.fault(action="hold", kind="bulk", when=when, nth=self._random.randint(1, 3))
        self._endpoint.fault(action="delay", kind="bulk", seconds=DELAY, times=None)
        self._append(self._random.choice(self._old), 400)
        service = self._start()
        held = self._endpoint.control("GET", f"faults/{number}?reached=20")
        alive = service.poll() is None
        service.kill()
        self._die(service)
        self._endpoint.control("POST", f"faults/{number}/release")
        return bool(alive and held["hits"] == 1)

    def _strike_inside(self, window: str) -> bool:
        """Windows b, c and d: the launcher kills, and what it testifies is checked in the files."""
        report = self._folder / "report.json"
        report.unlink(missing_ok=True)
        sensor = self._random.choice(self._sensors + self._old)
        if window == "d":
            self.poison(sensor, self._random.randint(1, 3))
        elif sensor in self._old:
            self._append(sensor, 400)
        passes = 0 if window == "d" else self._random.randint(0, 2)
        service = self._start(
            CRASH_NOTES=str(self._notes),
            CRASH_WINDOW=window,
            CRASH_PASSES=str(passes),
            CRASH_REPORT=str(report),
        )
        self._die(service)
        testimony = json.loads(report.read_text())
        path = self._data / testimony["source"] if "source" in testimony else Path(testimony["path"])
        hit = self._are_open(path, testimony["rows"])
        if window == "b":
            hit = hit and self._are_stored(path, testimony["rows"])
        elif window == "c":
            self.verdict.ways[testimony["how"]] += hit
        elif window == "d":
            hit = hit and self._are_buried(testimony["source"], testimony["rows"])
        return hit

    def _are_open(self, path: Path, rows: list[int]) -> bool:
        tracked = {row["id"]: row["synced"] for row in self._rows_as_left(path)}
        return all(not tracked[row] for row in rows if row in tracked)

    def _rows_as_left(self, path: Path) -> list[dict[str, Any]]:
        """The rows of a file, without finishing what the dead process left: that is for the next service.

        A journal that is left over makes a file unreadable to whoever may not write it. Where a simulator
        writes, that one takes the marks back within the moment; elsewhere a copy is looked at.
        """
        if any(path == sensor.path for sensor in self._sensors):
            return eventually(lambda: _readable_rows(path), what=f"a look into {path}")
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            for part in path.parent.glob(f"{path.name}*"):
                shutil.copy(part, folder)
            copied = Path(folder) / path.name
            with closing(sqlite3.connect(copied)) as connection:
                connection.execute("SELECT count(*) FROM sensor_readings").fetchone()
            return rows_of(copied)

    def _are_stored(self, path: Path, rows: list[int]) -> bool:
        """Whether the first and the last of these rows are in the container."""
        sensor = next(each for each in self._sensors + self._old if each.path == path)
        query = "SELECT VALUE COUNT(1) FROM c WHERE c.sensorId = @sensor AND c.sqlite_id = @row"
        with self._endpoint.sdk() as container:
            for row in (rows[0], rows[-1]):
                values: list[dict[str, Any]] = [
                    {"name": "@sensor", "value": sensor.sensor_id},
                    {"name": "@row", "value": row},
                ]
                found: list[Any] = list(
                    container.query_items(query, parameters=values, partition_key=sensor.city)
                )
                if found != [1]:
                    return False
        return True

    def _are_buried(self, source: str, rows: list[int]) -> bool:
        buried = {row for path, row in self._letters() if path == source}
        return buried.issuperset(rows)

    def _letters(self) -> list[tuple[str, int]]:
        with closing(sqlite3.connect(self._data / ".sensor-tui" / "ledger.db", timeout=30)) as ledger:
            return [(path, row) for path, row in ledger.execute("SELECT path, row_id FROM dead_letters")]

    def finish(self) -> Verdict:
        """Let the sensors end, send what is left, and look at everything."""
        verdict = self.verdict
        for simulator in self._simulators:
            simulator.send_signal(signal.SIGTERM)
        for simulator in self._simulators:
            assert simulator.stdout is not None
            self._rows += json.loads(simulator.stdout.read())["count"]
            assert simulator.wait(20) == 0
        self._endpoint.control("DELETE", "faults")
        command = ("sync", "--data-dir", self._data, "--json")
        verdict.last = self._host.run(*command, variables=self._endpoint.variables)
        verdict.second = self._host.run(*command, variables=self._endpoint.variables)
        verdict.written = self._rows
        self._compare(verdict)
        verdict.letters.update(self._letters())
        files = [sensor.path for sensor in self._sensors + self._old]
        for path in (*files, self._data / ".sensor-tui" / "ledger.db"):
            with closing(sqlite3.connect(path)) as connection:
                (said,) = connection.execute("PRAGMA integrity_check").fetchone()
            verdict.integrity[str(path.relative_to(self._data))] = said
        verdict.seconds = time.monotonic() - self._began
        return verdict

    def _compare(self, verdict: Verdict) -> None:
        expected: dict[tuple[str, int], dict[str, Any]] = {}
        for sensor in self._sensors + self._old:
            key = self._key(sensor)
            for row in rows_of(sensor.path):
                verdict.found += 1
                poisoned = (key, row["id"]) in verdict.poisoned
                if row["synced"] != (-1 if poisoned else 1):
                    verdict.unmarked.append((key, row["id"], row["synced"]))
                if not poisoned:
                    expected[sensor.sensor_id, row["id"]] = document_of(row, sensor.city)
        stored = self._endpoint.documents()
        verdict.documents = len(stored)
        counts = Counter((document["sensorId"], document["sqlite_id"]) for document in stored)
        verdict.doubled += [str(each) for each, count in counts.items() if count > 1]
        verdict.missing += [str(each) for each in expected if each not in counts]
        verdict.unexpected += [str(each) for each in counts if each not in expected]
        for document in stored:
            wanted = expected.get((document["sensorId"], document["sqlite_id"]))
            if wanted is not None and plain(document) != wanted:
                verdict.different.append((plain(document), wanted))


def _readable_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; none while it waits for somebody to take an unfinished transaction back."""
    try:
        return rows_of(path)
    except sqlite3.OperationalError:
        return []


def _state(notes: dict[str, int]) -> str:
    """What a service was doing, from what it noted."""
    for name, window in (("marking", "c"), ("closing", "d"), ("settling", "b"), ("sending", "a")):
        if notes[name]:
            return window
    return "idle" if notes["answers"] else "starting"

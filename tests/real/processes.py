"""The product as a person runs it: commands in processes of their own, and an endpoint in another."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from azure.cosmos import ContainerProxy, CosmosClient

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "sensor_tui")
DATABASE = "SensorData"
CONTAINER = "SensorReadings"

_FOREIGN = ("COSMOS_", "SENSOR_", "UPLOAD_", "ARCHIVE_", "CONFIG_FILE", "READINGS_", "ANOMALY_", "PYTHON")
_LOOK_SECONDS = 0.02


def eventually(look: Callable[[], T | None], *, seconds: float = 20.0, what: str = "") -> T:
    """What `look` gives as soon as that is true; for things that happen in other processes."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what or look}")
        time.sleep(_LOOK_SECONDS)
    return found


def environment(home: Path) -> dict[str, str]:
    """Variables of a person who has configured nothing yet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    home.mkdir(parents=True, exist_ok=True)
    places = {
        "HOME": home,
        "XDG_CONFIG_HOME": home / "config",
        "XDG_STATE_HOME": home / "state",
        "XDG_RUNTIME_DIR": home,
    }
    return kept | {name: str(place) for name, place in places.items()} | {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        """What it said to a person."""
        return [line for line in self.err.splitlines() if line.strip()]

    @property
    def report(self) -> dict[str, Any]:
        """What it said to a program."""
        report: dict[str, Any] = json.loads(self.out)
        return report

    def about(self, *words: str) -> list[str]:
        """The lines that hold all of these words."""
        return [line for line in self.lines if all(word in line for word in words)]

    def one_line(self, *words: str) -> str:
        """The only line that holds these words, once it is known that nobody is shown a traceback."""
        return self._about(1, words)

    def no_flood(self, *words: str) -> str:
        """A line that holds these words; it may stand in the log once and at the end once, and no more."""
        return self._about(2, words)

    def only_line(self, *words: str) -> str:
        """The one thing that was said at all; it holds these words."""
        line = self.one_line(*words)
        assert self.lines == [line], self.err
        return line

    def _about(self, most: int, words: tuple[str, ...]) -> str:
        assert "Traceback" not in self.err + self.out, self.err
        found = self.about(*words)
        assert 1 <= len(found) <= most, f"{len(found)} lines with {words}:\n{self.err}"
        return found[-1]


class Person:
    """Somebody with a home, a working folder, and processes that do not outlive them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = environment(home)
        self._running: list[subprocess.Popen[str]] = []

    def run(
        self,
        *arguments: str | Path,
        seconds: float = 60.0,
        variables: dict[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
    ) -> Outcome:
        """Run a command to its end."""
        started = time.monotonic()
        process = self.start(*arguments, variables=variables, program=program)
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            kill_group(process)
            out, err = process.communicate()
            raise AssertionError(f"{arguments} did not end within {seconds:g} s:\n{err}") from None
        return Outcome(process.returncode, out, err, time.monotonic() - started)

    def start(
        self,
        *arguments: str | Path,
        variables: dict[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
        log: Path | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command; `log` takes what it says on standard error."""
        with log.open("ab") if log else nullcontext() as errors:
            process = subprocess.Popen(
                [*program, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors or subprocess.PIPE,
                text=True,
                cwd=self.home,
                env=self.environment | (variables or {}),
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def leave(self) -> None:
        """End whatever was started and still runs."""
        for process in self._running:
            kill_group(process)
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@contextmanager
def person(home: Path) -> Iterator[Person]:
    """Somebody who leaves nothing behind."""
    somebody = Person(home)
    try:
        yield somebody
    finally:
        somebody.leave()


def kill_group(process: subprocess.Popen[Any]) -> None:
    """End a process and what it started, at once; nothing when it is over."""
    if process.returncode is None or process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Endpoint:
    """`sensor-tui emulator --control` in a process of its own."""

    def __init__(self, host: Person, *arguments: str, port: int = 0) -> None:
        self.process = host.start(
            "emulator", "--port", str(port), "--control", "--json", *arguments, log=host.home / "emulator.log"
        )
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            if line.rstrip() == "}":
                break
        if not text:
            raise AssertionError((host.home / "emulator.log").read_text())
        facts = json.loads(text)
        self.url: str = facts["endpoint"]
        self.key: str = facts["key"]

    @property
    def variables(self) -> dict[str, str]:
        """What a person sets to use it."""
        return {"COSMOS_ENDPOINT": self.url, "COSMOS_KEY": self.key}

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Use one of its controls; see `sensor_tui.emulator.control`."""
        request = urllib.request.Request(
            f"{self.url}/_control/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"x-emulator-key": self.key},
        )
        with urllib.request.urlopen(request, timeout=70) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def fault(self, **rule: Any) -> int:
        """Add a fault; its number."""
        return int(self.control("POST", "faults", rule)["number"])

    def count(self, container: str = CONTAINER) -> int:
        """Documents in a container."""
        return sum(one["count"] for one in self.control("GET", f"ranges/{DATABASE}/{container}")["ranges"])

    @contextmanager
    def sdk(self, container: str = CONTAINER) -> Iterator[ContainerProxy]:
        """The container as Microsoft's SDK sees it."""
        with CosmosClient(self.url, self.key, enable_endpoint_discovery=False) as client:
            yield client.get_database_client(DATABASE).get_container_client(container)

    def documents(self, container: str = CONTAINER) -> list[dict[str, Any]]:
        """Every document, read page by page through the SDK."""
        with self.sdk(container) as proxy:
            pages = proxy.query_items(
                "SELECT * FROM c", enable_cross_partition_query=True, max_item_count=1000
            )
            return [dict(document) for document in pages]

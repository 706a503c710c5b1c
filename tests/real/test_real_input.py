"""Sensor databases of both generations, uploaded with the installed command and read back through the SDK."""

import hashlib
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.simulator.sample import write_sample
from tests.real.expected import document_of, plain, rows_of
from tests.real.processes import Endpoint, Outcome, Person, eventually, person

INSTALLED = (str(Path(sys.executable).with_name("sensor-tui")),)
CITIES = ("London", "Oslo", "Manila", "Nairobi", "Lima", "Osaka", "Cairo")
GENERATIONS = ("2025-04", "2025-08")
FILES, ROWS = 50, 2_000

pytestmark = pytest.mark.timeout(300)


@dataclass
class Sensor:
    """One sensor and its file."""

    path: Path
    sensor_id: str
    city: str
    generation: str


def make_sensor(
    data: Path, number: int, rows: int, *, wal: bool = False, start: float = 1_754_000_000.0
) -> Sensor:
    """A sensor with that many readings; its generation and city follow from its number."""
    city, generation = CITIES[number % len(CITIES)], GENERATIONS[number % 2]
    sensor_id = f"{city[:3].upper()}_{number:06d}"
    path = data / city / sensor_id / "sensor_data.db"
    write_sample(
        path,
        generation=generation,
        rows=rows,
        sensor_id=sensor_id,
        city=city,
        seed=number,
        wal=wal,
        start=start,
    )
    return Sensor(path, sensor_id, city, generation)


def expected_documents(*sensors: Sensor) -> dict[str, dict[str, Any]]:
    """The document of every row, by id."""
    every = [document_of(row, sensor.city) for sensor in sensors for row in rows_of(sensor.path)]
    assert len({document["id"] for document in every}) == len(every)
    return {document["id"]: document for document in every}


def stored_documents(endpoint: Endpoint, container: str) -> dict[str, dict[str, Any]]:
    """The documents of a container as they were sent, by id."""
    found = endpoint.documents(container)
    assert max(Counter(document["id"] for document in found).values(), default=1) == 1
    return {document["id"]: plain(document) for document in found}


def tracking(*sensors: Sensor) -> Counter[int | None]:
    """How many rows have which value of `synced`."""
    return Counter(row["synced"] for sensor in sensors for row in rows_of(sensor.path))


def digest(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file below a folder: its time and the hash of its content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass
class Upload:
    """A mixed fleet that was uploaded twice."""

    sensors: list[Sensor]
    first: Outcome
    second: Outcome
    written: tuple[dict[str, Any], dict[str, Any]]
    """What the endpoint had counted after each."""


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[Upload]:
    """50 files, half of each generation, some with a write-ahead log, 100,000 rows."""
    data = tmp_path_factory.mktemp("fleet") / "data"
    sensors = [make_sensor(data, number, ROWS, wal=number % 4 == 0) for number in range(FILES)]
    command = ("sync", "--data-dir", data, "--json", "--container", "Mixed")
    with person(data.parent / "home") as somebody:
        first = somebody.run(*command, variables=endpoint.variables, program=INSTALLED)
        after_first = endpoint.control("GET", "stats")["total"]
        second = somebody.run(*command, variables=endpoint.variables, program=INSTALLED)
        after_second = endpoint.control("GET", "stats")["total"]
        yield Upload(sensors, first, second, (after_first, after_second))


def test_one_command_sends_every_reading_of_a_mixed_fleet(upload: Upload) -> None:
    report = upload.first.report
    assert upload.first.code == 0, upload.first.err
    assert Counter(sensor.generation for sensor in upload.sensors) == {"2025-04": 25, "2025-08": 25}
    counted = {name: report[name] for name in ("read", "accepted", "rejected", "backlog")}
    assert counted == {"read": FILES * ROWS, "accepted": FILES * ROWS, "rejected": 0, "backlog": 0}
    sources = {(source["sensor_id"], source["city"]) for source in report["sources"]}
    assert sources == {(sensor.sensor_id, sensor.city) for sensor in upload.sensors}


def test_json_report_has_its_keys(upload: Upload) -> None:
    keys = "read accepted rejected retried throttled request_units seconds docs_per_second sources backlog"
    assert set(keys.split()) <= set(upload.first.report)
    assert upload.first.report["request_units"] > FILES * ROWS
    assert upload.first.report["docs_per_second"] > 0


def test_documents_equal_rows_one_for_one(upload: Upload, endpoint: Endpoint) -> None:
    expected = expected_documents(*upload.sensors)
    stored = stored_documents(endpoint, "Mixed")
    assert len(expected) == FILES * ROWS
    assert stored.keys() == expected.keys()
    different = [(stored[name], expected[name]) for name in expected if stored[name] != expected[name]]
    assert not different, different[:2]


def test_every_sent_row_is_marked(upload: Upload) -> None:
    assert tracking(*upload.sensors) == {1: FILES * ROWS}


def test_second_run_sends_nothing(upload: Upload) -> None:
    report = upload.second.report
    assert (upload.second.code, report["read"], report["accepted"], report["backlog"]) == (0, 0, 0, 0)
    assert upload.written[0] == upload.written[1]


def test_sqlite_takes_one_file_and_leaves_the_others(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    one, other = (make_sensor(tmp_path / "data", number, 300) for number in (1, 2))
    command = ("sync", "--sqlite", one.path, "--json", "--container", "OneFile")
    outcome = someone.run(*command, variables=endpoint.variables)
    assert (outcome.code, outcome.report["accepted"]) == (0, 300), outcome.err
    assert stored_documents(endpoint, "OneFile") == expected_documents(one)
    assert tracking(other).keys() <= {0, None}


def test_dry_run_counts_everything_and_changes_no_byte(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    data = tmp_path / "data"
    for number in range(4):
        make_sensor(data, number, 250)
    before, requests = digest(data), endpoint.control("GET", "stats")["total"]
    command = ("sync", "--data-dir", data, "--json", "--dry-run", "--container", "Dry")
    outcome = someone.run(*command, variables=endpoint.variables)
    assert (outcome.code, outcome.report["read"], outcome.report["backlog"]) == (0, 1000, 1000), outcome.err
    assert digest(data) == before
    assert endpoint.control("GET", "stats")["total"] == requests
    assert "SensorData/Dry" not in endpoint.control("GET", "")["containers"]


def test_development_sends_again_with_fresh_ids_and_times(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    sensors = [make_sensor(tmp_path / "data", number, 200) for number in range(2)]
    command = ("sync", "--data-dir", tmp_path / "data", "--json", "--container", "Trial")
    assert someone.run(*command, variables=endpoint.variables).report["accepted"] == 400
    begin = datetime.now(UTC) - timedelta(seconds=1)
    seen = set(stored_documents(endpoint, "Trial"))
    for _ in range(2):
        outcome = someone.run(*command, "--development", variables=endpoint.variables)
        assert (outcome.code, outcome.report["accepted"]) == (0, 400), outcome.err
        stored = stored_documents(endpoint, "Trial")
        fresh = [document for name, document in stored.items() if name not in seen]
        assert len(fresh) == 400
        assert all(datetime.fromisoformat(document["timestamp"]) >= begin for document in fresh)
        seen |= set(stored)
    assert tracking(*sensors) == {1: 400}


def test_continuous_mode_picks_up_new_rows_and_a_new_file_and_stops_cleanly(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    data = tmp_path / "data"
    sensors = [make_sensor(data, number, 100) for number in range(2)]
    config = tmp_path / "sensor-tui.yaml"
    config.write_text("performance: {upload_jitter_seconds: 0}\n")
    command = ("sync", "--data-dir", data, "--config", config, "--container", "Steady", "--continuous")
    log = tmp_path / "service.log"
    service = someone.start(*command, "--interval", "0.2", variables=endpoint.variables, log=log)

    def stored(count: int) -> bool:
        assert service.poll() is None, log.read_text()
        return (
            "SensorData/Steady" in endpoint.control("GET", "")["containers"]
            and endpoint.count("Steady") == count
        )

    eventually(lambda: stored(200), what="the rows there at the start")
    make_sensor(data, 0, 50, start=1_755_000_000.0)
    eventually(lambda: stored(250), what="rows that came while it ran")
    sensors.append(make_sensor(data, 2, 70))
    eventually(lambda: stored(320), what="a file that came while it ran")
    service.send_signal(signal.SIGTERM)
    assert service.wait(20) == 0, log.read_text()
    assert stored_documents(endpoint, "Steady") == expected_documents(*sensors)
    assert tracking(*sensors) == {1: 320}

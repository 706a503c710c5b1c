"""Everything that can be wrong: one clear line each, the right exit code, and nothing else stops."""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.fleet import ROWS, file_of, good_sensor, poison, serving, tracked
from tests.real.hindrances import fill, locked, make_database, read_only, small_disk, with_small_files
from tests.real.processes import PROGRAM, Endpoint, Outcome, Person, eventually, person

WITHOUT_TIME = """
    CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, sensor_id TEXT, temperature REAL, synced DEFAULT 0);
    INSERT INTO sensor_readings VALUES (1, 'NOT_000001', 20.5, 0), (2, 'NOT_000001', 20.6, 0)"""
WITH_MORE = """
    CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT, "co2 (ppm)" REAL,
        battery_level INTEGER, location TEXT, city TEXT, synced INTEGER DEFAULT 0);
    INSERT INTO sensor_readings VALUES (1, 1754000000.25, 'MOR_000001', 411.5, 97, 'Paris', 'Rome', 0)"""
WITHOUT_TRACKING = """
    CREATE TABLE sensor_readings (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT, temperature REAL);
    INSERT INTO sensor_readings VALUES (1, 1754000000.25, 'TRA_000001', 20.5)"""
A_VIEW = """
    CREATE TABLE t (id INTEGER PRIMARY KEY, timestamp REAL, sensor_id TEXT);
    CREATE VIEW sensor_readings AS SELECT * FROM t"""
WITHOUT_ROW_IDS = """
    CREATE TABLE sensor_readings (sensor_id TEXT, timestamp REAL, synced INTEGER,
        PRIMARY KEY (sensor_id, timestamp)) WITHOUT ROWID"""


@dataclass
class Mixed:
    """A folder with two good files among many bad ones, uploaded once, and again when one was mended."""

    data: Path
    first: Outcome
    second: Outcome
    good: list[Path]
    locked: Path
    container: str = "MixedBad"

    def problem(self, folder: str) -> str:
        """What the report says of a file."""
        return str(next(one["problem"] for one in self.first.report["sources"] if folder in one["source"]))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Mixed:
    data = tmp_path_factory.mktemp("mixed") / "data"
    good = [good_sensor(data, "AAA"), good_sensor(data, "ZZZ")]
    file_of(data, "London", "TEXT").write_text("timestamp,temperature\n" * 500)
    file_of(data, "London", "EMPTY").touch()
    make_database(file_of(data, "London", "NOTABLE"), "CREATE TABLE other (a)")
    make_database(file_of(data, "London", "VIEW"), A_VIEW)
    make_database(file_of(data, "London", "NOROWID"), WITHOUT_ROW_IDS)
    cut = good_sensor(data, "CUT", rows=3000)
    os.truncate(cut, 5 * 4096 + 100)
    held = good_sensor(data, "LOCKED", rows=40)
    command = ("sync", "--data-dir", data, "--json", "--container", Mixed.container)
    with person(data.parent / "home") as somebody:
        with locked(held):
            first = somebody.run(*command, variables=endpoint.variables)
        second = somebody.run(*command, variables=endpoint.variables)
    return Mixed(data, first, second, good, held)


@pytest.mark.parametrize(
    ("folder", "what"),
    [
        ("TEXT", "is not an SQLite database"),
        ("EMPTY", "is empty"),
        ("NOTABLE", "no table sensor_readings"),
        ("VIEW", "is a view"),
        ("NOROWID", "no row ids"),
        ("CUT", "corrupt"),
        ("LOCKED", "locked by another process"),
    ],
)
def test_unusable_file_gets_one_line_with_what_where_and_what_to_do(
    mixed: Mixed, folder: str, what: str
) -> None:
    line = mixed.first.one_line(f"London/{folder}/sensor_data.db")
    assert what in line
    assert line.count(f"London/{folder}/sensor_data.db") == 1
    _, _, advice = line.partition(what)
    assert len(advice.split()) > 3, f"no word about what to do: {line}"
    assert what in mixed.problem(folder)


def test_unusable_files_leave_the_others_uploaded(mixed: Mixed) -> None:
    assert mixed.first.code == 1
    assert mixed.first.report["accepted"] == len(mixed.good) * ROWS
    for path in mixed.good:
        assert tracked(path) == {1}


def test_file_that_was_locked_is_uploaded_by_the_next_run(mixed: Mixed) -> None:
    assert mixed.second.report["accepted"] == 40
    assert tracked(mixed.locked) == {1}
    assert not mixed.second.about("LOCKED")


def test_file_with_damaged_pages_is_read_up_to_them_and_stops_nothing(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    good, torn = good_sensor(tmp_path / "data", "AAA"), good_sensor(tmp_path / "data", "TORN", rows=3000)
    with torn.open("r+b") as file:
        file.seek(40 * 4096)
        file.write(b"\xa5" * 4096 * 20)
    command = ("sync", "--data-dir", tmp_path / "data", "--json", "--container", "Torn")
    outcome = someone.run(*command, variables=endpoint.variables, seconds=20)
    assert "corrupt" in outcome.no_flood("TORN")
    assert outcome.code == 1
    assert tracked(good) == {1}
    assert ROWS < outcome.report["accepted"] < ROWS + 3000


def test_columns_nobody_knows_travel_along(tmp_path: Path, someone: Person, endpoint: Endpoint) -> None:
    path = make_database(file_of(tmp_path / "data", "Oslo", "MORE"), WITH_MORE)
    outcome = someone.run("sync", "--sqlite", path, "--container", "More", variables=endpoint.variables)
    assert outcome.code == 0, outcome.err
    (document,) = endpoint.documents("More")
    assert document["city"] == document["location"] == "Paris"
    assert document["batteryLevel"] == 97
    assert {411.5, "Rome"} <= set(document.values())


def test_readings_without_a_time_column_are_dead_letters_with_their_reason(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    data = tmp_path / "data"
    good, bad = good_sensor(data, "AAA"), make_database(file_of(data, "London", "NOTIME"), WITHOUT_TIME)
    command = ("sync", "--data-dir", data, "--json", "--container", "NoTime")
    outcome = someone.run(*command, variables=endpoint.variables)
    assert (outcome.code, outcome.report["accepted"], outcome.report["rejected"]) == (1, ROWS, 2), outcome.err
    assert (tracked(good), tracked(bad)) == ({1}, {-1})
    listed = someone.run("deadletters", "list", "--data-dir", data)
    assert listed.out.count("no usable time") == 2
    assert someone.run(*command, variables=endpoint.variables).code == 0


def test_file_without_tracking_is_sent_once_and_never_written(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    path = make_database(file_of(tmp_path / "data", "Oslo", "TRACK"), WITHOUT_TRACKING)
    before = path.read_bytes()
    command = ("sync", "--data-dir", tmp_path / "data", "--json", "--container", "Untracked")
    first, second = (someone.run(*command, variables=endpoint.variables) for _ in range(2))
    assert [(run.code, run.report["accepted"]) for run in (first, second)] == [(0, 1), (0, 0)], first.err
    assert path.read_bytes() == before


def test_read_only_file_is_sent_once_and_its_position_kept(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    data = tmp_path / "data"
    path, other = good_sensor(data, "AAA"), good_sensor(data, "BBB")
    before = path.read_bytes()
    command = ("sync", "--data-dir", data, "--json", "--container", "ReadOnly")
    with read_only(path):
        first, second = (someone.run(*command, variables=endpoint.variables) for _ in range(2))
    assert [(run.code, run.report["accepted"]) for run in (first, second)] == [(0, 2 * ROWS), (0, 0)], (
        first.err
    )
    assert path.read_bytes() == before
    assert tracked(other) == {1}
    assert "position" in first.one_line("London/AAA/sensor_data.db")


def test_read_only_folder_keeps_its_state_elsewhere(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    data = tmp_path / "data"
    good_sensor(data, "AAA")
    command = ("sync", "--data-dir", data, "--json", "--container", "ReadOnlyFolder")
    with read_only(data):
        first, second = (someone.run(*command, variables=endpoint.variables) for _ in range(2))
    assert [(run.code, run.report["accepted"]) for run in (first, second)] == [(0, ROWS), (0, 0)], first.err
    assert not (data / ".sensor-tui").exists()


def test_file_deleted_while_it_is_sent_is_reported_and_the_others_arrive(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    data = tmp_path / "data"
    gone, stays = good_sensor(data, "GONE"), good_sensor(data, "STAYS", city="Oslo")
    number = endpoint.fault(action="hold", kind="bulk", times=None)
    running = someone.start(
        "sync", "--data-dir", data, "--json", "--container", "Deleted", variables=endpoint.variables
    )
    try:
        assert endpoint.control("GET", f"faults/{number}?reached=20")["hits"]
        gone.unlink()
    finally:
        endpoint.control("DELETE", "faults")
    outcome = ended(running)
    assert "gone" in outcome.no_flood("London/GONE/sensor_data.db")
    assert outcome.code == 1
    assert tracked(stays) == {1}
    stored = {
        document["sqlite_id"] for document in endpoint.documents("Deleted") if document["city"] == "Oslo"
    }
    assert len(stored) == ROWS


def ended(running: "subprocess.Popen[str]") -> Outcome:
    """The outcome of a command that was started before."""
    out, err = running.communicate(timeout=20)
    return Outcome(running.returncode, out, err, 0.0)


def test_no_disk_for_the_ledger_closes_nothing(tmp_path: Path, someone: Person, endpoint: Endpoint) -> None:
    data = tmp_path / "data"
    path = good_sensor(data, "AAA")
    command = ("sync", "--data-dir", data, "--json", "--container", "NoLedger")
    with small_disk(data / ".sensor-tui", 64) as disk:
        if disk is not None:
            fill(disk)
        program = PROGRAM if disk is not None else with_small_files(PROGRAM)
        outcome = someone.run(*command, variables=endpoint.variables, program=program)
    assert outcome.code == 1
    assert "space" in outcome.only_line("ledger.db")
    assert tracked(path) == {0}


def test_disk_that_fills_up_while_running_closes_nothing_until_there_is_room(
    tmp_path: Path, someone: Person, endpoint: Endpoint, service_config: Path
) -> None:
    """A dead letter has to be in the ledger before its row is closed; the other files go on meanwhile."""
    data, log = tmp_path / "data", tmp_path / "service.log"
    path, other = good_sensor(data, "AAA"), good_sensor(data, "BBB", city="Oslo")
    with small_disk(data / ".sensor-tui", 1024) as disk:
        if disk is None:
            pytest.skip("a full disk: root and a tmpfs are needed to fill one up and free it again")
        service = someone.start(
            *serving(data, service_config, "FullDisk"), variables=endpoint.variables, log=log
        )
        eventually(lambda: tracked(path) == tracked(other) == {1}, what=f"a first upload: {log}")
        fill(disk)
        poison(path)
        eventually(lambda: "ledger" in log.read_text(), what="a word about the ledger")
        good_sensor(data, "BBB", city="Oslo", rows=50, start=1.755e9)
        eventually(lambda: endpoint.count("FullDisk") == 2 * ROWS + 50, what="the other file's new rows")
        assert tracked(path) == {0, 1}
        (disk / "filler").unlink()
        eventually(lambda: tracked(path) == {1, -1}, what="the row closed once there was room")
        service.send_signal(signal.SIGTERM)
        assert service.wait(20) == 0, log.read_text()
    assert "Traceback" not in log.read_text()

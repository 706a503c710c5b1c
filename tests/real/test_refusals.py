"""What the endpoint, the configuration or another engine refuses: one line, the right exit code, no loss."""

import signal
import socket
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.real.fleet import ROWS, file_of, good_sensor, serving, tracked
from tests.real.processes import Endpoint, Person, eventually


def test_wrong_key_is_refused(tmp_path: Path, someone: Person, endpoint: Endpoint) -> None:
    path = good_sensor(tmp_path / "data", "AAA")
    wrong = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXk="
    outcome = someone.run(
        "sync", "--sqlite", path, "--json", variables=endpoint.variables | {"COSMOS_KEY": wrong}
    )
    assert outcome.code == 3
    line = outcome.only_line("key", endpoint.url.partition("//")[2])
    assert "COSMOS_KEY" in line
    assert wrong not in outcome.err + outcome.out
    assert tracked(path) == {0}


def test_endpoint_that_nobody_listens_at_is_reported_soon(tmp_path: Path, someone: Person) -> None:
    path = good_sensor(tmp_path / "data", "AAA")
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{unused.getsockname()[1]}"
        variables = {"COSMOS_ENDPOINT": f"http://{where}", "COSMOS_KEY": "c29tZS1rZXk="}
        outcome = someone.run("sync", "--sqlite", path, "--json", variables=variables)
    assert outcome.code == 3
    assert outcome.seconds < 30
    assert "connection refused" in outcome.only_line(where)
    assert tracked(path) == {0}


def test_endpoint_that_goes_away_during_a_service_is_waited_for(
    tmp_path: Path, someone: Person, service_config: Path
) -> None:
    """The same address with the same documents comes back, and what was written meanwhile arrives."""
    data, log = tmp_path / "data", tmp_path / "service.log"
    path = good_sensor(data, "AAA")
    kept = ("--data", str(tmp_path / "cosmos.db"))
    first = Endpoint(someone, *kept)
    service = someone.start(*serving(data, service_config, "Away"), variables=first.variables, log=log)
    eventually(lambda: tracked(path) == {1}, what="a first upload")
    first.process.terminate()
    first.process.wait(20)
    good_sensor(data, "AAA", rows=60, start=1.755e9)
    eventually(
        lambda: "127.0.0.1" in log.read_text() and "refused" in log.read_text(), what="a word about it"
    )
    second = Endpoint(someone, *kept, port=int(first.url.rpartition(":")[2]))
    eventually(
        lambda: tracked(path) == {1} and second.count("Away") == ROWS + 60, seconds=40, what="the rest"
    )
    service.send_signal(signal.SIGTERM)
    assert service.wait(20) == 0, log.read_text()


def test_container_with_another_partition_key_is_refused_with_both_paths(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    path = good_sensor(tmp_path / "data", "AAA")
    command = ("sync", "--sqlite", path, "--json", "--container", "ByCity")
    assert someone.run(*command, variables=endpoint.variables).code == 0
    config = tmp_path / "sensor-tui.yaml"
    config.write_text("cosmos:\n  partition_key: /sensorId\n")
    good_sensor(tmp_path / "data", "AAA", rows=10, start=1.755e9)
    outcome = someone.run(*command, "--config", config, variables=endpoint.variables)
    assert outcome.code == 3
    line = outcome.only_line("ByCity")
    assert "/city" in line
    assert "/sensorId" in line
    assert tracked(path) == {0, 1}


def test_typo_in_the_configuration_is_named_with_file_line_and_nearest_key(
    tmp_path: Path, someone: Person, endpoint: Endpoint
) -> None:
    path, config = good_sensor(tmp_path / "data", "AAA"), tmp_path / "cosmos-config.yaml"
    config.write_text("cosmos:\n  database: Fleet\n  contaner: Readings\n")
    outcome = someone.run("sync", "--sqlite", path, "--config", config, variables=endpoint.variables)
    assert outcome.code == 2
    line = outcome.only_line("cosmos-config.yaml:3")
    assert "'contaner'" in line
    assert "'container'" in line


def test_missing_folder_is_a_usage_error(tmp_path: Path, someone: Person, endpoint: Endpoint) -> None:
    outcome = someone.run("sync", "--data-dir", tmp_path / "nowhere", variables=endpoint.variables)
    assert outcome.code == 2
    outcome.only_line("nowhere")


@pytest.fixture
def service(
    tmp_path: Path, someone: Person, endpoint: Endpoint, service_config: Path, request: pytest.FixtureRequest
) -> "subprocess.Popen[str]":
    """A service that owns the files of London; those of Oslo are under the same folder."""
    data, container = tmp_path / "data", request.node.name.title().replace("_", "")
    good_sensor(data, "AAA"), good_sensor(data, "BBB", city="Oslo")
    running = someone.start(
        *serving(data / "London", service_config, container),
        variables=endpoint.variables,
        log=tmp_path / "service.log",
    )
    eventually(lambda: tracked(file_of(data, "London", "AAA")) == {1}, what="its first upload")
    return running


def test_files_of_another_engine_are_left_to_it_and_it_is_named(
    tmp_path: Path, someone: Person, endpoint: Endpoint, service: "subprocess.Popen[str]"
) -> None:
    london = tmp_path / "data" / "London"
    outcome = someone.run(
        "sync", "--data-dir", london, "--json", "--container", "Second", variables=endpoint.variables
    )
    assert (outcome.code, outcome.report["read"]) == (4, 0)
    line = outcome.one_line("AAA/sensor_data.db")
    assert str(service.pid) in line
    assert str(london) in line
    assert service.poll() is None


def test_overlapping_folder_sends_only_what_is_its_own(
    tmp_path: Path, someone: Person, endpoint: Endpoint, service: "subprocess.Popen[str]"
) -> None:
    outcome = someone.run(
        "sync",
        "--data-dir",
        tmp_path / "data",
        "--json",
        "--container",
        "Overlap",
        variables=endpoint.variables,
    )
    assert (outcome.code, outcome.report["accepted"]) == (4, ROWS), outcome.err
    assert str(service.pid) in outcome.one_line("London/AAA/sensor_data.db")
    assert {document["city"] for document in endpoint.documents("Overlap")} == {"Oslo"}


def test_second_service_says_who_has_the_files_and_ends(
    tmp_path: Path,
    someone: Person,
    endpoint: Endpoint,
    service: "subprocess.Popen[str]",
    service_config: Path,
) -> None:
    """One folder down from the first one's root, where only the locks in the data tree can tell."""
    inner = tmp_path / "data" / "London" / "AAA"
    with ExitStack() as stack:
        stack.callback(service.kill)
        outcome = someone.run(*serving(inner, service_config, "Third"), variables=endpoint.variables)
    assert outcome.code == 4
    assert str(tmp_path / "data" / "London") in outcome.one_line(f"process {service.pid}")

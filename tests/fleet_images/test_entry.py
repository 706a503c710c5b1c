"""What the image makes of its arguments, and how it says whether it is well."""

import os
import socket
import threading

import pytest

from sensor_tui.container import health
from sensor_tui.container.entry import check_writable, command_line, without_parquet
from sensor_tui.errors import StorageError, UsageError

SENSOR = ["simulate", "--db", "/app/data/sensor_data.db"]
MOUNTED = ["simulate", "--config", "/app/config/sensor-config.yaml", "--db", "/app/data/sensor_data.db"]
FIELD = ["--config", "/app/config/c.yaml", "--sqlite", "/app/data", "--continuous", "--interval", "30"]


@pytest.mark.parametrize(
    ("arguments", "environment", "configured", "expected"),
    [
        ([], {}, False, SENSOR),
        (["sensor"], {}, False, SENSOR),
        (["sensor"], {}, True, MOUNTED),
        (["sensor"], {"CONFIG_FILE": "/app/config/mine.yaml"}, True, SENSOR),
        (["sensor", "--config=x.yaml"], {}, True, ["simulate", "--config=x.yaml", *SENSOR[1:]]),
        (["sensor", "--db", "x.db"], {}, False, ["simulate", "--db", "x.db"]),
        (["uploader"], {}, True, ["sync", "--continuous", "--data-dir", "/app/data"]),
        (["uploader", *FIELD], {}, False, ["sync", *FIELD]),
        (FIELD, {}, False, ["sync", *FIELD]),
        (
            ["--archive-path", "/app/archive"],
            {},
            False,
            ["sync", "--archive-path", "/app/archive", "--data-dir", "/app/data"],
        ),
        (["--continuous"], {}, False, ["sync", "--continuous", "--data-dir", "/app/data"]),
        (["sensor-tui", "status", "--json"], {}, False, ["status", "--json"]),
    ],
)
def test_arguments_of_the_field_are_understood(arguments, environment, configured, expected):
    assert command_line(arguments, environment, configured=configured) == expected


ARCHIVING = ["sync", "--sqlite", "/app/data", "--continuous", "--archive-path", "/app/archive"]
NOT_ARCHIVING = ["sync", "--sqlite", "/app/data", "--continuous"]
CONFIGURED = ["sync", "--config", "/app/config/c.yaml", *ARCHIVING[1:]]


@pytest.mark.parametrize(
    ("arguments", "environment", "left"),
    [
        (ARCHIVING, {"ARCHIVE_FORMAT": " parquet "}, NOT_ARCHIVING),
        (ARCHIVING, {}, NOT_ARCHIVING),
        (["sync", "--archive-path=/a", "--continuous"], {}, ["sync", "--continuous"]),
        ([*ARCHIVING, "--archive-format", "Parquet"], {"ARCHIVE_FORMAT": "csv"}, NOT_ARCHIVING),
        ([*CONFIGURED, "--archive-format=parquet"], {}, [*CONFIGURED[:3], *NOT_ARCHIVING[1:]]),
        (ARCHIVING, {"ARCHIVE_FORMAT": "csv"}, None),
        ([*ARCHIVING, "--archive-format", "JSON"], {"ARCHIVE_FORMAT": "Parquet"}, None),
        (CONFIGURED, {}, None),
        (ARCHIVING, {"CONFIG_FILE": "/app/config/c.yaml"}, None),
        (NOT_ARCHIVING, {}, None),
        (SENSOR, {"ARCHIVE_FORMAT": "Parquet"}, None),
    ],
)
def test_an_image_without_parquet_uploads_and_says_that_it_does_not_archive(arguments, environment, left):
    found, line = without_parquet(arguments, environment)
    assert found == (arguments if left is None else left)
    assert bool(line) is (left is not None)
    assert not line or "cannot archive as Parquet" in line


@pytest.mark.parametrize(
    "arguments",
    [["sh"], ["Sensor"], ["sensor-tui"], ["sensor-tui", "--debug", "dashboard"], ["sensor-tui", "demo"]],
)
def test_what_the_image_cannot_be_is_refused(arguments):
    with pytest.raises(UsageError):
        command_line(arguments, {}, configured=False)


def test_a_folder_that_cannot_be_written_is_named_with_its_owner(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StorageError, match=rf"--user {tmp_path.stat().st_uid}:"):
        check_writable(tmp_path)


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("python3 -I -S -B /opt/sensor-tui", "sensor"),
        ("python3 -I -S -B /opt/sensor-tui sensor", "sensor"),
        ("python3 -I -S -B /opt/sensor-tui --sqlite /app/data", "uploader"),
        ("/sbin/docker-init -- python3 -I -S -B /opt/sensor-tui uploader --continuous", "uploader"),
        ("python3 -I -S -B /opt/sensor-tui sensor-tui status", "sensor-tui"),
        ("/lib/systemd/systemd", "uploader"),
    ],
)
def test_the_check_knows_what_the_container_is(command, role, tmp_path):
    assert health.running_role(command.replace(" ", "\0").encode() + b"\0", str(tmp_path)) == role


def test_with_the_host_s_processes_in_sight_the_data_tells_what_it_is(tmp_path):
    (tmp_path / "sensor_data.db").touch()
    assert health.running_role(b"/sbin/init\0", str(tmp_path)) == "sensor"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 30.0),
        ({"READINGS_PER_SECOND": "10"}, 30.0),
        ({"READINGS_PER_SECOND": "0"}, 30.0),
        ({"READINGS_PER_SECOND": "0.01"}, 500.0),
        ({"SENSOR_INTERVAL": "60"}, 300.0),
        ({"SENSOR_TUI_HEALTH_SECONDS": "7", "READINGS_PER_SECOND": "0.01"}, 7.0),
        ({"SENSOR_TUI_HEALTH_SECONDS": "soon", "READINGS_PER_SECOND": "nan"}, 30.0),
    ],
)
def test_how_long_a_sensor_may_be_silent(environment, seconds):
    assert health.silent_seconds(environment) == seconds


def test_a_sensor_is_well_while_it_writes(tmp_path):
    folder = str(tmp_path)
    assert health.sensor(folder, {}, 1000.0) == (False, f"no database in {folder} yet")
    assert not health.sensor(f"{folder}/none", {}, 1000.0)[0]
    for name, at in (("sensor_data.db", 900), ("sensor_data.db-wal", 990), ("notes.txt", 1000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert health.sensor(folder, {}, 1020.0) == (True, "last write 30 s ago, at most 30 s are well")
    assert health.sensor(folder, {}, 1021.0)[0] is False
    assert health.sensor(folder, {}, 900.0)[0] is True  # a clock that was set back


@pytest.mark.parametrize("pointed", [False, True])
def test_an_uploader_is_well_while_its_service_answers(tmp_path, pointed):
    state = tmp_path / ".sensor-tui"
    state.mkdir()
    well, line = health.uploader(str(tmp_path))
    assert not well
    assert "No such file" in line
    place = tmp_path / "elsewhere.sock" if pointed else state / "service.sock"
    if pointed:
        (state / "service.socket-path").write_text(f"{place}\n")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        asked = []

        def answer():
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(1000))
                connection.sendall(b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"state": "unreachable"}')

        thread = threading.Thread(target=answer)
        thread.start()
        assert health.uploader(str(tmp_path)) == (True, '{"state": "unreachable"}')
        thread.join(5)
    assert asked[0].startswith(b"GET /healthcheck HTTP/1.0\r\n")
    assert not health.uploader(str(tmp_path))[0]

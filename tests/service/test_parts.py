"""Small parts: registry, log file, loop, pipeline options, wire models, imports."""

import asyncio
import gc
import os
import signal
import subprocess
import sys

import pytest
from pydantic import ValidationError

from sensor_tui.config import load
from sensor_tui.errors import ExitCode, UsageError
from sensor_tui.service.logfile import follow, open_log, rotate, writes_to
from sensor_tui.service.loop import run
from sensor_tui.service.pipeline import cosmos_sink, engine_options
from sensor_tui.service.signals import two_signals, without_hangup
from sensor_tui.service.wire import SourceReport, SyncReport, sensor_key
from sensor_tui.service.wire_asks import LetterChoice
from sensor_tui.sync.registry import connector, names
from sensor_tui.sync.sinks.cosmos.sink import CosmosSink
from sensor_tui.sync.sources.sqlite import SqliteSource
from tests.support.clock import JumpingClock


def test_connectors_are_found_by_name():
    assert connector("sink", "cosmos") is CosmosSink
    assert connector("source", "sqlite") is SqliteSource
    assert "cosmos" in names("sink")


def test_an_unknown_connector_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="Did you mean 'cosmos'"):
        connector("sink", "cosmoss")
    with pytest.raises(UsageError, match="Known are: sqlite"):
        connector("source", "zzz")


def test_another_package_announces_a_connector(tmp_path, monkeypatch):
    (tmp_path / "other_sink.py").write_text("class Other:\n    name = 'other'\n")
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[sensor_tui.sinks]\nother = other_sink:Other\nbroken = no_such_module:X\ncosmos = other_sink:Other\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    assert connector("sink", "other").name == "other"
    assert connector("sink", "cosmos") is CosmosSink
    with pytest.raises(UsageError, match="no_such_module"):
        connector("sink", "broken")


def settings_of(text, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load(path, env={}, cwd=tmp_path).settings


def test_the_engine_gets_its_bounds_from_the_configuration(tmp_path):
    text = (
        "performance: {batch_size: 300, max_parallel_operations: 50, max_ru_per_second: 700,"
        " upload_interval_seconds: 12, upload_jitter_seconds: 3}\nservice: {drain_timeout_seconds: 9}\n"
    )
    options = engine_options(settings_of(text, tmp_path))

    assert (options.rows_per_read, options.max_in_flight, options.max_ru_per_second) == (300, 15_000, 700)
    assert (options.interval, options.jitter, options.drain_timeout) == (12, 3, 9)


@pytest.mark.parametrize(
    ("batch", "parallel", "rows", "in_flight"),
    [(1000, 20, 500, 20_000), (1, 1, 1, 2000), (10_000, 900, 500, 20_000)],
)
def test_extreme_bounds_are_kept_within_reason(tmp_path, batch, parallel, rows, in_flight):
    text = f"performance: {{batch_size: {batch}, max_parallel_operations: {parallel}}}"
    options = engine_options(settings_of(text, tmp_path))

    assert (options.rows_per_read, options.max_in_flight) == (rows, in_flight)


def test_the_sink_routes_by_the_partition_key_of_the_configuration(tmp_path):
    text = (
        "cosmos: {endpoint: 'https://a.example.com', key: a2V5, partition_key: /sensorId}\n"
        "performance: {max_parallel_operations: 7}\n"
    )
    sink = cosmos_sink(settings_of(text, tmp_path), JumpingClock())

    assert (sink.name, sink.key_field, sink.limits.concurrency) == ("cosmos", "sensorId", 7)


def report(*sources, **fields):
    counts = dict.fromkeys(("read", "accepted", "rejected", "retried", "throttled", "backlog"), 0)
    rest = {"request_units": 0.0, "seconds": 1.0, "docs_per_second": 0.0, "sources": sources}
    return SyncReport(**counts | rest | fields)


def source(**fields):
    return SourceReport(**{"source": "a.db", "sensor_id": None, "city": None, "backlog": 0} | fields)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (report(), ExitCode.OK),
        (report(source(held=5), backlog=5), ExitCode.OK),
        (report(source(), backlog=5), ExitCode.REJECTED),
        (report(interrupted=True), ExitCode.OK),
        (report(rejected=1), ExitCode.REJECTED),
        (report(source(problem="corrupt")), ExitCode.REJECTED),
        (report(interrupted=True, backlog=5), ExitCode.REJECTED),
        (report(source(owner="process 1"), rejected=1), ExitCode.OWNED),
    ],
)
def test_the_exit_code_follows_from_the_report(given, code):
    assert given.exit_code is code


@pytest.mark.parametrize("given", [{}, {"ids": [1], "all": True}, {"ids": [-1]}, {"ids": [2**63]}])
def test_which_letters_are_meant_has_to_be_clear(given):
    with pytest.raises(ValidationError):
        LetterChoice(**given)


def test_keys_of_sensors_do_not_collide():
    keys = [
        sensor_key(*each) for each in [("a", "b", "x"), ("ab", "", "x"), (None, "b", "x"), (None, "", "y")]
    ]

    assert len(set(keys)) == 4


def test_a_log_that_has_grown_is_put_aside(tmp_path):
    path = tmp_path / "service.log"
    assert not rotate(path, largest=10)
    path.write_text("0123456789")
    (tmp_path / "service.log.1").write_text("older")

    assert rotate(path, largest=10)

    assert (tmp_path / "service.log.1").read_text() == "0123456789"
    assert not path.exists()


def test_a_process_follows_its_log_to_a_new_file(tmp_path):
    path = tmp_path / "service.log"
    child = os.fork()
    if child == 0:
        os.dup2(open_log(path), 2)
        os.write(2, b"first\n")
        good = writes_to(path) and rotate(path, largest=3)
        follow(path)
        os.write(1, b"out\n")
        os.write(2, b"second\n")
        os._exit(0 if good and writes_to(path) else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_text() == "out\nsecond\n"
    assert (tmp_path / "service.log.1").read_text() == "first\n"
    assert path.stat().st_mode & 0o077 == 0


def test_run_gives_the_result_and_tunes_the_process():
    before = sys.getswitchinterval(), gc.get_threshold()

    async def work():
        return asyncio.get_running_loop()

    try:
        loop = run(work())
        assert sys.getswitchinterval() == pytest.approx(0.002)
        assert gc.get_threshold()[0] > before[1][0]
        assert "uvloop" in sys.modules
        assert type(loop).__module__.startswith("uvloop")
    finally:
        sys.setswitchinterval(before[0])
        gc.set_threshold(*before[1])
        gc.unfreeze()


async def test_the_first_signal_asks_and_the_second_insists():
    heard = asyncio.Queue()
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with two_signals(lambda: heard.put_nowait("first"), lambda: heard.put_nowait("second")):
        os.kill(os.getpid(), signal.SIGTERM)
        assert await heard.get() == "first"
        os.kill(os.getpid(), signal.SIGINT)
        assert await heard.get() == "second"
        os.kill(os.getpid(), signal.SIGTERM)
        assert await heard.get() == "second"
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_hangup_is_nothing():
    before = signal.getsignal(signal.SIGHUP)
    with without_hangup():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == before


def imported_by(*modules):
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_service_loads_neither_azure_nor_a_screen():
    parts = ("oneshot", "process", "status", "deadletters", "control", "client")
    loaded = imported_by(*(f"sensor_tui.service.{part}" for part in parts))

    assert not {"azure", "textual", "docker", "pyarrow", "prometheus_client"} & loaded


def test_asking_is_light():
    loaded = imported_by("sensor_tui.service", "sensor_tui.service.request", "sensor_tui.service.signals")

    assert not {"azure", "pydantic", "aiohttp", "httpx", "aiosqlite"} & loaded

import asyncio
import hashlib
import json
import socket
from datetime import UTC, datetime

import pytest

from sensor_tui.config import load
from sensor_tui.emulator import Fault
from sensor_tui.errors import ConfigError, ExitCode, SinkRefused, SinkUnreachable, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.request import SyncRequest
from sensor_tui.storage.store import SqliteStore

KEYS = {
    "read", "accepted", "rejected", "retried", "throttled", "request_units", "seconds", "docs_per_second",
    "sources", "backlog",
}  # fmt: skip


def everything(root):
    """Every file and folder with what tells a change: content, time of change, mode."""
    return {
        str(path.relative_to(root)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder",
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in sorted(root.rglob("*"))
    }


async def test_documents_equal_the_rows_of_both_generations(fleet, settings, request_for, documents):
    paths = [
        fleet.sensor("a", rows=250, generation="2025-04"),
        fleet.sensor("b", rows=130, generation="2025-08", city="Paris", wal=True),
    ]

    report = await sync_once(settings, request_for())

    sent = {(each["sensorId"], each["sqlite_id"]): each for each in documents().values()}
    assert len(sent) == len(documents()) == 380
    for path in paths:
        for row_id, sensor_id, time, temperature in fleet.query(
            path, "SELECT id, sensor_id, timestamp, temperature FROM sensor_readings"
        ):
            document = sent[sensor_id, row_id]
            moment = (
                datetime.fromtimestamp(time, UTC) if isinstance(time, float) else datetime.fromisoformat(time)
            )
            assert document["temperature"] == temperature
            assert datetime.fromisoformat(document["timestamp"]) == moment
            assert document["city"] == path.parent.parent.name
        assert list(fleet.synced(path)) == [1]
    assert (report.read, report.accepted, report.rejected, report.backlog) == (380, 380, 0, 0)
    assert report.request_units > 0
    assert report.exit_code is ExitCode.OK


async def test_a_second_run_sends_nothing(fleet, settings, request_for, emulator):
    fleet.sensor("a")
    await sync_once(settings, request_for())
    before = emulator.totals()

    report = await sync_once(settings, request_for())

    assert (report.read, report.accepted, report.exit_code) == (0, 0, ExitCode.OK)
    assert emulator.totals() == before


async def test_the_json_has_the_lasting_keys(fleet, settings, request_for):
    fleet.sensor("a", rows=3)

    report = json.loads((await sync_once(settings, request_for())).model_dump_json())

    assert report.keys() >= KEYS
    (source,) = report["sources"]
    assert source["source"] == "London/a/sensor_data.db"
    assert source["city"] == "London"
    assert source["backlog"] == 0


async def test_a_dry_run_reports_and_writes_nothing(fleet, settings, request_for, documents, emulator):
    path = fleet.sensor("a", rows=30)
    fleet.query(path, "UPDATE sensor_readings SET temperature = 9e999 WHERE id = 7")
    before = everything(fleet.root)
    asked = emulator.totals()

    report = await sync_once(settings, request_for(dry_run=True))

    assert everything(fleet.root) == before
    assert emulator.totals() == asked
    assert (report.read, report.accepted, report.rejected) == (30, 29, 1)
    assert (report.backlog, report.sources[0].backlog) == (30, 30)
    assert report.exit_code is ExitCode.REJECTED


async def test_a_dry_run_needs_no_endpoint(fleet, tmp_path, request_for):
    fleet.sensor("a", rows=3)

    report = await sync_once(load(env={}, cwd=tmp_path).settings, request_for(dry_run=True))

    assert (report.accepted, report.exit_code) == (3, ExitCode.OK)


async def test_a_dry_run_takes_no_lock(fleet, settings, request_for):
    fleet.sensor("a", rows=3)
    store = SqliteStore(fleet.root, clock=SystemClock())
    await store.open()
    await store.scan()
    try:
        report = await sync_once(settings, request_for(dry_run=True))
    finally:
        await store.close()
    assert (report.accepted, report.exit_code) == (3, ExitCode.OK)


async def test_development_sends_all_again_with_ids_of_its_own(fleet, settings, request_for, documents):
    fleet.sensor("a", rows=12)
    await sync_once(settings, request_for())
    first = set(documents())
    started = datetime.now(UTC)

    report = await sync_once(settings, request_for(development=True))

    fresh = {number: each for number, each in documents().items() if number not in first}
    assert (report.accepted, report.already_there, len(fresh)) == (12, 0, 12)
    assert all(datetime.fromisoformat(each["timestamp"]) >= started for each in fresh.values())


async def test_a_poisoned_row_is_a_dead_letter_and_exit_code_1(fleet, settings, request_for, documents):
    path = fleet.sensor("a", rows=100)
    fleet.query(path, "UPDATE sensor_readings SET sensor_id = x'ff' WHERE id = 50")

    report = await sync_once(settings, request_for())

    assert (report.accepted, report.rejected, report.exit_code) == (99, 1, ExitCode.REJECTED)
    assert fleet.synced(path) == {1: 99, -1: 1}
    assert len(documents()) == 99


async def test_a_file_that_cannot_be_read_is_exit_code_1_and_stops_nothing(fleet, settings, request_for):
    fleet.sensor("a", rows=5)
    (fleet.root / "broken.db").write_text("this is not a database, and longer than a header is")

    report = await sync_once(settings, request_for())

    broken = next(source for source in report.sources if source.source == "broken.db")
    assert "not an SQLite database" in broken.problem
    assert broken.backlog is None
    assert (report.accepted, report.exit_code) == (5, ExitCode.REJECTED)


async def test_files_of_another_engine_are_left_to_it_and_exit_code_4(
    fleet, settings, request_for, documents
):
    fleet.sensor("a", rows=5)
    store = SqliteStore(fleet.root / "London", clock=SystemClock())
    await store.open()
    await store.scan()
    fleet.sensor("b", rows=7, city="Paris")
    try:
        report = await sync_once(settings, request_for())
    finally:
        await store.close()

    owned = next(source for source in report.sources if source.source.startswith("London"))
    assert "process" in owned.owner
    assert owned.backlog is None
    assert (report.accepted, report.exit_code) == (7, ExitCode.OWNED)


async def test_an_empty_folder_says_so(fleet, settings, request_for):
    report = await sync_once(settings, request_for())

    assert any("No sensor database" in notice for notice in report.notices)
    assert report.exit_code is ExitCode.OK


async def test_what_was_created_is_noticed(fleet, settings, request_for):
    fleet.sensor("a", rows=1)

    assert any("SensorReadings" in notice for notice in (await sync_once(settings, request_for())).notices)


@pytest.mark.parametrize(
    ("text", "named"),
    [("{}", ("cosmos.endpoint", "COSMOS_ENDPOINT", "--endpoint")),
     ("cosmos: {endpoint: 'https://a.example.com'}", ("cosmos.key", "COSMOS_KEY", "COSMOS_KEY_FILE"))],
)  # fmt: skip
async def test_a_missing_endpoint_or_key_is_named(tmp_path, request_for, text, named, fleet):
    path = tmp_path / "config.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError) as error:
        await sync_once(load(path, env={}, cwd=tmp_path).settings, request_for())

    assert all(name in str(error.value) for name in named)
    assert not (fleet.root / ".sensor-tui").exists()


async def test_a_missing_root_is_a_usage_error(settings, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        await sync_once(settings, SyncRequest(tmp_path / "nowhere"))


async def test_development_and_dry_run_contradict_each_other(settings, request_for):
    with pytest.raises(UsageError, match="dry run"):
        await sync_once(settings, request_for(development=True, dry_run=True))


async def test_an_unreachable_sink_is_an_error_and_marks_nothing(fleet, tmp_path, request_for, emulator):
    path = fleet.sensor("a", rows=5)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    env = {"COSMOS_ENDPOINT": endpoint, "COSMOS_KEY": emulator.key}

    with pytest.raises(SinkUnreachable):
        await sync_once(load(env=env, cwd=tmp_path).settings, request_for())

    assert fleet.synced(path) == {None: 5}


async def test_a_wrong_key_is_refused(fleet, tmp_path, request_for, emulator):
    fleet.sensor("a", rows=5)
    env = {"COSMOS_ENDPOINT": emulator.url, "COSMOS_KEY": "d3Jvbmc="}

    with pytest.raises(SinkRefused, match="key"):
        await sync_once(load(env=env, cwd=tmp_path).settings, request_for())


async def test_progress_is_told_with_the_backlog(fleet, settings, request_for):
    fleet.sensor("a", rows=5)
    told = []

    await sync_once(
        settings, request_for(), on_progress=lambda progress, backlog: told.append((progress, backlog))
    )

    progress, backlog = told[-1]
    assert (progress.totals.accepted, backlog) == (5, 0)


async def test_stop_drains_and_keeps_what_was_accepted(fleet, settings, request_for, emulator, documents):
    path = fleet.sensor("a", rows=5000)
    held = emulator.faults.add(Fault("hold", kind="bulk", when="before"))
    stop = asyncio.Event()
    run = asyncio.ensure_future(sync_once(settings, request_for(), stop=stop))
    await held.reached.wait()

    stop.set()
    held.release.set()
    report = await run

    assert report.interrupted
    assert report.accepted + report.backlog == 5000
    assert report.accepted == len(documents()) == fleet.synced(path).get(1, 0)
    assert report.exit_code is (ExitCode.REJECTED if report.backlog else ExitCode.OK)


async def test_abort_ends_at_once_and_loses_nothing(fleet, settings, request_for, emulator, documents):
    path = fleet.sensor("a", rows=300)
    held = emulator.faults.add(Fault("hold", kind="bulk", when="after"))
    abort = asyncio.Event()
    run = asyncio.ensure_future(sync_once(settings, request_for(), abort=abort))
    await held.reached.wait()

    abort.set()
    report = await run
    held.release.set()

    assert report.interrupted
    assert report.exit_code is ExitCode.REJECTED
    assert fleet.synced(path).get(1, 0) == report.accepted < 300
    again = await sync_once(settings, request_for())
    assert again.already_there > 0
    assert fleet.synced(path) == {1: 300}
    assert len(documents()) == 300


async def test_a_single_file_is_a_root(fleet, settings, documents):
    path = fleet.sensor("a", rows=4)
    fleet.sensor("b", rows=4)

    report = await sync_once(settings, SyncRequest(path))

    assert (report.accepted, len(documents())) == (4, 4)
    assert {each["city"] for each in documents().values()} == {"London"}

import pytest

from sensor_tui.errors import UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.progress import EngineState
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.status import status
from sensor_tui.storage.store import SqliteStore

CLOCK = SystemClock()


async def test_without_a_service_files_are_looked_at_and_nothing_is_written(fleet, settings, request_for):
    path = fleet.sensor("a", rows=9, wal=False)
    before = path.stat()

    report = await status(settings, request_for(), CLOCK)

    assert (report.backlog, report.dead_letters) == (9, 0)
    assert (report.engine.state, report.engine.attached, report.engine.pid) == (
        EngineState.STOPPED,
        False,
        None,
    )
    assert report.engine.docs_per_second is None
    (sensor,) = report.sensors
    assert sensor.lag_seconds == report.lag_seconds
    assert sensor.lag_seconds > sensor.freshness_seconds > 0
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert not (fleet.root / ".sensor-tui").exists()
    assert sorted(path.parent.iterdir()) == [path]


async def test_after_a_run_nothing_is_open(fleet, settings, request_for):
    fleet.sensor("a", rows=9)
    await sync_once(settings, request_for())

    report = await status(settings, request_for(), CLOCK)

    assert (report.backlog, report.lag_seconds) == (0, None)
    assert report.sensors[0].newest.endswith("Z")


async def test_a_file_that_cannot_be_read_is_unknown_not_zero(fleet, settings, request_for):
    (fleet.root / "broken.db").write_text("no database at all, and longer than a header is")

    report = await status(settings, request_for(), CLOCK)

    (sensor,) = report.sensors
    assert "not an SQLite database" in sensor.problem
    assert sensor.backlog is sensor.freshness_seconds is sensor.newest is None
    assert report.backlog is None


async def test_no_files_is_no_backlog(settings, request_for):
    report = await status(settings, request_for(), CLOCK)

    assert (report.backlog, report.lag_seconds, report.sensors) == (0, None, ())


async def test_who_owns_a_file_is_said_with_what_is_in_it(fleet, settings, request_for):
    fleet.sensor("a", rows=9)
    store = SqliteStore(fleet.root / "London", clock=CLOCK)
    await store.open()
    await store.scan()
    try:
        report = await status(settings, request_for(), CLOCK)
    finally:
        await store.close()

    assert "process" in report.sensors[0].owner
    assert report.sensors[0].backlog == 9


async def test_a_folder_that_is_not_there_is_a_usage_error(settings, tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        await status(settings, SyncRequest(tmp_path / "nowhere"), CLOCK)

import asyncio
import logging
from pathlib import Path

import pytest

from sensor_tui.config import load
from sensor_tui.emulator import Fault
from sensor_tui.errors import ConfigError, ExitCode, OwnedElsewhere, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.progress import EngineState
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.deadletters import list_letters, retry_letters, show_letter
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.process import run_service
from sensor_tui.service.sockets import find_socket
from sensor_tui.service.status import status
from sensor_tui.storage.ledger import Ledger
from sensor_tui.storage.store import SqliteStore


@pytest.fixture
def rewrite(config: Path):
    """Change the configuration file while it is watched."""

    def change(old: str, new: str) -> None:
        text = config.read_text()
        assert old in text
        fresh = config.with_suffix(".new")
        fresh.write_text(text.replace(old, new))
        fresh.replace(config)

    return change


async def logged(caplog, text):
    """Wait for a line of the log."""
    async with asyncio.timeout(20):
        while text not in caplog.text:
            await asyncio.sleep(0.02)


async def test_it_uploads_what_is_there_and_what_comes(fleet, serve, documents):
    fleet.sensor("a", rows=30)
    async with serve() as running:
        await running.until(lambda report: report.engine.totals.accepted == 30)
        fleet.sensor("b", rows=12, city="Paris")
        report = await running.until(lambda report: report.engine.totals.accepted == 42)
        report = await running.until(lambda report: len(report.sensors) == 2 and report.backlog == 0)
    assert running.task.result() is ExitCode.OK
    assert {each.city for each in report.sensors} == {"London", "Paris"}
    assert report.engine.attached
    assert len(documents()) == 42


async def test_its_status_is_that_of_the_service(fleet, serve, settings, request_for):
    fleet.sensor("a", rows=3)
    async with serve() as running:
        await running.until(lambda report: report.backlog == 0 and report.sensors)
        report = await status(settings, request_for(), SystemClock())
    assert report.engine.attached
    (sensor,) = report.sensors
    assert (sensor.city, sensor.backlog, sensor.lag_seconds) == ("London", 0, None)
    assert sensor.freshness_seconds > 0


async def test_pause_stops_reading_and_resume_goes_on(fleet, serve):
    path = fleet.sensor("a", rows=5)
    async with serve() as running:
        await running.until(lambda report: report.engine.totals.accepted == 5)
        assert (await running.client.pause()).state is EngineState.PAUSED
        fleet.more(path, 7)
        report = await running.until(lambda report: report.backlog == 7)
        assert report.engine.state is EngineState.PAUSED
        assert report.lag_seconds > 0
        await running.client.resume()
        await running.until(lambda report: report.engine.totals.accepted == 12)


async def test_drain_waits_for_what_is_under_way_and_pauses(fleet, serve, emulator):
    fleet.sensor("a", rows=40)
    held = emulator.faults.add(Fault("hold", kind="bulk", when="before"))
    async with serve() as running:
        await held.reached.wait()
        draining = asyncio.ensure_future(running.client.drain())
        await running.until(lambda report: report.engine.state is EngineState.PAUSED)
        assert not draining.done()
        held.release.set()
        done = await draining
        assert (done.drained, done.in_flight, done.state) == (True, 0, EngineState.PAUSED)


async def test_actions_are_written_to_the_log(fleet, serve, request_for):
    fleet.sensor("a", rows=1)
    async with serve() as running:
        await running.client.pause()
        await running.client.sync()
    async with Ledger(fleet.root / ".sensor-tui", clock=SystemClock()) as ledger:
        entries = await ledger.actions()
    assert [entry.action for entry in entries] == ["drain and stop", "sync", "pause"]
    assert all("process" in entry.who and entry.at > 1.7e9 for entry in entries)


async def test_a_second_service_is_refused_and_says_who(fleet, serve, loaded, request_for):
    fleet.sensor("a", rows=1)
    async with serve():
        with pytest.raises(OwnedElsewhere, match=r"runs already: process \d+"):
            await run_service(loaded, request_for())


async def test_a_service_without_any_file_of_its_own_ends_with_4(fleet, loaded, request_for):
    fleet.sensor("a", rows=1)
    store = SqliteStore(fleet.root / "London", clock=SystemClock())
    await store.open()
    await store.scan()
    try:
        with pytest.raises(OwnedElsewhere, match="belongs to another engine: process"):
            await run_service(loaded, request_for())
    finally:
        await store.close()
    assert find_socket(fleet.root / ".sensor-tui") is None


async def test_a_service_with_some_files_of_its_own_goes_on(fleet, serve):
    fleet.sensor("a", rows=1)
    store = SqliteStore(fleet.root / "London", clock=SystemClock())
    await store.open()
    await store.scan()
    fleet.sensor("b", rows=6, city="Paris")
    try:
        async with serve() as running:
            report = await running.until(lambda report: report.engine.totals.accepted == 6)
            owned = next(each for each in report.sensors if each.owner)
            assert (owned.backlog, owned.freshness_seconds) == (None, None)
    finally:
        await store.close()


async def test_a_changed_budget_is_taken_live(fleet, serve, rewrite, caplog):
    caplog.set_level(logging.INFO, "sensor_tui")
    fleet.sensor("a", rows=1)
    async with serve() as running:
        before = (await running.client.status()).engine.started
        rewrite("performance:\n", "performance:\n  max_ru_per_second: 4321\n")
        await logged(caplog, "configuration has changed: performance.max_ru_per_second")
        report = await running.client.status()
        assert (report.engine.started, report.engine.config_problem) == (before, None)


async def test_a_broken_change_is_refused_in_one_line_and_the_old_stays(fleet, serve, rewrite, caplog):
    path = fleet.sensor("a", rows=1)
    async with serve() as running:
        rewrite("upload_interval_seconds", "upload_intervall_seconds")
        report = await running.until(lambda report: report.engine.config_problem)
        assert "upload_intervall_seconds" in report.engine.config_problem
        assert len([line for line in caplog.messages if "refused" in line]) == 1
        fleet.more(path, 2)
        await running.until(lambda report: report.engine.totals.accepted == 3)
        rewrite("upload_intervall_seconds", "upload_interval_seconds")
        await running.until(lambda report: report.engine.config_problem is None)


async def test_another_container_is_taken_after_a_drain(fleet, serve, rewrite, documents, caplog):
    caplog.set_level(logging.INFO, "sensor_tui")
    path = fleet.sensor("a", rows=10)
    async with serve() as running:
        await running.until(lambda report: report.engine.totals.accepted == 10)
        rewrite("cosmos:\n", "cosmos:\n  container: Second\n")
        fleet.more(path, 4)
        await running.until(lambda report: report.engine.totals.accepted == 14 and report.backlog == 0)
        await logged(caplog, "configuration has changed: cosmos.container")
        fleet.more(path, 5)
        await running.until(lambda report: report.engine.totals.accepted == 19)
    assert len(documents()) + len(documents("Second")) == 19
    assert len(documents("Second")) >= 5


async def test_a_change_to_a_wrong_key_is_refused_and_uploads_go_on(fleet, serve, rewrite, emulator, caplog):
    path = fleet.sensor("a", rows=10)
    async with serve() as running:
        await running.until(lambda report: report.engine.totals.accepted == 10)
        rewrite(emulator.key, "d3Jvbmc=")
        report = await running.until(lambda report: report.engine.config_problem)
        assert "does not accept the key" in report.engine.config_problem
        assert "d3Jvbmc=" not in report.engine.config_problem + caplog.text
        fleet.more(path, 4)
        await running.until(lambda report: report.engine.totals.accepted == 14)


async def test_a_change_that_needs_a_restart_says_so(fleet, serve, rewrite):
    fleet.sensor("a", rows=1)
    async with serve() as running:
        rewrite("performance:\n", "service:\n  drain_timeout_seconds: 5\nperformance:\n")
        report = await running.until(lambda report: report.engine.config_problem)
        assert "restart" in report.engine.config_problem
        assert "service.drain_timeout_seconds" in report.engine.config_problem


async def test_the_configuration_is_read_by_who_started_it(fleet, serve, rewrite, loaded):
    fleet.sensor("a", rows=1)

    def reload():
        raise ConfigError("not today")

    async with serve(reload=reload) as running:
        rewrite("performance:\n", "performance:\n  max_ru_per_second: 4321\n")
        report = await running.until(lambda report: report.engine.config_problem)
        assert "not today" in report.engine.config_problem


async def test_dead_letters_are_retried_through_the_service(fleet, serve, settings, request_for, documents):
    path = fleet.sensor("a", rows=20)
    fleet.query(path, "UPDATE sensor_readings SET temperature = 9e999 WHERE id IN (3, 4)")
    request, clock = request_for(), SystemClock()
    async with serve() as running:
        await running.until(lambda report: report.dead_letters == 2 and report.engine.totals.accepted == 18)
        page = await list_letters(request, clock)
        assert [letter.row_id for letter in page.letters] == [3, 4]
        first = await show_letter(request, clock, page.letters[0].id)
        assert "infinity" in first.reason
        assert "temperature" in first.document
        fleet.query(path, "UPDATE sensor_readings SET temperature = 20 WHERE id = 3")

        outcome = await retry_letters(request, clock, [first.id, 999])

        assert (outcome.changed, outcome.missing, outcome.failed) == (1, (999,), {})
        report = await running.until(lambda report: report.engine.totals.accepted == 19)
        report = await running.until(lambda report: report.dead_letters == 1)
        assert report.sensors[0].dead_letters == 1
        dropped = await running.client.drop(None)
        assert dropped.changed == 1
        assert (await running.client.status()).dead_letters == 0
    assert fleet.synced(path) == {1: 19, -1: 1}
    assert len(documents()) == 19


async def test_sync_now_does_not_wait_for_the_interval(fleet, serve, config, tmp_path):
    config.write_text(
        config.read_text().replace("upload_interval_seconds: 0.1", "upload_interval_seconds: 3600")
    )
    path = fleet.sensor("a", rows=1)
    async with serve(loaded=load(config, env={}, cwd=tmp_path)) as running:
        await running.until(lambda report: report.engine.totals.accepted == 1)
        fleet.more(path, 2)
        await running.until(lambda report: report.backlog == 2)
        await running.client.sync()
        await running.until(lambda report: report.engine.totals.accepted == 3)


async def test_tcp_is_served_beside_the_socket_with_the_token(fleet, serve, config, tmp_path, caplog):
    caplog.set_level(logging.INFO, "sensor_tui")
    fleet.sensor("a", rows=1)
    env = {"SENSOR_TUI__SERVICE__TOKEN": "t0ken"}
    loaded = load(config, env=env, cwd=tmp_path)
    async with serve(loaded=loaded, listen="127.0.0.1:0"):
        (line,) = [line for line in caplog.messages if line.startswith("listening on")]
        url = f"http://{line.removeprefix('listening on ')}"
        async with ServiceClient(url=url, token=loaded.settings.service.token) as client:
            assert (await client.status()).engine.attached
        assert "t0ken" not in caplog.text


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "::1:80"])
async def test_a_listen_address_that_is_none_is_refused(fleet, loaded, request_for, listen):
    with pytest.raises(UsageError, match="--listen"):
        await run_service(loaded, request_for(), listen=listen)


async def test_a_dry_run_does_not_run_on(fleet, loaded, request_for):
    with pytest.raises(UsageError, match="dry run"):
        await run_service(loaded, request_for(dry_run=True))


async def test_a_configuration_without_endpoint_leaves_no_socket(fleet, tmp_path, request_for):
    with pytest.raises(ConfigError, match="endpoint"):
        await run_service(load(env={}, cwd=tmp_path), request_for())

    assert find_socket(fleet.root / ".sensor-tui") is None


async def test_an_unreachable_sink_is_shown_and_waited_for(fleet, serve, emulator, documents):
    fleet.sensor("a", rows=3)
    await emulator.stop()
    async with serve() as running:
        report = await running.until(lambda report: report.engine.state is EngineState.UNREACHABLE)
        assert report.engine.reason
        assert not (await running.client.health()).ok
        report = await running.until(lambda report: report.sensors)
        assert report.backlog == 3
        await running.client.drain(stop=True, now=True)
        assert await running.task is ExitCode.OK


async def test_status_is_told_each_second_without_the_sensors(fleet, serve):
    fleet.sensor("a", rows=3)
    told, enough = [], asyncio.Event()

    def tell(report):
        told.append(report)
        if report.engine.totals.accepted == 3:
            enough.set()

    async with serve(on_status=tell):
        await asyncio.wait_for(enough.wait(), 20)
    assert told[-1].sensors == ()


async def test_after_the_service_a_run_finds_nothing_to_do(fleet, serve, settings, request_for):
    fleet.sensor("a", rows=30)
    async with serve() as running:
        await running.until(lambda report: report.engine.totals.accepted == 30)

    report = await sync_once(settings, request_for())

    assert (report.read, report.exit_code) == (0, ExitCode.OK)


async def test_development_resets_once_and_not_for_a_new_container(
    fleet, serve, rewrite, documents, settings, request_for, caplog
):
    caplog.set_level(logging.INFO, "sensor_tui")
    path = fleet.sensor("a", rows=6)
    await sync_once(settings, request_for())
    async with serve(request_for(development=True)) as running:
        await running.until(lambda report: report.engine.totals.accepted == 6)
        rewrite("cosmos:\n", "cosmos:\n  container: Second\n")
        await logged(caplog, "configuration has changed: cosmos.container")
        fleet.more(path, 2)
        await running.until(lambda report: report.engine.totals.accepted == 8)
    assert len(documents()) + len(documents("Second")) == 6 + 8

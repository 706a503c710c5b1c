"""The service as a process of its own: starting, signals, stopping."""

import asyncio
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from sensor_tui.emulator import Fault
from sensor_tui.errors import ConfigError, OwnedElsewhere, UsageError
from sensor_tui.model.clock import SystemClock
from sensor_tui.service.client import ServiceClient
from sensor_tui.service.control import service_status, start_service, stop_service
from sensor_tui.service.oneshot import sync_once
from sensor_tui.service.request import SyncRequest
from sensor_tui.service.sockets import find_socket, holder

CLOCK = SystemClock()


@pytest.fixture
async def start(fleet, config, request_for):
    """Start the service of the fleet; whatever runs at the end is stopped."""

    async def starting(*options):
        given = (f"--sqlite={fleet.root}", f"--config={config}", *options)
        return await start_service(request_for(), given, CLOCK, environment=dict(os.environ))

    yield starting
    await stop_service(request_for(), CLOCK, drain=False, timeout=20)


def command_line(process):
    return Path(f"/proc/{process}/cmdline").read_bytes()


async def until(look):
    async with asyncio.timeout(20):
        while not (found := look()):
            await asyncio.sleep(0.02)
    return found


async def accepted(where, count):
    async with asyncio.timeout(20), ServiceClient(Path(where)) as client:
        async for update in client.events():
            if update.report is not None and update.report.engine.totals.accepted >= count:
                return


async def test_it_starts_is_found_and_stops(fleet, start, request_for, emulator):
    path = fleet.sensor("a", rows=25)

    running = await start()

    assert running.status.engine.attached
    assert running.pid != os.getpid()
    assert os.getsid(running.pid) == running.pid
    command = command_line(running.pid)
    assert emulator.key.encode() not in command
    assert stat.S_IMODE(running.log.stat().st_mode) == 0o600
    await accepted(running.where, 25)
    again = await service_status(request_for(), CLOCK)
    assert (again.pid, again.where) == (running.pid, running.where)
    with pytest.raises(OwnedElsewhere, match=f"process {running.pid}"):
        await start()

    assert await stop_service(request_for(), CLOCK)

    assert await service_status(request_for(), CLOCK) is None
    assert await stop_service(request_for(), CLOCK) is False
    assert fleet.synced(path) == {1: 25}
    assert find_socket(fleet.root / ".sensor-tui") is None
    await until(lambda: not Path(f"/proc/{running.pid}").exists())


async def test_a_hangup_does_not_end_it(fleet, start):
    path = fleet.sensor("a", rows=2)
    running = await start()

    os.kill(running.pid, signal.SIGHUP)
    fleet.more(path, 3)

    await accepted(running.where, 5)


async def test_what_keeps_it_from_starting_is_told(fleet, start, config, request_for):
    config.write_text(config.read_text().replace("performance:", "performence:"))

    with pytest.raises(ConfigError, match=r"did not start: .*performence.*performance"):
        await start()

    assert await service_status(request_for(), CLOCK) is None


async def test_a_root_that_is_not_there_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        await start_service(SyncRequest(tmp_path / "nowhere"), (), CLOCK)


@pytest.fixture
async def foreground(fleet, config):
    """`sensor-tui sync --continuous`, as a shell would start it."""
    processes = []

    async def run():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sensor_tui", "sync", "--continuous",
            f"--sqlite={fleet.root}", f"--config={config}",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_drains(fleet, foreground, emulator, documents, number):
    path = fleet.sensor("a", rows=3000)
    held = emulator.faults.add(Fault("hold", kind="bulk", nth=3, when="before"))
    process = await foreground()
    await held.reached.wait()

    process.send_signal(number)
    await until(lambda: holder(fleet.root / ".sensor-tui"))
    held.release.set()
    _, told = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 0, told.decode()
    marked = fleet.synced(path)
    assert marked.get(1, 0) == len(documents()) > 0
    assert holder(fleet.root / ".sensor-tui") is None


async def test_the_second_signal_ends_it_at_once_and_nothing_is_lost(
    fleet, foreground, emulator, documents, settings, request_for
):
    path = fleet.sensor("a", rows=3000)
    held = emulator.faults.add(Fault("hold", kind="bulk", nth=3, when="after"))
    process = await foreground()
    await held.reached.wait()

    async with ServiceClient(find_socket(fleet.root / ".sensor-tui")) as client:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            async for update in client.events():
                if update.report is not None and update.report.engine.state == "draining":
                    break
    assert process.returncode is None
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.wait(), 15)
    held.release.set()

    assert process.returncode == 0
    report = await sync_once(settings, request_for())
    assert report.already_there > 0
    assert fleet.synced(path) == {1: 3000}
    assert len(documents()) == 3000


async def test_a_killed_service_leaves_nothing_in_the_way(fleet, foreground, start, emulator):
    path = fleet.sensor("a", rows=50)
    process = await foreground()
    await until(lambda: find_socket(fleet.root / ".sensor-tui"))
    process.kill()
    await process.wait()
    assert find_socket(fleet.root / ".sensor-tui") is not None

    running = await start()

    await until(lambda: fleet.synced(path) == {1: 50})
    assert running.pid != process.pid

"""What becomes of units when the runtime goes, is killed, and comes back."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet import process_table
from sensor_tui.model.unit import UnitSpec, UnitState

from .conftest import Ground, gone, one, state_of

ID = "here/process/sensor-1"
WAIT = "\nsay(os.getpid())\nsignal.pause()\nsignal.pause()\n"
ROOT = Path(__file__).resolve().parents[2]

OWNER = """
import asyncio, json, sys
from pathlib import Path
from sensor_tui.fleet.process import ProcessRuntime
from sensor_tui.model.clock import SystemClock
from sensor_tui.model.unit import UnitSpec

async def main(folder, specs):
    runtime = ProcessRuntime(folder / "state", folder / "data", SystemClock(), host_name="here")
    await runtime.open()
    for name, command, environment, restart in specs:
        unit = await runtime.add(UnitSpec(name, tuple(command), environment=environment, restart=restart))
        await runtime.start(unit.id)
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
"""


@contextmanager
def owner(folder: Path, *specs: UnitSpec) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the state folder and has started these units; killed outright at the end."""
    told = json.dumps([(spec.name, spec.command, dict(spec.environment), spec.restart) for spec in specs])
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), told], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        yield process
    process.kill()
    process.wait()


def remembered(ground: Ground, **changes: Any) -> dict[str, Any]:
    path = ground.folder / "state/units/sensor-1.state"
    record: dict[str, Any] = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(record))
    return record


async def test_units_outlive_the_runtime_and_are_taken_over(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(WAIT))
    await runtime.start(ID)
    before = one(runtime)
    assert await ground.pipe.number() == before.pid
    await runtime.close()
    runtime = await ground.open()
    after = one(runtime)
    assert (after.pid, after.started_at, after.state) == (before.pid, before.started_at, UnitState.RUNNING)
    await runtime.start(ID)
    assert one(runtime).pid == before.pid
    await runtime.stop(ID, grace=30)
    assert one(runtime).exit_code == -signal.SIGTERM


async def test_after_its_owner_was_killed_outright(ground: Ground) -> None:
    other = ground.spec("\nsay('other')\nsignal.pause()", name="sensor-2")
    with owner(ground.folder, ground.spec(WAIT), other) as process:
        pid = next(
            int(line) for line in [await ground.pipe.line(), await ground.pipe.line()] if line != "other"
        )
        with pytest.raises(FleetError, match=f"looked after by process {process.pid} on here"):
            await ground.open()
    assert len(ground.alive()) == 2
    runtime = await ground.open()
    assert [unit.state for unit in runtime.list()] == [UnitState.RUNNING] * 2
    assert one(runtime).pid == pid
    assert (await runtime.stats([ID]))[ID].memory_bytes
    os.kill(pid, signal.SIGKILL)
    unit = await state_of(runtime, UnitState.BACKOFF)
    assert unit.exit_code is None
    assert unit.reason.startswith("ended, its exit code is not known")
    await runtime.stop("here/process/sensor-2", grace=30)
    assert not ground.alive()


async def test_adopted_without_pidfd(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with owner(ground.folder, ground.spec(WAIT, restart=False)):
        pid = await ground.pipe.number()
    runtime = await ground.open()
    os.kill(pid, signal.SIGTERM)
    assert "not known" in (await state_of(runtime, UnitState.FAILED)).reason


@pytest.mark.parametrize(("restart", "state"), [(True, UnitState.RUNNING), (False, UnitState.FAILED)])
async def test_what_ended_while_nobody_looked(ground: Ground, *, restart: bool, state: UnitState) -> None:
    with owner(ground.folder, ground.spec(WAIT, restart=restart)) as process:
        pid = await ground.pipe.number()
        process.kill()
        os.kill(pid, signal.SIGKILL)
        await gone(pid)
    runtime = await ground.open()
    unit = one(runtime)
    assert (unit.state, unit.restarts) == (state, int(restart))
    if restart:
        assert await ground.pipe.number() == unit.pid
    else:
        assert "while no service looked after it" in unit.reason


async def test_what_was_stopped_is_not_started(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(WAIT))
    await runtime.start(ID)
    await ground.pipe.number()
    await runtime.stop(ID, grace=30)
    await runtime.close()
    runtime = await ground.open()
    unit = one(runtime)
    assert (unit.state, unit.exit_code, unit.reason) == (UnitState.STOPPED, -15, "ended by SIGTERM")


async def test_a_number_that_another_process_has_now_is_left_alone(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(WAIT))
    await runtime.start(ID)
    await ground.pipe.number()
    await runtime.stop(ID, grace=30)
    await runtime.close()
    stranger = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    try:
        remembered(ground, wanted=True, state="running", pid=stranger.pid, birth="another:1")
        runtime = await ground.open()
        unit = one(runtime)
        assert unit.pid not in {None, stranger.pid}
        assert await ground.pipe.number() == unit.pid
        await runtime.stop(ID, grace=30)
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


@pytest.mark.parametrize(
    "changes", [{"pid": None, "birth": "", "state": "starting"}, {"pid": 1, "birth": "other"}, None]
)
async def test_one_whose_number_was_not_written_is_found_by_its_mark(
    ground: Ground, changes: dict[str, Any] | None
) -> None:
    with owner(ground.folder, ground.spec(WAIT)):
        pid = await ground.pipe.number()
    if changes is None:
        (ground.folder / "state/units/sensor-1.state").write_text("{")
    else:
        remembered(ground, **changes)
    runtime = await ground.open()
    assert (one(runtime).pid, one(runtime).state) == (pid, UnitState.RUNNING)
    assert [len(pids) for pids in ground.alive().values()] == [1]


async def test_a_stop_that_was_broken_off_is_finished(ground: Ground) -> None:
    with owner(ground.folder, ground.spec(WAIT)):
        pid = await ground.pipe.number()
    remembered(ground, wanted=False, state="stopping")
    runtime = await ground.open()
    assert (await state_of(runtime, UnitState.STOPPED)).pid is None
    await gone(pid)


async def test_what_a_dead_one_left_running_ends_before_it_is_started_again(ground: Ground) -> None:
    body = "\nif os.fork() == 0:\n    say(os.getpid())\n    signal.pause()\n" + WAIT
    with owner(ground.folder, ground.spec(body)) as process:
        pids = {await ground.pipe.number(), await ground.pipe.number()}
        process.kill()
        record = remembered(ground)
        os.kill(record["pid"], signal.SIGKILL)
        await gone(record["pid"])
    runtime = await ground.open()
    assert {await ground.pipe.number(), await ground.pipe.number()}.isdisjoint(pids)
    assert not any(process_table.entry(pid) for pid in pids)
    assert one(runtime).restarts == 1


async def test_a_second_runtime_in_the_same_process_is_refused_too(ground: Ground) -> None:
    first = await ground.open()
    with pytest.raises(FleetError, match=f"process {os.getpid()} on here"):
        await ground.open()
    await first.close()
    await ground.open()


async def test_many_are_taken_over_quickly(ground: Ground) -> None:
    runtime = await ground.open()
    ids = []
    for number in range(30):
        spec = UnitSpec(f"sensor-{number}", ("sleep", "1000"))
        ids.append((await runtime.add(spec)).id)
    await asyncio.gather(*map(runtime.start, ids))
    pids = [unit.pid for unit in runtime.list()]
    await runtime.close()
    runtime = await ground.open()
    assert [unit.pid for unit in runtime.list()] == pids
    await asyncio.gather(*(runtime.stop(unit, grace=30) for unit in ids))
    assert not ground.alive()

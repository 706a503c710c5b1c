"""Units as processes: started, stopped, started again, described."""

import asyncio
import json
import os
import platform
import signal
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest

from sensor_tui.errors import FleetError
from sensor_tui.fleet import process_table
from sensor_tui.fleet.process_census import Census
from sensor_tui.fleet.process_spec import MARK
from sensor_tui.fleet.process_unit import ProcessUnit
from sensor_tui.model.unit import Role, UnitSpec, UnitState

from .conftest import Ground, HurryingClock, gone, one, state_of

ID = "here/process/sensor-1"
WAIT = "\nsay(os.getpid())\nsignal.pause()\n"
IGNORE = "\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
FORKS = """
def child(stubborn):
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(os.getpid())
    signal.pause()
    signal.pause()
"""
ON_USR1 = "\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
UNTIL_USR1 = "\nsignal.sigwait([signal.SIGUSR1])\n"


async def test_a_unit_runs_in_a_session_of_its_own_with_a_clean_environment(ground: Ground) -> None:
    ours = {
        "PATH": os.environ["PATH"],
        "LC_TIME": "C",
        "COSMOS_KEY": "hidden",
        "SENSOR_TUI__COSMOS__KEY": "hidden",
        "HOME": "/",
    }
    runtime = await ground.open(environment=ours)
    body = """
say(os.getsid(0) == os.getpid())
say(sys.stdin.read() == "" and os.getcwd() == os.environ["WHERE"])
say(" ".join(sorted(os.environ)))
"""
    where = str(ground.folder / "data")
    await runtime.add(ground.spec(body + WAIT, environment={"WHERE": where}))
    await runtime.start(ID)
    assert [await ground.pipe.line(), await ground.pipe.line()] == ["True", "True"]
    names = set((await ground.pipe.line()).split())
    expected = {"HOME", "LC_TIME", "PATH", "PIPE", "PYTHONUNBUFFERED", "SENSOR_TUI_UNIT", "WHERE"}
    assert names - {"LC_CTYPE"} == expected
    unit = one(runtime)
    assert (unit.pid, unit.state) == (await ground.pipe.number(), UnitState.RUNNING)
    assert unit.started_at is not None
    await runtime.start(ID)
    assert one(runtime).pid == unit.pid


async def test_stop_ends_it_and_it_stays_ended(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(WAIT))
    assert one(runtime).state is UnitState.CREATED
    await runtime.start(ID)
    pid = await ground.pipe.number()
    await runtime.stop(ID, grace=30)
    unit = one(runtime)
    assert (unit.state, unit.exit_code, unit.pid) == (UnitState.STOPPED, -signal.SIGTERM, None)
    assert (unit.reason, unit.started_at) == ("ended by SIGTERM", None)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)  # collected, not a zombie
    await runtime.stop(ID, grace=30)
    await runtime.restart(ID, grace=30)
    assert await ground.pipe.number() == one(runtime).pid


async def test_one_that_ignores_sigterm_is_killed_after_the_grace(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(IGNORE + WAIT + "signal.pause()"))
    await runtime.start(ID)
    await ground.pipe.number()
    await runtime.stop(ID, grace=0.1)
    assert one(runtime).exit_code == -signal.SIGKILL


async def test_a_clean_end_within_the_grace_keeps_its_exit_code(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec("\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))" + WAIT))
    await runtime.start(ID)
    await ground.pipe.number()
    await runtime.stop(ID, grace=30)
    assert (one(runtime).exit_code, one(runtime).state) == (7, UnitState.STOPPED)


async def test_one_held_by_sigstop_is_said_to_be_paused_and_can_be_stopped(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(WAIT))
    await runtime.start(ID)
    pid = await ground.pipe.number()
    for number, state in ((signal.SIGSTOP, UnitState.PAUSED), (signal.SIGCONT, UnitState.RUNNING)):
        os.kill(pid, number)
        async with asyncio.timeout(30):
            while one(runtime).state is not state:
                await runtime.stats([ID])
    os.kill(pid, signal.SIGSTOP)
    await runtime.stop(ID, grace=30)
    assert one(runtime).exit_code == -signal.SIGTERM


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("stubborn", [False, True])
async def test_what_it_started_ends_with_it(ground: Ground, *, elsewhere: bool, stubborn: bool) -> None:
    runtime = await ground.open()
    body = f"""{FORKS}
if os.fork() == 0:
    if {elsewhere}:
        os.setsid()
        if os.fork():
            os._exit(0)
    child({stubborn})
"""
    await runtime.add(ground.spec(body + WAIT))
    await runtime.start(ID)
    pids = {await ground.pipe.number(), await ground.pipe.number()}
    assert len(pids) == 2
    await runtime.stop(ID, grace=0.2 if stubborn else 30)
    assert not ground.alive()
    await gone(*pids)


async def test_what_it_leaves_running_when_it_ends_by_itself_is_ended(ground: Ground) -> None:
    runtime = await ground.open()
    body = f"{ON_USR1}{FORKS}\nif os.fork() == 0:\n    child(True)\n{UNTIL_USR1}"
    await runtime.add(ground.spec(body, restart=False))
    await runtime.start(ID)
    child = await ground.pipe.number()
    leader = one(runtime).pid
    assert leader is not None
    os.kill(leader, signal.SIGUSR1)
    unit = await state_of(runtime, UnitState.STOPPED)
    assert unit.exit_code == 0
    await gone(child)


@pytest.mark.parametrize(
    ("code", "state"), [(0, UnitState.STOPPED), (3, UnitState.FAILED), (-9, UnitState.FAILED)]
)
async def test_one_that_is_not_to_be_restarted(ground: Ground, code: int, state: UnitState) -> None:
    runtime = await ground.open()
    end = f"sys.exit({code})" if code >= 0 else "os.kill(os.getpid(), 9)"
    await runtime.add(ground.spec(end, restart=False))
    await runtime.start(ID)
    unit = await state_of(runtime, UnitState.STOPPED, UnitState.FAILED)
    assert (unit.state, unit.exit_code, unit.restarts) == (state, code, 0)
    assert unit.reason == ("ended by SIGKILL" if code < 0 else f"ended with exit code {code}")


async def test_pauses_double_to_a_minute_and_begin_anew_after_a_steady_minute(ground: Ground) -> None:
    clock = HurryingClock()
    runtime = await ground.open(clock)
    await runtime.add(ground.spec(f"{ON_USR1}\nsay(os.getpid()){UNTIL_USR1}sys.exit(3)"))
    await runtime.start(ID)
    longest = [1, 2, 4, 8, 16, 32, 60, 60]
    for number, _ in enumerate(longest):
        events = runtime.events()
        os.kill(await ground.pipe.number(), signal.SIGUSR1)
        assert [(await anext(events)).kind for _ in range(3)] == ["backoff", "starting", "running"]
        unit = one(runtime)
        assert (unit.restarts, unit.exit_code) == (number + 1, 3)
    assert all(0.8 * most <= wait <= most for wait, most in zip(clock.waits, longest, strict=True))
    clock.ahead += 60
    os.kill(await ground.pipe.number(), signal.SIGUSR1)
    await ground.pipe.number()
    assert clock.waits[-1] <= 1


async def test_the_reason_says_when_and_stop_and_reset_end_the_wait(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec("\nsay('up')\nsys.exit(1)"))
    for end in (lambda: runtime.stop(ID, grace=1), lambda: runtime.regenerate(ID)):
        await runtime.start(ID)
        await ground.pipe.line()
        unit = await state_of(runtime, UnitState.BACKOFF)
        assert unit.reason.startswith("ended with exit code 1; is started again at 20")
        await end()
        assert one(runtime).state is UnitState.STOPPED
    assert (one(runtime).restarts, one(runtime).exit_code) == (0, None)


async def test_a_command_that_cannot_be_run(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(UnitSpec("sensor-1", ("/no/such/program",)))
    with pytest.raises(FleetError, match="No such file or directory: /no/such/program"):
        await runtime.start(ID)
    assert one(runtime).state is UnitState.FAILED
    await runtime.add(ground.spec("pass", name="other", cwd="/no/such/folder"))
    with pytest.raises(FleetError, match="/no/such/folder"):
        await runtime.start("here/process/other")
    with pytest.raises(FleetError, match="there is no unit"):
        await runtime.start("here/docker/sensor-1")


@pytest.mark.parametrize(
    "spec",
    [
        UnitSpec("Sensor", ("true",)),
        UnitSpec("-sensor", ("true",)),
        UnitSpec("a" * 64, ("true",)),
        UnitSpec("../sensor", ("true",)),
        UnitSpec("sensor\n", ("true",)),
        UnitSpec("sensor", ()),
        UnitSpec("sensor", ("tr\0ue",)),
        UnitSpec("sensor", ("\ud800",)),
        UnitSpec("sensor", ("true",), environment={"A=B": "c"}),
        UnitSpec("sensor", ("true",), data="../../etc"),
        UnitSpec("sensor", ("true",), data="/etc"),
        UnitSpec("sensor", ("true",), data="."),
    ],
)
async def test_what_is_no_definition(ground: Ground, spec: UnitSpec) -> None:
    runtime = await ground.open()
    with pytest.raises(FleetError):
        await runtime.add(spec)
    assert not runtime.list()


async def test_a_definition_is_kept_for_its_owner_and_the_same_again_is_fine(ground: Ground) -> None:
    runtime = await ground.open()
    spec = UnitSpec(
        "sensor-1",
        ("run", "--key", "k3y", "--token=t0k", "--url", "http://me:pw@host/"),
        role=Role.UPLOADER,
        environment={"COSMOS_KEY": "s3cret", "DB_PASSWORD": "", "PLAIN": "x", "URL": "redis://u:p@h"},
        city="London",
        project="p",
        sensor_id="LON_000001",
        data="London/LON_000001",
        restart=False,
        labels={"a": "b"},
    )
    await runtime.add(spec)
    await runtime.add(spec)
    with pytest.raises(FleetError, match="another unit"):
        await runtime.add(UnitSpec("sensor-1", ("other",)))
    path = ground.folder / "state/units/sensor-1.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert runtime.spec(ID) == spec
    await runtime.close()
    runtime = await ground.open()
    assert runtime.spec(ID) == spec
    unit = one(runtime)
    assert "s3cret" not in str(unit)
    shown = {"COSMOS_KEY": "********", "DB_PASSWORD": "", "PLAIN": "x", "URL": "redis://u:********@h"}
    assert unit.environment == shown
    assert unit.command[1:] == ("--key", "********", "--token=********", "--url", "http://me:********@host/")
    assert (unit.id, unit.role, unit.city, unit.data) == (ID, Role.UPLOADER, "London", "London/LON_000001")
    assert not [each for each in path.parent.iterdir() if each.name.startswith(".sensor")]


async def test_a_definition_that_cannot_be_read_is_said_to_be_so(ground: Ground) -> None:
    folder = ground.folder / "state/units"
    folder.mkdir(parents=True)
    (folder / "sensor-1.json").write_text('{"name": "sensor-1", "command": "sh -c true"}')
    (folder / "sensor-2.json").write_bytes(b"\xff\xfe")
    (folder / "sensor-3.json").write_text(json.dumps({"name": "other", "command": ["true"]}))
    runtime = await ground.open()
    assert ["cannot be read" in unit.reason for unit in runtime.list()] == [True] * 3
    for unit in runtime.list():
        with pytest.raises(FleetError, match="cannot be read"):
            await runtime.start(unit.id)
    (folder / "sensor-1.json").write_text(json.dumps({"name": "sensor-1", "command": ["true"]}))
    await runtime.regenerate(ID)
    assert runtime.spec(ID).command == ("true",)
    await runtime.remove("here/process/sensor-2", grace=1)
    assert [unit.name for unit in runtime.list()] == ["sensor-1", "sensor-3"]


async def test_remove_leaves_data_alone(ground: Ground) -> None:
    runtime = await ground.open()
    kept = ground.folder / "data/London/sensor_data.db"
    kept.parent.mkdir()
    kept.touch()
    await runtime.add(ground.spec("\nprint('line')" + WAIT, data="London"))
    await runtime.start(ID)
    pid = await ground.pipe.number()
    with pytest.raises(FleetError, match="Stop it first"):
        await runtime.regenerate(ID)
    events = runtime.events()
    await runtime.remove(ID, grace=30)
    assert [(await anext(events)).kind for _ in range(3)] == ["stopping", "stopped", "removed"]
    assert process_table.entry(pid) is None
    assert kept.exists()
    assert [path.name for path in (ground.folder / "state/units").iterdir()] == [".lock"]
    assert not runtime.list()
    await runtime.add(ground.spec("pass"))


async def test_events_of_one_who_does_not_listen_become_one_about_everything(ground: Ground) -> None:
    runtime = await ground.open()
    slow, quick = runtime.events(), runtime.events()
    for number in range(1001):
        runtime._changed("sensor-1", str(number))
        assert (await anext(quick)).unit == ID
    event = await anext(slow)
    assert (event.unit, event.kind) == (None, "missed")
    await runtime.close()
    with pytest.raises(StopAsyncIteration):
        await anext(slow)


async def test_host_is_there(ground: Ground) -> None:
    host = (await ground.open()).host()
    assert (host.host, host.runtime, host.reachable, host.units) == ("here", "process", True, 0)
    assert host.version == f"Python {platform.python_version()}"


async def test_usage_counts_what_it_started(ground: Ground) -> None:
    runtime = await ground.open()
    body = """
if os.fork() == 0:
    block = b"x" * 50_000_000
    say(len(block))
    while True:
        pass
"""
    await runtime.add(ground.spec(body + WAIT))
    assert await runtime.stats([ID]) == {}
    await runtime.start(ID)
    await ground.pipe.line()
    await ground.pipe.line()
    first = (await runtime.stats([ID, "here/process/none"]))[ID]
    assert first.cpu_percent is None
    assert first.memory_bytes is not None
    assert 50_000_000 < first.memory_bytes < 90_000_000
    async with asyncio.timeout(30):
        while not ((await runtime.stats([ID]))[ID].cpu_percent or 0) > 5:
            await asyncio.sleep(0.05)


async def test_what_is_asked_is_done_though_nobody_waits_for_it(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(IGNORE + WAIT + "signal.pause()"))
    await runtime.start(ID)
    await ground.pipe.number()
    stopping = asyncio.ensure_future(runtime.stop(ID, grace=0.2))
    await state_of(runtime, UnitState.STOPPING)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert (await state_of(runtime, UnitState.STOPPED)).exit_code == -signal.SIGKILL


async def test_start_and_stop_at_once_take_turns(ground: Ground) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec("signal.pause()"))
    starts = [runtime.start(ID) for _ in range(5)]
    restarts = [runtime.restart(ID, grace=30) for _ in range(3)]
    await asyncio.gather(*starts, *restarts)
    assert [len(pids) for pids in ground.alive().values()] == [1]
    await asyncio.gather(*(runtime.stop(ID, grace=30) for _ in range(3)))
    assert not ground.alive()


async def test_without_proc_and_pidfd_it_works_as_well(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_table, "HAS_PROC", False)
    monkeypatch.delattr(os, "pidfd_open")
    runtime = await ground.open()
    await runtime.add(ground.spec("\nif os.fork() == 0:\n    signal.pause()" + WAIT))
    await runtime.start(ID)
    pid = await ground.pipe.number()
    assert (await runtime.stats([ID]))[ID].memory_bytes
    os.kill(pid, signal.SIGKILL)
    await state_of(runtime, UnitState.BACKOFF)
    await runtime.stop(ID, grace=30)
    assert not ground.alive()


async def test_a_restart_that_is_broken_off_between_stop_and_start_is_finished(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = await ground.open()
    await runtime.add(ground.spec(WAIT))
    await runtime.start(ID)
    before = await ground.pipe.number()
    reached = asyncio.Event()

    async def stand_still(_: ProcessUnit) -> None:
        reached.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(ProcessUnit, "_start", stand_still)
        restart = asyncio.ensure_future(runtime.restart(ID, grace=30))
        await reached.wait()
        await runtime.close()
        await asyncio.gather(restart, return_exceptions=True)
    again = await ground.open()
    assert one(again).state is UnitState.RUNNING
    assert one(again).pid not in {None, before}


async def test_one_that_is_being_removed_is_not_started_any_more(ground: Ground) -> None:
    runtime = await ground.open()
    spec = ground.spec(IGNORE + WAIT)
    await runtime.add(spec)
    await runtime.start(ID)
    await ground.pipe.number()
    removal = asyncio.ensure_future(runtime.remove(ID, grace=0.2))
    await asyncio.sleep(0)
    others = [runtime.start(ID), runtime.restart(ID, grace=1), runtime.remove(ID, grace=1), runtime.add(spec)]
    refused = await asyncio.gather(*others, return_exceptions=True)
    await removal
    assert [str(each).startswith("sensor-1 is being removed") for each in refused[1:]] == [True] * 3
    assert runtime.list() == []
    assert (
        process_table.marked(process_table.table(), MARK).get(str(ground.folder / "state/units/sensor-1"))
        is None
    )
    assert (await runtime.add(spec)).state is UnitState.CREATED


async def test_a_look_at_processes_that_fails_is_an_error_of_who_asked(ground: Ground) -> None:
    with ThreadPoolExecutor(1) as pool:
        census = Census("NONE", pool)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(process_table, "table", Mock(side_effect=OSError(24, "no files")))
            found = await asyncio.gather(census.members(None, "a"), return_exceptions=True)
        assert [type(each) for each in found] == [OSError]
        assert await census.members(None, "nobody") == []

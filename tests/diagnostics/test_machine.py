"""Checks of what runs here: packages, service, units, disk; and the list of them."""

import os
from dataclasses import replace

import pytest

from sensor_tui import __version__
from sensor_tui.errors import UsageError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.progress import EngineState
from sensor_tui.model.unit import Health, Role, Unit, UnitState
from sensor_tui.service.diagnostics import Diagnostics, list_checks
from sensor_tui.service.diagnostics.runner import CHECKS
from sensor_tui.service.wire import EngineReport, StatusReport

OK, WARNING, FAILED, SKIPPED = (
    CheckVerdict.OK,
    CheckVerdict.WARNING,
    CheckVerdict.FAILED,
    CheckVerdict.SKIPPED,
)
GB = 1 << 30


def unit(name, state=UnitState.RUNNING, **facts):
    return Unit(f"local/process/{name}", "local", "process", name, Role.SENSOR, state, **facts)


def engine(**facts):
    given = {"state": EngineState.RUNNING, "version": __version__, "pid": 7, "attached": True} | facts

    async def status():
        return StatusReport(
            at="", backlog=0, lag_seconds=None, dead_letters=0, engine=EngineReport(**given), sensors=()
        )

    return status


def space(*, total=100 * GB, free=50 * GB, inodes=1000, left=500):
    return lambda _: os.statvfs_result(
        (4096, 4096, total // 4096, free // 4096, free // 4096, inodes, left, left, 0, 255)
    )


async def test_what_is_installed(check):
    found = await check("python")
    assert __version__ in found.evidence
    assert "SQLite" in found.evidence


@pytest.mark.parametrize(
    ("facts", "verdict", "said"),
    [
        ({}, OK, "process 7"),
        ({"attached": False}, WARNING, "no service runs"),
        ({"attached": False, "reason": "it does not answer"}, FAILED, "does not answer"),
        ({"state": EngineState.REFUSED, "reason": "wrong key"}, FAILED, "wrong key"),
        ({"state": EngineState.UNREACHABLE, "reason": "no answer"}, FAILED, "no answer"),
        ({"state": EngineState.PAUSED}, WARNING, "paused"),
        ({"config_problem": "line 3 is wrong"}, WARNING, "line 3"),
        ({"version": "0.0.1"}, WARNING, "0.0.1"),
    ],
)
async def test_the_service(check, facts, verdict, said):
    found = await check("service", status=engine(**facts))
    assert found.verdict is verdict
    assert said in found.evidence
    assert bool(found.remedy) == (verdict is not OK)


async def test_a_look_where_no_service_runs(check, sensor):
    sensor()
    assert (await check("service")).verdict is WARNING


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        ([], SKIPPED, "no units"),
        ([unit("a"), unit("b", UnitState.STOPPED)], OK, "1 of 1 units"),
        ([unit("a"), unit("b", UnitState.FAILED, reason="exit code 3")], FAILED, "b is failed (exit code 3)"),
        ([unit("a", health=Health.UNHEALTHY)], FAILED, "unhealthy"),
        ([unit("a"), unit("b", UnitState.BACKOFF)], WARNING, "1 of 2"),
        ([unit("a", restarts=5)], WARNING, "restarted 5 times"),
        ([unit(f"u{n}", UnitState.FAILED) for n in range(20)], FAILED, "and 15 more"),
    ],
)
async def test_units(check, found, verdict, said):
    async def units():
        return found

    made = await check("units", units=units, status=engine())
    assert made.verdict is verdict
    assert said in made.evidence


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (space(), OK),
        (space(free=4 * GB), WARNING),
        (space(total=10_000 * GB, free=400 * GB), OK),
        (space(total=10 * GB, free=GB // 2), WARNING),
        (space(free=50 << 20), FAILED),
        (space(left=30), WARNING),
        (space(left=5), FAILED),
        (space(inodes=0, left=0), OK),
    ],
)
async def test_the_disk(check, facts, verdict):
    found = await check("disk", space=facts)
    assert found.verdict is verdict
    assert "data" in found.evidence
    assert "state" in found.evidence


def test_checks_stand_on_earlier_ones():
    names = [info.name for info in list_checks()]
    for at, spec in enumerate(CHECKS):
        assert all(names.index(other) < at for other in spec.needs)
    assert all(name == name.lower() for name in names)
    assert all(info.title for info in list_checks())


async def test_a_check_that_there_is_none_of(context):
    diagnostics = Diagnostics(context())
    with pytest.raises(UsageError, match="Did you mean 'disk'"):
        await diagnostics.run_check("disks")
    with pytest.raises(UsageError, match="--list"):
        await diagnostics.run_all(["zzz"])


async def test_a_check_that_fails_itself_is_told_and_stops_nothing(context, caplog):
    async def broken():
        raise RuntimeError("oh")

    checks = await Diagnostics(context(feeds=broken)).run_all(["files", "disk"])
    assert checks[0].verdict is FAILED
    assert "RuntimeError: oh" in checks[0].evidence
    assert len(checks) == 2


async def test_what_was_just_found_is_good_enough_for_what_stands_on_it(context, settings_for, emulator):
    asked = []

    async def resolve(name):
        asked.append(name)
        return [], "nobody knows it"

    settings = settings_for(emulator, endpoint="https://nowhere.invalid")
    diagnostics = Diagnostics(replace(context(settings), resolve=resolve, name_servers="/nonexistent"))
    for _ in range(2):
        assert (await diagnostics.run_check("connect")).verdict is SKIPPED
    assert asked == ["nowhere.invalid"]

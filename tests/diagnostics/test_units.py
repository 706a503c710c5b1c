"""Units that are looked at, and what their logs say, on what a service tells."""

import pytest

from sensor_tui.errors import ServiceError
from sensor_tui.model.check import CheckVerdict
from sensor_tui.model.unit import LogLine, Role, Unit, UnitState
from sensor_tui.service.diagnostics.unit_logs import _is_error, _safe

OK, WARNING, FAILED, SKIPPED = (
    CheckVerdict.OK,
    CheckVerdict.WARNING,
    CheckVerdict.FAILED,
    CheckVerdict.SKIPPED,
)


def unit(name, state=UnitState.RUNNING, **facts):
    return Unit(f"local/process/{name}", "local", "process", name, Role.SENSOR, state, **facts)


def knows(*units):
    async def ask():
        return units

    return ask


def wrote(*lines):
    async def logs(_units, _since, _tail):
        return [LogLine(f"local/process/{name}", 0.0, text) for name, text in lines]

    return logs


async def test_one_that_is_restarted_again_and_again(check):
    now = 1_000_000.0
    clock = type("Clock", (), {"now": lambda _: now, "monotonic": lambda _: 0.0})()
    found = await check("units", units=knows(unit("a", restarts=4, started_at=now - 20)), clock=clock)
    assert (found.verdict, "(a loop)" in found.evidence) == (FAILED, True)
    found = await check("units", units=knows(unit("a", restarts=4, started_at=now - 4000)), clock=clock)
    assert (found.verdict, "(a loop)" in found.evidence) == (WARNING, False)
    found = await check("units", units=knows(unit("a", UnitState.BACKOFF, restarts=4)), clock=clock)
    assert (found.verdict, "see why it ends each time" in found.remedy.lower()) == (FAILED, True)


async def test_a_service_that_cannot_be_asked(check):
    async def ask():
        raise ServiceError("it hangs")

    found = await check("units", units=ask)
    assert (found.verdict, "it hangs" in found.evidence) == (WARNING, True)
    found = await check("logs", units=ask)
    assert (found.verdict, "it hangs" in found.evidence) == (SKIPPED, True)


async def test_logs_of_processes(check):
    lines = [("a", "12:00 INFO fine"), ("b", "Error: one"), ("b", "  at x"), ("b", "ERROR \x1b[31mtwo\n")]
    found = await check("logs", units=knows(unit("a"), unit("b")), logs=wrote(*lines))
    assert found.verdict is WARNING
    assert "b: 2 errors, the last: ERROR [31mtwo" in found.evidence
    assert "2 logs of the last 10 minutes read" in found.evidence
    assert "\x1b" not in found.evidence
    assert "sensor-tui logs b" in found.remedy
    found = await check("logs", units=knows(unit("a")), logs=wrote(("a", "INFO 0 errors so far")))
    assert (found.verdict, "no errors" in found.evidence) == (OK, True)


async def test_logs_that_cannot_be_read(check):
    async def logs(*_):
        raise ServiceError("no service runs that has them")

    found = await check("logs", units=knows(unit("a")), logs=logs)
    assert (found.verdict, "logs of 1 process not read" in found.evidence) == (SKIPPED, True)


async def test_secrets_of_the_configuration_are_not_shown(check, settings_for, emulator):
    lines = [("a", f"ERROR key {emulator.key} refused; https://x/?sv=1&sig=abc%3D&z")]
    found = await check("logs", settings_for(emulator), units=knows(unit("a")), logs=wrote(*lines))
    assert found.verdict is WARNING
    assert emulator.key not in found.evidence
    assert "abc%3D" not in found.evidence


@pytest.mark.parametrize(
    ("line", "is_error"),
    [
        ("2025-01-01T00:00:00Z ERROR sync: no", True),
        ('{"level": "error", "msg": "x"}', True),
        ("[error] no", True),
        ("error: no", True),
        ("Traceback (most recent call last):", True),
        ("sqlite3.OperationalError: database is locked", True),
        ("CRITICAL no", True),
        ("INFO no error was seen", False),
        ("0 errors", False),
        ("x" * 500 + " ERROR", False),
    ],
)
def test_lines_of_errors(line, is_error):
    assert _is_error(line) is is_error


def test_long_lines_are_cut():
    assert len(_safe("ERROR " + "x " * 500, [])) <= 160

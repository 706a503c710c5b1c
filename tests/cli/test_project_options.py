"""Which options there are for a project, and which do not go with units."""

from collections.abc import Callable
from typing import Any

import click
import pytest

from sensor_tui.cli import unit_actions
from sensor_tui.cli.cleanup import cleanup
from sensor_tui.cli.project_options import PROJECT_ALONE, ROLLING, UNITS_ALONE
from sensor_tui.cli.unit_actions import reset, start, stop
from sensor_tui.cli.unit_told import run_told
from sensor_tui.model.action import ActionKind, ActionRun, Step, UnitOutcome

Run = Callable[..., Any]

START = """
--no-rebuild --project-name --no-diagnostics --sensor-config --config --max-cities --sensors-per-city
--readings-per-second --anomaly-probability --upload-interval --archive-format --compose-config --tag --no-tag
--uploader-tag --allow-local --force --no-service --no-prove --dry-run --json
"""


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (start, START),
        (stop, "--no-prompt --yes --no-drain --drain-timeout --stop-when-late --project-name --host"),
        (reset, f"{START} --no-drain --wipe-data --no-prompt"),
        (cleanup, "--yes --dry-run --json --project-name --config --data-dir"),
    ],
)
def test_every_option_exists_under_its_name(command: click.Command, names: str) -> None:
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}

    assert set(names.split()) <= known


def test_sets_of_options_name_those_there_are() -> None:
    names = {each.name for command in (start, stop, reset) for each in command.params}

    assert names >= PROJECT_ALONE | ROLLING | UNITS_ALONE


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start", "one", "--max-cities", "2"], "--max-cities is about the whole project"),
        (["start", "--all", "--no-rebuild"], "--no-rebuild is about the whole project"),
        (["stop", "one", "--project-name", "p"], "--project-name is about the whole project"),
        (["start", "one", "--diagnostics"], "--diagnostics is about the whole project"),
        (["start", "--batch", "2"], "--batch is about units"),
        (["start", "--stop-when-late", "5"], "--stop-when-late is about units"),
        (["stop", "--city", "London"], "--city is about units"),
        (["reset", "--sqlite", "."], "--sqlite is about units"),
        (["stop", "--project-name", "Not A Name", "--yes"], "cannot be the name of a project"),
        (["start", "--project-name", "Not A Name"], "lower-case letters"),
        (["stop", "--host", "nowhere", "--yes"], "there is no engine 'nowhere'"),
        (["start", "--wait-timeout", "-1"], "--wait-timeout"),
        (["start", "--stop-when-late", "0", "--all"], "--stop-when-late"),
        (["start", "--max-cities", "0"], "--max-cities"),
    ],
)
def test_wrong_usage_is_one_line(run: Run, arguments: list[str], told: str) -> None:
    result = run(*arguments)

    assert result.code == 2
    assert told in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["start", "reset"])
def test_units_are_never_diagnosed_and_it_may_be_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(unit_actions, "_act", lambda *_: 42)

    assert run(command, "one", "--no-diagnostics").code == 42


def test_an_action_that_halted_says_why() -> None:
    outcome = UnitOutcome("h/docker/b", "b", Step.SKIPPED, "not begun: a has no reading for 40 s")
    halted = ActionRun("1", ActionKind.RESTART, "me", 0.0, [outcome], halted="a has no reading for 40 s")

    assert run_told(halted, {}, plain=True)[0] == "restart: 0 units done, halted: a has no reading for 40 s"

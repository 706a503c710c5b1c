"""The program as a whole: help, errors, exit codes, and what it must not load."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import click
import pytest

from sensor_tui import __version__
from sensor_tui.cli import main as main_module
from sensor_tui.cli.lazy import LazyGroup
from sensor_tui.cli.logs import SECRETS
from sensor_tui.cli.main import COMMANDS, root
from sensor_tui.errors import ConfigError, ExitCode, OwnedElsewhere, SinkRefused, UsageError

Run = Callable[..., Any]
HEAVY = {
    "textual",
    "azure",
    "docker",
    "pyarrow",
    "aiohttp",
    "pydantic",
    "yaml",
    "rich",
    "httpx",
    "orjson",
    "sqlite3",
}


def commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        found.append((name,))
        if isinstance(command, click.Group):
            found += [(name, part) for part in command.list_commands(click.Context(command))]
    return found


def loaded(code: str) -> set[str]:
    script = (
        f"import sys\n{code}\nprint('\\nLOADED', *sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_help_loads_nothing_that_takes_time() -> None:
    code = """
from sensor_tui.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
"""
    assert loaded(code) & HEAVY == set()


def test_help_is_cheap() -> None:
    spent = []
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-m", "sensor_tui", "--help"], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        spent.append(usage.ru_utime + usage.ru_stime)
    assert min(spent) <= 0.35


def test_the_engine_loads_neither_screen_nor_drivers() -> None:
    assert (
        loaded("import sensor_tui.sync") & {"textual", "azure", "docker", "pyarrow", "rich", "click"} == set()
    )
    assert (
        loaded("import sensor_tui.sync.engine") & {"textual", "azure", "docker", "pyarrow", "rich", "click"}
        == set()
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_the_list_of_commands_names_each_with_its_summary(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.err) == (0, "")
    for name, lazy in COMMANDS.items():
        assert f"{name}  " in done.out
        assert " ".join(lazy.summary.split()) in " ".join(done.out.split())


@pytest.mark.parametrize("path", commands(), ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_explains_itself(run: Run, path: tuple[str, ...], option: str) -> None:
    done = run(*path, option)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: sensor-tui {' '.join(path)} ")
    assert "  " in done.out


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_takes_the_common_options(path: tuple[str, ...]) -> None:
    command: click.Command = root
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    if not isinstance(command, click.Group):
        assert {"debug", "no_color"} <= {param.name for param in command.params}


def test_without_a_command_it_is_the_dashboard_which_needs_a_terminal(run: Run) -> None:
    for arguments in ([], ["--read-only"], ["--debug"], ["--no-color", "--theme", "light"], ["dashboard"]):
        done = run(*arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert "needs a terminal" in done.err


def test_summaries_are_what_the_commands_say_of_themselves() -> None:
    assert isinstance(root, LazyGroup)
    for name in COMMANDS:
        command = root.get_command(click.Context(root), name)
        assert command is not None
        assert command.name == name
        assert root.summary(name).endswith(".")
        assert command.help


def test_version(run: Run) -> None:
    assert run("--version").out == f"sensor-tui {__version__}\n"


def test_the_module_is_the_program() -> None:
    outputs = {
        subprocess.run([*program, "--help"], capture_output=True, text=True, check=True).stdout
        for program in ([sys.executable, "-m", "sensor_tui"], [f"{sys.prefix}/bin/sensor-tui"])
    }
    assert len(outputs) == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["snyc"],
            "sensor-tui: Usage: No such command 'snyc'. Did you mean 'sync'? See 'sensor-tui --help'.\n",
        ),
        (["xyzzy"], "sensor-tui: Usage: No such command 'xyzzy'. See 'sensor-tui --help'.\n"),
        (
            ["config", "shwo"],
            "sensor-tui: Usage: No such command 'shwo'. Did you mean 'show'?"  # noqa: ISC004
            " See 'sensor-tui config --help'.\n",
        ),
    ],
)
def test_an_unknown_command_is_answered_with_the_nearest(run: Run, arguments: list[str], line: str) -> None:
    done = run(*arguments)
    assert (done.code, done.out, done.err) == (2, "", line)


def test_an_unknown_option_is_one_line_and_2(run: Run) -> None:
    done = run("sync", "--continous")
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "--continuous" in done.err


def test_a_group_alone_shows_what_it_has(run: Run) -> None:
    done = run("config")
    assert (done.code, done.out) == (2, "")
    assert "validate" in done.err


def test_hostile_arguments_reach_the_terminal_as_text(run: Run) -> None:
    done = run("a\x1b[2Jb")
    assert done.code == 2
    assert "\x1b" not in done.err


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Let a command raise."""

    def set_up(error: BaseException) -> None:
        @click.command()
        def broken() -> None:
            raise error

        monkeypatch.setitem(root.commands, "broken", broken)

    return set_up


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("no", fix="Give one"), 2, "sensor-tui: Usage: no. Give one.\n"),
        (
            SinkRefused("the key is wrong.", fix="Mend it."),
            3,
            "sensor-tui: Sink: the key is wrong. Mend it.\n",
        ),
        (OwnedElsewhere("taken"), 4, "sensor-tui: Owned by another engine: taken.\n"),
        (
            ConfigError("a.yaml:1: bad\na.yaml:2: worse"),
            2,
            "sensor-tui: Configuration: a.yaml:1: bad\nsensor-tui: Configuration: a.yaml:2: worse.\n",
        ),
        (UsageError("a\x1b[2Jb"), 2, "sensor-tui: Usage: a\ufffd[2Jb.\n"),
        (KeyboardInterrupt(), 130, "\n"),
    ],
)
def test_an_error_is_a_line_and_its_exit_code(
    run: Run, failing: Callable[[BaseException], None], error: BaseException, code: int, text: str
) -> None:
    failing(error)
    done = run("broken")
    assert (done.code, done.out, done.err) == (code, "", text)


def test_a_bug_is_a_line_and_with_debug_its_traceback(
    run: Run, failing: Callable[[BaseException], None]
) -> None:
    failing(RuntimeError("it broke"))
    done = run("broken")
    assert (done.code, done.out) == (70, "")
    assert done.err == (
        "sensor-tui: Unexpected error: RuntimeError: it broke. This is a bug; run it again with --debug for"
        " the traceback.\n"
    )
    done = run("--debug", "broken")
    assert done.code == 70
    assert "Traceback (most recent call last)" in done.err
    assert done.err.endswith("sensor-tui: Unexpected error: RuntimeError: it broke. This is a bug.\n")


def test_a_secret_in_an_error_is_masked(
    run: Run, failing: Callable[[BaseException], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensor_tui.cli.logs.SECRETS", type(SECRETS)())
    from sensor_tui.cli import logs

    logs.SECRETS.hide("top-secret-key")
    failing(RuntimeError("key top-secret-key"))
    for arguments in (["broken"], ["--debug", "broken"]):
        assert "top-secret" not in run(*arguments).err


def test_a_reader_that_goes_away_is_no_complaint() -> None:
    code = """
import click
from sensor_tui.cli.main import main, root
from sensor_tui.cli.output import emit

def much():
    while True:
        emit("x" * 1000)

root.add_command(click.Command("much", callback=much))
main(["much"])
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == main_module.READER_GONE


def test_exit_codes_of_errors_are_in_the_table() -> None:
    assert {int(code) for code in ExitCode} <= main_module.EXIT_CODES.keys()


def test_help_is_the_same_after_it_was_asked_for_elsewhere(run: Any) -> None:
    from sensor_tui.cli.deadletters import deadletters

    assert deadletters.get_help_option(click.Context(deadletters)) is not None
    assert run("deadletters", "-h").code == 0

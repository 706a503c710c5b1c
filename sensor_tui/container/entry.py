"""The first process of a container: one image, told by its first argument what to be.

`sensor` (and no argument at all) is a simulated sensor, `uploader` (and arguments that begin with an option)
uploads, `sensor-tui` is the program itself. Variables and mounts are those of the images in the field.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from sensor_tui.container.health import DATA, role_of
from sensor_tui.errors import StorageError, UsageError

CONFIG: Final = Path("/app/config")
SENSOR_CONFIG: Final = CONFIG / "sensor-config.yaml"
DATABASE: Final = Path(DATA) / "sensor_data.db"
ARCHIVE_VARIABLE: Final = "SENSOR_TUI__ARCHIVE__PATH"

_ARCHIVE_OPTION: Final = "--archive-path"
_NOT_HERE: Final = frozenset({"dashboard", "serve", "demo"})
_OWN_OPTIONS: Final = frozenset({"--debug", "--no-color"})


def command_line(
    arguments: Sequence[str], environment: Mapping[str, str], *, configured: bool
) -> tuple[list[str], dict[str, str]]:
    """The arguments of `sensor-tui` that are meant, and variables to set for it.

    `configured` says whether the sensor's configuration file is mounted. Raises UsageError.
    """
    role, rest = role_of(list(arguments))
    if role == "sensor":
        return _sensor(rest, environment, configured=configured), {}
    if role == "uploader":
        return _uploader(rest)
    if role == "sensor-tui":
        return _program(rest), {}
    raise UsageError(
        f"{role!r} is nothing this image can be",
        fix="Start it as sensor, as uploader with its options, or as sensor-tui with a command",
    )


def main() -> NoReturn:
    """Run what the arguments of the process mean, and exit."""
    # A slim base has no locale, and a log is read as UTF-8.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    try:
        arguments, variables = command_line(sys.argv[1:], os.environ, configured=SENSOR_CONFIG.exists())
        if role_of(sys.argv[1:])[0] == "sensor":
            check_writable(Path(DATA))
    except (UsageError, StorageError) as error:
        sys.stderr.write(f"sensor-tui: {error.title}: {error}\n")
        sys.exit(int(error.exit_code))
    os.environ.update(variables)
    from sensor_tui.cli.main import main as program

    program(arguments)


def check_writable(folder: Path) -> None:
    """Raise StorageError, saying as whom the container runs, where a sensor cannot write its folder."""
    if os.access(folder, os.W_OK | os.X_OK):
        return
    who = f"{os.getuid()}:{os.getgid()}"
    facts = folder.stat() if folder.exists() else None
    owner = f"{facts.st_uid}:{facts.st_gid}" if facts is not None else "its owner"
    raise StorageError(
        f"{folder} cannot be written by user {who}", fix=f"Mount it writable, and run with --user {owner}"
    )


def _sensor(rest: list[str], environment: Mapping[str, str], *, configured: bool) -> list[str]:
    arguments = ["simulate", *rest]
    if configured and not environment.get("CONFIG_FILE") and not _given(rest, "--config"):
        arguments += ["--config", str(SENSOR_CONFIG)]
    if not _given(rest, "--db"):
        arguments += ["--db", str(DATABASE)]
    return arguments


def _uploader(rest: list[str]) -> tuple[list[str], dict[str, str]]:
    """`sync` with the same options; the archive's folder goes the way of every setting without an option."""
    arguments, variables = ["sync", *(rest or ["--continuous"])], {}
    for at, argument in enumerate(arguments):
        if argument == _ARCHIVE_OPTION and at + 1 < len(arguments):
            variables[ARCHIVE_VARIABLE] = arguments[at + 1]
            del arguments[at : at + 2]
            break
        if argument.startswith(f"{_ARCHIVE_OPTION}="):
            variables[ARCHIVE_VARIABLE] = argument.partition("=")[2]
            del arguments[at]
            break
    if not _given(rest, "--sqlite", "--data-dir"):
        arguments += ["--data-dir", DATA]
    return arguments, variables


def _program(rest: list[str]) -> list[str]:
    command = next((argument for argument in rest if argument not in _OWN_OPTIONS), "dashboard")
    if command in _NOT_HERE:
        raise UsageError(
            f"the image has no {command}", fix="Run it outside; it attaches to the uploaders by their sockets"
        )
    return rest


def _given(arguments: Sequence[str], *options: str) -> bool:
    return any(argument.partition("=")[0] in options for argument in arguments)

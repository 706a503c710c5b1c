"""The first process of a container: one image, told by its first argument what to be.

`sensor` (and no argument at all) is a simulated sensor, `uploader` (and arguments that begin with an option)
uploads, `sensor-tui` is the program itself. Variables and mounts are those of the images in the field.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

from sensor_tui.container.health import DATA, role_of
from sensor_tui.errors import StorageError, UsageError

CONFIG: Final = Path("/app/config")
SENSOR_CONFIG: Final = CONFIG / "sensor-config.yaml"
DATABASE: Final = Path(DATA) / "sensor_data.db"

_ARCHIVE_OPTION: Final = "--archive-path"
_FORMAT_OPTION: Final = "--archive-format"
_NOT_HERE: Final = frozenset({"dashboard", "serve", "demo"})
_OWN_OPTIONS: Final = frozenset({"--debug", "--no-color"})


def command_line(arguments: Sequence[str], environment: Mapping[str, str], *, configured: bool) -> list[str]:
    """The arguments of `sensor-tui` that are meant.

    `configured` says whether the sensor's configuration file is mounted. Raises UsageError.
    """
    role, rest = role_of(list(arguments))
    if role == "sensor":
        return _sensor(rest, environment, configured=configured)
    if role == "uploader":
        return _uploader(rest)
    if role == "sensor-tui":
        return _program(rest)
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
        arguments = command_line(sys.argv[1:], os.environ, configured=SENSOR_CONFIG.exists())
        if role_of(sys.argv[1:])[0] == "sensor":
            check_writable(Path(DATA))
        if find_spec("pyarrow") is None:
            arguments, line = without_parquet(arguments, os.environ)
            if line:
                sys.stderr.write(f"sensor-tui: {line}\n")
    except (UsageError, StorageError) as error:
        sys.stderr.write(f"sensor-tui: {error.title}: {error}\n")
        sys.exit(int(error.exit_code))
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


def _uploader(rest: list[str]) -> list[str]:
    """`sync` with the same options, which are those of the field."""
    arguments = ["sync", *(rest or ["--continuous"])]
    if not _given(rest, "--sqlite", "--data-dir"):
        arguments += ["--data-dir", DATA]
    return arguments


def without_parquet(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], str]:
    """For an image that cannot write Parquet: the arguments without an archive in it, and a line to say so.

    Compose files of the field ask every uploader to archive, and uploading is what it is there for. Where a
    configuration file may say another format, nothing changes, and `sync` refuses what cannot be done.
    """
    left, archive = list(arguments), _value_of(arguments, _ARCHIVE_OPTION)
    named = _value_of(arguments, _FORMAT_OPTION) or environment.get("ARCHIVE_FORMAT", "")
    unsaid = not named and not _given(arguments, "--config") and not environment.get("CONFIG_FILE")
    if arguments[:1] != ["sync"] or not archive or not (unsaid or named.strip().lower() == "parquet"):
        return left, ""
    for option in (_ARCHIVE_OPTION, _FORMAT_OPTION):
        left = _without(left, option)
    return left, (
        "this image was built where pyarrow was missing and cannot archive as Parquet: nothing is archived."
        " Build it after pip install 'sensor-tui[parquet]', or set ARCHIVE_FORMAT to CSV or JSON"
    )


def _value_of(arguments: Sequence[str], option: str) -> str:
    for at, argument in enumerate(arguments):
        if argument == option:
            return arguments[at + 1] if at + 1 < len(arguments) else ""
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return ""


def _without(arguments: Sequence[str], option: str) -> list[str]:
    left: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == option:
            next(waiting, None)
        elif not argument.startswith(f"{option}="):
            left.append(argument)
    return left


def _program(rest: list[str]) -> list[str]:
    command = next((argument for argument in rest if argument not in _OWN_OPTIONS), "dashboard")
    if command in _NOT_HERE:
        raise UsageError(
            f"the image has no {command}", fix="Run it outside; it attaches to the uploaders by their sockets"
        )
    return rest


def _given(arguments: Sequence[str], *options: str) -> bool:
    return any(argument.partition("=")[0] in options for argument in arguments)

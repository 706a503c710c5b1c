"""Options that several commands share: which files, which configuration."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from sensor_tui.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_DATA_DIR: Final = Path("data")

EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
EXISTING_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
EXISTING: Final = click.Path(exists=True, path_type=Path)
FILE: Final = click.Path(dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)

config_option = click.option(
    "--config",
    "config_path",
    type=EXISTING_FILE,
    metavar="FILE",
    help="Configuration file. Otherwise looked for: $SENSOR_TUI_CONFIG, $CONFIG_FILE, ./sensor-tui.yaml,"
    " ./config/, the XDG configuration folder.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on standard output instead of text."
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Answer every question with yes.")
state_dir_option = click.option(
    "--state-dir",
    type=FOLDER,
    metavar="DIR",
    help="Folder of our own state: ledger, socket, log. Default: .sensor-tui in the data folder.",
)


def where_options(command: F) -> F:
    """Add the options that say which sensor files are meant."""
    command = state_dir_option(command)
    command = config_option(command)
    command = click.option(
        "--sqlite",
        type=EXISTING,
        metavar="PATH",
        help="One sensor database, or a folder of them; the same as --data-dir for a folder.",
    )(command)
    return click.option(
        "--data-dir",
        type=EXISTING_FOLDER,
        metavar="DIR",
        help="Folder of the sensors' databases. Default: data_dir of the configuration, else ./data.",
    )(command)


def data_root(data_dir: Path | None, sqlite: Path | None, configured: Path | None) -> Path:
    """The file or folder that is meant.

    Raises:
        UsageError: both or neither was given and there is no default, or the configured one cannot be read.
    """
    if data_dir is not None and sqlite is not None:
        raise UsageError("--data-dir and --sqlite exclude each other", fix="Give one of them")
    given = data_dir or sqlite
    if given is not None:
        return given
    if configured is not None:
        if not configured.is_dir() or not os.access(configured, os.R_OK | os.X_OK):
            raise UsageError(
                f"data_dir of the configuration, {configured}, is not a folder that can be read",
                fix="Create it, or give --data-dir DIR or --sqlite PATH",
            )
        return configured
    if DEFAULT_DATA_DIR.is_dir():
        return DEFAULT_DATA_DIR
    raise UsageError(
        "no sensor files were named, and there is no folder ./data",
        fix="Give --data-dir DIR or --sqlite PATH",
    )

"""`sensor-tui config`: what the configuration is, whether it holds, and how to begin one."""

import os
import sys
from pathlib import Path

import click

from sensor_tui.cli.lazy import Group, Session
from sensor_tui.cli.options import FILE, config_option, json_option
from sensor_tui.errors import ConfigError, ExitCode, StorageError, UsageError

DEFAULT_FILE = Path("sensor-tui.yaml")


@click.group(cls=Group)
def config() -> None:
    """Show, validate or write the configuration."""


@config.command(
    examples=("sensor-tui config show", "sensor-tui config show --config cosmos-config.yaml --json")
)
@config_option
@json_option
@click.pass_obj
def show(session: Session, *, config_path: Path | None, as_json: bool) -> None:
    """Show every value in force and where it comes from; secrets are masked."""
    from sensor_tui.cli.output import clean_lines, emit, emit_json
    from sensor_tui.cli.setup import prepare
    from sensor_tui.config import as_dict, to_yaml

    loaded = prepare(session, config_path).loaded
    if as_json:
        emit_json(
            {
                "file": None if loaded.path is None else str(loaded.path),
                "settings": as_dict(loaded.settings),
                "sources": dict(loaded.sources),
                "notices": list(loaded.notices),
            }
        )
    else:
        emit(clean_lines(to_yaml(loaded).rstrip("\n")))


@config.command(examples=("sensor-tui config validate --config cosmos-config.yaml",))
@config_option
@json_option
@click.pass_obj
def validate(session: Session, *, config_path: Path | None, as_json: bool) -> int:
    """Check the configuration; exits 2 and names file, key and line of everything that is wrong."""
    from sensor_tui.cli import logs
    from sensor_tui.cli.output import clean, emit, emit_json
    from sensor_tui.cli.setup import prepare
    from sensor_tui.service.stages import doubtful_names, stages_of

    try:
        loaded = prepare(session, config_path).loaded
        stages_of(loaded.settings)
    except ConfigError as error:
        if not as_json:
            raise
        emit_json({"valid": False, "file": None, "errors": error.message.split("\n"), "notices": []})
        return int(ExitCode.USAGE)
    doubtful = doubtful_names(loaded.settings)
    for notice in doubtful:
        logs.notice(notice)
    if as_json:
        path = None if loaded.path is None else str(loaded.path)
        notices = [*loaded.notices, *doubtful]
        emit_json({"valid": True, "file": path, "errors": [], "notices": notices})
    else:
        where = "No file was found; environment and defaults" if loaded.path is None else clean(loaded.path)
        emit(f"{where}: valid")
    return int(ExitCode.OK)


@config.command(examples=("sensor-tui config schema > sensor-tui.schema.json",))
def schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from sensor_tui.cli.output import emit_json
    from sensor_tui.config import json_schema

    emit_json(json_schema())


@config.command(examples=("sensor-tui config init", "sensor-tui config init --output - | less"))
@click.option(
    "--output",
    "-o",
    type=FILE,
    default=DEFAULT_FILE,
    show_default=True,
    metavar="FILE",
    help="File to write; - for standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite a file that is there.")
def init(*, output: Path, force: bool) -> int:
    """Write a configuration file with every key, its meaning and its default."""
    from sensor_tui.cli.output import emit, say
    from sensor_tui.config import template

    if str(output) == "-":
        emit(template().rstrip("\n"))
        return int(ExitCode.OK)
    if output.exists() and not force and not _overwrite(output):
        return int(ExitCode.REJECTED)
    try:
        # Keys may be put into it later: nobody else needs to read it.
        opened = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            file.write(template())
    except OSError as error:
        raise StorageError(
            f"{output}: cannot be written: {error.strerror}", fix="Give --output another file"
        ) from None
    say(f"Wrote {output}. Next: set COSMOS_ENDPOINT and COSMOS_KEY, then 'sensor-tui config validate'.")
    return int(ExitCode.OK)


def _overwrite(output: Path) -> bool:
    from sensor_tui.cli.output import clean, say

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{output} is there already", fix="Give --force to overwrite it, or another --output"
        )
    if click.confirm(f"{clean(output)} is there already. Overwrite it?", err=True):
        return True
    say("Nothing was written.")
    return False

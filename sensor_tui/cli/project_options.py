"""Options of what is done to a whole Docker project, and which of a command's options are about what."""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

import click

from sensor_tui.cli.options import EXISTING, FILE
from sensor_tui.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS: Final = click.FloatRange(0, 86_400)

UNITS_ALONE: Final = frozenset({"city", "sqlite"})
"""Options, by their names in code, that mean something for named units and for --all alone."""
ROLLING: Final = frozenset({"batch", "pause", "stop_on_failure", "stop_when_late"})
"""Those that Compose does not know: a project is brought up at once."""
PROJECT_ALONE: Final = frozenset(
    {
        "project_name",
        "sensors_per_city",
        "max_cities",
        "readings_per_second",
        "anomaly_probability",
        "seed",
        "upload_interval",
        "archive_format",
        "archive_path",
        "sensor_config",
        "compose_config",
        "uploader_tag",
        "uploaders",
        "output",
        "host",
        "force",
        "allow_local",
        "rebuild",
        "tag",
        "tagged",
        "service",
        "diagnose",
        "wait_timeout",
    }
)
"""Those that mean something for a whole project alone."""


def up_options(command: F) -> F:
    """Options of bringing a project up."""
    for option in (
        sqlite_option,
        click.option(
            "--diagnostics/--no-diagnostics",
            "diagnose",
            default=True,
            help="Check everything afterwards (the default), or do not.",
        ),
        click.option(
            "--wait-timeout",
            type=_SECONDS,
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Wait so long for containers to be up and well.",
        ),
        click.option(
            "--service/--no-service",
            default=True,
            help="Where this machine uploads: see that its service runs (the default), or leave that.",
        ),
        click.option(
            "--no-tag", "tagged", flag_value=False, default=True, help="With --allow-local: no version."
        ),
        click.option("--tag", metavar="VERSION", help="With --allow-local: version of the image it builds."),
        click.option(
            "--no-rebuild",
            "rebuild",
            flag_value=False,
            default=True,
            help="With --allow-local: use the image that is there, and do not build it.",
        ),
        click.option(
            "--allow-local/--no-allow-local",
            default=None,
            help="Use images of the engine that no registry has, building ours. Default: fleet.allow_local.",
        ),
        click.option("--force", is_flag=True, help="Overwrite a compose file that was not made here."),
        host_option,
        click.option(
            "--output",
            type=FILE,
            metavar="FILE",
            help="Compose file that is written. Default: fleet.compose_output, else docker-compose.yml.",
        ),
    ):
        command = option(command)
    return command


sqlite_option = click.option(
    "--sqlite", type=EXISTING, metavar="PATH", help="With names or --all: one database, or a folder of them."
)
host_option = click.option(
    "--host", metavar="NAME", help="The engine, where fleet.hosts names several. Default: the one used last."
)
project_option = click.option(
    "--project-name",
    metavar="NAME",
    help="The compose project. Default: fleet.project, else the one used last.",
)


def whole_project(context: click.Context, options: dict[str, Any], *, further: Collection[str] = ()) -> bool:
    """Whether a whole project is meant, which it is where neither names nor --all are given.

    `further` are options that do not go with a whole project either.

    Raises:
        UsageError: names and --all are both given, or an option does not go with what is meant.
    """
    if options["names"] and options["every"]:
        raise UsageError("names of units and --all exclude each other", fix="Give one of them")
    whole = not options["names"] and not options["every"]
    if whole:
        wrong = _given(context, UNITS_ALONE | set(further))
        if wrong:
            raise UsageError(
                f"{wrong} is about units, and none is meant",
                fix="Name units, or give --all; without both it is the whole project",
            )
    elif wrong := _given(context, PROJECT_ALONE - _without(options)):
        raise UsageError(
            f"{wrong} is about the whole project, and units are meant", fix="Leave it, or leave units out"
        )
    return whole


def _without(options: dict[str, Any]) -> set[str]:
    """Options that ask to leave out what is not done to units anyway: --no-diagnostics."""
    return {"diagnose"} if options.get("diagnose") is False else set()


def _given(context: click.Context, names: Collection[str]) -> str:
    """The first of these options that was given on the command line; empty where none was."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is click.core.ParameterSource.COMMANDLINE:
            return max(parameter.opts, key=len)
    return ""

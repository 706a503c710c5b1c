"""Options of what is done to units."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from sensor_tui.cli.options import json_option

F = TypeVar("F", bound=Callable[..., Any])

_SECONDS: Final = click.FloatRange(0, 86_400)


def common(command: F) -> F:
    """Options of every action; they show in the reverse order of this list."""
    for option in (
        json_option,
        click.option("--dry-run", is_flag=True, help="Show what it would mean, and do nothing."),
        click.option(
            "--yes", "-y", "--no-prompt", "yes", is_flag=True, help="Answer every question with yes."
        ),
        click.option(
            "--stop-when-late",
            type=click.FloatRange(0, 86_400, min_open=True),
            metavar="SECONDS",
            help="Begin with no further unit once a sensor's newest reading is older.",
        ),
        click.option("--stop-on-failure", is_flag=True, help="Begin with no further unit once one failed."),
        click.option(
            "--pause",
            type=_SECONDS,
            default=0.0,
            show_default=True,
            metavar="SECONDS",
            help="Pause between two batches.",
        ),
        click.option(
            "--batch",
            type=click.IntRange(1, 1000),
            default=4,
            show_default=True,
            metavar="N",
            help="So many units at a time.",
        ),
        click.option("--city", metavar="NAME", help="With --all: only those of this city."),
        click.option("--all", "every", is_flag=True, help="All units."),
    ):
        command = option(command)
    return command


def ending(command: F) -> F:
    """Options of what ends a unit."""
    for option in (
        click.option(
            "--grace",
            type=_SECONDS,
            default=10.0,
            show_default=True,
            metavar="SECONDS",
            help="Between SIGTERM and SIGKILL.",
        ),
        click.option(
            "--drain-timeout",
            type=_SECONDS,
            default=30.0,
            show_default=True,
            metavar="SECONDS",
            help="Wait so long for unsent readings to be sent.",
        ),
        click.option(
            "--drain/--no-drain",
            default=True,
            help="Send what is unsent first (the default), or go ahead at once.",
        ),
    ):
        command = option(command)
    return command


def proving(command: F) -> F:
    """Options of what starts a unit."""
    for option in (
        click.option(
            "--prove-timeout",
            type=_SECONDS,
            default=60.0,
            show_default=True,
            metavar="SECONDS",
            help="Wait so long for the proof.",
        ),
        click.option(
            "--prove/--no-prove",
            default=True,
            help="Wait until a new reading has arrived in Cosmos DB (the default), or do not.",
        ),
    ):
        command = option(command)
    return command


wiping = click.option(
    "--wipe-data", is_flag=True, help="Delete its readings too, once what is unsent was sent."
)
units_argument = click.argument("names", metavar="[UNIT]...", nargs=-1)

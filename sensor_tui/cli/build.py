"""`sensor-tui build`: the product's own image."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import FOLDER, config_option, json_option, state_dir_option
from sensor_tui.cli.project_options import host_option, project_option
from sensor_tui.errors import StorageError, UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.project import Place
    from sensor_tui.fleet.images import Built

_MEGABYTE: Final = 1_000_000


@click.command(
    cls=Command,
    examples=(
        "sensor-tui build --tag v20250601 --push",
        "sensor-tui build --registry 127.0.0.1:5000/fleet --tag v7 --push --json",
        "sensor-tui build --base debian-with-python:v1 --no-tag",
    ),
)
@click.option(
    "--tag", metavar="VERSION", help="Its version, never 'latest'. Default: vYYYYMMDDHHMMSS, the time in UTC."
)
@click.option("--no-tag", is_flag=True, help="No version, for trial on this engine alone.")
@click.option("--push", is_flag=True, help="Push it to its registry afterwards.")
@click.option(
    "--base",
    metavar="IMAGE",
    help="Image to build on, with Python 3.11 or newer. Default: python:3.11-slim-bookworm.",
)
@click.option(
    "--registry", metavar="NAME", help="Registry, with a path where it has one. Default: fleet.registry."
)
@click.option(
    "--name",
    metavar="NAME",
    help="Its name in the registry. Default: fleet.images.uploader if that is ours, else sensor-tui.",
)
@project_option
@host_option
@click.option(
    "--data-dir",
    type=FOLDER,
    metavar="DIR",
    help="Folder whose state remembers the version. Default: data_dir of the configuration, else ./data.",
)
@config_option
@state_dir_option
@json_option
@click.pass_obj
def build(
    session: Session,
    /,
    *,
    tag: str | None,
    no_tag: bool,
    push: bool,
    base: str | None,
    registry: str | None,
    name: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Build the image that sensors and uploaders run in, and push it when asked.

    It holds this very program in this version, and needs no network: packages are those installed here,
    unless the base has another Python, where pip fetches them.

    What is built last is what compose, start and reset use when no version is named. They look for it in the
    registry, so push it, or start with --allow-local.

    The name of the image is written to standard output, how it goes to standard error.
    """
    from sensor_tui.cli.output import emit, emit_json, say
    from sensor_tui.cli.project import place_of
    from sensor_tui.fleet import images
    from sensor_tui.fleet.spec import Images

    if no_tag and (push or tag is not None):
        raise UsageError(
            f"--no-tag is for trial on this engine, which {'--push' if push else '--tag'} is not",
            fix="Leave one of them out",
        )
    place = place_of(session, options)
    fleet = place.settings.fleet
    version = images.UNTAGGED if no_tag else _version(tag, say)
    configured = fleet.images.uploader
    if configured is None or not Images.own(configured):  # ours never goes under the name of another image
        configured = images.DEFAULT_NAME
    short = images.parse_image(name or configured)
    if name is not None and str(short) != short.repository:
        raise UsageError(f"--name: {name} has a version", fix="Give the name alone, and --tag VERSION")
    full = images.reference(fleet.registry if registry is None else registry, short.repository, version).image
    chosen = base or images.DEFAULT_BASE
    say(f"Building {full} on {chosen}, on {place.address.name}")
    built = images.build(place.address, full, base=chosen, say=say)
    say(_size(built))
    if not no_tag:
        _remember(_state(place), version, say)
    digest = images.push(place.address, full, say=say) if push else ""
    if not push:
        say("It is on this engine alone: push it with --push, or start with --allow-local")
    if as_json:
        emit_json(
            {
                "image": full,
                "version": None if no_tag else version,
                "id": built.id,
                "base": chosen,
                "size": built.size,
                "base_size": built.base_size,
                "host": place.address.name,
                "pushed": push,
                "digest": digest or None,
            }
        )
    else:
        emit(full)


def _version(tag: str | None, say: Callable[[object], None]) -> str:
    """The version that is asked for, else one made from the time."""
    from sensor_tui.fleet.images import check_tag, is_versioned
    from sensor_tui.model.clock import SystemClock

    made = time.strftime("v%Y%m%d%H%M%S", time.gmtime(SystemClock().now()))
    if tag is None:
        return made
    if is_versioned(tag):
        return check_tag(tag.strip(), "--tag")
    asked = repr(tag.strip()) if tag.strip() else "no version"
    say(f"--tag asks for {asked}, and every image needs a version; using {made} instead")
    return made


def _size(built: "Built") -> str:
    """How large it became, and how much of that is ours."""
    own = max(0, built.size - built.base_size)
    return f"Built: {built.size / _MEGABYTE:,.0f} MB, {own / _MEGABYTE:,.0f} MB of them over its base"


def _state(place: "Place") -> Path:
    """The state folder, as it will be where the data folder is not there yet."""
    from sensor_tui.storage.ledger_db import STATE_FOLDER

    there = place.root.is_dir() or place.settings.state_dir is not None
    return place.state if there else place.root / STATE_FOLDER


def _remember(state: Path, version: str, say: Callable[[object], None]) -> None:
    from sensor_tui.fleet.images import remember_built

    try:
        remember_built(state, version)
    except StorageError as error:  # the image is there all the same
        say(f"{error.title}: {error}")

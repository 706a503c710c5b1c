"""Images of a project: pulled from their registry, or those of the engine alone, built here."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.output import say
from sensor_tui.cli.project import Place
from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.fleet.spec import FleetSpec

UNTAGGED: Final = "local"
"""The tag of an image without a version: it has to be called something, and `latest` is never used."""


def named(spec: "FleetSpec", options: dict[str, Any]) -> "FleetSpec":
    """The fleet with its own images in the version that `--tag` or `--no-tag` asks for.

    Raises:
        UsageError: both are given, or the version cannot be one.
    """
    from sensor_tui.fleet.images import check_tag, is_versioned
    from sensor_tui.fleet.spec import Images

    tag = options["tag"]
    if tag is not None and not options["tagged"]:
        raise UsageError("--tag and --no-tag exclude each other", fix="Give one of them")
    if tag is not None and not is_versioned(tag):
        say(f"--tag asks for {tag!r}, and every image needs a version; using the usual one instead")
        tag = None
    if tag is None and options["tagged"]:
        return spec
    wanted = UNTAGGED if tag is None else check_tag(tag.strip(), "--tag")
    uploader = spec.images.uploader
    return replace(
        spec,
        images=Images(
            _retagged(spec.images.sensor, wanted), None if uploader is None else _retagged(uploader, wanted)
        ),
    )


async def build_images(place: Place, spec: "FleetSpec", options: dict[str, Any]) -> None:
    """Build our own image under its name, unless `--no-rebuild` says to use the one that is there.

    Raises:
        ImageError: it cannot be built.
        FleetError: the engine does not answer.
    """
    from sensor_tui.fleet.images import ImageError, build, remember_built
    from sensor_tui.fleet.images_names import parse_image
    from sensor_tui.fleet.spec import Images

    if not options["rebuild"]:
        return
    images = dict.fromkeys(filter(None, (spec.images.sensor, spec.images.uploader)))
    for image in images:
        if not Images.own(image):
            continue
        say(f"Building {image} on {place.address.name}")
        try:
            await _told(place, partial(build, place.address, image))
        except ImageError as error:
            raise ImageError(
                error.message, fix=f"{error.fix}; --no-rebuild uses the image that is there".lstrip("; ")
            ) from error
        tag = parse_image(image).tag
        if tag != UNTAGGED:
            remember_built(place.state, tag)


async def obtain(place: Place, images: Sequence[str], *, local: bool, dry_run: bool) -> None:
    """See that the images are there; unless the engine's own will do (`local`), pull what the registry has.

    Compose would take an image of that name which the engine has, whatever the registry calls so by now.

    Raises:
        ImageError: one is missing, or cannot be pulled.
        FleetError: the engine does not answer.
    """
    from sensor_tui.fleet.images import check_images, pull

    await place.ask(check_images, images, place.address, allow_local=local)
    if local or dry_run:
        return
    for image in images:
        say(f"Pulling {image} to {place.address.name}")
        await _told(place, partial(pull, place.address, image))


async def _told(place: Place, call: Callable[..., object]) -> None:
    """Wait for a call in a thread, and say the lines it tells."""
    from sensor_tui.fleet.images import ImageError

    stop = threading.Event()

    def tell(line: str) -> None:
        if stop.is_set():
            raise ImageError("interrupted")
        say(line)

    try:
        await place.ask(call, say=tell)
    except asyncio.CancelledError:
        stop.set()  # a thread cannot be ended from outside: the next line it has to tell ends it
        raise


def _retagged(image: str, tag: str) -> str:
    from sensor_tui.fleet.images import parse_image
    from sensor_tui.fleet.spec import Images

    return str(replace(parse_image(image), tag=tag, digest="")) if Images.own(image) else image

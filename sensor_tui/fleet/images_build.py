"""Building our own image."""

import gzip
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from sensor_tui import __version__
from sensor_tui.fleet.images_base import ensure_base, fetch_packages, own_python, python_of
from sensor_tui.fleet.images_context import (
    Item,
    archives_parquet,
    folder_items,
    installed_items,
    needed,
    product_items,
    write_context,
)
from sensor_tui.fleet.images_names import DEFAULT_BASE, ImageError, parse_image
from sensor_tui.fleet.images_stream import Say, follow

if TYPE_CHECKING:
    from docker import DockerClient

    from sensor_tui.fleet.docker_host import DockerAddress

_SECONDS: Final = 900.0
"""A step of the build may say nothing for so long."""
_LABEL: Final = "org.opencontainers.image"


@dataclass(frozen=True, slots=True)
class Built:
    """An image that was built: its full name, its id, and its size in bytes with that of its base."""

    image: str
    id: str
    size: int
    base_size: int


def build(address: "DockerAddress", image: str, *, base: str = DEFAULT_BASE, say: Say) -> Built:
    """Build our image under that name, on that base; `say` is told how it goes, line by line.

    Nothing is fetched, unless the engine lacks the base, or the base has another Python than this program.
    Blocks for as long as it takes. Raises ImageError, or FleetError where the engine does not answer.
    """
    from docker.errors import DockerException

    from sensor_tui.fleet.docker_errors import told
    from sensor_tui.fleet.docker_host import connect

    client = connect(address, timeout=_SECONDS)
    try:
        ensure_base(client, base, say)
        with tempfile.TemporaryDirectory(prefix="sensor-tui-build-") as folder:
            packages = _packages(client, base, Path(folder) / "packages", say)
            facts = _run(client, address, image, base, [*packages, *product_items()], say)
        built = client.images.get(str(facts.get("ID") or image))
        return Built(image, str(built.id), _size(built.attrs), _size(client.images.get(base).attrs))
    except ImageError as error:
        raise ImageError(f"{image} cannot be built: {error.message}", fix=error.fix) from error
    except (DockerException, OSError) as error:
        raise told(error, address, unit=image) from error
    finally:
        client.close()


def _packages(client: "DockerClient", base: str, folder: Path, say: Say) -> Iterable[Item]:
    """The packages that the base's Python can use: those installed here, or else fetched ones."""
    theirs, ours, packages = python_of(client, base), own_python(), needed()
    if not archives_parquet():
        say("pyarrow is not installed here: the image archives as CSV and JSON lines, not as Parquet")
    if theirs.fits(ours):
        return list(installed_items(packages))
    say(f"{base} has {theirs}, this program runs on {ours}: fetching {len(packages)} packages with pip")
    fetch_packages(packages, theirs, folder)
    return list(folder_items(folder))


def _run(
    client: "DockerClient",
    address: "DockerAddress",
    image: str,
    base: str,
    items: Iterable[Item],
    say: Callable[[str], None],
) -> dict[str, object]:
    compressed = address.socket is None  # over a network, time spent on compressing is won
    with tempfile.TemporaryFile() as context:
        if compressed:
            with gzip.GzipFile("", "wb", 1, context, mtime=0) as packed:
                write_context(cast("BinaryIO", packed), items)
        else:
            write_context(cast("BinaryIO", context), items)
        context.seek(0)
        name = parse_image(image)
        stream = client.api.build(
            fileobj=context,
            custom_context=True,
            encoding="gzip" if compressed else None,
            tag=image,
            buildargs={"BASE": base},
            labels={
                f"{_LABEL}.title": "sensor-tui",
                f"{_LABEL}.version": name.tag or __version__,
                f"{_LABEL}.base.name": base,
            },
            network_mode="none",
            rm=True,
            forcerm=True,
            decode=True,
        )
        return follow(stream, say)


def _size(facts: dict[str, object]) -> int:
    size = facts.get("Size")
    return size if isinstance(size, int) else 0

"""What our image is built from: this program and the packages it needs, as one tar file."""

import io
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from sensor_tui import __version__
from sensor_tui.fleet.images_names import ImageError
from sensor_tui.resources import resource_dir

REQUIREMENTS: Final = (
    "aiohttp", "aiosqlite", "azure-cosmos", "certifi", "click", "httpx", "multidict", "orjson",
    "prometheus-client", "psutil", "pydantic", "pydantic-settings", "python-dotenv", "PyYAML", "rich",
    "tzdata", "yarl",
)  # fmt: skip
"""What a sensor or an uploader imports: all that the program needs, but for the dashboard."""
PARQUET: Final = "pyarrow"
"""What an uploader archives as Parquet with, where it is installed; its largest libraries stay behind."""
SPARED: Final = frozenset({"markdown-it-py", "pygments"})
"""What `rich` wants for source code and Markdown, which no command here shows."""

_PRODUCT: Final = Path(__file__).resolve().parents[1]
_LEFT_OUT: Final = frozenset({"app", "web", "_resources"})
_FIXTURES: Final = ("cities.yaml", "sensor-configs/default.yaml")
_NOISE: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_SOURCES: Final = frozenset({".pyc", ".pyi", ".pyx", ".pxd", ".pxi", ".c", ".cc", ".h", ".hash"})
_UNUSED_FOLDERS: Final = frozenset({"tests", "include", "includes", "src"})
_UNUSED_LIBRARIES: Final = re.compile(
    r"(libarrow_(flight|s3|cuda|python_flight|python_parquet_encryption)"
    r"|_(flight|s3fs|gcsfs|azurefs|hdfs|orc|substrait|acero|cuda|csv|json|feather|pyarrow_cpp_tests"
    r"|dataset|dataset_orc|dataset_parquet|dataset_parquet_encryption|parquet_encryption))\..*"
)
_DOUBLES: Final = re.compile(r"lib[a-z_]+\.so(\.\d+\.\d+\.\d+)?")
"""The same library under the names that only compilers look for."""
_TIME: Final = 315_532_800
"""1980-01-01, the oldest that zip files know."""
_OWNER: Final = 10001
_MAIN: Final = b"""\
from sensor_tui.container.early import stop_at_once

stop_at_once()

from sensor_tui.container.entry import main

main()
"""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the context; a folder where `content` is None."""

    name: str
    content: Path | bytes | None
    mode: int = 0o644
    owner: int = 0


def archives_parquet() -> bool:
    """Whether an image that is built here can archive as Parquet."""
    return find_spec(PARQUET) is not None


def needed(requirements: Iterable[str] | None = None) -> list[Distribution]:
    """The installed packages behind these names, with all that they need in turn, sorted by name.

    Without names: all that the image needs. Raises ImageError where one is not installed.
    """
    if requirements is None:
        requirements = (*REQUIREMENTS, PARQUET) if archives_parquet() else REQUIREMENTS
    found: dict[str, Distribution] = {}
    waiting = [(name, "") for name in requirements]
    while waiting:
        name, marker = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in found or key in SPARED:
            continue
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            if marker:  # it is for another Python, another system
                continue
            raise ImageError(
                f"the package {name} is not installed here, and the image needs it",
                fix="Install sensor-tui with all it requires",
            ) from None
        waiting += _required(found[key])
    return [found[key] for key in sorted(found)]


def _required(package: Distribution) -> Iterator[tuple[str, str]]:
    """Names and markers of what a package needs, without its extras."""
    for line in package.requires or ():
        head, _, marker = line.partition(";")
        name = _NAME.match(head.strip())
        if name and not re.search(r"\bextra\b", marker):
            yield name[0], marker.strip()


def installed_items(packages: Iterable[Distribution]) -> Iterator[Item]:
    """The files of installed packages, as far as they are needed to run.

    Raises ImageError for a package whose files are not known.
    """
    for package in packages:
        files = [file for file in package.files or () if _runs(file)]
        if not files:
            raise ImageError(
                f"the files of the package {package.name} are not known", fix="Install it as a wheel"
            )
        for file in files:
            yield Item(f"packages/{file.as_posix()}", Path(str(package.locate_file(file))))


def folder_items(folder: Path) -> Iterator[Item]:
    """The files of a folder that wheels were unpacked into."""
    for path in folder.rglob("*"):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_file() and _runs(name):
            yield Item(f"packages/{name}", path)


def _runs(file: PurePosixPath) -> bool:
    return (
        ".." not in file.parts
        and not file.is_absolute()
        and "__pycache__" not in file.parts
        and file.name not in _NOISE
        and file.suffix not in _SOURCES
        and not (file.parts[0] == PARQUET and _is_unused(file))
    )


def _is_unused(file: PurePosixPath) -> bool:
    """Whether reading and writing Parquet files on a disk goes without this file of pyarrow."""
    return (
        (len(file.parts) > 1 and file.parts[1] in _UNUSED_FOLDERS)
        or _UNUSED_LIBRARIES.fullmatch(file.name) is not None
        or _DOUBLES.fullmatch(file.name) is not None
    )


def product_items() -> Iterator[Item]:
    """This program without its screens, and what the image has around it."""
    compose, fixtures = resource_dir("compose"), resource_dir("fixtures")
    yield Item("Dockerfile", compose / "Dockerfile")
    yield Item("bin/sensor-tui", compose / "image" / "sensor-tui", 0o755)
    yield Item("product/__main__.py", _MAIN)
    for name in ("data", "archive", "config"):
        yield Item(f"app/{name}", None, 0o755 if name == "config" else 0o1777, _OWNER)
    facts = f"Metadata-Version: 2.1\nName: sensor-tui\nVersion: {__version__}\n"
    yield Item(f"product/sensor_tui-{__version__}.dist-info/METADATA", facts.encode())
    for path in _PRODUCT.rglob("*"):
        file = PurePosixPath(path.relative_to(_PRODUCT).as_posix())
        if path.is_file() and _runs(file) and file.parts[0] not in _LEFT_OUT:
            yield Item(f"product/sensor_tui/{file}", path)
    for name in _FIXTURES:
        yield Item(f"product/sensor_tui/_resources/fixtures/{name}", fixtures / name)


def write_context(target: BinaryIO, items: Iterable[Item]) -> None:
    """Write the items as a tar file: sorted, with one time and no names of users."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in sorted(items, key=lambda item: item.name):
            entry = tarfile.TarInfo(item.name)
            entry.mode, entry.mtime, entry.uid, entry.gid = item.mode, _TIME, item.owner, item.owner
            if item.content is None:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
                continue
            content = item.content if isinstance(item.content, bytes) else item.content.read_bytes()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))

"""The base of our image: that it is there, which Python it has, and packages that fit it."""

import json
import platform
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.fleet.docker_errors import one_line
from sensor_tui.fleet.images_names import ImageError

if TYPE_CHECKING:
    from docker import DockerClient

OLDEST: Final = (3, 11)

_MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_PROBE: Final = (
    "import json, platform, sys, sysconfig;"
    "print(json.dumps([*sys.version_info[:2], sysconfig.get_config_var('EXT_SUFFIX'),"
    " platform.machine(), platform.libc_ver()[1]]))"
)
_OLDEST_GLIBC: Final = 5
_MUSL_MINOR: Final = 2
_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Python:
    """A Python; `suffix` is that of its extension modules, `glibc` empty where it has another C library."""

    major: int
    minor: int
    suffix: str
    machine: str
    glibc: str = ""

    def __str__(self) -> str:
        return f"Python {self.major}.{self.minor} ({self.suffix.strip('.').removesuffix('.so')})"

    def fits(self, other: "Python") -> bool:
        """Whether packages installed for the one run with the other."""
        return (self.major, self.minor, self.suffix) == (other.major, other.minor, other.suffix)

    def platforms(self) -> Iterator[str]:
        """Wheel tags of its platform, the newest first (PEP 600 and PEP 656)."""
        machine = _MACHINES.get(self.machine, self.machine)
        if "musl" in self.suffix:
            yield from (f"musllinux_1_{minor}_{machine}" for minor in range(_MUSL_MINOR, 0, -1))
            return
        newest = int(self.glibc.split(".")[1]) if self.glibc.count(".") else 17
        yield from (f"manylinux_2_{minor}_{machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1))
        yield from (f"{older}_{machine}" for older in ("manylinux2014", "manylinux2010", "manylinux1"))


def own_python() -> Python:
    """The Python that runs this."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    return Python(*sys.version_info[:2], suffix, platform.machine(), platform.libc_ver()[1])


def python_of(client: "DockerClient", base: str) -> Python:
    """The Python of an image, asked in a container; ImageError where there is none that will do."""
    from docker.errors import APIError

    try:
        found = Python(*json.loads(_said(client, base)))
    except (APIError, ValueError, TypeError) as error:
        raise ImageError(
            f"the base {base} has no python3 that runs: {_words(error)}",
            fix="Give --base an image with Python 3.11 or newer",
        ) from error
    if (found.major, found.minor) < OLDEST:
        raise ImageError(
            f"the base {base} has Python {found.major}.{found.minor}, which is too old",
            fix="Give --base an image with Python 3.11 or newer",
        )
    return found


def _said(client: "DockerClient", base: str) -> str:
    """What the probe writes; ValueError with its complaint where it fails."""
    command = ["-I", "-S", "-c", _PROBE]
    container = client.containers.create(base, command, entrypoint="python3", network_mode="none")
    try:
        container.start()
        if container.wait()["StatusCode"]:
            raise ValueError(one_line(container.logs().decode(errors="replace")))
        return container.logs(stderr=False).decode()
    finally:
        container.remove(force=True)


def fetch_packages(packages: Sequence[Distribution], python: Python, folder: Path) -> None:
    """Unpack wheels of these packages, in these versions, for that Python into the folder.

    They come by this machine's pip, as it is configured. Raises ImageError where they cannot be had.
    """
    wheels = folder.with_name(f"{folder.name}-wheels")
    command = [
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet",
        "--no-deps", "--only-binary=:all:", "--implementation=cp",
        f"--python-version={python.major}.{python.minor}",
        f"--abi=cp{python.major}{python.minor}", "--abi=abi3", "--abi=none",
        *(f"--platform={name}" for name in python.platforms()),
        "--dest", str(wheels), *(f"{package.name}=={package.version}" for package in packages),
    ]  # fmt: skip
    fix = f"Give --base an image with {own_python()}, or run where pip reaches a package index"
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter, and names of installed packages
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImageError(f"packages for {python} cannot be had: {one_line(error)}", fix=fix) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
        wrong = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1])
        raise ImageError(
            f"packages for {python} cannot be had: {one_line(wrong.removeprefix('ERROR:'))}", fix=fix
        )
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def ensure_base(client: "DockerClient", base: str, say: Callable[[str], None]) -> None:
    """Pull the base where the engine lacks it; ImageError saying what to do where that fails."""
    from docker.errors import DockerException, ImageNotFound

    from sensor_tui.fleet.images_stream import follow

    try:
        client.images.get(base)
    except ImageNotFound:
        say(f"{base} is not on the engine; pulling it")
        repository, tag = _parts(base)
        try:
            follow(client.api.pull(repository, tag=tag, stream=True, decode=True), say)
        except (ImageError, DockerException, OSError) as error:
            raise ImageError(
                f"the base {base} is not on the engine and cannot be pulled: {_words(error)}",
                fix="Load it there, or name one that is there: --base IMAGE, with Python 3.11 or newer",
            ) from error


def _parts(base: str) -> tuple[str, str | None]:
    from docker.utils import parse_repository_tag

    repository, tag = parse_repository_tag(base)
    return repository, tag or "latest"


def _words(error: Any) -> str:
    if isinstance(error, ImageError):
        return error.message
    return one_line(getattr(error, "explanation", None) or error)

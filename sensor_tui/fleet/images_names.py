"""Names of images: their parts, and the policy that every image has a version.

The grammar is that of the Distribution project's `reference` package.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from sensor_tui.errors import ExitCode, FleetError, StorageError, UsageError

DEFAULT_NAME: Final = "sensor-tui"
"""Name of our own image within its registry."""
DEFAULT_BASE: Final = "python:3.11-slim-bookworm"
"""What our own image is built on."""
UNTAGGED: Final = "local"
"""The tag of an image that was built without a version: `latest` is never used."""

SENSOR_COMMAND: Final[tuple[str, ...]] = ("sensor",)
"""What our image is told so that it is a sensor; an uploader is told `uploader` and upstream's arguments."""
HEALTH_COMMAND: Final[tuple[str, ...]] = (
    "CMD",
    "python3",
    "-I",
    "-S",
    "/opt/sensor-tui/sensor_tui/container/health.py",
)
"""The `test` of a health check of our image, whichever of the two it runs as; its Dockerfile has the same."""

_LATEST: Final = "latest"
_BUILT: Final = "built-image-tag"
_LONGEST: Final = 255
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_IMAGE: Final = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)"
    rf"(?::(?P<tag>{_TAG}))?(?:@(?P<digest>[a-z0-9+._-]+:[0-9a-f]{{32,}}))?"
)


class ImageError(FleetError):
    """An image cannot be used: it is missing, cannot be built, pushed or pulled."""

    title = "Image"


class RegistryUnreachable(ImageError):
    """The registry does not answer."""

    exit_code = ExitCode.SINK


class RegistryRefused(ImageError):
    """The registry answers and wants other credentials."""

    exit_code = ExitCode.SINK


@dataclass(frozen=True, slots=True)
class ImageName:
    """`registry/path:tag@digest`, what is absent empty; `registry` empty means Docker's own."""

    registry: str
    path: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"

    @property
    def repository(self) -> str:
        """The name without tag and digest."""
        return f"{self.registry}/{self.path}" if self.registry else self.path


@dataclass(frozen=True, slots=True)
class Version:
    """The tag to use, and what is to be said about it, if anything."""

    tag: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """A full name with a version, and what is to be said about it, if anything."""

    image: str
    warning: str = ""


def parse_image(text: str) -> ImageName:
    """The parts of a name; UsageError where it is none."""
    found = _IMAGE.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise UsageError(f"{text!r} is not the name of an image", fix="Write it as registry/name:version")
    host, path = found["host"] or "", found["path"]
    if host and not _is_registry(host):  # `bacalhau-project/sensor` is a path of Docker's own registry
        host, path = "", f"{host}/{path}"
        if not re.fullmatch(rf"{_PART}(?:/{_PART})*", path):
            raise UsageError(f"{text!r} is not the name of an image", fix="Write it in lower case")
    return ImageName(host, path, found["tag"] or "", found["digest"] or "")


def check_tag(tag: str, where: str) -> str:
    """The tag itself; UsageError naming `where` it came from, if Docker would not take it."""
    if not re.fullmatch(_TAG, tag):
        raise UsageError(
            f"{where}: {tag!r} is not a version an image can have",
            fix="Use letters, digits, '.', '-' and '_', at most 128, as in v20250601",
        )
    return tag


def version(*, asked: str | None, environment: str | None, last_built: str | None, package: str) -> Version:
    """The version of an image: the first of these that is given; `latest` is replaced by the next one.

    Args:
        asked: by `--uploader-tag`.
        environment: by `UPLOADER_TAG` or the configuration.
        last_built: by `remember_built`.
        package: version of this program.

    Raises:
        UsageError: what was given is not a tag.
    """
    default = f"v{re.sub(r'[^A-Za-z0-9_.-]', '-', package)}"
    refused: list[str] = []
    for given, where in (
        (asked, "--uploader-tag"),
        (environment, "UPLOADER_TAG"),
        (last_built, "the last build"),
    ):
        if given is None:
            continue
        if is_versioned(given):
            return Version(check_tag(given.strip(), where), _replaced(refused, given.strip()))
        asked_for = repr(given.strip()) if given.strip() else "no version"
        refused.append(f"{where} asks for {asked_for}")
    return Version(default, _replaced(refused, default))


def is_versioned(tag: str) -> bool:
    """Whether a tag names one version, which neither `latest` nor nothing does."""
    return tag.strip().casefold() not in {"", _LATEST}


def policy_problem(image: str) -> str | None:
    """What is wrong with the version of an image, in a few words; None where it has one.

    Names that cannot be read are not judged: they may be the id of an image.
    """
    try:
        name = parse_image(image)
    except UsageError:
        return None
    if name.digest:
        return None
    if not name.tag:
        return "no version"
    return None if is_versioned(name.tag) else f"version '{name.tag}'"


def reference(registry: str, name: str, tag: str) -> Reference:
    """The full name of a configured image: within the registry unless it names its own, with its version.

    A version in `name` stays, unless it is `latest`; `tag` is for those without one. Raises UsageError.
    """
    given = parse_image(name)
    if not given.registry:
        given = parse_image(f"{registry.strip().rstrip('/')}/{name}" if registry.strip("/ ") else name)
    if given.digest or is_versioned(given.tag):
        return Reference(str(given))
    warning = f"{name} asks for version {given.tag!r}; using {tag} instead" if given.tag else ""
    return Reference(str(replace(given, tag=check_tag(tag, name))), warning)


def build_command(image: str) -> str:
    """The command line that builds our image under that name and pushes it, whatever is configured."""
    name = parse_image(image)
    folder, _, last = name.path.rpartition("/")
    registry = "/".join(filter(None, (name.registry, folder)))
    parts = ["sensor-tui build"]
    if registry:
        parts.append(f"--registry {registry}")
    parts.append(f"--name {last}")
    if is_versioned(name.tag):
        parts.append(f"--tag {name.tag}")
    return f"{' '.join(parts)} --push"


def last_built(state: Path) -> str | None:
    """The tag that was built last with this state folder; None where there is none."""
    try:
        text = (state / _BUILT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if re.fullmatch(_TAG, text) and is_versioned(text) else None


def remember_built(state: Path, tag: str) -> None:
    """Remember a tag for `last_built`; StorageError where the state folder cannot be written."""
    fresh = state / f"{_BUILT}.new"
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_text(f"{tag}\n", encoding="utf-8")
        fresh.replace(state / _BUILT)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise StorageError(
            f"{state}: the built version {tag} cannot be remembered: {error.strerror}",
            fix=f"Name it with --uploader-tag {tag}",
        ) from None


def _is_registry(first: str) -> bool:
    """Docker's rule for whether the first part of a name is a host."""
    return first == "localhost" or "." in first or ":" in first or first != first.lower()


def _replaced(refused: list[str], tag: str) -> str:
    if not refused:
        return ""
    return f"{' and '.join(refused)}, and every image needs a version; using {tag} instead"

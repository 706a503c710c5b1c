"""Docker contexts as the docker command keeps them: which there are, and where each one leads."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sensor_tui.errors import ConfigError

DEFAULT: Final = "default"
"""The context that stands for the socket of this machine."""

_LARGEST: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Context:
    """Where a context leads; `certificates` is the folder of its TLS material, where it has some."""

    name: str
    url: str
    certificates: Path | None
    verify: bool


def docker_folder(environment: Mapping[str, str]) -> Path:
    """Where the docker command keeps its configuration."""
    given = environment.get("DOCKER_CONFIG")
    return Path(given) if given else Path(environment.get("HOME") or os.path.expanduser("~")) / ".docker"  # noqa: PTH111 - home may not be set


def chosen_context(environment: Mapping[str, str]) -> str:
    """Name of the context in use, by `DOCKER_CONTEXT` or `docker context use`."""
    given = environment.get("DOCKER_CONTEXT")
    if given:
        return given
    try:
        chosen = _json(docker_folder(environment) / "config.json").get("currentContext")
    except (OSError, ValueError):
        return DEFAULT
    return chosen if isinstance(chosen, str) and chosen else DEFAULT


def load_context(name: str, environment: Mapping[str, str]) -> Context:
    """Read one from `contexts/meta/{hash of its name}/meta.json`.

    Raises:
        ConfigError: there is none of that name, or it cannot be read.
    """
    folder = docker_folder(environment) / "contexts"
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    path = folder / "meta" / digest / "meta.json"
    try:
        endpoint = _json(path)["Endpoints"]["docker"]
        url, skip = _text(endpoint["Host"]), endpoint.get("SkipTLSVerify", False)
    except FileNotFoundError:
        raise ConfigError(
            f"there is no Docker context {name!r}", fix="'docker context ls' lists them; addresses have ://"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the Docker context {name!r} cannot be read: {path}: {type(error).__name__}: {error}",
            fix="Make it again with 'docker context create'",
        ) from error
    material = folder / "tls" / digest / "docker"
    return Context(name, url, material if material.is_dir() else None, verify=skip is not True)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("it has no address")
    return value


def _json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        facts = json.loads(file.read(_LARGEST))
    if not isinstance(facts, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - alike for whoever reads a file that is broken
    return facts

"""What uploaders in containers are told: the file they read, their variables, which of these are secret."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import ConfigError

if TYPE_CHECKING:
    from sensor_tui.config import Loaded
    from sensor_tui.config.layers import Layer

_KEY: Final = "COSMOS_KEY"
_SIGN_IN: Final = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
"""What a service principal signs in with; a managed identity needs none of them."""
_BY_VALUE: Final = {
    "cosmos.endpoint": "COSMOS_ENDPOINT",
    "cosmos.database": "COSMOS_DATABASE",
    "cosmos.container": "COSMOS_CONTAINER",
    "cosmos.partition_key": "COSMOS_PARTITION_KEY",
    "cosmos.auth": "COSMOS_AUTH",
    "performance.max_ru_per_second": "SENSOR_TUI__PERFORMANCE__MAX_RU_PER_SECOND",
    "logging.level": "LOG_LEVEL",
    "region": "REGION",
}
_VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_]\w*)(?::-[^{}]*)?\}", re.ASCII)
_OF_THE_CONTAINER: Final = ("HOME", "PATH")


@dataclass(frozen=True, slots=True)
class Uploaders:
    """The part of a fleet's spec that is about its uploaders."""

    config: Path | None
    ca_file: Path | None
    environment: Mapping[str, str]
    references: Mapping[str, str | None] = field(repr=False)
    """Names of variables, with their values as far as they are known here: secrets."""


def uploaders_of(loaded: "Loaded", *, own: bool) -> Uploaders:
    """What the uploaders of this configuration need; warnings go to standard error.

    They read `fleet.compose_config`, else the file that this configuration came from. What stands in there is
    not said again, so that a change of the file is a change for them; what comes from elsewhere they get as
    variables. `own` says that they run our image. Raises ConfigError where the file cannot be used.
    """
    from sensor_tui.cli.setup import conceal

    chosen = loaded.settings.fleet.compose_config
    path = chosen or loaded.path
    needed = [] if path is None else _variables_in(path)
    theirs = loaded if chosen is None else _theirs(chosen, needed, loaded, own=own)
    conceal(theirs.settings)
    layer = None if path is None else _without_variables(path, needed)
    held = [] if layer is None else _secrets_in(layer)
    named = layer if chosen is not None else None
    environment = _by_value(loaded, theirs, named)
    auth = environment.get("COSMOS_AUTH") or _auth(theirs, named if theirs is loaded else None)
    if auth == "aad" and own:
        raise ConfigError(
            "cosmos.auth is aad, and uploaders in containers of our image cannot sign in like that: it has no"
            " azure-identity",
            fix="Use a key for them, or let the service of this machine upload (--no-uploaders)",
        )
    _warn(path, held, theirs.settings.cosmos.endpoint or loaded.settings.cosmos.endpoint)
    if auth == "aad":
        needed += _SIGN_IN
    elif not any(key.startswith("cosmos.") for _, key in held):
        needed.append(_KEY)
    hashes = theirs.sources["processing.sanitization.hash_key"]
    if hashes.startswith(("environment ", ".env ")):
        needed.append(hashes.split()[-1])
    names = [name for name in dict.fromkeys(needed) if name not in environment]
    return Uploaders(path, theirs.settings.cosmos.connection.ca_file, environment, _known(names, theirs))


def _variables_in(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", fix="Name another file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text", fix="Name another file") from None
    return [name for name in dict.fromkeys(_VARIABLE.findall(text)) if name not in _OF_THE_CONTAINER]


def _theirs(path: Path, needed: Sequence[str], ours: "Loaded", *, own: bool) -> "Loaded":
    """The configuration in that file, as an uploader would find it here.

    Variables may be set later, and a file for the earlier system may hold what is unknown here: then ours.
    """
    from sensor_tui.config import load

    try:
        return load(path)
    except ConfigError:
        if own and all(name in os.environ for name in needed):
            raise
        return ours


def _without_variables(path: Path, names: Iterable[str]) -> "Layer":
    """What the file gives by itself, with every variable empty."""
    from sensor_tui.config.from_file import file_layer
    from sensor_tui.config.layers import Layer

    layer = Layer(path.parent, str(Path.home()))
    file_layer(layer, path, str(path), dict.fromkeys((*names, *_OF_THE_CONTAINER), ""))
    return layer


def _secrets_in(layer: "Layer") -> list[tuple[int, str]]:
    """Line and key of each secret that stands in the file as it is."""
    from sensor_tui.config import catalogue

    found = ((given.place.line, key, catalogue.leaf(key)) for key, given in layer.given.items())
    return sorted((line, key) for line, key, leaf in found if leaf is not None and leaf.secret)


def _warn(path: Path | None, held: Iterable[tuple[int, str]], endpoint: str | None) -> None:
    from sensor_tui.cli import logs
    from sensor_tui.config.values import is_loopback

    for line, key in held:
        logs.notice(
            f"{path}:{line}: {key} stands there by value, for every uploader container to read;"
            f" write ${{{_KEY if key == 'cosmos.key' else 'NAME'}}} there, and set that variable"
        )
    if endpoint is None:
        logs.notice(
            "cosmos.endpoint is not set: the uploaders will have nowhere to send to; set COSMOS_ENDPOINT"
        )
    elif is_loopback(endpoint):
        logs.notice(
            f"cosmos.endpoint is {endpoint}: in a container that is the container itself, so uploaders will"
            " not reach it; name this machine by an address that containers can reach"
        )


def _by_value(ours: "Loaded", theirs: "Loaded", file: "Layer | None") -> dict[str, str]:
    """Variables for what the mounted file does not say; `file` is one that was named for uploaders alone."""
    mounted = theirs if file is None or theirs is not ours else None
    values: dict[str, str] = {}
    for key, name in _BY_VALUE.items():
        if file is not None and key in file.given:
            continue
        for loaded in (theirs, ours):
            source = loaded.sources[key]
            if source.startswith("file ") and loaded is mounted:
                break
            if source != "default":
                values[name] = _plain(loaded, key)
                break
    return values


def _plain(loaded: "Loaded", key: str) -> str:
    value: object = loaded.settings
    for part in key.split("."):
        value = getattr(value, part)
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _auth(theirs: "Loaded", file: "Layer | None") -> str:
    """How they sign in; `file` is theirs where it could not be read as a configuration yet."""
    given = None if file is None else file.given.get("cosmos.auth")
    return theirs.settings.cosmos.auth if given is None else str(given.value).strip().lower()


def _known(names: Iterable[str], theirs: "Loaded") -> dict[str, str | None]:
    """Values of variables, as far as they are known: what Compose would find, and the key from wherever."""
    from sensor_tui.config.from_environment import read_dotenv

    variables = read_dotenv(Path.cwd())[0] | os.environ
    found = {name: variables.get(name) for name in names}
    if found.get(_KEY, "") is None and theirs.settings.cosmos.key is not None:
        found[_KEY] = theirs.settings.cosmos.key.get_secret_value()
    return found

"""The one loader: options, environment, `.env`, file and defaults become one validated configuration."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from sensor_tui.config import catalogue
from sensor_tui.config.explain import explained
from sensor_tui.config.from_environment import (
    DOTENV,
    environment_place,
    option_layer,
    read_dotenv,
    variable_layer,
)
from sensor_tui.config.from_file import display_name, file_layer, locate, read_text
from sensor_tui.config.layers import Given, Layer
from sensor_tui.config.problems import Place, Problem, raise_for
from sensor_tui.config.schema import LAYERS, Settings
from sensor_tui.config.values import shown
from sensor_tui.errors import ConfigError

_OTHERS_MAY_READ: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a configuration was made of, so that it can be made again."""

    env: Mapping[str, str]
    overrides: Mapping[str, Any]
    cwd: Path


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration with the file it came from, what is to be said about it, and each value's origin.

    `sources` maps every dotted key to "option", "environment NAME", ".env NAME", "file PATH:LINE",
    "key file PATH" or "default".
    """

    settings: Settings
    path: Path | None
    notices: tuple[str, ...]
    sources: Mapping[str, str]
    _inputs: _Inputs = field(repr=False, compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that this configuration depends on and that have to exist."""
        key_file = self.settings.cosmos.key_file
        return tuple(path for path in (self.path, key_file) if path is not None)

    @property
    def dotenv(self) -> Path:
        """The `.env` of the working folder, which may be missing."""
        return self._inputs.cwd / DOTENV

    def reload(self) -> "Loaded":
        """Read the same files again, with the same options and environment; raises `ConfigError`."""
        inputs = self._inputs
        return load(self.path, env=inputs.env, overrides=inputs.overrides, cwd=inputs.cwd)


def load(
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Read the configuration; raises `ConfigError` with one line for each thing that is wrong.

    Precedence: `overrides` (options by dotted or nested keys, None means not given), `env` (the process's own
    where None), `.env` in `cwd`, the file, the defaults. `path` is the file; where None it is looked for.
    """
    folder = (cwd or Path.cwd()).absolute()
    inputs = _Inputs(dict(os.environ if env is None else env), dict(overrides or {}), folder)
    dotenv, dotenv_places, notices = read_dotenv(inputs.cwd)
    variables = dotenv | {name: text for name, text in inputs.env.items() if text or name not in dotenv}
    home = variables.get("HOME") or str(Path.home())
    options, environment, dotted, filed = layers = tuple(Layer(inputs.cwd, home) for _ in range(4))
    option_layer(options, inputs.overrides)
    variable_layer(environment, inputs.env, environment_place)
    variable_layer(dotted, dotenv, dotenv_places.__getitem__)
    found = locate(path, variables, inputs.cwd, home)
    if found is not None:
        file_layer(filed, found, display_name(found, inputs.cwd), variables)

    _settle_interval(layers)
    notices.extend(_settle_key(layers, inputs.cwd))
    for layer in layers:
        layer.remark()
        notices.extend(layer.notices)
    return Loaded(_validated(layers), found, tuple(notices), _sources(layers), inputs)


def _validated(layers: tuple[Layer, ...]) -> Settings:
    problems = [problem for layer in layers for problem in layer.problems]
    token = LAYERS.set(tuple(layer.nested() for layer in layers))
    try:
        settings = Settings()
    except ValidationError as error:
        raise_for([*problems, *explained(error, layers)])
        raise
    finally:
        LAYERS.reset(token)
    raise_for(problems)
    return settings


def _sources(layers: tuple[Layer, ...]) -> dict[str, str]:
    sources = dict.fromkeys(catalogue.leaves(), "default")
    for layer in reversed(layers):
        sources.update({key: given.place.source for key, given in layer.given.items()})
    return sources


def _settle_interval(layers: tuple[Layer, ...]) -> None:
    """Let the older name of the interval count only where the newer one is given nowhere."""
    newer = next(
        (layer.given[catalogue.INTERVAL] for layer in layers if catalogue.INTERVAL in layer.given), None
    )
    for layer in layers:
        older = layer.given.get(catalogue.OLDER_INTERVAL)
        layer.drop(catalogue.OLDER_INTERVAL)
        if older is None:
            continue
        if newer is None:
            newer = older
            layer.put(catalogue.INTERVAL, older)
        elif str(older.value) != str(newer.value):
            weaker = f"{older.place.where}: {older.spelled} is ignored"
            layer.notices.append(f"{weaker}: {newer.spelled} ({newer.place.source}) holds")


def _settle_key(layers: tuple[Layer, ...], cwd: Path) -> list[str]:
    """Let the strongest layer that gives a key or a key file decide; read the file; returns notices."""
    auth = next(
        (str(layer.given["cosmos.auth"].value) for layer in layers if "cosmos.auth" in layer.given), "key"
    )
    givers = [layer for layer in layers if {"cosmos.key", "cosmos.key_file"} & layer.given.keys()]
    if auth.strip().lower() == "aad":
        for layer in givers:
            layer.drop("cosmos.key")
            layer.drop("cosmos.key_file")
        return ["cosmos.auth is aad: the account key is not used"] if givers else []
    for layer in givers[1:]:
        layer.drop("cosmos.key")
        layer.drop("cosmos.key_file")
    file = givers[0].given.get("cosmos.key_file") if givers else None
    return _take_key_file(givers[0], file, cwd) if file is not None else []


def _take_key_file(layer: Layer, file: Given, cwd: Path) -> list[str]:
    path = Path(str(file.value))
    name = shown(display_name(path, cwd))
    try:
        text = read_text(path, name).strip()
    except ConfigError as error:
        layer.problems.append(Problem(file.place, f"{file.spelled}: {error}"))
        return []
    if not text:
        layer.problems.append(
            Problem(file.place, f"{file.spelled}: {name} is empty, the account key is expected")
        )
        return []
    layer.put("cosmos.key", Given(text, Place(f"key file {name}", f"key file {path}"), file.spelled))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS_MAY_READ:
        return [f"{file.place.where}: {file.spelled}: others may read {name} (mode {mode:04o}); chmod 600 it"]
    return []

"""The layers of options, environment and `.env`."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream
from pydantic import SecretStr

from sensor_tui.config import catalogue, values
from sensor_tui.config.document import Block, Reader, Sequence
from sensor_tui.config.from_file import plain, read_text, unknown
from sensor_tui.config.layers import Given, Layer
from sensor_tui.config.problems import Place, Problem
from sensor_tui.errors import ConfigError

DOTENV = ".env"


def environment_place(name: str) -> Place:
    """The place of an environment variable."""
    return Place("environment", f"environment {name}")


def variable_layer(layer: Layer, variables: Mapping[str, str], place: Callable[[str], Place]) -> None:
    """Fill a layer from variables, short names and `SENSOR_TUI__SECTION__KEY`; an empty one is not given."""
    for name, text in variables.items():
        if not text.strip():
            continue
        key = catalogue.ENVIRONMENT.get(name)
        if key is not None:
            value = "true" if name in catalogue.SWITCHES else text
            layer.put(key, Given(value, place(name), name))
        elif name.startswith(catalogue.NESTED_PREFIX):
            _nested(layer, name, text, place(name))
    layer.fold()


def _nested(layer: Layer, name: str, text: str, place: Place) -> None:
    key = name.removeprefix(catalogue.NESTED_PREFIX).lower().replace("__", ".")
    leaf = catalogue.leaf(key)
    if leaf is not None:
        value: Any = text
        if leaf.sequence and text.lstrip().startswith("["):
            value = _structure(layer, name, text, place, Sequence)
        elif leaf.mapping and text.lstrip().startswith("{"):
            value = _structure(layer, name, text, place, Block)
        if value is not None:
            layer.put(key, Given(value, place, name, rank=1))
    elif key in catalogue.sections():
        layer.problems.append(Problem(place, f"{name} names a section; name a key in it"))
    elif not layer.retired(key, text, place, name):
        known = [catalogue.environment_name(each) for each in catalogue.leaves()]
        near = values.suggestion(name, known)
        hint = f"Did you mean '{near}'?" if near else "See 'sensor-tui config schema'"
        layer.problems.append(Problem(place, f"unknown key {values.shown(name)}. {hint}"))


def _structure(layer: Layer, name: str, text: str, place: Place, kind: type[Sequence] | type[Block]) -> Any:
    """A list or mapping written as YAML on one line; None, with a problem, where it is none."""
    reader = Reader(lambda _line: place, {})
    try:
        node = reader.read(text)
    except ConfigError:
        node = None
    if not isinstance(node, kind) or reader.problems:
        like = "a list like [a, b]" if kind is Sequence else "a mapping like {a: b}"
        layer.problems.append(Problem(place, f"{name}: {like} is expected"))
        return None
    return plain(node)


def read_dotenv(folder: Path) -> tuple[dict[str, str], dict[str, Place], list[str]]:
    """Variables of the `.env` of a folder, if any, their places, and notices about lines that are none."""
    path = folder / DOTENV
    if not path.is_file():
        return {}, {}, []
    variables: dict[str, str] = {}
    places: dict[str, Place] = {}
    notices: list[str] = []
    for binding in parse_stream(io.StringIO(read_text(path, DOTENV))):
        line = binding.original.line
        if binding.error:
            notices.append(f"{DOTENV}:{line}: not NAME=value, ignored")
        elif binding.key and binding.value is not None:
            variables[binding.key] = binding.value
            places[binding.key] = Place(f"{DOTENV}:{line}", f"{DOTENV} {binding.key}", line)
    return variables, places, notices


def option_layer(layer: Layer, overrides: Mapping[str, Any]) -> None:
    """Fill a layer from options, under dotted or nested keys; None means not given."""
    place = Place("option", "option")
    for name, value in _flatten(overrides).items():
        rank = list(catalogue.OPTIONS).index(name) if name in catalogue.OPTIONS else len(catalogue.OPTIONS)
        key = catalogue.OPTIONS.get(name, name)
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        given = str(given) if isinstance(given, Path) else given
        if catalogue.leaf(key) is not None:
            layer.put(key, Given(given, place, name, rank=rank))
        else:
            section, _, last = name.rpartition(".")
            layer.problems.append(Problem(place, unknown(section, last)))
    layer.fold()


def _flatten(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested or dotted names as dotted ones; None means not given."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        leaf = catalogue.leaf(f"{prefix}{name}")
        if isinstance(value, Mapping) and not (leaf is not None and leaf.mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        elif value is not None:
            flat[f"{prefix}{name}"] = value
    return flat

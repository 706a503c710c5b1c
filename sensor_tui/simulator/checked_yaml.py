"""A YAML file against a pydantic model: complaints name file, key, line and the nearest known name."""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from sensor_tui.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
Location = tuple[str | int, ...]


def _known_zone(name: str) -> str:
    if name == "UTC":  # needs no time zone data
        return name
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, not a name, a folder of the data
        raise ValueError(
            f"time zone {name!r} is not known here; an IANA name such as Europe/London is"
        ) from None
    return name


def _number_as_text(value: object) -> object:
    """YAML reads `firmware_version: 1.4` as a number; it means the text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


ZoneName = Annotated[str, AfterValidator(_known_zone)]
Text = Annotated[str, Field(min_length=1), BeforeValidator(_number_as_text)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


def load_checked(path: Path, model: type[Model]) -> Model:
    """The model from that file; an empty file is an empty mapping.

    Raises ConfigError for a file that cannot be read or is not YAML, for a key that is unknown or stands
    there twice, and for a bad value.
    """
    values, lines = read_yaml(path)
    return checked(values, model, source=str(path), lines=lines)


def checked(
    values: Mapping[str, Any], model: type[Model], *, source: str, lines: Mapping[Location, int] | None = None
) -> Model:
    """The model from those values; ConfigError names `source`, the key and, where known, its line."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _complaint(error, model, source, lines or {}) from None


def read_yaml(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """The mapping a file holds, and the line of each key in it; ConfigError where there is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".json":  # the one thing JSON allows between its tokens and YAML does not
            text = text.replace("\t", " ")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text", fix="Save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}", fix="Check the path and its permissions"
        ) from None
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_lines(node, (), path)) if node is not None else {}
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}{where}: not YAML: {error.problem or error.context}", fix="Mend that line"
        ) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date like 2025-02-30
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}", fix="Mend the file") from None
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}, line 1: expected keys and values", fix="Start with a line such as 'sensor:'"
        )
    return values, lines


def _lines(node: yaml.Node, at: Location, path: Path) -> Iterator[tuple[Location, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen and name != "<<":
                raise ConfigError(f"{path}, line {line}: {name} stands there twice", fix="Keep one of them")
            seen.add(name)
            yield (*at, name), line
            yield from _lines(value, (*at, name), path)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*at, index), item.start_mark.line + 1
            yield from _lines(item, (*at, index), path)


def _complaint(
    error: ValidationError, model: type[BaseModel], source: str, lines: Mapping[Location, int]
) -> ConfigError:
    problem = error.errors(include_url=False, include_context=False)[0]
    at: Location = problem["loc"]
    line = _line_of(at, lines)
    where = f"{source}, line {line}" if line else source
    key = dotted(at)
    if problem["type"] == "extra_forbidden":
        known = _names_at(model, at[:-1])
        near = difflib.get_close_matches(str(at[-1]), known, n=1, cutoff=0.5)
        fix = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(sorted(known))}"
        return ConfigError(f"{where}: {key} is not a known key", fix=fix)
    if problem["type"] == "missing":
        return ConfigError(f"{where}: {key} is missing", fix="Add it")
    said = problem["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    given = problem["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
    return ConfigError(f"{where}: {key + ': ' if key else ''}{said}{shown}")


def _line_of(at: Location, lines: Mapping[Location, int]) -> int | None:
    for end in range(len(at), 0, -1):
        if at[:end] in lines:
            return lines[at[:end]]
    return None


def dotted(at: Location) -> str:
    """`('cities', 0, 'name')` as `cities[0].name`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")


def _names_at(model: type[BaseModel], at: Location) -> list[str]:
    """The keys a model knows at that place: through nested models, lists and optional ones."""
    current: type[BaseModel] | None = model
    for part in at:
        if current is None:
            return []
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        current = _model_in(field.annotation) if field else None
    return list(current.model_fields) if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        if found := _model_in(inner):
            return found
    return None

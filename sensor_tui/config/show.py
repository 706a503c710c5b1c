"""A configuration for people and tools: as a mapping, as annotated YAML, as a schema, and as a template."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from sensor_tui.config import catalogue
from sensor_tui.config.loader import Loaded
from sensor_tui.config.schema import Settings

MASK: Final = "********"

_BY_REFERENCE: Final = {
    "cosmos.endpoint": "${COSMOS_ENDPOINT:-}",
    "cosmos.key": "${COSMOS_KEY:-}",
    "cosmos.key_file": "${COSMOS_KEY_FILE:-}",
    "processing.sanitization.hash_key": "${SENSOR_TUI__PROCESSING__SANITIZATION__HASH_KEY:-}",
    "service.token": "${SENSOR_TUI__SERVICE__TOKEN:-}",
}
"""Keys the template takes from the environment."""

_EXAMPLES: Final = {
    "cosmos.connection.ca_file": "ca.pem",
    "performance.throughput": "400",
    "performance.autoscale_max_throughput": "4000",
    "performance.max_ru_per_second": "4000",
    "archive.path": "archive",
    "service.socket_group": "sensors",
    "service.listen": "127.0.0.1:8765",
    "fleet.images.sensor": "sensor",
    "fleet.images.uploader": "uploader",
    "fleet.uploader_tag": "v20250801120000",
    "dashboard.themes_dir": "themes",
    "data_dir": "data",
    "state_dir": "data/.sensor-tui",
    "region": "Amsterdam",
    "cities": "[{name: Amsterdam, latitude: 52.3676, longitude: 4.9041}]",
}
"""Examples for keys that have no default."""

_HEAD: Final = """\
# Configuration of sensor-tui. Everything here is a default or taken from the environment; remove what you
# do not change. A value may hold ${VARIABLE} or ${VARIABLE:-default}. Keys and tokens belong in the
# environment or in a file of their own, never in here.
"""


def as_dict(settings: Settings, *, secrets: bool = False) -> dict[str, Any]:
    """The configuration as plain values, ready for JSON; secrets are masked unless asked for."""
    return _tree(settings, secrets=secrets)


def _tree(model: BaseModel, *, secrets: bool) -> dict[str, Any]:
    return {name: _plain(getattr(model, name), secrets=secrets) for name in type(model).model_fields}


def _plain(value: Any, *, secrets: bool) -> Any:
    if isinstance(value, BaseModel):
        return _tree(value, secrets=secrets)
    if isinstance(value, SecretStr):
        return value.get_secret_value() if secrets else MASK
    if isinstance(value, tuple):
        return [_plain(item, secrets=secrets) for item in value]
    if isinstance(value, dict):
        return {name: _entry(item, secrets=secrets) for name, item in value.items()}
    return str(value) if isinstance(value, Path) else value


def _entry(value: Any, *, secrets: bool) -> Any:
    """A value of a mapping, which may be a mapping itself: what was not given stays out of that."""
    plain = _plain(value, secrets=secrets)
    return (
        {name: each for name, each in plain.items() if each is not None} if isinstance(plain, dict) else plain
    )


def to_yaml(loaded: Loaded) -> str:
    """The configuration as YAML, secrets masked, every key with a comment saying where it comes from."""
    return "".join(_annotated(as_dict(loaded.settings), loaded.sources, "", 0))


def _annotated(tree: Mapping[str, Any], sources: Mapping[str, str], prefix: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, value in tree.items():
        key = prefix + name
        if key in catalogue.sections():
            yield f"{indent}{name}:\n"
            yield from _annotated(value, sources, f"{key}.", depth + 1)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{name}:  # {sources[key]}\n"
            yield from (f"{indent}  - {_flow(item)}\n" for item in value)
        else:
            yield f"{indent}{name}: {_flow(value)}  # {sources[key]}\n"


def _flow(value: Any) -> str:
    value = _tidy(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=2**31, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _tidy(value: Any) -> Any:
    """Whole numbers without their `.0`, in mappings as well."""
    if isinstance(value, dict):
        return {name: _tidy(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def template() -> str:
    """A complete configuration file, every key with its meaning and default; it loads as it is."""
    return _HEAD + "".join(_documented(Settings, "", 0))


def _documented(model: type[BaseModel], prefix: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in model.model_fields.items():
        key = prefix + name
        section = catalogue.section_class(field)
        if section is not None:
            gap = "" if depth else "\n"
            yield f"{gap}{indent}# {field.description}\n{indent}{name}:\n"
            yield from _documented(section, f"{key}.", depth + 1)
        else:
            gap = "" if depth else "\n"
            yield f"{gap}{indent}# {field.description}\n{indent}{_example(key, name, field)}\n"


def _example(key: str, name: str, field: FieldInfo) -> str:
    if key in _BY_REFERENCE:
        return f"{name}: {_BY_REFERENCE[key]}"
    if key in _EXAMPLES:
        return f"# {name}: {_EXAMPLES[key]}"
    return f"{name}: {_flow(_plain(field.default, secrets=False))}"


def json_schema() -> dict[str, Any]:
    """A JSON schema of the file for editors: other names and `${VAR}` included."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "sensor-tui configuration"
    definitions = schema["$defs"]
    _complete(schema, Settings, "", definitions)
    return schema


def _complete(node: dict[str, Any], model: type[BaseModel], prefix: str, definitions: dict[str, Any]) -> None:
    """Let every value be text as well, as the loader does, and add the names of the earlier uploader."""
    properties = node["properties"]
    for name, field in model.model_fields.items():
        section = catalogue.section_class(field)
        if section is not None:
            _complete(definitions[section.__name__], section, f"{prefix}{name}.", definitions)
        else:
            properties[name] = _loosened(properties[name], field)
    for name in catalogue.names(prefix.removesuffix(".")):
        key = prefix + name
        if name not in properties:
            instead = catalogue.ALIASES.get(key)
            text = f"Other name of {instead}." if instead else _older(key)
            properties[name] = {"description": text, "deprecated": True}


def _older(key: str) -> str:
    retired = catalogue.RETIRED.get(key)
    return f"No effect: {retired.instead}." if retired else "Older form, still understood."


def _loosened(schema: dict[str, Any], field: FieldInfo) -> dict[str, Any]:
    head = {name: schema[name] for name in ("description", "default", "title") if name in schema}
    rest = {name: part for name, part in schema.items() if name not in head}
    text = {"type": "string"}
    if any(isinstance(part, BeforeValidator) for part in field.metadata):
        # Other spellings are understood as well (levels, processors, durations): names become examples.
        items = rest.get("items", rest)
        if "enum" in items:
            items["examples"] = items.pop("enum")
    else:
        text["pattern"] = r"\$\{"
    return head | {"anyOf": [*rest.get("anyOf", [rest]), text]}

"""Partial updates: add, set, replace, remove, incr and move on paths of a document."""

from typing import Any

from sensor_tui.emulator.answers import bad_request
from sensor_tui.emulator.catalog import Json

MAX_STEPS = 10
_SYSTEM = frozenset({"id", "_rid", "_self", "_etag", "_ts", "_attachments"})


def apply_patch(document: Json, steps: Any, key_path: tuple[str, ...]) -> None:
    """Apply patch operations, in order, to a document in place.

    Raises:
        CosmosError: 400, a step is wrong or its path is not there.
    """
    if not isinstance(steps, list) or not steps:
        raise bad_request("The patch request must hold at least one operation")
    if len(steps) > MAX_STEPS:
        raise bad_request(f"The number of patch operations can't exceed '{MAX_STEPS}'")
    for step in steps:
        if (
            not isinstance(step, dict)
            or not isinstance(step.get("op"), str)
            or not isinstance(step.get("path"), str)
        ):
            raise bad_request("A patch operation needs 'op' and 'path'")
        _apply(document, step["op"].lower(), step, key_path)


def _apply(document: Json, op: str, step: Json, key_path: tuple[str, ...]) -> None:
    names = _split(step["path"], key_path)
    if op == "move":
        source = _split(str(step.get("from", "")), key_path)
        _put(document, names, _take(document, source), insert=True)
    elif op == "remove":
        _take(document, names)
    elif "value" not in step:
        raise bad_request(f"For Operation({op}): 'value' is missing")
    elif op in {"add", "set"}:
        _put(document, names, step["value"], insert=op == "add")
    elif op == "replace":
        _take(document, names, keep=True)
        _put(document, names, step["value"], insert=False)
    elif op in {"incr", "increment"}:
        _increment(document, names, step["value"])
    else:
        raise bad_request(f"Unknown patch operation '{op}'")


def _split(path: str, key_path: tuple[str, ...]) -> list[str]:
    names = path.removeprefix("/").split("/")
    if not path.startswith("/") or not all(names):
        raise bad_request(f"The patch path '{path}' is invalid")
    if names[0] in _SYSTEM or tuple(names) == key_path:
        raise bad_request(f"Cannot patch the system or partition key property '{path}'")
    return [name.replace("~1", "/").replace("~0", "~") for name in names]


def _holder(document: Json, names: list[str]) -> Any:
    """The object or array that holds the last name of a path."""
    place: Any = document
    for name in names[:-1]:
        place = _item(place, name)
    return place


def _item(place: Any, name: str) -> Any:
    if isinstance(place, dict) and name in place:
        return place[name]
    if isinstance(place, list) and name.isdigit() and int(name) < len(place):
        return place[int(name)]
    raise bad_request(f"For Operation: the path '{name}' does not exist in the document")


def _take(document: Json, names: list[str], *, keep: bool = False) -> Any:
    place, name = _holder(document, names), names[-1]
    value = _item(place, name)
    if not keep:
        del place[name if isinstance(place, dict) else int(name)]
    return value


def _put(document: Json, names: list[str], value: Any, *, insert: bool) -> None:
    place, name = _holder(document, names), names[-1]
    if isinstance(place, dict):
        place[name] = value
    elif isinstance(place, list) and name == "-":
        place.append(value)
    elif isinstance(place, list) and name.isdigit() and int(name) <= len(place):
        if insert or int(name) == len(place):
            place.insert(int(name), value)
        else:
            place[int(name)] = value
    else:
        raise bad_request(f"For Operation: the path '{name}' cannot be set in the document")


def _increment(document: Json, names: list[str], by: Any) -> None:
    place, name = _holder(document, names), names[-1]
    if isinstance(place, dict) and name not in place:
        _put(document, names, by, insert=False)
        return
    value = _item(place, name)
    if any(isinstance(one, bool) or not isinstance(one, int | float) for one in (value, by)):
        raise bad_request("For Operation(incr): the value is not a number")
    _put(document, names, value + by, insert=False)

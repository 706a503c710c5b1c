"""What a process unit is: checked, kept on disk, and shown without its secrets."""

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sensor_tui.errors import FleetError
from sensor_tui.model.unit import Role, UnitSpec

MARK: Final = "SENSOR_TUI_UNIT"
"""Variable that every process of a unit carries; its value is the unit's place in the state folder."""
MASK: Final = "********"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_INHERITED: Final = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|VIRTUAL_ENV|PYTHON\w*|XDG_\w+", re.ASCII
)
_SECRET: Final = re.compile(
    r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|PWD$|CONNECTION|CREDENTIAL|AUTH|SIGNATURE|DSN|COOKIE", re.IGNORECASE
)
_USER_INFO: Final = re.compile(r"(?<=://)([^/@\s:]*):[^/@\s]+(?=@)")
_LARGEST: Final = 1024 * 1024


def check_spec(spec: UnitSpec) -> UnitSpec:
    """The same spec, once it can be used; raises FleetError where it cannot."""
    problem = _problem(spec)
    if problem:
        raise FleetError(f"unit {spec.name!r}: {problem}", fix="Mend its definition")
    return spec


def _problem(spec: UnitSpec) -> str:
    texts = (*spec.command, *spec.environment.values(), spec.cwd or "", spec.data or "")
    if _NAME.fullmatch(spec.name) is None:
        return "a name has lower-case letters, digits and '-', begins with no '-', and is at most 63 long"
    if not spec.command or not spec.command[0]:
        return "there is no command"
    if not all(map(_can_be_given, (*texts, *spec.environment))):
        return "there is text in it that no process can be given"
    for name in spec.environment:
        if not name or "=" in name or name == MARK:
            return f"{name!r} cannot be the name of a variable"
    return _outside(spec.data) if spec.data is not None else ""


def _can_be_given(text: str) -> bool:
    try:
        return b"\x00" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _outside(data: str) -> str:
    path = PurePosixPath(data)
    inside = path.parts and not path.is_absolute() and ".." not in path.parts
    return "" if inside else f"data {data!r} is not inside the data folder"


def save_spec(path: Path, spec: UnitSpec) -> None:
    """Write it for its owner alone, whole or not at all."""
    write_whole(path, json.dumps(asdict(spec), indent=2, ensure_ascii=False).encode() + b"\n", lasting=True)


def load_spec(path: Path) -> UnitSpec:
    """Read one; raises FleetError where that cannot be done."""
    try:
        with path.open("rb") as file:
            facts = json.loads(file.read(_LARGEST))
        return check_spec(_spec_of(path.name.removesuffix(".json"), facts))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FleetError(
            f"the definition {path} cannot be read: {type(error).__name__}: {error}",
            fix="Mend it, or remove the unit and add it again",
        ) from error


def _spec_of(name: str, facts: Mapping[str, Any]) -> UnitSpec:
    if facts["name"] != name:
        raise ValueError(f"it is about {facts['name']!r}")
    command = facts["command"]
    restart = facts.get("restart", True)
    if not isinstance(command, Sequence) or isinstance(command, str) or not isinstance(restart, bool):
        raise TypeError("command is a list, restart true or false")
    return UnitSpec(
        name=name,
        command=tuple(map(_text, command)),
        role=Role(facts.get("role", Role.SENSOR)),
        cwd=_optional(facts.get("cwd")),
        environment=_texts(facts.get("environment", {})),
        city=_optional(facts.get("city")),
        project=_optional(facts.get("project")),
        sensor_id=_optional(facts.get("sensor_id")),
        data=_optional(facts.get("data")),
        restart=restart,
        labels=_texts(facts.get("labels", {})),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _texts(values: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in values.items()}


def write_whole(path: Path, content: bytes, *, lasting: bool = False) -> None:
    """Replace a file at once, readable by its owner alone; `lasting` survives a loss of power too."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def environment_of(spec: UnitSpec, ours: Mapping[str, str], mark: str) -> dict[str, str]:
    """What its process gets: a little of ours, its own, and the mark.

    Lines of a Python program are to be seen when they are written, so it is told not to hold them back.
    """
    little = {name: value for name, value in ours.items() if _INHERITED.fullmatch(name)}
    return {"PYTHONUNBUFFERED": "1"} | little | dict(spec.environment) | {MARK: mark}


def masked_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables with the values of those that look secret hidden."""
    return {
        name: MASK if value and _SECRET.search(name) else _USER_INFO.sub(rf"\1:{MASK}", value)
        for name, value in environment.items()
    }


def masked_command(command: Sequence[str]) -> tuple[str, ...]:
    """Arguments with the values of options that look secret hidden."""
    shown: list[str] = []
    secret_next = False
    for argument in command:
        option, given, _ = argument.partition("=")
        secret = option.startswith("-") and _SECRET.search(option) is not None
        if secret_next and not argument.startswith("-"):
            shown.append(MASK)
        elif secret and given:
            shown.append(f"{option}={MASK}")
        else:
            shown.append(_USER_INFO.sub(rf"\1:{MASK}", argument))
        secret_next = secret and not given
    return tuple(shown)

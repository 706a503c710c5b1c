"""Themes: files of colours, checked before they are used, and read again when they change."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from textual.color import Color, ColorParseError
from textual.theme import Theme

COLOURS: Final = ("primary", "secondary", "accent", "success", "warning", "error", "foreground", "background",
                  "surface", "panel")  # fmt: skip
"""What every theme says; `secondary` may be left out."""
KEYS: Final = frozenset({*COLOURS, "name", "dark", "variables"})
PATTERNS: Final = ("*.yaml", "*.yml")
MONO: Final = "mono"
DEFAULT: Final = "dark"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_VARIABLE: Final = re.compile(r"[a-z0-9-]+")
_SHARE: Final = re.compile(r"\d{1,3}%")
_STYLES: Final = frozenset({"none", "bold", "dim", "italic", "underline", "reverse", "strike", "not"})
_LARGEST: Final = 64_000


class ThemeError(Exception):
    """A file that is no theme; says which key is wrong and how."""


@dataclass(frozen=True, slots=True)
class Themes:
    """What was found; later folders win over earlier ones."""

    themes: Mapping[str, Theme]
    problems: tuple[str, ...] = ()


class ThemeFolders:
    """The folders themes are read from."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._seen: dict[Path, tuple[int, int]] = {}

    def changed(self) -> bool:
        """Whether a file is new, gone or another since `read`."""
        return self._look() != self._seen

    def read(self) -> Themes:
        """All themes, and what is wrong with those that are none. Reads files."""
        self._seen = self._look()
        found: dict[str, Theme] = {}
        problems: list[str] = []
        for path in self._seen:
            try:
                theme = read_theme(path)
            except ThemeError as error:
                problems.append(f"{path}: {error}")
            else:
                found[theme.name] = theme
        return Themes(found, tuple(problems))

    def _look(self) -> dict[Path, tuple[int, int]]:
        seen = {}
        for folder in self._folders:
            for path in sorted(path for pattern in PATTERNS for path in folder.glob(pattern)):
                try:
                    status = path.stat()
                except OSError:
                    continue
                seen[path] = (status.st_mtime_ns, status.st_size)
        return seen


def read_theme(path: Path) -> Theme:
    """The theme of a file, whose name it has where it does not say another. Raises ThemeError."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST)
        values = yaml.safe_load(text)
    except OSError as error:
        raise ThemeError(error.strerror or str(error)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ThemeError(f"no YAML{'' if mark is None else f' in line {mark.line + 1}'}") from None
    if not isinstance(values, dict):
        raise ThemeError("colours by name are expected")
    return theme_of({"name": path.stem, **{str(key): value for key, value in values.items()}})


def theme_of(values: Mapping[str, Any]) -> Theme:
    """A theme of checked values. Raises ThemeError."""
    unknown = sorted(values.keys() - KEYS)
    if unknown:
        raise ThemeError(f"{unknown[0]}: there is no such key; there are {', '.join(sorted(KEYS))}")
    name, dark = values.get("name"), values.get("dark", True)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ThemeError("name: lower-case letters, digits and - are expected")
    if not isinstance(dark, bool):
        raise ThemeError("dark: true or false is expected")
    colours: dict[str, Any] = {
        key: _colour(key, values.get(key)) for key in COLOURS if key != "secondary" or key in values
    }
    variables = values.get("variables", {})
    if not isinstance(variables, dict):
        raise ThemeError("variables: names and values are expected")
    named = {_variable(key): _value(str(key), each) for key, each in variables.items()}
    theme = Theme(name, **colours)
    theme.dark, theme.variables = dark, {**_texts(colours), **named}
    return theme


def _colour(key: str, value: object) -> str:
    if value is None:
        raise ThemeError(f"{key}: a colour is missing")
    try:
        return Color.parse(str(value)).hex if isinstance(value, str) else _no_colour(key)
    except ColorParseError:
        return _no_colour(key)


def _no_colour(key: str) -> str:
    raise ThemeError(f'{key}: a colour such as "#1f6feb" is expected (in quotes)')


def _variable(key: object) -> str:
    if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
        raise ThemeError(f"variables: {key!r} is no name of a variable")
    return key


def _value(key: str, value: object) -> str:
    """A colour, with a share of it where wanted; a style where the name ends with that word."""
    words = value.split() if isinstance(value, str) else []
    if key.endswith("style"):
        if words and _STYLES.issuperset(words):
            return " ".join(words)
        raise ThemeError(f"variables.{key}: a style such as bold or reverse is expected")
    colour, *share = words or [""]
    if len(share) > 1 or not all(map(_SHARE.fullmatch, share)):
        raise ThemeError(f'variables.{key}: a colour such as "#1f6feb" or "#1f6feb 30%" is expected')
    return " ".join([colour if colour == "auto" else _colour(f"variables.{key}", colour), *share])


def _texts(colours: Mapping[str, str]) -> dict[str, str]:
    """Text in a colour is of exactly that colour, so that its contrast is what the theme says."""
    return {
        **{f"text-{key}": colours[key] for key in ("primary", "accent", "success", "warning", "error")},
        "text-secondary": colours.get("secondary", colours["primary"]),
        "text": colours["foreground"],
        "block-cursor-background": colours["primary"],
        "block-cursor-foreground": colours["background"],
        "button-color-foreground": colours["background"],
        "footer-key-foreground": colours["accent"],
        "border": colours["primary"],
    }

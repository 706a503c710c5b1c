"""The keys that work everywhere, and other keys for commands as the configuration wants them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, cast

from textual.binding import Binding, InvalidBinding
from textual.keys import key_to_character
from textual.screen import Screen

from sensor_tui.app.commands import Command

_NAMES: Final = {
    "escape": "esc",
    "pageup": "page up",
    "pagedown": "page down",
    "slash": "/",
    "plus": "+",
    "minus": "-",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One of the numbered screens; its module is imported on the first visit."""

    name: str
    key: str
    title: str
    help: str

    def load(self) -> Screen[Any]:
        """The screen."""
        module = import_module(f"sensor_tui.app.screens.{self.name}")
        return cast("Screen[Any]", getattr(module, f"{self.title}Screen")())


PLACES: Final = (
    Place("fleet", "1", "Fleet", "What runs, and what to do about it."),
    Place("sensors", "2", "Sensors", "What every sensor says."),
    Place("uploads", "3", "Uploads", "How far behind the uploads are."),
    Place("logs", "4", "Logs", "What the units write."),
    Place("diagnostics", "5", "Diagnostics", "Every check with its verdict."),
    Place("query", "6", "Query", "SQL over readings."),
)

APP_KEYS: Final[tuple[Command, ...]] = (
    *(
        Command(f"app.{place.name}", place.key, place.title, f"go('{place.name}')", place.help)
        for place in PLACES
    ),
    Command(
        "app.palette",
        "colon,ctrl+p",
        "Commands",
        "command_palette",
        "Find a command, screen, unit or sensor by name.",
        footer=True,
        palette=False,
    ),
    Command("app.filter", "slash", "Filter", "filter", "Show only what matches.", footer=True, priority=True),
    Command("app.help", "question_mark,f1", "Help", "help", "What is shown here, and every key."),
    Command("app.export", "ctrl+s", "Export", "export_table", "Write the table to a CSV or JSON file."),
    Command("app.copy", "y,ctrl+y", "Copy", "copy_rows", "Copy the chosen rows to the clipboard."),
    Command("app.columns", "C", "Columns", "columns", "Choose the table's columns."),
    Command("app.themes", "T", "Theme", "themes", "Choose colours, with a preview."),
    Command("app.footprint", "F", "Footprint", "footprint", "What the dashboard itself uses."),
    Command("app.actions", "A", "Action log", "action_log", "What was done, when and by whom."),
    Command("app.run", "W", "Running action", "running", "Show the action that runs, or the last one."),
    Command(
        "app.start_service",
        "S",
        "Start service",
        "start_service",
        "Start a service, so that somebody uploads.",
        changes=True,
    ),
    Command("app.repaint", "ctrl+l", "Repaint", "repaint", "Draw the whole screen again."),
    Command("app.quit", "q,ctrl+q,ctrl+c", "Quit", "quit", "Leave the dashboard.", footer=True),
)


def keys_of(keys: str) -> tuple[str, ...]:
    """Keys in Textual's own words: `?` is `question_mark`. Raises InvalidBinding."""
    return tuple(binding.key for binding in Binding.make_bindings([Binding(keys, "", "")]))


def shown_keys(command: Command, keymap: Mapping[str, str]) -> str:
    """A command's keys for people: `R`, `ctrl+s`, `: or ctrl+p`."""
    keys = keymap[command.id].split(",") if command.id in keymap else list(keys_of(command.keys))
    return " or ".join(dict.fromkeys(map(format_key, keys)))


def format_key(key: str) -> str:
    """A key for people: `question_mark` is `?`, `up` is `up`."""
    *modifiers, last = key.split("+") if key != "+" else [key]
    character = key_to_character(last)
    shown = (
        character
        if character is not None and character.isprintable() and character != " "
        else _NAMES.get(last, last)
    )
    return "+".join((*modifiers, shown))


def resolve(
    wanted: Mapping[str, str],
    everywhere: Sequence[Command],
    screens: Mapping[str, Sequence[Command]],
    reserved: Sequence[Command] = (),
) -> tuple[dict[str, str], str]:
    """Other keys by command id, and what is wrong with them; the keys are empty where something is.

    `everywhere` works on every screen, `reserved` (a table's own keys) goes before all others.
    """
    known = {command.id for command in (*everywhere, *reserved)}
    known.update(command.id for commands in screens.values() for command in commands)
    problems = [f"There is no command {ident}." for ident in sorted(wanted.keys() - known)]
    parsed: dict[str, tuple[str, ...]] = {}
    for ident, keys in wanted.items():
        try:
            parsed[ident] = keys_of(keys)
        except InvalidBinding:
            problems.append(f"{ident}: {keys!r} is no key.")
        if not parsed.get(ident, ("",)):
            problems.append(f"{ident}: a key is missing.")
    for commands in (*screens.values(), ()):
        for problem in clashes((*reserved, *everywhere, *commands), parsed):
            if problem not in problems:
                problems.append(problem)
    return (
        ({}, " ".join(problems))
        if problems
        else ({ident: ",".join(keys) for ident, keys in parsed.items()}, "")
    )


def clashes(commands: Iterable[Command], parsed: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Keys that two of these commands would share, at least one of them because it was given that key."""
    users: dict[str, list[Command]] = {}
    for command in commands:
        for key in parsed.get(command.id) or keys_of(command.keys):
            users.setdefault(key, []).append(command)
    for key, sharing in users.items():
        if len({command.id for command in sharing}) > 1 and any(command.id in parsed for command in sharing):
            yield f"{key} would be {' and '.join(sorted({command.id for command in sharing}))}."

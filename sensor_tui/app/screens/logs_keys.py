"""What can be done in Logs."""

from typing import Final

from sensor_tui.app.commands import Command

STEPS: Final = {"-1h": -3600.0, "-1m": -60.0, "+1m": 60.0, "+1h": 3600.0}
"""Seconds of a step through time."""


def _move(name: str, keys: str, title: str, action: str, text: str) -> Command:
    return Command(f"logs.{name}", keys, title, action, text, palette=False)


LOG_KEYS: Final = (
    Command(
        "logs.follow", "f", "Follow", "follow", "Follow the newest line, or stay where you are.", footer=True
    ),
    Command("logs.units", "u", "Units", "units", "Choose the units whose lines are read.", footer=True),
    Command(
        "logs.level",
        "L",
        "Level",
        "level",
        "Hide lines below a level: none, info, warning, error.",
        footer=True,
    ),
    Command("logs.next", "n", "Next", "find(1)", "Go to the next line that matches."),
    Command("logs.previous", "N", "Previous", "find(-1)", "Go to the line before that matches."),
    Command(
        "logs.hide",
        "ampersand",
        "Hide or point",
        "hide",
        "Hide lines that do not match, or show all and point at those that do.",
        key_display="&",
    ),
    Command(
        "logs.time", "t", "Time", "time", "Go to a time, also to one before the lines shown.", footer=True
    ),
    Command("logs.minute_back", "m", "Minute back", "later('-1m')", "Go back a minute."),
    Command("logs.hour_back", "h", "Hour back", "later('-1h')", "Go back an hour."),
    Command("logs.minute_forth", "M", "Minute forth", "later('+1m')", "Go forth a minute."),
    Command("logs.hour_forth", "H", "Hour forth", "later('+1h')", "Go forth an hour."),
    Command("logs.wrap", "w", "Wrap", "wrap", "Wrap long lines, or cut them.", footer=True),
    Command("logs.save", "s", "Save", "save", "Write the lines shown to a file.", footer=True),
    Command("logs.copy", "y,ctrl+y", "Copy", "copy_lines", "Copy the line, or those selected."),
    Command("logs.whole", "enter", "Whole line", "whole", "Show the whole line, however long."),
    Command("logs.select", "v,space", "Select", "begin_selection", "Select lines from here on, or no more."),
    Command("logs.clear", "c", "Clear", "clear_lines", "Forget the lines; new ones show again."),
    Command("logs.names", "number_sign", "Names", "names", "Show whose line it is, or not.", key_display="#"),
    Command(
        "logs.all",
        "escape",
        "All lines",
        "clear_chosen",
        "End the selection; else the filter; else the level.",
    ),
    _move("up", "up,k", "Up", "move(-1)", "Go up a line and stay there."),
    _move("down", "down,j", "Down", "move(1)", "Go down a line."),
    _move("select_up", "shift+up", "Select up", "select(-1)", "Select upwards."),
    _move("select_down", "shift+down", "Select down", "select(1)", "Select downwards."),
    _move("page_up", "pageup", "Page up", "page(-1)", "Go up a screenful."),
    _move("page_down", "pagedown", "Page down", "page(1)", "Go down a screenful."),
    _move("first", "home,g", "First", "first", "Go to the oldest line kept."),
    _move("last", "end,G", "Last", "last", "Go to the newest line and follow."),
    _move("left", "left", "Left", "sideways(-1)", "Show the beginning of long lines."),
    _move("right", "right", "Right", "sideways(1)", "Show the end of long lines."),
)

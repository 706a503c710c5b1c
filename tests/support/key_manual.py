"""Keys and columns in docs/dashboard.md, from the code: `python -m tests.support.key_manual`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

from sensor_tui.app.base import DashboardScreen
from sensor_tui.app.commands import Command
from sensor_tui.app.keymap import APP_KEYS, PLACES, shown_keys
from sensor_tui.app.screens.fleet_rows import COLUMNS as FLEET_COLUMNS
from sensor_tui.app.screens.letters import COLUMNS as LETTER_COLUMNS
from sensor_tui.app.screens.sensors_words import COLUMNS as SENSOR_COLUMNS
from sensor_tui.app.screens.uploads_rows import BACKLOG_COLUMNS, LANE_COLUMNS
from sensor_tui.app.widgets.grid import GRID_KEYS, Column

PAGE: Final = Path(__file__).parents[2] / "docs" / "dashboard.md"
COLUMNS: Final = {
    "Fleet": FLEET_COLUMNS,
    "Sensors": SENSOR_COLUMNS,
    "Uploads, backlog": BACKLOG_COLUMNS,
    "Uploads, lanes": LANE_COLUMNS,
    "Uploads, dead letters": LETTER_COLUMNS,
}


def keys() -> str:
    """Every key with the id of its command."""
    parts = [*_section("Everywhere", APP_KEYS), *_section("In every table", GRID_KEYS)]
    for place in PLACES:
        screen = cast("type[DashboardScreen]", type(place.load()))
        parts += _section(f"{place.title} (`{place.key}`)", screen.KEYS)
    return "\n".join(parts)


def columns() -> str:
    """Every column of every table."""
    parts = []
    for title, found in COLUMNS.items():
        parts += [f"### {title}\n", *_table(("column", "shown at first", "meaning"), _rows(found)), ""]
    return "\n".join(parts)


PARTS: Final = {"keys": keys, "columns": columns}


def renewed(page: str) -> str:
    """The page with both parts as the code has them now; a part stands between two comments."""
    for name, make in PARTS.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text = f"{begin}\n{make()}{end}"
        page, count = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, text=text: text, page, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"{begin} … {end} is there {count} times")
    return page


def _section(title: str, commands: Sequence[Command]) -> Iterator[str]:
    yield f"### {title}\n"
    rows = (
        (
            " or ".join(f"`{key}`" for key in shown_keys(command, {}).split(" or ")),
            command.help + (" *Changes something.*" if command.changes else ""),
            f"`{command.id}`",
        )
        for command in commands
    )
    yield from _table(("key", "what it does", "command"), rows)
    yield ""


def _rows(found: Sequence[Column]) -> Iterator[tuple[str, str, str]]:
    return ((column.title, "yes" if column.shown else "", column.help) for column in found)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

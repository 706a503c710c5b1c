"""The units whose lines can be read, as a list to choose from."""

from collections.abc import Iterable
from typing import Final

from sensor_tui.app.format import plain
from sensor_tui.app.widgets.grid import Cell, Column, Row, Tone
from sensor_tui.model.unit import Unit, UnitState

COLUMNS: Final = (
    Column("unit", "Unit", 20, grow=True),
    Column("state", "State", 8),
    Column("role", "Role", 8),
    Column("city", "City", 10),
    Column("host", "Host", 10),
)
_TONES: Final = {UnitState.RUNNING: Tone.GOOD, UnitState.FAILED: Tone.BAD, UnitState.BACKOFF: Tone.WARN}


def rows(units: Iterable[Unit]) -> list[Row]:
    """One row for each, by id."""
    return [_row(unit) for unit in units]


def _row(unit: Unit) -> Row:
    texts = {
        "unit": plain(unit.name),
        "state": unit.state.value,
        "role": unit.role.value,
        "city": plain(unit.city or ""),
        "host": plain(unit.host),
    }
    tones = {"state": _TONES.get(unit.state, Tone.NORMAL)}
    cells = {
        key: Cell(text, tones.get(key, Tone.NORMAL), text.lower() or None) for key, text in texts.items()
    }
    return Row(unit.id, cells)

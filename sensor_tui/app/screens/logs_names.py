"""What units are called beside their lines, and which lines a filter wants."""

from collections import Counter
from collections.abc import Callable, Mapping

from sensor_tui.app.filter import Filter
from sensor_tui.app.format import plain
from sensor_tui.app.logbook import Entry
from sensor_tui.app.widgets.loglines_draw import HUES, Label
from sensor_tui.model.unit import Unit


def labels_of(units: Mapping[str, Unit]) -> dict[str, Label]:
    """Names by unit id, with the host where a name is there twice; neighbours differ in colour."""
    often = Counter(unit.name for unit in units.values())
    found = {}
    for place, (key, unit) in enumerate(sorted(units.items())):
        name = unit.name if often[unit.name] == 1 else f"{unit.host}/{unit.name}"
        found[key] = Label(plain(name, limit=200), place % HUES)
    return found


def matcher(wanted: Filter, labels: Mapping[str, Label]) -> Callable[[Entry], bool]:
    """Whether a line is wanted: words are looked for in it and its unit's name; `level:`, `stream:` work."""
    text = wanted.text.lower()
    more = "level:" in text or "stream:" in text
    nobody = Label("", 0)

    def matches(entry: Entry) -> bool:
        fields = {"line": entry.text, "unit": labels.get(entry.unit, nobody).text}
        if more:
            fields |= {"level": entry.level.name.lower(), "stream": entry.stream}
        return wanted.matches(fields)

    return matches

"""What is said about a sensor in cells and panes: columns, signs, and short texts of what others wrote."""

from collections.abc import Mapping
from typing import Final

from textual.content import Content

from sensor_tui.app import format as fmt
from sensor_tui.app.glyphs import Glyphs
from sensor_tui.app.widgets.grid_values import Column, Tone
from sensor_tui.model.overview import Overview
from sensor_tui.model.sensor import Sensor, Verdict

MEASURES: Final = ("temperature", "humidity", "pressure", "vibration", "voltage")
"""Those with a column of their own; what else there is stands in the detail."""
SPARK_POINTS: Final = 24
SPARK_WIDTH: Final = 12
NO_CITY: Final = "(no city)"

_TITLES: Final = ("Temp.", "Humid.", "Press.", "Vibr.", "Volt.")

COLUMNS: Final = (
    Column("sensor", "Sensor", 14, grow=True, help="The sensor's id."),
    Column("verdict", "Verdict", 12, help="What is to be thought of it, the worst first."),
    Column("fresh", "Fresh", 13, right=True, help="Age of the newest reading / usual time between two."),
    *(Column(measure, title, 8, right=True, shown=False, help=f"{measure.capitalize()}, newest.")
      for measure, title in zip(MEASURES, _TITLES, strict=True)),
    Column("course", "Course", SPARK_WIDTH, help="The first measure's last values."),
    Column("backlog", "Backlog", 7, right=True, help="Readings neither acknowledged nor dead."),
    Column("lag", "Lag", 6, right=True, help="Age of the oldest open reading."),
    Column("rate", "Rate/s", 6, right=True, help="Readings a second of late."),
    Column("anomalies", "Anom.", 5, right=True, help="Share of anomalies among recent readings."),
    Column("dead", "Dead", 6, right=True, help="Dead letters."),
    Column("note", "Note", 30, help="What is wrong, or who else has its files."),
    Column("city", "City", 12, shown=False, help="Where it is."),
    Column("source", "File", 40, shown=False, help="The file with its newest reading."),
)  # fmt: skip

VERDICT_TONES: Final[Mapping[Verdict, Tone]] = {
    Verdict.UNREADABLE: Tone.BAD,
    Verdict.SILENT: Tone.BAD,
    Verdict.LATE: Tone.WARN,
    Verdict.ANOMALOUS: Tone.WARN,
    Verdict.FLAT: Tone.WARN,
    Verdict.FRESH: Tone.GOOD,
    Verdict.UNKNOWN: Tone.DIM,
}
_SUB_SECOND: Final = 10.0


def verdict_mark(verdict: Verdict, glyphs: Glyphs) -> str:
    """The sign of a verdict; each has its own, so that no colour is needed."""
    return {
        Verdict.UNREADABLE: glyphs.failed,
        Verdict.SILENT: glyphs.stopped,
        Verdict.LATE: glyphs.down,
        Verdict.ANOMALOUS: glyphs.warning,
        Verdict.FLAT: glyphs.rule,
        Verdict.FRESH: glyphs.running,
        Verdict.UNKNOWN: glyphs.unknown,
    }[verdict]


def cadence_text(seconds: float | None) -> str:
    """Time between two readings: `0.1 s`, `2.5 s`, `5 min`."""
    if seconds is None:
        return fmt.age(None)
    return f"{seconds:.2g} s" if 0 < seconds < _SUB_SECOND else fmt.age(seconds)


def same(text: Content, other: Content | None) -> bool:
    """Whether two texts look the same; comparing them with `==` says nothing about their styles."""
    return other is not None and text.is_same(other)


def spelled(text: str, glyphs: Glyphs) -> str:
    """Text of ours in the signs wanted: the dash for what is not known has a plain version."""
    return text if glyphs.dash == fmt.UNKNOWN else text.replace(fmt.UNKNOWN, glyphs.dash)


def age_of(moment: float | None, now: float) -> float | None:
    """Seconds since then; never negative, for clocks differ a little."""
    return None if moment is None else max(0.0, now - moment)


def note_of(sensor: Sensor) -> str:
    """What else there is to know about it, the worst first."""
    parts = []
    if sensor.problem:
        parts.append(fmt.plain(sensor.problem, limit=200))
    if sensor.engine:
        parts.append(f"uploaded by {fmt.plain(sensor.engine, limit=60)}'s uploader")
    elif sensor.owner:
        parts.append(f"uploaded by {fmt.plain(sensor.owner, limit=100)}")
    if sensor.anomaly is not None:
        parts.append(f"anomaly {fmt.plain(sensor.anomaly, limit=60)}".rstrip())
    return "; ".join(parts)


def city_of(sensor: Sensor) -> str:
    """Its city as safe text."""
    return fmt.plain(sensor.city, limit=60) if sensor.city else NO_CITY


def name_of(sensor: Sensor) -> str:
    """Its id as safe text; the file where it has none."""
    return fmt.plain(sensor.sensor_id or sensor.source, limit=80)


def measures_in(overview: Overview) -> list[str]:
    """Measures that have a column and a value somewhere."""
    return [name for name in MEASURES if any(name in sensor.values for sensor in overview.sensors.values())]

"""How the analysis of Cosmos DB is written: by city, by sensor, by day, and what is missing there."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sensor_tui.cli.query_sheets import Sheet, Whole

if TYPE_CHECKING:
    from sensor_tui.cli.query_ask import Answer
    from sensor_tui.model.table import Cell
    from sensor_tui.service.query_analysis import Analysis, Completeness

COLUMNS: Final = ("city", "sensor", "day", "stage", "documents", "readings")
SENSOR_COLUMNS: Final = (
    "sensor", "city", "rows", "closed", "open", "dead", "documents", "aggregates", "covered", "compared",
    "missing", "verdict",
)  # fmt: skip


def show(found: "Analysis", sheet: Sheet, answer: "Answer") -> "Answer":
    """Write the analysis, and say what is missing.

    As a table or JSON all of it; line by line the finest counts alone, from which the others are sums.
    """
    from sensor_tui.cli.output import count

    if isinstance(sheet, Whole):
        sheet.written = len(found.groups)
        if sheet.form == "json":
            sheet.write_json(_facts(found))
        else:
            sheet.write_text("\n\n".join(_parts(found, sheet)))
    else:
        sheet.add(COLUMNS, _groups(found))
        answer.problems += sheet.finish()
    if not found.groups:
        answer.notes.append("There are no such documents.")
    answer.notes += found.notes
    if found.elsewhere:
        answer.notes.append(
            f"{count(found.elsewhere, 'more document')} without a city, or new since these were counted."
        )
    for sensor in found.sensors or ():
        if (problem := _problem(sensor)) is not None:
            answer.problems.append(problem)
    if found.sensors is None:
        answer.notes.append("There are no files to compare with; --data-dir names them.")
    return answer


def verdict(sensor: "Completeness") -> str:
    """Whether Cosmos DB has what the files say it has, in words."""
    if not sensor.closed:
        return "nothing is closed"
    if not sensor.by_id:
        return f"aggregates cover {sensor.covered:,} of {sensor.closed:,}"
    if sensor.missing and sensor.aggregates:
        return f"{sensor.missing:,} not there by id; aggregates cover {sensor.covered:,}"
    if sensor.missing:
        return f"{sensor.missing:,} missing"
    if sensor.compared < sensor.closed:
        return f"complete as far as looked: {sensor.compared:,} rows"
    return "complete"


def _problem(sensor: "Completeness") -> str | None:
    """What an exit code is to tell; None where nothing is wrong for certain.

    Readings wait within an open window before they are in an aggregate, and some are left out on purpose,
    so a difference there is told and no failure.
    """
    if not sensor.missing or sensor.aggregates:
        return None
    one = sensor.missing == 1
    rows = "closed row" if one else "closed rows"
    share = f"of {sensor.compared:,} compared" if sensor.compared < sensor.closed else rows
    verb, what = ("is", "It was deleted since, or") if one else ("are", "They were deleted since, or")
    return (
        f"{sensor.sensor}: {sensor.missing:,} {share} {verb} not in this container."
        f" {what} sent to another one"
    )


def _groups(found: "Analysis") -> "list[list[Cell]]":
    ordered = sorted(found.groups, key=lambda group: (group.city, group.sensor, group.day, group.stage))
    return [
        [group.city or None, group.sensor or None, group.day or None, group.stage or None,
         found.groups[group], _readings(found, group)]
        for group in ordered
    ]  # fmt: skip


def _readings(found: "Analysis", group: Any) -> int:
    """Readings that these documents stand for."""
    from sensor_tui.service.query_analysis import AGGREGATED

    return found.covered[group] if group.stage == AGGREGATED else found.groups[group]


def _by(found: "Analysis", name: str) -> "list[tuple[str, int, int]]":
    documents: Counter[str] = Counter()
    readings: Counter[str] = Counter()
    for group, count in found.groups.items():
        documents[getattr(group, name)] += count
        readings[getattr(group, name)] += _readings(found, group)
    return [(each, documents[each], readings[each]) for each in sorted(documents)]


def _parts(found: "Analysis", sheet: Whole) -> list[str]:
    from sensor_tui.model.table import Table

    parts = [
        Table([name, "documents", "readings"], [[each or "-", *counts] for each, *counts in _by(found, name)])
        for name in ("city", "sensor", "day")
    ]
    if found.sensors is not None:
        parts.append(Table(SENSOR_COLUMNS, [_row(sensor) for sensor in found.sensors]))
    return [sheet.text(part) for part in parts if part.rows]


def _row(sensor: "Completeness") -> "list[Cell]":
    return [
        sensor.sensor, sensor.city, sensor.rows, sensor.closed, sensor.open, sensor.dead, sensor.documents,
        sensor.aggregates, sensor.covered, sensor.compared, sensor.missing, verdict(sensor),
    ]  # fmt: skip


def _facts(found: "Analysis") -> dict[str, Any]:
    sensors = None
    if found.sensors is not None:
        sensors = [dict(zip(SENSOR_COLUMNS, _row(sensor), strict=True)) for sensor in found.sensors]
    named = {
        name: [
            {name: each, "documents": documents, "readings": readings}
            for each, documents, readings in _by(found, name)
        ]
        for name in ("city", "sensor", "day")
    }
    return {
        "documents": found.groups.total() + found.elsewhere,
        "by_city": named["city"],
        "by_sensor": named["sensor"],
        "by_day": named["day"],
        "groups": [dict(zip(COLUMNS, row, strict=True)) for row in _groups(found)],
        "completeness": sensors,
        "request_units": found.request_units,
    }

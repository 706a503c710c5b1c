"""Dead letters: what is kept of a reading that a sink can never accept."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sensor_tui.model.reading import UnusableReading, utc_text
from sensor_tui.model.source import DeadLetter, Run
from sensor_tui.sync.window import Window

_MOST_TEXT: Final = 64 * 1024


def make_letter(
    window: Window, index: int, sink: str, code: int, reason: str, document: bytes, *, at: float
) -> DeadLetter:
    """Dead letter for one position of a window; `at` in seconds since the epoch.

    An empty document means that the row became none: the row itself is kept as text.
    """
    batch = window.batch
    row, schema = batch.rows[index], batch.schema
    sensor_id = None if schema.sensor_id is None else row[schema.sensor_id]
    try:
        event_time = None if schema.timestamp is None else utc_text(row[schema.timestamp])
    except UnusableReading:
        event_time = None
    if document:
        text = document.decode("utf-8", "replace")
    else:
        # as the stages left it: what they hide stays hidden
        shown = window.shown
        named = zip(shown.schema.columns, shown.schema.fields, shown.rows[index], strict=True)
        text = ", ".join(f"{name}={value!r}" for name, field, value in named if field)
    return DeadLetter(
        source=batch.source,
        row_id=row[0],
        sink=sink,
        sensor_id=sensor_id if isinstance(sensor_id, str) else None,
        event_time=event_time,
        code=code,
        reason=reason,
        document=text[:_MOST_TEXT],
        at=at,
    )


def letters_for(runs: Sequence[Run], letter: DeadLetter) -> list[DeadLetter]:
    """A dead letter for every row of an aggregated document that has one; the first has the document."""
    rows = [row for run in runs for row in range(run.first, run.last + 1)] or [0]
    rest = f"In the aggregated document of the dead letter of row {rows[0]}"
    return [
        replace(letter, row_id=row, document=rest if number else letter.document)
        for number, row in enumerate(rows)
    ]

"""Batches as the store gives them, and what documents become of one."""

from typing import Any

import orjson

from sensor_tui.model.reading import Batch, Row, schema_of
from sensor_tui.sync.encode import Encoder
from sensor_tui.sync.stage import Stage, Staged

APRIL = (
    "id", "timestamp", "sensor_id", "temperature", "vibration", "voltage", "status_code", "anomaly_flag",
    "anomaly_type", "firmware_version", "model", "manufacturer", "location",
)  # fmt: skip
MANILA = "Manila (14.595554, 120.976885)"
SOURCE = "London/a/sensor_data.db"


def april(number: int = 1, **values: Any) -> Row:
    """A row of the first generation, with some of its columns as given."""
    row = dict(
        zip(
            APRIL,
            (
                number,
                1_754_000_000.5 + number,
                "LON_123456",
                20.5,
                0.25,
                12.0,
                0,
                0,
                None,
                "1.4",
                "EM",
                "ST",
                MANILA,
            ),
            strict=True,
        )
    )
    return tuple((row | values).values())


def batch(
    rows: list[Row], columns: tuple[str, ...] = APRIL, *, repeated: int = 0, source: str = SOURCE
) -> Batch:
    """A batch whose last columns repeat, where asked."""
    return Batch(source, "London", schema_of(columns), rows, rows[-1][0] if rows else 0, False, repeated)


def through(stages: Stage | list[Stage], given: Batch) -> Staged:
    """The batch after the stages."""
    staged = Staged(given)
    for stage in stages if isinstance(stages, list) else [stages]:
        stage.apply(staged)
    return staged


def documents(staged: Staged) -> list[dict[str, Any] | None]:
    """The documents of what the stages left; None where a row became none."""
    bodies = Encoder("city").encode_staged(staged).bodies
    return [None if body is None else orjson.loads(body) for body in bodies]


def document(stages: Stage | list[Stage], row: Row, columns: tuple[str, ...] = APRIL) -> dict[str, Any]:
    """The one document of a row that the stages let through."""
    staged = through(stages, batch([row], columns))
    assert not staged.rejected, staged.rejected
    [made] = documents(staged)
    assert made is not None
    return made


def column(staged: Staged, field: str) -> list[Any]:
    """A document field of the batch, row by row."""
    index = staged.batch.schema.fields.index(field)
    return [row[index] for row in staged.batch.rows]

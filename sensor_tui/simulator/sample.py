"""Sample databases: many readings of either generation, written at once."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sensor_tui.simulator.config import SensorConfig
from sensor_tui.simulator.database import open_database, refusal
from sensor_tui.simulator.schema import Encoder, Row, SimulatedReading, row_encoder, schema_for

_JITTER_SECONDS = 0.0005
_ANOMALY_EVERY = 0.02


def write_sample(
    path: Path,
    *,
    generation: str,
    rows: int,
    sensor_id: str | None = None,
    city: str = "London",
    seed: int = 1,
    start: float = 1_754_000_000.0,
    step: float = 1.0,
    wal: bool = False,
) -> str:
    """Append `rows` readings in one transaction and return the sensor id; same arguments, same rows.

    `start` and `step` are seconds; times are off the grid by up to half a millisecond, never backwards.
    A city that is not in the cities file has no coordinates and lies in UTC.
    Raises what open_database raises, and UsageError for an unknown generation.
    """
    schema = schema_for(generation)
    identity = SensorConfig().with_options(sensor_id=sensor_id, city=city, seed=seed).identity()
    encode = row_encoder(generation, identity)
    with closing(open_database(path, schema, wal=wal)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(schema.insert, _rows(encode, rows, random.Random(seed), start, step))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise refusal(path, error) from None
    return identity.sensor_id


def _rows(encode: Encoder, count: int, noise: random.Random, start: float, step: float) -> Iterator[Row]:
    uniform = noise.random
    jitter = min(_JITTER_SECONDS, step)
    for index in range(count):
        odd = uniform() < _ANOMALY_EVERY
        yield encode(
            SimulatedReading(
                start + index * step + uniform() * jitter,
                (55.0 if odd else 18.0) + 6.0 * uniform(),  # temperature
                45.0 + 20.0 * uniform(),  # humidity
                1005.0 + 16.0 * uniform(),  # pressure
                0.5 * uniform(),  # vibration
                11.8 + 0.4 * uniform(),  # voltage
                1 if odd else 0,
                "spike" if odd else None,
            )
        )

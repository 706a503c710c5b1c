"""Prepared queries, for a sensor's file and for Cosmos."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sensor_tui.app.format import plain

_CITIES: Final = 6


@dataclass(frozen=True, slots=True)
class Example:
    """A query and what it is for."""

    title: str
    sql: str


FILE: Final = (
    Example("Newest 20 readings", "SELECT * FROM sensor_readings ORDER BY id DESC LIMIT 20"),
    Example(
        "Readings by hour",
        # times are seconds in older files and text in newer ones
        "SELECT strftime('%Y-%m-%d %H:00', CASE typeof(timestamp)\n"
        "         WHEN 'text' THEN timestamp ELSE datetime(timestamp, 'unixepoch') END) AS hour,\n"
        "       count(*) AS readings\n"
        "FROM sensor_readings GROUP BY hour ORDER BY hour DESC",
    ),
    Example(
        "Newest 50 anomalies",
        "SELECT id, timestamp, sensor_id, anomaly_type, temperature, vibration, voltage\n"
        "FROM sensor_readings WHERE anomaly_flag = 1 ORDER BY id DESC LIMIT 50",
    ),
    Example(
        "What was sent, what is open, what is dead",
        "SELECT CASE coalesce(synced, 0) WHEN 1 THEN 'sent' WHEN -1 THEN 'dead' ELSE 'open' END AS state,\n"
        "       count(*) AS readings, min(timestamp) AS oldest, max(timestamp) AS newest\n"
        "FROM sensor_readings GROUP BY state",
    ),
    Example(
        "Columns of the file", "SELECT name, type, \"notnull\" FROM pragma_table_info('sensor_readings')"
    ),
)


def cosmos(now: float, cities: Iterable[str]) -> Sequence[Example]:
    """Queries over `c`, without GROUP BY, as it crosses no partitions; `now` in seconds since the epoch."""
    hour = (datetime.fromtimestamp(now, UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    found = [
        Example("Newest 20 readings", 'SELECT TOP 20 * FROM c ORDER BY c["timestamp"] DESC'),
        Example("How many in all", "SELECT VALUE COUNT(1) FROM c"),
        Example(
            "How many of the last hour", f'SELECT VALUE COUNT(1) FROM c WHERE c["timestamp"] >= "{hour}"'
        ),
        Example(
            "Newest 50 anomalies",
            'SELECT TOP 50 c.id, c.sensorId, c.city, c["timestamp"], c.anomalyType\n'
            'FROM c WHERE c.anomalyFlag = 1 OR c.anomalyFlag = true ORDER BY c["timestamp"] DESC',
        ),
    ]
    for city in sorted(set(cities))[:_CITIES]:
        sql = f"SELECT VALUE COUNT(1) FROM c WHERE c.city = {json.dumps(city)}"
        found.append(Example(f"How many of {plain(city, limit=40)}", sql))
    return found


def examples(source: str | None, now: float, cities: Iterable[str]) -> Sequence[Example]:
    """Those for a file, or for Cosmos where None."""
    return cosmos(now, cities) if source is None else FILE

"""What a row has to become, written down once more and independently of the product's encoder."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from hashlib import blake2b
from pathlib import Path
from struct import pack
from typing import Any

FIELDS = {
    "id": "sqlite_id",
    "sensor_id": "sensorId",
    "temperature": "temperature",
    "vibration": "vibration",
    "voltage": "voltage",
    "status_code": "statusCode",
    "anomaly_flag": "anomalyFlag",
    "anomaly_type": "anomalyType",
    "firmware_version": "firmwareVersion",
    "model": "model",
    "manufacturer": "manufacturer",
    "location": "location",
    "humidity": "humidity",
    "pressure": "pressure",
    "latitude": "latitude",
    "longitude": "longitude",
    "original_timezone": "originalTimezone",
    "serial_number": "serialNumber",
    "manufacture_date": "manufactureDate",
    "deployment_type": "deploymentType",
    "installation_date": "installationDate",
    "height_meters": "heightMeters",
    "orientation_degrees": "orientationDegrees",
    "instance_id": "instanceId",
    "sensor_type": "sensorType",
}
OF_THE_SERVICE = ("_rid", "_self", "_etag", "_attachments", "_ts")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def document_of(row: dict[str, Any], city: str) -> dict[str, Any]:
    """The document of a row, given as a mapping from column to value, of a sensor in that city."""
    document = {field: row[column] for column, field in FIELDS.items() if row.get(column) is not None}
    stored = row["timestamp"]
    if isinstance(stored, str):
        moment = datetime.fromisoformat(stored).astimezone(UTC)
        raw = b"t" + stored.encode()
    else:
        microseconds = int((Decimal(stored) * 1_000_000).to_integral_value(ROUND_HALF_EVEN))
        moment = _EPOCH + timedelta(microseconds=microseconds)
        raw = b"r" + pack(">d", stored)
    sensor = row["sensor_id"].encode()
    whole = b"%d:%b\0%b\0%d" % (len(sensor), sensor, raw, row["id"])
    return document | {
        "id": blake2b(whole, digest_size=16).hexdigest(),
        "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "city": city,
        "processingStage": "Raw",
    }


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Every row of a sensor's file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM sensor_readings ORDER BY id")]


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """A document as it was sent: without what the service adds."""
    return {name: value for name, value in document.items() if name not in OF_THE_SERVICE}

"""The table `sensor_readings` in both generations found in the field, and how a reading becomes its row."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sensor_tui.errors import UsageError
from sensor_tui.simulator.identity import SensorIdentity

TABLE = "sensor_readings"

_CREATE_2025_04 = """\
CREATE TABLE IF NOT EXISTS sensor_readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp REAL,
    sensor_id TEXT,
    temperature REAL,
    vibration REAL,
    voltage REAL,
    status_code INTEGER,
    anomaly_flag INTEGER,
    anomaly_type TEXT,
    firmware_version TEXT,
    model TEXT,
    manufacturer TEXT,
    location TEXT,
    synced INTEGER DEFAULT 0
)"""

_CREATE_2025_08 = """\
CREATE TABLE IF NOT EXISTS sensor_readings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp TEXT NOT NULL,
    sensor_id TEXT,
    temperature REAL,
    vibration REAL,
    voltage REAL,
    status_code INTEGER,
    anomaly_flag INTEGER,
    anomaly_type TEXT,
    firmware_version TEXT,
    model TEXT,
    manufacturer TEXT,
    location TEXT,
    synced INTEGER,
    humidity REAL,
    pressure REAL,
    latitude REAL,
    longitude REAL,
    original_timezone TEXT,
    serial_number TEXT,
    manufacture_date TEXT,
    deployment_type TEXT,
    installation_date TEXT,
    height_meters REAL,
    orientation_degrees REAL,
    instance_id TEXT,
    sensor_type TEXT
)"""

_COMMON = (
    "timestamp", "sensor_id", "temperature", "vibration", "voltage", "status_code", "anomaly_flag",
    "anomaly_type", "firmware_version", "model", "manufacturer", "location",
)  # fmt: skip
_ADDED_2025_08 = (
    "humidity", "pressure", "latitude", "longitude", "original_timezone", "serial_number",
    "manufacture_date", "deployment_type", "installation_date", "height_meters", "orientation_degrees",
    "instance_id", "sensor_type",
)  # fmt: skip


class SimulatedReading(NamedTuple):
    """One reading before it is a row; `time` is seconds since the epoch, `anomaly_type` None when normal."""

    time: float
    temperature: float
    humidity: float
    pressure: float
    vibration: float
    voltage: float
    status_code: int
    anomaly_type: str | None


Row = tuple[object, ...]
Encoder = Callable[[SimulatedReading], Row]


@dataclass(frozen=True, slots=True)
class TableSchema:
    """One generation: its table, the columns a sensor writes (`synced` and `id` are left to SQLite)."""

    generation: str
    create: str
    columns: tuple[str, ...]
    time_type: str

    @property
    def insert(self) -> str:
        """The INSERT that takes a row of `columns`."""
        return (
            f"INSERT INTO {TABLE} ({', '.join(self.columns)}) VALUES ({', '.join('?' * len(self.columns))})"
        )


SCHEMAS = {
    "2025-04": TableSchema("2025-04", _CREATE_2025_04, _COMMON, "REAL"),
    "2025-08": TableSchema("2025-08", _CREATE_2025_08, _COMMON + _ADDED_2025_08, "TEXT"),
}
GENERATIONS = tuple(SCHEMAS)


def schema_for(generation: str) -> TableSchema:
    """The schema of that generation; UsageError for one that does not exist."""
    try:
        return SCHEMAS[generation]
    except KeyError:
        raise UsageError(
            f"there is no database generation {generation!r}", fix=f"Use {' or '.join(GENERATIONS)}"
        ) from None


def row_encoder(generation: str, identity: SensorIdentity) -> Encoder:
    """A function from reading to row, in the column order of that generation."""
    if schema_for(generation).generation == "2025-04":
        return _encoder_2025_04(identity)
    return _encoder_2025_08(identity)


def _encoder_2025_04(identity: SensorIdentity) -> Encoder:
    sensor_id = identity.sensor_id
    fixed = (
        identity.firmware_version,
        identity.model,
        identity.manufacturer,
        identity.location_with_coordinates,
    )

    def encode(reading: SimulatedReading) -> Row:
        time, temperature, _, _, vibration, voltage, status, anomaly = reading
        return (
            time, sensor_id, temperature, vibration, voltage, status, 0 if anomaly is None else 1, anomaly,
            *fixed,
        )  # fmt: skip

    return encode


def _encoder_2025_08(identity: SensorIdentity) -> Encoder:
    sensor_id = identity.sensor_id
    zone = ZoneInfo(identity.time_zone) if identity.time_zone != "UTC" else UTC
    place = (identity.firmware_version, identity.model, identity.manufacturer, identity.location)
    deployment = identity.deployment
    fixed = (
        identity.latitude, identity.longitude, identity.time_zone, identity.serial_number,
        identity.manufacture_date.isoformat() if identity.manufacture_date else None,
        deployment.type,
        deployment.installation_date.isoformat() if deployment.installation_date else None,
        deployment.height_meters, deployment.orientation_degrees, identity.instance_id, identity.sensor_type,
    )  # fmt: skip

    def encode(reading: SimulatedReading) -> Row:
        time, temperature, humidity, pressure, vibration, voltage, status, anomaly = reading
        return (
            datetime.fromtimestamp(time, zone).isoformat(timespec="microseconds"),
            sensor_id, temperature, vibration, voltage, status, 0 if anomaly is None else 1, anomaly, *place,
            humidity, pressure, *fixed,
        )  # fmt: skip

    return encode

"""Who a simulated sensor is: its id, where it stands, what it was built as."""

import hashlib
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Deployment:
    """How the sensor is mounted; height in metres over ground, orientation in degrees from north."""

    type: str = "fixed"
    installation_date: date | None = None
    height_meters: float | None = None
    orientation_degrees: float | None = None


@dataclass(frozen=True, slots=True)
class SensorIdentity:
    """What a sensor writes about itself into every row; `time_zone` is an IANA name that exists here."""

    sensor_id: str
    city: str
    location: str
    latitude: float | None
    longitude: float | None
    time_zone: str
    manufacturer: str = "SensorTech"
    model: str = "EnvMonitor-3000"
    firmware_version: str = "1.4.0"
    serial_number: str | None = None
    manufacture_date: date | None = None
    instance_id: str | None = None
    sensor_type: str = "environmental"
    deployment: Deployment = Deployment()

    @property
    def location_with_coordinates(self) -> str:
        """`Manila (14.595554, 120.976885)`, or the location alone where no coordinates are known."""
        if self.latitude is None or self.longitude is None:
            return self.location
        return f"{self.location} ({self.latitude:.6f}, {self.longitude:.6f})"


def serial_number_for(sensor_id: str, seed: int) -> str:
    """A serial number for a sensor that was given none; stable across versions."""
    return "SN-" + hashlib.sha256(f"{sensor_id}\0{seed}".encode()).hexdigest()[:10].upper()

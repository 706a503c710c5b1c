"""Who a simulated sensor is: its id, where it stands, what it was built as."""

import hashlib
import math
import unicodedata
from dataclasses import dataclass
from datetime import date

_NUMBERS = 1_000_000


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


def sensor_id_for(city: str, number: int, seed: int) -> str:
    """The id of the city's sensor of that number, like `LON_123456`; stable across versions.

    The digits walk through all six-digit numbers with a stride of the city's own, so that no two
    numbers of one city and seed share an id.
    """
    name = unicodedata.normalize("NFC", city)
    digest = hashlib.sha256(f"{name}\0{seed}".encode()).digest()
    start = int.from_bytes(digest[:8], "big")
    stride = int.from_bytes(digest[8:16], "big") % _NUMBERS
    while math.gcd(stride, _NUMBERS) != 1:
        stride += 1
    return f"{_city_code(name)}_{(start + number * stride) % _NUMBERS:06d}"


def serial_number_for(sensor_id: str, seed: int) -> str:
    """A serial number for a sensor that was given none; stable across versions."""
    return "SN-" + hashlib.sha256(f"{sensor_id}\0{seed}".encode()).hexdigest()[:10].upper()


def _city_code(name: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKD", name).upper() if "A" <= c <= "Z"][:3]
    if not letters:  # a name in another script still needs a code of its own
        letters = [chr(ord("A") + byte % 26) for byte in hashlib.sha256(name.encode()).digest()[:3]]
    return "".join(letters).ljust(3, "X")

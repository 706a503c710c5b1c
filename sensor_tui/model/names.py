"""Names that are made from other names."""

import hashlib
import math
import re
import unicodedata
from typing import Final

_LONGEST: Final = 40
_HASHED: Final = 6
_NUMBERS: Final = 1_000_000


def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and `-`; with a short hash where nothing or not all is left of it."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if name and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASHED]
    return f"{name[:_LONGEST].rstrip('-')}-{digest}".lstrip("-")


def sensor_unit_name(city: str, number: int) -> str:
    """Name of the unit of a city's sensor of that number: `sensor-new-york-2`."""
    return f"sensor-{slug(city)}-{number}"


def uploader_unit_name(city: str) -> str:
    """Name of the unit that uploads a city's readings: `uploader-new-york`."""
    return f"uploader-{slug(city)}"


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


def _city_code(name: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKD", name).upper() if "A" <= c <= "Z"][:3]
    if not letters:  # a name in another script still needs a code of its own
        letters = [chr(ord("A") + byte % 26) for byte in hashlib.sha256(name.encode()).digest()[:3]]
    return "".join(letters).ljust(3, "X")

"""Names that are made from other names."""

import hashlib
import re
import unicodedata
from typing import Final

_LONGEST: Final = 40
_HASHED: Final = 6


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

"""A city: the group of sensors that stand in it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class City:
    """Where sensors stand; degrees north and east, an IANA time zone."""

    name: str
    latitude: float
    longitude: float
    country: str | None = None
    time_zone: str | None = None

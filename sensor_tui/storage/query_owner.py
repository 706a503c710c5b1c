"""Whose a row is: its sensor, and its city, which is not always that of the folder."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sensor_tui.model.reading import city_of


class Owner(NamedTuple):
    """Sensor and city of a row, as its document carries them; no sensor where the row names none."""

    sensor: str | None
    city: str


@dataclass(frozen=True, slots=True)
class Whose:
    """Which rows of a file are meant: those of a sensor, of a city in whatever case; all where None."""

    folder: str = ""
    """City of rows that name no place."""
    sensor: str | None = None
    city: str | None = None

    @property
    def everybody(self) -> bool:
        """Whether it leaves nothing out."""
        return self.sensor is None and self.city is None

    def owner(self, sensor: Any, location: Any) -> Owner:
        """Whose a row with these values is."""
        named = (
            sensor if isinstance(sensor, str) else str(sensor) if isinstance(sensor, int | float) else None
        )
        return Owner(named or None, city_of(location, self.folder))

    def fits(self, owner: Owner) -> bool:
        """Whether rows of this owner are meant."""
        return (self.sensor is None or owner.sensor == self.sensor) and (
            self.city is None or owner.city.casefold() == self.city.casefold()
        )


EVERYBODY: Final = Whose()
"""All rows."""

"""The cities a sensor can stand in, from `fixtures/cities.yaml` or a file of the same shape."""

import difflib
import unicodedata
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sensor_tui.errors import ConfigError, UsageError
from sensor_tui.resources import resource_dir
from sensor_tui.simulator.checked_yaml import Latitude, Longitude, Text, ZoneName, load_checked


class City(BaseModel):
    """A city: degrees north and east, ISO 3166 country code and name, IANA time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    latitude: Latitude
    longitude: Longitude
    country_code: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    country: Text | None = None
    time_zone: ZoneName = "UTC"


class _CitiesFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cities: Annotated[list[City], Field(min_length=1)]


def load_cities(path: Path | None = None) -> tuple[City, ...]:
    """The cities of that file, in its order; of the built-in file without one.

    Raises ConfigError, naming file, key and line, for a file that cannot be used or names a city twice.
    """
    return _builtin() if path is None else _read(path)


def city_named(name: str, cities: tuple[City, ...] | None = None) -> City | None:
    """The city of that name, whatever its case and accents, among the built-in ones or those given."""
    wanted = _folded(name)
    return next((city for city in cities or load_cities() if _folded(city.name) == wanted), None)


def find_city(name: str, cities: tuple[City, ...] | None = None) -> City:
    """The city of that name; UsageError naming the nearest where there is none."""
    found = city_named(name, cities)
    if found is not None:
        return found
    known = {_folded(city.name): city.name for city in cities or load_cities()}
    near = difflib.get_close_matches(_folded(name), known, n=1)
    fix = f"Did you mean {known[near[0]]}?" if near else "Add it to a cities file with its coordinates"
    raise UsageError(f"no city is called {name!r}", fix=fix)


@cache
def _builtin() -> tuple[City, ...]:
    return _read(resource_dir("fixtures") / "cities.yaml")


def _read(path: Path) -> tuple[City, ...]:
    cities = tuple(load_checked(path, _CitiesFile).cities)
    seen: set[str] = set()
    for city in cities:
        if _folded(city.name) in seen:
            raise ConfigError(f"{path}: the city {city.name} is named twice", fix="Keep one of them")
        seen.add(_folded(city.name))
    return cities


def _folded(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold().strip()

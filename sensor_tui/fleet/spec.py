"""What a fleet of containers is made of: cities become units with stable names, ids and folders."""

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sensor_tui.errors import ConfigError, UsageError
from sensor_tui.fleet.images import DEFAULT_NAME, parse_image
from sensor_tui.model.city import City
from sensor_tui.model.names import sensor_id_for, slug

MOST_SENSORS: Final = 10_000
"""Of one project; an engine has long given up by then."""

_HASH_LENGTHS: Final = (6, 12, 24, 64)
_STEP: Final = 10_007
"""To the next number whose id may be free; shares no factor with the number of ids, so it visits them all."""
_NAME_MAX: Final = 255
"""Bytes in the name of a folder, on every file system in use."""
_PROJECT: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_USER: Final = re.compile(r"[0-9]+:[0-9]+")


@dataclass(frozen=True, slots=True)
class Images:
    """Full names of images, each with its version; `uploader` None where no containers upload."""

    sensor: str
    uploader: str | None = None

    @staticmethod
    def own(image: str) -> bool:
        """Whether this is our own image, by its name, and not one of the earlier system's."""
        return parse_image(image).path.rpartition("/")[2] == DEFAULT_NAME


@dataclass(frozen=True, slots=True)
class SensorUnit:
    """One sensor in a container."""

    name: str
    sensor_id: str
    city: City
    number: int
    data: str
    """Its data folder, relative to the data root: `London/LON_123456`."""


@dataclass(frozen=True, slots=True)
class UploaderUnit:
    """The container that uploads a city's readings."""

    name: str
    city: City
    data: str
    """The city's folder, relative to the data root and to the archive root: `London`."""


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """Everything a compose file is made of. Folders are absolute, the interval is in seconds."""

    project: str
    sensors: tuple[SensorUnit, ...]
    uploaders: tuple[UploaderUnit, ...]
    images: Images
    readings_per_second: float
    anomaly_probability: float
    upload_interval: float
    archive_format: str
    data_root: Path
    archive_root: Path
    user: str
    """`uid:gid` that containers run as: whoever owns the folders they write to."""
    seed: int = 0
    sensor_config: Path | None = None
    uploader_config: Path | None = None
    ca_file: Path | None = None
    """Certificate of a private authority that uploaders trust."""
    cpus: float = 0.5
    memory: str = "256M"
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every uploader, by value: nothing secret."""
    references: tuple[str, ...] = ()
    """Variables of every uploader whose values Compose takes from its own environment: the secrets."""

    @property
    def units(self) -> "tuple[SensorUnit | UploaderUnit, ...]":
        """Sensors, then uploaders."""
        return (*self.sensors, *self.uploaders)

    @property
    def cities(self) -> tuple[City, ...]:
        """The cities in use, in their order."""
        return tuple(dict.fromkeys(unit.city for unit in self.sensors))


def bind_folders(spec: FleetSpec) -> tuple[Path, ...]:
    """Folders that have to exist, and belong to `spec.user`, before Compose starts anything."""
    cities = [unit.data for unit in spec.uploaders]
    data = [spec.data_root / folder for folder in (*cities, *(unit.data for unit in spec.sensors))]
    return (*data, *(spec.archive_root / folder for folder in cities))


def fleet_spec(
    *,
    project: str,
    cities: Sequence[City],
    sensors_per_city: int,
    max_cities: int,
    images: Images,
    readings_per_second: float,
    anomaly_probability: float,
    upload_interval: float,
    archive_format: str,
    data_root: Path,
    archive_root: Path,
    user: str,
    uploaders: bool = False,
    seed: int = 0,
    sensor_config: Path | None = None,
    uploader_config: Path | None = None,
    ca_file: Path | None = None,
    cpus: float = 0.5,
    memory: str = "256M",
    environment: Mapping[str, str] | None = None,
    references: Sequence[str] = (),
) -> FleetSpec:
    """The fleet of the first `max_cities` cities.

    Names, ids and folders of a city depend on the seed and on the cities before it alone, so that a fleet
    can grow at its end without a change to what is there.

    Raises:
        ConfigError: cities that cannot be used.
        UsageError: anything else that cannot be used, one line each.
    """
    if _PROJECT.fullmatch(project) is None:
        raise UsageError(
            f"{project!r} cannot be the name of a project",
            fix="Use lower-case letters, digits, '-' and '_', a letter or digit first",
        )
    if _USER.fullmatch(user) is None:
        raise UsageError(f"{user!r} is no user of a container", fix="Write it as uid:gid")
    if uploaders and images.uploader is None:
        raise UsageError("uploaders are asked for, and no image is named for them", fix="Name one")
    _check_amounts(readings_per_second, anomaly_probability, upload_interval)
    chosen = _chosen(cities, max_cities)
    _check_counts(len(chosen), sensors_per_city)
    names = _unique((city.name for city in chosen), slug, hashed)
    folders = _unique((city.name for city in chosen), _folder, hashed, same=_as_a_file_system)
    sensors: list[SensorUnit] = []
    taken: set[str] = set()
    for city, name, folder in zip(chosen, names, folders, strict=True):
        for number in range(1, sensors_per_city + 1):
            sensor_id = _free_id(city.name, number, seed, taken)
            taken.add(sensor_id)
            sensors.append(
                SensorUnit(f"sensor-{name}-{number}", sensor_id, city, number, f"{folder}/{sensor_id}")
            )
    return FleetSpec(
        project=project,
        sensors=tuple(sensors),
        uploaders=tuple(
            UploaderUnit(f"uploader-{name}", city, folder)
            for city, name, folder in zip(chosen, names, folders, strict=True)
            if uploaders
        ),
        images=images if uploaders else Images(images.sensor),
        readings_per_second=readings_per_second,
        anomaly_probability=anomaly_probability,
        upload_interval=upload_interval,
        archive_format=archive_format,
        data_root=data_root.absolute(),
        archive_root=archive_root.absolute(),
        user=user,
        seed=seed,
        sensor_config=_absolute(sensor_config),
        uploader_config=_absolute(uploader_config) if uploaders else None,
        ca_file=_absolute(ca_file) if uploaders else None,
        cpus=cpus,
        memory=memory,
        environment=dict(environment or {}) if uploaders else {},
        references=tuple(references) if uploaders else (),
    )


def hashed(text: str, length: int = _HASH_LENGTHS[0]) -> str:
    """The slug of a text with a short hash of the text itself."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
    plain = slug(text)
    return plain if plain.endswith(digest) else f"{plain}-{digest}"


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.absolute()


def _chosen(cities: Sequence[City], most: int) -> tuple[City, ...]:
    if most < 1:
        raise UsageError(f"max_cities is {most}: one city is the least", fix="Give 1 or more")
    chosen = tuple(cities[:most])
    if not chosen:
        raise ConfigError("there are no cities to put sensors in", fix="List them under 'cities'")
    seen: set[str] = set()
    for city in chosen:
        problem = _unusable(city)
        if city.name in seen:
            problem = "it is listed twice"
        if problem:
            raise ConfigError(f"the city {city.name!r} cannot be used: {problem}", fix="Mend its entry")
        seen.add(city.name)
    return chosen


def _unusable(city: City) -> str:
    """A name ends up in the environment of a container, which takes neither NUL nor half a character."""
    if not city.name.strip():
        return "it has no name"
    if "\0" in city.name:
        return "there is a NUL in its name"
    if any("\ud800" <= character <= "\udfff" for character in city.name):
        return "its name is not Unicode text"
    if not (math.isfinite(city.latitude) and math.isfinite(city.longitude)):
        return "its coordinates are no numbers"
    return ""


def _check_counts(cities: int, sensors_per_city: int) -> None:
    if sensors_per_city < 1:
        raise UsageError(f"sensors_per_city is {sensors_per_city}: one is the least", fix="Give 1 or more")
    if cities * sensors_per_city > MOST_SENSORS:
        raise UsageError(
            f"{cities} cities with {sensors_per_city} sensors each are {cities * sensors_per_city:,} sensors,"
            f" and {MOST_SENSORS:,} is the most of one project",
            fix="Give fewer, or make several projects of them",
        )


def _check_amounts(readings: float, anomalies: float, interval: float) -> None:
    if not 0 < readings < math.inf:
        raise UsageError(f"readings_per_second is {readings:g}", fix="Give a number over 0")
    if not 0 <= anomalies <= 1:
        raise UsageError(f"anomaly_probability is {anomalies:g}", fix="Give a share from 0 to 1")
    if not 0 < interval < math.inf:
        raise UsageError(f"upload_interval is {interval:g}", fix="Give seconds over 0")


def _unique(
    texts: Iterator[str],
    plain: Callable[[str], str],
    longer: Callable[[str, int], str],
    same: Callable[[str], str] = str,
) -> list[str]:
    """A name for each text: the plain one for whoever comes first, one with a hash for the others."""
    names: list[str] = []
    taken: set[str] = set()
    for text in texts:
        candidates = (plain(text), *(longer(text, length) for length in _HASH_LENGTHS))
        name = _first_free(candidates, taken, same)
        taken.add(same(name))
        names.append(name)
    return names


def _first_free(candidates: Sequence[str], taken: Collection[str], same: Callable[[str], str]) -> str:
    for name in candidates:
        if same(name) not in taken:
            return name
    raise ConfigError(f"no name is left for {candidates[0]!r}", fix="Rename that city")


def _folder(city: str) -> str:
    """A city's folder: its own name where that can neither climb, hide, lie on a screen nor be too long."""
    fits = len(city.encode()) <= _NAME_MAX and city.isprintable() and city == city.strip()
    safe = not city.startswith(".") and not set(city) & {"/", "\\"}
    return city if fits and safe else hashed(city)


def _as_a_file_system(name: str) -> str:
    """What two names have in common that some file systems take for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _free_id(city: str, number: int, seed: int, taken: Collection[str]) -> str:
    """The id of names.sensor_id_for; cities with the same three letters may meet, then the next one."""
    while (sensor_id := sensor_id_for(city, number, seed)) in taken:
        number += _STEP
    return sensor_id

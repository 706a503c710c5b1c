"""What a fleet of containers is built from: options, configuration and cities, shared by several commands."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from sensor_tui.cli.lazy import Session
from sensor_tui.cli.options import DEFAULT_DATA_DIR, EXISTING_FILE, FOLDER, config_option, state_dir_option

if TYPE_CHECKING:
    from sensor_tui.config import Settings
    from sensor_tui.fleet.spec import FleetSpec, Images
    from sensor_tui.model.city import City

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_ARCHIVE: Final = Path("archive")

_COUNT: Final = click.IntRange(1, 10_000)
_OVERRIDES: Final = {
    "project_name": "fleet.project",
    "sensors_per_city": "fleet.sensors_per_city",
    "max_cities": "fleet.max_cities",
    "readings_per_second": "fleet.readings_per_second",
    "anomaly_probability": "fleet.anomaly_probability",
    "seed": "fleet.seed",
    "upload_interval": "upload_interval",
    "archive_format": "archive.format",
    "archive_path": "archive.path",
    "sensor_config": "fleet.sensor_config",
    "compose_config": "fleet.compose_config",
    "state_dir": "state_dir",
    "output": "fleet.compose_output",
}
"""Options that stand for a key of the configuration."""


def fleet_options(command: F) -> F:
    """Options that say what the fleet is; where its files are is left to `place_options` or others."""
    for option in (
        click.option(
            "--seed",
            type=click.IntRange(0, 2**31 - 1),
            metavar="NUM",
            help="Makes the sensors' ids: the same seed, the same ids.",
        ),
        click.option(
            "--archive-path", type=FOLDER, metavar="DIR", help="Folder of the archive. Default: archive."
        ),
        click.option("--archive-format", metavar="FORMAT", help="Parquet, CSV or JSON lines."),
        click.option(
            "--upload-interval",
            metavar="SECONDS",
            help="Pause between two uploads; 30, 30s, 5m and 00:00:30 work.",
        ),
        click.option(
            "--uploader-tag",
            metavar="VERSION",
            help="Version of the images, never 'latest'; implies --uploaders. Default: $UPLOADER_TAG, the"
            " last version built here, or that of this program.",
        ),
        click.option(
            "--compose-config",
            type=EXISTING_FILE,
            metavar="FILE",
            help="Configuration file of the uploaders in containers; implies --uploaders. Default: this one.",
        ),
        click.option(
            "--uploaders/--no-uploaders",
            default=None,
            help="One container per city uploads, or this machine does (the default).",
        ),
        click.option(
            "--sensor-config", type=EXISTING_FILE, metavar="FILE", help="Configuration file of the sensors."
        ),
        click.option(
            "--anomaly-probability",
            type=click.FloatRange(0, 1),
            metavar="SHARE",
            help="Share of anomalies among readings, 0 to 1.",
        ),
        click.option(
            "--readings-per-second",
            type=click.FloatRange(0, 10_000, min_open=True),
            metavar="NUM",
            help="Readings a second of each sensor.",
        ),
        click.option("--max-cities", type=_COUNT, metavar="NUM", help="Cities used, at most."),
        click.option("--sensors-per-city", type=_COUNT, metavar="NUM", help="Sensors in each city."),
        click.option("--project-name", metavar="NAME", help="Name of the compose project."),
    ):
        command = option(command)
    return command


def place_options(command: F) -> F:
    """Options that say where the fleet's files are, or will be."""
    command = state_dir_option(command)
    command = click.option(
        "--data-dir",
        type=FOLDER,
        metavar="DIR",
        help="Folder of the sensors' databases, which need not exist yet. Default: data_dir of the"
        " configuration, else ./data.",
    )(command)
    return config_option(command)


@dataclass(frozen=True, slots=True)
class FleetSetup:
    """A fleet, and what surrounds it."""

    spec: "FleetSpec"
    settings: "Settings"
    output: Path
    """Its compose file."""
    state: Path
    """Folder of our own state."""
    environment: Mapping[str, str]
    """Values of `spec.references`, the secrets among them, as far as they are known: for Compose alone."""


def state_for(data: Path, given: Path | None) -> Path:
    """The state folder of data that need not be there yet; what is not there will be a folder."""
    from sensor_tui.storage.ledger_db import STATE_FOLDER, state_folder

    if given is None and not data.exists():
        return data.absolute() / STATE_FOLDER
    return state_folder(data.absolute(), given)


def spec_of(session: Session, options: Mapping[str, Any]) -> "FleetSpec":
    """The fleet that options, environment, configuration and cities ask for; see `setup_of`."""
    return setup_of(session, options).spec


def setup_of(session: Session, options: Mapping[str, Any]) -> FleetSetup:
    """The fleet that is asked for, and what surrounds it; warnings go to standard error.

    `options` are those of `fleet_options`, and of `data_dir`, `config_path` and `state_dir` what there is.

    Raises:
        ConfigError: the configuration, a file it names, or the cities cannot be used.
        UsageError: options cannot be used.
    """
    from sensor_tui.cli.compose_uploaders import uploaders_of
    from sensor_tui.cli.setup import prepare
    from sensor_tui.fleet.spec import Images, fleet_spec

    overrides = {key: options[name] for name, key in _OVERRIDES.items() if options.get(name) is not None}
    ready = prepare(session, options.get("config_path"), overrides)
    settings = ready.settings
    fleet = settings.fleet
    data = options.get("data_dir") or settings.data_dir or DEFAULT_DATA_DIR
    state = state_for(data, settings.state_dir)
    containers = _containers(settings, options)
    images = _images(settings, options.get("uploader_tag"), state, containers=containers)
    if fleet.sensor_config is not None:
        _check_sensor_config(fleet.sensor_config, images.sensor)
    uploaders = None
    if images.uploader is not None:
        uploaders = uploaders_of(ready.loaded, own=Images.own(images.uploader))
    spec = fleet_spec(
        project=fleet.project,
        cities=_cities(settings),
        sensors_per_city=fleet.sensors_per_city,
        max_cities=fleet.max_cities,
        images=images,
        readings_per_second=fleet.readings_per_second,
        anomaly_probability=fleet.anomaly_probability,
        upload_interval=settings.interval_seconds,
        archive_format=settings.archive.format,
        data_root=data,
        archive_root=settings.archive.path or DEFAULT_ARCHIVE,
        uploaders=uploaders is not None,
        seed=fleet.seed,
        sensor_config=fleet.sensor_config,
        uploader_config=None if uploaders is None else uploaders.config,
        ca_file=None if uploaders is None else uploaders.ca_file,
        cpus=fleet.cpus,
        memory=fleet.memory,
        user=_user(data),
        environment=None if uploaders is None else uploaders.environment,
        references=() if uploaders is None else tuple(uploaders.references),
    )
    known = {} if uploaders is None else uploaders.references
    values = {name: value for name, value in known.items() if value is not None}
    return FleetSetup(spec, settings, fleet.compose_output, state, values)


def _user(data: Path) -> str:
    """Who containers run as: whoever asks; root leaves a data folder that is there to its owner."""
    if os.geteuid() == 0 and data.is_dir():
        owner = data.stat()
        return f"{owner.st_uid}:{owner.st_gid}"
    return f"{os.geteuid()}:{os.getegid()}"


def _containers(settings: "Settings", options: Mapping[str, Any]) -> bool:
    """Whether containers upload: as asked, as implied by other options, or as configured."""
    asked: bool | None = options.get("uploaders")
    if asked is not None:
        return asked
    implied = options.get("uploader_tag") is not None or options.get("compose_config") is not None
    return implied or settings.fleet.uploaders == "containers"


def _cities(settings: "Settings") -> "list[City]":
    from sensor_tui.model.city import City
    from sensor_tui.simulator.cities import load_cities

    for given in settings.cities:
        _check_zone(given.name, given.time_zone)
    return [
        City(city.name, city.latitude, city.longitude, city.country, city.time_zone)
        for city in settings.cities or load_cities()
    ]


def _check_zone(city: str, zone: str | None) -> None:
    from zoneinfo import ZoneInfo

    from sensor_tui.errors import ConfigError

    try:
        ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError):  # not found, not a name, a folder of the data
        raise ConfigError(
            f"the city {city!r}: time zone {zone!r} is not known here", fix="Write it as in Europe/Amsterdam"
        ) from None


def _images(settings: "Settings", asked: str | None, state: Path, *, containers: bool) -> "Images":
    """Full names of both images; the version that is asked for is the uploader's, and ours of one image."""
    from sensor_tui import __version__
    from sensor_tui.fleet.images import DEFAULT_NAME, last_built, version
    from sensor_tui.fleet.spec import Images

    fleet = settings.fleet
    built = last_built(state)
    sensor, uploader = fleet.images.sensor or DEFAULT_NAME, fleet.images.uploader or DEFAULT_NAME
    tag = version(asked=asked, environment=fleet.uploader_tag, last_built=built, package=__version__)
    _notice(tag.warning)
    tags = {uploader: tag.tag}
    if Images.own(sensor) and not Images.own(uploader):
        tags[sensor] = version(asked=None, environment=None, last_built=built, package=__version__).tag
    given = asked is not None or fleet.uploader_tag is not None
    full = _full_name(fleet.registry, sensor, tags.get(sensor, tag.tag), chosen=Images.own(sensor))
    if not containers:
        return Images(full)
    chosen = given or Images.own(uploader)
    return Images(full, _full_name(fleet.registry, uploader, tag.tag, chosen=chosen))


def _full_name(registry: str, name: str, tag: str, *, chosen: bool) -> str:
    """The name with registry and version; warns unless the version was `chosen` for this very image."""
    from sensor_tui.fleet.images import parse_image, reference

    found = reference(registry, name, tag)
    _notice(found.warning)
    given = parse_image(name)
    if not chosen and not given.tag and not given.digest:
        _notice(f"the image {name} is given no version; using {tag}. Write it as {name}:VERSION")
    return found.image


def _notice(text: str) -> None:
    from sensor_tui.cli import logs

    if text:
        logs.notice(text)


def _check_sensor_config(path: Path, image: str) -> None:
    """ConfigError naming file, key and line; a sensor that is not ours may know other keys."""
    from sensor_tui.errors import ConfigError
    from sensor_tui.fleet.spec import Images
    from sensor_tui.simulator.config import load_sensor_config

    if Images.own(image):
        load_sensor_config(path)
    elif not path.is_file():
        raise ConfigError(f"{path}: there is no such file", fix="Mend fleet.sensor_config")

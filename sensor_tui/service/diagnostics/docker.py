"""Checks of Docker: engines, the Compose tool, and the images of the project."""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sensor_tui.errors import ConfigError, FleetError, SensorTuiError
from sensor_tui.service.diagnostics.context import Context, Finding, failed, failed_by, fine, skipped, warning
from sensor_tui.service.diagnostics.engines import Engines, Look, environment_of
from sensor_tui.service.diagnostics.words import count, some

if TYPE_CHECKING:
    from sensor_tui.fleet.docker_host import DockerAddress
    from sensor_tui.fleet.docker_probe import Probe

_API: Final = (1, 41)
"""Of Docker 20.10; statistics of containers are asked for as engines have understood since then."""
_COMPOSE: Final = (1, 28)
"""The first that knows every option it is given."""
_COMPOSE_SECONDS: Final = 12.0
_REGISTRY_SECONDS: Final = 8.0
_INSTALL_COMPOSE: Final = "Install the package docker-compose-plugin (or docker-compose)"
_NAME_A_VERSION: Final = "Start it again with a version: sensor-tui reset --uploader-tag VERSION"


async def engine(_: Context, engines: Engines) -> Finding:
    """Whether every engine answers and may be used."""
    wanted = engines.why_wanted
    if not engines.installed:
        return skipped("there is no Docker client in this installation, as in a container")
    try:
        looks = await engines.looks()
    except ConfigError as error:
        return failed_by(ConfigError(f"fleet.hosts: {error.message}", fix=error.fix))
    away = [each for each in looks if each.problem is not None]
    seen = "; ".join(_seen(each, engines.project) for each in looks)
    if away and not wanted:
        fixes = _fixes(away)
        return skipped(f"{seen}; no fleet here needs Docker" + (f" ({fixes})" if fixes else ""))
    if away:
        return failed(f"{seen}; it is needed: {wanted}", _fixes(away))
    old = [each for each in looks if each.probe is not None and _numbers(each.probe.api_version) < _API]
    if old:
        names = ", ".join(each.address.name for each in old)
        return warning(
            f"{seen}; too old for statistics of containers: {names}", "Use Docker 20.10 or later there"
        )
    return fine(seen)


async def compose(_: Context, engines: Engines) -> Finding:
    """Whether there is a Compose tool that can be used."""
    from sensor_tui.fleet.compose_tool import find_tool

    if not engines.installed:
        return skipped("there is no Docker client in this installation, as in a container")
    home = await engines.home()
    assert home is not None
    wanted = engines.why_wanted
    environment = environment_of(home.address)
    try:
        # in a loop of its own: that of a service (uvloop) starts no process groups
        tool = await engines.ask(lambda: asyncio.run(find_tool(environment)), seconds=_COMPOSE_SECONDS)
    except FleetError as error:
        return failed_by(error) if wanted else skipped(f"{error.message}; no fleet here needs it")
    seen = f"{tool.name} {tool.version}"
    if _numbers(tool.version) and _numbers(tool.version) < _COMPOSE:
        return warning(f"{seen} is too old: 1.28 is the first that works", _INSTALL_COMPOSE)
    return fine(seen)


async def images(context: Context, engines: Engines) -> Finding:
    """Whether the images of the project can be had, and every one that runs has a version."""
    from sensor_tui.fleet.images import policy_problem

    home = await engines.home()
    looks = await engines.looks()
    units = [each.unit for look in looks for each in look.containers if each.unit.state.up]
    if home is None or home.probe is None:
        return skipped("its engine does not answer")
    wanted, where = await wanted_images(context, engines)
    if not wanted and not units:
        return skipped("no containers are configured, and none run")
    probe = home.probe
    places = await asyncio.gather(*(_place(engines, home, probe, image) for image in wanted))
    seen = [f"{image} {place}" for image, (place, _) in zip(wanted, places, strict=True)]
    missing = [problem for _, problem in places if problem is not None]
    wrong = {
        unit.name: f"{unit.name} runs {unit.image} ({problem})"
        for unit in units
        if unit.image is not None and (problem := policy_problem(unit.image)) is not None
    }
    wrong |= {image: f"{where or 'the configuration'} asks for {image} ({problem})" for image in wanted
              if (problem := policy_problem(image)) is not None}  # fmt: skip
    evidence = "; ".join([*some([*wrong.values()]), *some(seen)]) or count(len(units), "unit")
    if missing:
        remedy = missing[0].fix or "Build or pull it"
        told = "; ".join(each.message for each in missing)
        return failed(f"{told}; {evidence}", remedy) if where else warning(f"{told}; {evidence}", remedy)
    if wrong:
        return warning(f"without a version of its own: {evidence}", _NAME_A_VERSION)
    return fine(evidence)


async def wanted_images(context: Context, engines: Engines) -> tuple[list[str], str]:
    """Images there should be, and the compose file that says so; empty where it is the configuration."""
    from sensor_tui.fleet.docker_probe_compose import composed

    last = engines.last
    if last is not None and last.file is not None and last.file.is_file():
        file = last.file
        found = await engines.ask(lambda: composed(file))
        return [*dict.fromkeys(image for image in found.values() if image)], str(file)
    return (_configured(context, engines), "") if engines.why_wanted else ([], "")


def _configured(context: Context, engines: Engines) -> list[str]:
    """Images as `compose` and `start` would name them, as far as the configuration says it."""
    from sensor_tui import __version__
    from sensor_tui.fleet.images import DEFAULT_NAME, last_built, reference, version

    fleet = context.settings().fleet
    built = None if engines.state is None else last_built(engines.state)
    tag = version(asked=None, environment=fleet.uploader_tag, last_built=built, package=__version__).tag
    names = [fleet.images.sensor or DEFAULT_NAME]
    names += [fleet.images.uploader or DEFAULT_NAME] if fleet.uploaders == "containers" else []
    return list(dict.fromkeys(reference(fleet.registry, name, tag).image for name in names))


async def _place(
    engines: Engines, home: Look, probe: "Probe", image: str
) -> tuple[str, SensorTuiError | None]:
    """Where an image is, and what is wrong where it is nowhere."""
    if await engines.ask(lambda: probe.has_image(image)):
        return f"is on {home.address.name}", None
    try:
        await engines.ask(lambda: _in_registry(image, home.address), seconds=_REGISTRY_SECONDS)
    except FleetError as error:
        what = error.message if image in error.message else f"{image}: its registry gives {error.message}"
        return "is missing", FleetError(f"{what}, and {home.address.name} does not have it", fix=error.fix)
    return "is in its registry", None


def _in_registry(image: str, address: "DockerAddress") -> None:
    """Raise FleetError where an image is not in its registry; an unversioned one is asked for as it is."""
    from sensor_tui.fleet.images import check_images

    check_images([image], address, allow_local=False)


def _seen(look: Look, project: str) -> str:
    name = look.address.name
    if look.probe is None:
        return f"{name}: {look.problem.message if look.problem is not None else 'no answer'}"
    running = sum(each.unit.state.up for each in look.containers)
    told = f"{name}: Docker {look.probe.version}, API {look.probe.api_version}"
    if look.containers:
        told += f", {running} of {count(len(look.containers), 'container')} of {project} up"
    return told


def _fixes(looks: Sequence[Look]) -> str:
    fixes = [each.problem.fix for each in looks if each.problem is not None and each.problem.fix]
    return "; ".join(dict.fromkeys(fixes))


def _numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version; nothing where it has none."""
    found = re.match(r"(\d{1,6})\.(\d{1,6})", version)
    return () if found is None else (int(found[1]), int(found[2]))

"""`sensor-tui compose`: the compose file of a fleet."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor_tui.cli.fleet_setup import fleet_options, place_options
from sensor_tui.cli.lazy import Command, Session
from sensor_tui.cli.options import FILE, json_option
from sensor_tui.errors import UsageError

if TYPE_CHECKING:
    from sensor_tui.cli.fleet_setup import FleetSetup

_SCREEN = Path("-")
_KEY = "COSMOS_KEY"


@click.command(
    cls=Command,
    examples=(
        "sensor-tui compose --sensors-per-city 10 --max-cities 3",
        "sensor-tui compose --config cities.yaml --output - | less",
        "sensor-tui compose --uploaders --compose-config cosmos-config.yaml --uploader-tag v20250601",
        "sensor-tui compose --readings-per-second 2 --dry-run",
    ),
)
@place_options
@fleet_options
@click.option(
    "--output",
    "-o",
    type=FILE,
    metavar="FILE",
    help="Compose file to write; - for standard output. Default: docker-compose.yml.",
)
@click.option("--force", is_flag=True, help="Overwrite another file that is there.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@json_option
@click.pass_obj
def compose(session: Session, /, *, force: bool, dry_run: bool, as_json: bool, **options: Any) -> None:
    """Write the compose file of a fleet: a container for every sensor, and for uploaders if asked.

    It is the same for the same options, configuration and cities, byte for byte. Secrets are never in it:
    containers get them from the environment that Compose is started in.
    """
    from sensor_tui.cli.fleet_setup import setup_of
    from sensor_tui.fleet.compose import render

    setup = setup_of(session, options)
    text = render(setup.spec)
    if setup.output == _SCREEN:
        _to_screen(text, as_json=as_json)
    elif dry_run:
        _show(setup, text, force=force, as_json=as_json)
    else:
        _write(setup, text, force=force, as_json=as_json)


def _to_screen(text: str, *, as_json: bool) -> None:
    from sensor_tui.cli.output import emit

    if as_json:
        raise UsageError("--json and --output - would share standard output", fix="Give one of them")
    emit(text.rstrip("\n"))


def _show(setup: "FleetSetup", text: str, *, force: bool, as_json: bool) -> None:
    from sensor_tui.cli.output import clean_lines, emit, emit_json, say
    from sensor_tui.fleet.compose_file import check_place, difference

    path = setup.output
    check_place(path)
    diff, there = difference(path, text), path.exists()
    if as_json:
        change = "same" if not diff else "replaced" if there else "new"
        emit_json({**_facts(setup), "written": None, "change": change, "diff": diff})
    elif diff:
        emit(clean_lines(diff.rstrip("\n")))
        say("Nothing was written." + (" Overwriting it takes --force." if there and not force else ""))
    else:
        say(f"{path} would stay as it is.")


def _write(setup: "FleetSetup", text: str, *, force: bool, as_json: bool) -> None:
    from sensor_tui.cli.output import clean, emit, emit_json, say
    from sensor_tui.fleet.compose import variables
    from sensor_tui.fleet.compose_file import Written, write_compose

    written = write_compose(setup.output, text, force=force)
    if as_json:
        emit_json({**_facts(setup), "written": written})
        return
    same = " (as it was)" if written is Written.SAME else ""
    emit(f"{clean(setup.output)}{same}: {_summary(setup)}")
    if _KEY in variables(setup.spec) and _KEY not in setup.environment:
        say(f"Set {_KEY} in the environment, or in .env, before it is started.")
    say("Next: 'sensor-tui start' with the same options, which makes the folders it needs.")


def _summary(setup: "FleetSetup") -> str:
    from sensor_tui.cli.output import count

    spec = setup.spec
    cities = f"{len(spec.cities)} {'city' if len(spec.cities) == 1 else 'cities'}"
    parts = [f"{count(len(spec.sensors), 'sensor')} in {cities} of {spec.images.sensor}"]
    if spec.uploaders:
        parts.append(f"{count(len(spec.uploaders), 'uploader')} of {spec.images.uploader}")
    return ", ".join(parts)


def _facts(setup: "FleetSetup") -> dict[str, Any]:
    from sensor_tui.fleet.compose import variables
    from sensor_tui.fleet.spec import bind_folders

    spec = setup.spec
    return {
        "output": str(setup.output),
        "project": spec.project,
        "cities": [city.name for city in spec.cities],
        "images": {"sensor": spec.images.sensor, "uploader": spec.images.uploader},
        "sensors": [
            {"name": unit.name, "sensor_id": unit.sensor_id, "city": unit.city.name, "data": unit.data}
            for unit in spec.sensors
        ],
        "uploaders": [
            {"name": unit.name, "city": unit.city.name, "data": unit.data} for unit in spec.uploaders
        ],
        "folders": [str(folder) for folder in bind_folders(spec)],
        "variables": list(variables(spec)),
    }
